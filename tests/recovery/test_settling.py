"""What was closed by guess is compared with REST; what REST says otherwise is a correction."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from common.recovery.settling import MOST_KEPT, MOST_PENDING, SAMPLED, Settling
from common.recovery.steps import Hole, flat
from tests.recovery.bars import at, bar

# Longer than anything that waits.
ANY_MS = at(1_000_000)


def noted(settling: Settling, minutes: Iterable[int]) -> Settling:
    for minute in minutes:
        settling.note(bar(minute))
    return settling


def test_only_what_rest_is_final_about_is_due() -> None:
    settling = Settling()
    assert settling.due(at(9), ANY_MS) is None
    noted(settling, (0, 1, 2))
    assert settling.due(at(0.5), ANY_MS) is settling.due_since_ms(at(0.5)) is None
    assert settling.due(at(2), ANY_MS) == Hole(at(0), at(2))
    assert settling.due_since_ms(at(2)) == at(0)


def test_no_more_is_due_at_once_than_one_answer_can_hold() -> None:
    settling = noted(Settling(), (0, 1, 2, 7, 30))
    assert settling.due(at(99), at(3) - at(0)) == Hole(at(0), at(3))
    settling.compare(Hole(at(0), at(3)), [])
    assert settling.due(at(99), at(3) - at(0)) == Hole(at(7), at(8))
    assert settling.due(at(99), 1) == Hole(at(7), at(8)), "less than one bar cannot be asked for"


def test_the_same_numbers_written_otherwise_are_no_difference() -> None:
    settling = Settling()
    settling.note(bar(0, "7.10", volume="1"))
    final = replace(bar(0, "7.1", volume="1.000"), quote_volume="9")
    assert settling.compare(Hole(at(0), at(1)), [final]) == []
    assert settling.counts == {"settled": 1}
    assert settling.due(at(9), ANY_MS) is None


def test_a_difference_becomes_a_candle_of_the_next_revision() -> None:
    settling = Settling()
    settling.note(bar(0, "7", volume="1"))
    final = bar(0, "7", volume="1.5")
    assert settling.compare(Hole(at(0), at(1)), [final]) == [replace(final, revision=1)]
    assert settling.counts == {"revised": 1}


def test_a_correction_that_found_no_room_is_said_at_the_next_look() -> None:
    settling = Settling()
    settling.note(bar(0, "7", volume="1"))
    final = bar(0, "7", volume="1.5")
    for _ in range(2):
        assert settling.compare(Hole(at(0), at(1)), [final]) == [replace(final, revision=1)]
    assert settling.due(at(9), ANY_MS) == Hole(at(0), at(1))


def test_what_was_corrected_is_compared_until_rest_agrees() -> None:
    settling = Settling()
    settling.note(bar(0, "7", volume="1"))
    finals = [bar(0, "7", volume="1.5"), bar(0, "8", volume="2")]
    for revision, final in enumerate(finals, start=1):
        (correction,) = settling.compare(Hole(at(0), at(1)), [final])
        assert correction == replace(final, revision=revision)
        settling.corrected(correction)
        assert settling.due(at(9), ANY_MS) is None, "it is on its way"
        settling.confirmed(correction)
    assert settling.due(at(9), ANY_MS) == Hole(at(0), at(1))
    assert settling.compare(Hole(at(0), at(1)), finals[1:]) == []
    assert settling.due(at(9), ANY_MS) is None
    assert settling.counts == {"revised": 2, "settled": 1}


def test_a_correction_that_did_not_arrive_is_said_again_as_it_was() -> None:
    settling = Settling()
    settling.note(bar(0, "7", volume="1"))
    final = bar(0, "7", volume="1.5")
    (correction,) = settling.compare(Hole(at(0), at(1)), [final])
    settling.corrected(correction)
    settling.undelivered(correction)
    for _ in range(2):  # the second time because the first found no room
        assert settling.compare(Hole(at(0), at(1)), [final]) == [correction]
    settling.corrected(correction)
    assert settling.compare(Hole(at(0), at(1)), [final]) == []


def test_until_a_correction_has_arrived_a_new_owner_is_told_of_the_candle_before() -> None:
    settling = Settling()
    guessed = bar(0, "7", volume="1")
    settling.note(guessed)
    (correction,) = settling.compare(Hole(at(0), at(1)), [bar(0, "7", volume="1.5")])
    settling.corrected(correction)
    assert settling.kept == (guessed,)
    settling.confirmed(correction)
    assert settling.kept == (correction,)


def test_the_confirm_of_the_candle_itself_is_not_that_of_its_correction() -> None:
    """A broker that is slow confirms both after the correction was published."""
    settling = Settling()
    guessed = bar(0, "7", volume="1")
    settling.note(guessed)
    final = bar(0, "7", volume="1.5")
    (correction,) = settling.compare(Hole(at(0), at(1)), [final])
    settling.corrected(correction)
    settling.confirmed(guessed)
    assert settling.due(at(9), ANY_MS) is None, "it is on its way: not to be said twice"
    settling.confirmed(correction)
    assert settling.compare(Hole(at(0), at(1)), [final]) == []


def test_a_correction_that_did_not_arrive_is_said_again_though_it_was_settled_already() -> None:
    settling = Settling()
    settling.note(bar(0, "7", volume="1"))
    final = bar(0, "7", volume="1.5")
    (correction,) = settling.compare(Hole(at(0), at(1)), [final])
    settling.corrected(correction)
    settling.confirmed(correction)
    settling.compare(Hole(at(0), at(1)), [final])
    assert settling.due(at(9), ANY_MS) is None
    settling.undelivered(correction)
    assert settling.due(at(9), ANY_MS) == Hole(at(0), at(1))
    assert settling.compare(Hole(at(0), at(1)), [final]) == [correction]


def test_empty_bars_after_a_corrected_one_are_corrected_with_it() -> None:
    settling = Settling()
    settling.note(bar(0, "7", volume="1"))
    for minute in (1, 2):
        settling.note(flat(bar(0, "7", volume="1"), at(minute)))
    final = bar(0, "8", volume="2")
    first, second = settling.compare(Hole(at(0), at(2)), [final])
    assert (first, second) == (replace(final, revision=1), replace(flat(final, at(1)), revision=1))
    settling.corrected(first)
    settling.corrected(second)
    # The last of them has ended since.
    assert settling.compare(Hole(at(2), at(3)), []) == [replace(flat(final, at(2)), revision=1)]


def test_empty_bars_repeat_the_last_close_that_rest_knows_whoever_corrected_it() -> None:
    """The owner before corrected the traded bar; the empty ones behind it are left to the next."""
    settling = Settling()
    for minute in (2, 3):
        settling.note(flat(bar(1, "7"), at(minute)))
    before = bar(0, "8", volume="3")
    assert settling.compare(Hole(at(0), at(4)), [before]) == [
        replace(flat(before, at(2)), revision=1),
        replace(flat(before, at(3)), revision=1),
    ]


def test_whether_a_bar_that_waits_was_traded() -> None:
    settling = Settling()
    settling.note(bar(0, volume="3"))
    settling.note(flat(bar(0), at(1)))
    assert [settling.is_empty(at(minute)) for minute in (0, 1, 2)] == [False, True, False]


def test_an_empty_bar_is_settled_by_not_being_there_and_a_traded_one_is_not() -> None:
    settling = Settling()
    settling.note(bar(0, volume="0"))
    settling.note(bar(1, volume="3"))
    assert settling.traded(Hole(at(0), at(2))) == {at(1)}
    assert settling.compare(Hole(at(0), at(2)), []) == []
    assert settling.counts == {"settled": 1, "unsettled": 1}


def test_an_amount_that_rest_does_not_know_is_no_difference() -> None:
    settling = Settling()
    settling.note(bar(0, volume="3"))
    assert settling.compare(Hole(at(0), at(1)), [replace(bar(0), volume=UNSET)]) == []


def test_no_more_than_so_many_wait() -> None:
    settling = noted(Settling(), range(MOST_PENDING + 3))
    assert settling.counts == {"unsettled": 3}
    assert settling.due(at(MOST_PENDING + 3), ANY_MS) == Hole(at(3), at(MOST_PENDING + 3))


def test_of_marked_closes_a_sample_is_compared_and_everywhere_the_same_one() -> None:
    minutes = range(100 * SAMPLED)
    one, other = Settling(SAMPLED), Settling(SAMPLED)
    noted(one, minutes)
    noted(other, reversed(minutes))
    everything = Hole(at(0), at(len(minutes)))
    finals = [bar(minute, "2", volume="1") for minute in minutes]
    chosen = {candle.start_ms for candle in one.compare(everything, finals)}
    assert chosen == {candle.start_ms for candle in other.compare(everything, finals)}
    assert 50 <= len(chosen) <= 200


def test_a_new_owner_goes_on_comparing_what_the_old_one_could_not() -> None:
    old = noted(Settling(), range(MOST_KEPT + 5))
    assert [candle.start_ms for candle in old.kept] == [at(m) for m in range(5, MOST_KEPT + 5)]
    new = Settling(1, old.kept)
    assert new.due(at(MOST_KEPT + 5), ANY_MS) == Hole(at(5), at(MOST_KEPT + 5))
    (correction,) = new.compare(Hole(at(5), at(6)), [bar(5, "2", volume="1")])
    assert correction.revision == 1


def test_a_sample_is_not_kept_for_a_new_owner() -> None:
    assert noted(Settling(SAMPLED), range(100 * SAMPLED)).kept == ()


@given(st.data())
def test_whatever_does_not_arrive_the_last_thing_said_is_what_rest_says(
    data: st.DataObject,
) -> None:
    """Of one candle: REST changes its mind, corrections find no room, or do not arrive."""
    closes = st.sampled_from(["1", "2", "3"])
    settling = Settling()
    settling.note(bar(0, data.draw(closes), volume="1"))
    arrived = next(iter(settling.kept))
    final, on_the_way = bar(0, data.draw(closes), volume="1"), None
    acts = ["changes", "compared", "no room", "arrives", "returned"]
    for act in data.draw(st.lists(st.sampled_from(acts), max_size=20)):
        settled = settling.due(at(9), ANY_MS) is None
        if act == "changes" and not settled:  # what was settled is asked for no more
            final = bar(0, data.draw(closes), volume="1")
        elif act in ("compared", "no room") and on_the_way is None:
            for said in settling.compare(Hole(at(0), at(1)), [final]):
                if act == "compared":
                    on_the_way = said
                    settling.corrected(said)
        elif act == "arrives" and on_the_way is not None:
            assert on_the_way.revision >= arrived.revision
            settling.confirmed(on_the_way)
            arrived, on_the_way = on_the_way, None
        elif act == "returned" and on_the_way is not None:
            settling.undelivered(on_the_way)
            on_the_way = None
    if on_the_way is not None:
        settling.confirmed(on_the_way)
        arrived = on_the_way
    for said in settling.compare(Hole(at(0), at(1)), [final]):
        settling.corrected(said)
        arrived = said
    assert arrived.close == final.close
