"""Listings are followed while everything runs: halted, delisted, new; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from common.fleet.client import connect
from common.fleet.keys import Keys
from tests.support.collector import Collector, Received, collecting
from tests.workers.test_fleet import fleet, until_health

pytestmark = pytest.mark.engines

STREAMS = "binance:spot:candle:*USDT:1m"
# The list is looked at every fifteen seconds at the latest.
LOOKED_AT_S = 40.0


async def grow_old(redis_url: str) -> None:
    """The instrument list was fetched long ago: whoever looks at it fetches it again."""
    redis, key = connect(redis_url), Keys().instruments_version("binance", "spot")
    version = (await redis.get(key)).split()[0]
    await redis.set(key, version + b" 0")
    await redis.aclose()


def of(symbol: str, state: str) -> Callable[[Collector], list[Received]]:
    return lambda c: [
        m for m in c.messages if (m.body["symbol"], m.body["state"]) == (symbol, state)
    ]


async def test_halts_delistings_and_listings_are_followed_without_a_redial(
    redis_url: str, rabbit_url: str
) -> None:
    async with (
        fleet(redis_url, rabbit_url, STREAMS) as it,
        collecting(rabbit_url, "stream.#", "fleet") as states,
        collecting(rabbit_url) as candles,
    ):
        worker = await it.worker("price-0")
        url = await it.health()
        await states.until(of("ETHUSDT", "live"))
        await states.until(of("SOLUSDT", "live"))
        await until_health(url, 200)
        before = {socket["id"] for socket in await it.exchange.connections()}
        spot = {"exchange": "binance", "market": "spot"}
        await it.exchange.control("symbol", action="halt", symbol="ETHUSDT", **spot)
        await it.exchange.control("symbol", action="delist", symbol="SOLUSDT", **spot)
        await it.exchange.control("symbol", action="list", base="NEW", quote="USDT", **spot)
        await grow_old(redis_url)
        await states.until(of("ETHUSDT", "halted"), timeout_s=LOOKED_AT_S)
        await states.until(of("SOLUSDT", "delisted"))
        await candles.until(lambda c: ("spot", "NEWUSDT", "1m") in c.closed())
        assert {socket["id"] for socket in await it.exchange.connections()} == before
        assert not [line for line in worker.lines if line["event"] == "connection ended"]
        # A halted symbol is nobody's fault, and nothing is asked of it any more.
        await until_health(url, 200)
        (halted,) = of("ETHUSDT", "halted")(states)
        assert halted.routing_key == "stream.halted.binance.spot.candle.ETHUSDT.1m"
        assert halted.body["reason"] == "ETHUSDT is halted on binance:spot"
        assert halted.body["epoch"] == (await worker.said("shard claimed"))["epoch"]
        seen = len(candles.closed()["spot", "BTCUSDT", "1m"])
        quiet = len(candles.closed()["spot", "ETHUSDT", "1m"])
        await candles.until(lambda c: len(c.closed()["spot", "BTCUSDT", "1m"]) > seen + 3)
        assert len(candles.closed()["spot", "ETHUSDT", "1m"]) == quiet


async def test_a_channel_that_nobody_serves_is_said_and_its_end_too(
    redis_url: str, rabbit_url: str
) -> None:
    async with (
        fleet(redis_url, rabbit_url, "binance:spot:candle:BTCUSDT:1m,binance:*:ticker:*") as it,
        collecting(rabbit_url, "stream.#", "fleet") as states,
    ):
        await it.worker("price-c", "candle")
        await it.worker("price-d", "candle")
        url = await it.health()
        await until_health(url, 503, "no worker serves channel ticker")

        def places(state: str) -> list[str]:
            return sorted(m.routing_key for m in states.messages if m.body["state"] == state)

        markets = ("inverse", "linear", "spot")
        await states.until(lambda _: len(places("unserved")) >= len(markets))
        await it.worker("price-t", "ticker")
        await states.until(lambda _: len(places("served")) >= len(markets))
        for state in ("unserved", "served"):
            assert places(state) == [f"stream.{state}.binance.{m}.ticker.%2A" for m in markets]
        await until_health(url, 200)
