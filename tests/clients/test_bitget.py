"""Independent clients receive Bitget's markets from the simulator as the truth has them.

ccxt.pro turns everything into numbers, the Node SDK hands on the text, and typed-bitget validates
every field. None is told when a bar is closed: one is, once a later one has come.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import PYTHON, node
from tests.clients.test_binance import PROGRAMS, Said, listen, numbers
from tests.support.simulator import RunningSimulator, simulator

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SYMBOLS = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"}
ENOUGH = {
    **{(kind, market): 3 for kind in ("candle", "open", "ticker") for market in SYMBOLS},
    **{("history", market): 19 for market in SYMBOLS},
}
PRICES = ("open", "high", "low", "close")
DAY = ("last", "open", "high", "low", "volume", "quoteVolume", "bid", "bidSize", "ask", "askSize")


async def true_candle(
    exchange: RunningSimulator, market: str, start_ms: int, interval: str
) -> dict[str, Any]:
    (candle,) = await exchange.truth(
        "candles", exchange="bitget", market=market, symbol=SYMBOLS[market], interval=interval,
        from_=start_ms, to=start_ms + 1,
    )  # fmt: skip
    return candle


async def true_ticker(exchange: RunningSimulator, market: str, at_ms: int) -> dict[str, Any]:
    (ticker,) = await exchange.truth(
        "tickers", exchange="bitget", market=market, symbol=SYMBOLS[market], at=at_ms
    )
    return ticker


def check_open_bars(said: Said) -> int:
    """A running bar opens as it will, and never goes beyond what it will have been."""
    checked = 0
    for market in SYMBOLS:
        for start_ms, running in said["open", market].items():
            closed = said["candle", market].get(start_ms)
            if closed is not None:
                assert float(running["open"]) == float(closed["open"])
                assert float(running["high"]) <= float(closed["high"])
                assert float(running["low"]) >= float(closed["low"])
                checked += 1
    return checked


async def test_ccxt_pro_sees_candles_and_tickers_of_every_market(clients: Path) -> None:
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "ccxt_bitget.py"), exchange.url]
        said = await listen(command, clients, ENOUGH | {("markets", ""): 1})
        symbols = said["markets", ""][0]["symbols"]
        assert {"BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "币安人生/USDT"} <= set(symbols)
        assert any(symbol.startswith("BTC/USD:BTC-") for symbol in symbols)
        for market in SYMBOLS:
            for kind, interval in (("candle", "1m"), ("history", "5m")):
                for start_ms, told in said[kind, market].items():
                    truth = await true_candle(exchange, market, start_ms, interval)
                    names = (*PRICES, "volume")
                    assert numbers(told, names) == numbers(truth, names)
            for at_ms, told in said["ticker", market].items():
                truth = await true_ticker(exchange, market, at_ms)
                assert numbers(told, DAY) == numbers(truth, DAY)
        assert check_open_bars(said) >= len(SYMBOLS)


async def check_digits(exchange: RunningSimulator, said: Said) -> None:
    for market in SYMBOLS:
        for kind, interval in (("candle", "1m"), ("history", "5m")):
            for start_ms, told in said[kind, market].items():
                truth = await true_candle(exchange, market, start_ms, interval)
                base, quote = truth["volume"], truth["quoteVolume"]
                pair = (quote, base) if market == "inverse" else (base, quote)
                assert {name: told[name] for name in PRICES} == {
                    name: truth[name] for name in PRICES
                }
                assert (told["first"], told["second"]) == pair
        for at_ms, told in said["ticker", market].items():
            truth = await true_ticker(exchange, market, at_ms)
            assert {name: told[name] for name in DAY} == {name: truth[name] for name in DAY}
    assert check_open_bars(said) >= len(SYMBOLS)


async def test_npm_bitget_api_sees_them_digit_for_digit(clients: Path) -> None:
    async with simulator(speed=60) as exchange:
        command = [str(node()), str(PROGRAMS / "npm_bitget.mjs"), exchange.url]
        said = await listen(command, clients, ENOUGH)
        assert ("error", "") not in said
        await check_digits(exchange, said)


async def test_typed_bitget_finds_every_field_valid(clients: Path) -> None:
    lists = {("markets", market): 1 for market in SYMBOLS}
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "bitget_typed.py"), exchange.url]
        said = await listen(command, clients, ENOUGH | lists)
        assert len(said["markets", "inverse"][0]["symbols"]) == 3  # a dated one among them
        await check_digits(exchange, said)
