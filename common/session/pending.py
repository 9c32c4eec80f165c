"""The requests of one connection that are on their way. Pure.

Exchanges answer by request, by topic, or just in order; whatever an answer names is matched here
to the parts of batches that it is about.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from common.exchanges.protocol import Topic


class Batch(Struct):
    """Topics to be asked for, or given up, in one message; not before a machine time."""

    topics: tuple[Topic, ...]
    subscribe: bool
    not_before_s: float = 0.0


class _Sent(Struct):
    topics: dict[Topic, None]
    subscribe: bool
    at_s: float


class Pending:
    """What was sent and is not answered yet, oldest first."""

    def __init__(self) -> None:
        self._sent: dict[int, _Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, request_id: int, batch: Batch, now_s: float) -> None:
        """A batch was sent."""
        self._sent[request_id] = _Sent(dict.fromkeys(batch.topics), batch.subscribe, now_s)

    def answered(self, request_id: int | None, topics: Sequence[Topic] = ()) -> list[Batch]:
        """The parts of what was sent that an answer is about; none if it is to nothing of ours.

        By id and topics, as far as they are given; by neither, it is for the oldest request.
        """
        owners: list[tuple[int | None, tuple[Topic, ...]]]
        if request_id is None and topics:
            owners = [(self._oldest_with(topic), (topic,)) for topic in topics]
        else:
            oldest = next(iter(self._sent), None)
            owners = [(oldest if request_id is None else request_id, tuple(topics))]
        return [
            batch
            for owner, about in owners
            if owner is not None and (batch := self._take(owner, about)) is not None
        ]

    def overdue(self, now_s: float, within_s: float) -> list[Batch]:
        """What was not answered within that time; it is on its way no longer."""
        late = [id_ for id_, sent in self._sent.items() if now_s - sent.at_s >= within_s]
        return [batch for id_ in late if (batch := self._take(id_, ())) is not None]

    def _oldest_with(self, topic: Topic) -> int | None:
        return next((id_ for id_, sent in self._sent.items() if topic in sent.topics), None)

    def _take(self, request_id: int, topics: Sequence[Topic]) -> Batch | None:
        sent = self._sent.get(request_id)
        if sent is None:
            return None
        taken = tuple(topic for topic in topics or sent.topics if topic in sent.topics)
        for topic in taken:
            del sent.topics[topic]
        if not sent.topics:
            del self._sent[request_id]
        return Batch(taken, sent.subscribe) if taken else None
