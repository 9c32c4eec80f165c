"""A bar is over by the next one or by the clock; what nobody listened to is a hole, not a guess."""

from common.recovery.closing import InferredClose
from common.recovery.steps import Hole, Step, closed
from tests.recovery.bars import at, bar

GRACE_MS = 3_000


def listening() -> InferredClose:
    closing = InferredClose("1m", GRACE_MS)
    closing.listening(at(0))
    return closing


def tick(closing: InferredClose, now_ms: int) -> list[Step | Hole]:
    """The clock and the exchange's stamps agree."""
    return closing.tick(now_ms, now_ms)


def state(minute: int, close: str = "1", volume: str = "1") -> Step:
    return Step(bar(minute, close, closed=False, volume=volume))


def test_the_next_bar_closes_the_one_before() -> None:
    closing = listening()
    first, again, second = state(0), state(0, "2"), state(1)
    assert closing.take(first.candle, at(0.2)) == [first]
    assert closing.take(again.candle, at(0.9)) == [again]
    assert closing.take(second.candle, at(1.1)) == [Step(closed(again.candle)), second]


def test_the_clock_closes_a_bar_once_the_grace_is_over() -> None:
    closing = listening()
    last = state(0, "2")
    closing.take(last.candle, at(0.5))
    assert tick(closing, at(1) + GRACE_MS - 1) == []
    assert tick(closing, at(1) + GRACE_MS) == [Step(closed(last.candle))]
    assert tick(closing, at(1) + GRACE_MS) == []


def test_a_late_state_within_the_grace_still_counts() -> None:
    closing = listening()
    closing.take(state(0).candle, at(0.5))
    late = state(0, "2")
    closing.take(late.candle, at(1) + GRACE_MS - 1)
    assert tick(closing, at(1) + GRACE_MS) == [Step(closed(late.candle))]


def test_a_state_after_the_close_changes_nothing() -> None:
    closing = listening()
    closing.take(state(0).candle, at(0.5))
    tick(closing, at(1) + GRACE_MS)
    assert closing.take(state(0, "9").candle, at(1) + GRACE_MS) == []


def test_silence_that_was_listened_to_means_that_nothing_was_traded() -> None:
    closing = listening()
    closing.take(state(0, "2").candle, at(0.5))
    steps = tick(closing, at(3) + GRACE_MS)
    assert [(s.candle.start_ms, s.origin) for s in steps if isinstance(s, Step)] == [
        (at(0), "live"),
        (at(1), "filled"),
        (at(2), "filled"),
    ]
    empty = steps[1]
    assert isinstance(empty, Step)
    assert (empty.candle.open, empty.candle.close, empty.candle.volume) == ("2", "2", "0")
    assert empty.candle.closed


def test_a_bar_that_may_have_changed_unseen_is_a_hole() -> None:
    closing = listening()
    closing.take(state(0).candle, at(0.5))
    closing.interrupted()
    assert tick(closing, at(9)) == []
    closing.listening(at(2.5))
    after = state(4)
    assert closing.take(after.candle, at(4.1)) == [Hole(at(0), at(4)), after]


def test_a_bar_that_was_seen_again_after_the_interruption_is_trusted() -> None:
    closing = listening()
    closing.take(state(0).candle, at(0.2))
    closing.interrupted()
    closing.listening(at(0.5))
    seen = state(0, "3")
    closing.take(seen.candle, at(0.6))
    assert tick(closing, at(1) + GRACE_MS) == [Step(closed(seen.candle))]


def test_after_a_hole_an_empty_bar_can_be_filled_once_the_one_before_is_known() -> None:
    closing = listening()
    closing.take(state(0).candle, at(0.5))
    closing.interrupted()
    closing.listening(at(0.6))
    assert tick(closing, at(1) + GRACE_MS) == [Hole(at(0), at(1))]
    closing.know(bar(0, "7"))
    (filled,) = tick(closing, at(2) + GRACE_MS)
    assert isinstance(filled, Step)
    assert (filled.candle.close, filled.origin) == ("7", "filled")


def test_history_before_the_first_running_bar_is_not_published() -> None:
    closing = InferredClose("1m", GRACE_MS)
    closing.listening(at(5.4))
    for minute in range(5):
        assert closing.take(state(minute).candle, at(5.5)) == []
    running = state(5)
    assert closing.take(running.candle, at(5.5)) == [running]


def test_rows_repeated_after_a_reconnect_close_what_was_missed_in_order() -> None:
    closing = listening()
    closing.take(state(0).candle, at(0.5))
    closing.interrupted()
    closing.listening(at(3.2))
    rows = [state(minute, str(minute)) for minute in range(4)]
    out = [step for row in rows for step in closing.take(row.candle, at(3.3))]
    closes = [step.candle for step in out if isinstance(step, Step) and step.candle.closed]
    assert closes == [closed(row.candle) for row in rows[:3]]


def test_a_first_bar_that_was_seen_only_in_part_is_a_hole() -> None:
    closing = listening()
    assert closing.take(state(0).candle, at(0.5), whole=False) == []
    whole = state(1)
    assert closing.take(whole.candle, at(1.1)) == [Hole(at(0), at(1)), whole]


def test_a_stream_that_says_nothing_begins_with_the_bar_in_which_it_was_accepted() -> None:
    closing = InferredClose("1m", GRACE_MS)
    assert tick(closing, at(9)) == []
    closing.listening(at(2.5))
    assert tick(closing, at(3)) == []
    assert tick(closing, at(3) + GRACE_MS) == [Hole(at(2), at(3))]
    closing.know(bar(2, "7"))
    assert [s.origin for s in tick(closing, at(5) + GRACE_MS) if isinstance(s, Step)] == [
        "filled",
        "filled",
    ]


def test_what_was_missed_between_two_frames_makes_the_bars_before_untrusted() -> None:
    closing = listening()
    closing.take(state(0).candle, at(0.5))
    after = state(2)
    assert closing.take(after.candle, at(2.1), whole=False, seamless=False) == [
        Hole(at(0), at(2)),
    ]
    # and the bar itself, of which a part is missing, is a hole at its end
    assert tick(closing, at(3) + GRACE_MS) == [Hole(at(2), at(3))]


def test_the_bar_in_which_it_was_accepted_is_owed_though_the_first_frame_is_of_a_later_one() -> (
    None
):
    closing = InferredClose("1m", GRACE_MS)
    closing.listening(at(2.5))
    first = state(4)
    assert closing.take(first.candle, at(4.1)) == [Hole(at(2), at(4)), first]


def test_an_empty_bar_waits_until_the_close_that_it_repeats_is_known() -> None:
    closing = InferredClose("1m", GRACE_MS)
    closing.listening(at(2.5))
    assert tick(closing, at(3) + GRACE_MS) == [Hole(at(2), at(3))]
    assert tick(closing, at(9)) == []
    closing.know(bar(2, "7"))
    assert len(tick(closing, at(9) + GRACE_MS)) == 6


def test_while_the_exchanges_own_stamps_lag_behind_a_silence_says_nothing() -> None:
    closing = listening()
    closing.take(state(0).candle, at(0.5))
    late_ms = at(1) + GRACE_MS
    assert closing.tick(late_ms, at(0.9)) == []
    assert len(closing.tick(late_ms, at(1) + GRACE_MS // 2)) == 1


def test_where_nothing_is_heard_at_all_the_clock_alone_closes_nothing() -> None:
    # The socket may be frozen: what is overdue is read by REST (``CandleLane``).
    closing = listening()
    closing.take(state(0).candle, at(0.5))
    assert closing.tick(at(9), at(0.5)) == []


def test_a_silent_stream_that_was_accepted_as_its_bar_began_is_a_hole_too() -> None:
    closing = listening()
    assert tick(closing, at(1) + GRACE_MS) == [Hole(at(0), at(1))]
