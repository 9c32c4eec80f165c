"""What is pushed when, shared by every socket that wants it.

A feed exists while somebody is subscribed to it. Closed bars leave at once and each exactly once,
in order, however fast the market's clock runs; everything else leaves at the feed's own pace
(machine time) and only when it has changed.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from common.clocks import MarketClock, machine_s
from common.model.intervals import MINUTE_MS, end_of, start_of
from simulator.listing import Catalog, Listed
from simulator.market import Bar, Market

# How long the push loop sleeps at most, and at least.
_TICK_S = 0.1
_SHORTEST_S = 0.004


class Subscriber(Protocol):
    """A socket, as far as feeds know it."""

    def deliver(self, topic: str, payload: str) -> None:
        """Send a payload under the name it was subscribed by."""


class Feed(ABC):
    """One thing that can be subscribed to."""

    @abstractmethod
    def collect(self, now_ms: int, now_s: float) -> list[str]:
        """The payloads that are due at this market time and machine time."""


class Wanted(NamedTuple):
    """How a topic finds its feed: by key if it exists, else by making it."""

    key: str
    make: Callable[[], Feed]


class Push(NamedTuple):
    """A payload for everyone who listens to the feed of this key."""

    key: str
    payload: str


class Pace:
    """Due every ``every_s`` machine seconds."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next_s = 0.0

    def due(self, now_s: float) -> bool:
        """Whether it is time again; asking is taking."""
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._every_s
        return True


class CandleFeed(Feed):
    """The bars of one listing and interval: the open one at a pace, every closed one at once.

    ``render(listed, start_ms, bar, closed, now_ms)`` spells a bar the exchange's way; ``muted``
    silences it. Without ``tells_flat`` a bar without trades is never sent, and the last state of a
    bar is sent only where it has not been sent before.
    """

    def __init__(
        self,
        market: Market,
        find: Callable[[], Listed | None],
        interval: str,
        pace_s: float,
        now_ms: int,
        render: Callable[[Listed, int, Bar, bool, int], str],
        muted: Callable[[], bool],
        tells_flat: bool = True,
    ) -> None:
        self._tells_flat = tells_flat
        self._market, self._find, self._interval = market, find, interval
        self._render, self._muted = render, muted
        self._pace = Pace(pace_s)
        self._start_ms = start_of(interval, now_ms)
        listed = find()
        # What a subscriber has not seen change is not sent.
        self._seen = listed and market.candle(listed, interval, self._start_ms, now_ms)

    def collect(self, now_ms: int, now_s: float) -> list[str]:
        """Every bar that has closed since, then the open one if it has changed."""
        listed = self._find()
        payloads = []
        while (end_ms := end_of(self._interval, self._start_ms)) <= now_ms:
            if listed is not None and self._market.exists(listed, self._interval, self._start_ms):
                bar = self._market.candle(listed, self._interval, self._start_ms, end_ms)
                if self._tells_flat or not (bar.flat or bar == self._seen):
                    payloads.append(self._render(listed, self._start_ms, bar, True, now_ms))
            self._start_ms, self._seen = end_ms, None
        if listed is not None and self._pace.due(now_s):
            bar = self._market.candle(listed, self._interval, self._start_ms, now_ms)
            if not bar.flat and bar != self._seen:
                self._seen = bar
                payloads.append(self._render(listed, self._start_ms, bar, False, now_ms))
        return [] if self._muted() else payloads


class ChangeFeed(Feed):
    """Whatever ``produce(since_ms, now_ms)`` tells about the stretch since it was asked last."""

    def __init__(
        self, pace_s: float, now_ms: int, produce: Callable[[int, int], list[str]]
    ) -> None:
        self._pace = Pace(pace_s)
        self._since_ms = now_ms
        self._produce = produce

    def collect(self, now_ms: int, now_s: float) -> list[str]:
        """The news, if it is time."""
        if now_ms <= self._since_ms or not self._pace.due(now_s):
            return []
        since_ms, self._since_ms = self._since_ms, now_ms
        return self._produce(since_ms, now_ms)


class SilentFeed(Feed):
    """A feed that something else speaks on (a replay)."""

    def collect(self, now_ms: int, now_s: float) -> list[str]:  # noqa: ARG002 - as all feeds
        """Nothing by itself."""
        return []


def traded_since(market: Market, catalog: Catalog, key: str, since_ms: int, now_ms: int) -> bool:
    """Whether a listing had a trade in ``[since_ms, now_ms)``."""
    listed = catalog.get(key)
    if listed is None:
        return False
    last = market.last_trade(listed, now_ms)
    return last is not None and last.time_ms >= since_ms


@dataclass(slots=True)
class _Entry:
    feed: Feed
    subscribers: dict[tuple[Subscriber, str], None] = field(default_factory=dict)


class Hub:
    """All feeds, who listens to them, and the loop that drives them."""

    def __init__(self, clock: MarketClock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def join(self, subscriber: Subscriber, topic: str, wanted: Wanted) -> None:
        """Start sending a feed to a subscriber."""
        entry = self._entries.get(wanted.key)
        if entry is None:
            entry = self._entries[wanted.key] = _Entry(wanted.make())
        entry.subscribers[subscriber, topic] = None

    def leave(self, subscriber: Subscriber, topic: str, wanted: Wanted) -> None:
        """Stop sending it; a feed nobody listens to is gone."""
        entry = self._entries.get(wanted.key)
        if entry is None:
            return
        entry.subscribers.pop((subscriber, topic), None)
        if not entry.subscribers:
            del self._entries[wanted.key]

    def publish(self, key: str, payload: str) -> None:
        """Send a payload to everyone who listens to this feed now."""
        entry = self._entries.get(key)
        if entry is not None:
            for subscriber, topic in tuple(entry.subscribers):
                subscriber.deliver(topic, payload)

    def deafen(self, key: str) -> None:
        """Who listens to this feed now hears it no more; who joins anew does."""
        self._entries.pop(key, None)

    def subscribed(self, key: str) -> bool:
        """Whether somebody listens to this feed."""
        return key in self._entries

    def tick(self) -> None:
        """Send what is due now."""
        now_ms, now_s = self._clock.now_ms(), machine_s()
        for key, entry in tuple(self._entries.items()):
            for payload in entry.feed.collect(now_ms, now_s):
                self.publish(key, payload)

    async def run(self) -> None:
        """Drive the feeds until cancelled. It wakes for every end of a minute."""
        while True:
            self.tick()
            now_ms = self._clock.now_ms()
            minute_s = self._clock.machine_delay_s(MINUTE_MS - now_ms % MINUTE_MS)
            await asyncio.sleep(max(min(_TICK_S, minute_s), _SHORTEST_S))
