"""Binance's account events, of all three markets: what a frame's event says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec
from msgspec import Raw, Struct, field

from common.exchanges.binance.futures_told import (
    AccountUpdate,
    OrderUpdate,
    account_update,
    order_update,
)
from common.exchanges.binance.spot_told import (
    AccountPosition,
    Delta,
    Execution,
    account_position,
    delta,
    execution,
)
from common.exchanges.private import Denied, Heard
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.wire import STRANGE, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market


class _Expired(Struct, tag_field="e", tag="listenKeyExpired"):
    """The listen key has run out; the socket stays open, silent."""


class _Terminated(Struct, tag_field="e", tag="eventStreamTerminated"):
    """The subscription has ended: logged out, or unsubscribed."""


_Event = Execution | AccountPosition | Delta | OrderUpdate | AccountUpdate | _Expired | _Terminated
_decoder: msgspec.json.Decoder[_Event] = msgspec.json.Decoder(_Event)
_KNOWN = frozenset(kind.__struct_config__.tag for kind in get_args(_Event))
# Events that say nothing that we pass on: what they announce comes by another, or is not of orders.
_IGNORED = frozenset(
    {
        "ACCOUNT_CONFIG_UPDATE",
        "ALGO_UPDATE",  # the real order has events of its own once it is triggered
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "GRID_UPDATE",
        "MARGIN_CALL",
        "STRATEGY_UPDATE",
        "TRADE_LITE",  # the same fill as ORDER_TRADE_UPDATE's, without its fee
        "externalLockUpdate",
        "listStatus",
    }
)


class _Type(Struct):
    name: str = field(name="e")


_type = msgspec.json.Decoder(_Type)


def told(market: Market, event: bytes | Raw, catalog: Catalog) -> Sequence[Heard]:
    """What an event says; never raises."""
    try:
        return _read(market, _decoder.decode(event), catalog)
    except STRANGE as error:
        problem = unreadable(error)
    try:
        name = _type.decode(event).name
    except STRANGE:
        return (problem,)
    if name in _IGNORED:
        return (Notice("other", name),)
    if name not in _KNOWN:
        return (Unreadable("unknown_type", name),)
    return (problem,)


def _read(market: Market, event: _Event, catalog: Catalog) -> Sequence[Heard]:
    match event:
        case Execution():
            return execution(event)
        case AccountPosition():
            return account_position(event)
        case Delta():
            return delta(event)
        case OrderUpdate():
            return order_update(market, event, catalog)
        case AccountUpdate():
            return account_update(market, event, catalog)
        case _Expired():
            return (Denied("expired", "the listen key has expired"),)
        case _Terminated():
            return (Denied("expired", "the exchange has ended the subscription"),)
