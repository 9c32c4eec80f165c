"""What OKX's REST knows of an account: balances, positions, orders and fills. Pure.

Histories are asked by type of instrument, newest first, and go on behind the last id of a page.
Limits are of an account, not of an address: they take of no budget of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct, field

from common.exchanges.okx.account import hosts_of
from common.exchanges.okx.describe import INSTRUMENT_TYPES
from common.exchanges.okx.holdings import AccountRow, PositionRow, balances_told, is_open, position
from common.exchanges.okx.rows import (
    SIDES,
    OrderRow,
    PositionWord,
    SideWord,
    cost_of,
    gain_of,
    is_ours,
    maker_of,
    order_told,
    position_side_of,
    seq_of,
    size_of,
)
from common.exchanges.private import Credentials, InquiryFailed, Known, unmoved
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold, Told
from common.exchanges.wire import MaybeSigned, MillisText, Number, decoded
from common.model.decimals import same, total
from common.model.instruments import Catalog
from common.model.streams import Market

_T = TypeVar("_T")
_Row = TypeVar("_Row")
Asking = Generator[RestRequest, bytes, _T]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
# The most rows of one answer.
ROWS = 100
# How far the quick histories reach back, less an hour in which a walk through them may take its
# time; the others reach three months. (The one of orders has forgotten there what was cancelled
# without a trade; the quick one forgets that after two hours.)
QUICK_FILLS_MS = 3 * DAY_MS - HOUR_MS
QUICK_ORDERS_MS = 7 * DAY_MS - HOUR_MS
# No such order; no such instrument (any more): with it all its orders have gone.
_FORGOTTEN = frozenset({"51603", "51001"})


class _Answer(Struct, Generic[_Row]):
    data: list[_Row]


class _FillRow(Struct):
    """A trade. One of no order (a block trade) has no id of any."""

    kind: str = field(name="instType")
    symbol: str = field(name="instId")
    order_id: str = field(name="ordId")
    trade_id: str = field(name="tradeId")
    bill_id: str = field(name="billId")
    side: SideWord
    price: Number = field(name="fillPx")
    size: Number = field(name="fillSz")
    time_ms: MillisText = field(name="fillTime")
    fee: MaybeSigned = ""
    fee_asset: str = field(name="feeCcy", default="")
    client_id: str = field(name="clOrdId", default="")
    liquidity: str = field(name="execType", default="")
    position_side: PositionWord = field(name="posSide", default="")
    gain: MaybeSigned = field(name="fillPnl", default="")
    reason: str = field(name="subType", default="")


_accounts = msgspec.json.Decoder(_Answer[AccountRow])
_positions = msgspec.json.Decoder(_Answer[PositionRow])
_orders = msgspec.json.Decoder(_Answer[OrderRow])
_fills = msgspec.json.Decoder(_Answer[_FillRow])

# What a trade was for, where the exchange ended a position: liquidation in parts and in all,
# auto-deleveraging.
_LIQUIDATIONS = frozenset(map(str, [*range(100, 108), *range(125, 129)]))


def _request(
    market: Market, credentials: Credentials, path: str, params: Mapping[str, str]
) -> RestRequest:
    url = f"{hosts_of(market, credentials).rest}/api/v5{path}"
    return RestRequest(url=url, params=params, signed=True)


class _Asker(Struct, frozen=True):
    """Who asks, and how what it is told is read."""

    market: Market
    credentials: Credentials
    catalog: Catalog

    def request(self, path: str, params: Mapping[str, str] | None = None) -> RestRequest:
        """A signed request of this account."""
        return _request(self.market, self.credentials, path, params or {})

    def orders(self, path: str, params: Mapping[str, str]) -> Asking[list[OrderRow]]:
        """All pages of a list of orders."""
        rows = yield from self._pages(path, params, _orders, lambda row: row.order_id)
        return [row for row in rows if self._ours(row.kind, row.symbol)]

    def fills(self, path: str, params: Mapping[str, str]) -> Asking[list[_FillRow]]:
        """All pages of a list of trades of orders."""
        rows = yield from self._pages(path, params, _fills, lambda row: row.bill_id)
        return [row for row in rows if row.order_id and self._ours(row.kind, row.symbol)]

    def _ours(self, kind: str, symbol: str) -> bool:
        return is_ours(self.market, kind, symbol, self.catalog)

    def _pages(
        self,
        path: str,
        params: Mapping[str, str],
        decoder: msgspec.json.Decoder[_Answer[_Row]],
        id_of: Callable[[_Row], str],
    ) -> Asking[list[_Row]]:
        found: list[_Row] = []
        first: Mapping[str, str] = {**params, "limit": str(ROWS)}
        page = first
        while True:
            rows = decoded(decoder, (yield self.request(path, page))).data
            found += rows
            if len(rows) < ROWS:
                return found
            last_id = id_of(rows[-1])
            if last_id == page.get("after"):
                # The same again would have no end.
                raise unmoved(path)
            page = {**first, "after": last_id}

    def told(self, row: _FillRow) -> FillTold:
        """One trade of an order."""
        part = size_of(self.market, row.symbol, row.size, row.price, self.catalog)
        return FillTold(
            symbol=row.symbol,
            order_id=row.order_id,
            trade_id=row.trade_id,
            side=SIDES[row.side],
            price=row.price,
            time_ms=int(row.time_ms),
            seq=seq_of(row.trade_id),
            quantity=part.base,
            contracts=part.contracts,
            quote_quantity=part.quote,
            client_order_id=row.client_id or UNSET,
            fee=cost_of(row.fee),
            fee_asset=row.fee_asset or UNSET,
            maker=maker_of(row.liquidity),
            position_side=position_side_of(self.market, row.position_side),
            realized_pnl=gain_of(self.market, row.gain),
            liquidation=row.reason in _LIQUIDATIONS if row.reason else UNSET,
        )


# --- the inquiries ------------------------------------------------------------------------------


def snapshot(market: Market, credentials: Credentials, catalog: Catalog) -> Asking[Sequence[Told]]:
    """Balances, positions and open orders, as they are now."""
    asker = _Asker(market, credentials, catalog)
    told: list[Told] = [_balances_told((yield asker.request("/account/balance")))]
    if market != "spot":
        told.append(_positions_told(asker, (yield asker.request("/account/positions"))))
    for kind in INSTRUMENT_TYPES[market]:
        rows = yield from asker.orders("/trade/orders-pending", {"instType": kind})
        told += [order_told(market, row, catalog) for row in rows]
    return told


def _balances_told(body: bytes) -> BalancesTold:
    """There is one row; what it does not name has nothing."""
    rows = decoded(_accounts, body).data
    if len(rows) != 1:
        raise msgspec.ValidationError(f"{len(rows)} accounts")
    return balances_told(rows[0], whole=True)


def _positions_told(asker: _Asker, body: bytes) -> PositionsTold:
    rows = [
        row
        for row in decoded(_positions, body).data
        if is_open(row) and is_ours(asker.market, row.kind, row.symbol, asker.catalog)
    ]
    return PositionsTold(
        positions=tuple(position(asker.market, row, asker.catalog) for row in rows),
        time_ms=max((int(row.updated_ms) for row in rows), default=0),
        whole=True,
    )


def since(
    market: Market, credentials: Credentials, catalog: Catalog, known: Known
) -> Asking[Sequence[Told]]:
    """Orders and fills of all symbols since then, to the very now."""
    asker = _Asker(market, credentials, catalog)
    age_ms = known.until_ms - known.since_ms
    fills_path = "/trade/fills" if age_ms <= QUICK_FILLS_MS else "/trade/fills-history"
    orders_path = (
        "/trade/orders-history" if age_ms <= QUICK_ORDERS_MS else "/trade/orders-history-archive"
    )
    fills: list[FillTold] = []
    orders: list[OrderTold] = []
    for kind in INSTRUMENT_TYPES[market]:
        # Orders are listed by when they were made: older ones that ended since are asked by id.
        params = {"instType": kind, "begin": str(known.since_ms)}
        fill_rows = yield from asker.fills(fills_path, params)
        order_rows = yield from asker.orders(orders_path, params)
        fills += [asker.told(row) for row in reversed(fill_rows)]
        orders += [order_told(market, row, catalog) for row in reversed(order_rows)]
    told: list[OrderTold | FillTold] = [*fills, *orders]
    return sorted(told, key=_when)


def order(
    market: Market, credentials: Credentials, catalog: Catalog, symbol: str, order_id: str
) -> Asking[Sequence[Told]]:
    """One order and its fills; nothing if the exchange has forgotten it."""
    asker = _Asker(market, credentials, catalog)
    params = {"instId": symbol, "ordId": order_id}
    try:
        body = yield asker.request("/trade/order", params)
    except InquiryFailed as failed:
        if failed.says(_FORGOTTEN):
            return []
        raise
    rows = decoded(_orders, body).data
    if not rows:
        return []
    fills = yield from _fills_of(asker, rows[0])
    return [*fills, order_told(market, rows[0], catalog)]


def _fills_of(asker: _Asker, row: OrderRow) -> Asking[list[FillTold]]:
    """The quick list knows those of three days; if that is not all of them, the long one does."""
    params = {"instType": row.kind, "instId": row.symbol, "ordId": row.order_id}
    found: dict[str, _FillRow] = {}
    for path in ("/trade/fills", "/trade/fills-history"):
        if same(total(fill.size for fill in found.values()), row.filled):
            break
        rows = yield from asker.fills(path, params)
        found |= {fill.bill_id: fill for fill in rows}
    return sorted(map(asker.told, found.values()), key=_when)


def _when(told: OrderTold | FillTold) -> tuple[int, bool, int]:
    """Fills before the state that they led to."""
    return told.time_ms, isinstance(told, OrderTold), told.seq
