"""THE truth: bars, rolling days and books as they follow from the trades. Exchange-neutral.

Everything is a function of (seed, listing, time). A bar "as of t" knows the trades before t, and
nothing else; it is final once t reaches its end. Whole minutes, hours and days are kept, so that a
long bar costs a few dozen additions. A bar without a trade is flat at the close before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from common.model.intervals import DAY_MS, HOUR_MS, MINUTE_MS, end_of, start_of
from simulator.listing import Listed, Listing
from simulator.trades import Trade, level, trades_of

# What a flat bar says of the trades it does not have.
NO_TRADE_ID = -1


class Bar(NamedTuple):
    """What some trades add up to, in the listing's own integer units."""

    open: int
    high: int
    low: int
    close: int
    lots: int
    value: int
    trades: int
    taker_lots: int
    taker_value: int
    first_id: int
    last_id: int

    @property
    def flat(self) -> bool:
        """Whether nothing was traded."""
        return self.trades == 0


class Day(NamedTuple):
    """The rolling 24 hours as of ``as_of_ms``: its bar, the last trade and the best prices."""

    start_ms: int
    as_of_ms: int
    bar: Bar
    last: Trade | None
    book: Book


class Book(NamedTuple):
    """The best prices and their sizes in lots; ``update_id`` changes whenever they do."""

    bid: int
    bid_lots: int
    ask: int
    ask_lots: int
    update_id: int


def flat_bar(price: int) -> Bar:
    """The bar of an interval without trades."""
    return Bar(price, price, price, price, 0, 0, 0, 0, 0, NO_TRADE_ID, NO_TRADE_ID)


def bar_of(trades: Iterable[Trade]) -> Bar | None:
    """What these trades, in order, add up to; None for none."""
    trades = tuple(trades)
    if not trades:
        return None
    prices = [trade.price for trade in trades]
    bought = [trade for trade in trades if trade.taker_buys]
    return Bar(
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(trade.lots for trade in trades),
        sum(trade.value for trade in trades),
        len(trades),
        sum(trade.lots for trade in bought),
        sum(trade.value for trade in bought),
        trades[0].trade_id,
        trades[-1].trade_id,
    )


def fold(bars: Iterable[Bar | None]) -> Bar | None:
    """Several bars in a row as one; None (nothing traded) adds nothing."""
    traded = [bar for bar in bars if bar is not None and bar.trades]
    if len(traded) < 2:
        return traded[0] if traded else None
    return Bar(
        traded[0].open,
        max(bar.high for bar in traded),
        min(bar.low for bar in traded),
        traded[-1].close,
        sum(bar.lots for bar in traded),
        sum(bar.value for bar in traded),
        sum(bar.trades for bar in traded),
        sum(bar.taker_lots for bar in traded),
        sum(bar.taker_value for bar in traded),
        traded[0].first_id,
        traded[-1].last_id,
    )


# Kept by (seed, listing, index): pure, so every market of a process may share them.


@lru_cache(maxsize=65_536)
def _minute(seed: int, listing: Listing, minute: int) -> Bar | None:
    return bar_of(trades_of(seed, listing, minute))


@lru_cache(maxsize=16_384)
def _hour(seed: int, listing: Listing, hour: int) -> Bar | None:
    return fold(_minute(seed, listing, minute) for minute in range(hour * 60, hour * 60 + 60))


@lru_cache(maxsize=4_096)
def _day(seed: int, listing: Listing, day: int) -> Bar | None:
    return fold(_hour(seed, listing, hour) for hour in range(day * 24, day * 24 + 24))


_BLOCKS = ((DAY_MS, _day), (HOUR_MS, _hour), (MINUTE_MS, _minute))


class Market:
    """One seeded market of everything listed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def trades(self, listed: Listed, from_ms: int, to_ms: int) -> list[Trade]:
        """The trades with ``from_ms <= time < to_ms``."""
        from_ms, to_ms = _within(listed, from_ms, to_ms)
        if from_ms >= to_ms:
            return []
        minutes = range(from_ms // MINUTE_MS, (to_ms - 1) // MINUTE_MS + 1)
        return [
            trade
            for minute in minutes
            for trade in trades_of(self.seed, listed.listing, minute)
            if from_ms <= trade.time_ms < to_ms
        ]

    def exists(self, listed: Listed, interval: str, start_ms: int) -> bool:
        """Whether the market was open at some time of this bar."""
        ends_ms = listed.ends_ms
        return (
            not listed.listing.halted
            and end_of(interval, start_ms) > listed.begins_ms
            and (ends_ms is None or start_ms < ends_ms)
        )

    def candle(self, listed: Listed, interval: str, start_ms: int, as_of_ms: int) -> Bar:
        """The bar that starts at ``start_ms``, as of a time; final once that reaches its end."""
        until_ms = min(end_of(interval, start_ms), as_of_ms)
        bar = self._span(listed, start_ms, until_ms)
        return bar if bar is not None else flat_bar(self.last_price(listed, start_ms))

    def starts(self, interval: str, from_ms: int, to_ms: int) -> Iterator[int]:
        """The starts of bars with ``from_ms <= start <= to_ms``, in order."""
        start_ms = start_of(interval, from_ms)
        if start_ms < from_ms:
            start_ms = end_of(interval, start_ms)
        while start_ms <= to_ms:
            yield start_ms
            start_ms = end_of(interval, start_ms)

    def day(self, listed: Listed, as_of_ms: int) -> Day:
        """The rolling 24 hours; like the exchanges' it starts with a whole minute."""
        start_ms = (as_of_ms - DAY_MS) // MINUTE_MS * MINUTE_MS
        bar = self._span(listed, start_ms, as_of_ms)
        last = self.last_trade(listed, as_of_ms)
        if bar is None:
            bar = flat_bar(self.last_price(listed, as_of_ms))
        return Day(start_ms, as_of_ms, bar, last, self.book(listed, as_of_ms))

    def last_trade(self, listed: Listed, before_ms: int) -> Trade | None:
        """The last trade before a time; None if there was none since the listing."""
        begins_ms, before_ms = _within(listed, listed.begins_ms, before_ms)
        minute = before_ms // MINUTE_MS
        while minute * MINUTE_MS + MINUTE_MS > begins_ms:
            for trade in reversed(trades_of(self.seed, listed.listing, minute)):
                if begins_ms <= trade.time_ms < before_ms:
                    return trade
            # An hour without a trade is skipped whole.
            while minute % 60 == 0 and _hour(self.seed, listed.listing, minute // 60 - 1) is None:
                if minute * MINUTE_MS <= begins_ms:
                    return None
                minute -= 60
            minute -= 1
        return None

    def last_price(self, listed: Listed, before_ms: int) -> int:
        """The last traded price before a time; before the first trade, the level of the opening."""
        trade = self.last_trade(listed, before_ms)
        if trade is not None:
            return trade.price
        tick = listed.listing.tick
        opening = level(self.seed, listed.listing, listed.begins_ms // MINUTE_MS)
        return max(opening // tick, 1) * tick

    def book(self, listed: Listed, as_of_ms: int) -> Book:
        """The best prices after the last trade: it took one side, the other is a tick away."""
        tick = listed.listing.tick
        trade = self.last_trade(listed, as_of_ms)
        price = trade.price if trade is not None else self.last_price(listed, as_of_ms)
        number = trade.trade_id if trade is not None else 0
        ask = price if trade is not None and trade.taker_buys else price + tick
        spread = tick * (1 + number % 3)
        bid = max(ask - spread, tick)
        ask = max(ask, bid + tick)
        bid_lots = 1 + number * 7919 % (4 * listed.listing.typical_lots)
        ask_lots = 1 + number * 6101 % (4 * listed.listing.typical_lots)
        return Book(bid, bid_lots, ask, ask_lots, number)

    def _span(self, listed: Listed, from_ms: int, to_ms: int) -> Bar | None:
        """Everything traded in ``[from_ms, to_ms)``, out of the largest whole blocks."""
        from_ms, to_ms = _within(listed, from_ms, to_ms)
        return fold(self._blocks(listed, from_ms, to_ms))

    def _blocks(self, listed: Listed, from_ms: int, to_ms: int) -> Iterator[Bar | None]:
        while from_ms < to_ms:
            for length_ms, block in _BLOCKS:
                if from_ms % length_ms == 0 and from_ms + length_ms <= to_ms:
                    yield block(self.seed, listed.listing, from_ms // length_ms)
                    from_ms += length_ms
                    break
            else:
                part_end_ms = min(from_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS, to_ms)
                yield bar_of(self.trades(listed, from_ms, part_end_ms))
                from_ms = part_end_ms


def _within(listed: Listed, from_ms: int, to_ms: int) -> tuple[int, int]:
    """The part of a stretch in which the listing was trading."""
    ends_ms = listed.ends_ms
    return max(from_ms, listed.begins_ms), to_ms if ends_ms is None else min(to_ms, ends_ms)
