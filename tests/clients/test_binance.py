"""Independent clients receive from the simulator what the truth says, on every market.

They run unmodified but for the address, each as a program of its own; what they print is compared
with the truth digit for digit where the client keeps digits, as numbers where it does not.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import PYTHON, node
from tests.support.simulator import RunningSimulator, simulator

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

PROGRAMS = Path(__file__).parent / "programs"
SYMBOLS = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD_PERP"}
Said = dict[tuple[str, str], dict[int, dict[str, Any]]]


async def listen(command: list[str], home: Path, enough: dict[tuple[str, str], int]) -> Said:
    """Run a client until it has told enough of every (kind, market)."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "CLIENTS_HOME": str(home), "NO_PROXY": "127.0.0.1"},
    )
    assert process.stdout is not None
    said: Said = defaultdict(dict)
    try:
        async with asyncio.timeout(60):
            while any(len(said[place]) < count for place, count in enough.items()):
                line = await process.stdout.readline()
                if not line:
                    break
                if not line.startswith(b'{"kind"'):
                    continue  # a client's own chatter
                told = json.loads(line)
                key = told.get("startMs", told.get("eventMs", told.get("id", 0)))
                said[told["kind"], told.get("market", "")][key] = told
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
        _, errors = await process.communicate()
    heard = {place: len(said[place]) for place in enough}
    missing = {place: count for place, count in enough.items() if heard[place] < count}
    assert not missing, f"heard {heard}; {errors.decode()[-2000:]}"
    return said


async def true_candle(exchange: RunningSimulator, market: str, start_ms: int) -> dict[str, Any]:
    (candle,) = await exchange.truth(
        "candles", exchange="binance", market=market, symbol=SYMBOLS[market], interval="1m",
        from_=start_ms, to=start_ms + 1,
    )  # fmt: skip
    return candle


async def true_ticker(exchange: RunningSimulator, market: str, at_ms: int) -> dict[str, Any]:
    (ticker,) = await exchange.truth(
        "tickers", exchange="binance", market=market, symbol=SYMBOLS[market], at=at_ms
    )
    return ticker


def wire(truth: dict[str, Any]) -> dict[str, Any]:
    """Our words as Binance's letters: on inverse ``v`` counts contracts and ``q`` base coins."""
    if "contracts" in truth:
        return {"v": truth["contracts"], "q": truth["volume"]}
    return {"v": truth["volume"], "q": truth["quoteVolume"]}


async def check_digits(exchange: RunningSimulator, said: Said) -> None:
    for (kind, market), items in tuple(said.items()):
        for moment, told in items.items():
            if kind == "candle":
                truth = await true_candle(exchange, market, moment)
                names = ["open", "high", "low", "close", "trades"]
            elif kind == "ticker":
                truth = await true_ticker(exchange, market, moment)
                names = ["last", "open", "high", "low"]
            else:
                continue
            expected = {name: truth[name] for name in names} | wire(truth)
            assert {name: told[name] for name in expected} == expected


EVERYTHING = {(kind, market): 2 for kind in ("candle", "ticker") for market in SYMBOLS}


async def test_ccxt_pro_sees_candles_and_tickers_of_every_market(clients: Path) -> None:
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "ccxt_pro.py"), exchange.url]
        said = await listen(command, clients, EVERYTHING | {("markets", ""): 1})
        symbols = said["markets", ""][0]["symbols"]
        assert {"BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "币安人生/USDT"} <= set(symbols)
        assert any(symbol.startswith("BTC/USD:BTC-") for symbol in symbols)
        for market in SYMBOLS:
            for moment, told in said["candle", market].items():
                truth = await true_candle(exchange, market, moment)
                truth["volume"] = wire(truth)["v"]
                names = ("open", "high", "low", "close", "volume")
                assert numbers(told, names) == numbers(truth, names)
            for moment, told in said["ticker", market].items():
                truth = await true_ticker(exchange, market, moment)
                names = ("last", "open", "high", "low")
                assert numbers(told, names) == numbers(truth, names)
                assert float(told["volume"]) in (float(truth["volume"]), float(wire(truth)["v"]))


def numbers(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Decimal]:
    return {name: Decimal(str(float(fields[name]))) for name in names}


async def test_python_binance_sees_them_too(clients: Path) -> None:
    enough = EVERYTHING.copy()
    del enough["ticker", "inverse"]
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "python_binance.py"), exchange.url]
        said = await listen(command, clients, enough)
        await check_digits(exchange, said)


async def test_npm_binance_sees_them_too(clients: Path) -> None:
    async with simulator(speed=60) as exchange:
        command = [str(node()), str(PROGRAMS / "npm_binance.mjs"), exchange.url]
        said = await listen(command, clients, EVERYTHING)
        assert ("error", "spot") not in said
        await check_digits(exchange, said)


def test_the_clients_are_not_ours() -> None:
    """The programs import nothing of the project: what they accept, they accept on their own."""
    for program in PROGRAMS.iterdir():
        text = program.read_text()
        assert "from common" not in text, program
        assert "simulator" not in text.replace("judges the simulator", ""), program
    assert sys.executable != str(PYTHON)
