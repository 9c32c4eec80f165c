"""The durable class: what must arrive, in order, and what has been confirmed so far.

Messages queue in lanes, one per routing key (a status: one per stream). Of a lane only the first
message is ever on its way; the next leaves when that one is confirmed. So nothing of a lane can
overtake a message that the broker refused or that a broken connection swallowed, and a resend is
nothing but the first message leaving again. What waits behind a message that no queue wanted shares
its fate: otherwise it would overtake it. Lanes do not wait for each other.

Pure bookkeeping: no socket. The owner asks ``take`` what may leave and tells what came back.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from functools import partial

from msgspec import Struct

from common.model.account import AccountEvent
from common.model.events import Candle, MarketEvent
from common.publish.frames import Envelope
from common.publish.messages import Outcome

# What an outcome is reported about: the event itself, or the id of a message that is none.
Subject = MarketEvent | AccountEvent | str
OnOutcome = Callable[[Subject, Outcome], None]
# Call something later, in machine seconds.
Later = Callable[[float, Callable[[], None]], object]

# A refused (nacked) message leaves again after this many seconds, at random.
NACK_PAUSE_S = (0.5, 2.0)


class Message(Struct, gc=False):
    """A message with what its outcome is reported to. ``lane`` says what it must not overtake."""

    lane: Hashable
    envelope: Envelope
    message_id: str
    timestamp_s: int
    body: bytes
    subject: Subject
    on_outcome: OnOutcome


class _Lane:
    __slots__ = ("key", "messages", "returned", "withdrawn")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.messages: deque[Message] = deque()
        self.returned = False
        # How many of its first messages were withdrawn when they could not be taken back any more.
        self.withdrawn = 0


class Durable:
    """Unconfirmed messages, bounded by ``limit``; at most ``window`` of them on their way."""

    def __init__(self, *, limit: int, window: int, later: Later) -> None:
        self.confirmed = 0
        self.returned = 0
        self.refused = 0
        self.nacked = 0
        self.unexpected = 0
        self.size = 0
        self._limit = limit
        self._window = window
        self._later = later
        self._lanes: dict[Hashable, _Lane] = {}
        self._ready: deque[_Lane] = deque()
        self._in_flight: dict[int, _Lane] = {}
        # When the first message of a lane first left, as long as it is unconfirmed; oldest first.
        self._sent_s: dict[Hashable, float] = {}
        self._tag = 0

    def submit(self, message: Message, *, share: float = 1.0) -> bool:
        """Keep a message until it is confirmed; False if there is no room for it.

        ``share`` is how much of the room this kind of message may see filled: what is only told
        about the fleet must not push out what happened on the market.
        """
        if self.size >= self._limit * share:
            self.refused += 1
            message.on_outcome(message.subject, "refused")
            return False
        lane = self._lanes.get(message.lane)
        if lane is None:
            lane = self._lanes[message.lane] = _Lane(message.lane)
            self._ready.append(lane)
        lane.messages.append(message)
        self.size += 1
        return True

    def take(self, now_s: float) -> Iterator[Message]:
        """What leaves now, in the order in which delivery tags are counted."""
        while self._ready and len(self._in_flight) < self._window:
            lane = self._ready.popleft()
            if not lane.messages:  # withdrawn while it waited
                continue
            self._tag += 1
            self._in_flight[self._tag] = lane
            self._sent_s.setdefault(lane.key, now_s)
            yield lane.messages[0]

    @property
    def waiting(self) -> bool:
        """Whether ``take`` would yield something."""
        return bool(self._ready) and len(self._in_flight) < self._window

    @property
    def in_flight(self) -> int:
        """How many messages are on their way."""
        return len(self._in_flight)

    @property
    def oldest_sent_s(self) -> float | None:
        """When the oldest message without a confirm left on this connection for the first time.

        A message that was nacked is still without one, so refusals do not make it younger.
        """
        return next(iter(self._sent_s.values()), None)

    def settle(self, tag: int, *, multiple: bool, ok: bool) -> None:
        """The broker acked (``ok``) or nacked a delivery tag, or all up to it."""
        lanes = self._settled(tag, multiple=multiple)
        for lane in lanes:
            if ok:
                self._confirm(lane)
            else:
                self.nacked += 1
                lane.returned = False
                self._drop_withdrawn(lane)
                self._later(random.uniform(*NACK_PAUSE_S), partial(self._ready.append, lane))

    def note_return(self, lane_key: Hashable) -> Message | None:
        """The broker found no queue for the message of this lane that is on its way.

        Its ack follows, and will not count as a confirmation.
        """
        lane = self._lanes.get(lane_key)
        if lane is None:
            self.unexpected += 1
            return None
        lane.returned = True
        return lane.messages[0]

    def withdraw(self, lane_key: Hashable) -> int:
        """Forget what of a lane has not left yet; how many messages there were.

        One that is on its way is not sent again. If it is half of a word, the other half follows it:
        whoever goes on would have to say both.
        """
        lane = self._lanes.get(lane_key)
        if lane is None:
            return 0
        is_on_its_way = lane in self._in_flight.values()
        lane.withdrawn = _halves(lane.messages) if is_on_its_way else 0
        gone = len(lane.messages) - lane.withdrawn
        while len(lane.messages) > lane.withdrawn:
            lane.messages.pop()
        self.size -= gone
        if not lane.messages:
            self._sent_s.pop(lane_key, None)
            del self._lanes[lane_key]
        return gone

    def holds(self, lane_key: Hashable) -> bool:
        """Whether a message of a lane waits, or is on its way."""
        return lane_key in self._lanes

    def _drop_withdrawn(self, lane: _Lane) -> None:
        """What was withdrawn on its way; what was submitted since leaves as always."""
        if not lane.withdrawn:
            return
        self._sent_s.pop(lane.key, None)
        for _ in range(lane.withdrawn):
            lane.messages.popleft()
        self.size -= lane.withdrawn
        lane.withdrawn = 0
        if not lane.messages:
            del self._lanes[lane.key]

    def lost(self) -> None:
        """The connection is gone: everything on its way leaves again, oldest first."""
        for lane in list(self._ready):
            self._drop_withdrawn(lane)
        for lane in reversed(self._in_flight.values()):
            lane.returned = False
            self._drop_withdrawn(lane)
            if lane.messages:
                self._ready.appendleft(lane)
        self._in_flight.clear()
        self._sent_s.clear()
        self._tag = 0

    def _settled(self, tag: int, *, multiple: bool) -> list[_Lane]:
        if not multiple:
            lane = self._in_flight.pop(tag, None)
            if lane is None:
                self.unexpected += 1
                return []
            return [lane]
        # Tags only grow, so the dict is in their order. Tag 0 means all there are.
        tags = []
        for sent in self._in_flight:
            if tag and sent > tag:
                break
            tags.append(sent)
        return [self._in_flight.pop(sent) for sent in tags]

    def _confirm(self, lane: _Lane) -> None:
        self._sent_s.pop(lane.key, None)
        outcome: Outcome = "returned" if lane.returned else "confirmed"
        settled = list(lane.messages) if lane.returned else [lane.messages[0]]
        for _ in settled:
            lane.messages.popleft()
        self.size -= len(settled)
        self.returned += len(settled) if lane.returned else 0
        self.confirmed += 0 if lane.returned else 1
        lane.returned = False
        lane.withdrawn = max(0, lane.withdrawn - len(settled))
        if lane.messages:
            self._ready.append(lane)
        else:
            del self._lanes[lane.key]
        for message in settled:
            message.on_outcome(message.subject, outcome)


def _halves(messages: deque[Message]) -> int:
    """How many of the first messages are one word: a bar that is doubted is said twice, and counts then."""
    if len(messages) < 2:
        return 1
    said, again = messages[0].subject, messages[1].subject
    if not (isinstance(said, Candle) and isinstance(again, Candle)):
        return 1
    return 2 if again.start_ms == said.start_ms and again.revision > said.revision else 1
