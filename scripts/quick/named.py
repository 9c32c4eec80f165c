"""Engines that the environment names: used as they are, and left as they were found.

The demo keeps to Redis keys of its own prefix, and to a vhost that no fleet uses yet; what it put
into them is taken out again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aio_pika
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity
from redis.asyncio import Redis
from redis.exceptions import RedisError

from common.publish.messages import MARKET_EXCHANGE
from common.publish.topology import ACCOUNT_COMMANDS, COMMANDS, EVENTS
from config.settings import DEFAULT, BadSettings, Effective, load_effective

TIMEOUT_S = 15.0
KEYS_AT_ONCE = 500


class NamedEngineError(RuntimeError):
    """The environment names an engine that cannot be used; the message says why."""


@dataclass(frozen=True)
class Named:
    """The URLs of the engines that the environment names, and how they are shown to people."""

    redis: str | None = None
    rabbit: str | None = None
    shown: tuple[str, ...] = ()


def named_engines(environ: Mapping[str, str]) -> Named:
    """Which engines the environment names, by URL or by parts.

    Raises:
        NamedEngineError: they are named in a way that makes no sense.
    """
    ours = {name: text for name, text in environ.items() if name.startswith(("REDIS_", "RABBIT_"))}
    try:
        effective = load_effective(ours, None)
    except BadSettings as bad:
        raise NamedEngineError(str(bad)) from None
    redis, rabbit = effective.settings.redis_url, effective.settings.rabbit_url
    has_redis, has_rabbit = _is_named(effective, "REDIS"), _is_named(effective, "RABBIT")
    return Named(
        redis.reveal() if has_redis else None,
        rabbit.reveal() if has_rabbit else None,
        tuple(str(url) for url, has in ((redis, has_redis), (rabbit, has_rabbit)) if has),
    )


def _is_named(effective: Effective, engine: str) -> bool:
    return effective.sources[f"{engine}_URL"] != DEFAULT


async def check(named: Named) -> None:
    """See that the named engines answer and that no fleet lives in that vhost.

    Raises:
        NamedEngineError: one of them does not do.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            if named.redis is not None:
                async with Redis.from_url(named.redis) as redis:
                    await redis.ping()
            if named.rabbit is not None and await _is_taken(named.rabbit):
                raise NamedEngineError(
                    f"the vhost of {named.shown[-1]} already has an exchange {MARKET_EXCHANGE!r}: a "
                    "fleet lives there. Name an empty one (rabbitmqctl add_vhost demo)."
                )
    except (OSError, TimeoutError, RedisError, AMQPError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise NamedEngineError(f"no use of {' and '.join(named.shown)}: {reason}") from error


async def _is_taken(rabbit_url: str) -> bool:
    async with await aio_pika.connect(rabbit_url, timeout=TIMEOUT_S) as connection:
        channel = await connection.channel()
        try:
            await channel.get_exchange(MARKET_EXCHANGE, ensure=True)
        except ChannelNotFoundEntity:
            return False
        return True


async def forget(named: Named, redis_prefix: str) -> None:
    """Take out what the demo put in."""
    async with asyncio.timeout(TIMEOUT_S):
        if named.redis is not None:
            async with Redis.from_url(named.redis) as redis:
                keys = [key async for key in redis.scan_iter(f"{redis_prefix}*", KEYS_AT_ONCE)]
                for start in range(0, len(keys), KEYS_AT_ONCE):
                    await redis.unlink(*keys[start : start + KEYS_AT_ONCE])
        if named.rabbit is not None:
            async with await aio_pika.connect(named.rabbit, timeout=TIMEOUT_S) as connection:
                channel = await connection.channel()
                for topology in (EVENTS, COMMANDS, ACCOUNT_COMMANDS):
                    for queue in topology.queues:
                        await channel.queue_delete(queue.name)
                    for exchange in topology.exchanges:
                        await channel.exchange_delete(exchange.name)
