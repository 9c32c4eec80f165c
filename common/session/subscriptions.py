"""What one connection is subscribed to. Pure: told the time, asked for the next message.

A topic is ``wanted`` → ``asked`` → ``acked`` → ``live`` (its first frame came), or ``rejected``.
Requests are paced and sized as the exchange allows, answers are matched to them, and a refused
batch is halved until the topic at fault stands alone: one bad symbol never costs the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from common.exchanges.protocol import Ack, Limits, Reason, Refusal, Request, Topic
from common.session.pending import Batch, Pending
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


class Subscriptions:
    """The topics of one connection and the requests on their way.

    Args:
        limits: the market's.
        subscribe, unsubscribe: the exchange's message for a batch and a request id.
        family: topics of one family may share a request.
        rejections: what was refused for good, kept over all connections of a session.
        chance: draws in [0, 1) for jitter.
    """

    def __init__(
        self,
        limits: Limits,
        subscribe: Callable[[Sequence[Topic], int], Request],
        unsubscribe: Callable[[Sequence[Topic], int], Request],
        family: Callable[[Topic], str],
        rejections: Rejections,
        chance: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._family = family
        self._rejections = rejections
        self._chance = chance
        self._queue: deque[Batch] = deque()
        self._sent = Pending()
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
        families: dict[str, list[Topic]] = {}
        for topic in topics:
            families.setdefault(self._family(topic), []).append(topic)
        for members in families.values():
            for first in range(0, len(members), size):
                batch = tuple(members[first : first + size])
                self._queue.append(Batch(batch, subscribe, not_before_s))

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
                return self._send(Batch(topics, batch.subscribe), now_s)
        return None

    def wait_s(self, now_s: float, most_s: float) -> float:
        """How long nothing can be sent, ``most_s`` at most."""
        due_s = min((batch.not_before_s for batch in self._queue), default=now_s + most_s)
        return min(most_s, max(due_s, self._next_send_s) - now_s) if self._queue else most_s

    def _send(self, batch: Batch, now_s: float) -> Request:
        self._last_id += 1
        self._sent.add(self._last_id, batch, now_s)
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

    def acked(self, ack: Ack, now_s: float) -> tuple[Topic, ...]:
        """The exchange accepted something: the topics. An answer to nothing of ours is ignored."""
        accepted: list[Topic] = []
        for batch in self._sent.answered(ack.request_id, ack.topics):
            self.unanswered = 0
            if batch.subscribe:
                accepted += self._accepted(batch.topics, now_s)
        return tuple(accepted)

    def _accepted(self, topics: Sequence[Topic], now_s: float) -> list[Topic]:
        accepted = [topic for topic in topics if topic in self.topics]
        for topic in accepted:
            # Some exchanges push before they ack: a live topic stays live.
            if self.topics[topic].state is TopicState.ASKED:
                self._set(topic, TopicState.ACKED, now_s)
        return accepted

    def refused(self, refusal: Refusal, now_s: float) -> tuple[Topic, ...]:
        """The exchange refused something; the topics that are rejected by it.

        One that names nothing is taken for the only request on its way, if there is just one.
        """
        named = refusal.request_id is not None or refusal.topics or len(self._sent) == 1
        batches = self._sent.answered(refusal.request_id, refusal.topics) if named else []
        if not batches:
            return ()
        self.unanswered = 0
        if refusal.reason == "rate":
            self._next_send_s = now_s + RATE_PAUSE_S * (1 + self._chance() / 2)
        asked = [topic for batch in batches if batch.subscribe for topic in batch.topics]
        topics = tuple(topic for topic in asked if topic in self.topics)
        return self._refused(topics, refusal, now_s) if topics else ()

    def _refused(
        self, topics: tuple[Topic, ...], refusal: Refusal, now_s: float
    ) -> tuple[Topic, ...]:
        if refusal.reason == "benign":
            self._accepted(topics, now_s)
        elif refusal.reason not in FINAL:
            self._ask_again(topics, refusal.detail, now_s)
        elif refusal.topics or len(topics) == 1:
            return self._reject(topics, refusal.detail, now_s)
        else:
            self._narrow(topics, now_s)
        return ()

    def _reject(self, topics: tuple[Topic, ...], detail: str, now_s: float) -> tuple[Topic, ...]:
        for topic in topics:
            self._set(topic, TopicState.REJECTED, now_s, detail)
            self.topics[topic].asked = False
            self._rejections[topic] = Rejection(now_s, detail)
        return topics

    def _narrow(self, topics: tuple[Topic, ...], now_s: float) -> None:
        """Ask for each half by itself: the other topics are not at fault."""
        half = len(topics) // 2
        for part in (topics[:half], topics[half:]):
            for topic in part:
                self._set(topic, TopicState.WANTED, now_s)
            self._enqueue(part, subscribe=True)

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
        for batch in self._sent.overdue(now_s, self._limits.ack_s):
            self.unanswered += 1
            self._requeue(batch, now_s)
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

    def _requeue(self, batch: Batch, now_s: float) -> None:
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

    @property
    def uncarried(self) -> tuple[Topic, ...]:
        """The topics that the exchange has not accepted on this connection, nor refused."""
        waiting = (TopicState.WANTED, TopicState.ASKED)
        return tuple(topic for topic, status in self.topics.items() if status.state in waiting)
