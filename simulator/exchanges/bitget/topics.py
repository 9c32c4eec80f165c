"""What can be subscribed to, the first push of it, and the feed behind it.

A topic is the argument itself: product type, channel and symbol. One socket serves all markets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from common.model.streams import Market
from simulator.exchanges import common
from simulator.exchanges.bitget import frames
from simulator.exchanges.bitget.names import CHANNELS, INST_TYPES, NAME, symbol_of
from simulator.feeds import CandleFeed, ChangeFeed, Feed, Wanted, traded_since
from simulator.listing import Listed
from simulator.market import Bar
from simulator.world import World

# Machine seconds between pushes of a changed value.
_CANDLE_S = 1.0
_TICKER_S = 0.3
_TRADE_S = 0.1
# Trades of the first push.
_TRADES = 50
_TRADES_MS = 600_000

_SEPARATOR = "|"


class Topic(NamedTuple):
    """One argument of a subscribe."""

    inst_type: str
    channel: str
    symbol: str

    @property
    def key(self) -> str:
        """The name the socket keeps it under."""
        return _SEPARATOR.join(self)

    @property
    def arg(self) -> frames.Arg:
        """As it is repeated in answers and pushes."""
        return {"instType": self.inst_type, "channel": self.channel, "instId": self.symbol}

    @property
    def market(self) -> Market:
        """The market it is about."""
        return INST_TYPES[self.inst_type]

    @property
    def interval(self) -> str:
        """The interval of a candle channel."""
        return CHANNELS[self.channel.removeprefix("candle")]


def topic_of(key: str) -> Topic:
    """The other way round."""
    return Topic(*key.split(_SEPARATOR, 2))


def read_topic(arg: Mapping[str, Any]) -> Topic:
    """An argument as a client sends it."""
    return Topic(*(str(arg.get(name)) for name in ("instType", "channel", "instId")))


def find(world: World, market: Market, symbol: str) -> Listed | None:
    """The listing of this symbol."""
    return common.find(world.catalog.of(market), symbol_of, symbol)


def exists(world: World, topic: Topic) -> bool:
    """Whether the exchange knows the product type, the channel and the symbol."""
    if topic.inst_type not in INST_TYPES:
        return False
    name = topic.channel.removeprefix("candle")
    known = topic.channel in ("ticker", "trade") or (name != topic.channel and name in CHANNELS)
    if not known or (NAME, topic.market, topic.symbol) in world.faults.rejected:
        return False
    return find(world, topic.market, topic.symbol) is not None


def first_push(world: World, topic: Topic, now_ms: int) -> str | None:
    """What is sent at once after a subscribe; None where there is nothing to tell."""
    listed = find(world, topic.market, topic.symbol)
    if listed is None or world.replay is not None or _muted(world, topic):
        return None
    if topic.channel == "ticker":
        rows: list[Any] = [_ticker(world, listed, now_ms)] if listed.trading else []
    elif topic.channel == "trade":
        trades = world.market.trades(listed, now_ms - _TRADES_MS, now_ms)[-_TRADES:]
        rows = [frames.trade(listed, one) for one in reversed(trades)]
    else:
        rows = list(frames.history(world.market, listed, topic.interval, now_ms))
    return frames.push("snapshot", topic.arg, rows, now_ms) if rows else None


def wanted(world: World, topic: Topic, since_ms: int) -> Wanted | None:
    """The feed of a topic, going on where the first push ended; None where nothing will come."""
    listed = find(world, topic.market, topic.symbol)
    if listed is None or world.replay is not None:
        return None
    key = listed.listing.key
    return Wanted(f"{NAME}:{topic.key}", lambda: _feed(world, topic, key, since_ms))


def _feed(world: World, topic: Topic, key: str, since_ms: int) -> Feed:
    if topic.channel == "ticker":
        return ChangeFeed(_TICKER_S, since_ms, _ticker_news(world, topic, key))
    if topic.channel == "trade":
        return ChangeFeed(_TRADE_S, since_ms, _trade_news(world, topic, key))

    def render(listed: Listed, start_ms: int, bar: Bar, closed: bool, now_ms: int) -> str:
        return frames.push("update", topic.arg, [frames.row(listed, start_ms, bar)], now_ms)

    return CandleFeed(
        world.market,
        lambda: world.catalog.get(key),
        topic.interval,
        _CANDLE_S,
        since_ms,
        render,
        lambda: _muted(world, topic),
    )


def _ticker_news(world: World, topic: Topic, key: str) -> Any:
    def news(since_ms: int, now_ms: int) -> list[str]:
        listed = world.catalog.get(key)
        if listed is None or _muted(world, topic):
            return []
        if not traded_since(world.market, world.catalog, key, since_ms, now_ms):
            return []
        return [frames.push("snapshot", topic.arg, [_ticker(world, listed, now_ms)], now_ms)]

    return news


def _trade_news(world: World, topic: Topic, key: str) -> Any:
    def news(since_ms: int, now_ms: int) -> list[str]:
        listed = world.catalog.get(key)
        if listed is None or _muted(world, topic):
            return []
        trades = world.market.trades(listed, since_ms, now_ms)
        rows = [frames.trade(listed, one) for one in reversed(trades)]
        return [frames.push("update", topic.arg, rows, now_ms)] if rows else []

    return news


def _ticker(world: World, listed: Listed, now_ms: int) -> dict[str, Any]:
    return frames.ticker(listed, world.market.day(listed, now_ms))


def _muted(world: World, topic: Topic) -> bool:
    return (NAME, topic.market, topic.symbol) in world.faults.silenced
