"""Real engines for the tests, as fixtures (``tests/conftest.py`` makes them known to all).

========================  =========  ==============================================================
fixture                   scope      what it is
========================  =========  ==============================================================
``redis_server``          session    one ``RedisServer``; started when first asked for; never kill it
``redis_url``             function   its URL, all data forgotten before the test
``rabbit``                session    one ``RabbitServer``; started when first asked for; never kill it
``rabbit_url``            function   the URL of a vhost of the test's own on it, removed afterwards
``own_redis``             function   a durable ``RedisServer`` that the test may kill and restart
``own_rabbit``            function   a ``RabbitServer`` that the test may kill, stop, restart or choke
``own_rabbit_url``        function   the URL of a vhost of the test's own on ``own_rabbit``
========================  =========  ==============================================================

``own_rabbit`` is one second broker for the whole session, brought up again before each test that
asks for it, because a start takes seconds. ``start``, ``stop``, ``kill`` and ``ctl`` block: in a
test whose clients must go on meanwhile, call them through ``asyncio.to_thread``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.engines import RabbitServer, RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with RedisServer(durable=True) as server:
        yield server


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitServer]:
    with RabbitServer() as server:
        yield server


@pytest.fixture
def rabbit_url(rabbit: RabbitServer) -> Iterator[str]:
    with rabbit.vhost() as url:
        yield url


@pytest.fixture(scope="session")
def second_rabbit() -> Iterator[RabbitServer]:
    with RabbitServer() as server:
        yield server


@pytest.fixture
def own_rabbit(second_rabbit: RabbitServer) -> RabbitServer:
    return second_rabbit.start()


@pytest.fixture
def own_rabbit_url(own_rabbit: RabbitServer) -> Iterator[str]:
    with own_rabbit.vhost() as url:
        yield url
