"""How the collection of real messages is read: which folder is which market, what is not for us.

Frames of ``public`` are answers to requests, which are alike on all markets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from common.exchanges.bybit.describe import INTERVALS, NAME
from common.model.intervals import end_of, is_start
from common.model.streams import Market, Stream

FOLDERS: Mapping[str, Market] = {
    "spot": "spot",
    "linear": "linear",
    "inverse": "inverse",
    "public": "linear",
}

_OURS = {theirs: ours for ours, theirs in INTERVALS.items()}
# Topics of other streams than ours, by how they begin.
_OTHERS = {
    "kline_lt.": "leveraged tokens, which are no market of ours",
    "tickers_lt.": "leveraged tokens, which are no market of ours",
}


def explain(folder: str, channel: str, message: Any) -> str | None:
    """Why a line yields nothing on purpose; None where it must be understood."""
    if not isinstance(message, dict):
        return None
    if channel.startswith("rest_"):
        return _explain_rest(channel, message)
    topic = message.get("topic")
    if isinstance(topic, str):
        return _explain_push(folder, topic, message)
    if message.get("type") == "COMMAND_RESP":
        return "an answer of the sockets of options and spreads, which are no market of ours"
    request_id = message.get("req_id", "")
    if channel == "ws_ack" and request_id and not request_id.isdecimal():
        return "an ack of somebody else's request: our ids are numbers"
    return None


def _explain_push(folder: str, topic: str, message: dict[str, Any]) -> str | None:
    for prefix, reason in _OTHERS.items():
        if topic.startswith(prefix):
            return reason
    kind, _, rest = topic.partition(".")
    if kind == "publicTrade":
        return "trades: no bar of ours is made of them"
    if kind == "orderbook" and folder != "spot":
        return "contracts have their best prices in the ticker"
    if kind == "orderbook" and message.get("type") == "delta":
        return "of 2023, when orderbook.1 sent deltas: it sends snapshots only"
    if kind == "kline":
        interval = _OURS.get(rest.partition(".")[0], "1m")
        return _invented(interval, [bar["start"] for bar in message["data"]])
    return None


def _explain_rest(channel: str, message: dict[str, Any]) -> str | None:
    if message.get("result", {}).get("category") == "option":
        return "options, which are no market of ours"
    if channel != "rest_klines":
        return None
    starts = [int(row[0]) for row in message["result"]["list"]]
    return _invented(_interval_of(starts), starts)


def _invented(interval: str, starts: list[int]) -> str | None:
    if all(is_start(interval, start_ms) for start_ms in starts):
        return None
    return f"a fixture with an invented time: no {interval} bar starts then"


def stream_of(folder: str, raw: bytes) -> Stream:
    """The stream of REST rows: their interval is the distance between them."""
    result = json.loads(raw)["result"]
    interval = _interval_of([int(row[0]) for row in result["list"]])
    return Stream(NAME, FOLDERS[folder], "candle", result.get("symbol", "BTCUSDT"), interval)


def _interval_of(starts: list[int]) -> str:
    """The interval of rows, newest first; minutes where there is but one."""
    pairs = list(zip(starts[1:], starts, strict=False))
    for interval in INTERVALS:
        if pairs and all(end_of(interval, older) == newer for older, newer in pairs):
            return interval
    return "1m"
