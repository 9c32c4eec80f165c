"""What one account hears of a socket that it may share with others: in order, bounded, with an end."""

from __future__ import annotations

import asyncio
from collections import deque

from common.exchanges.private import Denied, Heard
from common.session.outcome import Outcome

# What waits here is a burst of the exchange's, or what comes while the account asks REST.
MOST_WAITING = 2_000

TOO_MUCH = Outcome("stalled", "transient", "more came than was taken")


class LineEnded(Exception):  # noqa: N818 - it says what has happened
    """Nothing more comes on a line; ``why`` says what it ended by."""

    def __init__(self, why: Outcome | Denied) -> None:
        super().__init__(why.detail)
        self.why = why


class Line:
    """One account's part of a connection.

    Args:
        account: its name among the others on the socket.
    """

    def __init__(self, account: str) -> None:
        self.account = account
        self._waiting: deque[Heard] = deque()
        self._why: Outcome | Denied | None = None
        self._news = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come; what waits is still to be taken."""
        return self._why is not None

    def put(self, heard: Heard) -> None:
        """The socket has said this of the account."""
        if self._why is not None:
            return
        if len(self._waiting) >= MOST_WAITING:
            # What is lost here is asked for by REST, as after every other loss.
            self._waiting.clear()
            self.end(TOO_MUCH)
            return
        self._waiting.append(heard)
        self._news.set()

    def end(self, why: Outcome | Denied) -> None:
        """Nothing more is said of it here."""
        if self._why is None:
            self._why = why
            self._news.set()

    async def next(self, limit_s: float) -> Heard | None:
        """The next word; None if there is none for so long.

        Raises:
            LineEnded: all was taken, and nothing more comes.
        """
        if not self._waiting and self._why is None:
            self._news.clear()
            try:
                async with asyncio.timeout(limit_s):
                    await self._news.wait()
            except TimeoutError:
                return None
        if self._waiting:
            return self._waiting.popleft()
        assert self._why is not None
        raise LineEnded(self._why)

    def rest(self) -> list[Heard]:
        """What waits beside it: what one frame says is here together."""
        rest = list(self._waiting)
        self._waiting.clear()
        return rest
