"""KuCoin's topics, and the feed behind each: ``/market/candles:BTC-USDT_1min``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from simulator.exchanges.kucoin import frames
from simulator.exchanges.kucoin.names import (
    FUTURES_INTERVALS,
    NAME,
    SPOT_INTERVALS,
    Product,
    find,
    symbol_of,
)
from simulator.feeds import CandleFeed, ChangeFeed, Feed, Wanted, traded_since
from simulator.listing import Listed
from simulator.market import Bar
from simulator.world import World

# Machine seconds between pushes of a changed value.
_SPOT_CANDLE_S, _FUTURES_CANDLE_S = 0.2, 1.0
_BEST_S = 0.1
_SPOT_DAY_S, _FUTURES_DAY_S = 2.0, 5.0

_Produce = Callable[[World, Listed, int, int], Sequence[frames.Fields]]


def symbol_in(product: Product, topic: str) -> str:
    """The symbol a topic is about; what stands for many symbols comes as it is."""
    prefix, _, name = topic.partition(":")
    return name.rpartition("_")[0] if prefix == _CANDLES[product] else name


def wanted(world: World, product: Product, topic: str) -> Wanted | None:
    """The feed of a topic; None where there is no such topic."""
    if world.replay is not None:
        return None
    prefix, _, name = topic.partition(":")
    make: Callable[[], Feed] | None = None
    if prefix == _CANDLES[product]:
        make = _candles(world, product, name)
    elif prefix in _SINGLE[product]:
        make = _single(world, product, prefix, name)
    return None if make is None else Wanted(f"{NAME}:{topic}", make)


def _candles(world: World, product: Product, name: str) -> Callable[[], Feed] | None:
    symbol, _, word = name.rpartition("_")
    names = SPOT_INTERVALS if product == "spot" else FUTURES_INTERVALS
    listed, interval = find(world, product, symbol), names.get(word)
    if listed is None or interval is None:
        return None
    key, market = listed.listing.key, listed.listing.market
    said: dict[str, int] = {}

    def render(listed: Listed, start_ms: int, bar: Bar, closed: bool, now_ms: int) -> str:
        # The first word on a bar is another subject, be it said after the bar's end.
        first = said.get("start_ms") != start_ms
        said["start_ms"] = start_ms
        return frames.text_of(frames.kline(listed, start_ms, bar, first, now_ms))

    return lambda: CandleFeed(
        world.market,
        lambda: world.catalog.get(key),
        interval,
        _SPOT_CANDLE_S if product == "spot" else _FUTURES_CANDLE_S,
        world.clock.now_ms(),
        render,
        lambda: (NAME, market, symbol) in world.faults.silenced,
        tells_flat=False,
    )


def _single(
    world: World, product: Product, prefix: str, name: str
) -> Callable[[], Feed] | None:  # fmt: skip
    """One symbol, or a name that stands for many of them (spot only)."""
    pace_s, produce = _SINGLE[product][prefix]
    many = _MANY.get(prefix)
    fits = many(name) if many is not None else None
    if fits is None and find(world, product, name) is None:
        return None

    def rows() -> list[Listed]:
        if fits is None:
            listed = find(world, product, name)
            return [] if listed is None else [listed]
        return [listed for listed in world.catalog.of("spot") if fits(listed)]

    def news(since_ms: int, now_ms: int) -> list[str]:
        return [
            frames.text_of(fields | _subject_of_many(prefix, name, listed))
            for listed in rows()
            if (NAME, listed.listing.market, symbol_of(listed.listing)) not in world.faults.silenced
            if traded_since(world.market, world.catalog, listed.listing.key, since_ms, now_ms)
            for fields in produce(world, listed, since_ms, now_ms)
        ]

    return lambda: ChangeFeed(pace_s, world.clock.now_ms(), news)


def _subject_of_many(prefix: str, name: str, listed: Listed) -> frames.Fields:
    """Only the topic of all tickers tells the symbol in the subject."""
    if prefix == "/market/ticker" and name == "all":
        return {"subject": symbol_of(listed.listing)}
    return {}


def _all_symbols(name: str) -> Callable[[Listed], bool] | None:
    return (lambda _: True) if name == "all" else None


def _trading_area(name: str) -> Callable[[Listed], bool] | None:
    if name not in ("USDS", "BTC"):
        return None
    return lambda listed: frames.market_group(listed.listing) == name


# --- what each tells ------------------------------------------------------------------------


def _spot_best(world: World, listed: Listed, since_ms: int, now_ms: int) -> list[frames.Fields]:
    return [frames.spot_best(listed, world.market.day(listed, now_ms), "trade.ticker")]


def _spot_day(world: World, listed: Listed, since_ms: int, now_ms: int) -> list[frames.Fields]:
    return [frames.spot_day(listed, world.market.day(listed, now_ms))]


def _futures_best(world: World, listed: Listed, since_ms: int, now_ms: int) -> list[frames.Fields]:
    return [frames.futures_best(listed, world.market.day(listed, now_ms))]


def _futures_last(world: World, listed: Listed, since_ms: int, now_ms: int) -> list[frames.Fields]:
    return [frames.futures_last(listed, world.market.day(listed, now_ms))]


def _futures_day(world: World, listed: Listed, since_ms: int, now_ms: int) -> list[frames.Fields]:
    return [frames.futures_day(listed, world.market.day(listed, now_ms))]


def _trades(world: World, listed: Listed, since_ms: int, now_ms: int) -> list[frames.Fields]:
    return [frames.trade(listed, one) for one in world.market.trades(listed, since_ms, now_ms)]


class _Told(NamedTuple):
    pace_s: float
    produce: _Produce


_CANDLES: Mapping[Product, str] = {
    "spot": "/market/candles",
    "futures": "/contractMarket/limitCandle",
}
_SINGLE: Mapping[Product, Mapping[str, _Told]] = {
    "spot": {
        "/market/ticker": _Told(_BEST_S, _spot_best),
        "/market/snapshot": _Told(_SPOT_DAY_S, _spot_day),
        "/market/match": _Told(_BEST_S, _trades),
    },
    "futures": {
        "/contractMarket/tickerV2": _Told(_BEST_S, _futures_best),
        "/contractMarket/ticker": _Told(_BEST_S, _futures_last),
        "/contractMarket/snapshot": _Told(_FUTURES_DAY_S, _futures_day),
        "/contractMarket/execution": _Told(_BEST_S, _trades),
    },
}
_MANY: Mapping[str, Callable[[str], Callable[[Listed], bool] | None]] = {
    "/market/ticker": _all_symbols,
    "/market/snapshot": _trading_area,
}
