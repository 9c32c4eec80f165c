"""What one connection is subscribed to. Pure: told the time, asked for the next message.

A topic is ``wanted`` → ``asked`` → ``acked`` → ``live`` (its first frame came), or ``rejected``.
Requests are paced and sized as the exchange allows, acks are matched to them by id, and a refused
batch is halved until the topic at fault stands alone: one bad symbol never costs the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from common.exchanges.protocol import Limits, Reason, Request, Topic
from common.session.topics import Rejection, Rejections, TopicState, TopicStatus, is_silent

# Answers not worth asking again for on this connection.
FINAL: frozenset[Reason] = frozenset({"config", "unsupported", "auth"})

RETRY_S = 5.0
RETRY_CEILING_S = 300.0
# After "too many requests" nothing is sent for so long, over and above the jitter.
RATE_PAUSE_S = 60.0
# What an exchange refused for good may have been listed since.
REJECTED_S = 3600.0
# Requests that stay unanswered this often end the connection.
UNANSWERED_LIMIT = 3


class _Batch(Struct):
    topics: tuple[Topic, ...]
    subscribe: bool
    not_before_s: float = 0.0


class _Sent(Struct):
    batch: _Batch
    at_s: float


class Subscriptions:
    """The topics of one connection and the requests on their way.

    Args:
        limits: the market's.
        subscribe, unsubscribe: the exchange's message for a batch and a request id.
        rejections: what was refused for good, kept over all connections of a session.
        chance: draws in [0, 1) for jitter.
    """

    def __init__(
        self,
        limits: Limits,
        subscribe: Callable[[Sequence[Topic], int], Request],
        unsubscribe: Callable[[Sequence[Topic], int], Request],
        rejections: Rejections,
        chance: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._rejections = rejections
        self._chance = chance
        self._queue: deque[_Batch] = deque()
        self._sent: dict[int, _Sent] = {}
        self._last_id = 0
        self._next_send_s = 0.0
        self.unanswered = 0
        self.topics: dict[Topic, TopicStatus] = {}

    # --- what is wanted -----------------------------------------------------------------------

    def want(self, topics: Mapping[Topic, float], now_s: float) -> None:
        """Make this the wanted set, each with the longest it may be silent.

        New topics are asked for, others given up; what was refused for good lately is neither.
        """
        gone = [topic for topic in self.topics if topic not in topics]
        known = [topic for topic in gone if self.topics.pop(topic).asked]
        for topic in gone:
            self._rejections.pop(topic, None)
        new = []
        for topic, silence_s in topics.items():
            if topic in self.topics:
                self.topics[topic].silence_s = silence_s
                continue
            self.topics[topic] = TopicStatus(TopicState.WANTED, now_s, silence_s)
            rejection = self._rejections.get(topic)
            if rejection is None:
                new.append(topic)
            else:
                self._set(topic, TopicState.REJECTED, now_s, rejection.reason)
        self._enqueue(known, subscribe=False)
        self._enqueue(new, subscribe=True)

    def _enqueue(
        self, topics: Sequence[Topic], *, subscribe: bool, not_before_s: float = 0
    ) -> None:
        size = self._limits.topics_per_request
        for first in range(0, len(topics), size):
            batch = tuple(topics[first : first + size])
            self._queue.append(_Batch(batch, subscribe, not_before_s))

    # --- requests out -------------------------------------------------------------------------

    def next_request(self, now_s: float) -> Request | None:
        """The message to send now, or None; pacing and waits are kept here."""
        if now_s < self._next_send_s:
            return None
        for _ in range(len(self._queue)):
            batch = self._queue.popleft()
            if batch.not_before_s > now_s:
                self._queue.append(batch)
                continue
            topics = tuple(t for t in batch.topics if (t in self.topics) == batch.subscribe)
            if topics:
                return self._send(_Batch(topics, batch.subscribe), now_s)
        return None

    def wait_s(self, now_s: float, most_s: float) -> float:
        """How long nothing can be sent, ``most_s`` at most."""
        due_s = min((batch.not_before_s for batch in self._queue), default=now_s + most_s)
        return min(most_s, max(due_s, self._next_send_s) - now_s) if self._queue else most_s

    def _send(self, batch: _Batch, now_s: float) -> Request:
        self._last_id += 1
        self._sent[self._last_id] = _Sent(batch, now_s)
        self._next_send_s = now_s + 1 / self._limits.requests_per_s
        if batch.subscribe:
            for topic in batch.topics:
                self.topics[topic].asked = True
                # A topic that spoke while it waited to be asked for again needs no second start.
                if self.topics[topic].state is not TopicState.LIVE:
                    self._set(topic, TopicState.ASKED, now_s)
        make = self._subscribe if batch.subscribe else self._unsubscribe
        return make(batch.topics, self._last_id)

    # --- answers in ---------------------------------------------------------------------------

    def acked(self, request_id: int, now_s: float) -> None:
        """The exchange accepted a request. An answer to nothing of ours is ignored."""
        sent = self._sent.pop(request_id, None)
        if sent is None:
            return
        self.unanswered = 0
        if not sent.batch.subscribe:
            return
        for topic in sent.batch.topics:
            status = self.topics.get(topic)
            # Some exchanges push before they ack: a live topic stays live.
            if status is not None and status.state is TopicState.ASKED:
                self._set(topic, TopicState.ACKED, now_s)

    def refused(
        self, request_id: int | None, reason: Reason, detail: str, now_s: float
    ) -> tuple[Topic, ...]:
        """The exchange refused a request; the topics that are rejected by it.

        Without an id the refusal is taken for the only request on its way, if there is just one.
        """
        if request_id is None and len(self._sent) == 1:
            request_id = next(iter(self._sent))
        sent = self._sent.pop(request_id, None) if request_id is not None else None
        if sent is None:
            return ()
        self.unanswered = 0
        if reason == "rate":
            self._next_send_s = now_s + RATE_PAUSE_S * (1 + self._chance() / 2)
        if not sent.batch.subscribe:
            return ()
        topics = tuple(topic for topic in sent.batch.topics if topic in self.topics)
        if reason == "benign":
            for topic in topics:
                self._set(topic, TopicState.ACKED, now_s)
            return ()
        if reason in FINAL:
            return self._narrow(topics, detail, now_s)
        self._ask_again(topics, detail, now_s)
        return ()

    def _narrow(self, topics: tuple[Topic, ...], detail: str, now_s: float) -> tuple[Topic, ...]:
        if len(topics) == 1:
            self._set(topics[0], TopicState.REJECTED, now_s, detail)
            self.topics[topics[0]].asked = False
            self._rejections[topics[0]] = Rejection(now_s, detail)
            return topics
        half = len(topics) // 2
        for part in (topics[:half], topics[half:]):
            for topic in part:
                self._set(topic, TopicState.WANTED, now_s)
            self._enqueue(part, subscribe=True)
        return ()

    def _ask_again(self, topics: Sequence[Topic], detail: str, now_s: float) -> None:
        """The batch as it was, after a wait that grows: more messages would only make it worse."""
        tries = max((self.topics[topic].tries for topic in topics), default=0)
        wait_s = min(RETRY_CEILING_S, RETRY_S * 2.0 ** min(tries, 10))
        for topic in topics:
            self._set(topic, TopicState.WANTED, now_s, detail)
            self.topics[topic].tries = tries + 1
        self._enqueue(topics, subscribe=True, not_before_s=now_s + wait_s)

    # --- frames in ----------------------------------------------------------------------------

    def heard(self, topic: Topic, now_s: float) -> bool:
        """A frame of this topic came; whether it was its first since it was asked for."""
        status = self.topics.get(topic)
        if status is None:
            return False
        status.heard_s = now_s
        if status.state is TopicState.LIVE:
            return False
        self._set(topic, TopicState.LIVE, now_s)
        status.tries = 0
        status.silent = False
        return True

    # --- time passes --------------------------------------------------------------------------

    def overdue(self, now_s: float) -> tuple[Topic, ...]:
        """Ask again for what was not answered, or was accepted and is silent.

        Returns the silent topics: the caller says so.
        """
        for request_id, sent in list(self._sent.items()):
            if now_s - sent.at_s >= self._limits.ack_s:
                del self._sent[request_id]
                self.unanswered += 1
                self._requeue(sent.batch, now_s)
        self._forgive(now_s)
        silent = [topic for topic, status in self.topics.items() if is_silent(status, now_s)]
        for topic in silent:
            status = self.topics[topic]
            was_live = status.state is TopicState.LIVE
            reason = "went silent" if was_live else "accepted, but nothing came"
            self._set(topic, TopicState.WANTED, now_s, reason)
            status.silent = True
            status.tries += 1
        self._enqueue(silent, subscribe=True)
        return tuple(silent)

    def ask_all_again(self, now_s: float) -> tuple[Topic, ...]:
        """Ask for every topic that was accepted once more: the first rung when nothing comes."""
        accepted = (TopicState.ACKED, TopicState.LIVE)
        topics = [topic for topic, status in self.topics.items() if status.state in accepted]
        for topic in topics:
            self._set(topic, TopicState.WANTED, now_s, "went silent")
            self.topics[topic].silent = True
        self._enqueue(topics, subscribe=True)
        return tuple(topics)

    def _forgive(self, now_s: float) -> None:
        """Ask once more for what was refused long ago."""
        for topic, rejection in list(self._rejections.items()):
            if now_s - rejection.at_s >= REJECTED_S:
                del self._rejections[topic]
                if topic in self.topics:
                    self._set(topic, TopicState.WANTED, now_s)
                    self._enqueue((topic,), subscribe=True)

    def _requeue(self, batch: _Batch, now_s: float) -> None:
        topics = tuple(t for t in batch.topics if (t in self.topics) == batch.subscribe)
        if batch.subscribe:
            topics = tuple(t for t in topics if self.topics[t].state is TopicState.ASKED)
            for topic in topics:
                self._set(topic, TopicState.WANTED, now_s, "not answered")
        self._enqueue(topics, subscribe=batch.subscribe)

    def _set(self, topic: Topic, state: TopicState, now_s: float, reason: str = "") -> None:
        status = self.topics[topic]
        if status.state is not state:
            status.since_s = now_s
        status.state = state
        # A reason stays until the topic proves it wrong.
        if reason or state is TopicState.LIVE:
            status.reason = reason

    @property
    def settled(self) -> bool:
        """Whether every topic has been answered for, be it by a refusal."""
        waiting = (TopicState.WANTED, TopicState.ASKED)
        return not any(
            status.state in waiting and not status.tries for status in self.topics.values()
        )
