"""What Bybit's REST knows of an account: balances, positions, orders and fills. Pure.

Histories need no symbol. They are asked for a week at a time, newest first, in pages that follow one
another by a cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct, field

from common.exchanges.bybit.account import hosts_of, info_request, margin_mode
from common.exchanges.bybit.holdings import PositionRow, Wallet, balances, position
from common.exchanges.bybit.rows import OrderRow, order_told
from common.exchanges.bybit.told import execution
from common.exchanges.private import Credentials, InquiryFailed, Known, unmoved
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold, Told
from common.exchanges.wire import Millis, decoded
from common.model.instruments import Catalog
from common.model.streams import Market

_T = TypeVar("_T")
Asking = Generator[RestRequest, bytes, Sequence[Told]]

# The longest stretch of one request, and the most rows of one answer, by path.
SPAN_MS = 7 * 86_400_000
_BALANCES = "account/wallet-balance"
_POSITIONS = "position/list"
_OPEN_ORDERS = "order/realtime"
_ORDERS = "order/history"
_FILLS = "execution/list"
_ROWS = {_POSITIONS: 200, _OPEN_ORDERS: 50, _ORDERS: 50, _FILLS: 100}
# Linear has to be asked by what contracts settle in; these two there are in any case.
_SETTLES = frozenset({"USDT", "USDC"})
_NO_SUCH_ORDER = frozenset({"110001", "170213"})
# A symbol that is not listed (any more) is one parameter that is wrong among others.
_WRONG_PARAMETER = frozenset({"10001"})
_NO_SUCH_SYMBOL = ("symbol invalid", "invalid symbol", "not supported symbol")


class _List(Struct):
    rows: list[Raw] = field(name="list")
    cursor: str | None = field(name="nextPageCursor", default=None)


class _Page(Struct):
    result: _List
    now_ms: Millis = field(name="time")


_page = msgspec.json.Decoder(_Page, strict=False)
_order = msgspec.json.Decoder(OrderRow, strict=False)
_position = msgspec.json.Decoder(PositionRow, strict=False)
_wallet = msgspec.json.Decoder(Wallet)


class _Asker:
    """Asks for one market of one account."""

    def __init__(self, market: Market, credentials: Credentials, catalog: Catalog) -> None:
        self.market, self.catalog = market, catalog
        self._rest = f"{hosts_of(credentials).rest}/v5"

    def page(self, path: str, **params: str) -> Generator[RestRequest, bytes, _Page]:
        """One answer."""
        request = RestRequest(
            url=f"{self._rest}/{path}", params=params, cost={"requests": 1}, signed=True
        )
        return decoded(_page, (yield request))

    def rows(
        self, path: str, read: Callable[[Raw], _T], **params: str
    ) -> Generator[RestRequest, bytes, list[_T]]:
        """All rows of a list, page by page.

        Raises:
            InquiryFailed: a full page leads no further.
        """
        found: list[_T] = []
        params = {"category": self.market, **params, "limit": str(_ROWS[path])}
        while True:
            page = (yield from self.page(path, **params)).result
            found += [_read(read, row) for row in page.rows]
            if not page.rows or not page.cursor:
                return found
            if page.cursor == params.get("cursor"):
                # Some lists name a next page after their last, which is not full.
                if len(page.rows) < _ROWS[path]:
                    return found
                raise unmoved(path)
            params = {**params, "cursor": page.cursor}

    def orders(self, path: str, **params: str) -> Generator[RestRequest, bytes, list[OrderTold]]:
        """Orders, as the list has them."""
        return (yield from self.rows(path, self._order, **params))

    def found(self, path: str, **params: str) -> Generator[RestRequest, bytes, list[OrderTold]]:
        """Orders of one page: where there can be no more."""
        page = yield from self.page(path, category=self.market, **params)
        return [_read(self._order, row) for row in page.result.rows]

    def fills(self, **params: str) -> Generator[RestRequest, bytes, list[FillTold]]:
        """Trades; other executions are left out."""
        told = yield from self.rows(_FILLS, self._execution, **params)
        return [each for each in told if each is not None]

    def _order(self, row: Raw) -> OrderTold:
        return order_told(self.market, _order.decode(row), self.catalog)

    def _execution(self, row: Raw) -> FillTold | None:
        told = execution(self.market, row, self.catalog)
        return told if isinstance(told, FillTold) else None


def _read(read: Callable[[Raw], _T], row: Raw) -> _T:
    """A row.

    Raises:
        msgspec.DecodeError: it cannot be read, for whatever reason.
    """
    try:
        return read(row)
    except (ArithmeticError, UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


# --- the inquiries ------------------------------------------------------------------------------


def snapshot(market: Market, credentials: Credentials, catalog: Catalog) -> Asking:
    """Balances, positions and open orders, as they are now."""
    ask = _Asker(market, credentials, catalog)
    page = yield from ask.page(_BALANCES, accountType="UNIFIED")
    coins = [
        _read(lambda row: balances(market, [_wallet.decode(row)]), r) for r in page.result.rows
    ]
    rows = tuple(balance for part in coins for balance in part)
    told: list[Told] = [BalancesTold(balances=rows, time_ms=page.now_ms, whole=True)]
    if market != "spot":
        told.append((yield from _positions(ask, credentials)))
    for settle in _settles(market, catalog):
        told += yield from ask.orders(_OPEN_ORDERS, openOnly="0", **settle)
    return told


def _positions(
    ask: _Asker, credentials: Credentials
) -> Generator[RestRequest, bytes, PositionsTold]:
    """All there are, with the account's margin mode, which no position tells.

    They are told as of before they were asked for: what is pushed meanwhile is newer.
    """
    mode, now_ms = margin_mode((yield info_request(credentials)))
    rows: list[PositionRow] = []
    for settle in _settles(ask.market, ask.catalog):
        rows += yield from ask.rows(_POSITIONS, _position.decode, **settle)
    held = [row for row in rows if row.quantity.strip("0.")]
    positions = tuple(position(ask.market, row, mode) for row in held)
    return PositionsTold(positions=positions, time_ms=now_ms, whole=True)


def _settles(market: Market, catalog: Catalog) -> list[dict[str, str]]:
    """What a market is asked by, one list after the other."""
    if market != "linear":
        return [{}]
    settles = _SETTLES | {instrument.settle for instrument in catalog.values()}
    return [{"settleCoin": settle} for settle in sorted(settles)]


def since(market: Market, credentials: Credentials, catalog: Catalog, known: Known) -> Asking:
    """Orders and fills since then, of all symbols. ``known.until_ms`` is the exchange's now.

    The history of orders lags a little, and is by when they were made: an order that it does not
    have is asked for by its id.
    """
    ask = _Asker(market, credentials, catalog)
    told: list[OrderTold | FillTold] = []
    for start_ms in range(known.since_ms, known.until_ms, SPAN_MS):
        end_ms = min(start_ms + SPAN_MS, known.until_ms)
        stretch = {"startTime": str(start_ms), "endTime": str(end_ms - 1)}
        told += yield from ask.fills(**stretch)
        told += yield from ask.orders(_ORDERS, **stretch)
    return sorted(told, key=_when)


def order(
    market: Market, credentials: Credentials, catalog: Catalog, symbol: str, order_id: str
) -> Asking:
    """One order and its fills; nothing if the exchange has forgotten it.

    What is open, and what ended lately, is told at once; what ended before by the history.
    """
    ask = _Asker(market, credentials, catalog)
    which = {"symbol": symbol, "orderId": order_id}
    for path in (_OPEN_ORDERS, _ORDERS):
        try:
            found = yield from ask.found(path, **which)
        except InquiryFailed as failed:
            if not _is_gone(failed):
                raise
            continue
        if found:
            fills = yield from ask.fills(**which)
            return [*sorted(fills, key=_when), *found]
    return []


def _is_gone(failed: InquiryFailed) -> bool:
    """Whether there is no such order, or no such symbol (any more), and with it none of its orders."""
    words = failed.failure.detail.lower()
    delisted = failed.says(_WRONG_PARAMETER) and any(word in words for word in _NO_SUCH_SYMBOL)
    return delisted or failed.says(_NO_SUCH_ORDER)


def _when(told: OrderTold | FillTold) -> tuple[int, bool, int]:
    """Fills before the state that they led to: only they are numbered."""
    return told.time_ms, isinstance(told, OrderTold), told.seq
