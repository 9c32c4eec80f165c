"""Independent clients receive from the simulated Bybit what the truth says, on every market."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import PYTHON, node
from tests.clients.test_binance import PROGRAMS, Said, listen, numbers
from tests.support.simulator import RunningSimulator, simulator

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SYMBOLS = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"}
# Bars that are closed, running and by REST, and days; only spot has its best prices apart.
EVERYTHING = {
    (kind, market): 2 for kind in ("candle", "open", "row", "ticker") for market in SYMBOLS
} | {("best", "spot"): 2}
# What the exchange's words for a day are in ours.
DAY = {
    "lastPrice": "last",
    "prevPrice24h": "open",
    "highPrice24h": "high",
    "lowPrice24h": "low",
}
BEST = {"bid1Price": "bid", "bid1Size": "bidSize", "ask1Price": "ask", "ask1Size": "askSize"}


async def true_candle(exchange: RunningSimulator, market: str, start_ms: int) -> dict[str, Any]:
    (candle,) = await exchange.truth(
        "candles", exchange="bybit", market=market, symbol=SYMBOLS[market], interval="1m",
        from_=start_ms, to=start_ms + 1,
    )  # fmt: skip
    return candle


async def true_ticker(exchange: RunningSimulator, market: str, at_ms: int) -> dict[str, Any]:
    (ticker,) = await exchange.truth(
        "tickers", exchange="bybit", market=market, symbol=SYMBOLS[market], at=at_ms
    )
    return ticker


def theirs(truth: Mapping[str, Any]) -> dict[str, Any]:
    """Volume and turnover: on inverse contracts and base coins."""
    volume, turnover = truth["volume"], truth["quoteVolume"]
    if "contracts" in truth:
        volume, turnover = truth["contracts"], truth["volume"]
    return {"volume": volume, "turnover": turnover}


async def check_digits(exchange: RunningSimulator, said: Said) -> None:
    """Everything a client that keeps digits told is what the truth says, letter by letter."""
    prices = ("open", "high", "low", "close")
    for (kind, market), items in tuple(said.items()):
        for moment, told in items.items():
            if kind in ("candle", "row"):
                truth = await true_candle(exchange, market, moment)
                expected = {name: truth[name] for name in prices} | theirs(truth)
            elif kind == "ticker":
                truth = await true_ticker(exchange, market, moment)
                words = DAY if market == "spot" else DAY | BEST
                expected = {word: truth[name] for word, name in words.items()}
                amounts = theirs(truth)
                expected |= {
                    "volume24h": amounts["volume"],
                    "turnover24h": amounts["turnover"],
                }
            elif kind == "best":
                truth = await true_ticker(exchange, market, moment)
                expected = {name: truth[name] for name in BEST.values()}
            else:
                continue
            assert {name: told[name] for name in expected} == expected, (kind, market)


async def test_ccxt_pro_sees_candles_and_tickers_of_every_market(clients: Path) -> None:
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "ccxt_bybit.py"), exchange.url]
        said = await listen(command, clients, EVERYTHING | {("markets", ""): 1})
        symbols = said["markets", ""][0]["symbols"]
        assert {"BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "币安人生/USDT"} <= set(symbols)
        assert any(symbol.startswith("BTC/USD:BTC-") for symbol in symbols)
        assert any(symbol.startswith("BTC/USDT:USDT-") for symbol in symbols)
        for market in SYMBOLS:
            for moment, told in (said["candle", market] | said["row", market]).items():
                # Its volumes of bars are in the base coin, on inverse too.
                truth = await true_candle(exchange, market, moment)
                names = ("open", "high", "low", "close", "volume")
                assert numbers(told, names) == numbers(truth, names)
            for moment, told in said["ticker", market].items():
                truth = await true_ticker(exchange, market, moment)
                names = ("last", "open", "high", "low")
                if market != "spot":
                    names += ("bid", "ask")
                assert numbers(told, names) == numbers(truth, names)
                assert float(told["volume"]) in (
                    float(truth["volume"]),
                    float(theirs(truth)["volume"]),
                )
        for moment, told in said["best", "spot"].items():
            truth = await true_ticker(exchange, "spot", moment)
            names = ("bid", "bidSize", "ask", "askSize")
            assert numbers(told, names) == numbers(truth, names)


async def test_pybit_sees_them_too(clients: Path) -> None:
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "python_bybit.py"), exchange.url]
        await check_digits(exchange, await listen(command, clients, EVERYTHING))


async def test_npm_bybit_api_sees_them_too(clients: Path) -> None:
    enough = {place: count for place, count in EVERYTHING.items() if place[0] != "row"}
    async with simulator(speed=60) as exchange:
        command = [str(node()), str(PROGRAMS / "npm_bybit.mjs"), exchange.url]
        said = await listen(command, clients, enough)
        assert not [place for place in said if place[0] == "error"]
        await check_digits(exchange, said)
