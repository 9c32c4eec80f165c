"""Whether what was closed without the exchange's word is what its REST finally says. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import UNSET, UnsetType

from common.model.decimals import same
from common.model.events import Candle
from common.recovery.steps import Hole, has_trades

# Bars of one stream that wait to be compared; the oldest are given up first.
MOST_PENDING = 2_000


class Settling:
    """The closed candles of one stream that are not compared yet.

    Attributes:
        counts: ``settled``, ``revised``, and ``unsettled`` for what could not be compared.
    """

    def __init__(self) -> None:
        self._pending: dict[int, Candle] = {}
        self.counts: Counter[str] = Counter()

    def note(self, candle: Candle) -> None:
        """A candle was published."""
        self._pending[candle.start_ms] = candle
        if len(self._pending) > MOST_PENDING:
            del self._pending[next(iter(self._pending))]
            self.counts["unsettled"] += 1

    def due(self, final_ms: int) -> Hole | None:
        """The stretch to compare: of what ended by ``final_ms``, for REST is final about it."""
        ended = [candle for candle in self._pending.values() if candle.end_ms <= final_ms]
        return Hole(ended[0].start_ms, ended[-1].end_ms) if ended else None

    def traded(self, stretch: Hole) -> set[int]:
        """The starts of the bars of a stretch in which something was traded: REST has them."""
        return {
            start_ms
            for start_ms, candle in self._pending.items()
            if stretch.from_ms <= start_ms < stretch.to_ms and has_trades(candle)
        }

    def compare(self, stretch: Hole, bars: Iterable[Candle]) -> list[Candle]:
        """What REST says otherwise, as candles of a higher revision."""
        known = {bar.start_ms: bar for bar in bars}
        revised = []
        starts = [start for start in self._pending if stretch.from_ms <= start < stretch.to_ms]
        for start_ms in starts:
            candle = self._pending.pop(start_ms)
            verdict = _verdict(candle, known.get(start_ms))
            self.counts[verdict] += 1
            if verdict == "revised":
                revised.append(
                    msgspec.structs.replace(known[start_ms], revision=candle.revision + 1)
                )
        return revised


def _verdict(candle: Candle, final: Candle | None) -> str:
    if final is None:
        # Left out where nothing was traded; where something was, REST has forgotten or is not yet
        # there, and says nothing against it.
        return "unsettled" if has_trades(candle) else "settled"
    return "settled" if _equal(candle, final) else "revised"


def _equal(one: Candle, other: Candle) -> bool:
    prices = (
        same(one.open, other.open)
        and same(one.high, other.high)
        and same(one.low, other.low)
        and same(one.close, other.close)
    )
    return (
        prices
        and _same(one.volume, other.volume)
        and _same(one.quote_volume, other.quote_volume)
        and _same(one.contracts, other.contracts)
    )


def _same(one: str | UnsetType, other: str | UnsetType) -> bool:
    """What only one of them knows is no difference."""
    return one is UNSET or other is UNSET or same(one, other)
