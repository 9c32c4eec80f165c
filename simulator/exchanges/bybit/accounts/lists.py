"""Bybit's lists of orders and trades, and what the exchange forgets.

They go from the newest to the oldest, page by page after a cursor; there is one after the last page too.
Histories are asked for a week at most, and need no symbol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from common.model.intervals import DAY_MS
from simulator.accounts.model import Order
from simulator.exchanges.bybit.accounts import rows
from simulator.exchanges.bybit.accounts.asked import Asked, page_of, stretch_of
from simulator.exchanges.bybit.names import symbol_of
from simulator.exchanges.bybit.query import PARAMS
from simulator.exchanges.common import Refused
from simulator.listing import Listing

# What ended without a trade is in the history for a day, and what ended at all a moment later.
_FORGOTTEN_MS = DAY_MS
_LAG_S = 0.3
# So many of the latest that ended are told in real time.
_RECENT = 500


def open_orders(asked: Asked) -> object:
    """What is open; by an id, or where it is asked for, the latest that ended too."""
    market = asked.market
    if market == "linear" and not asked.query.keys() & {"symbol", "baseCoin", "settleCoin"}:
        raise Refused(
            PARAMS,
            "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin",
        )
    orders = [order for order in asked.account.orders.values() if order.market == market]
    ended = [order for order in orders if not order.open]
    ended = sorted(ended, key=lambda order: order.updated_ms)[-_RECENT:]
    by_id = asked.query.keys() & {"orderId", "orderLinkId"}
    found = [order for order in orders if order.open]
    if by_id or asked.query.get("openOnly", "0") != "0":
        found = [*found, *ended] if by_id else ended
    return _orders(asked, _chosen(asked, found))


def history(asked: Asked) -> object:
    """What has ended, by when it was made."""
    market, now_ms, clock = asked.market, asked.now_ms, asked.world.clock
    by_id = asked.query.keys() & {"orderId", "orderLinkId"}
    start_ms, end_ms = stretch_of(asked)
    found = [
        order
        for order in asked.account.orders.values()
        if order.market == market
        and not order.open
        and (order.filled or now_ms - order.updated_ms <= _FORGOTTEN_MS)
        and clock.machine_delay_s(asked.world.clock.now_ms() - order.updated_ms) >= _LAG_S
        and (by_id or start_ms <= order.created_ms <= end_ms)
    ]
    return _orders(asked, _chosen(asked, found))


def _orders(asked: Asked, found: Iterable[Order]) -> object:
    page, cursor = page_of(asked, found, lambda order: order.number, 20, 50)
    ledger = asked.ledger
    told = [rows.order_row(order, ledger) for order in page]
    return {"category": asked.market, "list": told, "nextPageCursor": cursor}


def _chosen(asked: Asked, orders: Iterable[Order]) -> list[Order]:
    """Those that the parameters name; an id goes before all else."""
    query = asked.query
    if query.get("orderId"):
        return [one for one in orders if rows.order_id(one.market, one.number) == query["orderId"]]
    if query.get("orderLinkId"):
        return [one for one in orders if rows.client_id(one) == query["orderLinkId"]]
    return [one for one in orders if _named(query, one.listing)]


def _named(query: Mapping[str, str], listing: Listing) -> bool:
    named = {
        "symbol": symbol_of(listing),
        "baseCoin": listing.base,
        "settleCoin": listing.settle,
    }
    given = {name: query[name] for name in named if query.get(name)}
    if listing.market == "spot":
        given.pop("settleCoin", None)
    return all(named[name] == text for name, text in given.items())


def trades(asked: Asked) -> object:
    """Trades, by when they were; of one order all of them."""
    market, account = asked.market, asked.account
    by_id = asked.query.keys() & {"orderId", "orderLinkId"}
    chosen = {
        order.number
        for order in _chosen(
            asked, [one for one in account.orders.values() if one.market == market]
        )
    }
    start_ms, end_ms = stretch_of(asked)
    found = [
        (fact.fill, fact.order)
        for fact in account.log
        if fact.fill is not None
        and fact.order is not None
        and fact.market == market
        and fact.fill.order in chosen
        and (by_id or start_ms <= fact.fill.time_ms <= end_ms)
    ]
    page, cursor = page_of(asked, found, lambda pair: pair[0].trade, 50, 100)
    told = [rows.execution_row(fill, order) for fill, order in page]
    return {"category": market, "list": told, "nextPageCursor": cursor}
