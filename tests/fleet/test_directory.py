"""The instrument lists: fetched by one, read by all, and never given up for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from loguru import logger
from redis.asyncio import Redis

from common.clocks import machine_s
from common.fleet import directory as module
from common.fleet.client import RedisAway, connect
from common.fleet.directory import Directory, FetchFailed
from common.fleet.keys import Keys
from common.model.instruments import Instrument
from common.model.streams import Market
from scripts.engines import RedisServer
from tests.fleet.support import eventually
from tests.fleet.test_sharding import instrument

SPOT: tuple[str, Market] = ("binance", "spot")


class Lister:
    """An exchange that lists what the test says, or fails."""

    def __init__(self, *symbols: str) -> None:
        self.symbols = symbols
        self.calls = 0
        self.failure: Exception | None = None
        self.hangs: asyncio.Event | None = None

    async def __call__(self, exchange: str, market: Market) -> Sequence[Instrument]:
        self.calls += 1
        symbols, failure = self.symbols, self.failure
        if self.hangs is not None:
            await self.hangs.wait()
        if failure is not None:
            raise failure
        return [instrument(symbol, market) for symbol in symbols]


@pytest.fixture
def lister() -> Lister:
    return Lister("BTCUSDT", "ETHUSDT")


@pytest.fixture
def directory(redis: Redis, keys: Keys, lister: Lister) -> Directory:
    return Directory(redis, keys, lister)


@pytest.fixture
def impatient(redis: Redis, keys: Keys, lister: Lister) -> Directory:
    """Every list is old at once."""
    return Directory(redis, keys, lister, max_age_s=-1)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    messages: list[str] = []
    sink = logger.add(lambda line: messages.append(line.record["message"]), level="INFO")
    yield messages
    logger.remove(sink)


async def lock_over(redis: Redis, keys: Keys) -> None:
    """Whatever wait the lock stands for has passed."""
    await redis.delete(keys.instruments_lock(*SPOT))


async def symbols(directory: Directory) -> list[str] | None:
    catalog = await directory.catalog(*SPOT)
    return None if catalog is None else sorted(catalog)


async def test_before_the_first_fetch_the_list_is_unknown_not_empty(directory: Directory) -> None:
    assert await directory.catalog(*SPOT) is None
    assert directory.known(*SPOT) is None


async def test_one_fetches_and_another_reads(
    directory: Directory, redis: Redis, keys: Keys
) -> None:
    assert await directory.refresh(*SPOT) is True
    other = Directory(redis, keys, Lister())
    assert await symbols(other) == ["BTCUSDT", "ETHUSDT"]
    assert await other.refresh(*SPOT) is False, "it is fresh"
    catalog = await other.catalog(*SPOT)
    assert catalog is not None
    assert catalog["BTCUSDT"] == instrument("BTCUSDT")
    assert other.known(*SPOT) is catalog


async def test_markets_are_listed_apart(directory: Directory) -> None:
    await directory.refresh(*SPOT)
    lists = await directory.catalogs([SPOT, ("binance", "linear")])
    assert lists["binance", "linear"] is None
    assert lists[SPOT] is not None


async def test_a_tick_is_one_small_call(directory: Directory, redis: Redis) -> None:
    await directory.refresh(*SPOT)
    await redis.config_resetstat()
    await directory.catalogs([SPOT, ("binance", "linear"), ("binance", "inverse")])
    stats = await redis.info("commandstats")
    assert stats["cmdstat_mget"]["calls"] == 1
    assert "cmdstat_get" not in stats


async def test_a_listing_reaches_the_other_workers(
    directory: Directory, impatient: Directory, lister: Lister
) -> None:
    await impatient.refresh(*SPOT)
    assert await symbols(directory) == ["BTCUSDT", "ETHUSDT"]
    lister.symbols = ("BTCUSDT", "NEWUSDT")
    await impatient.refresh(*SPOT)
    assert await symbols(directory) == ["BTCUSDT", "NEWUSDT"]


async def test_a_list_that_says_the_same_stays_the_same_object(
    directory: Directory, impatient: Directory
) -> None:
    await impatient.refresh(*SPOT)
    before = await directory.catalog(*SPOT)
    await impatient.refresh(*SPOT)
    assert await directory.catalog(*SPOT) is before


async def test_many_workers_make_one_fetch(redis: Redis, keys: Keys, lister: Lister) -> None:
    lister.hangs = asyncio.Event()
    workers = [Directory(redis, keys, lister) for _ in range(6)]
    refreshes = [asyncio.create_task(worker.refresh(*SPOT)) for worker in workers]
    async with asyncio.timeout(10):
        while sum(task.done() for task in refreshes) < 5:
            await asyncio.wait(refreshes, return_when=asyncio.FIRST_COMPLETED, timeout=0.05)
    lister.hangs.set()
    assert sum(await asyncio.gather(*refreshes)) == 1
    assert lister.calls == 1


@pytest.mark.parametrize("failure", [OSError("connection refused"), None])
async def test_a_failed_fetch_leaves_the_old_list_in_use_and_is_told(
    impatient: Directory,
    lister: Lister,
    redis: Redis,
    keys: Keys,
    lines: list[str],
    failure: Exception | None,
) -> None:
    await impatient.refresh(*SPOT)
    lister.failure, lister.symbols = failure, ()  # without a failure, the exchange lists nothing
    assert await impatient.refresh(*SPOT) is False
    assert await symbols(impatient) == ["BTCUSDT", "ETHUSDT"]
    assert ("connection refused" if failure else "lists nothing") in impatient.problems[SPOT]
    await lock_over(redis, keys)
    await impatient.refresh(*SPOT)
    assert lines == ["instrument list not renewed"], "once, not at every attempt"
    lister.failure, lister.symbols = None, ("BTCUSDT",)
    await lock_over(redis, keys)
    assert await impatient.refresh(*SPOT) is True
    assert impatient.problems == {}
    assert lines[1:] == ["instrument list renewed"]


async def test_after_a_failure_the_whole_fleet_waits_longer_each_time(
    directory: Directory, lister: Lister, redis: Redis, keys: Keys
) -> None:
    lister.failure = OSError("refused")
    waits_ms = []
    for _ in range(8):
        await directory.refresh(*SPOT)
        waits_ms.append(await redis.pttl(keys.instruments_lock(*SPOT)))
        calls = lister.calls
        await Directory(redis, keys, lister).refresh(*SPOT)
        assert lister.calls == calls, "nobody asks meanwhile"
        await lock_over(redis, keys)
    for attempt, wait_ms in enumerate(waits_ms):
        ceiling_ms = min(1000 * 2**attempt, 60_000)
        assert ceiling_ms / 2 - 50 < wait_ms <= ceiling_ms


async def test_an_exchange_that_says_how_long_to_wait_is_left_alone_by_the_whole_fleet(
    directory: Directory, lister: Lister, redis: Redis, keys: Keys
) -> None:
    lister.failure = FetchFailed("HTTP 418 banned", 1800.0)
    await directory.refresh(*SPOT)
    assert 1_790_000 < await redis.pttl(keys.instruments_lock(*SPOT)) <= 1_800_000
    assert directory.problems[SPOT] == "HTTP 418 banned"
    await Directory(redis, keys, lister).refresh(*SPOT)
    assert lister.calls == 1


async def test_a_wait_that_is_shorter_than_the_fleets_own_changes_nothing(
    directory: Directory, lister: Lister, redis: Redis, keys: Keys
) -> None:
    lister.failure = FetchFailed("HTTP 503", 0.0)
    await directory.refresh(*SPOT)
    assert await redis.pttl(keys.instruments_lock(*SPOT)) > 400


async def test_a_fetch_that_hangs_is_a_failure(redis: Redis, keys: Keys, lister: Lister) -> None:
    lister.hangs = asyncio.Event()
    directory = Directory(redis, keys, lister, fetch_s=0.05)
    assert await directory.refresh(*SPOT) is False
    assert "TimeoutError" in directory.problems[SPOT]


async def test_who_was_slower_than_its_lock_does_not_overwrite(
    directory: Directory, lister: Lister, redis: Redis, keys: Keys
) -> None:
    lister.hangs = asyncio.Event()
    slow = asyncio.create_task(directory.refresh(*SPOT))

    async def asked() -> bool:
        return lister.calls == 1

    await eventually(asked)
    await lock_over(redis, keys)
    other = Directory(redis, keys, Lister("NEWUSDT"))
    assert await other.refresh(*SPOT) is True
    lister.hangs.set()
    assert await slow is False
    assert await symbols(directory) == ["NEWUSDT"]


async def test_a_lost_list_is_put_back_by_who_knows_it_for_who_does_not(
    directory: Directory, lister: Lister, redis: Redis, keys: Keys
) -> None:
    await directory.refresh(*SPOT)
    fetched_ms = directory._known[SPOT].fetched_ms
    await redis.flushall()
    newcomer = Directory(redis, keys, lister)
    assert await symbols(newcomer) is None
    assert await symbols(directory) == ["BTCUSDT", "ETHUSDT"]
    assert await symbols(newcomer) == ["BTCUSDT", "ETHUSDT"]
    assert newcomer._known[SPOT].fetched_ms == fetched_ms, "it is as old as it was"
    assert await newcomer.refresh(*SPOT) is False
    assert lister.calls == 1


async def test_what_is_put_back_replaces_nothing_that_is_there_again(
    directory: Directory, redis: Redis, keys: Keys
) -> None:
    await directory.refresh(*SPOT)
    await redis.flushall()
    other = Directory(redis, keys, Lister("NEWUSDT"))
    await other.refresh(*SPOT)
    await directory._restore(SPOT)
    assert await symbols(directory) == await symbols(other) == ["NEWUSDT"]


async def test_who_dies_while_it_fetches_holds_nobody_up_for_long(
    monkeypatch: pytest.MonkeyPatch,
    directory: Directory,
    lister: Lister,
    redis: Redis,
    keys: Keys,
) -> None:
    monkeypatch.setattr(module, "LOCK_S", 0.3)
    monkeypatch.setattr(module, "RENEW_S", 0.05)
    lister.hangs = asyncio.Event()
    slow = asyncio.create_task(directory.refresh(*SPOT))

    async def renewed() -> bool:
        until_s = machine_s() + 0.5
        while machine_s() < until_s:
            await asyncio.sleep(0.02)
            if lister.calls and not await redis.exists(keys.instruments_lock(*SPOT)):
                return False
        return True

    assert await renewed(), "as long as it lives the lock stands"
    slow.cancel()
    await asyncio.wait({slow})
    lister.hangs.set()
    other = Directory(redis, keys, lister)

    async def fetched() -> bool:
        return await other.refresh(*SPOT)

    await eventually(fetched)


async def test_a_list_nobody_can_read_is_told_and_does_not_replace_what_is_known(
    directory: Directory, redis: Redis, keys: Keys
) -> None:
    await directory.refresh(*SPOT)
    await redis.set(keys.instruments(*SPOT), b"garbage")
    await redis.set(keys.instruments_version(*SPOT), "99 99")
    assert await symbols(directory) == ["BTCUSDT", "ETHUSDT"]
    assert "unreadable" in directory.problems[SPOT]


async def test_keeping_fresh_retries_until_there_is_a_list_and_ends_when_cancelled(
    redis: Redis, keys: Keys, lister: Lister, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_WAIT_S", "LAST_WAIT_S", "LOOK_S", "LOOK_MISSING_S"):
        monkeypatch.setattr(module, name, 0.01)
    directory = Directory(redis, keys, lister, max_age_s=0.02)
    lister.failure = OSError("refused")
    keeping = asyncio.create_task(directory.keep_fresh([SPOT, ("binance", "linear")]))

    async def has_failed_twice() -> bool:
        return lister.calls >= 4

    async def both_are_known() -> bool:
        return None not in (directory.known(*SPOT), directory.known("binance", "linear"))

    async def newly_listed() -> bool:
        return await symbols(directory) == ["NEWUSDT"]

    await eventually(has_failed_twice)
    lister.failure = None
    await eventually(both_are_known)
    lister.symbols = ("NEWUSDT",)
    await eventually(newly_listed)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping


async def test_without_redis_the_known_list_is_still_there(
    own_redis: RedisServer, keys: Keys, lister: Lister
) -> None:
    redis = connect(own_redis.url)
    directory = Directory(redis, keys, lister)
    await directory.refresh(*SPOT)
    await asyncio.to_thread(own_redis.kill)
    with pytest.raises(RedisAway):
        await directory.catalog(*SPOT)
    assert sorted(directory.known(*SPOT) or ()) == ["BTCUSDT", "ETHUSDT"]
    await redis.aclose()
