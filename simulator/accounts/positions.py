"""What a fill does to a position. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from simulator.accounts.model import UNIT, ZERO, Position, rounded, value_of

# Every account trades with the same leverage.
LEVERAGE = 20


def margin_of(value: Decimal) -> Decimal:
    """What has to be there for a position or an order of this value."""
    return (value / LEVERAGE).quantize(UNIT)


def fill_position(
    before: Position, size: Decimal, price: Decimal, time_ms: int
) -> tuple[Position, Decimal]:
    """The position after ``size`` (with its sign) more at a price, and the profit that this realised.

    What goes against it closes it first, at the average price it was entered at; the rest opens
    one the other way.
    """
    if before.size * size >= 0:
        cost = before.cost + value_of(before.listing, price, abs(size))
        return _position(before, before.size + size, cost, ZERO, time_ms), ZERO
    closed = min(abs(size), abs(before.size))
    whole = closed == abs(before.size)
    part = before.cost if whole else before.cost * closed / abs(before.size)
    worth = value_of(before.listing, price, closed)
    gain = worth - part if before.size > 0 else part - worth
    # An inverse position is worth less of the base asset the dearer that is.
    gain = rounded(-gain if before.listing.contract_size is not None else gain)
    left = before.size + size
    opened = abs(size) - closed
    cost = value_of(before.listing, price, opened) if opened else before.cost - part
    return _position(before, left, cost, gain, time_ms), gain


def unrealized(position: Position, mark: Decimal) -> Decimal:
    """What it would gain if it were closed at this price."""
    if not position.size:
        return ZERO
    gain = value_of(position.listing, mark, abs(position.size)) - position.cost
    falls = (position.size < 0) != (position.listing.contract_size is not None)
    return rounded(-gain if falls else gain)


def _position(
    before: Position, size: Decimal, cost: Decimal, gain: Decimal, time_ms: int
) -> Position:
    return msgspec.structs.replace(
        before,
        size=size,
        cost=cost,
        margin=margin_of(cost),
        realized=before.realized + gain,
        updated_ms=time_ms,
    )
