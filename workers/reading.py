"""Fetches by REST what the candle streams of one shard miss, and compares what was closed by guess.

One task per shard, one request at a time. A stream that misses something comes first, the one that
has waited longest before the others; a read that fails is repeated with a growing, jittered wait,
never sooner than the exchange has said.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from loguru import logger
from msgspec import Struct

from common.clocks import MarketClock, machine_s
from common.exchanges.protocol import Reason, RestRules
from common.model.events import Candle
from common.model.intervals import length_ms, start_of
from common.model.streams import Stream
from common.recovery.lane import CandleLane
from common.recovery.reading import CandleReader, IncompleteError
from common.recovery.rest import RestError
from common.recovery.steps import Hole

# How often the lanes are looked at; bars are closed by the clock in the same beat.
LOOK_S = 0.2
FIRST_WAIT_S = 1.0
LAST_WAIT_S = 60.0
# Shards that were limited together come again one after the other.
LIMIT_JITTER = 0.2
# A stream that begins with intervals without trades repeats the close before them: it is looked
# for so many bars back, and if there is none, again after so long.
BARS_BEFORE = 200
NOTHING_WAIT_S = 600.0
# An answer that will not change is believed when it has not for so long: the stream goes on without
# the bars. The same for a last bar that does not come, or is older than that: nothing was traded
# while trading was halted, or it was before the listing.
FINAL: frozenset[Reason] = frozenset({"config", "unsupported"})
BELIEVED_S = 600.0
# A failure is said the first time, and once more.
SAID_TRIES = (1, 3)


class Sink(Struct, frozen=True):
    """Who owns the lanes, and hears what was read."""

    tick: Callable[[], None]
    has_room: Callable[[], bool]
    lanes: Callable[[], Sequence[CandleLane]]
    fetched: Callable[[CandleLane, Hole, Sequence[Candle]], None]
    lost: Callable[[CandleLane, Hole, str], None]
    compared: Callable[[CandleLane, Hole, Sequence[Candle]], None]


class _Task(NamedTuple):
    lane: CandleLane
    stream: Stream
    stretch: Hole
    urgent: bool

    @property
    def key(self) -> tuple[Stream, bool]:
        return self.lane.stream, self.urgent


class _Trouble(Struct):
    """Failures in a row: how many, and since when REST says what may be final."""

    tries: int = 0
    not_before_s: float = 0.0
    final_since_s: float | None = None

    def is_believed(self, now_s: float) -> bool:
        """Whether REST has said so for long enough."""
        return self.final_since_s is not None and now_s - self.final_since_s >= BELIEVED_S


def _final_part(lane: CandleLane, final_ms: int, rules: RestRules) -> Hole | None:
    """Of the missing bars one page that REST is final about; what it hands on goes out at once.

    With bars before, where the first one may be empty and the close before it is not known, or only
    guessed.
    """
    missing, interval = lane.missing, lane.source.interval or ""
    if missing is None:
        return None
    bar_ms = length_ms(interval)
    page_ms = rules.candles_per_request * bar_ms
    most_ms = start_of(interval, min(final_ms, missing.from_ms + page_ms))
    page = Hole(missing.from_ms, min(missing.to_ms, most_ms))
    if page.from_ms >= page.to_ms:
        return None
    if rules.tells_flat:
        return page if lane.succession.last is not None else _with_bars_before(page, interval, 1)
    return page if lane.knows_before else _with_bars_before(page, interval, BARS_BEFORE)


def _with_bars_before(stretch: Hole, interval: str, bars: int) -> Hole:
    from_ms = max(0, stretch.from_ms - bars * length_ms(interval))
    return Hole(start_of(interval, from_ms), stretch.to_ms)


class Reading:
    """What one shard reads by REST. ``run`` works until cancelled.

    Args:
        rules: the market's REST.
        sink: the shard's feed.
        reader: the process's.
        clock: market time.
    """

    def __init__(
        self, rules: RestRules, sink: Sink, reader: CandleReader, clock: MarketClock
    ) -> None:
        self._rules = rules
        self._sink = sink
        self._reader = reader
        self._clock = clock
        # REST is final about a bar so long after its end: machine time, seen from the market.
        self._settle_ms = int(rules.settle_s * 1000 * clock.speed)
        # By stream, for what it misses and for what is to be compared.
        self._trouble: dict[tuple[Stream, bool], _Trouble] = {}
        # What RabbitMQ found no queue for, how often in a row: fetched again later and later.
        self._returned: dict[Stream, int] = {}
        # While the exchange limits us no stream is tried: until when, for what is urgent and the rest.
        self._limited_s = {True: 0.0, False: 0.0}
        self._believed_ms = int(BELIEVED_S * 1000 * clock.speed)

    async def run(self) -> None:
        """Look, read, hand on, for ever."""
        while True:
            self._sink.tick()
            task = self._next()
            if task is None:
                await asyncio.sleep(LOOK_S)
            else:
                await self._carry_out(task)

    def _next(self) -> _Task | None:
        """The most urgent read that may be tried now, and whose bars may go out."""
        if not self._sink.has_room():
            return None
        lanes = self._sink.lanes()
        self._forget_gone(lanes)
        return self._missing(lanes) or self._due(lanes)

    def _missing(self, lanes: Sequence[CandleLane]) -> _Task | None:
        """What is soonest whole again; what fails again and again comes after what might not."""
        behind = [
            (self._tries(lane), -lane.missing.from_ms, lane.stream.key, lane)
            for lane in lanes
            if lane.missing is not None and self._may_try(lane, urgent=True)
        ]
        for _, _, _, lane in sorted(behind, key=lambda entry: entry[:3]):
            stretch = _final_part(lane, self._final_ms(), self._rules)
            if stretch is not None:
                return _Task(lane, lane.source, stretch, urgent=True)
        return None

    def _due(self, lanes: Sequence[CandleLane]) -> _Task | None:
        final_ms = self._final_ms()
        dues = [
            (since_ms, lane)
            for lane in lanes
            if (since_ms := lane.settling.due_since_ms(final_ms)) is not None
            and self._may_try(lane, urgent=False)
        ]
        if not dues:
            return None
        _, lane = min(dues, key=lambda due: due[0])
        stretch = lane.settling.due(final_ms, self._page_ms(lane))
        if stretch is None:
            return None
        if not self._rules.tells_flat and lane.settling.is_empty(stretch.from_ms):
            stretch = _with_bars_before(stretch, lane.stream.interval or "", BARS_BEFORE)
        return _Task(lane, lane.stream, stretch, urgent=False)

    def _page_ms(self, lane: CandleLane) -> int:
        return self._rules.candles_per_request * length_ms(lane.source.interval)

    def _final_ms(self) -> int:
        return self._clock.now_ms() - self._settle_ms

    def _tries(self, lane: CandleLane) -> int:
        trouble = self._trouble.get((lane.stream, True))
        return 0 if trouble is None else trouble.tries

    async def _carry_out(self, task: _Task) -> None:
        try:
            bars = await self._reading(task)
            if bars is not None:
                self._check(task, bars)
        except RestError as error:
            self._failed(task, error)
            return
        if bars is None:
            return
        self._trouble.pop(task.key, None)
        if task.urgent:
            self._sink.fetched(task.lane, task.stretch, bars)
            if not bars and task.lane.succession.last is None and task.lane.missing is None:
                # Nothing was traded for so long that it will not be soon: asked again seldom.
                not_before_s = machine_s() + NOTHING_WAIT_S * random.uniform(0.5, 1.0)
                self._trouble[task.key] = _Trouble(not_before_s=not_before_s)
        else:
            self._sink.compared(task.lane, task.stretch, bars)

    async def _reading(self, task: _Task) -> Sequence[Candle] | None:
        """Bars are closed by the clock meanwhile: one slow answer holds up no other stream.

        None: what is not waited for was given up for what now is.
        """
        recent = task.stretch.to_ms > self._clock.now_ms() - self._believed_ms
        whole = recent and not self._is_believed(task)
        reading = asyncio.ensure_future(
            self._reader.read(task.stream, task.stretch, urgent=task.urgent, whole=whole)
        )
        try:
            while not (await asyncio.wait({reading}, timeout=LOOK_S))[0]:
                self._sink.tick()
                if not task.urgent and self._missing(self._sink.lanes()) is not None:
                    return None
        finally:
            reading.cancel()
        return reading.result()

    def _is_believed(self, task: _Task) -> bool:
        """Whether what REST leaves out is taken not to be."""
        trouble = self._trouble.get(task.key)
        return trouble is not None and trouble.is_believed(machine_s())

    def _check(self, task: _Task, bars: Sequence[Candle]) -> None:
        """Raises ``IncompleteError`` where bars are left out in which trades were seen."""
        owner = task.lane if task.urgent else task.lane.settling
        traded = owner.traded(task.stretch)
        left_out = traded - {bar.start_ms for bar in bars}
        if left_out and not self._is_believed(task):
            raise IncompleteError(task.stream)

    def _failed(self, task: _Task, error: RestError) -> None:
        now_s = machine_s()
        if error.failure.reason == "rate":
            # A limit is the whole exchange's: whoever asks for all says so, and no stream has failed.
            wait_s = max(FIRST_WAIT_S, error.wait_s) * random.uniform(1.0, 1.0 + LIMIT_JITTER)
            self._limited_s[task.urgent] = now_s + wait_s
            for each in self._trouble.values():  # nobody says the same all the time
                each.final_since_s = None
            return
        trouble = self._trouble.setdefault(task.key, _Trouble())
        trouble.tries += 1
        wait_s = max(_wait_s(trouble.tries) * random.uniform(0.5, 1.0), error.wait_s)
        trouble.not_before_s = now_s + wait_s
        if trouble.tries in SAID_TRIES:
            logger.bind(stream=task.lane.stream.key, error=str(error), tries=trouble.tries).warning(
                "candles not read, trying again"
            )
        will_not_change = error.failure.reason in FINAL
        if not will_not_change and not isinstance(error, IncompleteError):
            trouble.final_since_s = None
        elif trouble.final_since_s is None:
            trouble.final_since_s = now_s
        elif will_not_change and task.urgent and trouble.is_believed(now_s):
            self._sink.lost(task.lane, task.stretch, error.failure.detail)
            del self._trouble[task.key]

    def returned(self, stream: Stream) -> None:
        """RabbitMQ found no queue for what was published of it: not fetched again at once."""
        trouble, now_s = self._trouble.setdefault((stream, True), _Trouble()), machine_s()
        if trouble.tries and trouble.not_before_s > now_s:
            return  # it waits already: what was published behind the first shares its fate
        tries = self._returned[stream] = self._returned.get(stream, 0) + 1
        wait_s = _wait_s(tries) * random.uniform(0.5, 1.0)
        trouble.tries = max(1, trouble.tries)
        trouble.not_before_s = max(trouble.not_before_s, now_s + wait_s)

    def confirmed(self, stream: Stream) -> None:
        """What was published of it has arrived."""
        self._returned.pop(stream, None)

    def _may_try(self, lane: CandleLane, *, urgent: bool) -> bool:
        if machine_s() < self._limited_s[urgent]:
            return False
        trouble = self._trouble.get((lane.stream, urgent))
        if trouble is None or trouble.not_before_s <= machine_s():
            return True
        # It was only that nothing was traded, and now something is.
        return not trouble.tries and lane.succession.waiting

    def _forget_gone(self, lanes: Sequence[CandleLane]) -> None:
        if self._trouble:
            wanted = {lane.stream for lane in lanes}
            self._trouble = {s: t for s, t in self._trouble.items() if s[0] in wanted}
            self._returned = {s: n for s, n in self._returned.items() if s in wanted}


def _wait_s(tries: int) -> float:
    """The longest wait after so many failures in a row."""
    return min(FIRST_WAIT_S * 2.0 ** min(tries - 1, 10), LAST_WAIT_S)
