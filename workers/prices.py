"""The price worker: candles and tickers, planned by what is wanted of every market."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from common.exchanges.place import Place
from common.fleet.buckets import Buckets
from common.fleet.checkpoints import Checkpoints
from common.fleet.client import RedisAway
from common.fleet.desired import Desired
from common.fleet.last import LastValues
from common.fleet.leases import Lease
from common.fleet.placement import Workers
from common.fleet.plan import Plan, Planner
from common.model.streams import SERVED, Role, Shard, Stream
from common.ops.records import WorkerRecord
from common.publish.candle_commands import CandleCommands
from common.publish.commands import Commands
from common.publish.durable import Subject
from common.publish.messages import Outcome
from common.publish.queues import CANDLE_REQUESTS
from common.recovery.reading import CandleReader
from common.recovery.resuming import Reach
from common.session.transport import dial
from config.settings import Settings
from workers.news import News
from workers.outlets import Outlets
from workers.owned import OwnedShard
from workers.progress import Progress
from workers.records import shard_record, verdict_counts, worker_record
from workers.shards import Wanted
from workers.wants import Wants
from workers.worker import Worker


class PriceWorker(Worker[OwnedShard]):
    """See ``Worker``."""

    def __init__(self, settings: Settings, role: Role) -> None:
        super().__init__(settings, role)
        self._reader = CandleReader(self._rest, self._catalog, settings.market_clock)
        desired = Desired(self._redis, self._keys)
        self._planner = Planner(
            settings.streams,
            desired,
            self._directory,
            Buckets(self._redis, self._keys),
            enabled=settings.exchanges,
        )
        checkpoints = Checkpoints(self._redis, self._keys)
        self._progress = Progress(checkpoints)
        self._reach = _reach(settings)
        ttl_s = settings.last_values_ttl_s
        self._last = LastValues(self._redis, self._keys, ttl_s) if ttl_s else None
        self._outlets = Outlets(self._pipeline, self._progress, self._last, self._mirror)
        wants = Wants(
            desired,
            checkpoints,
            self._directory,
            self._planner,
            settings.market_clock,
            settings.exchanges,
            self._is_any_live,
            self._wake.set,
        )
        self._commands = Commands(
            settings.rabbit_url.reveal(),
            CANDLE_REQUESTS,
            CandleCommands(wants.want),
            post=self._pipeline.post,
            topology=settings.topology,
            transient=(RedisAway,),
        )
        self._shards = self._make_shards()
        self._news = News(self._id, self._outlets, settings.lease_ttl_s)

    def _outcome(self, subject: Subject, outcome: Outcome) -> None:
        self._progress.outcome(subject, outcome)

    @property
    def _follows_commands(self) -> bool:
        return "candle" in SERVED[self._role]

    def _beside(self) -> Sequence[Coroutine[Any, Any, None]]:
        beside = [self._directory.keep_fresh(self._planner.markets), self._progress.run()]
        return beside if self._last is None else [*beside, self._last.run()]

    async def _plan(self, workers: Workers) -> Wanted:
        plan: Plan = await self._planner.plan()
        self._news.tell(plan, workers, self._shards.owned, self._directory.known)
        return plan.shards

    def _open(self, shard: Shard, lease: Lease) -> OwnedShard:
        place = Place(shard.exchange, shard.market, shard.channel)
        return OwnedShard(
            shard,
            lease,
            self._outlets,
            self._progress,
            address=self._addresses.of(place),
            dial=self._addresses.dialling(place.protocol, dial),
            reader=self._reader,
            reach=self._reach,
            clock=self._settings.market_clock,
            catalog=lambda: self._catalog(shard.exchange, shard.market),
        )

    def _is_any_live(self, streams: Iterable[Stream]) -> bool:
        owned = list(self._shards.owned.values())
        return any(shard.feed.is_live(stream) for stream in streams for shard in owned)

    def _record(self, returned: int) -> WorkerRecord:
        return worker_record(
            self._who,
            self._state,
            self._redis_state,
            self._stats,
            returned,
            shards=tuple(map(shard_record, list(self._shards.owned.values()))),
            counts=verdict_counts(self._shards),
        )


def _reach(settings: Settings) -> Reach:
    return Reach(
        most_bars=settings.backfill_bars,
        history_bars=settings.history_bars,
        look_back_ms=int(settings.look_back_s * 1000 * settings.market_clock.speed),
    )
