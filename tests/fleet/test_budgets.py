"""Budgets of one address, shared by processes over a real Redis: turns, bans, and Redis away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace

import fakeredis
import msgspec
import pytest
from loguru import logger
from redis.asyncio import Redis

from common.clocks import machine_s
from common.exchanges.budget import Budget, Pause, Used
from common.exchanges.protocol import Exchange
from common.exchanges.registry import EXCHANGES
from common.fleet import budgets as module
from common.fleet.budgets import Budgets, Wait
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.turns import HORIZON_S
from common.fleet.usage import read_use
from scripts.engines import RedisServer
from tests.support.waiting import until

pytestmark = pytest.mark.engines

KEYS = Keys("test:")
# Four at once, and then one every tenth of a second.
QUICK = Budget(capacity=18, window_s=1.0, burst=4)
SLOW = Budget(capacity=60, window_s=60.0, burst=3)
EXCHANGE: Exchange = replace(EXCHANGES["binance"], budgets={"quick": QUICK, "slow": SLOW})
OTHER: Exchange = replace(EXCHANGE, name="other")
ONE, SLOWLY = {"quick": 1}, {"slow": 1}


def process(redis: Redis, who: str = "a", egress: str = "here") -> Budgets:
    return Budgets(redis, KEYS, egress, who)


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message} {extra}")
    yield lines
    logger.remove(sink)


def count(said: list[str], words: str) -> int:
    return sum(words in line for line in said)


async def spent_in_s(process: Budgets, units: int, cost: dict[str, int] = ONE) -> float:
    begun_s = machine_s()
    for _ in range(units):
        assert await process.spend(EXCHANGE, cost, "test") is None
    return machine_s() - begun_s


# --- turns ----------------------------------------------------------------------------------


async def test_processes_on_one_address_share_what_there_is(redis: Redis) -> None:
    a, b = process(redis, "a"), process(redis, "b")
    async with asyncio.TaskGroup() as group:
        took_s = [group.create_task(spent_in_s(p, 7)) for p in (a, b)]
    # Fourteen: four at once, ten at ten a second.
    assert 0.95 <= max(task.result() for task in took_s) < 3


async def test_addresses_and_exchanges_share_nothing(redis: Redis) -> None:
    here, there = process(redis), process(redis, egress="there")
    assert await spent_in_s(here, 3, SLOWLY) < 1
    assert await spent_in_s(there, 3, SLOWLY) < 1
    begun_s = machine_s()
    await here.spend(OTHER, {"slow": 3}, "test")
    assert machine_s() - begun_s < 1
    await here.ban(EXCHANGE, 60.0, "why")
    assert await there.spend(EXCHANGE, ONE, "test") is None
    assert await here.spend(OTHER, ONE, "test") is None


async def test_waiters_of_all_processes_are_served_in_the_order_in_which_they_asked(
    redis: Redis,
) -> None:
    processes = [process(redis, "a"), process(redis, "b")]
    served: list[int] = []

    async def wait(number: int) -> None:
        await processes[number % 2].spend(EXCHANGE, ONE, "test")
        served.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(wait(number))
            await asyncio.sleep(0.03)
    assert served == list(range(12))


async def test_a_cancelled_wait_leaves_no_more_than_its_turn_unused(redis: Redis) -> None:
    one = process(redis)
    await spent_in_s(one, 4)
    waiting = [asyncio.create_task(one.spend(EXCHANGE, ONE, "test")) for _ in range(3)]
    await until(lambda: one.counts["budget_waits"] == 3)
    begun_s = machine_s()
    for task in waiting:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await one.spend(EXCHANGE, ONE, "test")
    assert machine_s() - begun_s < 4 / QUICK.per_s + 0.3


async def test_who_would_wait_too_long_is_told_so_at_once(redis: Redis) -> None:
    one = process(redis)
    most = round(SLOW.burst + HORIZON_S * SLOW.per_s) + 5
    waiting = [asyncio.create_task(one.spend(EXCHANGE, SLOWLY, "test")) for _ in range(most)]
    await until(lambda: one.counts["budget_refusals"])
    refused = [task.result() for task in waiting if task.done() and task.result() is not None]
    assert all(pause.kind == "full" and pause.wait_s > 0 for pause in refused)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_is_not_urgent_waits_for_the_rest_and_not_for_ever(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.6)
    one = process(redis)
    served: list[str] = []

    async def wait(name: str, *, urgent: bool) -> None:
        await one.spend(EXCHANGE, ONE, name, urgent=urgent)
        served.append(name)

    await spent_in_s(one, 4)
    async with asyncio.TaskGroup() as group:
        group.create_task(wait("other", urgent=False))
        await until(lambda: one.counts["budget_waits"] == 1)
        for number in range(12):
            group.create_task(wait(f"u{number}", urgent=True))
            await asyncio.sleep(0.09)
    assert served.index("other") > 3, "what is urgent overtook it"
    assert served.index("other") < 12, "but not all of it"


async def test_where_too_much_is_asked_for_what_was_always_urgent_is_served(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    one = Budgets(redis, KEYS, "here", "one", horizon_s=4.0)
    waiting: list[asyncio.Task[Pause | None]] = []

    async def ask(*, urgent: bool) -> Pause | None:
        """What was answered; None: it waits."""
        task = asyncio.create_task(one.spend(EXCHANGE, SLOWLY, "test", urgent=urgent))
        waiting.append(task)
        done, _ = await asyncio.wait({task}, timeout=0.1)
        return task.result() if done else None

    while await ask(urgent=False) is None:
        assert len(waiting) < 1000, "somebody is refused"
    assert await ask(urgent=True) is None
    while await ask(urgent=True) is None:
        assert len(waiting) < 1000, "in the end everybody is"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_turn_that_is_taken_too_late_has_to_be_asked_for_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped for a while must not send at once all that came due meanwhile."""
    monkeypatch.setattr(module, "LATE_S", 0.1)
    one = process(redis)
    await spent_in_s(one, 4)
    waiting = [asyncio.create_task(one.spend(EXCHANGE, ONE, "test")) for _ in range(8)]
    await until(lambda: one.counts["budget_waits"] == 8)
    time.sleep(1.0)  # noqa: ASYNC251 - the process stands still
    begun_s = machine_s()
    await asyncio.gather(*waiting)
    # The bucket is full of their unused turns first.
    assert machine_s() - begun_s >= 0.25


async def test_the_embedded_redis_runs_the_same_scripts() -> None:
    redis = fakeredis.FakeAsyncRedis()
    a, b = process(redis, "a"), process(redis, "b")
    assert await spent_in_s(a, 4) < 1
    await a.learn(EXCHANGE, Used("slow", 20, 0.0))
    waiting = asyncio.create_task(a.spend(EXCHANGE, {"quick": 4}, "test"))
    other = asyncio.create_task(b.spend(EXCHANGE, SLOWLY, "test"))
    await until(lambda: a.counts["budget_waits"] and b.counts["budget_waits"])
    await b.ban(EXCHANGE, 60.0, "why")
    pause = await waiting
    assert pause is not None
    assert pause.kind == "banned"
    use = await read_use(redis, KEYS, EXCHANGE, "here")
    assert [wait.who for wait in use.waiting] == ["b"]
    assert use.banned is not None
    assert use.banned.detail == "why"
    other.cancel()
    await asyncio.wait({other})
    await redis.aclose()


# --- bans -----------------------------------------------------------------------------------


async def test_a_ban_is_seen_by_all_processes_with_its_end_and_said_once(
    redis: Redis, said: list[str]
) -> None:
    a, b = process(redis, "a"), process(redis, "b")
    await a.ban(EXCHANGE, 0.8, "HTTP 418 banned")
    for _ in range(3):
        for one in (a, b):
            pause = await one.spend(EXCHANGE, ONE, "test")
            assert isinstance(pause, Pause)
            assert (pause.kind, pause.detail) == ("banned", "HTTP 418 banned")
            assert 0 < pause.wait_s <= 0.8
    assert count(said, "refuses this address") == 2, "once in each process"
    assert count(said, "the ban is over") == 0
    await asyncio.sleep(0.9)
    for one in (a, b, a, b):
        assert await one.spend(EXCHANGE, ONE, "test") is None
    assert count(said, "the ban is over") == 2
    assert (a.counts["bans"], b.counts["bans"]) == (1, 0)


async def test_a_later_shorter_ban_ends_no_longer_one(redis: Redis) -> None:
    a, b = process(redis, "a"), process(redis, "b")
    await a.ban(EXCHANGE, 300.0, "long")
    await b.ban(EXCHANGE, 5.0, "short")
    for one in (a, process(redis, "c")):
        pause = await one.spend(EXCHANGE, ONE, "test")
        assert pause is not None
        assert pause.wait_s > 290


async def test_a_wait_in_which_the_ban_comes_sends_nothing(redis: Redis) -> None:
    a, b = process(redis, "a"), process(redis, "b")
    await spent_in_s(a, 4)
    waiting = asyncio.create_task(b.spend(EXCHANGE, {"quick": 4}, "test"))
    await until(lambda: b.counts["budget_waits"])
    await a.ban(EXCHANGE, 60.0, "why")
    pause = await waiting
    assert pause is not None
    assert pause.kind == "banned"


async def test_a_request_that_was_asking_when_the_ban_came_ends_no_ban(
    redis: Redis, said: list[str]
) -> None:
    one = process(redis)
    asking = [asyncio.create_task(one.spend(EXCHANGE, ONE, "test")) for _ in range(3)]
    await asyncio.sleep(0)
    await one.ban(EXCHANGE, 60.0, "why")
    await asyncio.gather(*asking)
    pause = await one.spend(EXCHANGE, ONE, "test")
    assert pause is not None
    assert count(said, "refuses this address") == 1
    assert count(said, "the ban is over") == 0


async def test_what_the_exchange_counts_is_believed_by_all(redis: Redis) -> None:
    a, b = process(redis, "a"), process(redis, "b")
    await a.learn(EXCHANGE, Used("quick", 12, 0.0))
    begun_s = machine_s()
    assert await b.spend(EXCHANGE, ONE, "test") is None
    assert machine_s() - begun_s >= 0.8


async def test_a_wait_is_noted_with_who_waits_and_what_for(redis: Redis) -> None:
    one = process(redis, "worker-1")
    await spent_in_s(one, 3, SLOWLY)
    waiting = asyncio.create_task(one.spend(EXCHANGE, {"slow": 2}, "dial binance:spot:candle"))
    await until(lambda: one.counts["budget_waits"])
    (note,) = await redis.zrange(KEYS.waits("binance", "here"), 0, -1)
    wait = msgspec.json.decode(note, type=Wait)
    assert (wait.who, wait.what, wait.urgent) == ("worker-1", "dial binance:spot:candle", True)
    waiting.cancel()
    await asyncio.wait({waiting})


# --- Redis away -----------------------------------------------------------------------------


@pytest.fixture
async def mortal(own_redis: RedisServer) -> AsyncIterator[Redis]:
    client = connect(own_redis.url)
    yield client
    await client.aclose()


async def test_while_redis_is_away_a_process_goes_on_with_its_part_and_says_so_once(
    mortal: Redis, own_redis: RedisServer, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.2)
    one = process(mortal)
    one.sharers = 2
    assert await spent_in_s(one, 1) < 1
    await asyncio.to_thread(own_redis.kill)
    # Half of ten a second, and nothing at once.
    assert 0.8 <= await spent_in_s(one, 6) < 4
    assert count(said, "redis is away") == 1
    await asyncio.to_thread(own_redis.start)
    async with asyncio.timeout(10):
        while not count(said, "redis is back"):
            assert await one.spend(EXCHANGE, ONE, "test") is None
    assert await mortal.hget(KEYS.budget("binance", "here"), "quick") is not None


async def test_a_ban_outlives_redis_and_its_data(
    mortal: Redis, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.1)
    one = process(mortal)
    await asyncio.to_thread(own_redis.kill)
    await one.ban(EXCHANGE, 60.0, "why")
    assert await one.spend(EXCHANGE, ONE, "test") is not None
    await asyncio.to_thread(own_redis.wipe)
    await asyncio.to_thread(own_redis.start)
    other = process(mortal, "b")
    async with asyncio.timeout(10):
        while await other.spend(EXCHANGE, {}, "test") is None:
            assert await one.spend(EXCHANGE, ONE, "test") is not None, "it knows, and tells"
            await asyncio.sleep(0.05)
