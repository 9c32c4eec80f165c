"""Where a candle stream stands: what is kept of it beyond the life of its owner."""

from __future__ import annotations

from msgspec import Struct

from common.model.events import Candle


class Checkpoint(Struct, frozen=True, array_like=True):
    """The last thing of a stream that RabbitMQ has confirmed.

    Attributes:
        next_ms: start of the first candle that is not confirmed yet.
        last: the candle before it; None while there is none.
        unsettled: confirmed candles that were closed without the exchange's word and are still to
            be compared with REST, oldest first.
    """

    next_ms: int
    last: Candle | None = None
    unsettled: tuple[Candle, ...] = ()
