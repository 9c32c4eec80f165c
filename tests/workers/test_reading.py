"""What a shard reads by REST: what is missing first, again after failures, corrections last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import structs

from common.clocks import MarketClock, machine_s
from common.exchanges.place import Place
from common.exchanges.protocol import RestFailure, RestRules
from common.exchanges.registry import EXCHANGES
from common.model.checkpoints import Checkpoint
from common.model.events import Candle
from common.model.streams import Stream
from common.recovery.lane import CandleLane
from common.recovery.reading import IncompleteError
from common.recovery.rest import RestError
from common.recovery.settling import Settling
from common.recovery.steps import Hole, Step, flat
from tests.recovery.bars import at, bar
from tests.support.virtual_time import virtual_time
from workers.reading import (
    BARS_BEFORE,
    BELIEVED_S,
    FIRST_WAIT_S,
    LAST_WAIT_S,
    LIMIT_JITTER,
    LOOK_S,
    Reading,
    Sink,
)

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

    def __init__(self, *symbols: str, rules: RestRules = RULES) -> None:
        self.begun_s = machine_s()
        clock = MarketClock(wall=lambda: at(10) + int((machine_s() - self.begun_s) * 1000))
        place = Place("binance", "spot", "candle")
        streams = [Stream("binance", "spot", "candle", symbol, "1m") for symbol in symbols]
        begins = Checkpoint(at(0))
        self.lanes = [CandleLane(stream, place, begins, at(0), 1.0) for stream in streams]
        self.full = False
        self.said: list[tuple[str, str, Hole]] = []
        self.ticks = 0
        self.reader: Any = Reader()
        sink = Sink(
            self._tick,
            lambda: not self.full,
            lambda: self.lanes,
            self._fetched,
            self._lost,
            self._compared,
        )
        self.reading = Reading(rules, sink, self.reader, clock)

    def _tick(self) -> None:
        self.ticks += 1

    def _fetched(self, lane: CandleLane, stretch: Hole, bars: Sequence[Candle]) -> None:
        self.said.append((lane.stream.symbol, "fetched", stretch))
        lane.fetched(bars, stretch)

    def _lost(self, lane: CandleLane, stretch: Hole, reason: str) -> None:
        self.said.append((lane.stream.symbol, f"lost: {reason}", stretch))
        lane.skip(stretch.to_ms)

    def _compared(self, lane: CandleLane, stretch: Hole, bars: Sequence[Candle]) -> None:
        self.said.append((lane.stream.symbol, "compared", stretch))
        for correction in lane.settling.compare(stretch, bars):
            lane.settling.corrected(correction)

    def jump(self, lane: int, *, first: int, then: int) -> None:
        """A stream that stood at one bar and went to a later one."""
        self.lanes[lane].succession.skip(at(first))
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
async def test_what_is_missing_is_fetched_and_what_is_soonest_whole_again_first() -> None:
    shard = Shard("A", "B")
    shard.jump(0, first=1, then=5)
    shard.jump(1, first=3, then=6)
    async with working(shard):
        await asyncio.sleep(1)
    assert shard.said == [
        ("B", "fetched", Hole(at(4), at(6))),
        ("A", "fetched", Hole(at(2), at(5))),
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
    shard.jump(0, first=2, then=4)
    shard.jump(1, first=1, then=4)
    shard.reader.failures = [RestFailure("transient", "503")]
    async with working(shard):
        await asyncio.sleep(5)
    assert [symbol for symbol, _, _ in shard.said] == ["B", "A"]


@virtual_time
async def test_while_the_exchange_limits_us_it_is_asked_for_no_other_stream_either() -> None:
    shard = Shard("A", "B", "C")
    for lane in range(3):
        shard.jump(lane, first=1, then=4)
    shard.reader.failures = [RestFailure("rate", "banned", 30.0)]
    async with working(shard):
        await asyncio.sleep(29)
        assert len(shard.reader.asked) == 1
        await asyncio.sleep(31 * LIMIT_JITTER + 2)
    assert sorted(shard.said) == [(name, "fetched", Hole(at(2), at(4))) for name in "ABC"]


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
async def test_an_empty_bar_is_compared_with_the_last_close_that_rest_knows() -> None:
    """Where REST leaves out empty bars: whoever closed this one may not have known of the trade."""
    for tells_flat, before in ((True, 0), (False, BARS_BEFORE)):
        shard = Shard("A", rules=structs.replace(RULES, tells_flat=tells_flat))
        settling = shard.lanes[0].settling = Settling()
        settling.note(flat(bar(0), at(1)))
        shard.reader.bars = [bar(0, "9", volume="1")]
        async with working(shard):
            await asyncio.sleep(0.5)
        (_, _, read, _) = shard.reader.asked[0]
        assert (read.from_ms, read.to_ms) == (at(1 - before), at(2))
        assert settling.counts == ({"settled": 1} if tells_flat else {"revised": 1})


@virtual_time
async def test_where_no_close_before_is_known_it_is_looked_for_further_back() -> None:
    """As far as it may be left out: an exchange that tells every bar tells the one before."""
    for tells_flat, before in ((True, 1), (False, BARS_BEFORE)):
        shard = Shard("A", rules=structs.replace(RULES, tells_flat=tells_flat))
        shard.jump(0, first=1, then=4)
        shard.lanes[0].undelivered(bar(1, volume="1"))
        async with working(shard):
            await asyncio.sleep(1)
        ((_, _, read, _),) = shard.reader.asked
        assert (read.from_ms, read.to_ms) == (at(1 - before), at(4))


@virtual_time
async def test_where_the_close_before_was_guessed_it_is_read_again() -> None:
    """Said once more with that guess, a correction would be none."""
    for tells_flat, before in ((True, 0), (False, BARS_BEFORE)):
        shard = Shard("A", rules=structs.replace(RULES, tells_flat=tells_flat))
        guessed = flat(bar(3), at(4))
        stream, place = shard.lanes[0].stream, Place("coinbase", "spot", "candle")
        begins = Checkpoint(at(5), guessed, (guessed,))
        shard.lanes = [CandleLane(stream, place, begins, at(7), 1.0, at(7))]
        shard.reader.bars = [bar(1, "9", volume="1")]
        async with working(shard):
            await asyncio.sleep(1)
        (_, _, read, urgent) = shard.reader.asked[0]
        assert (read.from_ms, read.to_ms, urgent) == (at(5 - before), at(7), True)


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
async def test_a_last_bar_that_is_not_there_is_waited_for_until_it_is_old() -> None:
    shard = Shard("A")
    shard.jump(0, first=8, then=10)
    shard.reader.never_there = True
    async with working(shard):
        await asyncio.sleep(BELIEVED_S - 60)
        assert shard.said == []
        await asyncio.sleep(140)
    assert shard.said == [("A", "fetched", Hole(at(9), at(10)))]


@virtual_time
async def test_an_old_bar_that_is_not_there_is_not_waited_for() -> None:
    shard = Shard("A")
    shard.reader.never_there = True
    async with working(shard):
        await asyncio.sleep(BELIEVED_S)
        shard.jump(0, first=1, then=4)
        await asyncio.sleep(1)
    assert shard.said == [("A", "fetched", Hole(at(2), at(4)))]


def interrupted_in_a_bar_with_trades() -> Shard:
    """What a stream saw of minute 2 is not all of it."""
    shard = Shard(rules=EXCHANGES["kucoin"].markets["spot"].rest)
    place = Place("kucoin", "spot", "candle")
    stream = Stream("kucoin", "spot", "candle", "A", "1m")
    lane = CandleLane(stream, place, Checkpoint(at(1)), at(1), 1.0)
    shard.lanes = [lane]
    lane.listening(at(1))
    lane.candle(bar(1, closed=False, volume="1"), at(1.5))
    lane.candle(bar(2, closed=False, volume="1"), at(2.5))
    lane.interrupted()
    lane.candle(bar(3, closed=False, volume="1"), at(3.5))
    assert lane.missing == Hole(at(2), at(3))
    return shard


@virtual_time
async def test_a_bar_in_which_trades_were_seen_is_waited_for_as_long_as_rest_leaves_it_out() -> (
    None
):
    shard = interrupted_in_a_bar_with_trades()
    async with working(shard):
        await asyncio.sleep(10)
        assert shard.said == []
        shard.reader.bars = [bar(1, volume="1"), bar(2, volume="1")]
        await asyncio.sleep(20)
    assert sorted(what for _, what, _ in shard.said) == ["compared", "fetched"]
    assert shard.lanes[0].succession.last == bar(2, volume="1")


@virtual_time
async def test_an_outage_is_no_answer_that_trades_are_left_out() -> None:
    shard = interrupted_in_a_bar_with_trades()
    shard.reader.failures = [RestFailure("transient", "503")] * 100
    async with working(shard):
        await asyncio.sleep(1.5 * BELIEVED_S)
        shard.reader.failures = []
        await asyncio.sleep(BELIEVED_S - 60)
        assert "fetched" not in [what for _, what, _ in shard.said]
        await asyncio.sleep(200)
    assert [stretch.to_ms for _, what, stretch in shard.said if what == "fetched"] == [at(3)]


# --- one page at a time, and only while it may go out ------------------------------------------


@virtual_time
async def test_what_is_missing_goes_out_page_by_page() -> None:
    shard = Shard("A", rules=structs.replace(RULES, candles_per_request=3))
    shard.jump(0, first=0, then=8)
    async with working(shard):
        await asyncio.sleep(1)
    assert [stretch for *_, stretch in shard.said] == [
        Hole(at(1), at(4)),
        Hole(at(4), at(7)),
        Hole(at(7), at(8)),
    ]


@virtual_time
async def test_one_stream_with_much_to_fetch_holds_up_no_other() -> None:
    shard = Shard("A", "B", rules=structs.replace(RULES, candles_per_request=2))
    shard.reader.takes_s = 1.0
    shard.jump(0, first=0, then=9)
    async with working(shard):
        await asyncio.sleep(0.5)
        shard.jump(1, first=6, then=8)
        await asyncio.sleep(10)
    assert [symbol for symbol, _, _ in shard.said] == ["A", "B", "A", "A", "A"]


@virtual_time
async def test_while_there_is_no_room_nothing_is_fetched_and_bars_are_closed() -> None:
    shard = Shard("A")
    shard.jump(0, first=1, then=4)
    shard.full = True
    async with working(shard):
        await asyncio.sleep(10)
        assert (shard.reader.asked, shard.ticks > 40) == ([], True)
        shard.full = False
        await asyncio.sleep(1)
    assert shard.said == [("A", "fetched", Hole(at(2), at(4)))]


async def returned(shard: Shard, *minutes: int) -> float:
    """RabbitMQ has no queue for these: how long it takes until they are fetched again."""
    (lane,) = shard.lanes
    count, now_s = len(shard.reader.asked), machine_s()
    for minute in minutes:
        lane.undelivered(bar(minute))
        shard.reading.returned(lane.stream)
    await asyncio.sleep(LAST_WAIT_S + 1)
    return shard.reader.asked[count][0] - now_s


@virtual_time
async def test_what_no_queue_wants_is_fetched_later_and_later_until_one_does() -> None:
    shard = Shard("A")
    shard.jump(0, first=1, then=4)
    shard.reader.bars = [bar(minute) for minute in range(5)]
    async with working(shard):
        await asyncio.sleep(1)
        for tries in range(8):
            longest_s = min(FIRST_WAIT_S * 2**tries, LAST_WAIT_S)
            assert longest_s / 2 <= await returned(shard, 2) <= longest_s + LOOK_S
        shard.reading.confirmed(shard.lanes[0].stream)
        assert await returned(shard, 1, 2, 3) <= FIRST_WAIT_S + LOOK_S
