"""Claim → run → give back, on a real Redis: workers share, take over, and never own one twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from unittest.mock import AsyncMock

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from common.clocks import MarketClock, machine_s
from common.fleet.checkpoints import Checkpoints, Holder, Taken
from common.fleet.client import RedisAway, connect
from common.fleet.keys import Keys
from common.fleet.leases import Lease, Leases
from common.model.events import Candle, MarketEvent
from common.model.streams import Origin, Role, Shard, Stream
from common.recovery.reading import CandleReader
from common.recovery.rest import Rest
from common.recovery.resuming import Reach
from common.recovery.steps import Hole
from common.session.outcome import ELSEWHERE_AFTER
from tests.recovery.bars import MINUTE_MS, at, bar
from tests.support.scripted import ScriptedExchange
from tests.support.spending import Unlimited
from tests.support.waiting import until
from tests.workers.test_feed import Outlet
from workers import progress
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


class Way(Outlet):
    """To RabbitMQ, which confirms when the test says so."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.unconfirmed: list[Candle] = []
        self.withdrawn: list[Stream] = []

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> bool:
        if isinstance(event, Candle) and event.closed:
            self.progress.published(event)
            self.unconfirmed.append(event)
        return super().publish(event, epoch=epoch, origin=origin)

    def withdraw(self, stream: Stream) -> None:
        self.withdrawn.append(stream)
        super().withdraw(stream)

    def is_under_way(self, stream: Stream) -> bool:
        return any(candle.stream == stream for candle in self.unconfirmed)

    def confirm(self) -> None:
        unconfirmed, self.unconfirmed = self.unconfirmed, []
        for candle in unconfirmed:
            self.progress.outcome(candle, "confirmed")


class Worker:
    """``now_ms`` is market time; it stands still."""

    def __init__(self, name: str, redis: Redis) -> None:
        self.name = name
        self.exchange = ScriptedExchange()
        self.flushed = 0
        self.reach = Reach()
        # RabbitMQ takes longer than a flush waits.
        self.slow = False
        self.now_ms = at(10.5)
        keys = Keys("test:")
        self.progress = Progress(Checkpoints(redis, keys))
        self.way = Way(self.progress)
        leases = Leases(redis, keys, name, TTL_S)
        self.shards = Shards(name, leases, self._open, self._flush)

    def _open(self, shard: Shard, lease: Lease) -> OwnedShard:
        clock = MarketClock(wall=lambda: self.now_ms)
        return OwnedShard(
            shard,
            lease,
            self.way,
            self.progress,
            address=self.exchange.address,
            reader=CandleReader(Rest(None, Unlimited()), lambda exchange, market: {}, clock),
            dial=self.exchange.dial,
            reach=self.reach,
            clock=clock,
            catalog=dict,
        )

    async def _flush(self, limit_s: float) -> bool:
        self.flushed += 1
        return not self.slow

    def hear(self, shard: Shard, stream: Stream, minute: int) -> None:
        """A close of the stream comes by the shard's socket."""
        self.shards.owned[shard].feed.event(replace(bar(minute), symbol=stream.symbol))

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


# --- who carries a stream -----------------------------------------------------------------------

BTC, ETH = (Stream("binance", "spot", "candle", symbol, "1m") for symbol in ("BTCUSDT", "ETHUSDT"))
FIRST, SECOND = (Shard("binance", "spot", "candle", number) for number in (0, 1))


async def test_a_stream_that_moves_to_another_shard_is_carried_when_all_of_it_is_confirmed(
    redis_url: str,
) -> None:
    async with workers(redis_url, "a", "b") as (a, b):
        await settled({FIRST: (BTC, ETH)}, a)
        a.hear(FIRST, ETH, 10)
        grown = {FIRST: (BTC,), SECOND: (ETH,)}
        await settled(grown, a, b)
        assert (a.owns, b.owns) == ({FIRST}, {SECOND})
        for worker in (a, b):
            await worker.progress.flush()
            worker.hear(*{a: (FIRST, ETH, 11), b: (SECOND, ETH, 11)}[worker])
        assert b.shards.owned[SECOND].untaken == {ETH}, "busy"
        assert (a.way.said, b.way.said) == ([(10, "live", 0)], [])
        a.way.confirm()
        await a.progress.flush()
        await settled(grown, a, b)
        assert b.shards.owned[SECOND].untaken == frozenset()
        for minute in (10, 11):
            b.hear(SECOND, ETH, minute)
        assert (a.way.said, b.way.said) == ([(10, "live", 0)], [(11, "live", 0)])
        (said,) = b.way.events
        assert said[1] == b.shards.owned[SECOND].lease.epoch > a.shards.owned[FIRST].lease.epoch


async def test_a_taking_whose_answer_was_lost_keeps_no_stream_from_its_next_shard(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with workers(redis_url, "a", "b") as (a, b):
        await settled({FIRST: (BTC,)}, a)
        a.hear(FIRST, BTC, 10)
        take = a.progress.take

        async def lost(holder: Holder, streams: Iterable[Stream]) -> Taken:
            await take(holder, streams)
            raise RedisAway("the answer was lost")

        with monkeypatch.context() as patch:
            patch.setattr(a.progress, "take", lost)
            with pytest.raises(RedisAway):
                await a.tick({FIRST: (BTC, ETH)}, b)
        # Before it is asked for again, the channel is divided anew.
        grown = {FIRST: (BTC,), SECOND: (ETH,)}
        await settled(grown, a, b)
        await settled(grown, a, b)
        assert b.shards.owned[SECOND].untaken == frozenset()
        # What the first shard carries stays its own under the new epoch.
        a.hear(FIRST, BTC, 11)
        a.way.confirm()
        await a.progress.flush()
        assert a.shards.owned[FIRST].feed.streams == 1
        assert a.way.said == [(10, "live", 0), (11, "live", 0)]


async def test_what_the_old_shard_could_not_get_confirmed_goes_out_by_the_new_one(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LEAVE_S", 0.0)
    async with workers(redis_url, "a", "b") as (a, b):
        await settled({FIRST: (BTC, ETH)}, a)
        await a.progress.flush()
        a.hear(FIRST, ETH, 10)
        grown = {FIRST: (BTC,), SECOND: (ETH,)}
        await settled(grown, a, b)
        await a.progress.flush()
        await settled(grown, a, b)
        assert a.way.said == [], "withdrawn"
        b.hear(SECOND, ETH, 10)
        assert b.way.said == [(10, "live", 0)]


async def test_a_dead_workers_stream_goes_on_where_it_was_confirmed(redis_url: str) -> None:
    want = {FIRST: (BTC,)}
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a)
        a.hear(FIRST, BTC, 10)
        a.way.confirm()
        a.hear(FIRST, BTC, 11)
        await a.progress.flush()
        b.now_ms = at(12.5)
        await settled(want, b)
        (lane,) = b.shards.owned[FIRST].feed.candle_lanes()
        assert lane.missing == Hole(at(11), at(12))


@pytest.mark.parametrize("exchange", ["binance", "kucoin"])
async def test_what_redis_may_have_lost_is_said_once_more_where_closes_are_inferred(
    redis_url: str, exchange: str
) -> None:
    """Who published it may have closed it by guess, and what was to be corrected is lost as well."""
    stream = Stream(exchange, "spot", "candle", "BTCUSDT", "1m")
    shard = Shard(exchange, "spot", "candle", 0)
    async with workers(redis_url, "a") as (a,):
        a.reach = Reach(look_back_ms=5 * MINUTE_MS)
        await settled({shard: (stream,)}, a)
        (lane,) = a.shards.owned[shard].feed.candle_lanes()
        missing = lane.missing
        assert missing is not None
        steps = lane.fetched([replace(bar(9), exchange=exchange)], missing)
        said = [(step.origin, step.candle.revision) for step in steps]
        assert ("reconcile", 1) in said if exchange == "kucoin" else said == [("backfill", 0)]


async def test_what_is_on_its_way_is_waited_for_before_the_next_owner_begins(
    redis_url: str,
) -> None:
    """Confirmed behind the hand-over, it would come twice without any fault."""
    want = {FIRST: (BTC,)}
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a)
        a.hear(FIRST, BTC, 10)
        a.slow = True
        draining = asyncio.create_task(a.shards.drain(10.0))
        await until(lambda: BTC in a.way.withdrawn)
        await b.tick(want)
        assert b.owns == set()
        a.way.confirm()
        await draining
        await settled(want, b)
        (lane,) = b.shards.owned[FIRST].feed.candle_lanes()
        assert lane.missing is None, "it goes on behind what was confirmed"


async def test_a_paused_owner_says_nothing_more_and_is_refused_at_its_next_write(
    redis_url: str,
) -> None:
    want = {FIRST: (BTC,)}
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a)
        paused = a.shards.owned[FIRST]
        a.hear(FIRST, BTC, 10)
        # It is stopped for longer than its lease lives; another takes over and goes on.
        await settled(want, b)
        for minute in (10, 11):
            b.hear(FIRST, BTC, minute)
        b.way.confirm()
        await b.progress.flush()
        a.hear(FIRST, BTC, 11)
        assert a.way.said == [(10, "live", 0)], "its lease has run out"
        # The confirm of what it sent before comes now: too late to move anything.
        a.way.confirm()
        await a.progress.flush()
        assert paused.feed.streams == 0
        a.hear(FIRST, BTC, 12)
        await a.progress.flush()
        await a.shards.renew()
        assert a.owns == set()
        taken = await b.progress._checkpoints.take(
            Holder(FIRST.key, b.shards.owned[FIRST].lease.epoch), [BTC]
        )
        checkpoint = taken.checkpoints[BTC]
        assert checkpoint is not None
        assert checkpoint.next_ms == at(12)


async def test_while_redis_is_away_the_owner_streams_on_though_its_lease_has_run_out(
    redis_url: str,
) -> None:
    want = {FIRST: (BTC,)}
    async with workers(redis_url, "a") as (a,):
        await settled(want, a)
        renew = a.shards._leases.renew
        a.shards._leases.renew = AsyncMock(side_effect=RedisAway)  # type: ignore[method-assign]
        with pytest.raises(RedisAway):
            await a.shards.renew()
        await until(lambda: not a.shards.owned[FIRST].lease.fenced(machine_s()))
        a.hear(FIRST, BTC, 10)
        assert a.way.said == [(10, "live", 0)]
        # It is back, and until it has been asked again nothing is sure.
        a.shards._leases.renew = renew  # type: ignore[method-assign]
        await a.shards.renew()
        a.hear(FIRST, BTC, 11)
        assert a.way.said == [(10, "live", 0), (11, "live", 0)]
        assert not a.shards.owned[FIRST].away


async def test_where_it_begins_is_kept_before_anything_of_a_stream_is_published(
    redis_url: str,
) -> None:
    """The owner dies at once: the next one begins there too, not when it comes."""
    want = {FIRST: (BTC,)}
    async with workers(redis_url, "a", "b") as (a, b):
        await settled(want, a)
        b.now_ms = at(13.5)
        await settled(want, b)
        (lane,) = b.shards.owned[FIRST].feed.candle_lanes()
        assert lane.missing == Hole(at(10), at(13))
