"""How one shard speaks: under which epoch, in what order, and no closed candle while it may be another's."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from loguru import logger

from common.model.events import Candle, MarketEvent
from common.model.streams import Origin, Stream
from common.recovery.steps import Hole
from workers.lanes import Lane, Said
from workers.outlets import Outlet


class Voice:
    """The way out of one shard.

    Closed candles pass only while the shard is certainly ours: whoever was stopped for longer than
    the lease lives finds out here, not at his next tick.

    Args:
        outlet: where it goes.
        is_certain: whether the shard is certainly ours now.

    Attributes:
        epoch: of the lease that it speaks under.
        events: how many went out.
    """

    def __init__(self, outlet: Outlet, epoch: int, is_certain: Callable[[], bool]) -> None:
        self.epoch = epoch
        self.events = 0
        self._outlet = outlet
        self._is_certain = is_certain

    def has_room(self) -> bool:
        """Whether closed candles would be taken now."""
        return self._is_certain() and self._outlet.has_room()

    def publish(self, event: MarketEvent, origin: Origin) -> bool:
        """Send an event; returns at once, False if a closed candle finds no room or may not pass."""
        if isinstance(event, Candle) and event.closed and not self._is_certain():
            return False
        if not self._outlet.publish(event, epoch=self.epoch, origin=origin):
            return False
        self.events += 1
        return True

    def say(self, lane: Lane, said: Iterable[Said]) -> None:
        """What finds no room is fetched later, and so is what follows it: order is kept.

        A correction that finds none is said later and holds nothing up.
        """
        for event, origin in said:
            if self.publish(event, origin):
                continue
            if isinstance(event, Candle) and lane.candles is not None:
                lane.candles.undelivered(event)
                if not event.revision:
                    return

    def say_missing(self, lane: Lane) -> None:
        """Say that closed candles are missing, or that the last of them has come, however it came."""
        missing, gap = lane.missing, lane.gap
        if missing is None and gap is None:
            return
        if gap is not None and missing is not None:
            lane.gap = Hole(min(gap.from_ms, missing.from_ms), max(gap.to_ms, missing.to_ms))
            return
        state, stretch = ("gap", missing) if gap is None else ("recovered", gap)
        # What could not be said is said at the next look.
        if self.status(lane.stream, state, stretch=stretch):
            lane.gap = missing
            logger.bind(stream=lane.stream.key, stretch=stretch).debug("closed candles: {}", state)

    def status(
        self, stream: Stream, state: str, reason: str = "", stretch: Hole | None = None
    ) -> bool:
        """Say that a stream changed its state; returns at once, False if there is no room."""
        from_ms, to_ms = (None, None) if stretch is None else stretch
        return self._outlet.status(
            stream, state, epoch=self.epoch, reason=reason, from_ms=from_ms, to_ms=to_ms
        )

    def withdraw(self, streams: Iterable[Stream]) -> None:
        """Forget the closed candles of these streams that have not left yet."""
        for stream in streams:
            self._outlet.withdraw(stream)

    def is_under_way(self, streams: Iterable[Stream]) -> bool:
        """Whether a closed candle of these streams waits to leave, or to be confirmed."""
        return any(map(self._outlet.is_under_way, streams))
