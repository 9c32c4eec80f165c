"""Whether what was published is what the exchange's REST finally says. Pure.

Where closes are inferred every candle is compared; where the exchange marks them, a sample.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from zlib import crc32

import msgspec
from msgspec import UNSET, UnsetType

from common.model.decimals import same
from common.model.events import Candle
from common.model.ids import candle_id
from common.recovery.steps import Hole, flat, has_trades

# Bars of one stream that wait to be compared; the oldest are given up first.
MOST_PENDING = 2_000
# Of marked closes one in so many is compared.
SAMPLED = 20
# So many of them are kept with a checkpoint: a new owner compares what the old one could not.
MOST_KEPT = 30


class Settling:
    """The closed candles of one stream that are not compared yet.

    Args:
        one_in: of so many candles one is compared.
        pending: what an owner before has left.

    Attributes:
        counts: ``settled``, ``revised``, and ``unsettled`` for what could not be compared.
    """

    def __init__(self, one_in: int = 1, pending: Iterable[Candle] = ()) -> None:
        self._one_in = one_in
        self._pending = {candle.start_ms: candle for candle in pending}
        # Corrections that were published and are not confirmed: until then the candle before counts.
        self._on_the_way: dict[int, Candle] = {}
        # Of what is pending, corrections that did not arrive and have to be said again.
        self._owed: set[int] = set()
        self._last_revised: Candle | None = None
        self.counts: Counter[str] = Counter()

    @property
    def kept(self) -> tuple[Candle, ...]:
        """What a new owner has to know: the newest of what is pending, unless it is a sample."""
        return tuple(self._pending.values())[-MOST_KEPT:] if self._one_in == 1 else ()

    def note(self, candle: Candle) -> None:
        """A candle was published."""
        if self._one_in > 1 and crc32(candle_id(candle).encode()) % self._one_in:
            return
        self._pending[candle.start_ms] = candle
        if len(self._pending) > MOST_PENDING:
            del self._pending[next(iter(self._pending))]
            self.counts["unsettled"] += 1

    def due(self, final_ms: int, most_ms: int) -> Hole | None:
        """The stretch to compare, no longer than that: of what ended by ``final_ms``.

        REST is final about what ended by then.
        """
        ended = list(self._ended(final_ms))
        if not ended:
            return None
        from_ms = ended[0].start_ms
        near = [candle.end_ms for candle in ended if candle.end_ms - from_ms <= most_ms]
        return Hole(from_ms, max(near, default=ended[0].end_ms))

    def due_since_ms(self, final_ms: int) -> int | None:
        """Where what is due begins: quick, for it is asked of every stream again and again."""
        first = next(self._ended(final_ms), None)
        return None if first is None else first.start_ms

    def _ended(self, final_ms: int) -> Iterator[Candle]:
        for candle in self._pending.values():
            if candle.end_ms <= final_ms and candle.start_ms not in self._on_the_way:
                yield candle

    def traded(self, stretch: Hole) -> set[int]:
        """The starts of the bars of a stretch in which something was traded: REST has them."""
        return {
            start_ms
            for start_ms, candle in self._pending.items()
            if stretch.from_ms <= start_ms < stretch.to_ms and has_trades(candle)
        }

    def compare(self, stretch: Hole, bars: Iterable[Candle]) -> list[Candle]:
        """What REST says otherwise, as candles of a higher revision: see ``corrected``.

        An empty bar that REST leaves out repeats the close before it: if that was corrected, so is
        it. Bars from before what is compared are welcome for that.
        """
        known = {bar.start_ms: bar for bar in bars}
        starts_known = sorted(known)
        revised = []
        starts = [start for start in self._pending if stretch.from_ms <= start < stretch.to_ms]
        for start_ms in starts:
            candle = self._pending[start_ms]
            if start_ms in self._on_the_way:
                continue
            if start_ms in self._owed:
                revised.append(candle)
                continue
            earlier = bisect_left(starts_known, start_ms)
            before = known[starts_known[earlier - 1]] if earlier else None
            final = known.get(start_ms) or self._repeated(candle, before)
            verdict = _verdict(candle, final)
            self.counts[verdict] += 1
            if verdict == "revised" and final is not None:
                better = msgspec.structs.replace(final, revision=candle.revision + 1)
                revised.append(better)
                self._last_revised = better
            else:
                del self._pending[start_ms]
        return revised

    def _repeated(self, candle: Candle, before: Candle | None) -> Candle | None:
        """What an empty bar is after the last one that REST knows, or after one that was corrected."""
        if has_trades(candle):
            return None
        corrected = self._last_revised
        if before is None and corrected is not None and corrected.end_ms == candle.start_ms:
            before = corrected
        return None if before is None else flat(before, candle.start_ms)

    def is_empty(self, start_ms: int) -> bool:
        """Whether the bar that begins there waits to be compared and has no trades."""
        candle = self._pending.get(start_ms)
        return candle is not None and not has_trades(candle)

    def awaits(self, start_ms: int) -> bool:
        """Whether the candle that begins there is still to be compared."""
        return start_ms in self._pending

    def corrected(self, candle: Candle) -> None:
        """A correction was published."""
        if candle.start_ms in self._pending:
            self._owed.discard(candle.start_ms)
            self._on_the_way[candle.start_ms] = candle

    def confirmed(self, candle: Candle) -> None:
        """A candle has arrived. A correction is compared again, for only then it is known to hold."""
        sent = self._on_the_way.get(candle.start_ms)
        if sent is not None and sent.revision == candle.revision:
            self._pending[candle.start_ms] = self._on_the_way.pop(candle.start_ms)

    def undelivered(self, candle: Candle) -> None:
        """A correction has not arrived: it is said again after the next comparison."""
        self._on_the_way.pop(candle.start_ms, None)
        if candle.start_ms not in self._pending:
            self._pending[candle.start_ms] = candle
            self._owed.add(candle.start_ms)

    def forget(self, from_ms: int) -> None:
        """What was published from there on did not arrive: there is nothing to compare or correct."""
        for start_ms in [start for start in self._pending if start >= from_ms]:
            del self._pending[start_ms]
            self._on_the_way.pop(start_ms, None)
            self._owed.discard(start_ms)


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
