"""Independent clients of OKX receive from the simulator what the truth says, on every market.

ccxt keeps numbers, the npm package keeps the digits. (python-okx would be a third; it refuses to
dial without TLS.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import PYTHON, node
from tests.clients.test_binance import PROGRAMS, listen, numbers
from tests.support.simulator import RunningSimulator, simulator

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SYMBOLS = {"spot": "BTC-USDT", "linear": "BTC-USDT-SWAP", "inverse": "BTC-USD-SWAP"}
CHANNELS = ("candle", "running", "ticker")
EVERYTHING = {(kind, market): 2 for kind in CHANNELS for market in SYMBOLS}
PRICES = ("open", "high", "low", "close")


async def true_candle(
    exchange: RunningSimulator, market: str, start_ms: int, interval: str = "1m"
) -> dict[str, Any]:
    (candle,) = await exchange.truth(
        "candles", exchange="okx", market=market, symbol=SYMBOLS[market], interval=interval,
        from_=start_ms, to=start_ms + 1,
    )  # fmt: skip
    return candle


async def true_ticker(exchange: RunningSimulator, market: str, at_ms: int) -> dict[str, Any]:
    (ticker,) = await exchange.truth(
        "tickers", exchange="okx", market=market, symbol=SYMBOLS[market], at=at_ms
    )
    return ticker


async def test_ccxt_pro_sees_candles_and_tickers_of_every_market(clients: Path) -> None:
    enough = EVERYTHING | {("markets", ""): 1} | {("history", market): 5 for market in SYMBOLS}
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "ccxt_okx.py"), exchange.url]
        said = await listen(command, clients, enough)
        symbols = said["markets", ""][0]["symbols"]
        assert {"BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "币安人生/USDT"} <= set(symbols)
        assert any(symbol.startswith("BTC/USD:BTC-") for symbol in symbols)
        sizes = {market: said["size", market][0]["contractSize"] for market in SYMBOLS}
        assert sizes == {"spot": None, "linear": 0.001, "inverse": 100}
        for market in SYMBOLS:
            for kind, interval in (("candle", "1m"), ("history", "1h")):
                for moment, told in said[kind, market].items():
                    truth = await true_candle(exchange, market, moment, interval)
                    names = (*PRICES, "volume")
                    assert numbers(told, names) == numbers(as_ccxt(truth, kind), names)
            for moment, told in said["ticker", market].items():
                truth = as_ccxt(await true_ticker(exchange, market, moment), "ticker")
                # What it calls volumes of an offer are the sizes as sent: contracts.
                if market == "linear":
                    for side in ("bidVolume", "askVolume"):
                        told[side] = round(told[side] * sizes["linear"], 3)
                names = ("last", "open", "high", "low", "bid", "ask", "bidVolume", "askVolume")
                assert numbers(told, (*names, "baseVolume")) == numbers(
                    truth, (*names, "baseVolume")
                )


def as_ccxt(truth: dict[str, Any], kind: str) -> dict[str, Any]:
    """Our words as ccxt's. Of a ticker's contracts it keeps the count and calls it base."""
    if kind != "ticker":
        return truth
    return {
        **truth,
        "bidVolume": truth["bidSize"],
        "askVolume": truth["askSize"],
        "baseVolume": truth.get("contracts", truth["volume"]),
    }


async def test_npm_okx_api_sees_them_digit_by_digit(clients: Path) -> None:
    listed = {("instruments", kind): 1 for kind in ("SPOT", "SWAP", "FUTURES")}
    async with simulator(speed=60) as exchange:
        command = [str(node()), str(PROGRAMS / "npm_okx.mjs"), exchange.url]
        said = await listen(command, clients, EVERYTHING | listed)
        assert ("error", "spot") not in said
        assert "SRM-USDT-SWAP" in said["instruments", "SWAP"][0]["names"]
        for market in SYMBOLS:
            for moment, told in said["candle", market].items():
                truth = await true_candle(exchange, market, moment)
                assert {name: told[name] for name in PRICES} == {n: truth[n] for n in PRICES}
                spot = market == "spot"
                assert told["vol"] == truth["volume" if spot else "contracts"]
                assert told["volCcy"] == truth["quoteVolume" if spot else "volume"]
                assert told["volCcyQuote"] == truth["quoteVolume"]
            for moment, told in said["ticker", market].items():
                truth = await true_ticker(exchange, market, moment)
                letters = {"last": "last", "open24h": "open", "high24h": "high", "low24h": "low",
                           "bidPx": "bid", "askPx": "ask"}  # fmt: skip
                assert {a: told[a] for a in letters} == {a: truth[b] for a, b in letters.items()}
                assert told["vol24h"] == truth["volume" if market == "spot" else "contracts"]
