"""What every worker is: engines, leases and shards wired together, one tick after the other.

What it streams, and how, is its kind's (``workers.prices``, ``workers.users``).
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, Generic

from loguru import logger
from msgspec import Raw

from common.clocks import machine_s, wall_ms
from common.exchanges.registry import EXCHANGES
from common.exchanges.spending import Spending
from common.fleet.budgets import Budgets
from common.fleet.client import RedisAway, connect, drop_idle, wait_for_redis
from common.fleet.directory import Directory, FetchFailed
from common.fleet.keys import Keys
from common.fleet.leases import Lease, Leases
from common.fleet.members import Member, Members, takers
from common.fleet.patience import Patient
from common.fleet.placement import Workers
from common.fleet.turns import HORIZON_S
from common.model.instruments import Catalog, Instrument
from common.model.streams import Market, Role, Shard
from common.ops import records
from common.ops.records import RedisState, WorkerRecord, WorkerState
from common.publish.commands import Commands
from common.publish.durable import Subject
from common.publish.messages import Outcome
from common.publish.pipeline import Pipeline
from common.recovery.rest import Rest, RestError
from common.session.address import Addresses
from config.settings import Settings
from workers.beacon import Beacon
from workers.broker import Returns, Stats, rabbit_state
from workers.instruments import fetch_instruments
from workers.mirror import mirror_of
from workers.ownership import OwnedT
from workers.records import Identity
from workers.shards import Shards, Wanted

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


class Worker(ABC, Generic[OwnedT]):
    """One process's work. ``run`` returns when it has given everything back.

    Args:
        settings: what the operator has set.
        role: what it serves.

    Attributes:
        _shards, _commands: made by the kind, at the end of its own ``__init__``.
    """

    _shards: Shards[OwnedT]
    _commands: Commands
    # How far ahead this kind takes turns at what the exchanges allow.
    _horizon_s = HORIZON_S

    def __init__(self, settings: Settings, role: Role) -> None:
        self._settings = settings
        self._role: Role = role
        self._who = _identity(settings, role)
        self._id = self._who.worker_id
        self._state: WorkerState = "starting"
        self._redis_state: RedisState = "away"
        self._wanted: Wanted = {}
        self._wake = asyncio.Event()
        self._keys = keys = Keys(settings.redis_prefix)
        self._redis = connect(settings.redis_url.reveal())
        self._budgets = Budgets(
            self._redis, keys, settings.egress, settings.worker_name, self._horizon_s
        )
        self._spending = spending = self._spender()
        self._rest = Rest(settings.exchange_gateway, spending)
        # Who dials has nothing better to do than to wait, prices and accounts alike.
        dialling = Patient(self._budgets)
        self._addresses = Addresses(settings.exchange_gateway, self._rest.answer, dialling)
        self._members = Members(self._redis, keys, settings.lease_ttl_s)
        self._leases = Leases(self._redis, keys, self._id, settings.lease_ttl_s)
        self._directory = Directory(self._redis, keys, self._fetch)
        self._pipeline = Pipeline(
            settings.rabbit_url.reveal(),
            topology=settings.topology,
            on_outcome=self._outcome,
            durable_limit=settings.publish_buffer,
            linger_s=settings.publish_linger_ms / 1000,
        )
        self._returns = Returns()
        self._mirror = mirror_of(settings)
        self._beacon = None if self._mirror is None else Beacon(self._mirror, self._who)

    def _make_shards(self) -> Shards[OwnedT]:
        return Shards(self._id, self._leases, self._open, self._flush, self._is_calm)

    # --- what differs between kinds -------------------------------------------------------------

    def _spender(self) -> Spending:
        """How this kind spends what the exchanges allow."""
        return self._budgets

    @abstractmethod
    def _outcome(self, subject: Subject, outcome: Outcome) -> None:
        """RabbitMQ has answered for a durable message."""

    @abstractmethod
    def _open(self, shard: Shard, lease: Lease) -> OwnedT:
        """The runner of a shard that was claimed."""

    @abstractmethod
    async def _plan(self, workers: Workers) -> Wanted:
        """What is to be streamed, by all who serve the same as this worker.

        Raises:
            RedisAway: nothing is known; everything goes on.
        """

    @property
    def _follows_commands(self) -> bool:
        return True

    @abstractmethod
    def _beside(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What runs for ever beside the ticks."""

    @abstractmethod
    def _record(self, returned: int) -> WorkerRecord:
        """What it says about itself."""

    # --- working ------------------------------------------------------------------------------

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

    async def _work(self) -> None:
        logger.bind(role=self._role, ttl_s=self._settings.lease_ttl_s).info("worker starts")
        self._tell_exchanges()
        await self._pipeline.start()
        await wait_for_redis(self._redis)
        self._redis_state = "ok"
        if self._follows_commands:
            await self._commands.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick_for_ever())
            group.create_task(self._renew_for_ever())
            for each in (*self._beside(), *self._for_older_backends()):
                group.create_task(each)

    def _for_older_backends(self) -> Sequence[Coroutine[Any, Any, None]]:
        if self._mirror is None or self._beacon is None:
            return ()
        return self._mirror.run(), self._beacon.run()

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
            workers = self._kin(takers(members))
            if self._beacon is not None:
                self._beacon.look(workers)
            self._wanted = await self._plan(workers)
            if claiming:
                await self._shards.settle(self._wanted, workers)
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

    def _kin(self, workers: Workers) -> Workers:
        """Those among whom the shards are divided."""
        users = self._role == "user"
        return {worker: role for worker, role in workers.items() if (role == "user") == users}

    @property
    def _stats(self) -> Stats:
        """What the parts that all kinds have tell of themselves."""
        mirrored = {} if self._mirror is None else self._mirror.counts
        return {**self._pipeline.stats, **self._budgets.counts, **mirrored}

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

    def _member(self) -> Member:
        stats = self._pipeline.stats
        lost = sum(
            int(stats[name] or 0) for name in ("candles_returned", "account_events_returned")
        )
        record = self._record(self._returns.recent(lost, machine_s()))
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
        if self._mirror is not None:
            await self._mirror.close()
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
            released = await self._leases.release_mine(shard.key for shard in self._wanted)
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
