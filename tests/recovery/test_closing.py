"""Every closed bar once and in order; nothing older than what was said."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from common.model.events import Candle
from common.recovery.closing import CandleGate, Gap

MINUTE_MS = 60_000


def bar(minute: int, *, closed: bool = True, close: str = "1") -> Candle:
    start_ms = 1_700_000_040_000 + minute * MINUTE_MS
    event: dict[str, Any] = {} if closed else {"event_ms": start_ms + 1}
    return Candle(
        exchange="binance",
        market="spot",
        symbol="BTCUSDT",
        interval="1m",
        start_ms=start_ms,
        end_ms=start_ms + MINUTE_MS,
        open="1",
        high="1",
        low="1",
        close=close,
        volume="0",
        closed=closed,
        **event,
    )


def verdicts(*candles: Candle) -> list[str]:
    gate = CandleGate()
    return [gate.take(candle) for candle in candles]


def test_bars_run_and_close_one_after_the_other() -> None:
    assert verdicts(bar(0, closed=False), bar(0), bar(1, closed=False), bar(1)) == [
        "open",
        "closed",
        "open",
        "closed",
    ]


def test_a_repeated_close_is_not_said_twice() -> None:
    assert verdicts(bar(0), bar(0), bar(1), bar(0)) == ["closed", "repeated", "closed", "late"]


def test_a_close_that_contradicts_what_was_said_is_told_apart() -> None:
    assert verdicts(bar(0), bar(0, close="2")) == ["closed", "conflicting"]


def test_a_state_older_than_the_close_is_late() -> None:
    assert verdicts(bar(0), bar(0, closed=False)) == ["closed", "late"]
    assert verdicts(bar(1, closed=False), bar(0, closed=False)) == ["open", "late"]


def test_a_skipped_bar_is_a_gap_with_its_ends() -> None:
    gate = CandleGate()
    gate.take(bar(0))
    assert gate.take(bar(3)) == "after_gap"
    assert gate.gap == Gap(bar(1).start_ms, bar(3).start_ms)


MOVES = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=60)


@given(MOVES)
def test_whatever_the_order_of_frames_closes_go_on_once_and_in_order(
    moves: list[tuple[int, bool]],
) -> None:
    gate, said, missed = CandleGate(), [], []
    for minute, closed in moves:
        candle = bar(minute, closed=closed)
        verdict = gate.take(candle)
        if verdict in ("closed", "after_gap"):
            if verdict == "after_gap":
                assert gate.gap is not None
                missed += range(gate.gap.from_ms, gate.gap.to_ms, MINUTE_MS)
            said.append(candle.start_ms)
        if verdict == "open" and said:
            assert candle.start_ms > said[-1]
    assert said == sorted(set(said))
    if said:
        assert sorted(said + missed) == list(range(said[0], said[-1] + 1, MINUTE_MS))


def test_a_corrected_copy_is_not_a_repeat() -> None:
    assert verdicts(bar(0), replace(bar(0), revision=1)) == ["closed", "conflicting"]
