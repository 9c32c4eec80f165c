"""The connection to Redis: bounded in time, retried by nobody but us, and checked at start.

Whatever goes wrong between here and an answer is one thing to the fleet, ``RedisAway``: the tick
is over and the next one tries again. An answer may be lost after Redis has acted, so every script
of this package is safe to run twice.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from loguru import logger
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError, ResponseError

# A connect, or a wait for a free connection, that takes longer is a failure.
SOCKET_S = 2.0
# One call as a whole: waiting for a connection, dialling, handshake, command.
CALL_S = 4.0
# An idle connection is pinged before it is used again.
IDLE_CHECK_S = 15
CONNECTIONS = 8
# How uvloop says that a connection was reset, in an error the library lets through.
CLOSED_HANDLE = "the handler is closed"

FIRST_WAIT_S = 0.5
LAST_WAIT_S = 10.0

Argument = str | bytes | int
Policy = Literal["noeviction", "unknown"]

# Shared by scripts: Redis' own clock, and the next epoch or version, which rises even when the
# one before was lost with Redis' data.
CLOCK_LUA = """
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- In microseconds: two calls never share one, whatever has been lost between them.
local function above(last)
  local time = redis.call('TIME')
  return math.max(tonumber(last) + 1, time[1] * 1000000 + time[2])
end
local function digits(number)
  return string.format('%.0f', number)
end
"""


class RedisAway(Exception):  # noqa: N818 - it says where Redis is
    """Redis cannot be reached, or does not serve us now."""


class WrongRedis(Exception):  # noqa: N818 - it says what it is
    """Redis answers, but would lose what the fleet keeps in it. The message names the cure."""


@asynccontextmanager
async def answered(limit_s: float = CALL_S) -> AsyncIterator[None]:
    """Bound a call to Redis, and make every failure of it a ``RedisAway``."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        detail = str(error) or "no answer in time"
        raise RedisAway(f"{type(error).__name__}: {detail}") from error
    except RuntimeError as error:
        if CLOSED_HANDLE not in str(error):
            raise
        raise RedisAway(f"the connection was reset: {error}") from error


class Lua:
    """A script by its text: one bounded call, loaded again by itself after a restart."""

    def __init__(self, redis: Redis, text: str) -> None:
        self._script = redis.register_script(text)

    async def __call__(self, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run it.

        Raises:
            RedisAway: there was no answer, or an error.
        """
        async with answered():
            return await self._script(keys=keys, args=arguments)


def jittered(ceiling_s: float) -> float:
    """A wait of up to that; half of it is certain, so that even the luckiest draw is no hammering."""
    return ceiling_s * random.uniform(0.5, 1.0)


async def keep_flushed(flush: Callable[[], Awaitable[object]], every_s: float, what: str) -> None:
    """Call ``flush`` for ever; while Redis is away, ``what`` waits, which is said once."""
    away = False
    while True:
        await asyncio.sleep(every_s)
        try:
            await flush()
        except RedisAway as error:
            if not away:
                logger.bind(error=str(error)).warning("{} are not written", what)
            away = True
        else:
            away = False


def text(answer: object) -> str:
    """A name or value that Redis answered: bytes from our clients, text by the library's types."""
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def connect(url: str) -> Redis:
    """A client for ``redis://``, ``rediss://`` or ``unix://``. Opens nothing yet.

    Its owner closes it with ``aclose()``. Answers are bytes.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=SOCKET_S,
        # None: the library bounds a send by ``asyncio.wait_for``, which on Python 3.11 loses a
        # cancellation that comes in the same moment as the end. ``answered`` bounds every call.
        socket_timeout=None,
        socket_connect_timeout=SOCKET_S,
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
        health_check_interval=IDLE_CHECK_S,
        retry=Retry(NoBackoff(), 0),
        # The old protocol needs no greeting, so that a dial is one round trip less.
        protocol=2,
        driver_info=None,
    )
    return Redis.from_pool(pool)


async def drop_idle(redis: Redis) -> None:
    """Close the connections that wait for use: after a failure each of them may be half open.

    Found out one by one, each of them would cost a call.
    """
    try:
        async with asyncio.timeout(SOCKET_S):
            await redis.connection_pool.disconnect(inuse_connections=False)
    except (RedisError, OSError, RuntimeError) as error:
        logger.bind(error=str(error)).debug("idle connections to redis not closed well")


async def wait_for_redis(redis: Redis) -> Policy:
    """Wait until Redis serves and is of the right kind; told in the log when it begins and ends.

    Raises:
        WrongRedis: it will never do.
    """
    waited_s = 0.0
    ceiling_s = FIRST_WAIT_S
    while True:
        try:
            policy = await check_policy(redis)
        except RedisAway as error:
            if not waited_s:
                logger.bind(error=str(error)).warning("waiting for redis")
        else:
            if waited_s:
                logger.bind(waited_s=round(waited_s, 1)).info("redis is there")
            return policy
        delay_s = jittered(ceiling_s)
        await asyncio.sleep(delay_s)
        waited_s += delay_s
        ceiling_s = min(ceiling_s * 2, LAST_WAIT_S)


async def check_policy(redis: Redis) -> Policy:
    """Make sure that Redis refuses writes at its memory limit instead of dropping keys.

    Raises:
        WrongRedis: it would drop them.
        RedisAway: it did not answer.
    """
    async with answered():
        policy = await _configured_policy(redis) or await _reported_policy(redis)
    if policy is None:
        logger.warning("redis does not tell its maxmemory-policy; it has to be noeviction")
        return "unknown"
    if policy != "noeviction":
        raise WrongRedis(
            f"maxmemory-policy is {policy}: at its memory limit this Redis drops leases and wanted"
            " streams. Set `maxmemory-policy noeviction` in redis.conf, or run"
            " `redis-cli CONFIG SET maxmemory-policy noeviction`"
        )
    return "noeviction"


async def _configured_policy(redis: Redis) -> str | None:
    """What CONFIG says; None where it is forbidden or unknown, as on managed Redis."""
    try:
        answer = await redis.config_get("maxmemory-policy")
    except BusyLoadingError:
        raise
    except ResponseError as error:
        logger.bind(error=str(error)).debug("redis keeps CONFIG to itself")
        return None
    return _policy_in(answer, "maxmemory-policy")


async def _reported_policy(redis: Redis) -> str | None:
    """What INFO says; None where that is forbidden too, or does not mention it."""
    try:
        answer = await redis.info("memory")
    except ResponseError as error:
        logger.bind(error=str(error)).debug("redis keeps INFO to itself")
        return None
    return _policy_in(answer, "maxmemory_policy")


def _policy_in(answer: Mapping[Any, Any], name: str) -> str | None:
    """Names and values come as text or as bytes, depending on the command."""
    value = answer.get(name, answer.get(name.encode()))
    return None if value is None else text(value)
