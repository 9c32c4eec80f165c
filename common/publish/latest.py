"""The latest-wins class: of every stream only the newest value that has not left yet.

A slot per stream holds the event itself; it is encoded when it leaves. Bounded by the number of
streams, whatever the broker does. Order within a stream is by the event's own time: what is older
than something already sent is dropped, and so is an open candle of a bar that has closed.

Pure bookkeeping: no socket. The owner asks ``take`` what may leave and tells what came back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from msgspec import Struct

from common.model.events import Candle, MarketEvent
from common.model.streams import Origin
from common.publish.messages import time_ms_of


class Value(Struct, frozen=True, gc=False):
    """An event and the ownership it was seen under."""

    event: MarketEvent
    epoch: int
    origin: Origin


class Slot:
    """What is known of one stream. ``owner`` is the caller's own, handed back by ``take``."""

    __slots__ = ("closed_ms", "newest_ms", "owner", "queued", "tag", "value")

    def __init__(self, owner: object = None) -> None:
        self.owner = owner
        self.value: Value | None = None
        self.queued = False
        # Event time of the newest value, sent or waiting; start of the newest bar known closed.
        self.newest_ms = -1
        self.closed_ms = -1
        # Delivery tag of the last value that left.
        self.tag = 0


class Latest:
    """Values waiting, at most one per slot and ``limit`` in all; at most ``window`` under way."""

    def __init__(self, *, limit: int, window: int) -> None:
        self.sent = 0
        self.confirmed = 0
        self.conflated = 0
        self.outdated = 0
        self.nacked = 0
        self._limit = limit
        self._window = window
        self._queue: deque[Slot] = deque()
        self._in_flight: dict[int, tuple[Slot, Value]] = {}
        self._tag = 0

    def offer(self, slot: Slot, value: Value) -> bool:
        """Take the stream's newest value; False if it is none (counted)."""
        event = value.event
        time_ms = time_ms_of(event)
        if time_ms < slot.newest_ms or (
            isinstance(event, Candle) and event.start_ms <= slot.closed_ms
        ):
            self.outdated += 1
            return False
        if slot.value is not None:
            self.conflated += 1
        slot.newest_ms = time_ms
        slot.value = value
        self._enqueue(slot)
        return True

    def close_bar(self, slot: Slot, start_ms: int) -> None:
        """The bar that starts there has closed: no open state of it or an older one may leave."""
        slot.closed_ms = max(slot.closed_ms, start_ms)
        if slot.value is None:
            return
        event = slot.value.event
        if isinstance(event, Candle) and event.start_ms <= slot.closed_ms:
            slot.value = None
            self.conflated += 1

    def take(self, pack: Callable[[Slot, Value], bytes | None]) -> Iterator[bytes]:
        """What leaves now, in the order in which delivery tags are counted.

        ``pack`` makes the frames; None for a value that cannot be written, which is dropped.
        """
        while self._queue and len(self._in_flight) < self._window:
            slot = self._queue.popleft()
            slot.queued = False
            value = slot.value
            if value is None:
                continue
            slot.value = None
            frames = pack(slot, value)
            if frames is None:
                continue
            self._tag += 1
            slot.tag = self._tag
            self._in_flight[self._tag] = (slot, value)
            self.sent += 1
            yield frames

    @property
    def waiting(self) -> bool:
        """Whether ``take`` may yield something."""
        return bool(self._queue) and len(self._in_flight) < self._window

    @property
    def pending(self) -> int:
        """How many slots wait to leave."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """How many values are on their way."""
        return len(self._in_flight)

    def settle(self, tag: int, *, multiple: bool, ok: bool) -> None:
        """The broker acked or nacked. A nacked value is not sent again: the next one will be."""
        if multiple:
            tags = []
            for sent in self._in_flight:
                if tag and sent > tag:
                    break
                tags.append(sent)
        else:
            tags = [tag] if tag in self._in_flight else []
        for sent in tags:
            del self._in_flight[sent]
        if ok:
            self.confirmed += len(tags)
        else:
            self.nacked += len(tags)

    def lost(self) -> None:
        """The connection is gone: a value under way leaves again if nothing newer is there."""
        for tag, (slot, value) in self._in_flight.items():
            event = value.event
            over = isinstance(event, Candle) and event.start_ms <= slot.closed_ms
            if slot.tag == tag and slot.value is None and not over:
                slot.value = value
                self._enqueue(slot)
        self._in_flight.clear()
        self._tag = 0

    def _enqueue(self, slot: Slot) -> None:
        if slot.queued:
            return
        if len(self._queue) >= self._limit:
            oldest = self._queue.popleft()
            oldest.queued = False
            if oldest.value is not None:
                oldest.value = None
                self.conflated += 1
        slot.queued = True
        self._queue.append(slot)
