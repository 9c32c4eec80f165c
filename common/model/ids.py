"""Names of events: built from what an event is, never from when it was sent (DESIGN P4)."""

from __future__ import annotations

from zlib import crc32

from common.model.events import Candle, Ticker


def candle_id(candle: Candle) -> str:
    """Of a closed candle: ``candle:binance:spot:BTCUSDT:1m:1700000000000:r0``."""
    return f"{_candle(candle)}:r{candle.revision}"


def value_id(event: Candle | Ticker, body: bytes) -> str:
    """Of a value that the next one replaces: it ends in a sum of what it says.

    ``candle:binance:spot:BTCUSDT:1m:1700000000000:open:9a0e3b1c``,
    ``ticker:binance:spot:BTCUSDT:1700000000123:9a0e3b1c``. The time alone would not do: not every
    exchange stamps one, and a ticker that is joined of several frames may change without it.
    """
    if isinstance(event, Candle):
        return f"{_candle(event)}:open:{crc32(body):08x}"
    place = f"{event.exchange}:{event.market}:{event.symbol}"
    return f"ticker:{place}:{event.event_ms}:{crc32(body):08x}"


def _candle(candle: Candle) -> str:
    place = f"{candle.exchange}:{candle.market}:{candle.symbol}"
    return f"candle:{place}:{candle.interval}:{candle.start_ms}"
