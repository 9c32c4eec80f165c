"""Candles by REST, from the simulated exchange: exactly the truth, in pages, built, or a failure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as changed

from common.exchanges.protocol import Exchange, MarketRules
from common.exchanges.registry import EXCHANGES
from common.model.events import Candle
from common.model.intervals import start_of
from common.model.streams import Stream
from common.recovery import reading
from common.recovery.reading import CandleReader
from common.recovery.rest import Rest, RestError
from common.recovery.steps import Hole
from tests.support.simulator import RunningSimulator, simulator
from tests.support.spending import Unlimited

MINUTE_MS = 60_000


@asynccontextmanager
async def reader(
    spending: Unlimited | None = None,
) -> AsyncIterator[tuple[CandleReader, RunningSimulator]]:
    async with simulator() as exchange:
        rest = Rest(exchange.url, spending or Unlimited())
        yield CandleReader(rest, lambda name, market: {}, exchange.clock), exchange
        await rest.close()


def stretch(exchange: RunningSimulator, interval: str, ago: int, count: int) -> Hole:
    """``count`` whole intervals that ended some minutes ago."""
    end_ms = start_of(interval, exchange.clock.now_ms() - ago * MINUTE_MS)
    first_ms = end_ms
    for _ in range(count):
        first_ms = start_of(interval, first_ms - 1)
    return Hole(first_ms, end_ms)


async def truth(exchange: RunningSimulator, stream: Stream, hole: Hole) -> list[Candle]:
    bodies: Any = await exchange.truth(
        "candles", exchange=stream.exchange, market=stream.market, symbol=stream.symbol,
        interval=stream.interval, from_=hole.from_ms, to=hole.to_ms,
    )  # fmt: skip
    return msgspec.convert(bodies, list[Candle])


def limited(monkeypatch: pytest.MonkeyPatch, **rules: Any) -> None:
    """The exchange with other REST rules on spot."""
    exchange: Exchange = EXCHANGES["binance"]
    market: MarketRules = exchange.markets["spot"]
    other = changed(market, rest=changed(market.rest, **rules))
    binance = replace(exchange, markets={**exchange.markets, "spot": other})
    monkeypatch.setitem(EXCHANGES, "binance", binance)  # type: ignore[arg-type]


async def test_a_stretch_is_read_as_it_truly_was() -> None:
    stream = Stream("binance", "spot", "candle", "QUIETUSDT", "1m")
    async with reader() as (candles, exchange):
        hole = stretch(exchange, "1m", ago=3, count=30)
        read = await candles.read(stream, hole, urgent=True)
        assert read == await truth(exchange, stream, hole)
        assert len(read) == 30


async def test_what_one_request_does_not_hold_is_read_in_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited(monkeypatch, candles_per_request=7)
    stream = Stream("binance", "spot", "candle", "BTCUSDT", "5m")
    async with reader() as (candles, exchange):
        hole = stretch(exchange, "5m", ago=9, count=20)
        assert await candles.read(stream, hole, urgent=True) == await truth(exchange, stream, hole)


async def test_an_interval_that_rest_does_not_have_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited(monkeypatch, intervals={"1m": "1m"})
    stream = Stream("binance", "spot", "candle", "SOLUSDT", "15m")
    async with reader() as (candles, exchange):
        hole = stretch(exchange, "15m", ago=20, count=3)
        built = await candles.read(stream, hole, urgent=True)
        assert built == await truth(exchange, stream, hole)


async def test_a_bar_that_is_not_there_yet_is_a_failure_and_no_empty_bar() -> None:
    stream = Stream("binance", "spot", "candle", "BTCUSDT", "1m")
    async with reader() as (candles, exchange):
        hole = stretch(exchange, "1m", ago=-2, count=4)
        with pytest.raises(RestError, match="not all there yet"):
            await candles.read(stream, hole, urgent=True)


async def test_an_unknown_symbol_says_so() -> None:
    stream = Stream("binance", "spot", "candle", "NOSUCHUSDT", "1m")
    async with reader() as (candles, exchange):
        with pytest.raises(RestError) as error:
            await candles.read(stream, stretch(exchange, "1m", ago=3, count=2), urgent=True)
        assert error.value.failure.reason == "unsupported"


@pytest.mark.parametrize("urgent", [True, False])
async def test_every_page_is_taken_from_the_budget_as_what_it_is_for(
    monkeypatch: pytest.MonkeyPatch, urgent: bool
) -> None:
    limited(monkeypatch, candles_per_request=7)
    stream = Stream("binance", "spot", "candle", "BTCUSDT", "1m")
    purse = Unlimited()
    async with reader(purse) as (candles, exchange):
        await candles.read(stream, stretch(exchange, "1m", ago=3, count=20), urgent=urgent)
    assert purse.spent == [("binance", {"spot": 2}, urgent)] * 3


def test_pages_cover_the_stretch_without_overlap() -> None:
    rules = EXCHANGES["binance"].markets["inverse"].rest
    hole = Hole(0, 2_000 * 3_600_000)
    pages = list(reading._pages(rules, "1h", hole))
    assert pages[0].from_ms == hole.from_ms
    assert pages[-1].to_ms == hole.to_ms
    assert all(one.to_ms == two.from_ms for one, two in pairwise(pages))
    assert all(page.to_ms - page.from_ms <= rules.candles_per_request * 3_600_000 for page in pages)
