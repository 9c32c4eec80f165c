"""Independent clients receive from the simulated Coinbase what the truth says.

Their candle channel has five-minute bars only, and says of none that it is over: a bar has ended
once a later one has come. Minutes are what the trades of the push add up to, and rows of REST.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import PYTHON, node
from tests.clients.test_binance import PROGRAMS, listen, numbers
from tests.support.simulator import RunningSimulator, simulator

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

MINUTE_MS = 60_000
PLACE = {"exchange": "coinbase", "market": "spot", "symbol": "BTC-USDT"}
BAR = ("open", "high", "low", "close", "volume")
DAY = ("last", "high", "low", "volume", "bid", "bidSize", "ask", "askSize")


async def true_candle(exchange: RunningSimulator, interval: str, start_ms: int) -> dict[str, Any]:
    (candle,) = await exchange.truth(
        "candles", interval=interval, from_=start_ms, to=start_ms + 1, **PLACE
    )
    return candle


async def true_ticker(exchange: RunningSimulator, at_ms: int) -> dict[str, Any]:
    (ticker,) = await exchange.truth("tickers", at=at_ms, **PLACE)
    return ticker


def texts(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: fields[name] for name in names}


async def check_trades(exchange: RunningSimulator, told: dict[int, dict[str, Any]]) -> None:
    """No id is missing, and the whole minutes add up to the truth."""
    assert sorted(told) == list(range(min(told), max(told) + 1))
    minutes: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for number in sorted(told):
        minutes[told[number]["timeMs"] // MINUTE_MS * MINUTE_MS].append(told[number])
    whole = sorted(minutes)[1:-1]
    assert len(whole) >= 2
    for start_ms in whole:
        prints = minutes[start_ms]
        prices = [one["price"] for one in prints]
        assert {
            "open": prices[0],
            "high": max(prices, key=Decimal),
            "low": min(prices, key=Decimal),
            "close": prices[-1],
            "volume": f"{sum(Decimal(one['size']) for one in prints):f}",
        } == texts(await true_candle(exchange, "1m", start_ms), BAR)


async def test_ccxt_pro_sees_tickers_and_trades_pushed_and_candles_by_rest(clients: Path) -> None:
    async with simulator(speed=60) as exchange:
        command = [str(PYTHON), str(PROGRAMS / "ccxt_coinbase.py"), exchange.url]
        enough = {
            ("markets", ""): 1, ("ticker", "spot"): 3, ("trade", "spot"): 150,
            ("candle 1m", "spot"): 18, ("candle 5m", "spot"): 18,
        }  # fmt: skip
        said = await listen(command, clients, enough)
        assert {"BTC/USDT", "币安人生/USDT"} <= set(said["markets", ""][0]["symbols"])
        for moment, told in said["ticker", "spot"].items():
            truth = await true_ticker(exchange, moment)
            assert numbers(told, DAY) == numbers(truth, DAY)
        for told in said["trade", "spot"].values():
            assert told["read"] == [float(told["price"]), float(told["size"])]
        await check_trades(exchange, said["trade", "spot"])
        for interval in ("1m", "5m"):
            rows = said[f"candle {interval}", "spot"]
            closed = {start: told for start, told in rows.items() if told["closed"]}
            assert len(closed) >= 18
            for start_ms, told in closed.items():
                truth = await true_candle(exchange, interval, start_ms)
                assert numbers(told, BAR) == numbers(truth, BAR)


async def test_npm_coinbase_sees_open_and_ended_bars_trades_and_tickers(clients: Path) -> None:
    async with simulator(speed=60) as exchange:
        command = [str(node()), str(PROGRAMS / "npm_coinbase.mjs"), exchange.url]
        enough = {
            ("candle 5m", "spot"): 22, ("candle 1m", "spot"): 18, ("ticker", "spot"): 5,
            ("trade", "spot"): 150, ("heartbeat", "spot"): 3,
        }  # fmt: skip
        said = await listen(command, clients, enough)
        assert ("error", "spot") not in said
        for moment, told in said["ticker", "spot"].items():
            assert texts(told, DAY) == texts(await true_ticker(exchange, moment), DAY)
        await check_trades(exchange, said["trade", "spot"])
        bars = said["candle 5m", "spot"]
        # The last state that was told of a bar is final once a later one has come.
        *ended, _ = sorted(bars)
        assert len(ended) >= 21, "twenty of the snapshot, and one that ended since"
        for start_ms in ended:
            assert texts(bars[start_ms], BAR) == texts(
                await true_candle(exchange, "5m", start_ms), BAR
            )
        for start_ms, told in said["candle 1m", "spot"].items():
            if told["closed"]:
                assert texts(told, BAR) == texts(await true_candle(exchange, "1m", start_ms), BAR)
