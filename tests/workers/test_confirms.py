"""The pieces of an account's book are kept when all that they led to is confirmed, and not before."""

from __future__ import annotations

from msgspec.structs import replace

from tests.publish.test_account import FILL, FILLED, NEW
from workers.confirms import Confirms


def test_pieces_are_ready_when_all_before_them_is_answered() -> None:
    confirms = Confirms()
    confirms.published(NEW)
    confirms.changed({"order": b"1"})
    confirms.published(FILL)
    confirms.published(FILLED)
    confirms.changed({"order": b"2", "since": b"7"})
    assert confirms.take() == {}
    assert confirms.answered(NEW)
    assert confirms.take() == {"order": b"1"}
    assert confirms.answered(FILL)
    assert confirms.take() == {}
    assert confirms.answered(FILLED)
    assert confirms.take() == {"order": b"2", "since": b"7"}
    assert confirms.outstanding == 0


def test_what_led_to_nothing_is_ready_with_what_went_before() -> None:
    confirms = Confirms()
    confirms.changed({"since": b"1"})
    assert confirms.take() == {"since": b"1"}
    confirms.published(NEW)
    confirms.changed({"since": b"2"})
    confirms.changed({"since": b"3"})
    assert confirms.take() == {}
    confirms.answered(NEW)
    assert confirms.take() == {"since": b"3"}


def test_an_answer_to_an_earlier_life_counts_for_nothing() -> None:
    confirms = Confirms()
    confirms.published(NEW)
    assert not confirms.answered(replace(NEW))
    assert confirms.outstanding == 1


def test_what_could_not_be_kept_gives_way_to_what_is_newer() -> None:
    confirms = Confirms()
    confirms.changed({"a": b"1", "b": b"1"})
    taken = confirms.take()
    confirms.changed({"b": b"2"})
    confirms.keep_back(taken)
    assert confirms.take() == {"a": b"1", "b": b"2"}


def test_what_can_never_be_written_is_answered_first_and_holds_up_nothing() -> None:
    confirms = Confirms()
    confirms.published(NEW)
    confirms.changed({"order": b"1"})
    confirms.published(FILL)
    confirms.changed({"order": b"2"})
    confirms.answered(FILL)
    assert confirms.take() == {}
    confirms.answered(NEW)
    assert confirms.take() == {"order": b"2"}
    confirms.published(FILLED)
    confirms.changed({"order": b"3"})
    confirms.answered(FILLED)
    assert (confirms.take(), confirms.outstanding) == ({"order": b"3"}, 0)


def test_of_what_was_given_up_nothing_is_kept() -> None:
    confirms = Confirms()
    confirms.published(NEW)
    confirms.changed({"order": b"1"})
    confirms.answered(NEW)
    confirms.published(FILL)
    confirms.changed({"order": b"2"})
    confirms.give_up()
    assert (confirms.take(), confirms.outstanding) == ({"order": b"1"}, 0)


def test_all_that_is_owed_waits_until_what_was_concluded_is_out() -> None:
    confirms = Confirms()
    confirms.concluded()
    confirms.published(FILL)
    confirms.owe(lambda: {"order": b"all"})
    confirms.answered(FILL)
    assert confirms.take() == {}
    confirms.published(FILLED)
    confirms.changed({"since": b"1"})
    assert confirms.take() == {}
    confirms.answered(FILLED)
    assert confirms.take() == {"since": b"1", "order": b"all"}
    confirms.owe(lambda: {"order": b"all"})
    assert confirms.take() == {"order": b"all"}
