"""What OKX says of an account: rows of orders, fills, balances and positions, alike in REST and pushes.

Every value is a text. Sizes of contracts are counted in contracts, fees that were paid are below
zero. What would be in dollars is left out: nothing here has a price in them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from common.model.streams import MARKETS, Market
from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fill, Order, Position, Status
from simulator.accounts.positions import LEVERAGE, unrealized
from simulator.exchanges.okx.names import NAME, symbol_of, type_of
from simulator.listing import Listing
from simulator.world import World

Row = dict[str, Any]

# What ids of orders and bills count their time from; so they have as many digits as real ones.
_EPOCH_MS = 1_514_764_800_000
_NOTHING = Decimal(0)
# Who cancelled an order: its owner, or why the exchange did. It has no other end without a trade.
_STATES: dict[Status, str] = {
    "NEW": "live",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
}
_SYSTEM, _OWNER = "0", "1"
_UNFILLED = {"FOK": "13", "IOC": "14"}
_ORDER_TYPES = {"GTC": "limit", "IOC": "ioc", "FOK": "fok", "GTX": "post_only"}
_POSITION_SIDES = {"BOTH": "net", "LONG": "long", "SHORT": "short"}
# Why a trade changed the account, by its side: on spot and in net mode, and where sides are apart.
_NET = {"BUY": "1", "SELL": "2"}
_NET_LIQUIDATION = {"BUY": "106", "SELL": "107"}
_APART = {
    ("LONG", "BUY"): "3",
    ("SHORT", "SELL"): "4",
    ("LONG", "SELL"): "5",
    ("SHORT", "BUY"): "6",
}
_APART_LIQUIDATION = {"LONG": "104", "SHORT": "105"}


def plain(number: Decimal) -> str:
    """Without zeros at its end."""
    return f"{number.normalize():f}" if number else "0"


def size(listing: Listing, quantity: Decimal) -> str:
    """The base asset on spot, else contracts: a linear one is a lot."""
    return plain(quantity.scaleb(listing.lot_decimals) if listing.market == "linear" else quantity)


def order_id(order: Order) -> str:
    """Its time and number: one more for every later one, whatever its market."""
    return _id(order.created_ms, order.market, order.number)


def bill_id(fill: Fill) -> str:
    """The same of what a trade was booked under."""
    return _id(fill.time_ms, fill.listing.market, fill.trade)


def trade_id(fill: Fill) -> str:
    """The number within its instrument; of a liquidation below zero."""
    return str(-fill.trade if fill.liquidation else fill.trade)


def client_id(order: Order) -> str:
    """The client's; of the exchange's own orders none."""
    return "" if order.liquidation else order.client_id


def uid(account: Account) -> str:
    """The number of an account."""
    return _number_of(account.name)


def _id(time_ms: int, market: Market, number: int) -> str:
    return f"{time_ms - _EPOCH_MS}{MARKETS.index(market)}{number % 1_000_000:06d}"


def _number_of(name: str) -> str:
    return str(10**17 + int.from_bytes(sha256(name.encode()).digest()[:7], "big"))


class Rows:
    """Spells what an account is told of, with what the market says now."""

    def __init__(self, world: World) -> None:
        self._world = world
        # Of each account how much of its log was read, and the fills of its orders.
        self._read: defaultdict[str, int] = defaultdict(int)
        self._fills: defaultdict[tuple[str, Market, int], list[Fill]] = defaultdict(list)

    # --- orders and fills -------------------------------------------------------------------

    def order(self, account: Account, order: Order) -> Row:
        """An order as REST tells it, with the last of its trades."""
        fills = self._fills_of(account, order)
        return _order(order, fills, fills[-1] if fills else None)

    def order_push(self, account: Account, order: Order, fill: Fill | None) -> Row:
        """An order as it is pushed: with a trade only where this one is told."""
        row = _order(order, self._fills_of(account, order), fill)
        return row | {
            "amendResult": "",
            "code": "0",
            "execType": _liquidity(fill) if fill else "",
            "fillFee": plain(-fill.fee) if fill else "0",
            "fillFeeCcy": fill.fee_asset if fill else "",
            "fillPnl": plain(fill.realized) if fill else "0",
            "msg": "",
            "reqId": "",
        }

    def fill(self, account: Account, fill: Fill) -> Row:
        """A trade of an order."""
        listing, order = fill.listing, account.orders[fill.listing.market, fill.order]
        return {
            "instType": type_of(listing),
            "instId": symbol_of(listing),
            "tradeId": trade_id(fill),
            "ordId": order_id(order),
            "clOrdId": client_id(order),
            "billId": bill_id(fill),
            "subType": _booked_for(account, fill),
            "tag": "",
            "fillPx": plain(fill.price),
            "fillSz": size(listing, fill.quantity),
            "fillPnl": plain(fill.realized),
            "side": fill.side.lower(),
            "posSide": "net" if listing.market == "spot" else _POSITION_SIDES[fill.position_side],
            "execType": _liquidity(fill),
            "feeCcy": fill.fee_asset,
            "fee": plain(-fill.fee),
            "ts": str(fill.time_ms),
            "fillTime": str(fill.time_ms),
        }

    def _fills_of(self, account: Account, order: Order) -> list[Fill]:
        """Those that make up what is filled of it: the log may know later ones."""
        for fact in account.log[self._read[account.name] :]:
            self._read[account.name] += 1
            if fact.fill is not None:
                self._fills[account.name, fact.market, fact.fill.order].append(fact.fill)
        found, left = [], order.filled
        for fill in self._fills[account.name, order.market, order.number] if left else ():
            if left > 0:
                found.append(fill)
                left -= fill.quantity
        return found

    # --- balances and positions -------------------------------------------------------------

    def account(self, account: Account, balances: Iterable[Balance]) -> Row:
        """The account, with these of its balances."""
        now_ms = self._world.time_of(NAME)
        return {
            "uTime": str(now_ms),
            "details": [self._balance(account, balance) for balance in balances],
        }

    def _balance(self, account: Account, balance: Balance) -> Row:
        """Only accounts without a common margin have an available balance."""
        gain = sum(
            (
                self._gain(position)
                for position in account.positions.values()
                if position.listing.settle == balance.asset
            ),
            start=_NOTHING,
        )
        free = plain(max(balance.free, _NOTHING))
        return {
            "ccy": balance.asset,
            "eq": plain(balance.total + gain),
            "cashBal": plain(balance.total),
            "availBal": free if account.mode == "2" else "",
            "availEq": free,
            "frozenBal": plain(balance.locked),
            "isoEq": "0",
            "liab": "",
            "upl": plain(gain),
            "uTime": str(balance.updated_ms),
        }

    def position(self, account: Account, position: Position) -> Row:
        """A position, with its profit at the last price."""
        listing = position.listing
        contracts = size(listing, abs(position.size) if account.hedged else position.size)
        return {
            "instType": type_of(listing),
            "instId": symbol_of(listing),
            "mgnMode": "cross",
            "posId": _number_of(f"{account.name}:{listing.key}:{position.side}"),
            "posSide": _POSITION_SIDES[position.side],
            "pos": contracts,
            "availPos": contracts.removeprefix("-") if account.hedged else "",
            "ccy": listing.settle,
            "posCcy": "",
            "avgPx": plain(position.entry_price) if position.size else "",
            "markPx": plain(self._last(listing)),
            "upl": plain(self._gain(position)),
            "lever": str(LEVERAGE),
            "liqPx": "",
            "imr": plain(position.margin),
            "margin": "",
            "realizedPnl": plain(position.realized),
            "fundingFee": "0",
            "uTime": str(position.updated_ms),
        }

    def _gain(self, position: Position) -> Decimal:
        return unrealized(position, self._last(position.listing)) if position.size else _NOTHING

    def _last(self, listing: Listing) -> Decimal:
        """The last price; of a listing that is gone, what it hovered about."""
        listed, now_ms = self._world.catalog.get(listing.key), self._world.clock.now_ms()
        units = listing.price if listed is None else self._world.market.last_price(listed, now_ms)
        return Decimal(units).scaleb(-listing.price_decimals)


def _order(order: Order, fills: Sequence[Fill], fill: Fill | None) -> Row:
    listing = order.listing
    spot, at_market = listing.market == "spot", order.type == "MARKET"
    got = listing.base if order.side == "BUY" else listing.quote
    state = _STATES.get(order.status, "canceled")
    return {
        "instType": type_of(listing),
        "instId": symbol_of(listing),
        "ordId": order_id(order),
        "clOrdId": client_id(order),
        "tag": "",
        "ccy": "",
        "px": plain(order.price) if order.price is not None else "",
        "sz": size(listing, order.quantity),
        # Else a market order to buy on spot would be sized in what it pays with.
        "tgtCcy": "base_ccy" if spot and at_market else "",
        "ordType": "market" if at_market else _ORDER_TYPES.get(order.time_in_force, "limit"),
        "side": order.side.lower(),
        "posSide": "" if spot else _POSITION_SIDES[order.position_side],
        "tdMode": "cash" if spot else "cross",
        "lever": "0" if spot else str(LEVERAGE),
        "state": state,
        "accFillSz": size(listing, order.filled),
        "avgPx": plain(order.average_price) if order.filled else "",
        "fillPx": plain(fill.price) if fill else "",
        "fillSz": size(listing, fill.quantity) if fill else "0",
        "fillTime": str(fill.time_ms) if fill else "",
        # Trades of a liquidation are numbered in the list of fills only.
        "tradeId": ("0" if fill.liquidation else trade_id(fill)) if fill else "",
        "fee": plain(-sum((one.fee for one in fills), start=_NOTHING)),
        "feeCcy": got if spot else listing.settle,
        "rebate": "0",
        "rebateCcy": "",
        "pnl": plain(sum((one.realized for one in fills), start=_NOTHING)),
        "category": "full_liquidation" if order.liquidation else "normal",
        "reduceOnly": str(order.reduce_only).lower(),
        "cancelSource": _canceled_by(order) if state == "canceled" else "",
        "source": "",
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def _canceled_by(order: Order) -> str:
    if order.status == "EXPIRED":
        return _UNFILLED.get(order.time_in_force, _SYSTEM)
    return _OWNER if order.status == "CANCELED" and order.reason != "liquidation" else _SYSTEM


def _liquidity(fill: Fill) -> str:
    return "M" if fill.maker else "T"


def _booked_for(account: Account, fill: Fill) -> str:
    if fill.listing.market == "spot" or not account.hedged:
        return (_NET_LIQUIDATION if fill.liquidation else _NET)[fill.side]
    if fill.liquidation:
        return _APART_LIQUIDATION[fill.position_side]
    return _APART[fill.position_side, fill.side]
