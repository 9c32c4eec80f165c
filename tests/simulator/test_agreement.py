"""What the product makes of the simulator's frames and rows is what the truth says, body for body.

The two were written apart: the truth does not use the product's parsers.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from common.exchanges.binance import BINANCE
from common.model.events import Candle, Ticker
from common.model.streams import MARKETS, Market, Stream
from simulator.digits import decimal_text
from tests.simulator.truths import catalog_of, true_candle
from tests.simulator.wire import INVERSE, LINEAR, SPOT, dial, is_kline
from tests.support.simulator import simulator

SOCKETS: dict[Market, str] = {
    "spot": f"{SPOT}/stream",
    "linear": f"{LINEAR}/market/stream",
    "inverse": f"{INVERSE}/stream",
}
SYMBOLS: dict[Market, tuple[str, ...]] = {
    "spot": ("BTCUSDT", "BNBBTC", "QUIETUSDT", "币安人生USDT"),
    "linear": ("BTCUSDT", "1000PEPEUSDT", "QUIETUSDT"),
    "inverse": ("BTCUSD_PERP", "ETHUSD_PERP"),
}


@pytest.mark.parametrize("market", MARKETS)
async def test_closed_frames_become_the_bodies_of_the_truth(market: Market) -> None:
    streams = [
        Stream("binance", market, "candle", symbol, interval)
        for symbol in SYMBOLS[market]
        for interval in ("1m", "5m")
    ]
    topics = "/".join(BINANCE.topics(stream)[0] for stream in streams)
    async with simulator(speed=240) as exchange:
        instruments = await catalog_of(exchange, BINANCE, market)
        async with dial(exchange, f"{SOCKETS[market]}?streams={topics}") as wire:
            seen: set[Stream] = set()
            while seen != set(streams):
                message = await wire.until(lambda m: is_kline(m, closed=True))
                frame = msgspec.json.encode(message)
                (candle,) = BINANCE.parse(market, frame, instruments)
                assert isinstance(candle, Candle)
                assert msgspec.to_builtins(candle) == await true_candle(exchange, "binance", candle)
                seen.add(candle.stream)


@pytest.mark.parametrize("market", MARKETS)
async def test_rest_rows_become_the_same_bodies(market: Market) -> None:
    async with simulator() as exchange:
        instruments = await catalog_of(exchange, BINANCE, market)
        now_ms = exchange.clock.now_ms()
        stream = Stream("binance", market, "candle", SYMBOLS[market][0], "15m")
        request = BINANCE.candles_request(stream, now_ms - 4 * 3_600_000, now_ms)
        host, _, path = request.url.removeprefix("https://").partition("/")
        _, rows, _ = await exchange.rest(host, f"/{path}", **request.params)
        candles = BINANCE.parse_candles(stream, json.dumps(rows).encode(), instruments, now_ms)
        closed = [candle for candle in candles if candle.closed]
        assert len(closed) >= 15
        for candle in closed:
            assert msgspec.to_builtins(candle) == await true_candle(exchange, "binance", candle)


@pytest.mark.parametrize("market", MARKETS)
async def test_tickers_become_what_the_truth_says_as_far_as_they_tell(market: Market) -> None:
    rules = BINANCE.markets[market].channels["ticker"]
    async with simulator(speed=60) as exchange:
        instruments = await catalog_of(exchange, BINANCE, market)
        path = f"{SOCKETS[market]}?streams={rules.all_symbols_topic}"
        async with dial(exchange, path) as wire:
            tickers: list[Any] = []
            while not tickers:
                frame = msgspec.json.encode(await wire.message())
                tickers = list(BINANCE.parse(market, frame, instruments))
        for ticker in tickers:
            assert isinstance(ticker, Ticker)
            (truth,) = await exchange.truth(
                "tickers", exchange="binance", market=market, symbol=ticker.symbol,
                at=ticker.event_ms,
            )  # fmt: skip
            told = msgspec.to_builtins(ticker)
            assert told == {name: truth[name] for name in told}
            assert told.keys() >= {"last", "open", "high", "low", "volume", "quoteVolume"}


@pytest.mark.parametrize(
    ("number", "decimals", "text"),
    [(6411767, 2, "64117.67"), (5, 8, "0.00000005"), (-43, 1, "-4.3"), (7, 0, "7"), (0, 2, "0.00")],
)
def test_decimal_text(number: int, decimals: int, text: str) -> None:
    assert decimal_text(number, decimals) == text
