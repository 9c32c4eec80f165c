"""One candle stream from what its exchange says to what goes out. Pure: told the time.

    trades → bars → closing → succession → building → out

Each stage is there only where the exchange needs it. Bars are the exchange's own interval until
the last stage; whatever is missing of them is fetched by whoever owns the lane (``missing``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeGuard

import msgspec
from msgspec import UNSET

from common.exchanges.place import Place
from common.model.checkpoints import Checkpoint
from common.model.events import Candle, Trade
from common.model.intervals import start_of
from common.model.streams import Stream
from common.recovery.building import Builder
from common.recovery.closing import InferredClose
from common.recovery.settling import SAMPLED, Settling
from common.recovery.steps import Hole, Step
from common.recovery.succession import Succession
from common.recovery.trades import TradeBars

# A close that is later than this is not waited for: it is fetched. Machine seconds.
OVERDUE_S = 15.0


class CandleLane:
    """The state of one candle stream, kept over all its connections.

    Args:
        stream: what is wanted.
        place: where it is.
        checkpoint: where it goes on; everything from there to the running bar is missing.
        now_ms: market time.
        speed: of the market clock: the exchange's grace is machine time.
        doubted_ms: whoever had the stream until then may have published more than the checkpoint
            says, and not what REST says: what of it ended by then comes once more, as a correction.

    Attributes:
        source: the exchange's own stream that it is taken or built from.
        settling: what is to be compared with REST.
    """

    def __init__(
        self,
        stream: Stream,
        place: Place,
        checkpoint: Checkpoint,
        now_ms: int,
        speed: float,
        doubted_ms: int = 0,
    ) -> None:
        source = place.source(stream)
        if source is None or source.interval is None or stream.interval is None:
            raise ValueError(f"{stream.key} cannot be had")
        rules, interval = place.rules, source.interval
        self.stream = stream
        self.source = source
        self._trades = TradeBars(interval) if interval in rules.from_trades else None
        inferred = rules.closes == "inferred"
        grace_ms = int(rules.grace_s * 1000 * speed)
        self._closing = InferredClose(interval, grace_ms) if inferred else None
        self._builder = None if source == stream else Builder(stream.interval)
        self.succession = Succession(interval, checkpoint.next_ms, _before(checkpoint, interval))
        self.succession.overdue(now_ms)
        self.settling = Settling(1 if inferred else SAMPLED, checkpoint.unsettled)
        self._doubted_ms = doubted_ms
        self._patience_ms = int(OVERDUE_S * 1000 * speed) + grace_ms
        # The newest state of a running bar that came: its start, and the exchange's stamp on it.
        self._newest = (0, 0)
        self._running_ms = 0

    # --- what comes live ----------------------------------------------------------------------

    def listening(self, now_ms: int) -> None:
        """The exchange has accepted the stream."""
        if self._closing is not None:
            self._closing.listening(now_ms)

    def missed(self, now_ms: int) -> None:
        """Something came that could not be read: it may have been of this stream."""
        if self._closing is not None and self._closing.live_since_ms is not None:
            self._closing.interrupted()
            self._closing.listening(now_ms)

    def interrupted(self) -> None:
        """Nothing is heard of it now."""
        if self._closing is not None:
            self._closing.interrupted()

    def candle(self, candle: Candle, now_ms: int) -> list[Step]:
        """A bar's state came: what goes out."""
        if self._is_older(candle):
            self.succession.counts["late"] += 1
            return []
        if self._closing is None:
            return self._through([Step(candle)])
        return self._through(self._closing.take(candle, now_ms))

    def _is_older(self, candle: Candle) -> bool:
        """Whether a newer state of the bar has come: of two sockets, one may lag behind."""
        if candle.event_ms is UNSET:
            return False
        state = (candle.start_ms, candle.event_ms)
        older = state < self._newest and candle.start_ms == self._newest[0]
        self._newest = max(self._newest, state)
        return older

    def trade(self, trade: Trade, now_ms: int) -> list[Step]:
        """A trade came: what goes out."""
        if self._trades is None or self._closing is None:
            return []
        bar = self._trades.take(trade, self._closing.live_since_ms)
        if bar is None:
            return []
        return self._through(
            self._closing.take(bar.candle, now_ms, whole=bar.whole, seamless=bar.seamless)
        )

    def tick(self, now_ms: int, heard_ms: int) -> list[Step]:
        """Time has passed, and the exchange has spoken of ``heard_ms``: what is over."""
        out: list[Step] = []
        if self._closing is not None:
            out = self._through(self._closing.tick(now_ms, heard_ms))
        self.succession.overdue(now_ms - self._patience_ms)
        return out

    # --- what was fetched ---------------------------------------------------------------------

    @property
    def missing(self) -> Hole | None:
        """What of ``source`` has to be fetched before anything else goes out."""
        return self.succession.missing

    @property
    def knows_before(self) -> bool:
        """Whether the close before what is missing is known, and not only guessed."""
        last = self.succession.last
        if last is None:
            return False
        return not self.settling.awaits(start_of(self.stream.interval or "", last.start_ms))

    def traded(self, stretch: Hole) -> set[int]:
        """The starts of missing bars in which trades were seen: an answer without them is none yet."""
        seen = () if self._closing is None else self._closing.traded
        return {start_ms for start_ms in seen if stretch.from_ms <= start_ms < stretch.to_ms}

    def fetched(self, bars: Iterable[Candle], stretch: Hole) -> list[Step]:
        """The bars of ``source`` in a stretch were fetched: what goes out."""
        steps = self._built(self.succession.fetched(bars, stretch))
        if self._closing is not None and self.succession.last is not None:
            self._closing.know(self.succession.last)
            self._forget_traded(stretch.to_ms)
        return steps

    def skip(self, to_ms: int) -> list[Step]:
        """Go on behind what cannot be fetched: what goes out."""
        self._forget_traded(to_ms)
        return self._built(self.succession.skip(to_ms))

    def _forget_traded(self, to_ms: int) -> None:
        if self._closing is not None:
            self._closing.traded = {start for start in self._closing.traded if start >= to_ms}

    def undelivered(self, candle: Candle) -> None:
        """A closed candle did not arrive: the stream goes on from there once more, by REST.

        A correction of what is fetched anew itself is not owed any more.
        """
        missing = self.missing
        if not candle.revision:
            self.succession.rewind(candle)
            self.settling.forget(candle.start_ms)
        elif missing is None or candle.start_ms < missing.from_ms:
            self.settling.undelivered(candle)

    @property
    def counts(self) -> Counter[str]:
        """What became of its candles."""
        return self.succession.counts + self.settling.counts

    # --- on the way out -----------------------------------------------------------------------

    def _through(self, steps: Iterable[Step | Hole]) -> list[Step]:
        out: list[Step] = []
        for step in steps:
            if isinstance(step, Hole):
                self.succession.lack(step)
            elif step.candle.closed:
                out += self._built(self.succession.take(step))
            elif self.succession.open(step.candle):
                out += self._built([step])
        return out

    def _built(self, steps: list[Step]) -> list[Step]:
        if self._builder is not None:
            built = ((self._builder.take(step.candle), step.origin) for step in steps)
            steps = [Step(candle, origin) for candle, origin in built if self._may_go_out(candle)]
        out: list[Step] = []
        for step in steps:
            out += self._said(step)
            # What was fetched is REST's own word already; not so what only ends with it.
            if step.candle.closed and (self._builder or step.origin in ("live", "filled")):
                self.settling.note(out[-1].candle)
        return out

    def _said(self, step: Step) -> tuple[Step, ...]:
        """What is doubted is said once more."""
        candle = step.candle
        if not candle.closed or candle.end_ms > self._doubted_ms:
            return (step,)
        return step, Step(msgspec.structs.replace(candle, revision=1), "reconcile")

    def _may_go_out(self, built: Candle | None) -> TypeGuard[Candle]:
        """Whether it is closed, or no older than the one that was last said to be running."""
        if built is None:
            return False
        if not built.closed:
            self._running_ms = max(self._running_ms, built.start_ms)
        return built.closed or built.start_ms == self._running_ms


def _before(checkpoint: Checkpoint, interval: str) -> Candle | None:
    """The bar before the first one, as far as a bar without trades needs it: its close."""
    last = checkpoint.last
    if last is None or last.end_ms != checkpoint.next_ms:
        return None
    start_ms = start_of(interval, last.end_ms - 1)
    return msgspec.structs.replace(last, interval=interval, start_ms=start_ms)
