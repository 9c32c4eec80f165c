"""What KuCoin's REST knows of a unified account: balances, positions, orders and fills. Pure.

Lists are of a product (spot, or both futures) with all its symbols, all of them on the host of spot.
Histories reach a week at a time, newest first, each page by the last id of the one before.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.kucoin.account import private_request
from common.exchanges.kucoin.asking import Asking, is_delisted, is_forgotten, once, stretches, when
from common.exchanges.kucoin.unified import (
    OrderRow,
    PositionRow,
    Role,
    TradeRow,
    Unit,
    fill_of,
    is_here,
    order_of,
    position_of,
)
from common.exchanges.kucoin.units import Nanos, time_of
from common.exchanges.kucoin.words import asset_of, given
from common.exchanges.kucoin.worth import is_by_worth, is_whole, settled
from common.exchanges.private import Credentials, InquiryFailed, Known, unmoved
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold, Told
from common.exchanges.wire import MaybeNumber, Millis, Number, Signed, decoded
from common.model.account import Balance, PositionSide, Side
from common.model.instruments import Catalog
from common.model.streams import Market

_T = TypeVar("_T")
_Rows = Generator[RestRequest, bytes, list[_T]]

# The most rows of one page.
ROWS = 200
# A trade may be told a little later than the order that it ended.
_LATER_MS = 60_000
# Paths, each with its weight.
_BALANCES = ("/api/ua/v2/unified/account/balance", 5)
_POSITIONS = ("/api/ua/v2/unified/position/open-list", 3)
_OPEN = ("/api/ua/v2/unified/order/open-list", 4)
_DONE = ("/api/ua/v2/unified/order/history", 4)
_ORDER = ("/api/ua/v2/unified/order/detail", 4)
_TRADES = ("/api/ua/v2/unified/order/execution", 4)
_PRODUCTS: Mapping[Market, str] = {"spot": "SPOT", "linear": "FUTURES", "inverse": "FUTURES"}


# --- rows ---------------------------------------------------------------------------------------


class _Order(OrderRow, rename="camel", kw_only=True):
    symbol: str
    order_id: str
    side: Side
    order_type: str
    status: int | str
    updated_time: Nanos
    filled_size: MaybeNumber
    size: MaybeNumber = ""
    size_unit: Unit = ""
    price: MaybeNumber = ""
    avg_price: MaybeNumber = ""
    trigger_price: MaybeNumber = ""
    client_oid: str | None = None
    time_in_force: str = ""
    reduce_only: bool | UnsetType = UNSET
    position_side: PositionSide | Literal[""] = ""
    order_time: Nanos | None = None
    trade_type: str = ""


class _Trade(TradeRow, rename="camel", kw_only=True):
    symbol: str
    order_id: str
    trade_id: str | int
    side: Side
    price: Number
    size: Number
    execution_time: Nanos
    liquidity_role: Role = ""
    fee: Signed | UnsetType = UNSET
    fee_currency: str = ""
    client_oid: str | None = None
    position_side: PositionSide | Literal[""] = ""
    trade_type: str = ""


class _Position(PositionRow, rename="camel", kw_only=True):
    symbol: str
    size: Signed
    entry_price: MaybeNumber
    update_time: Nanos
    margin_mode: str = ""
    mark_price: MaybeNumber = ""
    liquidation_price: MaybeNumber = ""
    leverage: MaybeNumber = ""
    unrealized_pnl: Signed | UnsetType = field(name="unrealizedPnL", default=UNSET)
    realized_pnl: Signed | UnsetType = field(name="realizedPnL", default=UNSET)
    initial_margin: Signed | UnsetType = UNSET
    position_side: PositionSide | Literal[""] = ""


class _Currency(Struct):
    currency: str
    available: Signed
    hold: Signed
    balance: Signed


class _Account(Struct):
    currencies: list[_Currency]


class _Accounts(Struct):
    accounts: list[_Account]
    ts: Millis = 0


class _Body(Struct, Generic[_T]):
    data: _T


class _Found(Struct, Generic[_T]):
    """Rows up to ``last_id``, where the next page begins."""

    items: list[_T]
    last_id: int | str | None = field(name="lastId", default=None)


class _Page(Struct, Generic[_T]):
    items: list[_T]
    total_page: int = field(name="totalPage", default=1)


_accounts = msgspec.json.Decoder(_Body[_Accounts])
_positions = msgspec.json.Decoder(_Body[list[_Position]])
_order = msgspec.json.Decoder(_Body[_Order | None])
_open = msgspec.json.Decoder(_Body[_Page[_Order]])
_done = msgspec.json.Decoder(_Body[_Found[_Order]])
_trades = msgspec.json.Decoder(_Body[_Found[_Trade]])


# --- the inquiries ------------------------------------------------------------------------------


class Unified:
    """What is asked of one market of a unified account."""

    def __init__(self, market: Market, credentials: Credentials, catalog: Catalog) -> None:
        self._market = market
        self._credentials = credentials
        self._catalog = catalog
        self._product = {"tradeType": _PRODUCTS[market]}

    def snapshot(self) -> Asking:
        """Balances (one wallet for all markets), positions and open orders, as they are now."""
        told: list[Told] = [
            _balances_told(decoded(_accounts, (yield self._request(_BALANCES))).data)
        ]
        if self._market != "spot":
            told.append(self._positions_told((yield from self._open_positions())))
        return [*told, *self._orders((yield from self._open_orders()))]

    def since(self, known: Known) -> Asking:
        """Orders and fills since then; orders that were made before are asked by id."""
        told: list[OrderTold | FillTold] = []
        for stretch in stretches(known):
            params = {**self._product, **stretch}
            told += self._fills((yield from self._pages(_TRADES, params, _trades)))
            told += self._orders((yield from self._pages(_DONE, params, _done)))
        return sorted((yield from self._settled(told)), key=when)

    def _settled(self, told: Sequence[OrderTold | FillTold]) -> _Rows[OrderTold | FillTold]:
        """With what is filled of orders by their worth; some trades may be of before, or not listed yet."""
        fills: dict[str, list[FillTold]] = {}
        for one in told:
            if isinstance(one, FillTold):
                fills.setdefault(one.order_id, []).append(one)
        known: list[OrderTold | FillTold] = []
        for one in told:
            if isinstance(one, FillTold) or not is_by_worth(one):
                known.append(one)
                continue
            its = fills.get(one.order_id, [])
            asked = [] if is_whole(one, its) else (yield from self.order(one.symbol, one.order_id))
            known += asked or [settled(one, its)]
        return known

    def order(self, symbol: str, order_id: str) -> _Rows[OrderTold | FillTold]:
        """One order and its fills; nothing if the exchange has forgotten it."""
        params = {**self._product, "symbol": symbol, "orderId": order_id}
        try:
            row = decoded(_order, (yield self._request(_ORDER, params))).data
        except InquiryFailed as failed:
            if is_forgotten(failed) or is_delisted(failed):
                return []
            raise
        if row is None:
            return []
        told = order_of(self._market, row, self._catalog)
        made_ms = told.time_ms if told.created_ms is UNSET else told.created_ms
        trades: list[_Trade] = []
        for stretch in stretches(Known(since_ms=made_ms, until_ms=told.time_ms + _LATER_MS)):
            asked = {**self._product, "symbol": symbol, **stretch}
            trades += yield from self._pages(_TRADES, asked, _trades)
        fills = self._fills(trade for trade in trades if trade.order_id == order_id)
        if is_by_worth(told):
            told = settled(told, fills)
        return [*sorted(fills, key=when), told]

    # --- what comes back --------------------------------------------------------------------

    def _orders(self, rows: Iterable[_Order]) -> list[OrderTold]:
        return [
            order_of(self._market, row, self._catalog)
            for row in rows
            if is_here(self._market, row.trade_type, row.symbol, self._catalog)
        ]

    def _fills(self, rows: Iterable[_Trade]) -> list[FillTold]:
        return once(
            fill_of(self._market, row, self._catalog)
            for row in rows
            if is_here(self._market, row.trade_type, row.symbol, self._catalog)
        )

    def _positions_told(self, rows: Iterable[_Position]) -> PositionsTold:
        ours = [
            row
            for row in rows
            if given(row.size) and is_here(self._market, "", row.symbol, self._catalog)
        ]
        newest_ms = max((time_of(row.update_time)[0] for row in ours), default=0)
        positions = tuple(position_of(row, self._catalog) for row in ours)
        return PositionsTold(positions=positions, time_ms=newest_ms, whole=True)

    # --- pages ------------------------------------------------------------------------------

    def _open_orders(self) -> _Rows[_Order]:
        rows: list[_Order] = []
        number = 1
        while True:
            body = yield self._request(_OPEN, {**self._product, **_numbered(number)})
            page = decoded(_open, body).data
            new = [row for row in page.items if row not in rows]
            rows += new
            if not new and len(page.items) >= ROWS:
                # The same page, whichever is asked for.
                raise unmoved(_OPEN[0])
            if not page.items or number >= page.total_page:
                return rows
            number += 1

    def _open_positions(self) -> _Rows[_Position]:
        """The pages are not counted: the last one is not full, or brings nothing new."""
        rows: list[_Position] = []
        number = 1
        while True:
            page = decoded(_positions, (yield self._request(_POSITIONS, _numbered(number)))).data
            new = [row for row in page if row not in rows]
            rows += new
            if len(page) < ROWS or not new:
                return rows
            number += 1

    def _pages(
        self,
        call: tuple[str, int],
        params: Mapping[str, str],
        decoder: msgspec.json.Decoder[_Body[_Found[_T]]],
    ) -> _Rows[_T]:
        """All rows, page by page, up to one that is short or names no last id.

        Raises:
            InquiryFailed: a full page leads no further.
        """
        rows: list[_T] = []
        asked = {**params, "pageSize": str(ROWS)}
        while True:
            page = decoded(decoder, (yield self._request(call, asked))).data
            rows += page.items
            last_id = str(page.last_id or "")
            if len(page.items) < ROWS or last_id in ("", "0"):
                return rows
            if last_id == asked.get("lastId"):
                raise unmoved(call[0])
            asked = {**asked, "lastId": last_id}

    def _request(
        self, call: tuple[str, int], params: Mapping[str, str] | None = None
    ) -> RestRequest:
        return private_request("spot", self._credentials, call, params)


def _numbered(number: int) -> dict[str, str]:
    return {"pageNumber": str(number), "pageSize": str(ROWS)}


def _balances_told(accounts: _Accounts) -> BalancesTold:
    balances = tuple(
        Balance(asset_of(row.currency), row.available, row.hold, row.balance)
        for account in accounts.accounts
        for row in account.currencies
    )
    return BalancesTold(balances=balances, time_ms=accounts.ts, whole=True)
