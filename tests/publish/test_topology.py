"""What is on the broker after a start, in each ``TOPOLOGY`` mode."""

from __future__ import annotations

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity
from loguru import logger

from common.publish.topology import (
    ACCOUNT_COMMANDS,
    COMMANDS,
    EVENTS,
    Mode,
    Topology,
    TopologyError,
    declare,
)
from scripts.engines import RabbitServer
from tests.publish.broker import backend, read
from tests.publish.examples import START_MS

pytestmark = pytest.mark.engines


async def make(url: str, topology: Topology, mode: Mode) -> None:
    async with await aio_pika.connect(url) as connection:
        await declare(connection, topology, mode)


async def test_full_is_exactly_what_the_design_says(rabbit: RabbitServer, rabbit_url: str) -> None:
    await make(rabbit_url, EVENTS, "full")
    await make(rabbit_url, COMMANDS, "full")
    await make(rabbit_url, ACCOUNT_COMMANDS, "full")
    vhost = rabbit_url.rsplit("/", 1)[1]

    def listed(what: str, *columns: str) -> set[str]:
        out = rabbit.ctl("list_" + what, "-p", vhost, "--no-table-headers", *columns)
        return {"|".join(line.split("\t")) for line in out.splitlines() if line}

    exchanges = {
        line for line in listed("exchanges", "name", "type", "durable") if line[:3] != "amq"
    }
    assert exchanges == {
        "|direct|true",
        "market|topic|true",
        "account|topic|true",
        "fleet|topic|true",
        "dead|direct|true",
        "gainium|direct|true",
    }
    assert listed("queues", "name", "durable", "type") == {
        "candles|true|quorum",
        "candles.dead|true|classic",
        "candles.replay|true|stream",
        "account-events|true|quorum",
        "account-events.dead|true|classic",
        "tickers|true|classic",
        "candlesRequests|true|classic",
        "candlesRequests.dead|true|classic",
        "usersStreamAction|true|classic",
        "usersStreamAction.dead|true|classic",
    }
    bindings = listed("bindings", "source_name", "destination_name", "routing_key")
    assert {line for line in bindings if not line.startswith("|")} == {
        "market|candles|candle.closed.#",
        "market|candles.replay|candle.closed.#",
        "market|tickers|ticker.#",
        "account|account-events|#",
        "dead|candles.dead|candles.dead",
        "dead|account-events.dead|account-events.dead",
        "dead|candlesRequests.dead|candlesRequests.dead",
        "gainium|candlesRequests|candlesRequests",
        "dead|usersStreamAction.dead|usersStreamAction.dead",
        "gainium|usersStreamAction|usersStreamAction",
    }


def test_every_queue_of_ours_has_a_bound_and_drops_its_oldest() -> None:
    for queue in (*EVENTS.queues, *COMMANDS.queues, *ACCOUNT_COMMANDS.queues):
        if queue.name in ("candlesRequests", "usersStreamAction"):
            assert queue.arguments == {}
        elif queue.arguments["x-queue-type"] == "stream":
            assert {"x-max-age", "x-max-length-bytes"} <= set(queue.arguments)
        else:
            assert queue.arguments["x-overflow"] == "drop-head"
            assert int(queue.arguments["x-max-length"]) > 0


async def test_older_backends_can_assert_the_commands_queue_as_they_do(rabbit_url: str) -> None:
    await make(rabbit_url, COMMANDS, "full")
    async with backend(rabbit_url) as channel:
        await channel.declare_exchange("gainium", "direct", durable=True)
        queue = await channel.declare_queue("candlesRequests", durable=True)
        await queue.bind("gainium", "candlesRequests")


async def test_a_rejected_candle_is_found_among_the_dead(rabbit_url: str) -> None:
    await make(rabbit_url, EVENTS, "full")
    async with backend(rabbit_url) as channel:
        market = await channel.get_exchange("market")
        key = "candle.closed.binance.spot.BTCUSDT.1m"
        await market.publish(aio_pika.Message(b"poison", delivery_mode=2), key)
        candles = await channel.get_queue("candles")
        message = await candles.get(timeout=5)
        await message.reject(requeue=False)
        (dead,) = await read(channel, "candles.dead", 1)
        assert (dead.body, dead.headers["x-first-death-queue"]) == (b"poison", "candles")


async def test_declaring_again_changes_nothing(rabbit_url: str) -> None:
    await make(rabbit_url, EVENTS, "full")
    async with backend(rabbit_url) as channel:
        await channel.default_exchange.publish(aio_pika.Message(b"kept"), "tickers")
        await make(rabbit_url, EVENTS, "full")
        await make(rabbit_url, EVENTS, "passive")
        (kept,) = await read(channel, "tickers", 1)
        assert kept.body == b"kept"


async def test_exchanges_declares_exchanges_only(rabbit_url: str) -> None:
    await make(rabbit_url, EVENTS, "exchanges")
    async with backend(rabbit_url) as channel:
        for exchange in EVENTS.exchanges:
            await channel.get_exchange(exchange.name)
        with pytest.raises(ChannelNotFoundEntity):
            await channel.get_queue("candles")


async def test_passive_names_everything_that_is_missing_and_makes_nothing(rabbit_url: str) -> None:
    async with backend(rabbit_url) as channel:
        await channel.declare_exchange("market", "topic", durable=True)
        await channel.declare_queue("tickers", durable=True)
    with pytest.raises(TopologyError) as caught:
        await make(rabbit_url, EVENTS, "passive")
    assert str(caught.value) == (
        "missing on the broker: exchange 'account' (topic), exchange 'fleet' (topic), "
        "exchange 'dead' (direct), queue 'candles.dead', queue 'account-events.dead', "
        "queue 'candles', queue 'account-events', queue 'candles.replay'"
    )
    async with backend(rabbit_url) as channel:
        with pytest.raises(ChannelNotFoundEntity):
            await channel.get_exchange("account")


async def test_a_queue_made_otherwise_is_used_as_it_is_and_said_so(rabbit_url: str) -> None:
    async with backend(rabbit_url) as channel:
        await channel.declare_queue("tickers", durable=True, arguments={"x-max-length": 5})
    said: list[str] = []
    sink = logger.add(lambda line: said.append(str(line)), format="{message} {extra}")
    try:
        await make(rabbit_url, EVENTS, "full")
    finally:
        logger.remove(sink)
    assert any("queue differs, used as it is" in line and "tickers" in line for line in said)
    async with backend(rabbit_url) as channel:
        market = await channel.get_exchange("market")
        await market.publish(aio_pika.Message(b"{}"), "ticker.binance.spot.BTCUSDT")
        assert len(await read(channel, "tickers", 1)) == 1


async def test_an_exchange_of_another_kind_is_an_error_that_names_it(rabbit_url: str) -> None:
    async with backend(rabbit_url) as channel:
        await channel.declare_exchange("market", "fanout", durable=True)
    with pytest.raises(TopologyError, match="exchange 'market' is not ours"):
        await make(rabbit_url, EVENTS, "full")


async def test_a_full_queue_drops_its_head_and_stops_nobody(rabbit_url: str) -> None:
    # The default bounds are too far away for a test: the same policy with a bound of two.
    async with backend(rabbit_url) as channel:
        arguments = {"x-max-length": 2, "x-overflow": "drop-head"}
        queue = await channel.declare_queue("candles", durable=True, arguments=arguments)
        await make(rabbit_url, EVENTS, "full")
        market = await channel.get_exchange("market")
        for bar in range(4):
            message = aio_pika.Message(str(START_MS + bar).encode(), delivery_mode=2)
            await market.publish(message, "candle.closed.binance.spot.BTCUSDT.1m")
        kept = [(await queue.get(timeout=5)).body for _ in range(2)]
        replay = [message.body for message in await read(channel, "candles.replay", 4)]
    assert kept == [str(START_MS + bar).encode() for bar in (2, 3)]
    assert replay == [str(START_MS + bar).encode() for bar in range(4)]
