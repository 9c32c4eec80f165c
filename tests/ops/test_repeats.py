"""Lines that repeat are counted, and the count is told."""

from __future__ import annotations

from common.ops.repeats import Repeats


def test_the_first_is_written_and_the_rest_of_the_window_counted() -> None:
    repeats = Repeats(window_s=30)
    assert repeats.first("a", {"event": "a"}, 0)
    assert [repeats.first("a", {"time": t}, t) for t in (1, 2, 29)] == [False] * 3
    assert repeats.over(29.9) == []
    (ended,) = repeats.over(30)
    # told as it came last: its time is the time of the last one
    assert (ended.line, ended.count) == ({"time": 29}, 3)
    assert repeats.first("a", {"event": "a"}, 30)


def test_other_lines_are_not_held_back() -> None:
    repeats = Repeats()
    assert repeats.first("a", {}, 0)
    assert repeats.first("b", {}, 0)


def test_a_line_that_came_once_leaves_no_count() -> None:
    repeats = Repeats(window_s=30)
    repeats.first("a", {}, 0)
    assert repeats.over(100) == []


def test_memory_is_bounded_and_no_count_is_lost_by_it() -> None:
    repeats = Repeats(most_keys=10)
    told = 0
    for number in range(100):
        told += sum(repeat.count for repeat in repeats.over(0.0))
        repeats.first(number, {}, 0.0)
        repeats.first(number, {}, 0.0)
        assert len(repeats._open) <= 11
    assert told + sum(repeat.count for repeat in repeats.rest()) == 100


def test_a_clock_that_is_set_back_holds_no_line_back_for_ever() -> None:
    repeats = Repeats(window_s=30)
    repeats.first("a", {}, 1_000_000.0)
    repeats.first("a", {}, 1_000_000.0)
    assert len(repeats.over(5.0)) == 1
    assert repeats.first("a", {}, 5.0)


def test_at_the_end_every_count_is_told() -> None:
    repeats = Repeats()
    for _ in range(3):
        repeats.first("a", {}, 0)
    assert [repeat.count for repeat in repeats.rest()] == [2]
    assert repeats.rest() == []
