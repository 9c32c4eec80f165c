"""How the demo decides what is missing, duplicated or wrong."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.quick.compare import (
    LONGEST_BAR_MS,
    MOST_REASONS,
    Body,
    LatestCheck,
    Score,
    StreamCheck,
    candle_id,
    compare_recording,
    total,
)
from tests.scripts.bars import MINUTE_MS, T0, bar

TRUTH: list[Body] = [bar(minute) for minute in range(10)]


def at(minute: int) -> int:
    return T0 + minute * MINUTE_MS


class Run:
    """One stream, told in deliveries and judgements."""

    def __init__(self) -> None:
        self.score = Score()
        self.check = StreamCheck("BTCUSDT:1m", self.score)

    def deliver(self, *minutes: int, **changes: Any) -> Run:
        for minute in minutes:
            body = bar(minute, **changes)
            self.check.arrived(candle_id(body), body)
        return self

    def judge(self, settled: int, flowing_from_ms: int | None = None) -> Run:
        from_ms = self.check.owed_from_ms(flowing_from_ms)
        rows = [] if from_ms is None else [row for row in TRUTH if row["startMs"] >= from_ms]
        self.check.judge(rows, flowing_from_ms=flowing_from_ms, settled_ms=at(settled))
        return self

    @property
    def faults(self) -> tuple[int, int, int]:
        return self.score.missing, self.score.duplicated, self.score.wrong


def test_all_of_it_in_order_is_clean() -> None:
    assert Run().deliver(*range(10)).judge(10).score.clean


def test_a_stream_owes_from_its_first_delivery_on() -> None:
    assert Run().deliver(4, 5, 6, 7, 8, 9).judge(10).faults == (0, 0, 0)


def test_a_hole_is_missing() -> None:
    run = Run().deliver(0, 1, 4, 5).judge(6)
    assert run.faults == (2, 0, 0)
    assert "binance:spot:BTCUSDT:1m" in run.score.reasons[0]


def test_an_end_that_never_came_is_missing() -> None:
    assert Run().deliver(0, 1, 2).judge(5).faults == (2, 0, 0)


def test_what_is_not_settled_is_not_owed_yet() -> None:
    assert Run().deliver(0, 1, 2).judge(3).judge(3).faults == (0, 0, 0)


def test_what_came_before_it_is_settled_is_judged_when_it_is() -> None:
    run = Run().deliver(0, 1, 2, close="1").judge(2)
    assert run.faults == (0, 0, 2)
    assert run.judge(3).faults == (0, 0, 3)


def test_a_stream_that_delivered_nothing_owes_what_ended_while_all_flowed() -> None:
    assert Run().judge(10, flowing_from_ms=at(5) + 1).faults == (5, 0, 0)
    assert Run().judge(10, flowing_from_ms=at(5)).faults == (5, 0, 0)
    assert Run().judge(10, flowing_from_ms=at(5) - 1).faults == (6, 0, 0)


def test_a_first_delivery_after_all_flowed_does_not_excuse_what_is_before_it() -> None:
    assert Run().deliver(8, 9).judge(10, flowing_from_ms=at(5) + 1).faults == (3, 0, 0)


def test_nothing_is_owed_before_anything_flowed() -> None:
    assert Run().judge(10).faults == (0, 0, 0)


def test_the_truth_is_asked_for_far_enough_back() -> None:
    check = Run().deliver(7).check
    assert check.owed_from_ms(None) == at(7)
    assert check.owed_from_ms(at(9)) == at(9) - LONGEST_BAR_MS
    check.judge([bar(7)], flowing_from_ms=None, settled_ms=at(8))
    assert check.owed_from_ms(at(5)) == at(8)


@pytest.mark.parametrize("judged_between", [False, True])
def test_the_same_message_twice_is_a_duplicate(judged_between: bool) -> None:
    run = Run().deliver(0, 1)
    if judged_between:
        run.judge(2)
    assert run.deliver(1).judge(2).faults == (0, 1, 0)


def test_any_other_field_is_wrong_and_said_which() -> None:
    run = Run().deliver(0).deliver(1, close="101.2").judge(2)
    assert run.faults == (0, 0, 1)
    assert "close '101.2' instead of '101.10'" in run.score.reasons[0]
    assert Run().deliver(0, extra="field").judge(1).faults == (0, 0, 1)


def test_the_same_number_written_otherwise_is_right() -> None:
    assert Run().deliver(0).deliver(1, close="101.1").judge(2).faults == (0, 0, 0)
    assert Run().deliver(0, symbol="1e2").judge(1).faults == (0, 0, 1)


def test_out_of_order_is_wrong() -> None:
    assert Run().deliver(0, 2, 1).judge(3).faults == (0, 0, 1)


def test_too_late_stays_missing_and_is_wrong_for_its_order() -> None:
    run = Run().deliver(0, 2).judge(3)
    assert run.faults == (1, 0, 0)
    assert run.deliver(1).faults == (1, 0, 1)
    assert run.deliver(1).faults == (1, 1, 1)


def test_a_candle_that_never_was_is_wrong() -> None:
    run = Run().deliver(0)
    odd = bar(1, startMs=at(1) + 1)
    run.check.arrived(candle_id(odd), odd)
    assert run.deliver(2).judge(3).faults == (1, 0, 1)


def test_an_id_that_does_not_say_what_it_is_is_wrong() -> None:
    run = Run()
    run.check.arrived("candle:binance:spot:BTCUSDT:1m:now:r0", bar(0))
    assert run.judge(1).faults == (0, 0, 1)


def test_judged_candles_are_forgotten() -> None:
    run = Run().deliver(*range(10)).judge(10)
    assert not run.check._waiting


def test_a_ticker_neither_repeats_nor_goes_back() -> None:
    check = LatestCheck(Score())
    for name, event_ms in (("a", 1), ("b", 2), ("b", 2), ("c", 1), ("d", 2)):
        check.arrived("BTCUSDT", name, event_ms)
    check.arrived("ETHUSDT", "e", 1)
    assert (check.score.duplicated, check.score.wrong) == (1, 1)


def test_reasons_are_bounded_and_scores_add_up() -> None:
    first, second = Score(), Score()
    for number in range(3 * MOST_REASONS):
        first.blame("missing", str(number))
    second.blame("wrong", "one")
    whole = total([first, second])
    assert (whole.missing, whole.duplicated, whole.wrong) == (3 * MOST_REASONS, 0, 1)
    assert len(whole.reasons) == MOST_REASONS


def test_a_recording_must_come_out_whole_equal_and_alone() -> None:
    score = Score()
    compare_recording(
        score,
        "closed",
        delivered={"same": bar(0), "other": bar(1, close="0"), "extra": bar(2)},
        expected={"same": bar(0), "other": bar(1), "absent": bar(3)},
    )
    assert (score.missing, score.duplicated, score.wrong) == (1, 0, 2)
