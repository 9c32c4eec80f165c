"""Events the tests of publishing are made of."""

from __future__ import annotations

from typing import Any

from common.model.events import Candle, Ticker

MINUTE_MS = 60_000
START_MS = 1_700_000_040_000


def candle(
    symbol: str = "BTCUSDT", bar: int = 0, *, revision: int = 0, close: str = "1.50"
) -> Candle:
    """The closed one-minute candle ``bar`` minutes after ``START_MS``."""
    return _bar(
        symbol, bar, close=close, volume="10.000", quote_volume="15.0", trades=3,
        closed=True, revision=revision,
    )  # fmt: skip


def open_candle(symbol: str = "BTCUSDT", bar: int = 0, *, at_ms: int, close: str = "1.2") -> Candle:
    """A state of the same candle, ``at_ms`` after its start."""
    event_ms = START_MS + bar * MINUTE_MS + at_ms
    return _bar(symbol, bar, close=close, volume="4.000", event_ms=event_ms)


def _bar(symbol: str, bar: int, **more: Any) -> Candle:
    start_ms = START_MS + bar * MINUTE_MS
    return Candle(
        exchange="binance", market="spot", symbol=symbol, interval="1m",
        start_ms=start_ms, end_ms=start_ms + MINUTE_MS,
        open="1.00", high="2.00", low="0.50", **more,
    )  # fmt: skip


def ticker(symbol: str = "BTCUSDT", *, event_ms: int = START_MS, last: str = "1.00") -> Ticker:
    return Ticker(exchange="binance", market="spot", symbol=symbol, event_ms=event_ms, last=last)
