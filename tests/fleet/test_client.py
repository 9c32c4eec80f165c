"""The connection to Redis: bounded, typed failures, and only a Redis that keeps what it is given."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from loguru import logger
from redis.asyncio import Redis

from common.clocks import machine_s
from common.fleet import client
from common.fleet.client import (
    Lua,
    RedisAway,
    WrongRedis,
    answered,
    check_policy,
    connect,
    wait_for_redis,
)
from scripts.engines import RedisServer
from tests.fleet.support import eventually


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged meanwhile, as messages."""
    messages: list[str] = []
    sink = logger.add(lambda line: messages.append(line.record["message"]), level="INFO")
    yield messages
    logger.remove(sink)


@pytest.fixture
async def own(own_redis: RedisServer) -> AsyncIterator[Redis]:
    redis = connect(own_redis.url)
    yield redis
    await redis.aclose()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting, short enough for a test."""
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "LAST_WAIT_S", 0.05)


async def test_noeviction_is_accepted(redis: Redis) -> None:
    assert await check_policy(redis) == "noeviction"


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_drops_keys_is_refused_and_the_cure_is_named(policy: str) -> None:
    with RedisServer(maxmemory_policy=policy) as server:
        redis = connect(server.url)
        with pytest.raises(WrongRedis, match=f"{policy}.*maxmemory-policy noeviction"):
            await wait_for_redis(redis)
        await redis.aclose()


async def restricted(redis: Redis, server: RedisServer, *denied: str) -> Redis:
    """A client that may not use some commands, as on managed Redis."""
    await redis.execute_command(
        "ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", *(f"-{c}" for c in denied)
    )
    return connect(f"redis://limited:secret@127.0.0.1:{server.port}/0")


async def test_where_config_is_forbidden_info_tells(own: Redis, own_redis: RedisServer) -> None:
    limited = await restricted(own, own_redis, "config")
    assert await check_policy(limited) == "noeviction"
    await own.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(WrongRedis):
        await check_policy(limited)
    await limited.aclose()


async def test_what_nobody_tells_is_unknown_not_wrong(
    own: Redis, own_redis: RedisServer, lines: list[str]
) -> None:
    limited = await restricted(own, own_redis, "config", "info")
    assert await check_policy(limited) == "unknown"
    assert lines == ["redis does not tell its maxmemory-policy; it has to be noeviction"]
    await limited.aclose()


async def test_a_wrong_password_is_an_absent_redis_and_is_not_told(
    own: Redis, own_redis: RedisServer
) -> None:
    await restricted(own, own_redis)
    stranger = connect(f"redis://limited:hunter2@127.0.0.1:{own_redis.port}/0")
    with pytest.raises(RedisAway, match="invalid username-password") as told:
        await check_policy(stranger)
    assert "hunter2" not in str(told.value)
    await stranger.aclose()


async def test_nobody_there_is_told_at_once_and_not_retried_in_secret() -> None:
    redis = connect("redis://127.0.0.1:1/0")
    started_s = machine_s()
    with pytest.raises(RedisAway, match="ConnectionError"):
        async with answered():
            await redis.get("x")
    assert machine_s() - started_s < 1
    await redis.aclose()


async def test_a_redis_that_hangs_is_given_up_and_its_late_answer_reaches_nobody(
    own: Redis, own_redis: RedisServer
) -> None:
    await own.set("which", "old")
    pid = int((await own.info("server"))["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        started_s = machine_s()
        with pytest.raises(RedisAway):
            async with answered(limit_s=0.2):
                await own.get("which")
        assert machine_s() - started_s < 1
    finally:
        os.kill(pid, signal.SIGCONT)
    async with answered():
        assert await own.set("other", "x") is True
        assert await own.get("other") == b"x"


async def test_an_error_of_redis_is_redis_away_too(redis: Redis) -> None:
    await redis.set("text", "x")
    with pytest.raises(RedisAway, match="WRONGTYPE"):
        async with answered():
            await redis.hget("text", "x")


async def test_errors_that_are_not_redis_pass_untouched() -> None:
    with pytest.raises(KeyError):
        async with answered():
            raise KeyError("ours")


async def test_cancelling_a_call_is_cancelling(own: Redis, own_redis: RedisServer) -> None:
    call = asyncio.create_task(_blocked(own))
    clients = connect(own_redis.url)

    async def blocked() -> bool:
        return any("blpop" in line["cmd"] for line in await clients.client_list())

    await eventually(blocked)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await clients.aclose()


async def _blocked(redis: Redis) -> None:
    async with answered():
        await redis.blpop(["nothing"], timeout=3)


async def test_a_script_is_loaded_again_after_a_restart(own: Redis, own_redis: RedisServer) -> None:
    script = Lua(own, "return redis.call('INCR', KEYS[1])")
    assert await script(["count"], []) == 1
    await asyncio.to_thread(own_redis.kill)
    with pytest.raises(RedisAway):
        await script(["count"], [])
    await asyncio.to_thread(own_redis.start)
    assert await script(["count"], []) == 2


@pytest.mark.usefixtures("quick")
async def test_waiting_is_told_when_it_begins_and_when_it_ends(
    own: Redis, own_redis: RedisServer, lines: list[str]
) -> None:
    own_redis.kill()
    waiting = asyncio.create_task(wait_for_redis(own))

    async def told() -> bool:
        return "waiting for redis" in lines

    await eventually(told)
    await asyncio.to_thread(own_redis.start)
    async with asyncio.timeout(10):
        assert await waiting == "noeviction"
    assert lines == ["waiting for redis", "redis is there"]


async def test_a_redis_that_is_there_is_not_worth_a_line(redis: Redis, lines: list[str]) -> None:
    assert await wait_for_redis(redis) == "noeviction"
    assert lines == []


async def test_a_cancellation_at_any_moment_of_a_call_is_never_lost(redis_url: str) -> None:
    redis = connect(redis_url)

    async def call_for_ever() -> None:
        while True:
            async with answered():
                await redis.ping()

    # The steps of the loop between two calls are few: every one of them is hit.
    for steps in range(200):
        calling = asyncio.create_task(call_for_ever())
        for _ in range(steps):
            await asyncio.sleep(0)
        calling.cancel()
        _, pending = await asyncio.wait({calling}, timeout=2)
        assert not pending, f"a cancel after {steps} steps was lost"
    await redis.aclose()


async def test_a_connection_that_was_reset_under_uvloop_is_redis_away() -> None:
    with pytest.raises(RedisAway, match="reset"):
        async with answered():
            raise RuntimeError(
                "unable to perform operation on <TCPTransport>; the handler is closed"
            )


async def test_a_defect_is_not_redis_away() -> None:
    with pytest.raises(RuntimeError, match="defect"):
        async with answered():
            raise RuntimeError("a defect of ours")


async def test_a_socket_in_the_file_system_is_an_address_too() -> None:
    redis = connect("unix:///nowhere/redis.sock")
    with pytest.raises(RedisAway, match="nowhere"):
        async with answered():
            await redis.ping()
    await redis.aclose()
