"""What KuCoin's REST knows of a classic account: balances, positions, orders and fills. Pure.

Spot's histories are asked by symbol (the ledger tells which), newest first, each page by the last id of the
one before; those of futures are asked for all symbols at once, by the number of the page. Both reach a week
at a time.
The fills of futures come late: a call of its own has the newest at once, of one day.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from common.exchanges.kucoin import ledger
from common.exchanges.kucoin.account import private_request
from common.exchanges.kucoin.asking import Asking, is_delisted, is_forgotten, once, stretches, when
from common.exchanges.kucoin.classic_holdings import PositionRow
from common.exchanges.kucoin.describe import ASSETS
from common.exchanges.kucoin.futures_rows import (
    FuturesFill,
    FuturesOrder,
    Overview,
    futures_balances,
    futures_fill,
    futures_order,
    futures_positions,
)
from common.exchanges.kucoin.spot_rows import (
    SpotBalance,
    SpotFill,
    SpotOrder,
    is_spot,
    spot_balances,
    spot_fill,
    spot_order,
)
from common.exchanges.kucoin.words import is_ours
from common.exchanges.private import Credentials, InquiryFailed, Known, unmoved
from common.exchanges.protocol import RestRequest
from common.exchanges.told import FillTold, OrderTold, Told
from common.exchanges.wire import decoded
from common.model.instruments import Catalog
from common.model.streams import Market

_T = TypeVar("_T")
_Rows = Generator[RestRequest, bytes, list[_T]]

# The most rows of one page.
SPOT_ROWS, FUTURES_ROWS = 100, 1000
# Paths, each with its weight.
_BALANCES = ("/api/v1/accounts", 5)
_SPOT_ACTIVE_SYMBOLS = ("/api/v1/hf/orders/active/symbols", 2)
_SPOT_ACTIVE = ("/api/v1/hf/orders/active", 2)
_SPOT_DONE = ("/api/v1/hf/orders/done", 2)
_SPOT_ORDER = ("/api/v1/hf/orders", 2)
_SPOT_FILLS = ("/api/v1/hf/fills", 2)
_OVERVIEW = ("/api/v1/account-overview", 5)
_POSITIONS = ("/api/v1/positions", 2)
_FUTURES_ORDERS = ("/api/v1/orders", 2)
_FUTURES_RECENT_ORDERS = ("/api/v1/recentDoneOrders", 5)
_FUTURES_ORDER = ("/api/v1/orders", 5)
_FUTURES_FILLS = ("/api/v1/fills", 5)
_FUTURES_RECENT_FILLS = ("/api/v1/recentFills", 5)


class _Body(Struct, Generic[_T]):
    data: _T


class _Found(Struct, Generic[_T]):
    """Rows of spot up to ``last_id``, where the next page begins."""

    items: list[_T]
    last_id: int | str | None = field(name="lastId", default=None)


class _Page(Struct, Generic[_T], rename="camel"):
    """A numbered page of futures."""

    items: list[_T]
    current_page: int
    total_page: int


class _Symbols(Struct):
    symbols: list[str] | None


_balances = msgspec.json.Decoder(_Body[list[SpotBalance]])
_symbols = msgspec.json.Decoder(_Body[_Symbols])
_spot_one = msgspec.json.Decoder(_Body[SpotOrder | None])
_spot_active = msgspec.json.Decoder(_Body[list[SpotOrder] | None])
_spot_done = msgspec.json.Decoder(_Body[_Found[SpotOrder]])
_spot_fills = msgspec.json.Decoder(_Body[_Found[SpotFill]])
_overview = msgspec.json.Decoder(_Body[Overview])
_positions = msgspec.json.Decoder(_Body[list[PositionRow]])
_order = msgspec.json.Decoder(_Body[FuturesOrder])
_orders = msgspec.json.Decoder(_Body[_Page[FuturesOrder]])
_recent_orders = msgspec.json.Decoder(_Body[list[FuturesOrder]])
_fills = msgspec.json.Decoder(_Body[_Page[FuturesFill]])
_recent_fills = msgspec.json.Decoder(_Body[list[FuturesFill]])


# --- the inquiries ------------------------------------------------------------------------------


def snapshot(market: Market, credentials: Credentials, catalog: Catalog) -> Asking:
    """Balances, positions and open orders, as they are now."""
    if market == "spot":
        return (yield from _spot_snapshot(credentials))
    return (yield from _Futures(market, credentials, catalog).snapshot())


def since(market: Market, credentials: Credentials, catalog: Catalog, known: Known) -> Asking:
    """Orders and fills since then. ``known.until_ms`` is the exchange's now."""
    told: list[OrderTold | FillTold] = []
    if market == "spot":
        traded = yield from ledger.traded(credentials, known)
        for symbol in sorted(traded.union(known.symbols)):
            try:
                told += yield from _spot_since(credentials, known, symbol)
            except InquiryFailed as failed:
                # What is listed no more must not stand against all the others for ever.
                if not is_delisted(failed):
                    raise
    else:
        told += yield from _Futures(market, credentials, catalog).since(known)
    return sorted(told, key=when)


def order(
    market: Market, credentials: Credentials, catalog: Catalog, symbol: str, order_id: str
) -> Asking:
    """One order and its fills; nothing if the exchange has forgotten it."""
    try:
        if market == "spot":
            return (yield from _spot_order(credentials, symbol, order_id))
        return (yield from _Futures(market, credentials, catalog).order(symbol, order_id))
    except InquiryFailed as failed:
        if is_forgotten(failed) or is_delisted(failed):
            return []
        raise


# --- spot ---------------------------------------------------------------------------------------


def _spot_snapshot(credentials: Credentials) -> Asking:
    body = yield private_request("spot", credentials, _BALANCES, {"type": "trade"})
    told: list[Told] = [spot_balances(decoded(_balances, body).data)]
    body = yield private_request("spot", credentials, _SPOT_ACTIVE_SYMBOLS)
    for symbol in decoded(_symbols, body).data.symbols or ():
        body = yield private_request("spot", credentials, _SPOT_ACTIVE, {"symbol": symbol})
        told += map(spot_order, filter(is_spot, decoded(_spot_active, body).data or ()))
    return told


def _spot_since(credentials: Credentials, known: Known, symbol: str) -> _Rows[OrderTold | FillTold]:
    """Whether orders are listed by their beginning or end is not said: old ones are asked by id."""
    told: list[OrderTold | FillTold] = []
    for stretch in stretches(known):
        params = {"symbol": symbol, **stretch}
        fills = yield from _spot_pages(credentials, _SPOT_FILLS, params, _spot_fills)
        told += once(map(spot_fill, filter(is_spot, fills)))
        orders = yield from _spot_pages(credentials, _SPOT_DONE, params, _spot_done)
        told += map(spot_order, filter(is_spot, orders))
    return told


def _spot_order(credentials: Credentials, symbol: str, order_id: str) -> Asking:
    path, weight = _SPOT_ORDER
    call = (f"{path}/{order_id}", weight)
    body = yield private_request("spot", credentials, call, {"symbol": symbol})
    row = decoded(_spot_one, body).data
    if row is None:
        return []
    params = {"symbol": symbol, "orderId": order_id}
    fills = yield from _spot_pages(credentials, _SPOT_FILLS, params, _spot_fills)
    return [*sorted(once(map(spot_fill, fills)), key=when), spot_order(row)]


def _spot_pages(
    credentials: Credentials,
    call: tuple[str, int],
    params: Mapping[str, str],
    decoder: msgspec.json.Decoder[_Body[_Found[_T]]],
) -> _Rows[_T]:
    """All rows, page by page, up to one that is short or names no last id.

    Raises:
        InquiryFailed: a full page leads no further.
    """
    rows: list[_T] = []
    asked = {**params, "limit": str(SPOT_ROWS)}
    while True:
        page = decoded(decoder, (yield private_request("spot", credentials, call, asked))).data
        rows += page.items
        last_id = str(page.last_id or "")
        if len(page.items) < SPOT_ROWS or last_id in ("", "0"):
            return rows
        if last_id == asked.get("lastId"):
            raise unmoved(call[0])
        asked = {**asked, "lastId": last_id}


# --- futures ------------------------------------------------------------------------------------


class _Futures:
    """What is asked of one of the two futures markets; answers hold both."""

    def __init__(self, market: Market, credentials: Credentials, catalog: Catalog) -> None:
        self._market = market
        self._credentials = credentials
        self._catalog = catalog

    def snapshot(self) -> Asking:
        told: list[Told] = []
        wallets = []
        for currency in self._currencies():
            body = yield self._request(_OVERVIEW, {"currency": currency})
            wallets.append(decoded(_overview, body).data)
        if wallets:
            told.append(futures_balances(wallets))
        rows = decoded(_positions, (yield self._request(_POSITIONS))).data
        told.append(futures_positions(self._market, rows, self._catalog))
        orders = yield from self._pages(_FUTURES_ORDERS, {"status": "active"}, _orders)
        return [*told, *self._orders(orders)]

    def since(self, known: Known) -> _Rows[OrderTold | FillTold]:
        """The recent ones last: of what both lists have, the slower one may be complete."""
        fills: list[FuturesFill] = []
        orders: list[FuturesOrder] = []
        for stretch in stretches(known):
            fills += yield from self._pages(_FUTURES_FILLS, stretch, _fills)
            done = {"status": "done", **stretch}
            orders += yield from self._pages(_FUTURES_ORDERS, done, _orders)
        fills += decoded(_recent_fills, (yield self._request(_FUTURES_RECENT_FILLS))).data
        orders += decoded(_recent_orders, (yield self._request(_FUTURES_RECENT_ORDERS))).data
        latest = {told.order_id: told for told in self._orders(orders)}
        told: list[OrderTold | FillTold] = [*self._fills(fills), *latest.values()]
        return [each for each in told if each.time_ms >= known.since_ms]

    def order(self, symbol: str, order_id: str) -> Asking:
        path, weight = _FUTURES_ORDER
        row = decoded(_order, (yield self._request((f"{path}/{order_id}", weight)))).data
        fills = yield from self._pages(_FUTURES_FILLS, {"orderId": order_id}, _fills)
        fills += yield from self._recent_fills(symbol, order_id)
        return [*sorted(self._fills(fills), key=when), *self._orders([row])]

    def _recent_fills(self, symbol: str, order_id: str) -> _Rows[FuturesFill]:
        """Of one order; what is not listed any more had none lately."""
        try:
            body = yield self._request(_FUTURES_RECENT_FILLS, {"symbol": symbol})
        except InquiryFailed as failed:
            if is_delisted(failed):
                return []
            raise
        return [fill for fill in decoded(_recent_fills, body).data if fill.order_id == order_id]

    def _currencies(self) -> list[str]:
        """What the market settles in, in the exchange's words."""
        native = {ours: theirs for theirs, ours in ASSETS.items()}
        settled = {instrument.settle for instrument in self._catalog.values()}
        return sorted(native.get(asset, asset) for asset in settled)

    def _orders(self, rows: Iterable[FuturesOrder]) -> list[OrderTold]:
        return [
            futures_order(self._market, row, self._catalog)
            for row in rows
            if is_ours(self._market, row.symbol, self._catalog)
        ]

    def _fills(self, rows: Iterable[FuturesFill]) -> list[FillTold]:
        return once(
            futures_fill(self._market, row, self._catalog)
            for row in rows
            if is_ours(self._market, row.symbol, self._catalog)
        )

    def _pages(
        self,
        call: tuple[str, int],
        params: Mapping[str, str],
        decoder: msgspec.json.Decoder[_Body[_Page[_T]]],
    ) -> _Rows[_T]:
        rows: list[_T] = []
        number = 1
        while True:
            asked = {**params, "pageSize": str(FUTURES_ROWS), "currentPage": str(number)}
            page = decoded(decoder, (yield self._request(call, asked))).data
            rows += page.items
            if page.items and page.current_page != number:
                # The same page, whichever is asked for.
                raise unmoved(call[0])
            if not page.items or number >= page.total_page:
                return rows
            number += 1

    def _request(
        self, call: tuple[str, int], params: Mapping[str, str] | None = None
    ) -> RestRequest:
        return private_request(self._market, self._credentials, call, params)
