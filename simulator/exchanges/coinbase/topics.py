"""Coinbase's topics (``candles:BTC-USDT``, ``heartbeats``): what they tell at once, and later."""

from __future__ import annotations

from collections.abc import Callable

from simulator.exchanges.coinbase import frames
from simulator.exchanges.coinbase.names import (
    CANDLES,
    HEARTBEATS,
    NAME,
    TICKER,
    TICKER_BATCH,
    TRADES,
    find,
)
from simulator.feeds import CandleFeed, ChangeFeed, Feed, Wanted, traded_since
from simulator.listing import Listed
from simulator.market import Bar
from simulator.world import World

# Machine seconds between pushes.
_HEARTBEAT_S = 1.0
_CANDLE_S = 1.0
_PACE_S = {TRADES: 0.25, TICKER: 0.1, TICKER_BATCH: 5.0}


def silenced(world: World, product: str) -> bool:
    """Whether a fault keeps this product from ever being told of."""
    return (NAME, "spot", product) in world.faults.silenced


def snapshot(world: World, topic: str, now_ms: int) -> str | None:
    """What a new subscriber is told first; None where there is nothing to tell."""
    channel, _, product = topic.partition(":")
    listed = find(world, product)
    if listed is None or silenced(world, product):
        return None
    if channel == TRADES:
        rows = frames.recent_prints(world.market, listed, now_ms)
    elif channel == CANDLES:
        rows = frames.recent_candles(world.market, listed, now_ms)
    else:
        rows = _day_rows(world, listed, now_ms, channel)
    return frames.payload(channel, rows, now_ms, "snapshot") if rows else None


def wanted(world: World, topic: str, since_ms: int) -> Wanted | None:
    """The feed of a topic, going on where a snapshot as of ``since_ms`` ended."""
    channel, _, product = topic.partition(":")
    make = _heartbeats if channel == HEARTBEATS else _MAKERS.get(channel)
    if make is None or (channel != HEARTBEATS and find(world, product) is None):
        return None
    return Wanted(f"{NAME}:{topic}", lambda: make(world, channel, product, since_ms))


# --- feeds ----------------------------------------------------------------------------------


def _heartbeats(world: World, channel: str, product: str, since_ms: int) -> Feed:
    return ChangeFeed(_HEARTBEAT_S, since_ms, lambda _, now_ms: [frames.heartbeat(now_ms)])


def _candles(world: World, channel: str, product: str, since_ms: int) -> Feed:
    def render(listed: Listed, start_ms: int, bar: Bar, closed: bool, now_ms: int) -> str:
        return frames.payload(CANDLES, [frames.candle(listed, start_ms, bar)], now_ms)

    return CandleFeed(
        world.market,
        lambda: find(world, product),
        frames.INTERVAL,
        _CANDLE_S,
        since_ms,
        render,
        lambda: silenced(world, product),
        tells_flat=False,
    )


def _changes(world: World, channel: str, product: str, since_ms: int) -> Feed:
    """Trades, or the day as it is after some."""

    def news(since_ms: int, now_ms: int) -> list[str]:
        listed = find(world, product)
        if listed is None or silenced(world, product):
            return []
        if channel == TRADES:
            rows = frames.prints(world.market, listed, since_ms, now_ms)
        elif traded_since(world.market, world.catalog, listed.listing.key, since_ms, now_ms):
            rows = _day_rows(world, listed, now_ms, channel)
        else:
            rows = []
        return [frames.payload(channel, rows, now_ms)] if rows else []

    return ChangeFeed(_PACE_S[channel], since_ms, news)


def _day_rows(world: World, listed: Listed, now_ms: int, channel: str) -> list[frames.Row]:
    day = world.market.day(listed, now_ms)
    if day.last is None:
        return []
    return [frames.ticker(listed, day, with_book=channel == TICKER)]


_MAKERS: dict[str, Callable[[World, str, str, int], Feed]] = {
    CANDLES: _candles,
    TRADES: _changes,
    TICKER: _changes,
    TICKER_BATCH: _changes,
}
