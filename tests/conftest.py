"""Fixtures of the whole suite."""

from tests.support.engines import (
    own_rabbit,
    own_rabbit_url,
    own_redis,
    rabbit,
    rabbit_url,
    redis_server,
    redis_url,
    second_rabbit,
)

__all__ = [
    "own_rabbit",
    "own_rabbit_url",
    "own_redis",
    "rabbit",
    "rabbit_url",
    "redis_server",
    "redis_url",
    "second_rabbit",
]
