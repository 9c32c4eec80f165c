"""Claim → run → give back, on a real Redis: workers share, take over, and never own one twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from unittest.mock import AsyncMock

import pytest
from redis.asyncio import Redis

from common.clocks import MarketClock
from common.fleet.checkpoints import Checkpoints, Holder, Taken
from common.fleet.client import RedisAway, connect
from common.fleet.keys import Keys
from common.fleet.leases import Lease, Leases
from common.model.streams import Role, Shard, Stream
from common.recovery.reading import CandleReader
from common.recovery.rest import Rest
from common.recovery.resuming import Reach
from common.session.outcome import ELSEWHERE_AFTER
from tests.support.scripted import ScriptedExchange
from tests.support.spending import Unlimited
from tests.support.waiting import until
from tests.workers.test_feed import Outlet
from workers.owned import OwnedShard
from workers.progress import Progress
from workers.shards import Shards

pytestmark = pytest.mark.engines

TTL_S = 0.6


def wanted(count: int) -> dict[Shard, tuple[Stream, ...]]:
    return {
        Shard("binance", "spot", "candle", n): (
            Stream("binance", "spot", "candle", f"S{n}USDT", "1m"),
        )
        for n in range(count)
    }


class Worker:
    def __init__(self, name: str, redis: Redis) -> None:
        self.name = name
        self.exchange = ScriptedExchange()
        self.flushed = 0
        keys = Keys("test:")
        self.progress = Progress(Checkpoints(redis, keys))
        leases = Leases(redis, keys, name, TTL_S)
        self.shards = Shards(name, leases, self._open, self._flush, self.progress)

    def _open(self, shard: Shard, lease: Lease) -> OwnedShard:
        return OwnedShard(
            shard,
            lease,
            Outlet(),
            self.progress,
            address=self.exchange.address,
            reader=CandleReader(
                Rest(None, Unlimited()), lambda exchange, market: {}, MarketClock()
            ),
            dial=self.exchange.dial,
            reach=Reach(),
            clock=MarketClock(),
            catalog=dict,
        )

    async def _flush(self, limit_s: float) -> bool:
        self.flushed += 1
        return True

    @property
    def owns(self) -> set[Shard]:
        return set(self.shards.owned)

    async def tick(self, want: Mapping[Shard, tuple[Stream, ...]], *peers: Worker) -> None:
        workers: dict[str, Role] = {worker.name: "all" for worker in (self, *peers)}
        await self.shards.renew()
        await self.shards.settle(want, workers)


@asynccontextmanager
async def workers(url: str, *names: str) -> AsyncIterator[list[Worker]]:
    async with AsyncExitStack() as stack:
        made = []
        for name in names:
            redis = connect(url)
            stack.push_async_callback(redis.aclose)
            worker = Worker(name, redis)
            stack.push_async_callback(worker.shards.drain, 5.0)
            made.append(worker)
        yield made


async def settled(want: Mapping[Shard, tuple[Stream, ...]], *fleet: Worker) -> None:
    """Tick until everything wanted is owned and nothing moves."""
    async with asyncio.timeout(10):
        before: list[set[Shard]] = []
        while True:
            for worker in fleet:
                await worker.tick(want, *(peer for peer in fleet if peer is not worker))
            now = [worker.owns for worker in fleet]
            if now == before and set(chain(*now)) == set(want):
                return
            before = now
            await asyncio.sleep(0.01)


async def test_one_worker_takes_all_and_a_second_gets_its_half(redis_url: str) -> None:
    want = wanted(6)
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a)
        assert a.owns == set(want)
        await settled(want, a, b)
        assert (len(a.owns), len(b.owns)) == (3, 3)
        assert not a.owns & b.owns
        assert a.flushed == 3


async def test_a_dead_workers_shards_are_taken_over_after_the_ttl(redis_url: str) -> None:
    want = wanted(4)
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a, b)
        epochs = {shard: owned.lease.epoch for shard, owned in b.shards.owned.items()}
        # b is killed: it renews no more and nobody counts it.
        await settled(want, a)
        assert a.owns == set(want)
        assert all(a.shards.owned[shard].lease.epoch > epoch for shard, epoch in epochs.items())
        # It wakes up again, and stops at once what belongs to another.
        await b.shards.renew()
        assert b.owns == set()


async def test_a_renewal_waits_for_no_socket_and_what_is_lost_says_nothing_more(
    redis_url: str,
) -> None:
    want = wanted(1)
    (shard,) = want
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a)
        lost = a.shards.owned[shard]
        hanging = asyncio.Event()
        lost.stop = hanging.wait  # type: ignore[method-assign, assignment]
        assert lost._is_certain()
        await asyncio.sleep(TTL_S)
        await settled(want, b)
        async with asyncio.timeout(TTL_S / 3):
            await a.shards.renew()
        assert a.owns == set()
        lost.away = True  # Redis goes away just now: that makes it nobody's but the other's
        assert not lost._is_certain()
        hanging.set()


async def test_a_shard_that_nothing_comes_of_is_tried_by_another_process_once(
    redis_url: str,
) -> None:
    want = wanted(1)
    (shard,) = want
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a)
        a.shards.owned[shard].session.deaf = ELSEWHERE_AFTER
        await settled(want, a)
        assert a.owns == {shard}, "there is nobody else"
        await a.tick(want, b)
        await until(lambda: not a.owns)
        await a.tick(want, b)
        assert not a.owns, "the other one has the first choice"
        await b.tick(want, a)
        assert b.owns == {shard}
        # What comes back to where it was before stays.
        await b.shards.drain(5.0)
        a.shards._sent_away_s[shard] -= 60
        await a.tick(want)
        a.shards.owned[shard].session.deaf = ELSEWHERE_AFTER
        await a.tick(want, b)
        assert not a.shards._leaving


async def test_draining_gives_everything_back_at_once(redis_url: str) -> None:
    want = wanted(4)
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a)
        await a.shards.drain(5.0)
        assert a.owns == set()
        assert a.flushed == 4
        await b.tick(want)
        assert b.owns == set(want)


async def test_what_could_not_be_given_back_is_streamed_again_if_it_is_wanted(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis went away in between, and with it, it seemed, the worker that was to have the shard."""
    want = wanted(1)
    async with workers(redis_url, "a") as (a,):
        await settled(want, a)
        (shard,) = want
        old = a.shards.owned[shard]
        with monkeypatch.context() as away:
            away.setattr(a.progress, "flush", AsyncMock(side_effect=RedisAway("gone")))
            await a.shards.drain(5.0)
        await settled(want, a)
        new = a.shards.owned[shard]
        assert new is not old
        assert new.lease.epoch > old.lease.epoch
        assert not new.untaken


async def test_what_was_taken_for_a_shard_that_is_lost_meanwhile_is_free_for_the_next(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = wanted(1)
    async with workers(redis_url, "a") as (a,):
        (shard,) = want
        take = a.progress.take

        async def taken_too_late(holder: Holder, streams: Iterable[Stream]) -> Taken:
            taken = await take(holder, streams)
            lost = a.shards.owned[shard]
            a.shards._forget(lost)
            await lost.stop()
            return taken

        with monkeypatch.context() as late:
            late.setattr(a.progress, "take", taken_too_late)
            await a.tick(want)
        await settled(want, a)
        assert not a.shards.owned[shard].untaken


async def test_what_is_no_longer_wanted_is_given_back(redis_url: str) -> None:
    async with workers(redis_url, "a") as (a,):
        await settled(wanted(3), a)
        await settled(wanted(2), a)
        assert a.owns == set(wanted(2))


async def test_a_session_that_crashes_is_told_and_begun_anew(redis_url: str) -> None:
    want = wanted(1)
    async with workers(redis_url, "a") as (a,):
        await settled(want, a)
        (shard,) = a.owns
        first = a.shards.owned[shard]
        assert first._task is not None
        first._task.cancel()
        first._task = asyncio.create_task(fail())
        await asyncio.wait({first._task})
        await settled(want, a)
        assert a.shards.owned[shard] is not first
        assert a.shards.owned[shard].lease.epoch > first.lease.epoch


async def fail() -> None:
    raise ValueError("a defect")


async def test_a_change_of_streams_redials_nothing(redis_url: str) -> None:
    want = wanted(1)
    async with workers(redis_url, "a") as (a,):
        await settled(want, a)
        (shard,) = want
        await a.exchange.accepted(5.0)
        more = {shard: (*want[shard], Stream("binance", "spot", "candle", "NEWUSDT", "5m"))}
        await settled(more, a)
        assert a.shards.owned[shard].feed.streams == 2
        assert len(a.exchange.dials) == 1


async def test_a_shard_claimed_anew_is_not_forgotten_with_the_old_one(redis_url: str) -> None:
    want = wanted(1)
    async with workers(redis_url, "a") as (a,):
        await settled(want, a)
        (shard,) = want
        old = a.shards.owned[shard]
        new = a._open(shard, old.lease)
        a.shards.owned[shard] = new
        await a.shards._release(old)
        assert a.shards.owned[shard] is new
