"""Where a candle stream goes on when its shard has a new owner, or begins. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from common.model.checkpoints import Checkpoint
from common.model.intervals import end_of, length_ms, start_of
from common.model.streams import Stream
from common.recovery.steps import Hole


class Reach(Struct, frozen=True, kw_only=True):
    """How far back a stream goes.

    Attributes:
        most_bars: what is further behind its checkpoint is given up, and said to be lost.
        history_bars: a stream that nobody has ever had begins so many candles ago.
        look_back_ms: the same in market time, where Redis may have lost its checkpoint.
    """

    most_bars: int = 10_000
    history_bars: int = 0
    look_back_ms: int = 0


class Resumption(NamedTuple):
    """Where it goes on, and what between its checkpoint and there is given up."""

    checkpoint: Checkpoint
    lost: Hole | None = None


def resume(checkpoint: Checkpoint | None, interval: str, now_ms: int, reach: Reach) -> Resumption:
    """The checkpoint from which a stream of ``interval`` goes on at market time ``now_ms``.

    A checkpoint of the future (of a market clock that ran faster) says nothing about now.
    """
    running_ms = start_of(interval, now_ms)
    if checkpoint is None or checkpoint.next_ms > end_of(interval, running_ms):
        begins_ms = start_of(interval, now_ms - reach.look_back_ms)
        return Resumption(
            Checkpoint(min(begins_ms, _back(interval, running_ms, reach.history_bars)))
        )
    if checkpoint.next_ms >= running_ms:
        return Resumption(checkpoint)
    furthest_ms = _back(interval, running_ms, reach.most_bars)
    if checkpoint.next_ms >= furthest_ms:
        return Resumption(checkpoint)
    return Resumption(Checkpoint(furthest_ms), Hole(checkpoint.next_ms, furthest_ms))


def past(streams: Iterable[Stream], now_ms: int, bars: int) -> dict[Stream, Checkpoint]:
    """Checkpoints from which new candle streams begin so many candles ago."""
    return {
        stream: Checkpoint(_back(stream.interval, start_of(stream.interval, now_ms), bars))
        for stream in streams
        if stream.interval is not None
    }


def _back(interval: str, start_ms: int, bars: int) -> int:
    """The start of the bar about so many before (months are not all as long)."""
    return start_of(interval, max(0, start_ms - bars * length_ms(interval)))
