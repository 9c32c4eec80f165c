"""Bybit's topics, what is wrong with a topic, and the feed behind each.

Bars and trades are shared by all sockets. Days and best prices begin with a snapshot on every
socket, so each has a feed of its own.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

from common.model.streams import Market
from simulator.exchanges.bybit import frames
from simulator.exchanges.bybit.names import INTERVALS, NAME, find
from simulator.feeds import CandleFeed, ChangeFeed, Feed, Pace, Wanted
from simulator.listing import Listed
from simulator.market import Bar
from simulator.world import World

# Machine seconds between pushes of a changed value; best prices come again without a change.
_KLINE_S = 1.0
_STATE_S = 0.1
_TRADE_S = 0.1
_AGAIN_S = 3.0


class Topic(NamedTuple):
    """A topic that is spelled as one."""

    kind: str
    symbol: str
    interval: str


def read(topic: str) -> Topic | None:
    """``kline.1.BTCUSDT`` and the like; None for what is no topic. Depths other than 1 are none."""
    kind, _, rest = topic.partition(".")
    if kind in ("tickers", "publicTrade") and rest:
        return Topic(kind, rest, "")
    middle, _, symbol = rest.partition(".")
    if kind == "kline" and symbol:
        return Topic(kind, symbol, middle)
    if kind == "orderbook" and middle == "1" and symbol:
        return Topic("orderbook.1", symbol, "")
    return None


def problem(world: World, market: Market, topic: str) -> str | None:
    """How the exchange refuses this topic; None if it takes it."""
    named = read(topic)
    listed = named is not None and find(world, market, named.symbol) is not None
    rejected = named is not None and (NAME, market, named.symbol) in world.faults.rejected
    right = named is not None and (named.kind != "kline" or named.interval in INTERVALS)
    if listed and right and not rejected:
        return None
    if market != "spot":
        return f"error:handler not found,topic:{topic}"
    if named is None:
        return f"Invalid topic: {topic}"
    return f"Invalid symbol :[{topic}]" if right else f"Invalid kline type :[{topic}]"


def wanted(world: World, market: Market, topic: str, socket: int) -> Wanted | None:
    """The feed of a topic on a socket; None where nothing will ever come."""
    if world.replay is not None:
        return world.replay.wanted(market, topic)
    named = read(topic)
    listed = None if named is None else find(world, market, named.symbol)
    if named is None or listed is None:
        return None
    feed = _Place(world, market, topic, named.symbol, listed.listing.key)
    key = f"{NAME}:{market}:{topic}"
    if named.kind == "kline":
        return Wanted(key, lambda: _candles(feed, INTERVALS[named.interval]))
    if named.kind == "publicTrade":
        return Wanted(key, lambda: _trades(feed))
    make = _DayFeed if named.kind == "tickers" else _BookFeed
    return Wanted(f"{key}:{socket}", lambda: make(feed))


class _Place(NamedTuple):
    """What the feeds of one symbol have in common."""

    world: World
    market: Market
    topic: str
    symbol: str
    key: str

    def listed(self) -> Listed | None:
        """The listing as it is now; a halted one has nothing to say."""
        listed = self.world.catalog.get(self.key)
        return None if listed is None or listed.listing.halted else listed

    def muted(self) -> bool:
        """Whether it is silenced."""
        return (NAME, self.market, self.symbol) in self.world.faults.silenced


def _candles(place: _Place, interval: str) -> Feed:
    def render(listed: Listed, start_ms: int, bar: Bar, closed: bool, now_ms: int) -> str:
        row = frames.kline(listed, interval, start_ms, bar, closed, now_ms)
        return frames.push(place.market, place.topic, "snapshot", [row], now_ms)

    world = place.world
    return CandleFeed(
        world.market, place.listed, interval, _KLINE_S, world.clock.now_ms(), render, place.muted
    )


def _trades(place: _Place) -> Feed:
    world = place.world

    def news(since_ms: int, now_ms: int) -> list[str]:
        listed = place.listed()
        trades = [] if listed is None else world.market.trades(listed, since_ms, now_ms)
        if listed is None or not trades or place.muted():
            return []
        rows = [frames.trade_fields(listed, trade) for trade in trades]
        return [frames.push(place.market, place.topic, "snapshot", rows, now_ms)]

    return ChangeFeed(_TRADE_S, world.clock.now_ms(), news)


class _StateFeed(Feed):
    """Something that has a state, told whole at first."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._pace = Pace(_STATE_S)
        self._seen: frames.Fields | None = None

    def collect(self, now_ms: int, now_s: float) -> list[str]:
        """The state, if it is time and there is something to say of it."""
        place = self._place
        listed = place.listed()
        if listed is None or listed.ends_ms is not None or place.muted():
            return []
        if not self._pace.due(now_s):
            return []
        return self._tell(listed, now_ms, now_s)

    @abstractmethod
    def _tell(self, listed: Listed, now_ms: int, now_s: float) -> list[str]:
        """The pushes that are due, given that it is time."""


class _DayFeed(_StateFeed):
    """The rolling day: on spot always whole, on the others only what has changed."""

    def _tell(
        self,
        listed: Listed,
        now_ms: int,
        now_s: float,  # noqa: ARG002 - as all of them
    ) -> list[str]:
        place, seen = self._place, self._seen
        fields = frames.day_fields(listed, place.world.market.day(listed, now_ms))
        if fields == seen:
            return []
        self._seen, kind = fields, "snapshot"
        if seen is not None and place.market != "spot":
            changed = {name: text for name, text in fields.items() if seen[name] != text}
            fields, kind = {"symbol": place.symbol, **changed}, "delta"
        return [frames.push(place.market, place.topic, kind, fields, now_ms, cs=now_ms)]


class _BookFeed(_StateFeed):
    """The best prices: always whole, and again after a while without a change."""

    def __init__(self, place: _Place) -> None:
        super().__init__(place)
        self._told_s = 0.0

    def _tell(self, listed: Listed, now_ms: int, now_s: float) -> list[str]:
        place = self._place
        fields = frames.book_fields(listed, place.world.market.book(listed, now_ms))
        if fields == self._seen and now_s - self._told_s < _AGAIN_S:
            return []
        self._seen, self._told_s = fields, now_s
        return [frames.push(place.market, place.topic, "snapshot", fields, now_ms, cts=now_ms)]
