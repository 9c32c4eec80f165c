"""When a bar is over, where the exchange does not say so. Pure.

A bar is closed by a later one, or by the clock once its end and the exchange's grace have passed.
What the exchange was silent about while we listened had no trades; what passed while we did not
listen is a ``Hole``, never a guess.
"""

from __future__ import annotations

from common.model.events import Candle
from common.model.intervals import end_of, start_of
from common.recovery.steps import Hole, Step, closed, flat, has_trades


class InferredClose:
    """The closing state of one stream of bars.

    Args:
        interval: of the bars.
        grace_ms: how long after its end a bar may still change, in market time.

    Attributes:
        live_since_ms: market time since when the stream is listened to without an interruption;
            None while it is not.
        next_ms: the start of the next bar to close; None before the first.
        traded: the starts of holes in which trades were seen, of a bar that is not known whole.
    """

    def __init__(self, interval: str, grace_ms: int) -> None:
        self._interval = interval
        self._grace_ms = grace_ms
        self._running: Candle | None = None
        self._trusted = False
        # The bar before ``next_ms``, whose close an empty bar repeats.
        self._before: Candle | None = None
        self.live_since_ms: int | None = None
        self.next_ms: int | None = None
        self.traded: set[int] = set()

    def listening(self, now_ms: int) -> None:
        """The exchange has accepted the stream; again makes no difference."""
        if self.live_since_ms is None:
            self.live_since_ms = now_ms

    def interrupted(self) -> None:
        """Nothing is heard now: the running bar may have changed unseen."""
        self.live_since_ms = None
        self._trusted = False

    def know(self, before: Candle) -> None:
        """A bar became known otherwise; an empty one after it can be filled."""
        if before.end_ms == self.next_ms:
            self._before = before

    def take(
        self, bar: Candle, now_ms: int, *, whole: bool = True, seamless: bool = True
    ) -> list[Step | Hole]:
        """What follows from a state of a bar: bars before it that are closed by it, and itself.

        ``whole``: it is the whole bar so far. ``seamless``: nothing was missed just before it.
        """
        if self.next_ms is None:
            # The stream begins with the bar in which it was accepted; what was before is history.
            listened_ms = now_ms if self.live_since_ms is None else self.live_since_ms
            begins_ms = start_of(self._interval, listened_ms)
            if bar.end_ms <= begins_ms:
                self._before = bar
                return []
            self.next_ms = begins_ms
        if bar.start_ms < self.next_ms:
            return []
        steps: list[Step | Hole] = []
        if bar.start_ms > self.next_ms:
            self._trusted = self._trusted and seamless
            steps = self._close_until(bar.start_ms, seamless=seamless)
        self._running, self._trusted = bar, whole
        if whole:
            steps.append(Step(bar))
        return steps

    def tick(self, now_ms: int, heard_ms: int) -> list[Step | Hole]:
        """What the clock has closed. A stream that says nothing begins when it was accepted.

        ``heard_ms``: the exchange's own time, by the newest stamp on the stream's connection. While
        it lags behind, frames are late, and a silence says nothing yet.
        """
        if self.live_since_ms is None:
            return []
        begins_ms = start_of(self._interval, self.live_since_ms)
        from_ms = until_ms = begins_ms if self.next_ms is None else self.next_ms
        while self._is_over(end_ms := end_of(self._interval, until_ms), now_ms, heard_ms):
            if self._waits_to_know(until_ms, from_ms):
                break
            until_ms = end_ms
        if until_ms > from_ms:
            self.next_ms = from_ms
        return self._close_until(until_ms, seamless=True)

    def _is_over(self, end_ms: int, now_ms: int, heard_ms: int) -> bool:
        return now_ms - end_ms >= self._grace_ms and heard_ms - end_ms >= self._grace_ms / 2

    def _waits_to_know(self, start_ms: int, from_ms: int) -> bool:
        """Whether a bar had no trades, but the close that it repeats is being fetched."""
        if self.next_ms is None:  # nothing is, before the first hole was told
            return False
        if self._running is not None and self._running.start_ms == start_ms:
            return False
        known = self._before is not None or start_ms > from_ms
        return self._listened_to(start_ms) and not known

    def _listened_to(self, start_ms: int) -> bool:
        return self.live_since_ms is not None and self.live_since_ms <= start_ms

    def _close_until(self, until_ms: int, *, seamless: bool) -> list[Step | Hole]:
        steps: list[Step | Hole] = []
        while self.next_ms is not None and self.next_ms < until_ms:
            start_ms, self.next_ms = self.next_ms, end_of(self._interval, self.next_ms)
            step = self._close_next(start_ms, seamless=seamless)
            if step is None:
                steps = _with_hole(steps, Hole(start_ms, self.next_ms))
            else:
                steps.append(step)
            self._before = None if step is None else step.candle
        return steps

    def _close_next(self, start_ms: int, *, seamless: bool) -> Step | None:
        running = self._running
        if running is not None and running.start_ms == start_ms:
            self._running = None
            if self._trusted:
                return Step(closed(running))
            if has_trades(running):
                self.traded.add(start_ms)
            return None
        if self._before is None or not self._listened_to(start_ms) or not seamless:
            return None
        return Step(flat(self._before, start_ms), "filled")


def _with_hole(steps: list[Step | Hole], hole: Hole) -> list[Step | Hole]:
    last = steps[-1] if steps else None
    if isinstance(last, Hole) and last.to_ms == hole.from_ms:
        return [*steps[:-1], Hole(last.from_ms, hole.to_ms)]
    return [*steps, hole]
