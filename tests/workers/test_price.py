"""The price worker as a process: what it refuses, and how it ends."""

from __future__ import annotations

import pytest
import redis.asyncio

from tests.workers.processes import running, terminate

NOWHERE = "http://127.0.0.1:1"


async def test_every_wrong_setting_is_named_before_any_socket_opens() -> None:
    env = {"REDIS_PORT": "many", "STREAMS": "binance:spot", "TOPOLOGY": "none"}
    async with running("workers.price", env=env) as worker:
        assert await worker.ended() == 2
        text = "\n".join(worker.text)
    for name in env:
        assert name in text


async def test_an_unknown_role_is_refused() -> None:
    async with running("workers.price", "--role", "prices", env={}) as worker:
        assert await worker.ended() == 2
        assert "--role" in "\n".join(worker.text)


async def test_help_is_there() -> None:
    async with running("workers.price", "--help", env={}) as worker:
        assert await worker.ended() == 0
        assert "PRICEROLE" in "\n".join(worker.text)


@pytest.mark.engines
async def test_a_redis_that_drops_keys_is_refused_with_the_cure(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            async with running("workers.price", env={"REDIS_URL": redis_url}) as worker:
                assert await worker.ended() == 2
                assert "noeviction" in "\n".join(worker.text)
        finally:
            await client.config_set("maxmemory-policy", "noeviction")


async def test_without_engines_it_waits_and_stops_when_asked() -> None:
    env = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "RABBIT_URL": "amqp://guest:guest@127.0.0.1:1/",
        "EXCHANGE_GATEWAY": NOWHERE,
    }
    async with running("workers.price", env=env) as worker:
        await worker.said("waiting for redis")
        await worker.said("broker link down")
        assert await terminate(worker) == 0


@pytest.mark.engines
async def test_asked_to_stop_it_leaves_nothing_behind(redis_url: str, rabbit_url: str) -> None:
    env = {
        "REDIS_URL": redis_url,
        "RABBIT_URL": rabbit_url,
        "EXCHANGE_GATEWAY": NOWHERE,
        "WORKER_NAME": "price-0",
    }
    async with running("workers.price", "--role", "ticker", env=env) as worker:
        await worker.said("instrument list not renewed", market="inverse")
        await worker.said("broker link up", link="publish")
        assert await terminate(worker) == 0
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        left = {key.decode() async for key in client.scan_iter("fleet:*")}
    assert not {key for key in left if ":member" in key or ":lease:" in key}
