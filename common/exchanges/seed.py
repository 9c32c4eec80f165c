"""How older backends speak of a market, where that is neither our word nor the exchange's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from msgspec import Struct

# A pattern and what it is replaced by (``re.sub``), once per symbol.
Rewrite = tuple[str, str]


class SeedWords(Struct, frozen=True, kw_only=True):
    """One market's, as data; what is empty is as it is with us.

    Attributes:
        intervals: our spelling to theirs, as they ask for candles and listen to them.
        to_theirs, to_ours: from the exchange's symbol to theirs and back.
        second_name: to a second symbol that they know the same ticker by, where there is one.
        sizes: what their orders count: the base asset, or the exchange's contracts.
        tells_ends: whether an order that was rejected or has run out is told as such; else it is
            ``CANCELED``, the only end they know beside ``FILLED``.
        events: whether account events have the shapes that all share, or those of Binance futures.
    """

    intervals: Mapping[str, str] = {}
    to_theirs: tuple[Rewrite, ...] = ()
    to_ours: tuple[Rewrite, ...] = ()
    second_name: tuple[Rewrite, ...] = ()
    sizes: Literal["base", "contracts"] = "base"
    tells_ends: bool = False
    events: Literal["common", "futures"] = "common"

    def symbol(self, symbol: str) -> str:
        """What they call the exchange's symbol."""
        return _rewritten(symbol, self.to_theirs)

    def symbols(self, symbol: str) -> tuple[str, ...]:
        """All they call it: once or twice."""
        name = self.symbol(symbol)
        return tuple(dict.fromkeys((name, _rewritten(name, self.second_name))))

    def own_symbol(self, symbol: str) -> str:
        """The exchange's symbol for theirs; its own stays as it is."""
        return _rewritten(symbol, self.to_ours)

    def interval(self, interval: str) -> str:
        """What they call an interval of ours."""
        return self.intervals.get(interval, interval)

    def own_interval(self, interval: str) -> str | None:
        """Our interval for theirs; None if it is no word of theirs."""
        return next((ours for ours, theirs in self.intervals.items() if theirs == interval), None)


# More symbols than all markets together have.
@lru_cache(maxsize=50_000)
def _rewritten(symbol: str, rewrites: tuple[Rewrite, ...]) -> str:
    for pattern, replacement in rewrites:
        symbol = re.sub(pattern, replacement, symbol, count=1)
    return symbol
