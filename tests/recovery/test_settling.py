"""What was closed by guess is compared with REST; what REST says otherwise is a correction."""

from msgspec import UNSET
from msgspec.structs import replace

from common.recovery.settling import MOST_PENDING, Settling
from common.recovery.steps import Hole
from tests.recovery.bars import at, bar


def test_only_what_rest_is_final_about_is_due() -> None:
    settling = Settling()
    assert settling.due(at(9)) is None
    for minute in (0, 1, 2):
        settling.note(bar(minute))
    assert settling.due(at(0.5)) is None
    assert settling.due(at(2)) == Hole(at(0), at(2))


def test_the_same_numbers_written_otherwise_are_no_difference() -> None:
    settling = Settling()
    settling.note(bar(0, "7.10", volume="1"))
    final = replace(bar(0, "7.1", volume="1.000"), quote_volume="9")
    assert settling.compare(Hole(at(0), at(1)), [final]) == []
    assert settling.counts == {"settled": 1}
    assert settling.due(at(9)) is None


def test_a_difference_becomes_a_candle_of_the_next_revision() -> None:
    settling = Settling()
    settling.note(bar(0, "7", volume="1"))
    final = bar(0, "7", volume="1.5")
    assert settling.compare(Hole(at(0), at(1)), [final]) == [replace(final, revision=1)]
    assert settling.counts == {"revised": 1}


def test_an_empty_bar_is_settled_by_not_being_there_and_a_traded_one_is_not() -> None:
    settling = Settling()
    settling.note(bar(0, volume="0"))
    settling.note(bar(1, volume="3"))
    assert settling.compare(Hole(at(0), at(2)), []) == []
    assert settling.counts == {"settled": 1, "unsettled": 1}


def test_an_amount_that_rest_does_not_know_is_no_difference() -> None:
    settling = Settling()
    settling.note(bar(0, volume="3"))
    assert settling.compare(Hole(at(0), at(1)), [replace(bar(0), volume=UNSET)]) == []


def test_no_more_than_so_many_wait() -> None:
    settling = Settling()
    for minute in range(MOST_PENDING + 3):
        settling.note(bar(minute))
    assert settling.counts == {"unsettled": 3}
    assert settling.due(at(MOST_PENDING + 3)) == Hole(at(3), at(MOST_PENDING + 3))
