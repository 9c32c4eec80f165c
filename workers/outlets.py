"""Where the events of all shards go: to RabbitMQ, and the last of each into Redis beside it."""

from __future__ import annotations

from typing import Protocol

from common.fleet.last import LastValues
from common.model.events import MarketEvent
from common.model.streams import Origin, Stream
from common.publish.pipeline import Pipeline


class Outlet(Protocol):
    """Where events go: the pipeline, as far as a feed needs it."""

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> None:
        """Send an event; returns at once."""

    def status(
        self,
        stream: Stream,
        state: str,
        *,
        epoch: int,
        reason: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> None:
        """Say that a stream changed its state; returns at once."""


class Outlets:
    """The feeds' ``Outlet``. ``last`` is None where it is switched off."""

    def __init__(self, pipeline: Pipeline, last: LastValues | None) -> None:
        self._pipeline = pipeline
        self._last = last

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> None:
        """See ``Outlet``."""
        self._pipeline.publish(event, epoch=epoch, origin=origin)
        if self._last is not None:
            self._last.note(event)

    def status(
        self,
        stream: Stream,
        state: str,
        *,
        epoch: int,
        reason: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> None:
        """See ``Outlet``."""
        self._pipeline.status(
            stream, state, epoch=epoch, reason=reason, from_ms=from_ms, to_ms=to_ms
        )
