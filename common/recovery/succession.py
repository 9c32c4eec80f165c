"""Closed bars go out one after the other: each once, in order, without holes. Pure.

One succession per stream, kept over all its connections. A bar that does not follow the last one
waits until what is between has been fetched; a bar that went out before, or another state of it,
ends here. Whatever caused the hole (a lost socket, an untrusted close), it is closed the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from common.model.events import Candle
from common.model.intervals import end_of, start_of
from common.recovery.steps import Hole, Step, flat, has_trades

# Bars that wait for those before them; what is beyond can be fetched later.
MOST_HELD = 1_000


class Succession:
    """The closed bars of one stream.

    Args:
        interval: of the bars.
        next_ms: start of the first bar that is to go out.
        last: the bar before it, where that is known.

    Attributes:
        last: the newest bar that went out, or the one before the first; None if not known.
        counts: what became of all bars that came: ``open``, ``closed``, ``filled``, ``backfill``,
            ``repeated``, ``late``, ``conflicting``, ``held``, ``rewound``.
    """

    def __init__(self, interval: str, next_ms: int, last: Candle | None = None) -> None:
        self._interval = interval
        self._next_ms = next_ms
        self._running_ms = 0
        # Up to where bars have to be fetched; None while nothing is missing.
        self._until_ms: int | None = None
        self._held: dict[int, Step] = {}
        # The end of the bar that was held last: one that follows it is not behind another hole.
        self._held_to_ms = 0
        self.last = last
        self.counts: Counter[str] = Counter()

    @property
    def missing(self) -> Hole | None:
        """The stretch that has to be fetched before anything else goes out."""
        if self._until_ms is None:
            return None
        return Hole(self._next_ms, self._until_ms)

    @property
    def waiting(self) -> bool:
        """Whether bars are here that have to wait for what is missing."""
        return bool(self._held)

    # --- what comes live ----------------------------------------------------------------------

    def open(self, candle: Candle) -> bool:
        """Whether the state of a running bar may go out: it is not older than what was said."""
        start_ms = candle.start_ms
        if start_ms < max(self._running_ms, self._next_ms):
            self.counts["late"] += 1
            return False
        if start_ms > self._next_ms:
            self._lack(start_ms)
        self._running_ms = start_ms
        self.counts["open"] += 1
        return True

    def take(self, step: Step) -> list[Step]:
        """The bars that go out now that this closed one has come."""
        start_ms = step.candle.start_ms
        if start_ms < self._next_ms:
            self.counts[self._verdict(step.candle)] += 1
            return []
        if start_ms == self._next_ms:
            return [self._out(step), *self._drain()]
        if start_ms != self._held_to_ms:
            self._lack(start_ms)
        if start_ms not in self._held and len(self._held) < MOST_HELD:
            self._held[start_ms] = step
            self._held_to_ms = step.candle.end_ms
        self.counts["held"] += 1
        return []

    def lack(self, hole: Hole) -> None:
        """These bars are not known and have to be fetched."""
        if hole.to_ms > self._next_ms:
            self._lack(hole.to_ms)

    def overdue(self, by_ms: int) -> None:
        """What ended by then and has not come is not waited for any longer."""
        until_ms = start_of(self._interval, by_ms)
        if self._until_ms is None and until_ms > self._next_ms:
            self._until_ms = until_ms

    def rewind(self, candle: Candle) -> None:
        """It and what followed did not arrive: all of it is fetched, and goes out again."""
        if candle.start_ms < self._next_ms:
            self._lack(self._next_ms)
            self._next_ms, self.last = candle.start_ms, self._before(candle)
            self.counts["rewound"] += 1

    def _before(self, candle: Candle) -> Candle | None:
        """The bar before one without trades, as far as it matters: its close was repeated.

        (One with trades REST has, wherever the last trade before it was.)
        """
        if has_trades(candle):
            return None
        before = msgspec.structs.replace(candle, interval=self._interval, close=candle.open)
        return flat(before, start_of(self._interval, candle.start_ms - 1))

    def _lack(self, until_ms: int) -> None:
        self._until_ms = max(self._until_ms or 0, until_ms)

    def _verdict(self, candle: Candle) -> str:
        last = self.last
        if last is None or candle.start_ms != last.start_ms:
            return "late"
        return "repeated" if candle == last else "conflicting"

    # --- what was fetched ---------------------------------------------------------------------

    def fetched(self, bars: Iterable[Candle], stretch: Hole) -> list[Step]:
        """The bars that go out now that everything of a stretch has been fetched.

        What the exchange leaves out had no trades. Bars from before the beginning are welcome:
        the first bar may be one without trades, and repeats the close before it, which they know
        better than whoever guessed it.
        """
        if stretch.from_ms > self._next_ms:  # rewound since it was asked for
            return []
        known = {bar.start_ms: bar for bar in bars}
        earlier = [start_ms for start_ms in known if start_ms < self._next_ms]
        if earlier:
            self._learn_before(known[max(earlier)])
        steps: list[Step] = []
        while self._next_ms < stretch.to_ms:
            start_ms = self._next_ms
            if start_ms in known:
                steps.append(self._out(Step(known[start_ms], "backfill")))
            elif self.last is not None:
                steps.append(self._out(Step(flat(self.last, start_ms), "filled")))
            else:  # before the first bar there is nothing to be
                self._next_ms = end_of(self._interval, start_ms)
        return steps + self._drain()

    def _learn_before(self, newest: Candle) -> None:
        last = self.last
        # A last bar with trades that is not among them: REST does not know it yet.
        if last is None or not has_trades(last) or newest.start_ms >= last.start_ms:
            self.last = newest

    def skip(self, to_ms: int) -> list[Step]:
        """Go on behind what cannot be fetched: what goes out now."""
        if to_ms <= self._next_ms:
            return []
        self._next_ms, self.last = to_ms, None
        return self._drain()

    def _drain(self) -> list[Step]:
        steps = []
        while self._next_ms in self._held:
            steps.append(self._out(self._held.pop(self._next_ms)))
        for start_ms in [start for start in self._held if start < self._next_ms]:
            del self._held[start_ms]
        if self._until_ms is not None and self._next_ms >= self._until_ms:
            # Bars over the bound were not held: what is between is missing still.
            self._until_ms = max(self._held, default=None)
        return steps

    def _out(self, step: Step) -> Step:
        self._next_ms, self.last = step.candle.end_ms, step.candle
        self.counts["closed" if step.origin == "live" else step.origin] += 1
        return step
