"""An independent reading of a recording: plain JSON, none of the product's code. Pure.

It reads the frames of Binance's kline streams (the recordings there are) by their documented
letters, and says which closed candles and which last open states must come out of RabbitMQ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scripts.quick.compare import Body


@dataclass(frozen=True)
class Expected:
    """What must come out: closed candles by id-like key, last open states by stream."""

    closed: dict[str, Body]
    open: dict[str, Body]


def stream_key(body: Body) -> str:
    """``BTCUSDT:1m``."""
    return f"{body['symbol']}:{body['interval']}"


def closed_key(body: Body) -> str:
    """``BTCUSDT:1m:1700000000000``."""
    return f"{stream_key(body)}:{body['startMs']}"


def read_recording(lines: Iterable[str], exchange: str, market: str) -> Expected:
    """The closed candles, and per stream the last open state unless its bar closed after it."""
    closed: dict[str, Body] = {}
    latest: dict[str, Body] = {}
    for line in lines:
        entry = json.loads(line)
        frame = json.loads(entry["raw"]) if entry["dir"] == "recv" else {}
        data = frame.get("data", frame)
        if isinstance(data, dict) and data.get("e") == "kline":
            body = _body(data, exchange, market)
            latest[stream_key(body)] = body
            if body["closed"]:
                closed[closed_key(body)] = body
    still_open = {key: body for key, body in latest.items() if not body["closed"]}
    return Expected(closed, still_open)


def _body(data: dict[str, Any], exchange: str, market: str) -> Body:
    bar = data["k"]
    body = {
        "exchange": exchange,
        "market": market,
        "symbol": data["s"],
        "interval": bar["i"],
        "startMs": bar["t"],
        "endMs": bar["T"] + 1,
        "open": bar["o"],
        "high": bar["h"],
        "low": bar["l"],
        "close": bar["c"],
        "volume": bar["v"],
        "quoteVolume": bar["q"],
        "trades": bar["n"],
        "closed": bar["x"],
        "revision": 0,
    }
    if market == "inverse":  # counts contracts, and has the coin where others have the quote
        dollars = int(bar["v"]) * (100 if data["s"].startswith("BTCUSD_") else 10)
        body |= {"contracts": bar["v"], "volume": bar["q"], "quoteVolume": str(dollars)}
    return body if bar["x"] else body | {"eventMs": data["E"]}
