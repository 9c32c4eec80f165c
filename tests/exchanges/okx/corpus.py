"""OKX's part of the collection of real messages: whose market a folder is, what is not ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from common.model.streams import Market, Stream

# A folder of contracts holds linear and inverse ones alike: see ``market_of``.
FOLDERS: Mapping[str, Market] = {
    "spot": "spot",
    "swap": "linear",
    "futures": "linear",
    "common": "spot",
}

_PLACES_OF_A_BAR = 9
_UTC_8 = ("6H", "12H", "1D", "2D", "3D", "1W", "1M", "3M")


def market_of(folder: str, message: Any) -> Market:
    """Contracts whose quote is the dollar itself are inverse."""
    if folder not in ("swap", "futures") or not isinstance(message, dict):
        return FOLDERS[folder]
    symbol = message.get("arg", {}).get("instId", "")
    rows = message.get("data") or [{}]
    if not symbol and isinstance(rows[0], dict):
        symbol = rows[0].get("instId", "")
    return "inverse" if "-USD-" in symbol else FOLDERS[folder]


def explain(folder: str, channel: str, message: Any) -> str | None:
    """Why a line says nothing to us on purpose; None: it must be understood."""
    if not isinstance(message, dict):
        return None
    if "op" in message and "event" not in message:
        return "an answer to an order"
    if channel == "ws_ack" and "arg" not in message:
        return "a fixture that writes `args` for `arg`: it never comes so"
    if channel in ("ws_kline", "ws_ticker", "ws_notice") and "data" in message:
        return _push(message["arg"]["channel"], message["data"])
    if channel == "rest_klines":
        return _bars(message["data"])
    return None


def _push(channel: str, rows: list[Any]) -> str | None:
    if channel == "status":
        return "the status channel, which is not subscribed"
    if channel.startswith(("index-candle", "mark-price-candle")):
        return "bars of an index or mark price: another channel"
    if channel.removeprefix("candle") in _UTC_8:
        return "bars that open at midnight UTC+8: the utc names are subscribed"
    return _bars(rows) if channel.startswith("candle") else None


def _bars(rows: list[list[str]]) -> str | None:
    if any(len(row) == 6 for row in rows):
        return "bars of an index or mark price: another endpoint"
    if any(len(row) < _PLACES_OF_A_BAR for row in rows):
        return "a bar of 2022, before volCcyQuote and confirm"
    starts = [int(row[0]) for row in rows]
    if any(start_ms % 60_000 for start_ms in starts):
        return "a documented sample whose time starts no bar"
    return None


def stream_of(folder: str, raw: bytes) -> Stream:
    """The stream that rows of REST are read as: the interval is how far apart they are."""
    market = FOLDERS[folder]
    symbol = {"spot": "BTC-USDT"}.get(folder, "BTC-USDT-SWAP")
    starts = sorted(int(row[0]) for row in msgspec.json.decode(raw)["data"])
    gap_ms = starts[1] - starts[0] if len(starts) > 1 else 60_000
    interval = {60_000: "1m", 3_600_000: "1h"}.get(gap_ms, "1m")
    return Stream("okx", market, "candle", symbol, interval)
