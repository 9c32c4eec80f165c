"""What the REST of Bitget's unified account system (v3) knows of an account. Pure.

Every list is asked for by category and read on by a cursor; an empty one may be null.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Generic, TypeVar

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
    is_forgotten,
    row_told,
    stretches,
)
from common.exchanges.bitget.describe import INST_TYPES
from common.exchanges.bitget.unified import (
    AssetRow,
    FillRow,
    OrderRow,
    PositionRow,
    asset_row,
    fill_row,
    is_ours,
    order_row,
    position_row,
)
from common.exchanges.private import Credentials, InquiryFailed, Known
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold, Told
from common.exchanges.wire import decoded
from common.model.streams import Market

_ASSETS = "/api/v3/account/assets"
_POSITIONS = "/api/v3/position/current-position"
_OPEN_ORDERS = "/api/v3/trade/unfilled-orders"
_HISTORY = "/api/v3/trade/history-orders"
_FILLS = "/api/v3/trade/fills"
_ORDER = "/api/v3/trade/order-info"

_Row = TypeVar("_Row")


class _List(Struct, Generic[_Row]):
    rows: list[_Row] | None = field(name="list")
    cursor: str | None = None


class _Assets(Struct):
    assets: list[AssetRow] | None


_orders = msgspec.json.Decoder(Answer[_List[OrderRow]])
_fills = msgspec.json.Decoder(Answer[_List[FillRow]])
_positions = msgspec.json.Decoder(Answer[_List[PositionRow]])
_order = msgspec.json.Decoder(Answer[OrderRow | None])
_assets = msgspec.json.Decoder(Answer[_Assets])


# --- answers ------------------------------------------------------------------------------------


def _page(decoder: msgspec.json.Decoder[Answer[_List[_Row]]]) -> Callable[[bytes], Page[_Row]]:
    def read(body: bytes) -> Page[_Row]:
        page = answer(decoder, body)
        return page.rows or (), page.cursor

    return read


def balances_told(body: bytes) -> BalancesTold:
    """All that there are: only coins that are not zero are listed."""
    assets = decoded(_assets, body)
    rows = row_told(asset_row, assets.data.assets or ())
    return BalancesTold(balances=tuple(rows), time_ms=assets.time_ms, whole=True)


def positions_told(body: bytes) -> PositionsTold:
    """All that are open."""
    page = decoded(_positions, body)
    found = [each for each in row_told(position_row, page.data.rows or ()) if each.quantity != "0"]
    return PositionsTold(positions=tuple(found), time_ms=page.time_ms, whole=True)


def orders_told(body: bytes) -> list[OrderTold]:
    """A page of orders."""
    return row_told(order_row, _page(_orders)(body)[0])


# --- the inquiries ------------------------------------------------------------------------------


class Unified:
    """Asks for one account, of one market's category."""

    def __init__(self, market: Market, credentials: Credentials) -> None:
        self._market = market
        self._credentials = credentials

    def _request(self, path: str, params: Mapping[str, str] | None = None) -> RestRequest:
        category = {"category": INST_TYPES[self._market]}
        return private_request(
            self._market, self._credentials, path, {**category, **(params or {})}
        )

    def snapshot(self) -> Asking:
        """Balances, positions and open orders. The balances serve all markets."""
        body = yield private_request(self._market, self._credentials, _ASSETS)
        told: list[Told] = [balances_told(body)]
        if self._market != "spot":
            told.append(positions_told((yield self._request(_POSITIONS))))
        return [*told, *(yield from self._orders(_OPEN_ORDERS, {}))]

    def since(self, known: Known) -> Asking:
        """Orders by when they were made, and fills, of all symbols."""
        told: list[OrderTold | FillTold] = []
        for from_ms, to_ms in stretches(known):
            span = {"startTime": str(from_ms), "endTime": str(to_ms)}
            told += yield from self._orders(_HISTORY, span)
            told += yield from self._fills(span)
        return in_order(told)

    def order(self, order_id: str) -> Asking:
        """One order and its fills."""
        which = {"orderId": order_id}
        try:
            body = yield self._request(_ORDER, which)
        except InquiryFailed as failed:
            if is_forgotten(failed):
                return []
            raise
        row = answer(_order, body)
        if row is None or not is_ours(self._market, row.category):
            return []
        fills = yield from self._fills(which)
        return [*in_order(fills), *row_told(order_row, [row])]

    def _orders(
        self, path: str, params: Mapping[str, str]
    ) -> Generator[RestRequest, bytes, list[OrderTold]]:
        request = self._request(path, {**params, "limit": str(ROWS)})
        rows = yield from every_row(request, "cursor", _page(_orders))
        return row_told(order_row, rows)

    def _fills(self, params: Mapping[str, str]) -> Generator[RestRequest, bytes, list[FillTold]]:
        request = self._request(_FILLS, {**params, "limit": str(ROWS)})
        rows = yield from every_row(request, "cursor", _page(_fills))
        return row_told(fill_row, rows)
