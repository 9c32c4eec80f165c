"""Recorded frames through today's sockets, each once, in order, at their own pace.

A recording is lines of ``{"t": seconds, "dir": "connect"|"recv", "raw": text}``. An exchange's
reader makes a ``Recording`` of them. It starts when every topic it waits for is subscribed, or when
control says so; what a socket did not subscribe to in time it has missed, as in life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from common.clocks import machine_s
from common.model.events import Candle
from common.model.streams import Market
from simulator.feeds import Hub, SilentFeed, Wanted
from simulator.listing import Catalog, Listed, Listing

_LOOK_S = 0.05


class Line(Struct, frozen=True):
    """One line of a recording."""

    t: float
    dir: Literal["connect", "recv", "send"]
    raw: str


class Frame(Struct, frozen=True):
    """One recorded push: when (seconds), what it was subscribed by, and its bare payload.

    ``bar`` is the closed candle it tells of, if it does.
    """

    at_s: float
    topic: str
    payload: str
    bar: Candle | None = None


class Recording(Struct, frozen=True):
    """A recording of one market. ``starts_with`` are the topics it waits for."""

    exchange: str
    market: Market
    frames: Sequence[Frame]
    starts_with: frozenset[str]
    listings: Sequence[Listing]
    symbols: Sequence[str]
    intervals: Sequence[str]

    def catalog(self) -> Catalog:
        """Only what was recorded is listed."""
        begins_ms = int(self.frames[0].at_s * 1000) if self.frames else 0
        return Catalog(Listed(listing, begins_ms) for listing in self.listings)

    @property
    def topics(self) -> frozenset[str]:
        """Everything that has frames."""
        return frozenset(frame.topic for frame in self.frames)

    def candles(self, symbol: str, interval: str, count: int | None = None) -> list[Candle]:
        """The closed bars among the first ``count`` frames (all by default), oldest first."""
        bars = {
            frame.bar.start_ms: frame.bar
            for frame in self.frames[:count]
            if frame.bar and frame.bar.symbol == symbol and frame.bar.interval == interval
        }
        return [bars[start_ms] for start_ms in sorted(bars)]


class Replay:
    """A recording being played."""

    def __init__(self, recording: Recording, hub: Hub, speed: float) -> None:
        self.recording = recording
        self.sent = 0
        self.state: Literal["waiting", "playing", "done"] = "waiting"
        self._hub, self._speed = hub, speed
        self._topics = recording.topics
        self._start = asyncio.Event()

    def wanted(self, market: Market, topic: str) -> Wanted | None:
        """The feed of a recorded topic; None for any other."""
        if market != self.recording.market or topic not in self._topics:
            return None
        return Wanted(self._key(topic), SilentFeed)

    def start(self) -> None:
        """Do not wait any longer."""
        self._start.set()

    def sent_candles(self, symbol: str, interval: str) -> list[Candle]:
        """The closed bars that have been sent so far: what REST knows by now."""
        return self.recording.candles(symbol, interval, self.sent)

    async def run(self) -> None:
        """Wait, then play to the end."""
        waits_for = [self._key(topic) for topic in self.recording.starts_with]
        while not self._start.is_set():
            if waits_for and all(self._hub.subscribed(key) for key in waits_for):
                break
            await asyncio.sleep(_LOOK_S)
        self.state = "playing"
        started_s = machine_s()
        first_s = self.recording.frames[0].at_s if self.recording.frames else 0.0
        for frame in self.recording.frames:
            due_s = started_s + (frame.at_s - first_s) / self._speed
            if due_s > machine_s():
                await asyncio.sleep(due_s - machine_s())
            self._hub.publish(self._key(frame.topic), frame.payload)
            self.sent += 1
        self.state = "done"
        await asyncio.Event().wait()

    def _key(self, topic: str) -> str:
        return f"replay:{topic}"
