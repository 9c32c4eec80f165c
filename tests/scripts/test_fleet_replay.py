"""``python -m scripts.fleet replay`` on a real broker: the same messages again, and clear ends."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterable
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from yarl import URL

from common.model.events import Candle
from common.publish.connection import connected
from common.publish.pipeline import Pipeline
from common.publish.topology import EVENTS, declare
from scripts.engines import RabbitServer
from scripts.fleet.replaying import SOURCE
from scripts.fleet.streamqueue import reading
from scripts.fleet.times import iso
from tests.publish.broker import alarm, backend, depth, read
from tests.publish.examples import MINUTE_MS, START_MS, candle
from tests.scripts.test_fleet_cli import fleet
from tests.workers.processes import running

pytestmark = pytest.mark.engines

REPLAY = "candles.replay"


def minute(bar: int) -> str:
    return str(START_MS + bar * MINUTE_MS)


async def publish(url: str, candles: Iterable[Candle]) -> None:
    """As a worker does; they are in the stream when it returns."""
    pipeline = Pipeline(url)
    await pipeline.start()
    for one in candles:
        origin = "reconcile" if one.revision else "live"
        pipeline.publish(one, epoch=1_795_237_297_391, origin=origin)
    assert await pipeline.flush(30)
    await pipeline.close()


async def taken(url: str, queue: str, count: int) -> list[AbstractIncomingMessage]:
    async with backend(url) as channel:
        return await read(channel, queue, count)


def replay(url: str, *arguments: str) -> Any:
    return fleet("replay", *arguments, RABBIT_URL=url)


def test_a_span_comes_again_as_it_came_first(rabbit_url: str) -> None:
    late = candle(bar=1, revision=1, close="1.75")
    sent = [candle(bar=bar) for bar in range(5)] + [candle("ETHUSDT", 2), late]
    asyncio.run(publish(rabbit_url, sent))
    first = asyncio.run(taken(rabbit_url, REPLAY, len(sent)))
    span = ("--from", minute(1), "--to", iso(START_MS + 4 * MINUTE_MS))
    told = replay(rabbit_url, *span, "--queue", "mine", "--create", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "queue": "mine",
        "fromMs": START_MS + MINUTE_MS,
        "toMs": START_MS + 4 * MINUTE_MS,
        "read": 7,
        "replayed": 5,
        "unreadable": 0,
        "firstStartMs": START_MS + MINUTE_MS,
        "lastStartMs": START_MS + 3 * MINUTE_MS,
        "queueFromMs": START_MS,
    }
    again = asyncio.run(taken(rabbit_url, "mine", 5))
    wanted = [m for m in first if minute(1) <= str(json.loads(m.body)["startMs"]) < minute(4)]
    assert [message.message_id for message in again][-1].endswith(f"{minute(1)}:r1")
    for one, other in zip(wanted, again, strict=True):
        for name in ("message_id", "type", "content_type", "timestamp", "app_id", "body"):
            assert getattr(one, name) == getattr(other, name), name
        assert other.delivery_mode == 2
        headers = {k: v for k, v in one.headers.items() if k != "x-stream-offset"}
        assert other.headers == headers | {"replay": True, "routingKey": one.routing_key}


def test_only_what_is_asked_for_and_any_number_of_times(rabbit_url: str) -> None:
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    asyncio.run(publish(rabbit_url, [candle(s, bar) for bar in range(3) for s in symbols]))
    asked = ("--from", minute(0), "--queue", "mine", "--exchange", "binance", "--market", "spot")
    asked += ("--symbol", "ETHUSDT", "--symbol", "SOLUSDT", "--interval", "1m")
    assert replay(rabbit_url, *asked, "--create").returncode == 0
    told = replay(rabbit_url, *asked)
    assert told.stdout.startswith(f"6 candles of {iso(START_MS)} to ")
    ids = [m.message_id for m in asyncio.run(taken(rabbit_url, "mine", 12))]
    assert (
        ids[:6]
        == ids[6:]
        == [f"candle:binance:spot:{s}:1m:{minute(bar)}:r0" for bar in range(3) for s in symbols[1:]]
    )


def test_the_span_may_be_relative_and_counts_by_the_market_clock(rabbit_url: str) -> None:
    asyncio.run(publish(rabbit_url, [candle()]))
    # Market time runs 60 times faster since the candle's start, so that hours ago is minutes ago.
    clock = {"MARKET_CLOCK": f"60@{START_MS}"}
    weeks = ("--from", "-99999w", "--to", "+1h", "--queue", "mine", "--create")
    told = fleet("replay", *weeks, RABBIT_URL=rabbit_url, **clock)
    assert (told.returncode, "is beyond all calendars" in told.stderr) == (2, True)
    told = fleet("replay", "--from", minute(-1), "--to", "+1h", *weeks[4:], RABBIT_URL=rabbit_url,
                 **clock)  # fmt: skip
    assert told.returncode == 0, told.stderr


def test_late_says_when_to_stop(rabbit_url: str) -> None:
    # More than is delivered at once: a backfilled candle behind them comes too late.
    later = [candle(f"S{n}", bar) for bar in (1, 200, 201) for n in range(1500)]
    asyncio.run(publish(rabbit_url, [candle(), *later]))
    asyncio.run(publish(rabbit_url, [candle("LATE")]))
    span = ("--from", minute(0), "--to", minute(1), "--queue", "mine", "--create", "--json")
    told = json.loads(replay(rabbit_url, *span, "--late", "2h").stdout)
    assert told["replayed"] == 1
    assert told["read"] < len(later)
    told = json.loads(replay(rabbit_url, *span).stdout)
    assert (told["replayed"], told["read"]) == (2, len(later) + 2)


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("--from", minute(0), "--queue", "mine"), 1, "there is no queue mine; --create makes it"),
        (("--from", minute(0), "--queue", REPLAY), 2, "is what is read"),
        (("--from", minute(0), "--queue", "", "--create"), 2, "is no name of a queue"),
        (("--from", minute(0), "--queue", "x" * 256, "--create"), 2, "is no name of a queue"),
        (("--from", minute(0), "--queue", "amq.mine", "--create"), 2, "is no name of a queue"),
        (("--from", "2023-11-14T22:14:00", "--queue", "mine"), 2, "has no zone"),
        (("--from", minute(1), "--to", minute(1), "--queue", "mine"), 2, "is not before"),
        (("--from", minute(0), "--queue", "mine", "--late", "soon"), 2, "no length of time"),
        (
            ("--from", minute(-9), "--to", minute(0), "--queue", "mine", "--create"),
            1,
            f"keeps begins with that of {iso(START_MS)}",
        ),
        (
            ("--from", minute(0), "--queue", "mine", "--create", "--symbol", "NO"),
            1,
            "1 messages read",
        ),
    ],
)
def test_every_refusal_says_why(
    rabbit_url: str, arguments: tuple[str, ...], status: int, why: str
) -> None:
    asyncio.run(publish(rabbit_url, [candle()]))
    told = replay(rabbit_url, *arguments)
    assert (told.returncode, told.stdout) == (status, "")
    assert why in told.stderr


def test_an_empty_stream_and_none_at_all(rabbit_url: str) -> None:
    asked = ("--from", minute(0), "--queue", "mine", "--create")
    told = replay(rabbit_url, *asked)
    assert (told.returncode, "there is no queue candles.replay" in told.stderr) == (1, True)
    assert "TOPOLOGY=full" in told.stderr

    async def make() -> None:
        async with await aio_pika.connect(rabbit_url) as connection:
            await declare(connection, EVENTS, "full")

    asyncio.run(make())
    told = replay(rabbit_url, *asked)
    assert (told.returncode, "candles.replay is empty" in told.stderr) == (1, True)


def test_a_queue_of_that_name_that_is_no_stream(rabbit_url: str) -> None:
    async def make() -> None:
        async with backend(rabbit_url) as channel:
            await channel.declare_queue(REPLAY, durable=True)

    asyncio.run(make())
    told = replay(rabbit_url, "--from", minute(0), "--queue", "mine", "--create")
    assert (told.returncode, "is no stream queue" in told.stderr) == (1, True)


def test_a_queue_that_takes_no_more_ends_it_and_says_so(rabbit_url: str) -> None:
    async def make() -> None:
        async with backend(rabbit_url) as channel:
            arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
            await channel.declare_queue("mine", durable=True, arguments=arguments)

    asyncio.run(publish(rabbit_url, [candle(bar=bar) for bar in range(5)]))
    asyncio.run(make())
    told = replay(rabbit_url, "--from", minute(0), "--queue", "mine")
    assert (told.returncode, told.stdout) == (1, "")
    assert "mine takes no more: make room and ask again" in told.stderr
    assert asyncio.run(depth(rabbit_url, "mine")) == 2


def test_a_broker_that_is_away_is_named_without_its_password() -> None:
    told = replay("amqp://guest:hunter22@127.0.0.1:1/", "--from", "-2h", "--queue", "mine")
    assert told.returncode == 1
    assert "RabbitMQ at amqp://" in told.stderr
    assert "hunter22" not in told.stderr


async def test_interrupted_it_tells_how_far_it_came(own_rabbit: RabbitServer) -> None:
    with own_rabbit.vhost() as url:
        await publish(url, [candle(f"S{n}", bar) for bar in range(10) for n in range(1000)])
        arguments = ("replay", "--from", minute(0), "--queue", "mine", "--create")
        # Nothing is taken meanwhile, not even a goodbye: it cannot be through before it is told to stop.
        async with (
            alarm(own_rabbit),
            running("scripts.fleet", *arguments, env={"RABBIT_URL": url}) as process,
        ):
            await until_blocked(own_rabbit)
            process.signal(signal.SIGINT)
            assert await process.ended() == 130
        assert process.text[-1].startswith("interrupted: ")
        assert "Traceback" not in "\n".join(process.text)
        again = ("--from", minute(0), "--queue", "whole", "--create", "--json")
        told = await asyncio.to_thread(replay, url, *again)
        assert json.loads(told.stdout)["replayed"] == 10_000


async def test_who_is_interrupted_while_the_broker_reads_nothing_is_interrupted(
    own_rabbit: RabbitServer,
) -> None:
    """And not told that the broker is gone, when a goodbye to it is not answered."""
    with own_rabbit.vhost() as url:
        await publish(url, [candle("S", 0)])
        begun = asyncio.Event()

        async def read(connection: AbstractConnection) -> None:
            async with reading(connection, SOURCE, "first"):
                channel = await connection.channel(publisher_confirms=False)
                await channel.default_exchange.publish(aio_pika.Message(b""), "nobody")
                begun.set()
                await asyncio.Event().wait()

        async with alarm(own_rabbit), connected(URL(url)) as connection:
            task = asyncio.create_task(read(connection))
            await begun.wait()
            await until_blocked(own_rabbit)
            task.cancel()
            async with asyncio.timeout(10):
                await asyncio.wait({task})
            assert task.cancelled()


async def until_blocked(rabbit: RabbitServer) -> None:
    """The broker reads nothing more of somebody who has published in an alarm."""
    async with asyncio.timeout(40):
        while "blocked" not in await asyncio.to_thread(
            rabbit.ctl, "list_connections", "--no-table-headers", "state"
        ):
            continue
