"""Every closed bar once, in order and without holes; nothing older than what was said."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model.events import Candle
from common.recovery.steps import Hole, Step, flat
from common.recovery.succession import MOST_HELD, Succession
from tests.recovery.bars import at, bar


def starts(steps: Iterable[Step]) -> list[tuple[int, str]]:
    return [((s.candle.start_ms - at(0)) // 60_000, s.origin) for s in steps]


def take(succession: Succession, *minutes: int) -> list[tuple[int, str]]:
    return [start for m in minutes for start in starts(succession.take(Step(bar(m))))]


def test_it_begins_where_it_is_told_and_goes_on_bar_by_bar() -> None:
    succession = Succession("1m", at(4))
    assert take(succession, 3, 4, 5, 6) == [(4, "live"), (5, "live"), (6, "live")]
    assert succession.missing is None


def test_what_went_out_goes_out_no_more() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4, 5)
    assert take(succession, 5, 4) == []
    assert succession.take(Step(bar(5, close="2"))) == []
    assert succession.counts == {"closed": 2, "repeated": 1, "late": 1, "conflicting": 1}


def test_what_went_out_by_another_hand_goes_out_no_more() -> None:
    succession = Succession("1m", at(5), last=bar(4))
    assert take(succession, 4, 3) == []
    assert succession.counts == {"repeated": 1, "late": 1}


def test_a_bar_behind_a_hole_waits_until_the_hole_is_fetched() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4)
    assert take(succession, 7, 8) == []
    assert succession.missing == Hole(at(5), at(7))
    fetched = succession.fetched([bar(5), bar(6)], Hole(at(5), at(7)))
    assert starts(fetched) == [(5, "backfill"), (6, "backfill"), (7, "live"), (8, "live")]
    assert succession.missing is None


def test_a_missing_bar_that_comes_live_after_all_is_taken() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4, 6)
    assert take(succession, 5) == [(5, "live"), (6, "live")]
    assert succession.missing is None


def test_a_stretch_may_be_fetched_in_parts() -> None:
    succession = Succession("1m", at(4))
    take(succession, 8)
    assert starts(succession.fetched([bar(4), bar(5)], Hole(at(4), at(6)))) == [
        (4, "backfill"),
        (5, "backfill"),
    ]
    assert succession.missing == Hole(at(6), at(8))


def test_what_the_exchange_leaves_out_had_no_trades() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4, 8)
    steps = succession.fetched([bar(6, close="3", volume="5")], Hole(at(5), at(8)))
    assert starts(steps) == [(5, "filled"), (6, "backfill"), (7, "filled"), (8, "live")]
    seventh = steps[2].candle
    assert (seventh.open, seventh.high, seventh.close, seventh.volume) == ("3", "3", "3", "0")
    assert (seventh.start_ms, seventh.end_ms, seventh.closed) == (at(7), at(8), True)


def test_before_the_first_bar_there_is_nothing_to_fill() -> None:
    succession = Succession("1m", at(0))
    take(succession, 3)
    assert succession.missing == Hole(at(0), at(3))
    assert starts(succession.fetched([bar(1)], Hole(at(0), at(3)))) == [
        (1, "backfill"),
        (2, "filled"),
        (3, "live"),
    ]


def test_a_first_bar_without_trades_repeats_the_close_before_the_beginning() -> None:
    succession = Succession("1m", at(9))
    succession.lack(Hole(at(9), at(11)))
    assert succession.missing == Hole(at(9), at(11))
    steps = succession.fetched([bar(2, "5"), bar(4, "6")], Hole(at(2), at(11)))
    assert starts(steps) == [(9, "filled"), (10, "filled")]
    assert {step.candle.close for step in steps} == {"6"}


def test_a_first_bar_without_trades_repeats_the_close_of_the_owner_before() -> None:
    succession = Succession("1m", at(9), last=bar(8, "7", volume="2"))
    succession.overdue(at(10))
    (step,) = succession.fetched([], Hole(at(9), at(10)))
    assert (step.origin, step.candle.open, step.candle.volume) == ("filled", "7", "0")


@pytest.mark.parametrize(
    ("last", "bars", "close"),
    [
        (flat(bar(7, "5"), at(8)), [bar(4, "6", volume="1")], "6"),
        (bar(8, "7", volume="2"), [bar(8, "9", volume="3")], "9"),
        (bar(8, "7", volume="2"), [bar(4, "6", volume="1")], "7"),
    ],
    ids=["was guessed to be empty", "had more trades", "is not all there yet"],
)
def test_an_empty_bar_repeats_the_close_that_rest_knows(
    last: Candle, bars: list[Candle], close: str
) -> None:
    succession = Succession("1m", at(9), last=last)
    succession.overdue(at(10))
    (step,) = succession.fetched(bars, Hole(at(2), at(10)))
    assert (step.origin, step.candle.close) == ("filled", close)


def test_a_running_bar_beyond_the_next_tells_that_a_close_was_missed() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4)
    assert succession.open(bar(5, closed=False))
    assert succession.missing is None
    assert succession.open(bar(7, closed=False))
    assert succession.missing == Hole(at(5), at(7))


def test_an_older_running_bar_is_never_said_after_a_newer_one() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4)
    assert not succession.open(bar(4, closed=False))
    assert succession.open(bar(6, closed=False))
    assert not succession.open(bar(5, closed=False))


def test_what_is_overdue_is_fetched_and_a_running_bar_is_not_overdue() -> None:
    succession = Succession("1m", at(4))
    succession.overdue(at(4.9))
    assert succession.missing is None
    succession.overdue(at(7.5))
    assert succession.missing == Hole(at(4), at(7))
    assert take(succession, 4, 5, 6) == [(4, "live"), (5, "live"), (6, "live")]
    assert succession.missing is None


def test_what_has_come_is_not_overdue() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4, 5)
    succession.overdue(at(6))
    assert succession.missing is None


def test_what_cannot_be_fetched_is_gone_up_to_where_it_was_asked_for() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4, 8)
    assert starts(succession.skip(at(7))) == []
    assert succession.missing == Hole(at(7), at(8))
    assert starts(succession.skip(at(8))) == [(8, "live")]
    assert succession.missing is None
    assert succession.skip(at(6)) == [], "it is not gone back for it"
    assert take(succession, 9) == [(9, "live")]


def test_behind_what_is_gone_no_close_is_known_to_be_repeated() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4)
    succession.skip(at(7))
    succession.overdue(at(9))
    assert starts(succession.fetched([bar(8)], Hole(at(7), at(9)))) == [(8, "backfill")]


def test_what_did_not_arrive_is_fetched_and_goes_out_again_with_all_that_followed() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4, 5, 6)
    succession.rewind(bar(5))
    succession.rewind(bar(6))  # it waited behind the first, and did not arrive either
    assert succession.missing == Hole(at(5), at(7))
    assert take(succession, 7) == []
    assert starts(succession.fetched([bar(5), bar(6)], Hole(at(5), at(7)))) == [
        (5, "backfill"),
        (6, "backfill"),
        (7, "live"),
    ]
    assert succession.counts["rewound"] == 1


def test_what_was_asked_for_before_it_was_rewound_is_not_all_that_is_missing() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4, 5, 8)
    asked = succession.missing
    assert asked == Hole(at(6), at(8))
    succession.rewind(bar(4))
    assert succession.fetched([bar(6), bar(7)], asked) == []
    assert succession.missing == Hole(at(4), at(8))
    everything = [bar(minute) for minute in range(4, 8)]
    assert starts(succession.fetched(everything, Hole(at(4), at(8))))[-1] == (8, "live")


def test_a_rewound_bar_without_trades_repeats_its_close_however_far_back_the_last_trade_was() -> (
    None
):
    succession = Succession("1m", at(4), last=bar(3, "7", volume="2"))
    succession.overdue(at(6))
    went = succession.fetched([], Hole(at(4), at(6)))
    succession.rewind(went[1].candle)
    again = succession.fetched([], Hole(at(5), at(6)))
    assert again == [went[1]]


def test_before_a_rewound_bar_with_trades_nothing_has_to_be_known() -> None:
    succession = Succession("1m", at(4))
    succession.take(Step(bar(4, "7", volume="2")))
    succession.rewind(bar(4, "7", volume="2"))
    assert succession.last is None


def test_a_rewound_bar_may_come_by_the_socket_once_more() -> None:
    succession = Succession("1m", at(4))
    take(succession, 4)
    succession.rewind(bar(4))
    assert take(succession, 4) == [(4, "live")]
    assert succession.missing is None


def test_no_more_than_so_many_bars_wait_and_the_rest_is_fetched() -> None:
    succession = Succession("1m", at(0))
    take(succession, 0, *range(2, MOST_HELD + 10))
    went = starts(succession.fetched([bar(1)], Hole(at(1), at(2))))
    assert len(went) == 1 + MOST_HELD
    # (the last ones were not held)
    assert succession.missing is None or succession.missing.from_ms == at(went[-1][0] + 1)
    assert take(succession, MOST_HELD + 10) == []
    assert succession.missing == Hole(at(MOST_HELD + 2), at(MOST_HELD + 10))


MINUTES = st.integers(0, 30)


@given(MINUTES, st.lists(MINUTES, min_size=1, max_size=60), st.sets(st.integers(0, 60)))
def test_whatever_comes_in_whatever_order_what_goes_out_has_no_hole_and_no_repeat(
    begin: int, minutes: list[int], fetch_after: set[int]
) -> None:
    succession, out = Succession("1m", at(begin)), []
    for number, minute in enumerate(minutes):
        out += starts(succession.take(Step(bar(minute))))
        missing = succession.missing
        if number in fetch_after and missing is not None:
            out += starts(succession.fetched(bars_of(missing), missing))
    assert [minute for minute, _ in out] == list(range(begin, begin + len(out)))
    newest = max(minutes)
    assert succession.missing is not None or newest < begin or out[-1][0] == newest


def bars_of(hole: Hole) -> list[Candle]:
    first, end = ((edge_ms - at(0)) // 60_000 for edge_ms in hole)
    return [bar(minute) for minute in range(first, end)]


@given(st.data())
def test_whatever_does_not_arrive_what_arrives_has_no_hole_and_no_repeat(
    data: st.DataObject,
) -> None:
    """What goes out arrives in order or not at all, and with it nothing that has gone out since."""
    succession = Succession("1m", at(0))
    on_the_way: list[int] = []
    arrived: list[int] = []
    asked: Hole | None = None
    newest = -1
    acts = st.sampled_from(["bar", "ask", "answer", "arrives", "returned", "overdue"])
    for act in data.draw(st.lists(acts, max_size=60)):
        went: list[Step] = []
        if act == "bar":
            minute = data.draw(MINUTES)
            newest = max(newest, minute)
            went = succession.take(Step(bar(minute)))
        elif act == "overdue" and succession.missing is None:
            newest = max(newest, 5)
            succession.overdue(at(6.5))
        elif act == "ask":
            asked = succession.missing
        elif act == "answer" and asked is not None:
            went = succession.fetched(bars_of(asked), asked)
            asked = None
        elif act == "arrives":
            arrived += on_the_way[:1]
            del on_the_way[:1]
        elif act == "returned" and on_the_way:
            first = data.draw(st.integers(0, len(on_the_way) - 1))
            arrived += on_the_way[:first]
            for minute in on_the_way[first:]:
                succession.rewind(bar(minute))
            on_the_way = []
        on_the_way += [minute for minute, _ in starts(went)]
    arrived += on_the_way
    missing = succession.missing
    if missing is not None:
        arrived += [m for m, _ in starts(succession.fetched(bars_of(missing), missing))]
    assert succession.missing is None
    assert arrived == list(range(newest + 1))
