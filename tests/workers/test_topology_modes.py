"""``TOPOLOGY`` as a worker lives with it: it makes what it may, and waits for the rest by name."""

from __future__ import annotations

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity

from common.publish.topology import COMMANDS, EVENTS, declare
from tests.publish.broker import backend
from tests.support.collector import collecting
from tests.workers.test_fleet import fleet, request_candles, until_health

pytestmark = pytest.mark.engines

STREAMS = "binance:spot:candle:BTCUSDT:1m"
WANTED = {"symbol": "ETHUSDT", "exchange": "binance", "interval": "1m"}


async def test_exchanges_leaves_the_queues_to_the_backends(redis_url: str, rabbit_url: str) -> None:
    async with fleet(redis_url, rabbit_url, STREAMS) as it, collecting(rabbit_url) as collector:
        it.env["TOPOLOGY"] = "exchanges"
        worker = await it.worker("price-0")
        await collector.until(lambda c: c.closed())
        for queue in EVENTS.queues:  # the broker closes a channel with every refusal
            async with backend(rabbit_url) as channel:
                with pytest.raises(ChannelNotFoundEntity):
                    await channel.declare_queue(queue.name, passive=True)
        waits = await worker.said("broker link down", link="commands")
        assert "candlesRequests" in waits["reason"]
        async with backend(rabbit_url) as channel:
            await channel.declare_queue("candlesRequests", durable=True)
            await worker.said("broker link up", link="commands")
            assert (await request_candles(rabbit_url, WANTED))["state"] == "accepted"


async def test_passive_names_what_is_missing_and_begins_when_it_is_there(
    redis_url: str, rabbit_url: str
) -> None:
    async with fleet(redis_url, rabbit_url, STREAMS) as it:
        it.env["TOPOLOGY"] = "passive"
        worker = await it.worker("price-0")
        missing = await worker.said("broker link down", link="publish")
        for name in ("exchange 'market'", "queue 'candles'", "queue 'candles.replay'"):
            assert name in missing["reason"]
        url = await it.health()
        await until_health(url, 503, "price-0: RabbitMQ is away")
        async with await aio_pika.connect(rabbit_url) as connection:
            await declare(connection, EVENTS, "full")
            await declare(connection, COMMANDS, "full")
        await worker.said("broker link up", link="publish", timeout_s=40)
        await until_health(url, 200, timeout_s=40)
        async with collecting(rabbit_url) as collector:
            await collector.until(lambda c: c.closed())
