"""The closed candles that judging is tested with."""

from __future__ import annotations

from typing import Any

MINUTE_MS = 60_000
T0 = 1_700_000_040_000


def bar(minute: int, **changes: Any) -> dict[str, Any]:
    start_ms = T0 + minute * MINUTE_MS
    body = {
        "exchange": "binance",
        "market": "spot",
        "symbol": "BTCUSDT",
        "interval": "1m",
        "startMs": start_ms,
        "endMs": start_ms + MINUTE_MS,
        "close": f"{100 + minute}.10",
        "closed": True,
        "revision": 0,
    }
    return body | changes
