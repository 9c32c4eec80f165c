"""A recording goes through today's sockets: each frame once, digit for digit, in order."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.exchanges.registry import load_recording
from tests.simulator.wire import LINEAR, SPOT, Wire, dial
from tests.support.simulator import RunningSimulator, simulator

HERE = Path(__file__).parent / "recordings"
CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "streams"
FAST = 50


def frames_of(path: Path, *kinds: str) -> list[str]:
    """The raw pushes of these kinds, read independently of the simulator."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    raws = [line["raw"] for line in lines if line["dir"] == "recv" and '"stream"' in line["raw"]]
    return [raw for raw in raws if any(kind in json.loads(raw)["stream"] for kind in kinds)]


async def heard(wire: Wire, count: int) -> list[str]:
    return [(await wire.raw(20)).data for _ in range(count)]


async def state(exchange: RunningSimulator) -> dict[str, Any]:
    return await exchange.truth("replay")


async def played(exchange: RunningSimulator) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (now := await state(exchange))["state"] != "done":  # noqa: ASYNC110 - a condition
            await asyncio.sleep(0.02)
    return now


async def test_it_waits_for_every_candle_topic_and_then_plays_each_frame_once() -> None:
    path = HERE / "binance_linear.jsonl"
    async with (
        simulator(speed=FAST, replay=path) as exchange,
        dial(exchange, f"{LINEAR}/market/stream?streams=btcusdt@kline_1m") as one,
        dial(exchange, f"{LINEAR}/public/stream?streams=btcusdt@bookTicker") as books,
        dial(exchange, f"{LINEAR}/market/stream") as two,
    ):
        assert await one.silent_for(0.5)
        assert await state(exchange) == {
            "exchange": "binance", "market": "linear", "symbols": ["BTCUSDT", "ETHUSDT"],
            "intervals": ["1m"], "state": "waiting", "framesTotal": 8, "framesSent": 0,
            "beginsMs": 1_763_683_258_000,
        }  # fmt: skip
        await two.ask("SUBSCRIBE", "ethusdt@kline_1m")
        expected = frames_of(path, "btcusdt@kline")
        assert await heard(one, len(expected)) == expected
        expected = frames_of(path, "ethusdt@kline")
        assert await heard(two, len(expected)) == expected
        expected = frames_of(path, "bookTicker")
        assert await heard(books, len(expected)) == expected
        assert (await played(exchange))["framesSent"] == 8
        assert await one.silent_for(0.3)


async def test_raw_sockets_get_the_bare_payload() -> None:
    path = HERE / "binance_spot.jsonl"
    async with (
        simulator(speed=FAST, replay=path) as exchange,
        dial(exchange, f"{SPOT}/ws/bnbbtc@kline_1m") as wire,
    ):
        for raw in frames_of(path, "@kline"):
            text = (await wire.raw()).data
            assert f'{{"stream":"bnbbtc@kline_1m","data":{text}}}' == raw


async def test_it_can_be_started_by_control() -> None:
    async with simulator(speed=FAST, replay=HERE / "binance_spot.jsonl") as exchange:
        await exchange.control("replay/start")
        assert (await played(exchange))["framesSent"] == 4


async def test_only_what_was_recorded_is_listed_and_rest_knows_what_has_been_said() -> None:
    async with simulator(speed=FAST, replay=HERE / "binance_spot.jsonl") as exchange:
        _, info, _ = await exchange.rest("api.binance.com", "/api/v3/exchangeInfo")
        listed = [(s["symbol"], s["baseAsset"], s["quoteAsset"]) for s in info["symbols"]]
        # LTCBTC was subscribed when it was recorded, and said nothing.
        assert listed == [("BNBBTC", "BNB", "BTC"), ("LTCBTC", "LTC", "BTC")]
        _, info, _ = await exchange.rest("fapi.binance.com", "/fapi/v1/exchangeInfo")
        assert info["symbols"] == []
        query = {"symbol": "BNBBTC", "interval": "1m"}
        assert (await exchange.rest("api.binance.com", "/api/v3/klines", **query))[1] == []
        await exchange.control("replay/start")
        await played(exchange)
        _, rows, _ = await exchange.rest("api.binance.com", "/api/v3/klines", **query)
        (row,) = rows
        assert row[1:6] == ["0.01021000", "0.01021400", "0.01020900", "0.01021200", "42.20000000"]
        (candle,) = await exchange.truth(
            "candles", exchange="binance", market="spot", symbol="BNBBTC", interval="1m",
            from_=row[0], to=row[0] + 1,
        )  # fmt: skip
        assert (candle["volume"], candle["quoteVolume"], candle["trades"]) == (
            "42.20000000", "0.43090810", 42,
        )  # fmt: skip


async def test_the_pace_is_that_of_the_recording() -> None:
    async with simulator(speed=4, replay=HERE / "binance_linear.jsonl") as exchange:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await exchange.control("replay/start")
        await played(exchange)
        # 3.4 recorded seconds, four times as fast.
        assert 0.85 <= loop.time() - began < 2.5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no connection to an exchange"),
        ('{"t":1,"dir":"connect","raw":"wss://nobody.example.com/ws"}', "no connection"),
        ('{"t":1,"dir":"connect","raw":"wss://stream.binance.com/stream"}', "no frame"),
        ("not json", "malformed"),
    ],
)
def test_what_is_not_a_recording_is_refused_with_the_reason(
    tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(ValueError, match=why):
        load_recording(path)


@pytest.mark.parametrize(
    ("name", "prefix", "closes"),
    [
        ("binance_futures_ws_1.jsonl", f"{LINEAR}/market/stream", 4),
        ("binance_ws_1.jsonl", f"{SPOT}/stream", 0),
    ],
)
async def test_a_real_recording_comes_out_digit_for_digit_on_todays_paths(
    name: str, prefix: str, closes: int
) -> None:
    path = CORPUS / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    expected = frames_of(path, "@kline")
    topics = "/".join(sorted({json.loads(raw)["stream"] for raw in expected}))
    async with (
        simulator(speed=FAST, replay=path) as exchange,
        dial(exchange, f"{prefix}?streams={topics}") as wire,
    ):
        assert await heard(wire, len(expected)) == expected
        assert len((await state(exchange))["symbols"]) == 4
        bars = [json.loads(raw)["data"]["k"] for raw in expected if '"x":true' in raw]
        assert len(bars) == closes
        for bar in bars:
            (candle,) = await exchange.truth(
                "candles", exchange="binance", market="linear", symbol=bar["s"], interval="1m",
                from_=bar["t"], to=bar["T"],
            )  # fmt: skip
            assert (candle["open"], candle["close"], candle["volume"], candle["quoteVolume"]) == (
                bar["o"], bar["c"], bar["v"], bar["q"],
            )  # fmt: skip


async def test_a_replayed_spot_recording_leaves_the_other_markets_silent() -> None:
    async with simulator(speed=FAST, replay=HERE / "binance_spot.jsonl") as exchange:
        async with dial(exchange, f"{LINEAR}/market/ws/btcusdt@kline_1m") as wire:
            await exchange.control("replay/start")
            await played(exchange)
            assert await wire.silent_for(0.3)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with dial(exchange, "/elsewhere/ws"):
                pass
