"""One shard while this worker owns it: its session, its feed, and what they say about themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec
from loguru import logger

from common.clocks import MarketClock, machine_s
from common.exchanges.place import Place
from common.fleet.checkpoints import Holder, Taken
from common.fleet.client import RedisAway
from common.fleet.leases import Lease
from common.model.checkpoints import Checkpoint
from common.model.events import Candle
from common.model.instruments import Catalog
from common.model.streams import Shard, Stream
from common.recovery.lane import CandleLane
from common.recovery.reading import CandleReader
from common.recovery.resuming import Reach, resume
from common.recovery.steps import Hole
from common.session.address import Address
from common.session.runner import Session
from common.session.transport import Dial
from workers.feed import NO_CHECKPOINTS, Feed
from workers.outlets import Outlet
from workers.progress import NOTHING_DOUBTED, Progress
from workers.reading import Reading, Sink
from workers.voice import Voice

# A session ends within this time of being told to: it closes its sockets with limits of its own.
STOP_S = 10.0
# How often it is looked whether RabbitMQ has answered.
HUSH_LOOK_S = 0.1


class OwnedShard:
    """A shard that runs here.

    Args:
        shard: which.
        lease: by what right.
        outlet: where its events go.
        progress: where its candle streams stand; it takes them there before it carries them.
        address, dial: how the exchange is reached.
        reader: candles by REST.
        reach: how far back its candle streams go.
        clock: market time.
        catalog: gives the market's instruments as they are known now.

    Attributes:
        away: Redis cannot be reached: the shard is ours though its lease may have run out, for
            nobody else can take it.
        unsure: the answer to a taking was lost. Redis may hold streams for this shard that it does
            not carry, and keep them from others, for as long as its lease has that epoch.
    """

    def __init__(
        self,
        shard: Shard,
        lease: Lease,
        outlet: Outlet,
        progress: Progress,
        *,
        address: Address,
        dial: Dial,
        reader: CandleReader,
        reach: Reach,
        clock: MarketClock,
        catalog: Callable[[], Catalog],
    ) -> None:
        self.shard = shard
        self.lease = lease
        self.away = False
        self.unsure = False
        self._is_lost = False
        self._progress = progress
        self._reach = reach
        self._clock = clock
        self._place = place = Place(shard.exchange, shard.market, shard.channel)
        self.voice = Voice(outlet, lease.epoch, self._is_certain)
        self.feed = Feed(shard, self.voice, place, clock)
        sink = Sink(
            self.feed.tick,
            self.voice.has_room,
            self.feed.candle_lanes,
            self.feed.fetched,
            self.feed.lost,
            self._compared,
        )
        rules = place.protocol.markets[place.market].rest
        self._reading = Reading(rules, sink, reader, clock)
        self.session = Session(shard.key, place, address, dial, catalog, self.feed)
        self._wanted: frozenset[Stream] = frozenset()
        self._carried: frozenset[Stream] = frozenset()
        self._task: asyncio.Task[None] | None = None

    def _is_certain(self) -> bool:
        return not self._is_lost and (self.away or self.lease.fenced(machine_s()))

    @property
    def hopeless(self) -> bool:
        """See ``workers.ownership.Owned``."""
        return self.session.hopeless

    @property
    def counts(self) -> Mapping[str, int]:
        """See ``workers.ownership.Owned``."""
        return self.feed.counts

    # --- what it carries ----------------------------------------------------------------------

    def want(self, streams: Iterable[Stream]) -> None:
        """Make this the wanted set of streams; nothing is redialled for it.

        Candle streams are carried only when they have been taken (``untaken``, ``take``).
        """
        self._wanted = frozenset(streams)
        if self.shard.channel == "candle":
            self._carry(self._carried & self._wanted)
        else:
            self._carry(self._wanted)

    def _carry(
        self,
        streams: frozenset[Stream],
        checkpoints: Mapping[Stream, Checkpoint] = NO_CHECKPOINTS,
        doubted_ms: Mapping[Stream, int] = NOTHING_DOUBTED,
    ) -> None:
        if streams != self._carried:
            self._progress.leave(self, self._carried - streams)
            self._carried = streams
            self.session.want(self.feed.want(sorted(streams), checkpoints, doubted_ms))

    @property
    def untaken(self) -> frozenset[Stream]:
        """Streams that are wanted here and not carried yet: another shard may still have them."""
        return self._wanted - self._carried

    async def keep(self) -> None:
        """Write how far it has come, and all others of this worker.

        Raises:
            RedisAway: it is written the next time.
        """
        await self._progress.flush()

    async def take(self) -> Taken:
        """Take what is wanted and free, and carry it from its checkpoint on.

        Raises:
            RedisAway: nothing was begun; the next time does it.
        """
        holder = self._holder
        try:
            taken = await self._progress.take(holder, self.untaken)
        except RedisAway:
            self.unsure = True
            raise
        if holder == self._holder and taken.checkpoints:
            self._begin(taken)
            # Where it begins is kept before anything follows: whoever comes next begins there too.
            await self._progress.flush()
        return taken

    def _begin(self, taken: Taken) -> None:
        """A stream that nothing is known of began before Redis lost its data, or begins now."""
        now_ms, look_back_ms = self._clock.now_ms(), self._reach.look_back_ms
        was_lost = taken.age_s * 1000 * self._clock.speed < look_back_ms
        reach = msgspec.structs.replace(self._reach, look_back_ms=look_back_ms * was_lost)
        begins: dict[Stream, Checkpoint] = {}
        for stream, checkpoint in taken.checkpoints.items():
            if stream not in self._wanted:
                continue
            begins[stream], lost = resume(checkpoint, stream.interval or "", now_ms, reach)
            if lost is not None:
                self.feed.gave_up(stream, lost, "older than BACKFILL_BARS")
        # Where the exchange marks its closes, whoever published them said the same. Where Redis has
        # lost its data nobody knows any more what was to be corrected.
        marked = self._place.rules.closes == "flag"
        unknown = {stream for stream, one in taken.checkpoints.items() if one is None and was_lost}
        doubted = {} if marked else dict.fromkeys(taken.doubtful | unknown, now_ms)
        self._progress.begin(self._holder, self, begins, doubted)
        self._carry(self._carried | begins.keys(), begins, doubted)

    @property
    def _holder(self) -> Holder:
        return Holder(self.shard.key, self.lease.epoch)

    def _compared(self, candles: CandleLane, stretch: Hole, bars: Sequence[Candle]) -> None:
        self.feed.compared(candles, stretch, bars)
        self._progress.settled(candles.stream)

    # --- what became of it (``workers.progress.Owner``) -----------------------------------------

    def unsettled(self, stream: Stream) -> tuple[Candle, ...]:
        """See ``Owner``."""
        return self.feed.unsettled(stream)

    def confirmed(self, candle: Candle) -> None:
        """See ``Owner``."""
        self._reading.confirmed(candle.stream)
        self.feed.confirmed(candle)

    def undelivered(self, candle: Candle) -> None:
        """See ``Owner``."""
        self.feed.undelivered(candle)
        self._reading.returned(candle.stream)

    def left(self, stream: Stream) -> None:
        """See ``Owner``: what of it has not left yet would only come twice."""
        self.voice.withdraw([stream])

    def fenced(self, streams: Collection[Stream]) -> None:
        """See ``Owner``: they have to be taken again, if they are ours at all."""
        self.voice.withdraw(streams)
        self._carry(self._carried.difference(streams))

    async def hush(self, limit_s: float) -> bool:
        """What has not left does not leave; whether RabbitMQ has answered the rest in time.

        Confirmed later, it would come from the next owner as well.
        """
        self.voice.withdraw(self._carried)
        until_s = machine_s() + limit_s
        while self.voice.is_under_way(self._carried):
            if machine_s() >= until_s:
                return False
            await asyncio.sleep(HUSH_LOOK_S)
        return True

    def let_go(self) -> None:
        """The streams are free as soon as all of them is confirmed."""
        self._progress.leave(self, self._carried)

    def lost(self) -> None:
        """The shard is another's, or nobody's: what of it is not confirmed is for the next owner."""
        self._is_lost = True
        self._progress.drop(self)
        self.voice.withdraw(self._carried)
        # Of an answer that is on its way still (``take``) nothing is begun.
        self._wanted = frozenset()

    # --- its life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to stream."""
        self._task = asyncio.create_task(self._run(), name=f"shard {self.shard.key}")

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.session.run())
            if self.shard.channel == "candle":
                group.create_task(self._reading.run())

    def holds(self, lease: Lease) -> None:
        """The lease was renewed, perhaps under a new epoch."""
        self.unsure = self.unsure and lease.epoch == self.lease.epoch
        self.lease = lease
        self.voice.epoch = lease.epoch
        self._progress.holds(self, self._holder)

    def crash(self) -> BaseException | None:
        """What ended the session by itself, which is a defect; None while it runs."""
        task = self._task
        if task is None or not task.done() or task.cancelled():
            return None
        return task.exception() or RuntimeError("the session returned")

    async def stop(self) -> None:
        """Close the connection; nothing of this shard is published afterwards."""
        if self._task is None:
            return
        self._task.cancel()
        _, pending = await asyncio.wait({self._task}, timeout=STOP_S)
        if pending:
            logger.bind(shard=self.shard.key).error("session did not end in time")
        self._task = None
