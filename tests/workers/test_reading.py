"""What a shard reads by REST: what is missing first, again after failures, corrections last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from common.clocks import MarketClock, machine_s
from common.exchanges.place import Place
from common.exchanges.protocol import RestFailure
from common.exchanges.registry import EXCHANGES
from common.model.events import Candle
from common.model.streams import Stream
from common.recovery.lane import CandleLane
from common.recovery.reading import IncompleteError
from common.recovery.rest import RestError
from common.recovery.settling import Settling
from common.recovery.steps import Hole, Step
from tests.recovery.bars import at, bar
from tests.support.virtual_time import virtual_time
from workers.reading import BARS_BEFORE, BELIEVED_S, Reading, Sink

RULES = EXCHANGES["binance"].markets["spot"].rest
SETTLED_S = RULES.settle_s


class Reader:
    """REST as the test wants it: bars, or failures first."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Stream, Hole, bool]] = []
        self.failures: list[RestFailure] = []
        self.bars: Sequence[Candle] = ()
        self.takes_s = 0.0
        self.never_there = False

    async def read(
        self, stream: Stream, stretch: Hole, *, urgent: bool, whole: bool
    ) -> Sequence[Candle]:
        self.whole = whole
        self.asked.append((machine_s(), stream, stretch, urgent))
        await asyncio.sleep(self.takes_s)
        if self.never_there and whole:
            raise IncompleteError(stream)
        if self.failures:
            raise RestError(self.failures.pop(0))
        return [b for b in self.bars if stretch.from_ms <= b.start_ms < stretch.to_ms]


class Shard:
    """Lanes, and what was said of them."""

    def __init__(self, *symbols: str) -> None:
        self.begun_s = machine_s()
        clock = MarketClock(wall=lambda: at(10) + int((machine_s() - self.begun_s) * 1000))
        place = Place("binance", "spot", "candle")
        streams = [Stream("binance", "spot", "candle", symbol, "1m") for symbol in symbols]
        self.lanes = [CandleLane(stream, place, at(0), 1.0) for stream in streams]
        self.said: list[tuple[str, str, Hole]] = []
        self.ticks = 0
        self.reader: Any = Reader()
        sink = Sink(self._tick, lambda: self.lanes, self._fetched, self._lost, self._compared)
        self.reading = Reading(RULES, sink, self.reader, clock)

    def _tick(self) -> None:
        self.ticks += 1

    def _fetched(self, lane: CandleLane, stretch: Hole, bars: Sequence[Candle]) -> None:
        self.said.append((lane.stream.symbol, "fetched", stretch))
        lane.fetched(bars, stretch.to_ms)

    def _lost(self, lane: CandleLane, stretch: Hole, reason: str) -> None:
        self.said.append((lane.stream.symbol, f"lost: {reason}", stretch))
        lane.skip()

    def _compared(self, lane: CandleLane, stretch: Hole, bars: Sequence[Candle]) -> None:
        self.said.append((lane.stream.symbol, "compared", stretch))
        assert lane.settling is not None
        lane.settling.compare(stretch, bars)

    def jump(self, lane: int, *, first: int, then: int) -> None:
        """A stream that went from one bar to a later one."""
        self.lanes[lane].candle(bar(first), at(first))
        self.lanes[lane].candle(bar(then), at(then))


@asynccontextmanager
async def working(shard: Shard) -> AsyncIterator[None]:
    task = asyncio.create_task(shard.reading.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@virtual_time
async def test_what_is_missing_is_fetched_and_the_longest_waiting_first() -> None:
    shard = Shard("A", "B")
    shard.jump(0, first=3, then=6)
    shard.jump(1, first=1, then=5)
    async with working(shard):
        await asyncio.sleep(1)
    assert shard.said == [
        ("B", "fetched", Hole(at(2), at(5))),
        ("A", "fetched", Hole(at(4), at(6))),
    ]
    assert all(lane.missing is None for lane in shard.lanes)


@virtual_time
async def test_rest_is_not_asked_before_it_is_final() -> None:
    shard = Shard("A")
    shard.jump(0, first=3, then=10)  # the last of the missing bars ended just now
    async with working(shard):
        await asyncio.sleep(SETTLED_S - 0.5)
        assert shard.said == [("A", "fetched", Hole(at(4), at(9)))]
        await asyncio.sleep(1)
    assert shard.said[1:] == [("A", "fetched", Hole(at(9), at(10)))]


@virtual_time
async def test_a_failure_is_tried_again_later_and_never_before_the_exchange_said() -> None:
    shard = Shard("A")
    shard.jump(0, first=1, then=4)
    shard.reader.failures = [RestFailure("transient", "503"), RestFailure("rate", "429", 30.0)]
    async with working(shard):
        await asyncio.sleep(60)
    times = [asked_s for asked_s, *_ in shard.reader.asked]
    assert len(times) == 3
    assert 0.5 <= times[1] - times[0] <= 1.5
    assert times[2] - times[1] >= 30
    assert shard.said == [("A", "fetched", Hole(at(2), at(4)))]


@virtual_time
async def test_one_failing_stream_does_not_hold_up_another() -> None:
    shard = Shard("A", "B")
    shard.jump(0, first=1, then=4)
    shard.jump(1, first=2, then=4)
    shard.reader.failures = [RestFailure("transient", "503")]
    async with working(shard):
        await asyncio.sleep(5)
    assert [symbol for symbol, _, _ in shard.said] == ["B", "A"]


@virtual_time
async def test_an_answer_that_will_not_change_is_believed_and_said() -> None:
    shard = Shard("A")
    shard.jump(0, first=1, then=4)
    shard.reader.failures = [RestFailure("unsupported", "no such symbol")] * 30
    async with working(shard):
        await asyncio.sleep(BELIEVED_S - 60)
        assert shard.said == []  # it may be the exchange's mistake, or its gateway's
        await asyncio.sleep(180)
    assert shard.said == [("A", "lost: no such symbol", Hole(at(2), at(4)))]
    assert shard.lanes[0].missing is None


@virtual_time
async def test_bars_are_closed_by_the_clock_while_an_answer_is_slow() -> None:
    shard = Shard("A")
    shard.jump(0, first=1, then=4)
    shard.reader.takes_s = 10.0
    async with working(shard):
        await asyncio.sleep(5)
        assert shard.ticks > 20


@virtual_time
async def test_what_was_closed_by_guess_is_compared_after_all_that_is_missing() -> None:
    shard = Shard("A", "B")
    settling = shard.lanes[0].settling = Settling()
    settling.note(bar(1))
    settling.note(bar(2))
    shard.jump(1, first=1, then=4)
    async with working(shard):
        await asyncio.sleep(1)
    assert shard.said == [
        ("B", "fetched", Hole(at(2), at(4))),
        ("A", "compared", Hole(at(1), at(3))),
    ]
    assert [urgent for *_, urgent in shard.reader.asked] == [True, False]
    assert settling.counts == {"settled": 2}


@virtual_time
async def test_a_stream_that_begins_without_trades_is_looked_for_further_back() -> None:
    shard = Shard("A")
    shard.lanes[0].succession.lack(Hole(at(2), at(4)))
    async with working(shard):
        await asyncio.sleep(1)
    ((_, _, read, _),) = shard.reader.asked
    assert (read.from_ms, read.to_ms) == (at(2 - BARS_BEFORE), at(4))


@virtual_time
async def test_what_never_traded_is_asked_for_seldom_until_it_trades() -> None:
    shard = Shard("A")
    succession = shard.lanes[0].succession
    succession.lack(Hole(at(2), at(4)))
    async with working(shard):
        await asyncio.sleep(1)
        succession.lack(Hole(at(4), at(5)))
        await asyncio.sleep(60)
        assert len(shard.reader.asked) == 1
        succession.take(Step(bar(7)))
        await asyncio.sleep(1)
        assert len(shard.reader.asked) == 2


@virtual_time
async def test_streams_that_fail_for_ever_do_not_starve_the_others() -> None:
    shard = Shard(*"ABCDEF", "G")
    for number in range(6):
        shard.jump(number, first=1, then=4)
    shard.reader.takes_s = 20.0  # they time out
    shard.reader.failures = [RestFailure("transient", "no answer in 20 s")] * 100
    async with working(shard):
        await asyncio.sleep(300)
        begun_s = machine_s()
        shard.jump(6, first=2, then=5)
        await asyncio.sleep(40)
    asked_s = [at_s for at_s, stream, *_ in shard.reader.asked if stream.symbol == "G"]
    assert asked_s[0] - begun_s <= 21.0


@virtual_time
async def test_what_is_not_waited_for_makes_way_for_what_is() -> None:
    shard = Shard("A", "B")
    settling = shard.lanes[0].settling = Settling()
    settling.note(bar(1))
    shard.reader.takes_s = 30.0  # its turn does not come: other shards are behind
    async with working(shard):
        await asyncio.sleep(1)
        shard.jump(1, first=1, then=4)
        await asyncio.sleep(1)
        assert [urgent for *_, urgent in shard.reader.asked] == [False, True]
        await asyncio.sleep(70)
    assert [what for _, what, _ in shard.said] == ["fetched", "compared"]


@virtual_time
async def test_a_last_bar_that_never_comes_ends_the_wait_but_an_outage_does_not() -> None:
    shard = Shard("A")
    shard.jump(0, first=1, then=4)
    shard.reader.failures = [RestFailure("transient", "503")] * 30
    async with working(shard):
        await asyncio.sleep(1.5 * BELIEVED_S)
        shard.reader.never_there = True
        await asyncio.sleep(BELIEVED_S - 60)
        assert shard.said == []
        shard.reader.failures = []
        await asyncio.sleep(200)
    assert [what for _, what, _ in shard.said] == ["fetched"]


@virtual_time
async def test_a_bar_in_which_trades_were_seen_is_waited_for_and_never_taken_as_empty() -> None:
    shard = Shard()
    place = Place("kucoin", "spot", "candle")
    lane = CandleLane(Stream("kucoin", "spot", "candle", "A", "1m"), place, at(0), 1.0)
    shard.lanes = [lane]
    lane.listening(at(1))
    lane.candle(bar(1, closed=False, volume="1"), at(1.5))
    lane.candle(bar(2, closed=False, volume="1"), at(2.5))
    lane.interrupted()
    lane.candle(bar(3, closed=False, volume="1"), at(3.5))
    assert lane.missing == Hole(at(2), at(3))
    async with working(shard):
        await asyncio.sleep(10)
        assert shard.said == []
        shard.reader.bars = [bar(1, volume="1"), bar(2, volume="1")]
        await asyncio.sleep(20)
    assert sorted(what for _, what, _ in shard.said) == ["compared", "fetched"]
    assert lane.succession.last == bar(2, volume="1")
