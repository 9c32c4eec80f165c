"""Where the events of all shards go: to RabbitMQ, and beside it to Redis, to be read or heard there."""

from __future__ import annotations

from typing import Protocol

from common.fleet.last import LastValues
from common.model.events import Candle, MarketEvent
from common.model.streams import Origin, Stream
from common.publish.pipeline import Pipeline
from workers.mirror import Mirror
from workers.progress import Progress


class Outlet(Protocol):
    """Where events go: the pipeline, as far as a feed needs it."""

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> bool:
        """Send an event; returns at once, False if a closed candle finds no room."""

    def status(
        self,
        stream: Stream,
        state: str,
        *,
        epoch: int,
        reason: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> bool:
        """Say that a stream changed its state; returns at once, False if there is no room."""

    def has_room(self) -> bool:
        """Whether closed candles would be taken now."""

    def withdraw(self, stream: Stream) -> None:
        """Forget the closed candles of a stream that have not left yet."""

    def is_under_way(self, stream: Stream) -> bool:
        """Whether a closed candle of a stream waits to leave, or to be confirmed."""


class Outlets:
    """The process's ``Outlet``. ``last`` and ``mirror`` are None where they are switched off."""

    def __init__(
        self,
        pipeline: Pipeline,
        progress: Progress,
        last: LastValues | None,
        mirror: Mirror | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._progress = progress
        self._last = last
        self._mirror = mirror

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> bool:
        """See ``Outlet``."""
        if not self._pipeline.publish(event, epoch=epoch, origin=origin):
            return False
        if isinstance(event, Candle) and event.closed:
            self._progress.published(event)
        if self._last is not None:
            self._last.note(event)
        if self._mirror is not None:
            self._mirror.price(event)
        return True

    def status(
        self,
        stream: Stream,
        state: str,
        *,
        epoch: int,
        reason: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> bool:
        """See ``Outlet``."""
        return self._pipeline.status(
            stream, state, epoch=epoch, reason=reason, from_ms=from_ms, to_ms=to_ms
        )

    def has_room(self) -> bool:
        """See ``Outlet``."""
        return self._pipeline.has_room

    def withdraw(self, stream: Stream) -> None:
        """See ``Outlet``."""
        self._pipeline.withdraw(stream)

    def is_under_way(self, stream: Stream) -> bool:
        """See ``Outlet``."""
        return self._pipeline.is_under_way(stream)
