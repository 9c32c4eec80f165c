"""OKX's channels, where each is served, and the feed behind every ``channel:instId``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.model.intervals import DAY_MS, HOUR_MS
from simulator.exchanges.okx import frames
from simulator.exchanges.okx.names import BARS, NAME, find, symbol_of
from simulator.feeds import CandleFeed, ChangeFeed, Feed, Wanted, traded_since
from simulator.listing import Listed
from simulator.market import Bar
from simulator.world import World

# Machine seconds between two pushes of one channel.
_CANDLE_S = 1.0
_TICKER_S = 0.1

_CANDLES: Mapping[str, str] = {f"candle{name}": interval for name, interval in BARS.items()}
_Produce = Callable[[World, Listed, int, int], Sequence[Mapping[str, Any]]]


def endpoint_of(channel: str) -> str | None:
    """Where a channel is served; None if there is no such channel."""
    if channel in _CANDLES:
        return "business"
    return "public" if channel in _PRODUCERS else None


def wanted(world: World, topic: str) -> Wanted | None:
    """The feed of a topic; None where nothing will ever come."""
    channel, _, symbol = topic.partition(":")
    listed = find(world, symbol)
    if listed is None or world.replay is not None:
        return None
    key = listed.listing.key
    if channel in _CANDLES:
        return Wanted(f"{NAME}:{topic}", lambda: _candles(world, key, channel))
    produce = _PRODUCERS[channel]

    def news(since_ms: int, now_ms: int) -> list[str]:
        listed = world.catalog.get(key)
        if listed is None or is_silenced(world, listed):
            return []
        rows = produce(world, listed, since_ms, now_ms)
        return [frames.push(channel, symbol, [row]) for row in rows]

    return Wanted(f"{NAME}:{topic}", lambda: ChangeFeed(_TICKER_S, world.clock.now_ms(), news))


def first_push(world: World, topic: str) -> str | None:
    """What a topic says as soon as it is subscribed: the ticker as it stands."""
    channel, _, symbol = topic.partition(":")
    listed = find(world, symbol)
    if channel != "tickers" or listed is None or world.replay is not None:
        return None
    if not listed.trading or is_silenced(world, listed):
        return None
    return frames.push(channel, symbol, [ticker_row(world, listed, world.clock.now_ms())])


def is_silenced(world: World, listed: Listed) -> bool:
    """Whether control has silenced this symbol."""
    listing = listed.listing
    return (NAME, listing.market, symbol_of(listing)) in world.faults.silenced


def ticker_row(world: World, listed: Listed, at_ms: int) -> dict[str, str]:
    """A ticker as of a time."""
    midnight_ms = at_ms // DAY_MS * DAY_MS
    # Midnight at UTC+8 is 16:00 UTC.
    eastern_ms = (at_ms + 8 * HOUR_MS) // DAY_MS * DAY_MS - 8 * HOUR_MS
    market = world.market
    opens = market.last_price(listed, midnight_ms), market.last_price(listed, eastern_ms)
    return frames.ticker(listed, market.day(listed, at_ms), opens)


def _candles(world: World, key: str, channel: str) -> Feed:
    def render(listed: Listed, start_ms: int, bar: Bar, closed: bool, now_ms: int) -> str:
        row = frames.candle(listed.listing, start_ms, bar, closed)
        return frames.push(channel, symbol_of(listed.listing), [row])

    def muted() -> bool:
        listed = world.catalog.get(key)
        return listed is not None and is_silenced(world, listed)

    return CandleFeed(
        world.market,
        lambda: world.catalog.get(key),
        _CANDLES[channel],
        _CANDLE_S,
        world.clock.now_ms(),
        render,
        muted,
    )


def _ticker(world: World, listed: Listed, since_ms: int, now_ms: int) -> Sequence[dict[str, Any]]:
    if not traded_since(world.market, world.catalog, listed.listing.key, since_ms, now_ms):
        return ()
    return (ticker_row(world, listed, now_ms),)


def _best(world: World, listed: Listed, since_ms: int, now_ms: int) -> Sequence[dict[str, Any]]:
    if not traded_since(world.market, world.catalog, listed.listing.key, since_ms, now_ms):
        return ()
    return (frames.best(listed, world.market.day(listed, now_ms)),)


def _trades(world: World, listed: Listed, since_ms: int, now_ms: int) -> Sequence[dict[str, Any]]:
    return [frames.trade(listed, one) for one in world.market.trades(listed, since_ms, now_ms)]


_PRODUCERS: Mapping[str, _Produce] = {"tickers": _ticker, "bbo-tbt": _best, "trades": _trades}
