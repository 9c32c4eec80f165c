"""The consumer that keeps every message: through brokers that die, and with no repeat of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractExchange

from scripts.chaos.consumer import Consumer
from scripts.engines import RabbitServer
from tests.support.limits import losing_cancellations
from tests.support.waiting import until

pytestmark = pytest.mark.engines


@asynccontextmanager
async def consuming(url: str) -> AsyncIterator[Consumer]:
    consumer = Consumer(url)
    task = asyncio.create_task(consumer.run())
    try:
        await consumer.ready(30)
        yield consumer
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def market(url: str) -> AsyncIterator[AbstractExchange]:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        yield await channel.get_exchange("market")


async def say(amqp_exchange: AbstractExchange, name: str, kind: str = "candle.closed.v1") -> None:
    message = aio_pika.Message(
        json.dumps({"name": name}).encode(),
        message_id=name,
        type=kind,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers={"epoch": 7, "origin": "live"},
    )
    await amqp_exchange.publish(message, "candle.closed.binance.spot.BTCUSDT.1m", timeout=10)


def ids(consumer: Consumer) -> list[str]:
    return [one.message_id for one in consumer.deliveries if not one.own]


async def test_everything_is_kept_with_what_it_came_with(rabbit_url: str) -> None:
    async with consuming(rabbit_url) as consumer, market(rabbit_url) as amqp_exchange:
        await say(amqp_exchange, "m1")
        await until(lambda: consumer.deliveries)
        (one,) = consumer.deliveries
        assert (one.message_id, one.kind, one.body) == ("m1", "candle.closed.v1", {"name": "m1"})
        assert (one.epoch, one.origin, one.redelivered, one.own) == (7, "live", False, False)


async def test_the_same_message_twice_is_not_the_consumers_doing(rabbit_url: str) -> None:
    async with consuming(rabbit_url) as consumer, market(rabbit_url) as amqp_exchange:
        await say(amqp_exchange, "m1")
        await say(amqp_exchange, "m1")
        await until(lambda: len(consumer.deliveries) == 2)
        assert ids(consumer) == ["m1", "m1"]
        assert [delivery.own for delivery in consumer.deliveries] == [False, False]


async def test_what_cannot_be_read_is_told_and_ends_nothing(rabbit_url: str) -> None:
    async with consuming(rabbit_url) as consumer, market(rabbit_url) as amqp_exchange:
        key = "candle.closed.binance.spot.BTCUSDT.1m"
        await amqp_exchange.publish(aio_pika.Message(b"{", message_id="bad"), key, timeout=10)
        await say(amqp_exchange, "m1")
        await until(lambda: ids(consumer) == ["m1"])
        assert len(consumer.unreadable) == 1
        assert "bad" in consumer.unreadable[0]


async def test_a_broker_that_restarts_or_dies_costs_no_message_and_repeats_none(
    own_rabbit: RabbitServer, own_rabbit_url: str
) -> None:
    async with consuming(own_rabbit_url) as consumer:
        said = []
        # In this order: a quorum queue that is killed within its first second is beyond repair.
        for end in (own_rabbit.stop, own_rabbit.kill):
            lives = consumer.connects
            async with market(own_rabbit_url) as amqp_exchange:
                for _ in range(50):
                    said.append(f"m{len(said)}")
                    await say(amqp_exchange, said[-1])
                # Some of them are on their way to the consumer when the broker goes.
                await asyncio.to_thread(end)
            await until(lambda: not consumer.connected)
            await asyncio.to_thread(own_rabbit.start)
            await until(lambda: consumer.connected and consumer.connects > lives, timeout_s=30)  # noqa: B023
        async with market(own_rabbit_url) as amqp_exchange:
            await say(amqp_exchange, "after")
        await until(lambda: "after" in ids(consumer), timeout_s=30)
        assert ids(consumer) == [*said, "after"]


async def test_all_connections_closed_costs_no_message_and_repeats_none(
    own_rabbit: RabbitServer, own_rabbit_url: str
) -> None:
    async with consuming(own_rabbit_url) as consumer, market(own_rabbit_url) as amqp_exchange:
        for number in range(20):
            await say(amqp_exchange, f"before {number}")
        await asyncio.to_thread(own_rabbit.ctl, "close_all_connections", "--global", "chaos")
        await until(lambda: consumer.connects >= 2, timeout_s=30)
        await until(lambda: len(ids(consumer)) >= 20)
        assert ids(consumer) == [f"before {number}" for number in range(20)]


async def test_being_told_to_end_is_never_lost(
    rabbit_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = losing_cancellations(monkeypatch)
    async with consuming(rabbit_url) as consumer, market(rabbit_url) as amqp_exchange:
        await say(amqp_exchange, "m1")
        await until(lambda: consumer.deliveries)
    assert lost == []
