"""The plan: the same for all who make it, new when something changed, and honest about the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from redis.asyncio import Redis

from common.exchanges.place import Place
from common.fleet.buckets import Buckets
from common.fleet.desired import Desired
from common.fleet.directory import Directory
from common.fleet.keys import Keys
from common.fleet.plan import Plan, Planner, no_worker
from common.fleet.sharding import capacity
from common.model.instruments import Instrument
from common.model.streams import Market, Shard, Stream, parse_pattern
from tests.fleet.test_sharding import instrument


class Lister:
    """What the exchange lists on each market."""

    def __init__(self) -> None:
        self.listed: dict[Market, list[str]] = {
            "spot": ["BTCUSDT", "ETHUSDT"],
            "linear": ["BTCUSDT"],
            "inverse": ["BTCUSD_PERP"],
        }

    async def __call__(self, exchange: str, market: Market) -> Sequence[Instrument]:
        return [instrument(symbol, market) for symbol in self.listed[market]]


class Process:
    """All that a process plans with."""

    def __init__(
        self, redis: Redis, keys: Keys, lister: Lister, *patterns: str, raises: bool = True
    ) -> None:
        self.desired = Desired(redis, keys)
        self.directory = Directory(redis, keys, lister, max_age_s=-1)
        self.buckets = Buckets(redis, keys)
        self.planner = Planner(
            map(parse_pattern, patterns), self.desired, self.directory, self.buckets, raises=raises
        )

    async def list_all(self) -> None:
        for place in self.planner.markets:
            assert await self.directory.refresh(*place)


@pytest.fixture
def lister() -> Lister:
    return Lister()


def streams_of(plan: Plan) -> Mapping[str, list[str]]:
    return {shard.key: [s.symbol for s in streams] for shard, streams in plan.shards.items()}


async def test_the_settings_become_shards(redis: Redis, keys: Keys, lister: Lister) -> None:
    process = Process(redis, keys, lister, "binance:*:ticker:*", "binance:spot:candle:BTC*:1m")
    await process.list_all()
    plan = await process.planner.plan()
    assert streams_of(plan) == {
        "binance:spot:candle:0": ["BTCUSDT"],
        "binance:spot:ticker:0": ["BTCUSDT", "ETHUSDT"],
        "binance:linear:ticker:0": ["BTCUSDT"],
        "binance:inverse:ticker:0": ["BTCUSD_PERP"],
    }
    assert plan.weights[Shard("binance", "spot", "ticker", 0)] == 2
    assert plan.problems == ()


async def test_what_is_wanted_in_redis_is_added(redis: Redis, keys: Keys, lister: Lister) -> None:
    process = Process(redis, keys, lister, "binance:spot:ticker:*")
    await process.list_all()
    before = await process.planner.plan()
    await process.desired.add(parse_pattern("binance:linear:candle:BTCUSDT:5m"), "bot")
    after = await process.planner.plan()
    added = Shard("binance", "linear", "candle", 0)
    assert after.shards.keys() - before.shards.keys() == {added}
    assert after.shards[added] == (Stream("binance", "linear", "candle", "BTCUSDT", "5m"),)
    assert process.planner.latest is after


async def test_while_nothing_changes_it_is_the_same_plan(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    process = Process(redis, keys, lister, "*:*:ticker:*")
    await process.list_all()
    plan = await process.planner.plan()
    await process.list_all()
    assert await process.planner.plan() is plan


async def test_two_processes_plan_the_same(redis: Redis, keys: Keys, lister: Lister) -> None:
    lister.listed["linear"] = [f"S{index}USDT" for index in range(400)]
    patterns = ("*:*:ticker:*", "*:linear:candle:*:1m")
    one, two = (Process(redis, keys, lister, *patterns) for _ in range(2))
    await one.list_all()
    assert (await one.planner.plan()).shards == (await two.planner.plan()).shards


async def test_listings_and_delistings_are_followed(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    process = Process(redis, keys, lister, "binance:spot:candle:*:1m")
    await process.list_all()
    await process.planner.plan()
    lister.listed["spot"] = ["BTCUSDT", "NEWUSDT"]
    await process.list_all()
    plan = await process.planner.plan()
    assert streams_of(plan) == {"binance:spot:candle:0": ["BTCUSDT", "NEWUSDT"]}


async def test_a_channel_grows_into_more_connections_and_never_shrinks(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    process = Process(redis, keys, lister, "binance:linear:candle:*:1m")
    most = capacity(Place("binance", "linear", "candle"))
    lister.listed["linear"] = [f"S{index}USDT" for index in range(3 * most)]
    await process.list_all()
    plan = await process.planner.plan()
    assert all(0 < len(streams) <= most for streams in plan.shards.values())
    assert sum(map(len, plan.shards.values())) == 3 * most
    count = (await process.buckets.agreed())["binance:linear:candle"]
    assert len(plan.shards) == count > 3
    assert await process.planner.plan() is plan, "raising the count is no change of its own"

    lister.listed["linear"] = lister.listed["linear"][:most]
    await process.list_all()
    plan = await process.planner.plan()
    assert sum(map(len, plan.shards.values())) == most
    assert (await process.buckets.agreed())["binance:linear:candle"] == count


async def test_a_count_that_another_worker_raised_is_followed(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    lister.listed["spot"] = [f"S{index}USDT" for index in range(60)]
    process = Process(redis, keys, lister, "binance:spot:candle:*:1m")
    await process.list_all()
    assert len((await process.planner.plan()).shards) == 1
    await Buckets(redis, keys).agree(Place("binance", "spot", "candle"), 5)
    assert len((await process.planner.plan()).shards) == 5


async def test_who_only_looks_on_plans_the_same_and_writes_nothing(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    lister.listed["linear"] = [f"S{index}USDT" for index in range(400)]
    watcher = Process(redis, keys, lister, "*:linear:candle:*:1m", raises=False)
    worker = Process(redis, keys, lister, "*:linear:candle:*:1m")
    await worker.list_all()
    seen = await watcher.planner.plan()
    assert await watcher.buckets.agreed() == {}
    assert seen.shards == (await worker.planner.plan()).shards
    assert (await watcher.planner.plan()).shards == seen.shards


async def test_before_the_lists_are_there_everything_is_a_problem_and_nothing_a_shard(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    plan = await Process(redis, keys, lister, "binance:*:ticker:*").planner.plan()
    assert plan.shards == {}
    assert [problem.kind for problem in plan.problems] == ["no_instruments"] * 3


async def test_a_wish_that_cannot_be_granted_is_a_problem_with_its_name(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    process = Process(redis, keys, lister)
    await process.list_all()
    await process.desired.add(parse_pattern("binance:spot:candle:NOSUCH:1m"), "bot")
    plan = await process.planner.plan()
    assert [(p.subject, p.kind) for p in plan.problems] == [
        ("binance:spot:candle:NOSUCH:1m", "unknown_symbol")
    ]


async def test_an_exchange_that_is_switched_off_is_neither_listed_nor_planned(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    process = Process(redis, keys, lister)
    planner = Planner(
        [parse_pattern("binance:spot:ticker:*")],
        process.desired,
        process.directory,
        process.buckets,
        enabled=[],
    )
    assert planner.markets == []
    assert [problem.kind for problem in (await planner.plan()).problems] == ["disabled"]


async def test_a_channel_no_live_worker_serves_is_an_alarm(
    redis: Redis, keys: Keys, lister: Lister
) -> None:
    process = Process(redis, keys, lister, "*:*:ticker:*")
    await process.list_all()
    plan = await process.planner.plan()
    (problem,) = no_worker(plan, {"price-1": "candle"})
    assert (problem.subject, problem.kind) == ("ticker", "no_worker")
    assert no_worker(plan, {"price-1": "candle", "price-2": "ticker"}) == []
    assert len(no_worker(plan, {})) == 1
    assert no_worker(Plan(), {}) == []
