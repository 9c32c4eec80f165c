"""OKX's private socket: its frames, and what a push says of an account. Pure.

Three channels are subscribed: ``orders`` (state and trade in one row), ``account`` (balances) and
``positions``. Of the others that there are, ``fills`` says less of the same, and
``balance_and_position`` is subscribed to for a moment only, to see whether it is granted. A row of a market that is not asked for says nothing: contracts of both kinds come together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from common.exchanges.okx.holdings import AccountRow, PositionRow, balances_told, position
from common.exchanges.okx.rows import OrderRow, fill_told, is_ours, order_told
from common.exchanges.private import Heard
from common.exchanges.protocol import Unreadable
from common.exchanges.told import PositionsTold
from common.exchanges.wire import read_rows
from common.model.instruments import Catalog
from common.model.streams import Market

PROBE = "balance_and_position"


class Arg(Struct):
    """What is subscribed to, as an acknowledgement and a push repeat it."""

    channel: str
    kind: str = field(name="instType", default="")
    asset: str = field(name="ccy", default="")


class Frame(Struct):
    """Everything that arrives but ``pong``: a push has ``data``, anything else an ``event``.

    A snapshot may come in several pages; what came by an event has none.
    """

    arg: Arg | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    event_type: str = field(name="eventType", default="")
    page: int = field(name="curPage", default=0)
    is_last: bool = field(name="lastPage", default=False)
    event: str = ""
    code: str | int = ""
    msg: str = ""
    channel: str = ""


class _Place(NamedTuple):
    """What a row is read with."""

    market: Market
    catalog: Catalog
    whole: bool


_orders = msgspec.json.Decoder(list[OrderRow])
_order = msgspec.json.Decoder(OrderRow)
_accounts = msgspec.json.Decoder(list[AccountRow])
_account = msgspec.json.Decoder(AccountRow)
_positions = msgspec.json.Decoder(list[PositionRow])
_position = msgspec.json.Decoder(PositionRow)


def told(market: Market, frame: Frame, catalog: Catalog) -> Sequence[Heard]:
    """What a push says, in order; never raises."""
    if frame.arg is UNSET or frame.data is UNSET:
        return (Unreadable("unknown_type", "neither a push nor an answer"),)
    read = _CHANNELS.get(frame.arg.channel)
    if read is None:
        return (Unreadable("unknown_type", f"channel {frame.arg.channel:.40}"),)
    return read(_Place(market, catalog, _is_whole(frame, frame.arg)), frame.data)


def _is_whole(frame: Frame, arg: Arg) -> bool:
    """Whether a push has all that there is of its channel: only then is the rest nothing."""
    narrowed = bool(arg.kind or arg.asset)
    return frame.event_type == "snapshot" and frame.page == 1 and frame.is_last and not narrowed


def _read_orders(place: _Place, data: Raw) -> Sequence[Heard]:
    """The trade first, then the state that it led to."""

    def read(row: OrderRow) -> Sequence[Heard]:
        if not is_ours(place.market, row.kind, row.symbol, place.catalog):
            return ()
        state = order_told(place.market, row, place.catalog)
        fill = fill_told(place.market, row, place.catalog)
        return (state,) if fill is None else (fill, state)

    return _flat(read_rows(data, _orders, _order, read))


def _read_accounts(place: _Place, data: Raw) -> Sequence[Heard]:
    return read_rows(data, _accounts, _account, lambda row: balances_told(row, whole=place.whole))


def _read_positions(place: _Place, data: Raw) -> Sequence[Heard]:
    """Each as of its own time. One that is closed is told as 0, once."""

    def read(row: PositionRow) -> Sequence[Heard]:
        if not is_ours(place.market, row.kind, row.symbol, place.catalog):
            return ()
        one = position(place.market, row, place.catalog)
        return (PositionsTold(positions=(one,), time_ms=int(row.updated_ms)),)

    return _flat(read_rows(data, _positions, _position, read))


def _flat(rows: Sequence[Sequence[Heard] | Unreadable]) -> Sequence[Heard]:
    said: list[Heard] = []
    for row in rows:
        said += (row,) if isinstance(row, Unreadable) else row
    return said


def _read_nothing(_place: _Place, _data: Raw) -> Sequence[Heard]:
    return ()


_CHANNELS: Mapping[str, Callable[[_Place, Raw], Sequence[Heard]]] = {
    "orders": _read_orders,
    "account": _read_accounts,
    "positions": _read_positions,
    PROBE: _read_nothing,
}
