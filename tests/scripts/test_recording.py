"""The independent reading of a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.quick.recording import closed_key, read_recording

CORPUS = Path(__file__).resolve().parents[3] / "shared/corpus/streams"


def frame(symbol: str, start: int, closed: bool, **changes: Any) -> str:
    bar = {
        "t": start, "T": start + 59_999, "s": symbol, "i": "1m", "o": "1.0", "h": "2.0",
        "l": "0.5", "c": "1.50", "v": "1200", "q": "0.03", "n": 7, "x": closed,
    }  # fmt: skip
    data = {"e": "kline", "E": start + 30_000, "s": symbol, "k": bar | changes}
    raw = json.dumps({"stream": f"{symbol.lower()}@kline_1m", "data": data})
    return json.dumps({"t": 1.0, "dir": "recv", "raw": raw})


CONNECT = json.dumps({"t": 0.0, "dir": "connect", "raw": "wss://stream.binance.com/stream"})
OTHER = json.dumps({"t": 0.5, "dir": "recv", "raw": '{"stream":"a@depth","data":{"e":"depth"}}'})


def test_closed_bars_and_the_last_open_state() -> None:
    lines = [
        CONNECT,
        OTHER,
        frame("AUSDT", 0, closed=False),
        frame("AUSDT", 0, closed=True, c="1.60"),
        frame("AUSDT", 60_000, closed=False, c="1.7"),
        frame("AUSDT", 60_000, closed=False, c="1.70"),
        frame("BUSDT", 0, closed=False),
    ]
    read = read_recording(lines, "binance", "linear")
    assert list(read.closed) == ["AUSDT:1m:0"]
    assert read.closed["AUSDT:1m:0"] == {
        "exchange": "binance", "market": "linear", "symbol": "AUSDT", "interval": "1m",
        "startMs": 0, "endMs": 60_000, "open": "1.0", "high": "2.0", "low": "0.5",
        "close": "1.60", "volume": "1200", "quoteVolume": "0.03", "trades": 7, "closed": True,
        "revision": 0,
    }  # fmt: skip
    assert {key: body["close"] for key, body in read.open.items()} == {
        "AUSDT:1m": "1.70",
        "BUSDT:1m": "1.50",
    }
    assert read.open["AUSDT:1m"]["eventMs"] == 90_000


def test_a_bar_that_closed_last_has_no_open_state() -> None:
    lines = [frame("AUSDT", 0, closed=False), frame("AUSDT", 0, closed=True)]
    assert read_recording(lines, "binance", "spot").open == {}


def test_inverse_counts_contracts() -> None:
    read = read_recording([frame("BTCUSD_PERP", 0, closed=True)], "binance", "inverse")
    body = read.closed["BTCUSD_PERP:1m:0"]
    assert (body["contracts"], body["volume"], body["quoteVolume"]) == ("1200", "0.03", "120000")
    assert closed_key(body) == "BTCUSD_PERP:1m:0"


def test_the_real_recording_has_four_closes_of_four_symbols() -> None:
    file = CORPUS / "binance_futures_ws_1.jsonl"
    if not file.exists():
        pytest.skip("the corpus of real messages is not here")
    with file.open() as lines:
        read = read_recording(lines, "binance", "linear")
    symbols = {"SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT"}
    assert {body["symbol"] for body in read.closed.values()} == symbols
    assert len(read.closed) == 4
    assert {body["symbol"] for body in read.open.values()} == symbols
