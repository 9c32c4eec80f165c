"""Independent clients receive from the simulated KuCoin what the truth says, on every market."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import PYTHON
from tests.clients.test_binance import PROGRAMS, Said, listen
from tests.support.simulator import RunningSimulator, simulator

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SYMBOLS = {"spot": "BTC-USDT", "linear": "XBTUSDTM", "inverse": "XBTUSDM"}
PRICES = ("open", "high", "low", "close")


async def truth(exchange: RunningSimulator, kind: str, market: str, moment: int) -> Any:
    """The closed candle that starts, or the ticker as of, this moment."""
    place = {"exchange": "kucoin", "market": market, "symbol": SYMBOLS[market]}
    if kind == "candle":
        found = await exchange.truth(
            "candles", **place, interval="1m", from_=moment, to=moment + 1
        )  # fmt: skip
    else:
        found = await exchange.truth("tickers", **place, at=moment)
    return found[0] if found else None


def numbers(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Decimal]:
    return {name: Decimal(str(float(fields[name]))) for name in names}


def told_of(said: Said, kind: str, market: str) -> list[tuple[int, dict[str, Any]]]:
    told = sorted(said[kind, market].items())
    assert told
    return told


async def test_ccxt_pro_sees_candles_and_tickers_of_every_market(clients: Path) -> None:
    enough = {(kind, market): 2 for kind in ("candle", "open", "ticker") for market in SYMBOLS}
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "ccxt_kucoin.py"), exchange.url]
        said = await listen(command, clients, enough | {("markets", ""): 1})
        symbols = said["markets", ""][0]["symbols"]
        assert {"BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "币安人生/USDT"} <= set(symbols)
        assert any(symbol.startswith("BTC/USD:BTC-") for symbol in symbols)
        for market in SYMBOLS:
            for start_ms, candle in told_of(said, "candle", market):
                expected = await truth(exchange, "candle", market, start_ms)
                expected["volume"] = expected.get("contracts", expected.get("volume"))
                names = (*PRICES, "volume")
                assert numbers(candle, names) == numbers(expected, names)
            for at_ms, ticker in told_of(said, "ticker", market):
                expected = await truth(exchange, "ticker", market, at_ms)
                names = ("last", "bid", "ask")
                if market == "spot":
                    names += ("high", "low", "volume", "quoteVolume")
                assert numbers(ticker, names) == numbers(expected, names)


async def test_kucoins_own_sdk_sees_them_too(clients: Path) -> None:
    enough = {(kind, market): 3 for kind in ("candle", "best") for market in SYMBOLS}
    enough |= {("ticker", market): 2 for market in SYMBOLS}
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "kucoin_sdk.py"), exchange.url]
        said = await listen(command, clients, enough)
        for market in SYMBOLS:
            # The newest one may still have been running when the client was stopped.
            for start_ms, candle in told_of(said, "candle", market)[:-1]:
                expected = await truth(exchange, "candle", market, start_ms)
                expected["last"] = expected.get("contracts", expected.get("quoteVolume"))
                names = (*PRICES, "last")
                assert {name: candle[name] for name in names} == {
                    name: expected[name] for name in names
                }
            for at_ms, ticker in told_of(said, "ticker", market):
                expected = await truth(exchange, "ticker", market, at_ms)
                names = ("last", "open", "high", "low", "volume", "quoteVolume")
                assert numbers(ticker, names) == numbers(expected, names)
            for at_ms, best in told_of(said, "best", market):
                expected = await truth(exchange, "ticker", market, at_ms)
                check_best(market, best, expected)


def check_best(market: str, best: dict[str, Any], expected: dict[str, Any]) -> None:
    """Prices digit for digit; sizes too on spot, and by the contract's size on futures."""
    assert (best["bid"], best["ask"]) == (expected["bid"], expected["ask"])
    if market == "spot":
        assert (best["bidSize"], best["askSize"]) == (expected["bidSize"], expected["askSize"])
        return
    worth = Decimal("0.001") if market == "linear" else Decimal(1)
    assert best["bidLots"] * worth == Decimal(expected["bidSize"])
    assert best["askLots"] * worth == Decimal(expected["askSize"])
