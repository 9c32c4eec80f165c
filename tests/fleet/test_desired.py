"""What is wanted: durable, by whom, until when, and read for next to nothing."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from common.fleet.desired import Desired, TooManyWants, Want
from common.fleet.keys import Keys
from common.model.streams import Pattern, parse_pattern

BTC = parse_pattern("binance:spot:candle:BTCUSDT:1m")
ALL = parse_pattern("binance:*:ticker:*")


class Wall:
    """A wall clock in the test's hands."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def desired(redis: Redis, keys: Keys, wall: Wall) -> Desired:
    return Desired(redis, keys, now_ms=wall)


@pytest.fixture
def other(redis: Redis, keys: Keys, wall: Wall) -> Desired:
    """Another process."""
    return Desired(redis, keys, now_ms=wall)


async def test_nothing_is_wanted_at_first(desired: Desired) -> None:
    assert await desired.all() == []
    assert desired.version == 0


async def test_what_one_process_wants_another_reads(
    desired: Desired, other: Desired, wall: Wall
) -> None:
    assert await desired.add(BTC, "bot-1") is True
    assert await desired.add(ALL, "cli", until_ms=wall.ms + 1000) is True
    assert await other.all() == [
        Want(ALL, "cli", wall.ms, wall.ms + 1000),
        Want(BTC, "bot-1", wall.ms),
    ]


async def test_wanting_it_again_is_not_new_and_keeps_since(desired: Desired, wall: Wall) -> None:
    since_ms = wall.ms
    await desired.add(BTC, "bot-1", until_ms=since_ms + 1000)
    wall.ms += 500
    assert await desired.add(BTC, "bot-1", until_ms=since_ms + 2000) is False
    assert await desired.all() == [Want(BTC, "bot-1", since_ms, since_ms + 2000)]


async def test_what_two_want_ends_when_neither_does(desired: Desired) -> None:
    await desired.add(BTC, "bot-1")
    assert await desired.add(BTC, "bot-2") is True
    assert await desired.remove(BTC, "bot-1") is True
    assert [want.wanted_by for want in await desired.all()] == ["bot-2"]
    assert await desired.remove(BTC, "bot-1") is False
    assert await desired.remove(BTC, "bot-2") is True
    assert await desired.all() == []


async def test_a_want_ends_at_its_time_and_leaves_redis(
    desired: Desired, other: Desired, redis: Redis, keys: Keys, wall: Wall
) -> None:
    await desired.add(BTC, "bot-1", until_ms=wall.ms + 1000)
    await desired.add(ALL, "cli")
    assert len(await other.all()) == 2
    wall.ms += 999
    assert len(await other.all()) == 2
    wall.ms += 1
    assert [want.pattern for want in await other.all()] == [ALL]
    assert await redis.hkeys(keys.desired) == [b"binance:*:ticker:* cli"]
    assert await desired.add(BTC, "bot-1") is True, "after its end it is new again"


async def test_an_end_that_was_put_off_elsewhere_is_not_pruned_here(
    desired: Desired, other: Desired, wall: Wall
) -> None:
    await desired.add(BTC, "bot-1", until_ms=wall.ms + 1000)
    await other.all()
    wall.ms += 1500
    # before other reads again, bot-1 wants it longer
    await desired.add(BTC, "bot-1", until_ms=wall.ms + 1000)
    assert [want.until_ms for want in await other.all()] == [wall.ms + 1000]


async def test_a_poll_without_change_reads_no_wants(
    desired: Desired, other: Desired, redis: Redis
) -> None:
    await desired.add(BTC, "bot-1")
    await other.all()
    await redis.config_resetstat()
    assert len(await other.all()) == 1
    assert "cmdstat_hgetall" not in await redis.info("commandstats")


async def test_the_version_changes_with_what_is_wanted_and_only_then(desired: Desired) -> None:
    versions = []
    for change in (
        desired.add(BTC, "bot-1"),
        desired.add(BTC, "bot-1", 1_900_000_000_000),
        desired.remove(BTC, "bot-1"),
    ):
        await change
        await desired.all()
        versions.append(desired.version)
    assert versions == sorted(set(versions))
    await desired.remove(BTC, "bot-1")
    await desired.all()
    assert desired.version == versions[-1]


async def test_lost_data_is_put_back_by_who_knew_it(
    desired: Desired, other: Desired, redis: Redis, wall: Wall
) -> None:
    await desired.add(BTC, "bot-1", until_ms=wall.ms + 5000)
    await desired.add(ALL, "cli")
    before = await other.all()
    version = other.version
    await redis.flushall()
    assert await other.all() == before
    assert other.version > version
    assert await desired.all() == before


async def test_what_came_after_the_loss_is_not_overwritten(
    desired: Desired, other: Desired, redis: Redis, wall: Wall, keys: Keys
) -> None:
    await desired.add(BTC, "bot-1")
    await other.all()
    # an old snapshot, whose version is lower, in which bot-1 wants it until a time
    await redis.set(keys.desired_version, 5)
    until_ms = wall.ms + 9000
    await redis.hset(keys.desired, f"{BTC.key} bot-1", f"{until_ms} {wall.ms}")
    assert [want.until_ms for want in await other.all()] == [until_ms]


async def test_there_is_a_limit_and_reaching_it_is_an_error(redis: Redis, keys: Keys) -> None:
    small = Desired(redis, keys, most=2)
    await small.add(BTC, "bot-1")
    await small.add(BTC, "bot-2")
    with pytest.raises(TooManyWants, match="2 "):
        await small.add(BTC, "bot-3")
    assert await small.add(BTC, "bot-2", 1_900_000_000_000) is False, "what is there may change"
    await small.remove(BTC, "bot-1")
    assert await small.add(BTC, "bot-3") is True


@pytest.mark.parametrize(
    ("pattern", "wanted_by"),
    [(Pattern("binance", "spot", "ticker", "A B"), "bot"), (BTC, ""), (BTC, "x" * 201)],
)
async def test_what_would_not_come_back_from_redis_is_refused(
    desired: Desired, pattern: Pattern, wanted_by: str
) -> None:
    with pytest.raises(ValueError, match=r"blank|characters"):
        await desired.add(pattern, wanted_by)


async def test_a_name_may_have_blanks(desired: Desired) -> None:
    await desired.add(BTC, "a bot with a name")
    assert [want.wanted_by for want in await desired.all()] == ["a bot with a name"]


async def test_a_line_nobody_can_read_is_left_alone(
    desired: Desired, redis: Redis, keys: Keys
) -> None:
    await redis.hset(keys.desired, "gibberish", "x")
    await redis.hset(keys.desired, f"{BTC.key} bot-1", "x")
    await desired.add(BTC, "bot-1")
    assert [want.pattern for want in await desired.all()] == [BTC]
    assert await redis.hget(keys.desired, "gibberish") == b"x"
