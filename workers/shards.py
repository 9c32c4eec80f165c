"""The shards of one worker: claim → run → give back. Level-triggered, one step a tick.

Every lease is renewed in one call, whatever a tick waits for, and what belongs to another is stopped.
Each tick gives back what is over the fair share (drained: session closed, confirms flushed,
checkpoints written, then released), claims what is free and takes its streams. While Redis is away
nobody else can take a lease either, so everything streams on, unfenced.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic

from loguru import logger

from common.clocks import machine_s
from common.fleet import placement
from common.fleet.client import RedisAway
from common.fleet.leases import Lease, Leases, Renewal
from common.model.streams import SERVED, Role, Shard
from workers.ownership import OwnedT

# What a shard that is given back may take to have its messages confirmed.
FLUSH_S = 5.0
# And then, what of it is on its way already: a connection that answers nothing for so long is given up.
ANSWER_S = 15.0
# A shard that comes back after it was sent to another process stays: it is parked where it is.
SENT_AWAY_S = 1800.0

# What each shard is to carry: streams, or the record of its account.
Wanted = Mapping[Shard, Collection[Any]]
Flush = Callable[[float], Awaitable[bool]]


class Shards(Generic[OwnedT]):
    """What this worker owns, and its way to its fair share.

    Args:
        worker_id: this worker's life.
        leases: its leases.
        open_shard: makes the runner of a shard that was claimed.
        flush: waits until what was published is confirmed.
        is_calm: whether what is published is confirmed: only then a shard is given back that might
            stay as well.
    """

    def __init__(
        self,
        worker_id: str,
        leases: Leases,
        open_shard: Callable[[Shard, Lease], OwnedT],
        flush: Flush,
        is_calm: Callable[[], bool] = lambda: True,
    ) -> None:
        self._is_calm = is_calm
        self._me = worker_id
        self._leases = leases
        self._open = open_shard
        self._flush = flush
        self.owned: dict[Shard, OwnedT] = {}
        # What the feeds of shards counted that were here once.
        self.past: Counter[str] = Counter()
        self._leaving: dict[Shard, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        # Shards that nothing came of here, and when they were given to others to try.
        self._sent_away_s: dict[Shard, float] = {}
        # A lease must not be renewed while it is given back: it would be taken again.
        self._lease_calls = asyncio.Lock()

    # --- each tick ----------------------------------------------------------------------------

    async def renew(self) -> None:
        """Prolong what is held, and stop at once what is not ours any more.

        Raises:
            RedisAway: nothing is known; everything goes on.
        """
        async with self._lease_calls:
            held = {owned.lease.shard: owned for owned in self.owned.values()}
            try:
                renewal = await self._leases.renew([owned.lease for owned in held.values()])
            except RedisAway:
                self._note_away(held.values(), away=True)
                raise
            self._note_away(held.values(), away=False)
            for lease in (*renewal.kept, *renewal.retaken):
                held[lease.shard].holds(lease)
        _tell(renewal, {name: owned.shard.label for name, owned in held.items()})
        for lost in renewal.lost:
            owned = held[lost.lease.shard]
            self._forget(owned)
            # Nothing waits for its sockets: the next renewal least of all.
            ending = asyncio.create_task(owned.stop(), name=f"stop {owned.shard.label}")
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _note_away(self, shards: Iterable[OwnedT], *, away: bool) -> None:
        for owned in shards:
            owned.away = away

    async def settle(self, wanted: Wanted, workers: Mapping[str, Role]) -> None:
        """One step towards the fair share of what is wanted among the live workers.

        Raises:
            RedisAway: claiming did not come about; the next tick tries again.
        """
        await self._bury()
        weights = {shard: max(1, len(streams)) for shard, streams in wanted.items()}
        mine = [shard for shard in self.owned if shard not in self._leaving]
        for shard in mine:
            if shard in wanted:
                self.owned[shard].want(wanted[shard])
        unwanted = [shard for shard in mine if shard not in wanted]
        kept = [shard for shard in mine if shard in wanted]
        held = await self._held(wanted)
        # Leases are renewed meanwhile, and some may have been lost.
        kept = [shard for shard in kept if shard in self.owned]
        unwanted = [shard for shard in unwanted if shard in self.owned]
        surplus = placement.to_give_back(self._me, kept, held, weights, workers)
        if not self._is_calm():
            surplus = []
        for shard in (*unwanted, *surplus):
            self._give_back(shard, "surplus" if shard in weights else "no longer wanted")
        for shard in self._hopeless(set(kept).difference(surplus), workers):
            self._sent_away_s[shard] = machine_s()
            self._give_back(shard, "nothing comes here, another process is to try")
        if not surplus:
            chosen = placement.to_claim(self._me, kept, held, weights, workers)
            await self._claim(chosen, wanted)
        await self._take()

    def _hopeless(self, shards: Iterable[Shard], workers: Mapping[str, Role]) -> list[Shard]:
        """The rung after many connections is another process; each shard is sent there once."""
        now_s = machine_s()
        self._sent_away_s = {
            shard: at_s for shard, at_s in self._sent_away_s.items() if now_s - at_s < SENT_AWAY_S
        }
        others = {
            channel for me, role in workers.items() if me != self._me for channel in SERVED[role]
        }
        return [
            shard
            for shard in shards
            if self.owned[shard].hopeless
            and shard.channel in others
            and shard not in self._sent_away_s
        ]

    def _is_avoided(self, shard: Shard) -> bool:
        """Whether another worker has the first choice of a shard that was sent away."""
        sent_s = self._sent_away_s.get(shard)
        return sent_s is not None and machine_s() - sent_s < 2 * self._leases.ttl_s + FLUSH_S

    async def _held(self, wanted: Wanted) -> Mapping[Shard, str]:
        """Who has which shard; what is leaving here is not free yet."""
        holders = await self._leases.holders(shard.key for shard in wanted)
        held = {}
        for shard in wanted:
            holder = holders.get(shard.key)
            if shard in self.owned:
                held[shard] = self._me
            # One of ours that we do not run: the answer to its claim was lost. It is claimed again.
            elif holder is not None and not holder.mine:
                held[shard] = holder.worker_id
            elif self._is_avoided(shard):
                held[shard] = ""
        return held

    async def _claim(self, chosen: Sequence[Shard], wanted: Wanted) -> None:
        by_key = {shard.key: shard for shard in chosen}
        for lease in await self._leases.claim_all(list(by_key)):
            shard = by_key[lease.shard]
            self._begin(shard, lease, wanted[shard])

    async def _take(self) -> None:
        """Streams are carried when the shard that had them before has let go of them."""
        for shard, owned in list(self.owned.items()):
            if shard in self._leaving or shard.channel != "candle":
                continue
            if owned.unsure:
                await self._claim_anew(owned)
            if not owned.untaken:
                continue
            taken = await owned.take()
            # A stream's epoch only rises: under a new one of ours it can be taken.
            if taken.outdated and await self._claim_anew(owned):
                await owned.take()

    async def _claim_anew(self, owned: OwnedT) -> bool:
        """Have the lease under a new epoch, and keep what is carried under it; whether it is ours."""
        async with self._lease_calls:
            lease = await self._leases.claim(owned.lease.shard)
            if lease is None or self.owned.get(owned.shard) is not owned:
                return False
            owned.holds(lease)
        await owned.keep()
        return True

    def _begin(self, shard: Shard, lease: Lease, streams: Collection[Any]) -> None:
        owned = self.owned[shard] = self._open(shard, lease)
        owned.want(streams)
        owned.start()
        log = logger.bind(shard=shard.label, epoch=lease.epoch, streams=len(streams))
        log.info("shard claimed")

    async def _bury(self) -> None:
        """A session that ended by itself is a defect: say so, and let the shard be claimed anew."""
        for shard, owned in list(self.owned.items()):
            error = owned.crash()
            if error is None:
                continue
            logger.opt(exception=error).bind(shard=shard.label).error("session crashed")
            await owned.stop()
            await self._flush(FLUSH_S)
            await owned.keep()
            await self._release(owned)

    # --- giving back --------------------------------------------------------------------------

    def _give_back(self, shard: Shard, reason: str) -> None:
        logger.bind(shard=shard.label, reason=reason).info("shard given back")
        self._leaving[shard] = asyncio.create_task(
            self._leave(self.owned[shard]), name=f"give back {shard.label}"
        )

    async def _leave(self, owned: OwnedT) -> None:
        """Its lease is renewed until all of it is confirmed: nobody else starts before."""
        log = logger.bind(shard=owned.shard.label)
        try:
            await owned.stop()
            # In a slow moment: what has not left is the next owner's, what has is waited for.
            if not await self._flush(FLUSH_S) and not await owned.hush(ANSWER_S):
                log.warning("given back with unconfirmed messages")
            owned.let_go()
            await owned.keep()
            await self._release(owned)
        except RedisAway as away:
            log.bind(error=str(away)).warning("lease left to run out")
        finally:
            # Its session has ended: kept, it would be ours for ever, and nobody would stream it.
            self._forget(owned)
            self._leaving.pop(owned.shard, None)

    async def _release(self, owned: OwnedT) -> None:
        async with self._lease_calls:
            self._forget(owned)
            await self._leases.release([owned.lease])

    def _forget(self, owned: OwnedT) -> None:
        if self.owned.get(owned.shard) is owned:
            del self.owned[owned.shard]
            owned.lost()
            self.past.update(owned.counts)

    async def drain(self, limit_s: float) -> None:
        """Give everything back."""
        for shard in list(self.owned):
            if shard not in self._leaving:
                self._give_back(shard, "draining")
        leaving = [*self._leaving.values(), *self._ending]
        if leaving:
            _, pending = await asyncio.wait(leaving, timeout=limit_s)
            for task in pending:
                task.cancel()


def _tell(renewal: Renewal, labels: Mapping[str, str]) -> None:
    for lease in renewal.retaken:
        log = logger.bind(shard=labels[lease.shard], epoch=lease.epoch)
        log.warning("lease had run out, retaken")
    for lost in renewal.lost:
        log = logger.bind(shard=labels[lost.lease.shard], holder=lost.holder)
        log.warning("lease lost, shard stopped")
