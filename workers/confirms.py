"""What of one account is confirmed: the pieces of its book are kept when all that they led to is. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from common.model.account import AccountEvent
from common.publish.durable import Subject
from common.recovery.book import Pieces


class _Awaited:
    """An event that has left, and the pieces that may be kept when it and all before it are answered."""

    __slots__ = ("answered", "event", "pieces")

    def __init__(self, event: AccountEvent) -> None:
        self.event = event
        self.pieces: dict[str, bytes | None] = {}
        self.answered = False


class Confirms:
    """The events of one account that RabbitMQ has not answered for yet, in the order they left."""

    def __init__(self) -> None:
        self._awaited: deque[_Awaited] = deque()
        self._ready: dict[str, bytes | None] = {}
        # Gives all pieces, when Redis has lost what was kept; None: it has not.
        self._owed: Callable[[], Pieces] | None = None
        self._is_half_out = False

    def concluded(self) -> None:
        """Events were concluded, and are published one after another from now on."""
        self._is_half_out = True

    def published(self, event: AccountEvent) -> None:
        """It was handed to the pipeline."""
        self._awaited.append(_Awaited(event))

    def unpublished(self, event: AccountEvent) -> None:
        """It was not taken after all: nothing will be answered for it."""
        if self._awaited and self._awaited[-1].event is event:
            self._attach(self._awaited.pop().pieces)

    def changed(self, pieces: Pieces) -> None:
        """What has changed by all that was published so far: nothing that was concluded is still to follow."""
        self._is_half_out = False
        self._attach(pieces)
        if self._owed is not None:
            everything, self._owed = self._owed, None
            self._attach(everything())

    def owe(self, everything: Callable[[], Pieces]) -> None:
        """All pieces are to be kept again; what was not published yet is not to count as said by that."""
        if self._is_half_out:
            self._owed = everything
        else:
            self._attach(everything())

    def _attach(self, pieces: Pieces) -> None:
        (self._awaited[-1].pieces if self._awaited else self._ready).update(pieces)

    def answered(self, event: Subject) -> bool:
        """RabbitMQ has answered; False if it is none of these (an earlier life's).

        What cannot be written is answered at once, before those that left earlier.
        """
        found = next((one for one in self._awaited if one.event is event), None)
        if found is None:
            return False
        found.answered = True
        while self._awaited and self._awaited[0].answered:
            self._ready.update(self._awaited.popleft().pieces)
        return True

    @property
    def outstanding(self) -> int:
        """How many are not answered."""
        return len(self._awaited)

    @property
    def is_ready(self) -> bool:
        """Whether something may be kept now."""
        return bool(self._ready)

    def take(self) -> Pieces:
        """What may be kept now; it is given back (``keep_back``) if that fails."""
        ready, self._ready = self._ready, {}
        return ready

    def keep_back(self, pieces: Pieces) -> None:
        """These could not be kept: what is ready since then is newer."""
        self._ready = {**pieces, **self._ready}

    def give_up(self) -> None:
        """What is not answered will not be told by this owner: only what is ready may be kept."""
        self._awaited.clear()
        self._owed = None
        self._is_half_out = False
