"""What the collection of real messages holds of KuCoin, and which lines are not for us, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from common.exchanges.kucoin.describe import MARKETS
from common.model.streams import Market, Stream

# Folders below the exchange's with public data we claim. Both futures markets speak one protocol:
# what their folder holds is read as linear (the units of inverse are in the tests of the parser).
# The folder of the unified account's own push service holds another protocol, not spoken here.
FOLDERS: Mapping[str, Market] = {"spot": "spot", "futures": "linear", "common": "spot"}

# Topics by their prefix that are other streams than those we subscribe to.
_OTHERS = {
    "/spotMarket/level1": "best prices are taken from /market/ticker:all, which has all symbols",
    "/contractMarket/ticker": "the first version of the best prices, which /tickerV2 replaces",
    "/contractMarket/candle": "the candles of 2022, which /contractMarket/limitCandle replaced",
}
_WEEKS = "weeks of spot start on Thursdays on the exchange: they are built from days"


def explain(folder: str, channel: str, message: Any) -> str | None:
    """Why a line yields nothing for us on purpose; None where it must be understood."""
    if not isinstance(message, dict):
        return None
    prefix, _, name = str(message.get("topic", "")).partition(":")
    if prefix in _OTHERS:
        return _OTHERS[prefix]
    if prefix == "/market/candles" and name.endswith("_1week"):
        return _WEEKS
    if channel == "ws_ticker" and message.get("data") == {}:
        return "a sample of the documents without any data"
    if message.get("type") == "ack" and not str(message.get("id", "")).isdecimal():
        return "the answer to another client, which names its requests by UUID; ours are numbers"
    if channel == "rest_instruments":
        return _other_list(message)
    return None


def _other_list(message: dict[str, Any]) -> str | None:
    if isinstance(message.get("data"), dict):
        return "the answer about a single symbol, which is not asked for"
    return None


def stream_of(folder: str, raw: bytes) -> Stream:
    """The stream whose bars these rows are: of the interval that lies between two of them."""
    rows = json.loads(raw)["data"]
    unit = 1000 if folder == "spot" else 1
    gap_ms = abs(int(rows[1][0]) - int(rows[0][0])) * unit
    words = {60_000: "1m", 900_000: "15m", 28_800_000: "8h"}
    interval = words[gap_ms]
    assert interval in MARKETS[FOLDERS[folder]].rest.intervals
    symbol = "BTC-USDT" if folder == "spot" else "XBTUSDTM"
    return Stream("kucoin", FOLDERS[folder], "candle", symbol, interval)
