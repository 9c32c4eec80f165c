"""Engines that are not there yet, or will never do: processes wait for the one, refuse the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from scripts.engines import RabbitServer, RedisServer
from tests.support.collector import collecting
from tests.workers.processes import Process
from tests.workers.test_fleet import fleet, until_health

pytestmark = pytest.mark.engines

STREAMS = "binance:spot:candle:BTCUSDT:1m"
NOWHERE = "amqp://guest:guest@127.0.0.1:1/"
CURE = "redis-cli CONFIG SET maxmemory-policy noeviction"


@pytest.fixture
def late_redis() -> Iterator[RedisServer]:
    """Its port is known, but nobody listens there before ``start``."""
    server = RedisServer()
    try:
        yield server
    finally:
        server.close()


def events(process: Process) -> Counter[str]:
    return Counter(line["event"] for line in process.lines)


async def test_both_away_at_the_start_are_waited_for_and_then_everything_flows(
    late_redis: RedisServer, own_rabbit: RabbitServer, own_rabbit_url: str
) -> None:
    await asyncio.to_thread(own_rabbit.kill)
    async with fleet(late_redis.url, own_rabbit_url, STREAMS) as it:
        worker = await it.worker("price-0")
        url = await it.health()
        line = await worker.said("waiting for redis")
        assert "refused" in line["error"]
        line = await worker.said("broker link down", link="publish")
        assert "refused" in line["reason"]
        await until_health(url, 503, "Redis is away")

        await asyncio.to_thread(late_redis.start)
        await worker.said("redis is there")
        await until_health(url, 503, "price-0: RabbitMQ is away")

        await asyncio.to_thread(own_rabbit.start)
        await worker.said("broker link up", link="publish", timeout_s=40)
        await until_health(url, 200, timeout_s=40)
        async with collecting(own_rabbit_url) as collector:
            await collector.until(lambda c: c.closed())
        # One life of one process, and a line when waiting begins, not at every attempt.
        said = events(worker)
        assert (said["worker starts"], said["waiting for redis"], said["redis is there"]) == (
            1,
            1,
            1,
        )
        # Of publish and of commands; and perhaps another reason while the broker comes up.
        assert 2 <= said["broker link down"] <= 4
        assert said["worker crashed"] == 0
    assert late_redis.running


async def test_a_redis_that_comes_late_and_drops_keys_is_refused_with_the_cure() -> None:
    with_eviction = RedisServer(maxmemory_policy="allkeys-lru")
    try:
        async with fleet(with_eviction.url, NOWHERE, STREAMS) as it:
            worker = await it.worker("price-0")
            await worker.said("waiting for redis")
            await asyncio.to_thread(with_eviction.start)
            # 2 is not worth a restart: a person has to act.
            assert await worker.ended() == 2
            told = "\n".join(worker.text)
            assert "maxmemory-policy is allkeys-lru" in told
            assert CURE in told
            url = await it.health()
            assert CURE in await until_health(url, 503, "Redis is refused")
    finally:
        with_eviction.close()
