"""Binance's REST candles: each market pages in its own way.

Spot and USD-M go forward from ``startTime`` where it is given, COIN-M always back from ``endTime``.
The last row is the running bar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from common.model.events import Candle
from common.model.intervals import DAY_MS, INTERVALS, end_of
from common.model.streams import Market
from simulator.exchanges.binance.names import price, size, symbol_of, value
from simulator.exchanges.binance.query import listed_in, number_in
from simulator.exchanges.common import Refused, starts_between
from simulator.listing import Listed
from simulator.world import World

_MOST_ROWS: Mapping[Market, int] = {"spot": 1000, "linear": 1500, "inverse": 1500}
_INVERSE_SPAN_MS = 200 * DAY_MS


def klines(
    world: World, market: Market, query: Mapping[str, str]
) -> tuple[int, Callable[[], object]]:
    """``GET …/klines``: its weight, and the rows."""
    limit = query.get("limit", "500")
    rows = int(limit) if limit.isdecimal() else 500
    weight = 2
    if market != "spot":
        weight = 1 if rows < 100 else 2 if rows < 500 else 5 if rows <= 1000 else 10
    return weight, lambda: _kline_rows(world, market, query)


def _kline_rows(world: World, market: Market, query: Mapping[str, str]) -> list[list[Any]]:
    listed = listed_in(world, market, query)
    interval = query.get("interval", "")
    if interval not in INTERVALS:
        raise Refused(-1120, "Invalid interval.")
    limit = number_in(query, "limit")
    limit = 500 if limit is None else limit
    if limit < 1 or (market != "spot" and limit > _MOST_ROWS[market]):
        raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
    limit = min(limit, _MOST_ROWS[market])
    start_ms, end_ms = number_in(query, "startTime"), number_in(query, "endTime")
    span_ms = 0 if start_ms is None or end_ms is None else end_ms - start_ms
    if market == "inverse" and span_ms > _INVERSE_SPAN_MS:
        raise Refused(-1127, "More than 4800 hours between startTime and endTime.")
    if world.replay is not None:
        candles = world.replay.sent_candles(symbol_of(listed.listing), interval)
        bars = [_recorded_row(candle) for candle in candles]
        bars = [row for row in bars if (start_ms or 0) <= row[0] <= (end_ms or row[0])]
        return bars[:limit] if market != "inverse" and start_ms is not None else bars[-limit:]
    return _rows(world, listed, interval, limit, start_ms, end_ms)


def _rows(
    world: World, listed: Listed, interval: str, limit: int, start_ms: int | None,
    end_ms: int | None,
) -> list[list[Any]]:  # fmt: skip
    """Forward from ``startTime`` where it is given, on COIN-M always back from ``endTime``."""
    now_ms = world.clock.now_ms()
    starts = starts_between(world, listed, interval, start_ms, end_ms)
    forward = start_ms is not None and listed.listing.market != "inverse"
    starts = starts[:limit] if forward else starts[-limit:]
    return [_row(world, listed, interval, moment, now_ms) for moment in starts]


def _row(world: World, listed: Listed, interval: str, start_ms: int, now_ms: int) -> list[Any]:
    listing, bar = listed.listing, world.market.candle(listed, interval, start_ms, now_ms)
    return [
        start_ms,
        *(price(listing, units) for units in (bar.open, bar.high, bar.low, bar.close)),
        size(listing, bar.lots),
        end_of(interval, start_ms) - 1,
        value(listing, bar.value),
        bar.trades,
        size(listing, bar.taker_lots),
        value(listing, bar.taker_value),
        "0",
    ]


def _recorded_row(candle: Candle) -> list[Any]:
    """A recorded bar as a row; a recording does not keep what takers bought."""
    inverse = candle.market == "inverse"
    size_text, value_text = candle.volume, candle.quote_volume
    if inverse:
        size_text, value_text = str(candle.contracts), candle.volume
    prices = (candle.open, candle.high, candle.low, candle.close)
    head = [candle.start_ms, *prices, size_text, candle.end_ms - 1, value_text, candle.trades]
    return [*head, "0", "0", "0"]
