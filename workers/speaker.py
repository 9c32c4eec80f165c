"""How one account speaks: under which epoch, in order, and only while it is certainly ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from common.fleet.ledgers import Ledgers, Superseded
from common.model.account import AccountEvent
from common.model.streams import Origin, Stream
from common.publish import compat
from common.publish.compat_account import OnPaper
from common.publish.durable import Subject
from common.publish.messages import Outcome
from common.publish.pipeline import Pipeline
from common.recovery.book import Pieces
from workers.confirms import Confirms
from workers.mirror import Mirror

# How often it is looked whether what stood in the way is gone.
LOOK_S = 0.1


class Undelivered(Exception):  # noqa: N818 - it says what has happened
    """No queue took an event: what was concluded from it on is not told, and is to be concluded anew."""


class Speaker:
    """The way out of one account, and what is kept of it when that has arrived.

    Args:
        stream: the account as a stream.
        epoch: of the lease that it speaks under.
        pipeline: where it goes.
        ledgers: where what is confirmed is kept.
        is_certain: whether the account is certainly ours now.
        counts: what is sent is counted there.
        mirror: tells older backends; None: there are none.

    Attributes:
        epoch: of the lease now.
        on_paper: the account is traded on paper: older backends have other words for that.
        is_undelivered: no queue took an event; nothing goes out until ``begin``.
    """

    def __init__(
        self,
        stream: Stream,
        epoch: int,
        pipeline: Pipeline,
        ledgers: Ledgers,
        is_certain: Callable[[], bool],
        counts: Counter[str],
        mirror: Mirror | None = None,
    ) -> None:
        self.epoch = epoch
        self.on_paper = False
        self.is_undelivered = False
        self._stream = stream
        self._pipeline = pipeline
        self._ledgers = ledgers
        self._is_certain = is_certain
        self._counts = counts
        self._mirror = mirror
        self._confirms = Confirms()
        self._ledger = ""
        self._is_doubted = False
        # Gives all that is to be kept, when Redis has lost what was.
        self._everything: Callable[[], Pieces] | None = None
        # What is kept later is newer, and must not be written before.
        self._keeping = asyncio.Lock()

    def begin(self, ledger: str, everything: Callable[[], Pieces]) -> None:
        """A book that was loaded anew from a ledger is told from now on; ``everything`` gives all of it."""
        self._confirms.give_up()
        if ledger != self._ledger:
            self._confirms.take()  # another account's
        self._ledger = ledger
        self._everything = everything
        self.is_undelivered = False

    async def ready(self) -> None:
        """Return when an event would be taken: until then nothing is to be concluded from anything.

        Raises:
            Undelivered: none will be.
        """
        while not (self._is_certain() and self._pipeline.has_room) or self.is_undelivered:
            if self.is_undelivered:
                raise Undelivered("no queue takes its events")
            await asyncio.sleep(LOOK_S)  # asked, not told

    async def settled(self) -> None:
        """Return when RabbitMQ has answered for all that was sent.

        Raises:
            Undelivered: some of it has arrived nowhere.
        """
        while self.is_under_way or self.is_undelivered:
            if self.is_undelivered:
                raise Undelivered("no queue takes its events")
            await asyncio.sleep(LOOK_S)  # asked, not told

    def concluded(self) -> None:
        """Events were concluded, and are published from now on, until ``changed``."""
        self._confirms.concluded()

    async def publish(self, event: AccountEvent, origin: Origin) -> None:
        """Send an event; returns when it was taken.

        Raises:
            Undelivered: it was not, and no other one will be.
        """
        while True:
            await self.ready()
            # Before it is sent: what cannot be written is answered at once.
            self._confirms.published(event)
            if self._pipeline.publish_account(event, epoch=self.epoch, origin=origin):
                break
            self._confirms.unpublished(event)
            await asyncio.sleep(LOOK_S)
        self._counts["account_events"] += 1
        if self._mirror is not None:
            self._mirror.account(OnPaper(event) if self.on_paper else event)

    def changed(self, pieces: Pieces) -> None:
        """What is to be kept when all that was published so far is confirmed."""
        if not self.is_undelivered:
            self._confirms.changed(pieces)

    def answered(self, event: Subject, outcome: Outcome) -> None:
        """RabbitMQ has answered for an event, or it can never be written, which was complained of."""
        if outcome != "returned":
            self._confirms.answered(event)
        elif not self.is_undelivered:
            self.is_undelivered = True
            self._confirms.give_up()

    def status(
        self,
        state: str,
        reason: str = "",
        code: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> None:
        """Say how the account stands."""
        self._pipeline.status(
            self._stream,
            state,
            epoch=self.epoch,
            reason=reason[:300],
            code=code,
            from_ms=from_ms,
            to_ms=to_ms,
        )
        if self._mirror is not None:
            self._mirror_status(self._mirror, state, reason[:300], code)

    def _mirror_status(self, mirror: Mirror, state: str, reason: str, code: str) -> None:
        """Older backends know of two: heard (again), and refused for its key."""
        stream = self._stream
        if state == "live":
            mirror.say(compat.subscribed(stream.symbol))
        elif state == "parked" and code == "key":
            mirror.say(compat.key_refused(stream.exchange, stream.market, stream.symbol, reason))

    async def keep(self) -> None:
        """Keep what is confirmed.

        Raises:
            RedisAway: it is kept the next time.
            Superseded: a newer owner has the account.
        """
        async with self._keeping:
            pieces = self._confirms.take()
            if not (pieces or self._is_doubted):
                return
            try:
                known = await self._ledgers.write(self._ledger, self.epoch, pieces)
            except Superseded:
                raise
            except BaseException:  # of a call that is cancelled nobody knows what it did
                self._confirms.keep_back(pieces)
                raise
            self._is_doubted = False
            if not known and self._everything is not None and not self.is_undelivered:
                self._confirms.owe(self._everything)

    @property
    def has_to_keep(self) -> bool:
        """Whether something is confirmed and not kept, or what was kept may be lost."""
        return self._confirms.is_ready or self._is_doubted

    def holds(self, epoch: int) -> None:
        """The lease was renewed. Under a new epoch Redis was away, and may have lost what was kept."""
        if epoch != self.epoch and self._everything is not None:
            self._is_doubted = True
        self.epoch = epoch

    @property
    def is_under_way(self) -> bool:
        """Whether an event of it waits to leave, or to be confirmed."""
        return self._pipeline.is_under_way(self._stream)

    async def hush(self, limit_s: float) -> bool:
        """What has not left does not leave; whether RabbitMQ has answered the rest in time."""
        self.withdraw()
        try:
            async with asyncio.timeout(limit_s):
                while self.is_under_way:  # noqa: ASYNC110 - asked, not told
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return False
        return True

    def withdraw(self) -> None:
        """Forget what has not left."""
        self._pipeline.withdraw(self._stream)
