"""Whatever happens to the sockets: every closed candle goes out once, in order, and is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.exchanges.place import Place
from common.model.events import Candle
from common.model.intervals import end_of, length_ms
from common.model.streams import Stream
from common.recovery.steps import Step
from tests.recovery.bars import BEGIN_MS
from tests.recovery.exchange_model import HISTORY_BARS, Life, Plan, Run, truth

# By a flag; by the next bar and the clock (KuCoin leaves out empty bars, Bitget repeats the last
# ones at every subscribe); from trades; and each of them built.
STREAMS = {
    "flag": Stream("binance", "spot", "candle", "X", "1m"),
    "flag, built": Stream("bybit", "spot", "candle", "X", "8h"),
    "inferred": Stream("kucoin", "linear", "candle", "X", "1m"),
    "inferred, built": Stream("kucoin", "linear", "candle", "X", "6h"),
    "snapshots": Stream("bitget", "spot", "candle", "X", "1m"),
    "snapshots, built": Stream("bitget", "spot", "candle", "X", "3m"),
    "trades": Stream("coinbase", "spot", "candle", "X", "1m"),
    "trades, built": Stream("coinbase", "spot", "candle", "X", "3m"),
}
BARS = 9
QUIET_BARS = 6
EXAMPLES = 40


@st.composite
def plans(draw: st.DrawFn, stream: Stream, *, skewed: bool) -> Plan:
    """Times are drawn in thousandths of a bar."""
    place = Place(stream.exchange, stream.market, "candle")
    source = place.source(stream)
    assert source is not None
    unit_ms = length_ms(source.interval)
    begin_ms = BEGIN_MS + HISTORY_BARS * unit_ms

    def moment(thousandths: int) -> int:
        return begin_ms + thousandths * unit_ms // 1000

    bars = st.integers(0, BARS * 1000)
    times = sorted(draw(st.lists(bars, max_size=25, unique=True)))
    prices = st.integers(1, 99)
    trades = [(BEGIN_MS + 1, draw(prices)), *((moment(t), draw(prices)) for t in times)]
    delay_ms = draw(st.integers(0, 5_000))
    delays = st.integers(0, 5_000) if skewed else st.just(delay_ms)
    lives = []
    at = 0
    for _ in range(draw(st.integers(1, 5))):
        # The next socket comes after the one before it, or, in a rotation, while it lives.
        lives_to = at + draw(st.integers(100, 4_000))
        lives.append(Life(moment(at), moment(lives_to), draw(delays), draw(st.booleans())))
        at = max(at + 50, lives_to + draw(st.integers(-800, 2_000)))
    until_ms = moment(max(BARS * 1000, at) + QUIET_BARS * 1000)
    lives.append(Life(moment(at), until_ms + 1, draw(delays), draw(st.booleans())))
    answers = draw(
        st.lists(st.tuples(st.integers(0, unit_ms), st.booleans()), min_size=1, max_size=6)
    )
    return Plan(
        stream,
        trades,
        lives,
        [*answers, (300, False)],
        moment(max(BARS * 1000, at)),
        until_ms,
        snapshots=stream.exchange in ("bitget", "coinbase") and draw(st.booleans()),
        tells_flat=place.protocol.markets[stream.market].rest.tells_flat,
    )


def plain(candle: Candle) -> tuple[int, tuple[Decimal, ...]]:
    told = (candle.open, candle.high, candle.low, candle.close, str(candle.volume))
    return candle.start_ms, tuple(Decimal(number) for number in told)


def first_of_each(steps: Sequence[Step]) -> list[Candle]:
    return [step.candle for step in steps if step.candle.revision == 0]


def check_running(run: Run) -> None:
    """The states of running bars never go back."""
    opens = [step.candle for _, step in run.out if not step.candle.closed]
    assert [c.start_ms for c in opens] == sorted(c.start_ms for c in opens)
    stamped = [(c.start_ms, c.event_ms) for c in opens if isinstance(c.event_ms, int)]
    assert stamped == sorted(stamped)


def check_succession(run: Run, steps: Sequence[Step]) -> list[Candle]:
    """Once each, in order, without holes, from the checkpoint to the end."""
    candles = first_of_each(steps)
    assert candles, "nothing went out"
    assert candles[0].start_ms == run.begins_ms
    for one, other in pairwise(candles):
        assert other.start_ms == one.end_ms
    interval = run.plan.stream.interval or ""
    slack_ms = 3 * length_ms(run.interval) + 20_000
    assert end_of(interval, candles[-1].end_ms) > run.plan.until_ms - slack_ms
    return candles


@pytest.mark.parametrize("name", STREAMS)
def test_what_goes_out_is_the_truth(name: str) -> None:
    @settings(deadline=None, max_examples=EXAMPLES)
    @given(plans(STREAMS[name], skewed=False))
    def check(plan: Plan) -> None:
        run = Run(plan)
        steps = run.go()
        check_running(run)
        candles = check_succession(run, steps)
        known = {
            bar.start_ms: bar
            for bar in truth(plan, plan.stream.interval or "", BEGIN_MS, plan.until_ms)
        }
        assert [plain(c) for c in candles] == [plain(known[c.start_ms]) for c in candles]
        assert all(step.candle.revision == 0 for step in steps)
        assert run.lane is not None
        assert run.lane.missing is None

    check()


@pytest.mark.parametrize("name", STREAMS)
def test_where_two_sockets_disagree_rest_has_the_last_word(name: str) -> None:
    @settings(deadline=None, max_examples=EXAMPLES)
    @given(plans(STREAMS[name], skewed=True))
    def check(plan: Plan) -> None:
        run = Run(plan)
        steps = run.go()
        check_running(run)
        check_succession(run, steps)
        known = truth(plan, plan.stream.interval or "", BEGIN_MS, plan.until_ms)
        last = {step.candle.start_ms: step.candle for step in steps}
        true = {bar.start_ms: plain(bar) for bar in known}
        pending_ms = plan.until_ms - 3 * length_ms(plan.stream.interval)
        for start_ms, candle in last.items():
            if start_ms < pending_ms:
                assert plain(candle) == true[start_ms]

    check()
