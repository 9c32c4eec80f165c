"""One account: its wallets, positions and orders, and the operations that change them.

Every operation is carried out whole or not at all, and appends one ``Fact`` to the log, from which
everything that ever happened can be told again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from common.model.streams import Market
from simulator.accounts.keys import Key
from simulator.accounts.model import (
    OPEN,
    UNIT,
    ZERO,
    Balance,
    Fact,
    Fill,
    Kind,
    Numbers,
    Order,
    OrderType,
    Position,
    PositionSide,
    Rates,
    Side,
    Status,
    hovers_at,
    rounded,
    value_of,
)
from simulator.accounts.positions import fill_position, margin_of
from simulator.accounts.wallets import Wallets
from simulator.listing import Listing

changed = msgspec.structs.replace
_ENDS: dict[Status, Kind] = {"CANCELED": "canceled", "REJECTED": "rejected", "EXPIRED": "expired"}


class Impossible(Exception):  # noqa: N818 - an operation that makes no sense now
    """An operation that cannot be carried out, and why; nothing was changed."""


@dataclass(slots=True, kw_only=True)
class Account:
    """An account of one exchange.

    Attributes:
        name: unique among all accounts.
        user: what the exchange's numbers for its owner are made of; stays when the key is another.
        mode: the exchange's own word for the kind of account.
        hedged: long and short positions are kept apart.
        fees_in_quote: spot takes its fees in the quote asset whatever is bought; else in what is got.
        inverse_in_base: inverse orders are for so much of the base asset; else for so many contracts.
    """

    name: str
    exchange: str
    key: Key
    user: str
    numbers: Numbers
    wallets: Wallets
    mode: str = ""
    hedged: bool = False
    fees_in_quote: bool = False
    inverse_in_base: bool = False
    rates: Rates = field(default_factory=Rates)
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    orders: dict[tuple[Market, int], Order] = field(default_factory=dict)
    log: list[Fact] = field(default_factory=list)

    # --- what there is ----------------------------------------------------------------------

    def order(self, market: Market, number: int) -> Order | None:
        """An order by its number."""
        return self.orders.get((market, number))

    def fills(self, market: Market) -> list[Fill]:
        """Every fill there was, oldest first."""
        return [fact.fill for fact in self.log if fact.fill is not None and fact.market == market]

    def position(self, listing: Listing, side: PositionSide = "BOTH") -> Position:
        """The position in a listing; one of size 0 if there is none."""
        found = self.positions.get((listing.key, side))
        return found or Position(listing=listing, side=side)

    # --- orders -----------------------------------------------------------------------------

    def place(
        self, listing: Listing, side: Side, quantity: Decimal, price: Decimal | None, time_ms: int,
        *, client_id: str = "", reduce_only: bool = False, position_side: PositionSide = "BOTH",
        time_in_force: str = "GTC",
    ) -> Fact:  # fmt: skip
        """A new order: a limit order, or a market order where there is no price.

        Raises:
            Impossible: nothing to trade, or not enough to pay for it.
        """
        if quantity <= 0 or (price is not None and price <= 0):
            raise Impossible("quantity and price must be above zero")
        if self.hedged != (position_side != "BOTH") and listing.market != "spot":
            raise Impossible(f"position side {position_side} does not go with this account")
        held = ZERO if reduce_only else self._held(listing, side, price, quantity)
        free = self.wallets.balance(listing.market, _paid_with(listing, side)).free
        if held > free or (listing.market != "spot" and not reduce_only and free <= 0):
            raise Impossible(f"not enough {_paid_with(listing, side)} for this order")
        kind: OrderType = "MARKET" if price is None else "LIMIT"
        number = self.numbers.order(listing.market)
        order = Order(
            number=number, client_id=client_id or f"sim{number}", listing=listing, side=side,
            type=kind, price=price, quantity=quantity, created_ms=time_ms, updated_ms=time_ms,
            held=held, reduce_only=reduce_only, position_side=position_side,
            time_in_force=time_in_force,
        )  # fmt: skip
        return self._placed(order)

    def _placed(self, order: Order) -> Fact:
        self.orders[order.market, order.number] = order
        asset = _paid_with(order.listing, order.side)
        held = self.wallets.hold(order.market, asset, order.held, order.updated_ms)
        return self._append(order.updated_ms, order.market, "placed", order=order, balances=held)

    def at_market(self, order: Order, last: Decimal) -> Decimal:
        """What an order without a limit trades at: the last price.

        Where inverse orders are for so much of the base asset it is always the same one: at another the
        contracts, which are what counts here, would be worth another size.
        """
        is_sized = self.inverse_in_base and order.market == "inverse"
        return hovers_at(order.listing) if is_sized else last

    def fill(
        self, order: Order, quantity: Decimal, price: Decimal, time_ms: int, *, maker: bool
    ) -> Fact:
        """A trade of an order, whole or in part.

        Raises:
            Impossible: the order is over, the trade too big or at a worse price than its limit, or
                there is not enough to pay for it.
        """
        order = self._open(order)
        if not 0 < quantity <= order.left or price <= 0:
            raise Impossible(f"{quantity} at {price} does not fit an order with {order.left} left")
        buying = order.side == "BUY"
        if order.price is not None and (price > order.price if buying else price < order.price):
            raise Impossible(f"{price} is worse than the limit {order.price}")
        value = value_of(order.listing, price, quantity)
        filled = order.filled + quantity
        after = changed(
            order,
            filled=filled,
            value=order.value + value,
            status="FILLED" if filled == order.quantity else "PARTIALLY_FILLED",
            updated_ms=time_ms,
            held=ZERO
            if order.reduce_only
            else self._held(order.listing, order.side, order.price, order.left - quantity),
        )
        if order.market == "spot":
            return self._fill_spot(order, after, quantity, price, maker)
        return self._fill_future(order, after, quantity, price, maker)

    def _fill_spot(
        self, order: Order, after: Order, quantity: Decimal, price: Decimal, maker: bool
    ) -> Fact:
        listing, time_ms = order.listing, after.updated_ms
        value = after.value - order.value
        got, asset = (quantity, listing.base) if order.side == "BUY" else (value, listing.quote)
        paid, with_ = (value, listing.quote) if order.side == "BUY" else (quantity, listing.base)
        rate = self.rates.maker if maker else self.rates.taker
        fee_asset = listing.quote if self.fees_in_quote else asset
        fee = ((value if fee_asset == listing.quote else got) * rate).quantize(UNIT)
        got, paid = (got - fee, paid) if fee_asset == asset else (got, paid + fee)
        wallet = self.wallets.balance("spot", with_)
        if paid > wallet.free + order.held:
            raise Impossible(f"not enough {with_} for this trade")
        fill = self._fill_of(after, order, price, maker, fee=fee, fee_asset=fee_asset)
        self.wallets.pay("spot", asset, got, ZERO, time_ms)
        self.wallets.pay("spot", with_, -paid, after.held - order.held, time_ms)
        self.orders["spot", order.number] = after
        balances = (
            self.wallets.balance("spot", listing.base),
            self.wallets.balance("spot", listing.quote),
        )
        return self._append(time_ms, "spot", "filled", order=after, fill=fill, balances=balances)

    def _fill_future(
        self, order: Order, after: Order, quantity: Decimal, price: Decimal, maker: bool
    ) -> Fact:
        listing, time_ms = order.listing, after.updated_ms
        value = after.value - order.value
        before = self.position(listing, order.position_side)
        signed = quantity if order.side == "BUY" else -quantity
        if order.reduce_only and (before.size * signed >= 0 or abs(before.size) < quantity):
            raise Impossible("a reduce-only order does not open a position")
        position, realized = fill_position(before, signed, price, time_ms)
        rate = self.rates.maker if maker else self.rates.taker
        fee = (value * rate).quantize(UNIT)
        wallet = self.wallets.balance(order.market, listing.settle)
        if wallet.total + realized < fee and not order.reduce_only:
            raise Impossible(f"not enough {listing.settle} for this trade")
        fill = self._fill_of(
            after, order, price, maker, fee=fee, fee_asset=listing.settle, realized=realized
        )  # fmt: skip
        locked = after.held - order.held + position.margin - before.margin
        self.wallets.pay(order.market, listing.settle, realized - fee, locked, time_ms)
        self.positions[listing.key, order.position_side] = position
        self.orders[order.market, order.number] = after
        return self._append(
            time_ms, order.market, "filled", order=after, fill=fill,
            balances=(self.wallets.balance(order.market, listing.settle),), positions=(position,),
        )  # fmt: skip

    def end(self, order: Order, status: Status, time_ms: int, reason: str = "") -> Fact:
        """It is canceled, rejected or expired.

        Raises:
            Impossible: it is over, or a rejection comes after a fill.
        """
        order = self._open(order)
        if status not in _ENDS:
            raise Impossible(f"{status} is no end of an order")
        if status == "REJECTED" and order.filled:
            raise Impossible("an order with fills is not rejected")
        after = changed(order, status=status, updated_ms=time_ms, held=ZERO, reason=reason)
        self.orders[order.market, order.number] = after
        asset = _paid_with(order.listing, order.side)
        freed = self.wallets.hold(order.market, asset, -order.held, time_ms)
        return self._append(time_ms, order.market, _ENDS[status], order=after, balances=freed)

    def liquidate(
        self, listing: Listing, price: Decimal, time_ms: int, side: PositionSide = "BOTH"
    ) -> list[Fact]:
        """The exchange ends a position: open orders are canceled, then it sells or buys it back.

        Raises:
            Impossible: there is no position.
        """
        position = self.position(listing, side)
        if not position.size:
            raise Impossible("there is no position to liquidate")
        facts = [
            self.end(order, "CANCELED", time_ms, "liquidation")
            for order in tuple(self.orders.values())
            if order.open and order.listing is listing and order.position_side == side
        ]
        number = self.numbers.order(listing.market)
        order = Order(
            number=number, client_id=str(number), listing=listing, liquidation=True,
            side="SELL" if position.size > 0 else "BUY", type="LIMIT", price=price,
            quantity=abs(position.size), time_in_force="IOC", created_ms=time_ms,
            updated_ms=time_ms, reduce_only=True, position_side=side,
        )  # fmt: skip
        facts.append(self._placed(order))
        return [*facts, self.fill(order, order.quantity, price, time_ms, maker=False)]

    # --- money ------------------------------------------------------------------------------

    def transfer(self, market: Market, asset: str, delta: Decimal, time_ms: int) -> Fact:
        """A deposit, or (below zero) a withdrawal.

        Raises:
            Impossible: nothing, or more than there is free.
        """
        if not delta or -delta > self.wallets.balance(market, asset).free:
            raise Impossible(f"{delta} {asset} cannot be moved")
        self.wallets.pay(market, asset, delta, ZERO, time_ms)
        kind: Kind = "deposit" if delta > 0 else "withdrawal"
        balances = (self.wallets.balance(market, asset),)
        return self._append(time_ms, market, kind, balances=balances, delta=delta)

    # --- parts ------------------------------------------------------------------------------

    def _open(self, order: Order) -> Order:
        now = self.orders.get((order.market, order.number))
        if now is None or now.status not in OPEN:
            raise Impossible(f"order {order.number} is over")
        return now

    def _held(
        self, listing: Listing, side: Side, price: Decimal | None, quantity: Decimal
    ) -> Decimal:
        """What an order with so much left keeps of the wallet, its fee too; a market order nothing."""
        if price is None:
            return ZERO
        value = value_of(listing, price, quantity)
        if listing.market != "spot":
            return margin_of(value)
        if side == "SELL":
            return quantity
        return (value * (1 + self.rates.taker)).quantize(UNIT) if self.fees_in_quote else value

    def _fill_of(
        self, order: Order, before: Order, price: Decimal, maker: bool, *,
        fee: Decimal, fee_asset: str, realized: Decimal = ZERO,
    ) -> Fill:  # fmt: skip
        # What is rounded is the order's value: so the values of its fills add up to it.
        value = rounded(order.value) - rounded(before.value)
        quantity = order.filled - before.filled
        return Fill(
            trade=self.numbers.trade(order.market), order=order.number, client_id=order.client_id,
            listing=order.listing, side=order.side, price=price, quantity=quantity, value=value,
            fee=fee, fee_asset=fee_asset, maker=maker, time_ms=order.updated_ms, realized=realized,
            position_side=order.position_side, liquidation=order.liquidation,
        )  # fmt: skip

    def _append(
        self, time_ms: int, market: Market, kind: Kind, *, order: Order | None = None,
        fill: Fill | None = None, balances: tuple[Balance, ...] = (),
        positions: tuple[Position, ...] = (), delta: Decimal = ZERO,
    ) -> Fact:  # fmt: skip
        fact = Fact(
            number=len(self.log) + 1, time_ms=time_ms, market=market, kind=kind, order=order,
            fill=fill, balances=balances, positions=positions, delta=delta,
        )  # fmt: skip
        self.log.append(fact)
        return fact


def _paid_with(listing: Listing, side: Side) -> str:
    """The asset that an order holds."""
    if listing.market != "spot":
        return listing.settle
    return listing.quote if side == "BUY" else listing.base
