"""Which lines of the collection Binance claims, and why some of them give us nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from common.model.intervals import MINUTE_MS
from common.model.streams import Market, Stream
from tests.exchanges.corpus import interval_between

FOLDERS: Mapping[str, Market] = {"spot": "spot", "usdm": "linear", "coinm": "inverse"}


# Streams that are not ours but are filed beside those that are.
_OTHERS: Mapping[str, str] = {
    "continuous_kline": "candles of a contract's successive expiries, another stream than @kline",
    "indexPrice_kline": "candles of the index price, another stream than @kline",
    "markPrice_kline": "candles of the mark price, another stream than @kline",
    "contractInfo": "news of listings, a stream we do not subscribe to",
}
# Every row of an all-market array has these.
_WHOLE = {"E", "s", "c", "o", "h", "l", "v", "q"}


def explain(folder: str, channel: str, message: Any) -> str | None:
    """Why a line gives us nothing on purpose."""
    if channel in ("ws_ticker", "ws_tickers_all"):
        data = message.get("data", message) if isinstance(message, dict) else message
        return _ticker(folder, data if isinstance(data, list) else [data])
    if channel == "rest_klines" and any(str(row[1]).startswith("-") for row in message):
        return "candles of the premium index, which is no price: it may be negative"
    if not isinstance(message, dict):
        return None
    if channel == "ws_ack" and isinstance(message.get("id"), str):
        return "an answer of the request-and-answer API: we number our requests"
    if channel == "rest_instruments" and "baseAsset" not in message["symbols"][0]:
        return "a sample cut down to steps and limits, without the assets"
    event = message.get("data", message)
    if event.get("e") == "kline" and event["k"]["t"] % MINUTE_MS:
        return "a sample with invented times: no bar starts in the middle of a minute"
    return _OTHERS.get(event.get("e"))


def _ticker(folder: str, rows: list[Any]) -> str | None:
    if not any(row.keys() >= _WHOLE for row in rows):
        return "a sample cut down to fewer fields than the exchange sends"
    other = {"linear": 2, "inverse": 1}.get(FOLDERS[folder])
    if all(row.get("st") == other is not None for row in rows):
        return "marked as the other futures market's, which is all an unlisted symbol tells"
    return None


def stream_of(folder: str, raw: bytes) -> Stream:
    """The rows say neither symbol nor interval; they last as long as the first one."""
    row = json.loads(raw)[0]
    return Stream("binance", FOLDERS[folder], "candle", "X", interval_between(row[0], row[6] + 1))
