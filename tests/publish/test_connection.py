"""The link to the broker: comes back by itself, at a walk, and tells no secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aio_pika.abc import AbstractConnection
from loguru import logger

from common.publish.connection import Backoff, Link
from tests.support.waiting import until


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message} {extra}")
    yield lines
    logger.remove(sink)


def test_waits_grow_from_one_second_to_thirty_with_jitter() -> None:
    for _ in range(200):
        backoff = Backoff()
        waits = [backoff.next_s() for _ in range(12)]
        assert all(1 <= wait <= min(30, 2.0**attempt) for attempt, wait in enumerate(waits, 1))
    late = set()
    for _ in range(50):
        late.add(round(backoff.next_s()))
    assert len(late) > 5
    backoff.reset()
    assert backoff.next_s() <= 2


class Listener:
    """Takes connections and closes them at once, as a proxy without a broker behind it does."""

    def __init__(self) -> None:
        self.taken = 0

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        writer.close()


async def never(_: AbstractConnection) -> None:
    raise AssertionError("there is no broker")


async def test_a_peer_that_takes_and_drops_is_redialled_at_a_walk_and_said_once(
    said: list[str],
) -> None:
    listener = Listener()
    server = await asyncio.start_server(listener, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Link(f"amqp://guest:guest@127.0.0.1:{port}/", never, name="test", retry_s=(0.1, 0.2))
    async with server:
        began_s = asyncio.get_running_loop().time()
        link.start()
        await until(lambda: listener.taken >= 4)
        assert asyncio.get_running_loop().time() - began_s >= 0.3
        await link.close()
    assert len([line for line in said if "broker link down" in line]) == 1


async def test_closing_does_not_wait_for_the_next_attempt() -> None:
    link = Link("amqp://guest:guest@127.0.0.1:1/", never, name="test", retry_s=(60, 90))
    link.start()
    await asyncio.sleep(0)
    began_s = asyncio.get_running_loop().time()
    await link.close()
    await link.close()
    assert asyncio.get_running_loop().time() - began_s < 2


@pytest.mark.engines
async def test_a_wrong_password_is_tried_again_and_never_told(
    rabbit_url: str, said: list[str]
) -> None:
    url = rabbit_url.replace("guest:guest", "guest:s3cr3t%2Fword")
    link = Link(url, never, name="test", retry_s=(0.05, 0.1))
    link.start()
    await until(lambda: any("broker link down" in line for line in said))
    await link.close()
    assert any("ACCESS_REFUSED" in line for line in said)
    assert not any("s3cr3t" in line for line in said)


@pytest.mark.engines
async def test_a_life_that_fails_begins_again_on_a_new_connection(
    rabbit_url: str, said: list[str]
) -> None:
    lives: list[AbstractConnection] = []

    async def life(connection: AbstractConnection) -> None:
        lives.append(connection)
        link.up()
        if len(lives) < 3:
            raise KeyError("a defect")
        await asyncio.Event().wait()

    link = Link(rabbit_url, life, name="test", retry_s=(0.05, 0.1))
    link.start()
    await until(lambda: link.ups == 3)
    await link.close()
    assert len(set(map(id, lives))) == 3
    assert all(connection.is_closed for connection in lives)
    assert sum("broker link failed" in line for line in said) == 2
