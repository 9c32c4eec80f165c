"""Binance's stream names, and the feed behind each.

A well-formed name of something that does not exist is no error: it is acked and never speaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from common.model.intervals import INTERVALS
from common.model.streams import MARKETS, Market
from simulator.exchanges import common
from simulator.exchanges.binance import frames
from simulator.exchanges.binance.names import NAME, contract_type, pair_of, symbol_of
from simulator.feeds import CandleFeed, ChangeFeed, Feed, Wanted, traded_since
from simulator.listing import Listed
from simulator.market import Bar
from simulator.world import World

# Machine seconds between pushes of a changed value.
_KLINE_S = {"spot": 1.0, "linear": 0.5, "inverse": 0.5}
_TICKER_S = {"spot": 1.0, "linear": 1.0, "inverse": 0.5}
_ARRAY_S = 1.0
_TRADE_S = 0.1

_WELL_FORMED = re.compile(r"^(![A-Za-z0-9_]+(@[A-Za-z0-9_:+]+)*|[^@/\s]+(@[A-Za-z0-9_:+]+)+)$")
_ARRAYS = ("!miniTicker@arr", "!ticker@arr")


def well_formed(topic: str) -> bool:
    """Whether it looks like a stream name at all."""
    return _WELL_FORMED.match(topic) is not None


def find(world: World, market: Market, symbol: str) -> Listed | None:
    """The listing of this symbol."""
    return common.find(world.catalog.of(market), symbol_of, symbol)


def symbol_in(world: World, market: Market, topic: str) -> str | None:
    """The symbol a stream name is about. Names are lower case; anything else is nobody's."""
    name = topic.partition("@")[0]
    for entry in world.catalog.of(market):
        symbol = symbol_of(entry.listing)
        if name == symbol.lower():
            return symbol
        pair = f"{pair_of(entry.listing)}_{contract_type(entry.listing)}"
        if "@continuousKline_" in topic and name == pair.lower():
            return symbol
    return None


def wanted(world: World, market: Market, topic: str) -> Wanted | None:
    """The feed of a stream name; None where nothing will ever come."""
    if world.replay is not None:
        return world.replay.wanted(market, topic)
    make = _array(world, market, topic) if topic in _ARRAYS else _single(world, market, topic)
    return None if make is None else Wanted(f"{NAME}:{market}:{topic}", make)


# --- one symbol -----------------------------------------------------------------------------


def _single(world: World, market: Market, topic: str) -> Callable[[], Feed] | None:
    symbol, kind = symbol_in(world, market, topic), topic.partition("@")[2]
    listed = None if symbol is None else find(world, market, symbol)
    if symbol is None or listed is None:
        return None
    key = listed.listing.key
    kind, _, interval = kind.partition("_")
    if interval:
        futures_only = kind == "continuousKline"
        if interval not in INTERVALS or kind not in ("kline", "continuousKline"):
            return None
        if futures_only and market == "spot":
            return None
        return lambda: _candles(world, key, symbol, kind, interval)
    produce = _PRODUCERS.get(kind)
    if produce is None or (kind == "trade" and market != "spot"):
        return None
    pace_s = _TRADE_S if kind in ("aggTrade", "trade", "bookTicker") else _TICKER_S[market]

    def news(since_ms: int, now_ms: int) -> list[str]:
        listed = world.catalog.get(key)
        if listed is None or (NAME, market, symbol) in world.faults.silenced:
            return []
        return [frames.text_of(fields) for fields in produce(world, listed, since_ms, now_ms)]

    return lambda: ChangeFeed(pace_s, world.clock.now_ms(), news)


def _candles(world: World, key: str, symbol: str, kind: str, interval: str) -> Feed:
    market = key.partition(":")[0]
    spell = frames.kline if kind == "kline" else frames.continuous_kline

    def render(listed: Listed, start_ms: int, bar: Bar, closed: bool, now_ms: int) -> str:
        return frames.text_of(spell(listed, interval, start_ms, bar, closed, now_ms))

    return CandleFeed(
        world.market,
        lambda: world.catalog.get(key),
        interval,
        _KLINE_S[market],
        world.clock.now_ms(),
        render,
        lambda: (NAME, market, symbol) in world.faults.silenced,
    )


_Produce = Callable[[World, Listed, int, int], Sequence[frames.Fields]]


def _mini(world: World, listed: Listed, since_ms: int, now_ms: int) -> Sequence[frames.Fields]:
    if not _moved(world, listed, since_ms, now_ms):
        return ()
    return (frames.mini_ticker(listed, world.market.day(listed, now_ms)),)


def _full(world: World, listed: Listed, since_ms: int, now_ms: int) -> Sequence[frames.Fields]:
    if not _moved(world, listed, since_ms, now_ms):
        return ()
    day = world.market.day(listed, now_ms)
    return (frames.ticker(listed, day, world.market.last_price(listed, day.start_ms)),)


def _book(world: World, listed: Listed, since_ms: int, now_ms: int) -> Sequence[frames.Fields]:
    if not _moved(world, listed, since_ms, now_ms):
        return ()
    return (frames.book_ticker(listed, world.market.day(listed, now_ms)),)


def _agg(world: World, listed: Listed, since_ms: int, now_ms: int) -> Sequence[frames.Fields]:
    trades = world.market.trades(listed, since_ms, now_ms)
    return [frames.agg_trade(listed, trade, now_ms) for trade in trades]


def _trade(world: World, listed: Listed, since_ms: int, now_ms: int) -> Sequence[frames.Fields]:
    trades = world.market.trades(listed, since_ms, now_ms)
    return [frames.single_trade(listed, trade, now_ms) for trade in trades]


def _moved(world: World, listed: Listed, since_ms: int, now_ms: int) -> bool:
    return traded_since(world.market, world.catalog, listed.listing.key, since_ms, now_ms)


_PRODUCERS: dict[str, _Produce] = {
    "miniTicker": _mini,
    "ticker": _full,
    "bookTicker": _book,
    "aggTrade": _agg,
    "trade": _trade,
}


# --- all symbols ----------------------------------------------------------------------------


def _array(world: World, market: Market, topic: str) -> Callable[[], Feed] | None:
    """An all-market array: only what has changed; on futures of both futures markets."""
    if market == "spot" and topic == "!ticker@arr":
        return None  # retired 2026-03-26
    produce = _mini if topic == "!miniTicker@arr" else _full
    markets = [other for other in MARKETS if (other == "spot") == (market == "spot")]

    def news(since_ms: int, now_ms: int) -> list[str]:
        rows = [
            row
            for other in markets
            for listed in world.catalog.of(other)
            if (NAME, other, symbol_of(listed.listing)) not in world.faults.silenced
            for row in produce(world, listed, since_ms, now_ms)
        ]
        return [frames.text_of(rows)] if rows else []

    return lambda: ChangeFeed(_ARRAY_S, world.clock.now_ms(), news)
