"""One account while its lease is ours: its life, and what of it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

import msgspec
from loguru import logger

from common.clocks import machine_s
from common.fleet.account_record import AccountRecord
from common.fleet.checkpoints import Taken
from common.fleet.leases import Lease
from common.fleet.ledgers import Superseded
from common.model.streams import Shard, Stream
from common.publish.durable import Subject
from common.publish.messages import Outcome
from common.publish.pipeline import Pipeline
from workers.account import AccountLife
from workers.means import Means
from workers.speaker import Speaker

STOP_S = 10.0


class OwnedAccount:
    """An account that is streamed here (``workers.ownership.Owned``).

    Args:
        shard: which.
        lease: by what right.
        pipeline: where its events go.
        means: what it is streamed with.
    """

    unsure = False
    # A socket that nothing comes of is its account's matter: another process would fare no better.
    hopeless = False
    untaken: Collection[object] = ()

    def __init__(self, shard: Shard, lease: Lease, pipeline: Pipeline, means: Means) -> None:
        self.shard = shard
        self.lease = lease
        self.away = False
        self._means = means
        self._is_lost = False
        self._is_superseded = False
        stream = Stream(shard.exchange, shard.market, "account", str(shard.index))
        self.speaker = Speaker(
            stream,
            lease.epoch,
            pipeline,
            means.ledgers,
            self._is_certain,
            means.counts,
            means.mirror,
        )
        self._record: AccountRecord | None = None
        self.life: AccountLife | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._started = False
        self._began_s = machine_s()

    def _is_certain(self) -> bool:
        return not self._is_lost and (self.away or self.lease.fenced(machine_s()))

    @property
    def state(self) -> str:
        """How it stands."""
        return "opening" if self.life is None else self.life.state

    def behind_s(self, now_s: float) -> float:
        """For how long it has not been live; 0 while it is, and while it is parked."""
        if self.state in ("live", "parked"):
            return 0.0
        return now_s - (self._began_s if self.life is None else self.life.since_s)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be kept of it."""
        return self._is_lost and not (self.speaker.is_under_way or self.speaker.has_to_keep)

    @property
    def counts(self) -> Mapping[str, int]:
        """See ``Owned``: what accounts do is counted for all of them together (``Means.counts``)."""
        return {}

    # --- what it carries ----------------------------------------------------------------------

    def want(self, what: Iterable[AccountRecord]) -> None:
        """See ``Owned``: a record that is another than before begins anew."""
        (record,) = what
        if record == self._record:
            return
        before, self._record = self._record, record
        if before is not None and _is_same(before, record):
            return
        if self._started:
            self._restart()

    def _restart(self) -> None:
        """A life of its own for the new record, as soon as the old one is over."""
        old = self._task
        self._task = asyncio.create_task(self._run_after(old), name=f"{self.shard.channel} anew")

    async def _run_after(self, old: asyncio.Task[None] | None) -> None:
        if old is not None:
            old.cancel()
            await asyncio.wait({old}, timeout=STOP_S)
        await self._run()

    async def take(self) -> Taken:
        """See ``Owned``: an account takes its ledger when it begins."""
        return Taken()

    async def _run(self) -> None:
        assert self._record is not None
        self.speaker.on_paper = self._record.paper
        self.life = AccountLife(self._record, self._means, self.speaker)
        await self.life.run()

    # --- its life -----------------------------------------------------------------------------

    def start(self) -> None:
        """See ``Owned``."""
        self._started = True
        self._task = asyncio.create_task(self._run(), name=self.shard.channel)

    async def stop(self) -> None:
        """See ``Owned``."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        _, pending = await asyncio.wait({task}, timeout=STOP_S)
        if pending:
            logger.bind(place=f"{self.shard.exchange}:{self.shard.market}").error(
                "an account did not end in time"
            )

    def crash(self) -> BaseException | None:
        """See ``Owned``."""
        task = self._task
        if self._is_superseded:
            return RuntimeError("another owner has kept more of the account")
        if task is None or not task.done() or task.cancelled():
            return None
        return task.exception() or RuntimeError("another owner has kept more of the account")

    def holds(self, lease: Lease) -> None:
        """See ``Owned``."""
        self.lease = lease
        self.speaker.holds(lease.epoch)

    async def hush(self, limit_s: float) -> bool:
        """See ``Owned``."""
        return await self.speaker.hush(limit_s)

    def let_go(self) -> None:
        """See ``Owned``: what is confirmed is kept by the next flush."""

    def lost(self) -> None:
        """See ``Owned``."""
        self._is_lost = True
        self.speaker.withdraw()

    # --- what became of it ----------------------------------------------------------------------

    def answered(self, event: Subject, outcome: Outcome) -> None:
        """RabbitMQ has answered for an event of it, or it can never be written."""
        self.speaker.answered(event, outcome)
        if self.speaker.is_undelivered and self.life is not None:
            self.life.undelivered()

    async def keep(self) -> None:
        """Keep what is confirmed.

        Raises:
            RedisAway: it is kept the next time.
        """
        try:
            await self.speaker.keep()
        except Superseded:
            # The lease may still say that it is ours: nothing of it could be kept any more.
            self._is_superseded = True
            logger.bind(place=f"{self.shard.exchange}:{self.shard.market}").warning(
                "an account is another's now"
            )


def _is_same(before: AccountRecord, record: AccountRecord) -> bool:
    """Whether only the seal differs: the same credentials under another key."""
    return msgspec.structs.replace(before, sealed=record.sealed) == record
