"""A small exchange with a truth: trades of one symbol, sockets that tell them late or not, REST."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from common.exchanges.place import Place
from common.model.checkpoints import Checkpoint
from common.model.events import Candle, Trade
from common.model.intervals import end_of, length_ms, start_of
from common.model.streams import Stream
from common.recovery.lane import CandleLane
from common.recovery.steps import Hole, Step
from tests.recovery.bars import BEGIN_MS

# What came before the stream was wanted: one trade, so that every bar has a close before it.
HISTORY_BARS = 6
SETTLE_MS = 5_000
PAGE_BARS = 4
# Once the plan's troubles are over, REST answers like this.
CALM_MS = 300
SNAPSHOT_BARS = 5


@dataclass(frozen=True)
class Life:
    """A socket: subscribed, and gone, at these times; every frame takes ``delay_ms``.

    ``twice``: it says everything twice.
    """

    from_ms: int
    to_ms: int
    delay_ms: int = 0
    twice: bool = False


@dataclass
class Plan:
    """What happens: trades as (time, price), lives of sockets, and how REST answers.

    ``answers``: for each read in turn, how long it takes, and whether it fails; from ``calm_ms`` on
    none does. ``bars_before``: so far back is looked for the close that an empty bar repeats.
    """

    stream: Stream
    trades: Sequence[tuple[int, int]]
    lives: Sequence[Life]
    answers: Sequence[tuple[int, bool]]
    calm_ms: int
    until_ms: int
    snapshots: bool = False
    tells_flat: bool = True
    bars_before: int = 200


def truth(plan: Plan, interval: str, from_ms: int, to_ms: int) -> Iterator[Candle]:
    """The bars of the trades, as they finally are."""
    start_ms = from_ms
    while start_ms < to_ms:
        yield state(plan, interval, start_ms, end_of(interval, start_ms), closed=True)
        start_ms = end_of(interval, start_ms)


def state(
    plan: Plan, interval: str, start_ms: int, until_ms: int, *, closed: bool = False
) -> Candle:
    """A bar with the trades before ``until_ms``; one without repeats the close before it."""
    prices = [str(price) for at, price in plan.trades if start_ms <= at < until_ms]
    before = [str(price) for at, price in plan.trades if at < start_ms]
    told = prices or before[-1:]
    return Candle(
        exchange=plan.stream.exchange,
        market=plan.stream.market,
        symbol=plan.stream.symbol,
        interval=interval,
        start_ms=start_ms,
        end_ms=end_of(interval, start_ms),
        open=told[0],
        high=max(told, key=Decimal),
        low=min(told, key=Decimal),
        close=told[-1],
        volume=str(len(prices)),
        closed=closed,
        **({} if closed else {"event_ms": until_ms - 1}),
    )


@dataclass
class Run:
    """A lane, driven through a plan. ``out``: what went out, each with when it did."""

    plan: Plan
    out: list[tuple[int, Step]] = field(default_factory=list)
    now_ms: int = 0

    def __post_init__(self) -> None:
        plan = self.plan
        self.place = Place(plan.stream.exchange, plan.stream.market, "candle")
        self.now_ms = plan.lives[0].from_ms
        self.begins_ms = start_of(plan.stream.interval or "", self.now_ms)
        source = self.place.source(plan.stream)
        assert source is not None
        self.interval = source.interval or ""
        self.from_trades = self.interval in self.place.rules.from_trades
        self.inferred = self.place.rules.closes == "inferred"
        self.beat_ms = length_ms(self.interval) // 120
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._carried: set[int] = set()
        self._heard_ms = 0
        # The lane whose question REST has not answered yet.
        self._read_for: CandleLane | None = None
        self._reads = 0
        self.begin()

    # --- what it is about -----------------------------------------------------------------------

    def begin(self) -> None:
        """Make the lane."""
        checkpoint = Checkpoint(self.begins_ms)
        self._lane = CandleLane(self.plan.stream, self.place, checkpoint, self.now_ms, 1.0)

    @property
    def lane(self) -> CandleLane | None:
        """The lane; None while nobody has one."""
        return self._lane

    def accepted(self) -> None:
        self._lane.listening(self.now_ms)

    def gone(self) -> None:
        self._lane.interrupted()

    def heard(self, told: Candle | Trade) -> None:
        tell = self._lane.trade if isinstance(told, Trade) else self._lane.candle
        self._say(tell(told, self.now_ms))

    def beat(self, heard_ms: int) -> None:
        self._say(self._lane.tick(self.now_ms, heard_ms))

    def fetched(self, stretch: Hole, bars: Sequence[Candle]) -> None:
        self._say(self._lane.fetched(bars, stretch))

    def compared(self, stretch: Hole, bars: Sequence[Candle]) -> None:
        for candle in self._lane.settling.compare(stretch, bars):
            self._say([Step(candle, "reconcile")])
            self._lane.settling.corrected(candle)
            self._lane.settling.confirmed(candle)

    def _say(self, steps: Sequence[Step]) -> None:
        self.out += [(self.now_ms, step) for step in steps]

    # --- time -----------------------------------------------------------------------------------

    def go(self) -> list[Step]:
        """All closed candles that went out."""
        for number, life in enumerate(self.plan.lives):
            self._live(number, life)
        self.at(self.now_ms, self._beat)
        while self._agenda and self._agenda[0][0] <= self.plan.until_ms:
            self.now_ms, _, act = heapq.heappop(self._agenda)
            act()
        return [step for _, step in self.out if step.candle.closed]

    def at(self, when_ms: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when_ms, next(self._order), act))

    # --- sockets ------------------------------------------------------------------------------

    def _live(self, number: int, life: Life) -> None:
        def accepted() -> None:
            self._carried.add(number)
            self.accepted()

        def gone() -> None:
            self._carried.discard(number)
            if not self._carried:
                self.gone()

        if life.from_ms + life.delay_ms < life.to_ms:
            self.at(life.from_ms + life.delay_ms, accepted)
        for at_ms, act in self._frames(life):
            for _ in range(1 + life.twice):
                if at_ms + life.delay_ms < life.to_ms:
                    self.at(at_ms + life.delay_ms, act)
        self.at(life.to_ms, gone)

    def _frames(self, life: Life) -> Iterator[tuple[int, Callable[[], None]]]:
        begin_ms, plan = life.from_ms, self.plan
        if plan.snapshots and not self.from_trades:
            start_ms = start_of(self.interval, begin_ms)
            length = length_ms(self.interval)
            for back in range(SNAPSHOT_BARS, -1, -1):
                yield begin_ms, self._bar(start_ms - back * length, begin_ms)
        for trade_id, (at_ms, price) in enumerate(plan.trades):
            if plan.snapshots and self.from_trades and begin_ms - 100_000 <= at_ms < begin_ms:
                yield begin_ms, self._trade(trade_id, at_ms, price)
        told = [
            (at_ms, self._trade(trade_id, at_ms, price))
            if self.from_trades
            else (at_ms, self._bar(start_of(self.interval, at_ms), at_ms))
            for trade_id, (at_ms, price) in enumerate(plan.trades)
            if begin_ms <= at_ms < life.to_ms
        ]
        if not self.inferred:
            end_ms = end_of(self.interval, start_of(self.interval, begin_ms))
            while end_ms < life.to_ms:
                told.append((end_ms, self._closed(start_of(self.interval, end_ms - 1))))
                end_ms = end_of(self.interval, end_ms)
        yield from sorted(told, key=lambda frame: frame[0])

    def _bar(self, start_ms: int, at_ms: int) -> Callable[[], None]:
        until_ms = min(at_ms + 1, end_of(self.interval, start_ms))
        bar = state(self.plan, self.interval, start_ms, until_ms)
        return lambda: self.heard(bar)

    def _closed(self, start_ms: int) -> Callable[[], None]:
        (bar,) = truth(self.plan, self.interval, start_ms, start_ms + 1)
        return lambda: self.heard(bar)

    def _trade(self, trade_id: int, at_ms: int, price: int) -> Callable[[], None]:
        stream = self.plan.stream
        trade = Trade(
            stream.exchange, stream.market, stream.symbol, str(trade_id), str(price), "1", at_ms
        )
        return lambda: self.heard(trade)

    # --- the clock, and REST ------------------------------------------------------------------

    def _beat(self) -> None:
        told_ms = [self.now_ms - self.plan.lives[number].delay_ms for number in self._carried]
        self._heard_ms = max([self._heard_ms, *told_ms])
        lane = self.lane
        if lane is not None:
            self.beat(self._heard_ms)
            if self._read_for is not lane:
                self._read(lane)
        self.at(self.now_ms + self.beat_ms, self._beat)

    def _read(self, lane: CandleLane) -> None:
        final_ms = self.now_ms - SETTLE_MS
        stretch, missing = None, lane.missing
        if missing is not None:
            page_ms = missing.from_ms + PAGE_BARS * length_ms(self.interval)
            to_ms = min(missing.to_ms, start_of(self.interval, min(final_ms, page_ms)))
            stretch = Hole(missing.from_ms, to_ms) if missing.from_ms < to_ms else None
        urgent = stretch is not None
        if stretch is None:
            stretch = lane.settling.due(final_ms, PAGE_BARS * length_ms(self.interval))
        if stretch is None:
            return
        takes_ms, fails = CALM_MS, False
        if self.now_ms < self.plan.calm_ms:
            takes_ms, fails = self.plan.answers[self._reads % len(self.plan.answers)]
        self._reads += 1
        self._read_for = lane

        def answer() -> None:
            if lane is not self.lane:  # it was for an owner that is gone
                return
            self._read_for = None
            if not fails:
                self._answer(lane, stretch, urgent=urgent)

        self.at(self.now_ms + takes_ms, answer)

    def _answer(self, lane: CandleLane, stretch: Hole, *, urgent: bool) -> None:
        interval = self.interval if urgent else self.plan.stream.interval or ""
        from_ms = stretch.from_ms
        if urgent and lane.succession.last is None:
            from_ms -= (1 if self.plan.tells_flat else self.plan.bars_before) * length_ms(interval)
        bars = [
            bar
            for bar in truth(self.plan, interval, max(from_ms, BEGIN_MS), stretch.to_ms)
            if self.plan.tells_flat or bar.volume != "0"
        ]
        if urgent:
            self.fetched(Hole(from_ms, stretch.to_ms), bars)
        else:
            self.compared(stretch, bars)
