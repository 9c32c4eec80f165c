"""How the survey of real messages reads Coinbase's lines.

``exchange`` and ``international`` are other feeds of the same company, ``malformed`` was broken on
purpose: neither is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.exchanges.coinbase.describe import NAME
from common.model.streams import Market, Stream

FOLDERS: Mapping[str, Market] = {"advanced": "spot"}
# The one sample of REST candles that there is has an invented time.
ONLY_EXPLAINED = frozenset({"rest_klines"})


def explain(folder: str, channel: str, message: Any) -> str | None:
    """Why a line yields nothing on purpose; None where it must be understood."""
    wire = message.get("channel") if isinstance(message, dict) else None
    if wire == "heartbeats":
        return "a heartbeat: that it came is all it says"
    if wire == "ticker_batch":
        return "ticker_batch, which is not subscribed: every five seconds, without bid and ask"
    if channel == "rest_instruments" and "product_id" in message:
        return "one product, asked for by its name: the whole list is asked for"
    if channel == "rest_klines" and any(int(row["start"]) % 60 for row in message["candles"]):
        return "a sample with an invented time: no bar starts in the middle of a minute"
    return None


def stream_of(folder: str, raw: bytes) -> Stream:
    """The stream of REST rows: they do not say, and the documents' sample is one of no interval."""
    return Stream(NAME, FOLDERS[folder], "candle", "BTC-USD", "1m")
