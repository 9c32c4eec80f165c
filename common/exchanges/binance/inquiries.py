"""What Binance's REST knows of an account: balances, positions, orders and fills. Pure.

Histories are asked by symbol, a day at a time on spot and a week on futures, oldest first.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, field

from common.exchanges.binance.account import hosts_of
from common.exchanges.binance.describe import REST_BUDGET
from common.exchanges.binance.rows import (
    ORDER,
    ORDERS,
    TRADES,
    balances_told,
    fill_told,
    order_told,
    positions_told,
)
from common.exchanges.private import Credentials, InquiryFailed, Known, unmoved
from common.exchanges.protocol import RestRequest
from common.exchanges.told import FillTold, OrderTold, Told
from common.exchanges.wire import Millis, decoded
from common.model.instruments import Catalog
from common.model.streams import Market

Asking = Generator[RestRequest, bytes, Sequence[Told]]

DAY_MS = 86_400_000
# The most rows of one answer, and the longest stretch of one request.
ROWS = 1000
_SPANS_MS: Mapping[Market, int] = {"spot": DAY_MS, "linear": 7 * DAY_MS, "inverse": 7 * DAY_MS}
# An order that is not known (any more), or a symbol: there is nothing to be had then.
_NO_SUCH_ORDER, _NO_SUCH_SYMBOL = "-2013", "-1121"


class _Calls(Struct, frozen=True):
    """Paths of one market, each with its weight."""

    account: tuple[str, int]
    open_orders: tuple[str, int]
    all_orders: tuple[str, int]
    trades: tuple[str, int]
    order: tuple[str, int]
    positions: tuple[str, int] | None = None
    income: tuple[str, int] | None = None


_CALLS: Mapping[Market, _Calls] = {
    "spot": _Calls(
        account=("/api/v3/account", 20),
        open_orders=("/api/v3/openOrders", 80),
        all_orders=("/api/v3/allOrders", 20),
        trades=("/api/v3/myTrades", 20),
        order=("/api/v3/order", 4),
    ),
    "linear": _Calls(
        account=("/fapi/v3/balance", 5),
        open_orders=("/fapi/v1/openOrders", 40),
        all_orders=("/fapi/v1/allOrders", 5),
        trades=("/fapi/v1/userTrades", 5),
        order=("/fapi/v1/order", 1),
        positions=("/fapi/v3/positionRisk", 5),
        income=("/fapi/v1/income", 30),
    ),
    "inverse": _Calls(
        account=("/dapi/v1/balance", 1),
        open_orders=("/dapi/v1/openOrders", 40),
        all_orders=("/dapi/v1/allOrders", 5),
        trades=("/dapi/v1/userTrades", 5),
        order=("/dapi/v1/order", 1),
        positions=("/dapi/v1/positionRisk", 1),
        income=("/dapi/v1/income", 20),
    ),
}


def _request(
    market: Market,
    credentials: Credentials,
    call: tuple[str, int],
    params: Mapping[str, str] | None = None,
) -> RestRequest:
    path, weight = call
    return RestRequest(
        url=hosts_of(market, credentials).rest + path,
        params=params or {},
        cost={REST_BUDGET[market]: weight},
        signed=True,
    )


# --- the inquiries ------------------------------------------------------------------------------


def snapshot(market: Market, credentials: Credentials, catalog: Catalog) -> Asking:
    """Balances, positions and open orders, as they are now."""
    calls = _CALLS[market]
    told: list[Told] = [balances_told(market, (yield _request(market, credentials, calls.account)))]
    if calls.positions is not None:
        body = yield _request(market, credentials, calls.positions)
        told.append(positions_told(market, body, catalog))
    rows = decoded(ORDERS, (yield _request(market, credentials, calls.open_orders)))
    return [*told, *(order_told(market, row, catalog) for row in rows)]


def since(market: Market, credentials: Credentials, catalog: Catalog, known: Known) -> Asking:
    """Orders and fills since then. ``known.until_ms`` is the exchange's now.

    Of the symbols that are named; on futures also of those that fees were paid for since.
    """
    told: list[OrderTold | FillTold] = []
    symbols = {*known.symbols, *(yield from _charged_since(market, credentials, known))}
    for symbol in sorted(symbols):
        try:
            told += yield from _trades_since(market, credentials, catalog, known, symbol)
            told += yield from _orders_since(market, credentials, catalog, known, symbol)
        except InquiryFailed as failed:
            # What is listed no more must not stand against all the others for ever.
            if not failed.says({_NO_SUCH_SYMBOL}):
                raise
    return sorted(told, key=_when)


class _Income(Struct):
    symbol: str
    time_ms: Millis = field(name="time")


_incomes = msgspec.json.Decoder(list[_Income])


def _charged_since(
    market: Market, credentials: Credentials, known: Known
) -> Generator[RestRequest, bytes, set[str]]:
    """Symbols of trades, by the fees that were paid for them."""
    call = _CALLS[market].income
    symbols: set[str] = set()
    if call is None:
        return symbols
    for from_ms, to_ms in _stretches(market, known):
        at_ms = from_ms
        while True:
            params = {
                "incomeType": "COMMISSION",
                "startTime": str(at_ms),
                "endTime": str(to_ms - 1),
                "limit": str(ROWS),
            }
            rows = decoded(_incomes, (yield _request(market, credentials, call, params)))
            symbols |= {row.symbol for row in rows if row.symbol}
            if len(rows) < ROWS:
                break
            # The last moment is asked for again: more may have been paid in it.
            if rows[-1].time_ms <= at_ms:
                raise unmoved(call[0])
            at_ms = rows[-1].time_ms
    return symbols


def _trades_since(
    market: Market, credentials: Credentials, catalog: Catalog, known: Known, symbol: str
) -> Generator[RestRequest, bytes, list[FillTold]]:
    told: list[FillTold] = []
    call = _CALLS[market].trades
    for from_ms, to_ms in _stretches(market, known):
        params, next_id = _stretch(symbol, from_ms, to_ms), 0
        while True:
            rows = decoded(TRADES, (yield _request(market, credentials, call, params)))
            in_time = [row for row in rows if row.time_ms < to_ms]
            told += [fill_told(market, row, catalog) for row in in_time]
            if len(rows) < ROWS or len(in_time) < len(rows):
                break
            # More of the same stretch: from the next id on, which no time may go with.
            next_id = _behind(rows[-1].trade_id, next_id, call)
            params = {"symbol": symbol, "limit": str(ROWS), "fromId": str(next_id)}
    return told


def _orders_since(
    market: Market, credentials: Credentials, catalog: Catalog, known: Known, symbol: str
) -> Generator[RestRequest, bytes, list[OrderTold]]:
    """Orders are listed by when they were made: older ones that ended since are asked by id."""
    told: list[OrderTold] = []
    call = _CALLS[market].all_orders
    for from_ms, to_ms in _stretches(market, known):
        params, next_id = _stretch(symbol, from_ms, to_ms), 0
        while True:
            rows = decoded(ORDERS, (yield _request(market, credentials, call, params)))
            in_time = [row for row in rows if row.created_ms is UNSET or row.created_ms < to_ms]
            told += [order_told(market, row, catalog) for row in in_time]
            if len(rows) < ROWS or len(in_time) < len(rows):
                break
            next_id = _behind(int(rows[-1].order_id), next_id, call)
            params = {"symbol": symbol, "limit": str(ROWS), "orderId": str(next_id)}
    return told


def _behind(last_id: int, next_id: int, call: tuple[str, int]) -> int:
    """The first id behind a page that was asked for from ``next_id`` on.

    Raises:
        InquiryFailed: the page was not what was asked for, and would come again.
    """
    if last_id < next_id:
        raise unmoved(call[0])
    return last_id + 1


def order(
    market: Market, credentials: Credentials, catalog: Catalog, symbol: str, order_id: str
) -> Asking:
    """One order and its fills; nothing if the exchange has forgotten it."""
    params = {"symbol": symbol, "orderId": order_id}
    try:
        body = yield _request(market, credentials, _CALLS[market].order, params)
    except InquiryFailed as failed:
        if failed.says({_NO_SUCH_ORDER, _NO_SUCH_SYMBOL}):
            return []
        raise
    told = order_told(market, decoded(ORDER, body), catalog)
    fills = yield from _trades_of(market, credentials, catalog, params)
    return [*fills, told]


def _trades_of(
    market: Market, credentials: Credentials, catalog: Catalog, params: Mapping[str, str]
) -> Generator[RestRequest, bytes, list[FillTold]]:
    """Of one order. Where no id is named to begin with, the latest are told: seldom not all."""
    call, limited = _CALLS[market].trades, {**params, "limit": str(ROWS)}
    rows = decoded(TRADES, (yield _request(market, credentials, call, limited)))
    found, next_id = {row.trade_id: row for row in rows}, 0
    while len(rows) == ROWS:
        from_id = {**limited, "fromId": str(next_id)}
        rows = decoded(TRADES, (yield _request(market, credentials, call, from_id)))
        found |= {row.trade_id: row for row in rows}
        if rows:
            next_id = _behind(rows[-1].trade_id, next_id, call)
    return [fill_told(market, found[trade_id], catalog) for trade_id in sorted(found)]


def _stretches(market: Market, known: Known) -> list[tuple[int, int]]:
    """From then to now in pieces that one request may span."""
    span_ms = _SPANS_MS[market]
    starts = range(known.since_ms, known.until_ms, span_ms)
    return [(start, min(start + span_ms, known.until_ms)) for start in starts]


def _stretch(symbol: str, from_ms: int, to_ms: int) -> dict[str, str]:
    return {
        "symbol": symbol,
        "startTime": str(from_ms),
        "endTime": str(to_ms - 1),
        "limit": str(ROWS),
    }


def _when(told: OrderTold | FillTold) -> tuple[int, int, bool]:
    """Fills before the state that they led to."""
    return told.time_ms, told.seq, isinstance(told, OrderTold)
