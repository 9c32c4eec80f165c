"""What of one account is confirmed: the pieces of its book are kept when all that they led to is. Pure."""

from __future__ import annotations

from collections import deque

from common.model.account import AccountEvent
from common.publish.durable import Subject
from common.recovery.book import Pieces


class Confirms:
    """The events of one account that RabbitMQ has not answered for yet, in the order they left."""

    def __init__(self) -> None:
        # Each with the pieces that may be kept when it is answered.
        self._awaited: deque[tuple[AccountEvent, dict[str, bytes | None]]] = deque()
        self._ready: dict[str, bytes | None] = {}

    def published(self, event: AccountEvent) -> None:
        """It was handed to the pipeline."""
        self._awaited.append((event, {}))

    def unpublished(self, event: AccountEvent) -> None:
        """It was not taken after all: nothing will be answered for it."""
        if self._awaited and self._awaited[-1][0] is event:
            _, pieces = self._awaited.pop()
            self.changed(pieces)

    def changed(self, pieces: Pieces) -> None:
        """What has changed by all that was published so far."""
        (self._awaited[-1][1] if self._awaited else self._ready).update(pieces)

    def answered(self, event: Subject) -> bool:
        """RabbitMQ has answered; False if it is none of these (an earlier life's)."""
        if not self._awaited or self._awaited[0][0] is not event:
            return False
        _, pieces = self._awaited.popleft()
        self._ready.update(pieces)
        return True

    @property
    def outstanding(self) -> int:
        """How many are not answered."""
        return len(self._awaited)

    def take(self) -> Pieces:
        """What may be kept now; it is given back (``keep_back``) if that fails."""
        ready, self._ready = self._ready, {}
        return ready

    def keep_back(self, pieces: Pieces) -> None:
        """These could not be kept: what is ready since then is newer."""
        self._ready = {**pieces, **self._ready}
