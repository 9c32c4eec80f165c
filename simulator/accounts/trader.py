"""The trader: carries out the plans of each moment of market time, in order.

Moments are numbered from the Unix epoch and lie ``60 s / orders_per_min`` apart. Facts get the time
they were planned for, not the time somebody looked.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import NamedTuple

from common.model.intervals import MINUTE_MS
from simulator.accounts.account import Account, Impossible
from simulator.accounts.model import Order, PositionSide, Status
from simulator.accounts.plans import Plan, Step, plan
from simulator.listing import Catalog, Listed, Listing
from simulator.market import Market

_ENDS: dict[str, Status] = {"cancel": "CANCELED", "reject": "REJECTED", "expire": "EXPIRED"}
# What an account is given of a coin that it is to trade with and has none of: it is new.
GIVEN = Decimal(100_000)
_REASONS = {"cancel": "", "reject": "INSUFFICIENT_BALANCE", "expire": "TIME_IN_FORCE"}


class _Due(NamedTuple):
    """A step that is to come; ordered by time, then by the moment that planned it."""

    at_ms: int
    slot: int
    nth: int
    account: Account
    order: Order
    step: Step
    maker: bool


class Trader:
    """Trades for many accounts.

    Args:
        accounts: those it trades for, as they are at each moment.
        markets: where each of them may trade.
    """

    def __init__(
        self, seed: int, orders_per_min: int, since_ms: int, market: Market, catalog: Catalog,
        accounts: Callable[[], Sequence[Account]], markets: Callable[[Account], Collection[str]],
    ) -> None:  # fmt: skip
        self._seed, self._market, self._catalog = seed, market, catalog
        self._accounts, self._markets = accounts, markets
        self._due: list[_Due] = []
        self._per_min = orders_per_min
        self._slot = since_ms * orders_per_min // MINUTE_MS + 1
        self.placed = self.passed_over = 0

    @property
    def pending(self) -> int:
        """Steps that are still to come."""
        return len(self._due)

    def stop(self) -> None:
        """No more orders; those that are open go on to their end."""
        self._per_min = 0

    def run(self, until_ms: int) -> None:
        """Do everything that is due by then."""
        while self._per_min and (at_ms := self._slot * MINUTE_MS // self._per_min) <= until_ms:
            self._carry_out(at_ms)
            self._begin(plan(self._seed, self._slot, at_ms), self._slot)
            self._slot += 1
        self._carry_out(until_ms)

    def settle(self, now_ms: int) -> None:
        """Let everything that is still to come happen now."""
        while self._due:
            self._take(heapq.heappop(self._due), now_ms)

    def _carry_out(self, until_ms: int) -> None:
        while self._due and self._due[0].at_ms <= until_ms:
            due = heapq.heappop(self._due)
            self._take(due, due.at_ms)

    def _begin(self, new: Plan, slot: int) -> None:
        accounts = self._accounts()
        if not accounts:
            return
        account = accounts[new.account % len(accounts)]
        markets = self._markets(account)
        listed = [one for one in self._catalog if one.trading and one.listing.market in markets]
        if not listed:
            return
        chosen = listed[new.listing % len(listed)]
        try:
            if new.doing == "order":
                _fund(account, chosen.listing, new.at_ms)
                order = self._place(account, chosen, new)
                for index, step in enumerate(new.steps):
                    due = _Due(step.at_ms, slot, index, account, order, step, new.maker)
                    heapq.heappush(self._due, due)
            elif new.doing == "liquidation":
                self._liquidate(account, chosen, new)
            else:
                cents = Decimal(new.size % 100_000 + 1).scaleb(-2)
                delta = cents if new.doing == "deposit" else -cents
                listing = chosen.listing
                account.transfer(listing.market, _money(listing), delta, new.at_ms)
        except Impossible:
            # What an account cannot do is not done; with the same seed it never can.
            self.passed_over += 1

    def _place(self, account: Account, chosen: Listed, new: Plan) -> Order:
        listing = chosen.listing
        lots = 4 + new.size % max(listing.typical_lots // 4, 8)
        price = None
        if new.off is not None:
            off = new.off * listing.tick * (1 if new.buys else -1)
            price = _price(listing, self._units(chosen, new.at_ms) + off)
        fact = account.place(
            listing, "BUY" if new.buys else "SELL", Decimal(lots).scaleb(-listing.lot_decimals),
            price, new.at_ms, position_side=_side(account, listing, new.buys),
        )  # fmt: skip
        assert fact.order is not None
        self.placed += 1
        return fact.order

    def _liquidate(self, account: Account, chosen: Listed, new: Plan) -> None:
        if chosen.listing.market != "spot":
            price = _price(chosen.listing, self._units(chosen, new.at_ms))
            side = _side(account, chosen.listing, new.buys)
            account.liquidate(chosen.listing, price, new.at_ms, side)

    def _take(self, due: _Due, time_ms: int) -> None:
        order = due.account.order(due.order.market, due.order.number)
        if order is None or not order.open:
            return
        if due.step.what != "fill":
            end = _ENDS[due.step.what]
            due.account.end(order, end, time_ms, _REASONS[due.step.what])
            return
        try:
            size, price = _part(order, due.step), order.price
            if size:
                price = price or due.account.at_market(order, self._price_now(order, due.at_ms))
                due.account.fill(order, size, price, time_ms, maker=due.maker)
        except Impossible:
            due.account.end(order, "EXPIRED", time_ms, "INSUFFICIENT_LIQUIDITY")

    def _price_now(self, order: Order, at_ms: int) -> Decimal:
        """What a market order is filled at; of a listing that is gone, what it hovered about."""
        listed = self._catalog.get(order.listing.key)
        units = order.listing.price if listed is None else self._units(listed, at_ms)
        return _price(order.listing, units)

    def _units(self, chosen: Listed, at_ms: int) -> int:
        return self._market.last_price(chosen, at_ms)


def _part(order: Order, step: Step) -> Decimal:
    """How much a fill takes: all that is left, or a part that leaves something; 0 for neither."""
    if not step.hundredths:
        return order.left
    lot = Decimal(1).scaleb(-order.listing.lot_decimals)
    part = max(order.quantity * step.hundredths // 100 // lot * lot, lot)
    return min(part, order.left - lot)


def _price(listing: Listing, units: int) -> Decimal:
    return Decimal(max(units, listing.tick)).scaleb(-listing.price_decimals)


def _fund(account: Account, listing: Listing, at_ms: int) -> None:
    """Contracts of a coin that was listed since the account was opened are paid with that coin."""
    if (
        listing.market != "spot"
        and not account.wallets.balance(listing.market, listing.settle).total
    ):
        account.transfer(listing.market, listing.settle, GIVEN, at_ms)


def _money(listing: Listing) -> str:
    return listing.quote if listing.market == "spot" else listing.settle


def _side(account: Account, listing: Listing, buys: bool) -> PositionSide:
    """Of an account that keeps them apart, the side that the order opens."""
    if listing.market == "spot" or not account.hedged:
        return "BOTH"
    return "LONG" if buys else "SHORT"
