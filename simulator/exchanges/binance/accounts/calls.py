"""Binance's signed REST: which call is what, what it weighs, how histories are paged.

Histories are asked by symbol. Spot spans a day at most, futures a week; with an id they go forward
from it, with a start forward from that, else they are the latest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from common.model.intervals import DAY_MS
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.model import Fill, Order
from simulator.exchanges.binance.accounts import rows
from simulator.exchanges.binance.accounts.events import client_id
from simulator.exchanges.binance.accounts.listen_keys import ListenKeys
from simulator.exchanges.binance.accounts.signing import caller, params_of, signer
from simulator.exchanges.binance.names import symbol_of
from simulator.exchanges.binance.query import listed_in, number_in
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.listing import Listing
from simulator.world import World

Weighed = tuple[int, Callable[[], object]]
_T = TypeVar("_T", Order, Fill)

_MOST_ROWS = 1000
_SPANS_MS: Mapping[Market, int] = {"spot": DAY_MS, "linear": 7 * DAY_MS, "inverse": 7 * DAY_MS}
# Of an order that was never filled, and of any.
_FORGOTTEN_MS: Mapping[Market, tuple[int, int]] = {
    "spot": (90 * DAY_MS, 10_000 * DAY_MS),
    "linear": (3 * DAY_MS, 90 * DAY_MS),
    "inverse": (3 * DAY_MS, 90 * DAY_MS),
}
_NO_ORDER = Refused(-2013, "Order does not exist.")
_BAD_COMBINATION = Refused(-1128, "Combination of optional parameters invalid.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A signed call whose sender is known."""

    world: World
    market: Market
    account: Account
    query: Mapping[str, str]


_Answer = Callable[[_Asked], object]
_Weight = int | Callable[[Mapping[str, str]], int]


def signed_call(world: World, market: Market, call: HttpCall) -> Weighed | None:
    """A call about an account; None if this is none."""
    found = _CALLS.get((market, call.path))
    if found is None or call.method != "GET":
        return None
    weight, answer = found
    query = params_of(call)

    def carry_out() -> object:
        return answer(_Asked(world, market, signer(world, call), query))

    return (weight if isinstance(weight, int) else weight(query)), carry_out


def listen_key_call(
    world: World, market: Market, keys: ListenKeys, close: Callable[[Account, Market], None],
    call: HttpCall,
) -> Weighed | None:  # fmt: skip
    """``POST``, ``PUT`` and ``DELETE …/listenKey``, on futures only; None if this is none of them.

    ``close`` ends a key for everyone who listens by it.
    """
    if market == "spot" or not call.path.endswith("api/v1/listenKey"):
        return None

    def make() -> object:
        return {"listenKey": keys.make(caller(world, call), market)}

    def keep() -> object:
        return {"listenKey": keys.keep(caller(world, call), market)}

    def drop() -> object:
        close(caller(world, call), market)
        return {}

    carry_out = {"POST": make, "PUT": keep, "DELETE": drop}.get(call.method)
    return None if carry_out is None else (1, carry_out)


# --- orders and fills -----------------------------------------------------------------------


def _listing(asked: _Asked) -> Listing:
    return listed_in(asked.world, asked.market, asked.query).listing


def remembered(market: Market, order: Order, now_ms: int) -> bool:
    """Whether the exchange still knows an order."""
    if order.open:
        return True
    unfilled_ms, any_ms = _FORGOTTEN_MS[market]
    unfilled = not order.filled and order.status in ("CANCELED", "EXPIRED")
    return now_ms - order.created_ms <= (unfilled_ms if unfilled else any_ms)


def _orders(asked: _Asked, listing: Listing | None = None) -> list[Order]:
    now_ms = asked.world.clock.now_ms()
    return [
        order
        for order in asked.account.orders.values()
        if order.market == asked.market
        and (listing is None or listing.key == order.listing.key)
        and remembered(asked.market, order, now_ms)
    ]


def _open_orders(asked: _Asked) -> object:
    listing = _listing(asked) if asked.query.get("symbol") else None
    return [rows.order_row(order) for order in _orders(asked, listing) if order.open]


def _one_order(asked: _Asked) -> object:
    listing, number = _listing(asked), number_in(asked.query, "orderId")
    name = asked.query.get("origClientOrderId")
    if number is None and not name:
        raise Refused(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    for order in _orders(asked, listing):
        if order.number == number or (number is None and client_id(order) == name):
            return rows.order_row(order)
    raise _NO_ORDER


def _all_orders(asked: _Asked) -> object:
    orders = _orders(asked, _listing(asked))
    first = number_in(asked.query, "orderId")
    found = _page(
        asked, orders, first, lambda order: order.number, lambda order: order.created_ms, 500
    )
    return [rows.order_row(order) for order in found]


def _fills(asked: _Asked) -> object:
    listing, order = _listing(asked), number_in(asked.query, "orderId")
    first = number_in(asked.query, "fromId")
    if first is not None and {"startTime", "endTime"} & set(asked.query):
        raise _BAD_COMBINATION
    if asked.market == "spot" and order is not None and {"startTime", "endTime"} & set(asked.query):
        raise _BAD_COMBINATION
    fills = [
        fill
        for fill in asked.account.fills(asked.market)
        if fill.listing.key == listing.key and order in (None, fill.order)
    ]
    usual = 50 if asked.market == "inverse" else 500
    found = _page(asked, fills, first, lambda fill: fill.trade, lambda fill: fill.time_ms, usual)
    return [rows.fill_row(fill) for fill in found]


def _income(asked: _Asked) -> object:
    """What trades have cost; of all kinds of income the one there is here."""
    if asked.query.get("incomeType") not in (None, "COMMISSION"):
        return []
    symbol = asked.query.get("symbol")
    fills = [
        fill
        for fill in asked.account.fills(asked.market)
        if symbol in (None, symbol_of(fill.listing))
    ]
    found = _page(asked, fills, None, lambda fill: fill.trade, lambda fill: fill.time_ms, 100)
    return [rows.income_row(fill) for fill in found]


def _page(
    asked: _Asked, found: Sequence[_T], first: int | None, id_of: Callable[[_T], int],
    time_of: Callable[[_T], int], usual: int,
) -> Sequence[_T]:  # fmt: skip
    limit = _limit(asked, usual)
    found = sorted(found, key=id_of)
    if first is not None:
        return [one for one in found if id_of(one) >= first][:limit]
    start_ms, end_ms = _stretch(asked)
    found = [
        one
        for one in found
        if (start_ms is None or time_of(one) >= start_ms)
        and (end_ms is None or time_of(one) <= end_ms)
    ]
    return found[-limit:] if start_ms is None else found[:limit]


def _limit(asked: _Asked, usual: int) -> int:
    limit = number_in(asked.query, "limit")
    limit = usual if limit is None else limit
    if limit < 1 or (asked.market != "spot" and limit > _MOST_ROWS):
        raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit, _MOST_ROWS)


def _stretch(asked: _Asked) -> tuple[int | None, int | None]:
    """From when until when. Futures tell a week: the last one, or the one that is asked for."""
    span_ms = _SPANS_MS[asked.market]
    start_ms, end_ms = number_in(asked.query, "startTime"), number_in(asked.query, "endTime")
    if start_ms is not None and end_ms is not None and end_ms - start_ms > span_ms:
        if asked.market == "spot":
            raise Refused(-1127, "More than 24 hours between startTime and endTime.")
        raise Refused(-4165, "Maximum time interval is 7 days.")
    if asked.market == "spot" or "orderId" in asked.query:
        return start_ms, end_ms
    if start_ms is None:
        latest_ms = asked.world.clock.now_ms() if end_ms is None else end_ms
        return latest_ms - span_ms, end_ms
    return start_ms, start_ms + span_ms if end_ms is None else end_ms


# --- balances and positions -----------------------------------------------------------------


def _spot_account(asked: _Asked) -> object:
    omit_zero = asked.query.get("omitZeroBalances") == "true"
    return rows.spot_account(asked.account.wallets.of("spot"), omit_zero=omit_zero)


def _wallets(asked: _Asked) -> object:
    account = asked.account
    return [rows.wallet_row(account, one) for one in account.wallets.of(asked.market)]


def _futures_account(asked: _Asked) -> object:
    return {
        "canTrade": True,
        "assets": _wallets(asked),
        "positions": _positions(asked),
        "updateTime": 0,
    }


def _positions(asked: _Asked) -> list[rows.Row]:
    """USD-M: where there is a position or an open order. COIN-M: every symbol."""
    catalog, account = asked.world.catalog, asked.account
    busy = {order.listing.key for order in _orders(asked) if order.open}
    found = []
    for listed in catalog.of(asked.market):
        listing = listed.listing
        if asked.query.get("symbol", symbol_of(listing)) != symbol_of(listing):
            continue
        for side in ("LONG", "SHORT") if account.hedged else ("BOTH",):
            position = account.position(listing, side)
            if position.size or listing.key in busy or asked.market == "inverse":
                units = asked.world.market.last_price(listed, asked.world.clock.now_ms())
                mark = Decimal(units).scaleb(-listing.price_decimals)
                found.append(rows.position_row(position, mark))
    return found


def _account_config(asked: _Asked) -> object:
    return {
        "canTrade": True,
        "dualSidePosition": asked.account.hedged,
        "multiAssetsMargin": False,
    }


# --- what there is --------------------------------------------------------------------------


def _by_symbol(one: int, all_: int) -> Callable[[Mapping[str, str]], int]:
    return lambda query: one if query.get("symbol") else all_


_CALLS: Mapping[tuple[Market, str], tuple[_Weight, _Answer]] = {
    ("spot", "/api/v3/account"): (20, _spot_account),
    ("spot", "/api/v3/openOrders"): (_by_symbol(6, 80), _open_orders),
    ("spot", "/api/v3/allOrders"): (20, _all_orders),
    ("spot", "/api/v3/myTrades"): (lambda query: 5 if query.get("orderId") else 20, _fills),
    ("spot", "/api/v3/order"): (4, _one_order),
    ("linear", "/fapi/v2/balance"): (5, _wallets),
    ("linear", "/fapi/v3/balance"): (5, _wallets),
    ("linear", "/fapi/v2/account"): (5, _futures_account),
    ("linear", "/fapi/v3/account"): (5, _futures_account),
    ("linear", "/fapi/v2/positionRisk"): (5, _positions),
    ("linear", "/fapi/v3/positionRisk"): (5, _positions),
    ("linear", "/fapi/v1/accountConfig"): (5, _account_config),
    ("linear", "/fapi/v1/openOrders"): (_by_symbol(1, 40), _open_orders),
    ("linear", "/fapi/v1/allOrders"): (5, _all_orders),
    ("linear", "/fapi/v1/userTrades"): (5, _fills),
    ("linear", "/fapi/v1/order"): (1, _one_order),
    ("linear", "/fapi/v1/income"): (30, _income),
    ("inverse", "/dapi/v1/balance"): (1, _wallets),
    ("inverse", "/dapi/v1/account"): (5, _futures_account),
    ("inverse", "/dapi/v1/positionRisk"): (1, _positions),
    ("inverse", "/dapi/v1/openOrders"): (_by_symbol(1, 40), _open_orders),
    ("inverse", "/dapi/v1/allOrders"): (5, _all_orders),
    ("inverse", "/dapi/v1/userTrades"): (5, _fills),
    ("inverse", "/dapi/v1/order"): (1, _one_order),
    ("inverse", "/dapi/v1/income"): (20, _income),
}
