"""A broker that crashes, and one that takes nothing more: nothing is lost, nothing grows."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractConnection

from common.clocks import machine_s
from common.model.events import Candle
from common.publish.connection import CLOSE_TIMEOUT_S, Link, within
from common.publish.pipeline import Pipeline
from scripts.engines import RabbitServer
from tests.publish.broker import alarm, backend, depth, read
from tests.publish.examples import candle, ticker
from tests.publish.test_commands import ASKED, Desired, call, serving
from tests.publish.test_pipeline import Outcomes, running
from tests.support.waiting import until

pytestmark = pytest.mark.engines

SYMBOLS = [f"S{index}" for index in range(20)]


class Market:
    """Publishes a bar of every symbol and a price, over and over."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.sent: list[Candle] = []
        self.bar = 0
        self._pipeline = pipeline

    async def run(self) -> None:
        while True:
            for symbol in SYMBOLS:
                event = candle(symbol, self.bar)
                self.sent.append(event)
                self._pipeline.publish(event, epoch=1, origin="live")
                self._pipeline.publish(
                    ticker(symbol, event_ms=self.bar, last=str(self.bar)), epoch=1, origin="live"
                )
            self.bar += 1
            await asyncio.sleep(0.02)


async def test_a_killed_broker_costs_nothing_but_time(
    own_rabbit: RabbitServer, own_rabbit_url: str
) -> None:
    outcomes = Outcomes()
    desired = Desired()
    async with (
        running(own_rabbit_url, on_outcome=outcomes) as pipeline,
        serving(own_rabbit_url, desired) as commands,
    ):
        market = Market(pipeline)
        life = asyncio.create_task(market.run())
        # A quorum queue killed within moments of its birth may come back damaged.
        old_enough_s = machine_s() + 3
        await until(lambda: machine_s() > old_enough_s and len(outcomes.all) > 500, 30)
        await asyncio.to_thread(own_rabbit.kill)
        await until(lambda: not pipeline.stats["connected"] and not commands.stats["consuming"])
        await asyncio.to_thread(own_rabbit.start)
        await until(lambda: pipeline.stats["connected"] and commands.stats["consuming"], 30)
        life.cancel()
        await asyncio.wait((life,))
        assert await pipeline.flush(60)
        stats = pipeline.stats
        assert stats["refused"] == 0
        assert (stats["reconnects"], stats["unconfirmed"]) == (1, 0)
        assert int(stats["latest_pending"] or 0) == 0
        async with backend(own_rabbit_url) as channel:
            assert (await call(channel, ASKED))["state"] == "accepted"

    assert sorted(map(repr, outcomes.all)) == sorted(
        repr((event, "confirmed")) for event in market.sent
    )
    messages_there = await depth(own_rabbit_url, "candles")
    async with backend(own_rabbit_url) as channel:
        messages = await read(channel, "candles", messages_there, 30)
    ids = defaultdict(list)
    for message in messages:
        ids[message.headers["symbol"]].append(message.message_id)
    for symbol in SYMBOLS:
        wanted = [
            f"candle:binance:spot:{symbol}:1m:{event.start_ms}:r0"
            for event in market.sent
            if event.symbol == symbol
        ]
        # In order and without holes; a message whose confirm was lost is there twice, in a row.
        assert list(dict.fromkeys(ids[symbol])) == wanted
        assert ids[symbol] == sorted(ids[symbol], key=wanted.index)
    assert len(messages) - len(market.sent) <= len(SYMBOLS)


async def test_a_broker_in_a_memory_alarm_holds_nobody_up_and_nothing_grows(
    own_rabbit: RabbitServer, own_rabbit_url: str
) -> None:
    outcomes = Outcomes()
    settings = {"durable_limit": 300, "durable_window": 50, "latest_window": 10}
    async with running(own_rabbit_url, on_outcome=outcomes, **settings) as pipeline:
        pipeline.publish(candle("WARM"), epoch=1, origin="live")
        assert await pipeline.flush(10)
        market = Market(pipeline)
        life = asyncio.create_task(market.run())
        async with alarm(own_rabbit):
            try:
                await until(lambda: pipeline.stats["blocked"])
                await until(lambda: int(pipeline.stats["refused"] or 0) > 100)
                stats = pipeline.stats
                assert stats["connected"] is True
                assert stats["unconfirmed"] == 300
                assert int(stats["latest_pending"] or 0) <= len(SYMBOLS)
                assert int(stats["conflated"] or 0) > 0
            finally:
                life.cancel()
                await asyncio.wait((life,))
        assert await pipeline.flush(30)
        stats = pipeline.stats
        assert (stats["blocked"], stats["blocked_times"], stats["reconnects"]) == (False, 1, 0)
        confirmed = [event for event, outcome in outcomes.all if outcome == "confirmed"]
        refused = [event for event, outcome in outcomes.all if outcome == "refused"]
        assert len(confirmed) + len(refused) == len(market.sent) + 1
        assert stats["refused"] == len(refused)
    # A quorum queue counts with a delay.
    async with backend(own_rabbit_url) as channel:
        messages = await read(channel, "candles", len(confirmed), 20)
    assert len({message.message_id for message in messages}) == len(confirmed)


async def test_a_blocked_broker_can_be_left(own_rabbit: RabbitServer, own_rabbit_url: str) -> None:
    async with running(own_rabbit_url) as pipeline:
        async with alarm(own_rabbit):
            pipeline.publish(candle(), epoch=1, origin="live")
            await until(lambda: pipeline.stats["blocked"])
            assert not await pipeline.flush(0.1)
            async with asyncio.timeout(6):
                await pipeline.close()


async def test_who_leaves_a_blocked_broker_does_not_wait_until_it_has_read_everything(
    own_rabbit: RabbitServer, own_rabbit_url: str
) -> None:
    full = asyncio.Event()
    held: list[AbstractConnection] = []

    async def life(connection: AbstractConnection) -> None:
        held.append(connection)
        channel = await connection.channel(publisher_confirms=False)
        while True:
            sending = channel.default_exchange.publish(Message(bytes(1_000_000)), "nobody")
            try:
                await within(1, sending)
            except TimeoutError:
                full.set()
                await asyncio.Event().wait()

    async with alarm(own_rabbit):
        link = Link(own_rabbit_url, life, name="test")
        link.start()
        await full.wait()
        assert not held[0].is_closed
        async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
            await link.close()
    assert [connection.is_closed for connection in held] == [True]
