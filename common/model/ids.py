"""Names of events: built from what an event is, never from when it was sent (DESIGN P4)."""

from __future__ import annotations

from msgspec import UNSET

from common.model.events import Candle, Ticker


def candle_id(candle: Candle) -> str:
    """``candle:binance:spot:BTCUSDT:1m:1700000000000:r0``; an open one ends in its frame's time.

    Where the exchange stamps no time on its frames, an open one ends in its volume: a bar changes
    with every trade, and every trade makes it larger.
    """
    name = (
        f"candle:{candle.exchange}:{candle.market}:{candle.symbol}"
        f":{candle.interval}:{candle.start_ms}"
    )
    if candle.closed:
        return f"{name}:r{candle.revision}"
    if candle.event_ms is not UNSET:
        return f"{name}:open:{candle.event_ms}"
    size = candle.volume if candle.contracts is UNSET else candle.contracts
    return f"{name}:open:v{size}"


def ticker_id(ticker: Ticker) -> str:
    """``ticker:binance:spot:BTCUSDT:1700000000123``."""
    return f"ticker:{ticker.exchange}:{ticker.market}:{ticker.symbol}:{ticker.event_ms}"
