"""What Coinbase's REST knows of an account: balances, orders and fills. Pure.

Lists come newest first, page by page; a mark at the end of one asks for the next. Orders are listed by
when they were created: older ones that ended since are asked for by their id.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct, field

from common.exchanges.coinbase.account import hosts_of
from common.exchanges.coinbase.describe import PRIVATE
from common.exchanges.coinbase.rest import PREFIX
from common.exchanges.coinbase.rows import (
    AccountRow,
    FillRow,
    OrderRow,
    balances_told,
    fill_told,
    fills_told,
    is_spot,
    order_told,
)
from common.exchanges.private import Credentials, InquiryFailed, Known, unmoved
from common.exchanges.protocol import RestRequest
from common.exchanges.told import FillTold, Told
from common.exchanges.wire import decoded
from common.model.instruments import Catalog
from common.model.streams import Market

_Row_co = TypeVar("_Row_co", covariant=True)
Asking = Generator[RestRequest, bytes, Sequence[Told]]

# The most rows of one answer: documented of accounts, reserve of the histories.
ROWS = 250
# Open orders come in one answer; where less is asked for it ends early and does not say so.
OPEN_ROWS = 1000
# ``OPEN`` leaves the other two out, and may not be asked for together with any.
_UNENDED = ("OPEN", "PENDING", "QUEUED")
_ORDERS, _FILLS = "/orders/historical/batch", "/orders/historical/fills"
_NO_SUCH_ORDER = "not_found"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Page(Struct, kw_only=True):
    """A part of a list. Fills have no flag: an empty mark says that it is the last."""

    cursor: str = ""
    has_next: bool = True


class _Accounts(_Page, kw_only=True):
    rows: list[AccountRow] = field(name="accounts")


class _Orders(_Page, kw_only=True):
    rows: list[OrderRow] = field(name="orders")


class _Fills(_Page, kw_only=True):
    rows: list[FillRow] = field(name="fills")


class _Pages(Protocol[_Row_co]):
    cursor: str
    has_next: bool

    @property
    def rows(self) -> Sequence[_Row_co]: ...


class _OneOrder(Struct):
    order: OrderRow


_accounts = partial(decoded, msgspec.json.Decoder(_Accounts))
_orders = partial(decoded, msgspec.json.Decoder(_Orders))
_fills = partial(decoded, msgspec.json.Decoder(_Fills))
_one_order = partial(decoded, msgspec.json.Decoder(_OneOrder))


# --- asking -------------------------------------------------------------------------------------


def _request(
    market: Market, credentials: Credentials, path: str, params: Mapping[str, str] | None = None
) -> RestRequest:
    url = hosts_of(market, credentials).rest + PREFIX + path
    return RestRequest(url=url, params=params or {}, cost={PRIVATE: 1}, signed=True)


def _all(
    first: RestRequest, read: Callable[[bytes], _Pages[_Row_co]]
) -> Generator[RestRequest, bytes, list[_Row_co]]:
    """The rows of all pages.

    Raises:
        InquiryFailed: a full page leads no further.
    """
    rows: list[_Row_co] = []
    request = first
    while True:
        page = read((yield request))
        rows += page.rows
        if not page.has_next or not page.cursor:
            return rows
        # A mark that does not move would ask for ever.
        if page.cursor == request.params.get("cursor"):
            if len(page.rows) < int(first.params["limit"]):
                return rows
            raise unmoved(urlsplit(first.url).path)
        params = {**first.params, "cursor": page.cursor}
        request = msgspec.structs.replace(first, params=params)


def _fills_of(
    market: Market, credentials: Credentials, params: Mapping[str, str]
) -> Generator[RestRequest, bytes, list[FillRow]]:
    """Trades of this market."""
    request = _request(market, credentials, _FILLS, {**params, "limit": str(ROWS)})
    rows = yield from _all(request, _fills)
    return [row for row in rows if row.is_ours]


def _orders_of(
    market: Market, credentials: Credentials, params: Mapping[str, str]
) -> Generator[RestRequest, bytes, list[OrderRow]]:
    """Orders of this market."""
    request = _request(market, credentials, _ORDERS, {"product_type": "SPOT", **params})
    rows = yield from _all(request, _orders)
    return [row for row in rows if is_spot(row.symbol, row.product_type)]


# --- the inquiries ------------------------------------------------------------------------------


def snapshot(market: Market, credentials: Credentials, catalog: Catalog) -> Asking:
    """Balances and open orders, as they are now."""
    request = _request(market, credentials, "/accounts", {"limit": str(ROWS)})
    balances = balances_told((yield from _all(request, _accounts)))
    rows: list[OrderRow] = []
    for status in _UNENDED:
        params = {"order_status": status, "limit": str(OPEN_ROWS)}
        rows += yield from _orders_of(market, credentials, params)
    return [balances, *(order_told(row) for row in rows)]


def since(market: Market, credentials: Credentials, catalog: Catalog, known: Known) -> Asking:
    """Orders created, and fills, since then, of all symbols."""
    start, limit = _rfc3339(known.since_ms), str(ROWS)
    fills = yield from _fills_of(market, credentials, {"start_sequence_timestamp": start})
    rows = yield from _orders_of(market, credentials, {"start_date": start, "limit": limit})
    orders = {row.order_id: order_told(row) for row in rows}
    told: list[Told] = list(orders.values())
    by_order: dict[str, list[FillRow]] = {}
    for fill in fills:
        by_order.setdefault(fill.order_id, []).append(fill)
    for order_id, its in by_order.items():
        if order_id in orders:
            told += fills_told(orders[order_id], its)
        elif any(fill.size_in_quote for fill in its):
            # What these are in the base asset only all of the order's fills together tell.
            told += yield from order(market, credentials, catalog, its[0].symbol, order_id)
        else:
            told += [fill_told(fill) for fill in its]
    return sorted(told, key=_when)


def order(
    market: Market,
    credentials: Credentials,
    catalog: Catalog,
    symbol: str,
    order_id: str,
) -> Asking:
    """One order and its fills; nothing if the exchange does not know it."""
    path = f"/orders/historical/{quote(order_id, safe='')}"
    try:
        row = _one_order((yield _request(market, credentials, path))).order
    except InquiryFailed as failed:
        if _NO_SUCH_ORDER in failed.failure.detail.lower():
            return []
        raise
    told = order_told(row)
    fills = yield from _fills_of(market, credentials, {"order_ids": order_id})
    return sorted([*fills_told(told, fills), told], key=_when)


def _rfc3339(time_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _when(told: Told) -> tuple[int, bool]:
    """Fills before the state that they led to."""
    return told.time_ms, not isinstance(told, FillTold)
