"""What the REST of Bitget's classic account system (v2) knows of an account. Pure.

Spot and futures have paths of their own; both futures markets share theirs, told apart by a product
type. Lists come newest first, the next page is what lies before an id.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping

import msgspec
from msgspec import Struct, field

from common.exchanges.bitget.account import private_request
from common.exchanges.bitget.asking import (
    ROWS,
    Answer,
    Asking,
    Page,
    answer,
    every_row,
    in_order,
    is_delisted,
    is_forgotten,
    row_told,
    stretches,
)
from common.exchanges.bitget.classic_holdings import (
    CoinRow,
    MarginRow,
    PositionRow,
    coin_row,
    margin_row,
    position_row,
)
from common.exchanges.bitget.classic_orders import FillRow, OrderRow, fill_row, order_row
from common.exchanges.bitget.describe import INST_TYPES
from common.exchanges.private import Credentials, InquiryFailed, Known
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold, Told
from common.exchanges.wire import decoded
from common.model.streams import Market


class _Calls(Struct, frozen=True):
    """Paths of one market."""

    account: str
    open_orders: str
    history: str
    fills: str
    order: str


_SPOT = _Calls(
    account="/api/v2/spot/account/assets",
    open_orders="/api/v2/spot/trade/unfilled-orders",
    history="/api/v2/spot/trade/history-orders",
    fills="/api/v2/spot/trade/fills",
    order="/api/v2/spot/trade/orderInfo",
)
_FUTURES = _Calls(
    account="/api/v2/mix/account/accounts",
    open_orders="/api/v2/mix/order/orders-pending",
    history="/api/v2/mix/order/orders-history",
    fills="/api/v2/mix/order/fills",
    order="/api/v2/mix/order/detail",
)
_CALLS: Mapping[Market, _Calls] = {"spot": _SPOT, "linear": _FUTURES, "inverse": _FUTURES}
_POSITIONS = "/api/v2/mix/position/all-position"
# Futures list the orders of one status at a time. An order may come to be in the second while the
# first is listed, but not the other way round.
_OPEN: Mapping[Market, tuple[Mapping[str, str], ...]] = {
    "spot": ({},),
    "linear": ({"status": "live"}, {"status": "partially_filled"}),
    "inverse": ({"status": "live"}, {"status": "partially_filled"}),
}


class _Orders(Struct):
    rows: list[OrderRow] | None = field(name="entrustedList")
    end_id: str | None = field(name="endId", default=None)


class _Fills(Struct):
    rows: list[FillRow] | None = field(name="fillList")
    end_id: str | None = field(name="endId", default=None)


_spot_orders = msgspec.json.Decoder(Answer[list[OrderRow] | None])
_orders = msgspec.json.Decoder(Answer[_Orders | None])
_order = msgspec.json.Decoder(Answer[OrderRow | None])
_spot_fills = msgspec.json.Decoder(Answer[list[FillRow] | None])
_fills = msgspec.json.Decoder(Answer[_Fills | None])
_coins = msgspec.json.Decoder(Answer[list[CoinRow]])
_margins = msgspec.json.Decoder(Answer[list[MarginRow]])
_positions = msgspec.json.Decoder(Answer[list[PositionRow]])


# --- answers ------------------------------------------------------------------------------------


def _orders_page(market: Market) -> Callable[[bytes], Page[OrderRow]]:
    def read(body: bytes) -> Page[OrderRow]:
        if market == "spot":
            rows = answer(_spot_orders, body) or []
            return rows, rows[-1].order_id if rows else None
        page = answer(_orders, body)
        if page is None or not page.rows:
            return (), None
        return page.rows, page.end_id or page.rows[-1].order_id

    return read


def _fills_page(market: Market) -> Callable[[bytes], Page[FillRow]]:
    def read(body: bytes) -> Page[FillRow]:
        if market == "spot":
            rows = answer(_spot_fills, body) or []
            return rows, rows[-1].trade_id if rows else None
        page = answer(_fills, body)
        if page is None or not page.rows:
            return (), None
        return page.rows, page.end_id or page.rows[-1].trade_id

    return read


def balances_told(market: Market, body: bytes) -> BalancesTold:
    """All that there are."""
    if market == "spot":
        coins = decoded(_coins, body)
        rows, time_ms = row_told(coin_row, coins.data), coins.time_ms
    else:
        margins = decoded(_margins, body)
        rows, time_ms = row_told(margin_row, margins.data), margins.time_ms
    return BalancesTold(balances=tuple(rows), time_ms=time_ms, whole=True)


def positions_told(body: bytes) -> PositionsTold:
    """All that are open."""
    rows = decoded(_positions, body)
    found = [each for each in row_told(position_row, rows.data) if each.quantity != "0"]
    return PositionsTold(positions=tuple(found), time_ms=rows.time_ms, whole=True)


def orders_told(market: Market, body: bytes) -> list[OrderTold]:
    """A page of orders."""
    rows, _ = _orders_page(market)(body)
    return row_told(lambda row: order_row(market, row), rows)


def fills_told(market: Market, body: bytes) -> list[FillTold]:
    """A page of fills."""
    rows, _ = _fills_page(market)(body)
    return row_told(lambda row: fill_row(market, row), rows)


# --- the inquiries ------------------------------------------------------------------------------


class Classic:
    """Asks for one account."""

    def __init__(self, market: Market, credentials: Credentials) -> None:
        self._market = market
        self._credentials = credentials
        self._calls = _CALLS[market]

    def _request(self, path: str, params: Mapping[str, str] | None = None) -> RestRequest:
        product = {} if self._market == "spot" else {"productType": INST_TYPES[self._market]}
        return private_request(self._market, self._credentials, path, {**product, **(params or {})})

    def snapshot(self) -> Asking:
        """Balances, positions and open orders."""
        body = yield self._request(self._calls.account)
        told: list[Told] = [balances_told(self._market, body)]
        if self._market != "spot":
            told.append(positions_told((yield self._request(_POSITIONS))))
        for status in _OPEN[self._market]:
            told += yield from self._orders(self._calls.open_orders, status)
        return told

    def since(self, known: Known) -> Asking:
        """Orders by when they were made, and fills; spot's fills are asked for by symbol."""
        told: list[OrderTold | FillTold] = []
        for from_ms, to_ms in stretches(known):
            span = {"startTime": str(from_ms), "endTime": str(to_ms)}
            orders = yield from self._orders(self._calls.history, span)
            symbols = {*known.symbols, *(order.symbol for order in orders)}
            spot = [{"symbol": symbol} for symbol in sorted(symbols)]
            told += orders
            for which in spot if self._market == "spot" else [{}]:
                try:
                    told += yield from self._fills({**which, **span})
                except InquiryFailed as failed:
                    # What is listed no more must not stand against all the others for ever.
                    if not (which and is_delisted(failed)):
                        raise
        return in_order(told)

    def order(self, symbol: str, order_id: str) -> Asking:
        """One order and its fills."""
        which = {"symbol": symbol, "orderId": order_id}
        try:
            body = yield self._request(self._calls.order, which)
        except InquiryFailed as failed:
            if is_forgotten(failed) or is_delisted(failed):
                return []
            raise
        if self._market == "spot":
            rows = answer(_spot_orders, body) or []
        else:
            row = answer(_order, body)
            rows = [] if row is None else [row]
        orders = row_told(lambda row: order_row(self._market, row), rows)
        fills = (yield from self._fills(which)) if orders else []
        return [*in_order(fills), *orders]

    def _orders(
        self, path: str, params: Mapping[str, str]
    ) -> Generator[RestRequest, bytes, list[OrderTold]]:
        request = self._request(path, {**params, "limit": str(ROWS)})
        rows = yield from every_row(request, "idLessThan", _orders_page(self._market))
        return row_told(lambda row: order_row(self._market, row), rows)

    def _fills(self, params: Mapping[str, str]) -> Generator[RestRequest, bytes, list[FillTold]]:
        request = self._request(self._calls.fills, {**params, "limit": str(ROWS)})
        rows = yield from every_row(request, "idLessThan", _fills_page(self._market))
        return row_told(lambda row: fill_row(self._market, row), rows)
