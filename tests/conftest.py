"""Fixtures of the whole suite."""

from hypothesis import settings

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

# A busy machine makes any single example slow; what hangs is ended by the suite's own timeout.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
