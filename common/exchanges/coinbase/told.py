"""Coinbase's account events: what a frame of the ``user`` channel says. Pure.

An order is told by its totals; of its fills there is neither an id nor a price of their own: REST has
them. Balances of spot are not told at all. Positions are of futures, which are not served here.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, field

from common.exchanges.coinbase.parse import time_ms
from common.exchanges.coinbase.rows import (
    given,
    is_spot,
    maybe_ms,
    order_type_of,
    reason_of,
    status_of,
    time_in_force_of,
    worth,
)
from common.exchanges.private import Heard
from common.exchanges.sizes import Amount
from common.exchanges.told import OrderTold
from common.exchanges.wire import STRANGE, MaybeNumber, Number, unreadable, wrong_shape
from common.model.account import TERMINAL, OrderStatus, Side
from common.model.decimals import total


class Frame(Struct):
    """Everything that arrives on the socket: a push has a ``channel``, an error a ``type``."""

    channel: str = ""
    timestamp: str = ""
    sequence: int | None = field(name="sequence_num", default=None)
    events: Raw = Raw(b"[]")
    type: str = ""
    message: str = ""
    reason: str = ""


class _Order(Struct):
    symbol: str = field(name="product_id")
    order_id: str
    status: str
    side: Side = field(name="order_side")
    order_type: str
    filled: Number = field(name="cumulative_quantity")
    left: Number = field(name="leaves_quantity")
    average_price: MaybeNumber = field(name="avg_price")
    created: str = field(name="creation_time")
    client_id: str = field(name="client_order_id", default="")
    product_type: str = ""
    time_in_force: str = ""
    # Not everybody who has seen real frames found these in them.
    limit_price: MaybeNumber = ""
    stop_price: MaybeNumber = ""
    filled_value: MaybeNumber = ""
    cancel_reason: str = ""
    reject_reason: str = ""


class _Event(Struct):
    orders: list[Raw] | None = None


_events = msgspec.json.Decoder(list[_Event])
_order = msgspec.json.Decoder(_Order)


def told(frame: Frame) -> Sequence[Heard]:
    """What a push of the ``user`` channel says, in order; never raises. One strange order costs no other."""
    try:
        rows = [row for event in _events.decode(frame.events) for row in event.orders or ()]
    except STRANGE as error:
        return (unreadable(error),)
    said: list[Heard] = []
    for row in rows:
        try:
            order = _order.decode(row)
            if is_spot(order.symbol, order.product_type):
                said.append(_order_told(order, time_ms(frame.timestamp), frame.sequence or 0))
        except STRANGE as error:
            said.append(wrong_shape(error))
    return said


def _order_told(row: _Order, at_ms: int, seq: int) -> OrderTold:
    status = status_of(row.status, row.filled)
    created_ms = maybe_ms(row.created)
    return OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=status,
        raw_status=row.status,
        # An order has no time of its own but its creation's, which is also that of a rejection: else
        # the frame's.
        time_ms=created_ms if status == "REJECTED" and created_ms is not UNSET else at_ms,
        seq=seq,
        side=row.side,
        order_type=order_type_of(row.order_type),
        time_in_force=time_in_force_of(row.time_in_force),
        client_order_id=row.client_id or UNSET,
        price=given(row.limit_price),
        stop_price=given(row.stop_price),
        quantity=_asked(row, status),
        filled=row.filled,
        filled_quote=worth(row.filled, row.filled_value, row.average_price),
        average_price=given(row.average_price),
        reason=reason_of(status, row.cancel_reason, row.reject_reason),
        created_ms=created_ms,
    )


def _asked(row: _Order, status: OrderStatus) -> Amount:
    """What was asked for: what is filled and what is left.

    Nothing is left of an order that has ended, whatever was asked for. What is left of a market order
    is in the asset that it was placed in, which is not told.
    """
    if order_type_of(row.order_type) == "MARKET" or (status in TERMINAL and status != "FILLED"):
        return UNSET
    return total((row.filled, row.left))
