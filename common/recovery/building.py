"""Candles of an interval that an exchange does not have, out of those that it has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from common.model.decimals import same, total
from common.model.events import Candle
from common.model.intervals import end_of, start_of


def fold(interval: str, bars: Sequence[Candle]) -> Candle:
    """One candle of ``interval`` out of its bars, in order; it is closed if the last of them is.

    Prices are those of bars with trades, as if it had been made of the trades themselves. A volume
    that one of the bars does not have is left out. Numbers keep their digits.
    """
    traded = [bar for bar in bars if not _is_empty(bar)] or bars
    first, last = traded[0], bars[-1]
    start_ms = start_of(interval, last.start_ms)
    end_ms = end_of(interval, start_ms)
    return msgspec.structs.replace(
        last,
        interval=interval,
        start_ms=start_ms,
        end_ms=end_ms,
        open=first.open,
        high=max((bar.high for bar in traded), key=Decimal),
        low=min((bar.low for bar in traded), key=Decimal),
        volume=_sum(bars, lambda bar: bar.volume),
        quote_volume=_sum(bars, lambda bar: bar.quote_volume),
        contracts=_sum(bars, lambda bar: bar.contracts),
        trades=_count(bars),
        closed=last.closed and last.end_ms == end_ms,
        revision=0,
    )


def _is_empty(bar: Candle) -> bool:
    """Whether nothing was traded, as far as one of its volumes tells."""
    volumes = (bar.volume, bar.quote_volume, bar.contracts)
    return any(volume is not UNSET and same(volume, "0") for volume in volumes)


def _sum(bars: Sequence[Candle], value: Callable[[Candle], str | UnsetType]) -> str | UnsetType:
    terms = [term for bar in bars if (term := value(bar)) is not UNSET]
    return total(terms) if len(terms) == len(bars) else UNSET


def _count(bars: Sequence[Candle]) -> int | UnsetType:
    counts = [bar.trades for bar in bars if bar.trades is not UNSET]
    return sum(counts) if len(counts) == len(bars) else UNSET


class Builder:
    """The running candle of one interval, from the closed bars of a shorter one, in order.

    What does not begin with the candle's own beginning is not built: the caller sees to it that
    the bars before are given first.
    """

    def __init__(self, interval: str) -> None:
        self._interval = interval
        self._parts: list[Candle] = []

    def take(self, bar: Candle) -> Candle | None:
        """The candle as it stands with this bar; None while its beginning is unknown.

        A closed bar stays; an open one is only looked at.
        """
        start_ms = start_of(self._interval, bar.start_ms)
        # An open bar may be ahead of closed ones that are still fetched: it ends nothing here.
        parts = [part for part in self._parts if part.start_ms == start_ms]
        follows_ms = parts[-1].end_ms if parts else start_ms
        if bar.start_ms != follows_ms:
            return None
        built = fold(self._interval, [*parts, bar])
        if bar.closed:
            # Of many bars one sum is kept, so that a month of minutes costs no more than an hour.
            self._parts = [] if built.closed else [_so_far(built, bar)]
        return built


def _so_far(built: Candle, last: Candle) -> Candle:
    """What is known of a candle until the end of its last bar, as a bar itself."""
    return msgspec.structs.replace(
        built, interval=last.interval, end_ms=last.end_ms, closed=True, event_ms=UNSET
    )
