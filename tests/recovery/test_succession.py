"""Every closed bar once, in order and without holes; nothing older than what was said."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from common.recovery.steps import Hole, Step
from common.recovery.succession import MOST_HELD, Succession
from tests.recovery.bars import at, bar


def starts(steps: Iterable[Step]) -> list[tuple[int, str]]:
    return [((s.candle.start_ms - at(0)) // 60_000, s.origin) for s in steps]


def take(succession: Succession, *minutes: int) -> list[tuple[int, str]]:
    return [start for m in minutes for start in starts(succession.take(Step(bar(m))))]


def test_it_begins_with_the_first_bar_and_goes_on_bar_by_bar() -> None:
    succession = Succession("1m")
    assert take(succession, 4, 5, 6) == [(4, "live"), (5, "live"), (6, "live")]
    assert succession.missing is None


def test_what_went_out_goes_out_no_more() -> None:
    succession = Succession("1m")
    take(succession, 4, 5)
    assert take(succession, 5, 4) == []
    assert succession.take(Step(bar(5, close="2"))) == []
    assert succession.counts == {"closed": 2, "repeated": 1, "late": 1, "conflicting": 1}


def test_a_bar_behind_a_hole_waits_until_the_hole_is_fetched() -> None:
    succession = Succession("1m")
    take(succession, 4)
    assert take(succession, 7, 8) == []
    assert succession.missing == Hole(at(5), at(7))
    fetched = succession.fetched([bar(5), bar(6)], at(7))
    assert starts(fetched) == [(5, "backfill"), (6, "backfill"), (7, "live"), (8, "live")]
    assert succession.missing is None


def test_a_missing_bar_that_comes_live_after_all_is_taken() -> None:
    succession = Succession("1m")
    take(succession, 4, 6)
    assert take(succession, 5) == [(5, "live"), (6, "live")]
    assert succession.missing is None


def test_what_the_exchange_leaves_out_had_no_trades() -> None:
    succession = Succession("1m")
    take(succession, 4, 8)
    steps = succession.fetched([bar(6, close="3", volume="5")], at(8))
    assert starts(steps) == [(5, "filled"), (6, "backfill"), (7, "filled"), (8, "live")]
    seventh = steps[2].candle
    assert (seventh.open, seventh.high, seventh.close, seventh.volume) == ("3", "3", "3", "0")
    assert (seventh.start_ms, seventh.end_ms, seventh.closed) == (at(7), at(8), True)


def test_before_the_first_bar_there_is_nothing_to_fill() -> None:
    succession = Succession("1m", next_ms=at(0))
    take(succession, 3)
    assert succession.missing == Hole(at(0), at(3))
    assert starts(succession.fetched([bar(1)], at(3))) == [
        (1, "backfill"),
        (2, "filled"),
        (3, "live"),
    ]


def test_a_first_bar_without_trades_repeats_the_close_before_the_beginning() -> None:
    succession = Succession("1m")
    succession.lack(Hole(at(9), at(11)))
    assert succession.missing == Hole(at(9), at(11))
    steps = succession.fetched([bar(2, "5"), bar(4, "6")], at(11))
    assert starts(steps) == [(9, "filled"), (10, "filled")]
    assert {step.candle.close for step in steps} == {"6"}


def test_a_running_bar_beyond_the_next_tells_that_a_close_was_missed() -> None:
    succession = Succession("1m")
    take(succession, 4)
    assert succession.open(bar(5, closed=False))
    assert succession.missing is None
    assert succession.open(bar(7, closed=False))
    assert succession.missing == Hole(at(5), at(7))


def test_an_older_running_bar_is_never_said_after_a_newer_one() -> None:
    succession = Succession("1m")
    take(succession, 4)
    assert not succession.open(bar(4, closed=False))
    assert succession.open(bar(6, closed=False))
    assert not succession.open(bar(5, closed=False))


def test_what_cannot_be_fetched_is_gone_and_counted() -> None:
    succession = Succession("1m")
    take(succession, 4, 8)
    assert starts(succession.skip()) == [(8, "live")]
    assert succession.missing is None
    assert succession.counts["lost"] == 1


def test_no_more_than_so_many_bars_wait_and_the_rest_is_fetched() -> None:
    succession = Succession("1m")
    take(succession, 0, *range(2, MOST_HELD + 10))
    went = starts(succession.fetched([bar(1)], at(2)))
    assert len(went) == 1 + MOST_HELD
    # (the last ones were not held)
    assert succession.missing is None or succession.missing.from_ms == at(went[-1][0] + 1)
    assert take(succession, MOST_HELD + 10) == []
    assert succession.missing == Hole(at(MOST_HELD + 2), at(MOST_HELD + 10))


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.sets(st.integers(0, 60), max_size=20),
)
def test_whatever_comes_in_whatever_order_what_goes_out_has_no_hole_and_no_repeat(
    minutes: list[int], fetch_after: set[int]
) -> None:
    succession, out = Succession("1m"), []
    for number, minute in enumerate(minutes):
        out += starts(succession.take(Step(bar(minute))))
        missing = succession.missing
        if number in fetch_after and missing is not None:
            held = range((missing.from_ms - at(0)) // 60_000, (missing.to_ms - at(0)) // 60_000)
            out += starts(succession.fetched([bar(m) for m in held], missing.to_ms))
    assert [minute for minute, _ in out] == list(range(minutes[0], minutes[0] + len(out)))
    assert succession.missing is not None or out[-1][0] == max(minutes)
