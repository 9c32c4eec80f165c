"""The price worker: engines, plan, shards and commands wired together, one tick after the other."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Callable, Iterable

from loguru import logger
from msgspec import Raw

from common.clocks import machine_s, wall_ms
from common.exchanges.place import Place
from common.exchanges.registry import EXCHANGES
from common.fleet.buckets import Buckets
from common.fleet.budgets import Budgets
from common.fleet.checkpoints import Checkpoints
from common.fleet.client import RedisAway, connect, drop_idle, wait_for_redis
from common.fleet.desired import Desired
from common.fleet.directory import Directory, FetchFailed
from common.fleet.keys import Keys
from common.fleet.last import LastValues
from common.fleet.leases import Lease, Leases
from common.fleet.members import Member, Members, takers
from common.fleet.plan import Plan, Planner
from common.model.instruments import Catalog, Instrument
from common.model.streams import SERVED, Market, Role, Shard, Stream
from common.ops import records
from common.ops.records import RedisState, WorkerState
from common.publish.candle_commands import CandleCommands
from common.publish.commands import Commands
from common.publish.pipeline import Pipeline
from common.publish.queues import CANDLE_REQUESTS
from common.recovery.reading import CandleReader
from common.recovery.rest import Rest, RestError
from common.recovery.resuming import Reach
from common.session.address import Addresses
from common.session.transport import dial
from config.settings import Settings
from workers.broker import Returns, rabbit_state
from workers.instruments import fetch_instruments
from workers.news import News
from workers.outlets import Outlets
from workers.owned import OwnedShard
from workers.progress import Progress
from workers.records import Identity, worker_record
from workers.shards import Shards
from workers.wants import Wants

# Workers that start together see each other before they claim, so that little moves afterwards.
JOIN_S = 3.0
# What the confirms of the last messages may take when the worker stops.
FLUSH_S = 5.0
# A confirm that takes longer tells of trouble: no shard is given back that need not be.
CALM_S = 2.0
# Ticks of many workers must not fall into step.
TICK_JITTER = 0.1
# Many commands are one tick: each of them wakes it, and a tick reads the whole plan.
WOKEN_S = 0.3


class PriceWorker:
    """One process's work. ``run`` returns when it has given everything back."""

    def __init__(self, settings: Settings, role: Role) -> None:
        self._settings = settings
        self._role: Role = role
        self._who = _identity(settings, role)
        self._id = self._who.worker_id
        self._state: WorkerState = "starting"
        self._redis_state: RedisState = "away"
        self._plan = Plan()
        self._wake = asyncio.Event()
        keys = Keys(settings.redis_prefix)
        self._redis = connect(settings.redis_url.reveal())
        self._budgets = Budgets(self._redis, keys, settings.egress, settings.worker_name)
        self._rest = Rest(settings.exchange_gateway, self._budgets)
        self._reader = CandleReader(self._rest, self._catalog, settings.market_clock)
        self._addresses = Addresses(settings.exchange_gateway, self._rest.answer, self._budgets)
        self._members = Members(self._redis, keys, settings.lease_ttl_s)
        self._leases = Leases(self._redis, keys, self._id, settings.lease_ttl_s)
        desired = Desired(self._redis, keys)
        self._directory = Directory(self._redis, keys, self._fetch)
        self._planner = Planner(
            settings.streams,
            desired,
            self._directory,
            Buckets(self._redis, keys),
            enabled=settings.exchanges,
        )
        checkpoints = Checkpoints(self._redis, keys)
        self._progress = Progress(checkpoints)
        self._pipeline = _pipeline(settings, self._progress.outcome)
        self._reach = _reach(settings)
        ttl_s = settings.last_values_ttl_s
        self._last = LastValues(self._redis, keys, ttl_s) if ttl_s else None
        self._outlets = Outlets(self._pipeline, self._progress, self._last)
        self._returns = Returns()
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
        self._shards = Shards(
            self._id, self._leases, self._open, self._flush, self._progress, self._is_calm
        )
        self._news = News(self._id, self._outlets, settings.lease_ttl_s)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then drain.

        Raises:
            WrongRedis: Redis would lose what the fleet keeps in it.
        """
        stopped = asyncio.create_task(stop.wait())
        work = asyncio.create_task(self._work())
        try:
            await asyncio.wait({stopped, work}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            stopped.cancel()
            work.cancel()
            await asyncio.wait({work})
            await self._end()

    # --- working ------------------------------------------------------------------------------

    async def _work(self) -> None:
        logger.bind(role=self._role, ttl_s=self._settings.lease_ttl_s).info("worker starts")
        self._tell_exchanges()
        await self._pipeline.start()
        await wait_for_redis(self._redis)
        self._redis_state = "ok"
        if "candle" in SERVED[self._role]:
            await self._commands.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._directory.keep_fresh(self._planner.markets))
            group.create_task(self._tick_for_ever())
            group.create_task(self._renew_for_ever())
            group.create_task(self._progress.run())
            if self._last is not None:
                group.create_task(self._last.run())

    def _tell_exchanges(self) -> None:
        for name in EXCHANGES:
            on = name in self._settings.exchanges
            reason = "" if on else "not in EXCHANGES"
            logger.bind(exchange=name, on=on, reason=reason).info(
                "exchange is {}", "on" if on else "off"
            )

    async def _tick_for_ever(self) -> None:
        joined_s = machine_s() + JOIN_S
        while True:
            await self._tick(claiming=machine_s() >= joined_s)
            renew_s = self._leases.renew_s * random.uniform(1 - TICK_JITTER, 1)
            await self._pause(min(renew_s, max(0.0, joined_s - machine_s())) or renew_s)

    async def _renew_for_ever(self) -> None:
        """Leases do not wait for what a tick waits for; a tick tells that Redis is away."""
        while True:
            await asyncio.sleep(self._leases.renew_s * random.uniform(1 - TICK_JITTER, 1))
            try:
                await self._shards.renew()
            except RedisAway as away:
                logger.bind(error=str(away)).debug("leases not renewed")

    async def _pause(self, seconds: float) -> None:
        """Until the next tick: sooner if a command wakes it, but never at once."""
        least_s = min(WOKEN_S, seconds)
        await asyncio.sleep(least_s)
        try:
            async with asyncio.timeout(seconds - least_s):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _tick(self, *, claiming: bool) -> None:
        try:
            await self._members.write(self._member())
            members = await self._members.all()
            self._budgets.sharers = sum(m.egress == self._settings.egress for m in members)
            self._plan = await self._planner.plan()
            self._news.tell(self._plan, takers(members), self._shards.owned, self._directory.known)
            if claiming:
                await self._shards.settle(self._plan.shards, takers(members))
                self._state = "running"
                await self._members.write(self._member())
        except RedisAway as away:
            if self._redis_state == "ok":
                logger.bind(error=str(away)).warning("redis is away, streaming on unfenced")
            self._redis_state = "away"
            await drop_idle(self._redis)
        else:
            if self._redis_state == "away":
                logger.info("redis is back")
            self._redis_state = "ok"

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

    def _catalog(self, exchange: str, market: Market) -> Catalog:
        return self._directory.known(exchange, market) or {}

    def _is_calm(self) -> bool:
        """Whether RabbitMQ confirms what it is given."""
        stats = self._pipeline.stats
        return rabbit_state(stats) == "ok" and (stats["durable_waiting_s"] or 0.0) < CALM_S

    async def _flush(self, limit_s: float) -> bool:
        return await self._pipeline.flush(limit_s, durable_only=True)

    async def _fetch(self, exchange: str, market: Market) -> list[Instrument]:
        try:
            return list(await fetch_instruments(self._rest, exchange, market))
        except RestError as error:
            raise FetchFailed(f"{type(error).__name__}: {error}", error.wait_s) from error

    # --- what it says about itself --------------------------------------------------------------

    def _is_any_live(self, streams: Iterable[Stream]) -> bool:
        owned = list(self._shards.owned.values())
        return any(shard.feed.is_live(stream) for stream in streams for shard in owned)

    def _member(self) -> Member:
        stats = {**self._pipeline.stats, **self._budgets.counts}
        returned = self._returns.recent(int(stats["candles_returned"] or 0), machine_s())
        record = worker_record(
            self._who, self._state, self._redis_state, stats, self._shards, returned
        )
        return Member(
            worker_id=record.worker_id,
            role=self._role,
            host=record.host,
            pid=record.pid,
            started_ms=record.started_ms,
            updated_ms=record.updated_ms,
            state=self._state,
            egress=self._settings.egress,
            record=Raw(records.encode(record)),
        )

    # --- stopping -------------------------------------------------------------------------------

    async def _end(self) -> None:
        """Not ready → leases given back → confirms flushed → gone."""
        self._state = "draining"
        try:
            await self._members.write(self._member())
        except RedisAway as away:
            logger.bind(error=str(away)).warning("redis is away, leases are left to run out")
        # Until they are given back, the leases are kept: nobody else starts before.
        renewing = asyncio.create_task(self._renew_for_ever(), name="renew while draining")
        try:
            await asyncio.gather(self._commands.close(), self._shards.drain(self._settings.drain_s))
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
        if not await self._pipeline.flush(FLUSH_S):
            logger.bind(unconfirmed=self._pipeline.stats["unconfirmed"]).warning(
                "stopping with unconfirmed messages"
            )
        await self._pipeline.close()
        await self._release_strays()
        try:
            await self._members.remove(self._id)
        except RedisAway as away:
            logger.bind(error=str(away)).info("the worker's record is left to run out")
        await self._rest.close()
        await self._redis.aclose()

    async def _release_strays(self) -> None:
        """A stop in the middle of a claim leaves leases that no shard here knows of."""
        try:
            released = await self._leases.release_mine(shard.key for shard in self._plan.shards)
        except RedisAway as away:
            logger.bind(error=str(away)).info("leases are left to run out")
            return
        if released:
            logger.bind(leases=released).info("leases without a shard given back")


def _identity(settings: Settings, role: Role) -> Identity:
    """Every life is a worker of its own: a restarted process inherits nothing by its name."""
    return Identity(
        worker_id=f"{settings.worker_name}:{secrets.token_hex(3)}",
        name=settings.worker_name,
        role=role,
        host=socket.gethostname(),
        pid=os.getpid(),
        started_ms=wall_ms(),
    )


def _reach(settings: Settings) -> Reach:
    return Reach(
        most_bars=settings.backfill_bars,
        history_bars=settings.history_bars,
        look_back_ms=int(settings.look_back_s * 1000 * settings.market_clock.speed),
    )


def _pipeline(settings: Settings, on_outcome: Callable[..., None]) -> Pipeline:
    return Pipeline(
        settings.rabbit_url.reveal(),
        topology=settings.topology,
        on_outcome=on_outcome,
        durable_limit=settings.publish_buffer,
        linger_s=settings.publish_linger_ms / 1000,
    )
