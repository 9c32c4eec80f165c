"""Bybit's private pushes: what a frame of an account's topics says, for one market. Pure.

A push is ``{"topic", "id", "creationTime", "data": [row, …]}``. ``order`` tells how orders stand,
``execution`` their trades; neither waits for the other. The rows of all markets come on one socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct, field

from common.exchanges.bybit.holdings import PositionRow, Wallet, balances, position
from common.exchanges.bybit.rows import EXECUTIONS, FillRow, OrderRow, fill_told, order_told
from common.exchanges.private import Heard
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.exchanges.wire import BROKEN, STRANGE, Millis, unreadable, wrong_shape
from common.model.instruments import Catalog
from common.model.streams import Market

# What an account is subscribed to; spot has no positions.
TOPICS: Mapping[Market, tuple[str, ...]] = {
    "spot": ("order", "execution", "wallet"),
    "linear": ("order", "execution", "position", "wallet"),
    "inverse": ("order", "execution", "position", "wallet"),
}


class Push(Struct):
    """A push as it arrives."""

    topic: str
    created_ms: Millis = field(name="creationTime")
    rows: list[Raw] = field(name="data")


class _Head(Struct):
    category: str


class _Kind(Struct):
    kind: str = field(name="execType")


_push = msgspec.json.Decoder(Push)
_head = msgspec.json.Decoder(_Head)
_kind = msgspec.json.Decoder(_Kind)
# Times and numbers come as text.
_order = msgspec.json.Decoder(OrderRow, strict=False)
_fill = msgspec.json.Decoder(FillRow, strict=False)
_position = msgspec.json.Decoder(PositionRow, strict=False)
_wallet = msgspec.json.Decoder(Wallet)


def told(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Heard]:
    """What a push says of this market, in the order it happened; never raises."""
    try:
        push = _push.decode(frame)
    except BROKEN as error:
        return (unreadable(error),)
    topic, _, category = push.topic.partition(".")
    if topic == "wallet" and not category:
        return _balances(market, push)
    read = _READERS.get(topic)
    if read is None or category not in ("", market):
        return (Unreadable("unknown_type", f"topic {push.topic:.60}"),)
    said: list[Heard] = []
    for raw in push.rows:
        try:
            if _head.decode(raw).category == market:
                said.append(read(market, raw, catalog))
        except STRANGE as error:
            said.append(wrong_shape(error))
    return sorted(said, key=_when)


def _when(heard: Heard) -> tuple[int, int]:
    """Newest first is how some batches come. What is no event has no time, and goes first."""
    match heard:
        case FillTold() | OrderTold():
            return heard.time_ms, heard.seq
        case PositionsTold():
            return heard.time_ms, 0
        case _:
            return 0, 0


# --- the topics ---------------------------------------------------------------------------------


def _order_row(market: Market, raw: Raw, catalog: Catalog) -> Heard:
    return order_told(market, _order.decode(raw), catalog)


def execution(market: Market, raw: Raw, catalog: Catalog) -> FillTold | Notice | Unreadable:
    """A trade; of other executions only what they are.

    Raises:
        Exception: one of ``STRANGE``.
    """
    kind = _kind.decode(raw).kind
    match EXECUTIONS.get(kind):
        case "fill":
            return fill_told(market, _fill.decode(raw), catalog)
        case "other":
            return Notice("other", f"execution {kind}")
        case None:
            return Unreadable("unknown_type", f"execution {kind:.40}")


def _position_row(market: Market, raw: Raw, _: Catalog) -> Heard:
    """Told one by one: each has a time of its own."""
    row = _position.decode(raw)
    return PositionsTold(positions=(position(market, row),), time_ms=row.updated_ms)


_READERS: Mapping[str, Callable[[Market, Raw, Catalog], Heard]] = {
    "order": _order_row,
    "execution": execution,
    "position": _position_row,
}


def _balances(market: Market, push: Push) -> Sequence[Heard]:
    """The coins that changed, of the wallet that is traded with."""
    wallets, said = list[Wallet](), list[Heard]()
    for raw in push.rows:
        try:
            wallets.append(_wallet.decode(raw))
        except BROKEN as error:
            said.append(wrong_shape(error))
    try:
        rows = balances(market, wallets)
    except ArithmeticError as error:
        return (*said, wrong_shape(error))
    if rows:
        said.append(BalancesTold(balances=rows, time_ms=push.created_ms))
    return said
