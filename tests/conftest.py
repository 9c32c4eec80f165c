"""Fixtures of the whole suite."""

import signal

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

# In the background of a shell, Ctrl-C is ignored by the suite and so by all that it starts; tests ask
# what it does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
