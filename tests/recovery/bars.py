"""Bars for the recovery tests: minutes of one symbol that hardly trades."""

from __future__ import annotations

from typing import Any

from common.model.events import Candle

MINUTE_MS = 60_000
# The first minute of a day, an hour and every longer interval but the week: 2023-11-15 00:00.
BEGIN_MS = 1_700_006_400_000


def at(minute: float) -> int:
    """Market time, ``minute`` minutes after the beginning."""
    return BEGIN_MS + int(minute * MINUTE_MS)


def bar(
    minute: int, close: str = "1", *, closed: bool = True, volume: str = "0", minutes: int = 1
) -> Candle:
    event: dict[str, Any] = {} if closed else {"event_ms": at(minute) + 1}
    return Candle(
        exchange="binance",
        market="spot",
        symbol="BTCUSDT",
        interval={1: "1m", 3: "3m", 5: "5m"}[minutes],
        start_ms=at(minute),
        end_ms=at(minute + minutes),
        open="1",
        high="1",
        low="1",
        close=close,
        volume=volume,
        closed=closed,
        **event,
    )
