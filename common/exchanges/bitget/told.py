"""Bitget's private pushes, of both account systems: what a frame says. Pure.

A push is a list of rows below one ``arg``, which names a ``channel`` in the classic system and a
``topic`` in the unified. One strange order costs no other; balances and positions are read whole or
not at all, for what is missing in a whole list would be taken for none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct, field

from common.exchanges.bitget import classic_holdings, classic_orders, unified
from common.exchanges.bitget.describe import INST_TYPES
from common.exchanges.private import Heard
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.told import BalancesTold, PositionsTold
from common.exchanges.wire import STRANGE, Millis, read_rows, unreadable
from common.model.account import Balance
from common.model.instruments import Catalog
from common.model.streams import Market

UNIFIED = "UTA"


class _Arg(Struct):
    inst_type: str = field(name="instType")
    channel: str = ""
    topic: str = ""


class _Push(Struct):
    arg: _Arg
    data: Raw
    time_ms: Millis = field(name="ts")


class _Unified(Struct):
    """The unified ``account`` topic: one row, with the coins in it."""

    coin: list[unified.AssetRow]


_push = msgspec.json.Decoder(_Push)
_orders = msgspec.json.Decoder(list[classic_orders.OrderPush])
_order = msgspec.json.Decoder(classic_orders.OrderPush)
_fills = msgspec.json.Decoder(list[classic_orders.FillRow])
_fill = msgspec.json.Decoder(classic_orders.FillRow)
_coins = msgspec.json.Decoder(list[classic_holdings.CoinRow])
_margins = msgspec.json.Decoder(list[classic_holdings.MarginRow])
_positions = msgspec.json.Decoder(list[classic_holdings.PositionRow])
_unified_orders = msgspec.json.Decoder(list[unified.OrderRow])
_unified_order = msgspec.json.Decoder(unified.OrderRow)
_unified_fills = msgspec.json.Decoder(list[unified.FillRow])
_unified_fill = msgspec.json.Decoder(unified.FillRow)
_unified_account = msgspec.json.Decoder(list[_Unified])
_unified_positions = msgspec.json.Decoder(list[unified.PositionRow])

_Rows = Sequence[Sequence[Heard] | Unreadable]


def _flat(rows: _Rows) -> Sequence[Heard]:
    said: list[Heard] = []
    for row in rows:
        said += (row,) if isinstance(row, Unreadable) else row
    return said


# --- the classic system -------------------------------------------------------------------------


def _classic_orders(market: Market, push: _Push, _catalog: Catalog) -> Sequence[Heard]:
    def read(row: classic_orders.OrderPush) -> Sequence[Heard]:
        return classic_orders.order_pushed(market, row)

    return _flat(read_rows(push.data, _orders, _order, read))


def _classic_fills(market: Market, push: _Push, _catalog: Catalog) -> Sequence[Heard]:
    def read(row: classic_orders.FillRow) -> Sequence[Heard]:
        return (classic_orders.fill_row(market, row),)

    return _flat(read_rows(push.data, _fills, _fill, read))


def _classic_account(market: Market, push: _Push, _catalog: Catalog) -> Sequence[Heard]:
    balances: tuple[Balance, ...]
    if market == "spot":
        balances = tuple(map(classic_holdings.coin_row, _coins.decode(push.data)))
    else:
        balances = tuple(map(classic_holdings.margin_row, _margins.decode(push.data)))
    return (BalancesTold(balances=balances, time_ms=push.time_ms),)


def _classic_positions(_market: Market, push: _Push, _catalog: Catalog) -> Sequence[Heard]:
    """Every push is the whole list: what it does not name is closed."""
    positions = tuple(map(classic_holdings.position_row, _positions.decode(push.data)))
    return (PositionsTold(positions=positions, time_ms=push.time_ms, whole=True),)


# --- the unified system -------------------------------------------------------------------------


def _unified_order_rows(market: Market, push: _Push, _catalog: Catalog) -> Sequence[Heard]:
    def read(row: unified.OrderRow) -> Sequence[Heard]:
        return (unified.order_row(row),) if unified.is_ours(market, row.category) else ()

    return _flat(read_rows(push.data, _unified_orders, _unified_order, read))


def _unified_fill_rows(market: Market, push: _Push, _catalog: Catalog) -> Sequence[Heard]:
    def read(row: unified.FillRow) -> Sequence[Heard]:
        return (unified.fill_row(row),) if unified.is_ours(market, row.category) else ()

    return _flat(read_rows(push.data, _unified_fills, _unified_fill, read))


def _unified_balances(_market: Market, push: _Push, _catalog: Catalog) -> Sequence[Heard]:
    """The same coins serve all markets: each of them tells them all."""
    rows = [coin for account in _unified_account.decode(push.data) for coin in account.coin]
    balances = tuple(map(unified.asset_row, rows))
    return (BalancesTold(balances=balances, time_ms=push.time_ms),)


def _unified_position_rows(market: Market, push: _Push, catalog: Catalog) -> Sequence[Heard]:
    """What has changed; what has ended says so."""
    rows = _unified_positions.decode(push.data)
    ours = [row for row in rows if unified.is_position_of(market, row, catalog)]
    if rows and not ours:
        return ()
    positions = tuple(map(unified.position_row, ours))
    return (PositionsTold(positions=positions, time_ms=push.time_ms),)


# --- all of it ----------------------------------------------------------------------------------

_Read = Callable[[Market, _Push, Catalog], Sequence[Heard]]
CLASSIC_CHANNELS: Mapping[str, _Read] = {
    "orders": _classic_orders,
    "fill": _classic_fills,
    "account": _classic_account,
    "positions": _classic_positions,
}
UNIFIED_TOPICS: Mapping[str, _Read] = {
    "order": _unified_order_rows,
    "fill": _unified_fill_rows,
    "account": _unified_balances,
    "position": _unified_position_rows,
}
# Channels and topics that say nothing that we pass on: what they announce comes by another too, or
# is not of orders. (A triggered order has pushes of its own; fast fills lack the fee.)
_IGNORED = frozenset(
    {
        "orders-algo",
        "equity",
        "positions-history",
        "adl-noti",
        "fast-fill",
        "strategy-order",
        "adl-notification",
    }
)


def told(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Heard]:
    """What a push says of the market; never raises."""
    try:
        push = _push.decode(frame)
        arg = push.arg
        if arg.inst_type == UNIFIED:
            read = UNIFIED_TOPICS.get(arg.topic)
        elif arg.inst_type == INST_TYPES[market]:
            read = CLASSIC_CHANNELS.get(arg.channel)
        else:
            return (Notice("other", f"of another product: {arg.inst_type}"),)
        if read is not None:
            return read(market, push, catalog)
    except STRANGE as error:
        return (unreadable(error),)
    name = arg.channel or arg.topic
    return (Notice("other", name) if name in _IGNORED else Unreadable("unknown_type", name),)
