"""The durable class on its own: order, confirms, bounds, whatever the broker does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from common.publish.durable import Durable, Message, OnOutcome, Subject
from common.publish.frames import Envelope
from common.publish.messages import Outcome
from tests.publish.examples import candle

ENVELOPE = Envelope(
    1, "market", "k", kind="candle.closed.v1", headers={}, app_id="a", persistent=True
)


def message(name: str, on_outcome: OnOutcome) -> Message:
    """``A1`` is the first message of lane A."""
    return Message(
        lane=name[0],
        envelope=ENVELOPE,
        message_id=name,
        timestamp_s=0,
        body=b"",
        subject=name,
        on_outcome=on_outcome,
    )


class Scene:
    """A ``Durable`` with its outcomes, and timers that fire when the test says."""

    def __init__(self, *, limit: int = 100, window: int = 10) -> None:
        self.outcomes: list[tuple[Subject, Outcome]] = []
        self.timers: list[Callable[[], None]] = []
        self.now_s = 1000.0
        self.durable = Durable(limit=limit, window=window, later=self._later)

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        assert 0.5 <= delay_s <= 2.0
        self.timers.append(call)

    def fire(self) -> None:
        timers, self.timers = self.timers, []
        for call in timers:
            call()

    def submit(self, *names: str, share: float = 1.0) -> None:
        for name in names:
            self.durable.submit(message(name, self._told), share=share)

    def _told(self, subject: Subject, outcome: Outcome) -> None:
        self.outcomes.append((subject, outcome))

    def take(self) -> list[str]:
        return [message.message_id for message in self.durable.take(self.now_s)]


def test_of_a_lane_one_message_is_on_its_way_and_lanes_do_not_wait_for_each_other() -> None:
    scene = Scene()
    scene.submit("A1", "A2", "B1", "C1", "C2")
    assert scene.take() == ["A1", "B1", "C1"]
    assert scene.take() == []
    scene.durable.settle(1, multiple=False, ok=True)
    assert scene.take() == ["A2"]


def test_an_ack_of_many_confirms_all_up_to_it_in_order() -> None:
    scene = Scene()
    scene.submit("A1", "B1", "C1", "D1")
    scene.take()
    scene.durable.settle(3, multiple=True, ok=True)
    assert scene.outcomes == [("A1", "confirmed"), ("B1", "confirmed"), ("C1", "confirmed")]
    assert (scene.durable.size, scene.durable.in_flight, scene.durable.confirmed) == (1, 1, 3)
    scene.durable.settle(0, multiple=True, ok=True)
    assert scene.outcomes[-1] == ("D1", "confirmed")
    assert scene.durable.size == 0


def test_a_tag_nobody_waits_for_changes_nothing_but_is_counted() -> None:
    scene = Scene()
    scene.submit("A1")
    scene.take()
    scene.durable.settle(9, multiple=False, ok=True)
    assert scene.outcomes == []
    assert scene.durable.unexpected == 1


def test_a_nacked_message_leaves_again_after_a_pause_and_nothing_of_its_lane_before_it() -> None:
    scene = Scene()
    scene.submit("A1", "A2", "B1")
    scene.take()
    scene.durable.settle(1, multiple=False, ok=False)
    scene.submit("A3")
    assert scene.take() == []
    assert scene.durable.nacked == 1
    assert scene.outcomes == []
    scene.fire()
    assert scene.take() == ["A1"]
    scene.durable.settle(3, multiple=True, ok=True)
    assert scene.take() == ["A2"]


def test_after_a_lost_connection_what_was_on_its_way_leaves_again_first_and_in_order() -> None:
    scene = Scene(window=2)
    scene.submit("A1", "B1", "C1", "A2")
    assert scene.take() == ["A1", "B1"]
    scene.durable.lost()
    assert scene.take() == ["A1", "B1"]
    scene.durable.settle(2, multiple=True, ok=True)
    assert scene.take() == ["C1", "A2"]


def test_a_message_resting_after_a_nack_survives_a_lost_connection() -> None:
    scene = Scene()
    scene.submit("A1")
    scene.take()
    scene.durable.settle(1, multiple=False, ok=False)
    scene.durable.lost()
    assert scene.take() == []
    scene.fire()
    assert scene.take() == ["A1"]


def test_a_returned_message_is_not_confirmed_and_takes_what_waits_behind_it_along() -> None:
    scene = Scene()
    scene.submit("A1", "A2", "A3", "B1")
    scene.take()
    returned = scene.durable.note_return("A")
    assert returned is not None
    assert returned.message_id == "A1"
    scene.submit("A4")
    scene.durable.settle(2, multiple=True, ok=True)
    assert scene.outcomes == [
        ("A1", "returned"),
        ("A2", "returned"),
        ("A3", "returned"),
        ("A4", "returned"),
        ("B1", "confirmed"),
    ]
    assert (scene.durable.returned, scene.durable.confirmed) == (4, 1)
    assert (scene.durable.size, scene.take()) == (0, [])


def test_what_comes_after_a_return_leaves_as_ever() -> None:
    scene = Scene()
    scene.submit("A1")
    scene.take()
    scene.durable.note_return("A")
    scene.durable.settle(1, multiple=False, ok=True)
    scene.submit("A1")
    assert scene.take() == ["A1"]
    scene.durable.settle(2, multiple=False, ok=True)
    assert scene.outcomes == [("A1", "returned"), ("A1", "confirmed")]


def test_a_listener_that_submits_what_was_returned_again_finds_its_lane_empty() -> None:
    scene = Scene()
    again: list[str] = []

    def told(subject: Subject, outcome: Outcome) -> None:
        if outcome == "returned":
            scene.submit(f"{subject}again")
            again.append(str(subject))

    for name in ("A1", "A2"):
        scene.durable.submit(message(name, told))
    scene.take()
    scene.durable.note_return("A")
    scene.durable.settle(1, multiple=False, ok=True)
    assert again == ["A1", "A2"]
    assert scene.take() == ["A1again"]
    assert scene.durable.size == 2


def test_a_return_whose_ack_was_lost_with_the_connection_is_found_out_anew() -> None:
    scene = Scene()
    scene.submit("A1")
    scene.take()
    scene.durable.note_return("A")
    scene.durable.lost()
    assert scene.take() == ["A1"]
    scene.durable.settle(1, multiple=False, ok=True)
    assert scene.outcomes == [("A1", "confirmed")]


def test_how_long_confirms_are_waited_for_is_told_by_the_message_that_left_first() -> None:
    scene = Scene()
    scene.submit("A1", "A2")
    assert scene.durable.oldest_sent_s is None, "nothing has left"
    scene.take()
    scene.now_s = 1007.0
    scene.submit("B1")
    scene.take()
    assert scene.durable.oldest_sent_s == 1000.0
    scene.durable.settle(1, multiple=False, ok=True)
    assert scene.durable.oldest_sent_s == 1007.0, "what follows in the lane has not left"
    scene.take()
    scene.durable.settle(0, multiple=True, ok=True)
    assert scene.durable.oldest_sent_s is None


def test_a_broker_that_only_nacks_is_waited_for_from_the_first_time_on() -> None:
    scene = Scene()
    scene.submit("A1")
    for tag in range(1, 4):
        scene.take()
        scene.now_s += 5
        scene.durable.settle(tag, multiple=False, ok=False)
        assert scene.durable.oldest_sent_s == 1000.0
        scene.fire()


def test_what_was_withdrawn_on_its_way_and_refused_is_waited_for_no_more() -> None:
    scene = Scene()
    scene.submit("A1")
    scene.take()
    scene.durable.withdraw("A")
    scene.durable.settle(1, multiple=False, ok=False)
    assert scene.durable.oldest_sent_s is None, "a connection would be ended as stalled"


def said_twice(scene: Scene) -> None:
    """A bar that is doubted, on its way, and another behind it."""
    for minute, revision in ((0, 0), (0, 1), (1, 0)):
        bar = candle(bar=minute, revision=revision)
        scene.durable.submit(replace(message(f"A{minute}r{revision}", scene._told), subject=bar))
    assert scene.take() == ["A0r0"]


def test_of_a_word_that_is_half_on_its_way_the_other_half_follows() -> None:
    """A bar that is doubted counts when both have arrived: else the next owner says both again."""
    scene = Scene()
    said_twice(scene)
    assert scene.durable.withdraw("A") == 1
    scene.durable.settle(1, multiple=False, ok=True)
    assert scene.take() == ["A0r1"]
    scene.durable.settle(2, multiple=False, ok=True)
    assert [outcome for _, outcome in scene.outcomes] == ["confirmed"] * 2
    assert (scene.durable.size, scene.durable.holds("A")) == (0, False)


@pytest.mark.parametrize("confirmed", [0, 1], ids=["the first half", "the second half"])
@pytest.mark.parametrize("how", ["nacked", "lost", "withdrawn again"])
def test_what_was_withdrawn_and_did_not_arrive_does_not_leave_again(
    how: str, confirmed: int
) -> None:
    scene = Scene()
    said_twice(scene)
    scene.durable.withdraw("A")
    for tag in range(1, confirmed + 1):
        scene.durable.settle(tag, multiple=False, ok=True)
        if how == "nacked":
            scene.take()
    if how == "nacked":
        scene.durable.settle(confirmed + 1, multiple=False, ok=False)
        scene.fire()
    elif how == "lost" or not confirmed:
        scene.durable.lost()
    else:
        scene.durable.withdraw("A")
    assert scene.take() == []
    assert (scene.durable.size, scene.durable.holds("A")) == (0, False)
    scene.submit("A9")
    assert scene.take() == ["A9"]


def test_a_new_connection_starts_the_wait_anew() -> None:
    scene = Scene()
    scene.submit("A1")
    scene.take()
    scene.durable.lost()
    assert scene.durable.oldest_sent_s is None
    scene.now_s = 1060.0
    scene.take()
    assert scene.durable.oldest_sent_s == 1060.0


def test_over_the_bound_a_message_is_refused_and_said_to_be() -> None:
    scene = Scene(limit=2)
    scene.submit("A1", "B1", "C1")
    assert scene.outcomes == [("C1", "refused")]
    assert (scene.durable.size, scene.durable.refused) == (2, 1)
    scene.take()
    scene.durable.settle(1, multiple=False, ok=True)
    scene.submit("C1")
    assert scene.durable.size == 2


def test_what_is_only_told_leaves_room_for_what_happened() -> None:
    scene = Scene(limit=4)
    scene.submit("S1", "S2", "S3", share=0.5)
    assert scene.outcomes == [("S3", "refused")]
    scene.submit("A1", "B1")
    assert scene.durable.size == 4


LANES = "ABC"


class DurableMachine(RuleBasedStateMachine):
    """Any sequence of submits, withdrawals, writes, confirms, refusals, returns, lost connections.

    ``delivered`` is what a broker would have taken; it may take a message and lose the confirm.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(limit=12, window=3)
        self.submitted: list[str] = []
        self.delivered: list[str] = []
        self.on_the_wire: dict[int, str] = {}
        self.unroutable: set[str] = set()
        # What was withdrawn, and what will be gone unless the broker takes it this time.
        self.gone: set[str] = set()
        self.doomed: set[str] = set()
        self.tag = 0
        self.count = 0
        self.heard = 0
        self.returned_up_to: dict[str, int] = {}

    @rule(lanes=st.lists(st.sampled_from(LANES), min_size=1, max_size=4))
    def submit(self, lanes: list[str]) -> None:
        for lane in lanes:
            self.count += 1
            name = f"{lane}{self.count}"
            before = self.scene.durable.size
            self.scene.submit(name)
            if before < 12:
                self.submitted.append(name)

    @precondition(lambda self: self.scene.durable.waiting)
    @rule()
    def write(self) -> None:
        for name in self.scene.take():
            self.tag += 1
            self.on_the_wire[self.tag] = name

    def _settle(self, tag: int, *, multiple: bool, ok: bool) -> None:
        tags = [sent for sent in self.on_the_wire if sent == tag or (multiple and sent < tag)]
        for sent in tags:
            name = self.on_the_wire.pop(sent)
            if ok and name not in self.unroutable:
                self.delivered.append(name)
            if not ok and name in self.doomed:
                self.gone.add(name)
            self.unroutable.discard(name)
            self.doomed.discard(name)
        self.scene.durable.settle(tag, multiple=multiple, ok=ok)

    @precondition(lambda self: self.on_the_wire)
    @rule(pick=st.integers(0, 10))
    def find_no_queue(self, pick: int) -> None:
        """The broker says so of a message before it acks it."""
        name = list(self.on_the_wire.values())[pick % len(self.on_the_wire)]
        told = self.scene.durable.note_return(name[0])
        assert told is not None
        assert told.message_id == name
        self.unroutable.add(name)

    @precondition(lambda self: self.on_the_wire)
    @rule(pick=st.integers(0, 10), multiple=st.booleans(), ok=st.booleans())
    def settle(self, pick: int, multiple: bool, ok: bool) -> None:
        tags = list(self.on_the_wire)
        self._settle(tags[pick % len(tags)], multiple=multiple, ok=ok)

    @rule(lane=st.sampled_from(LANES))
    def withdraw(self, lane: str) -> None:
        told = {name for name, outcome in self.scene.outcomes if outcome != "refused"}
        waiting = {name for name in self.submitted if name[0] == lane} - told - self.gone
        self.doomed |= waiting & set(self.on_the_wire.values())
        assert self.scene.durable.withdraw(lane) == len(waiting - self.doomed)
        self.gone |= waiting - self.doomed

    @precondition(lambda self: self.scene.timers)
    @rule()
    def pause_over(self) -> None:
        self.scene.fire()

    @rule(taken=st.integers(0, 3))
    def lose_connection(self, taken: int) -> None:
        arrived = list(self.on_the_wire.values())[:taken]
        self.delivered += [name for name in arrived if name not in self.unroutable]
        self.on_the_wire.clear()
        self.unroutable.clear()
        self.gone |= self.doomed
        self.doomed.clear()
        self.tag = 0
        self.scene.durable.lost()

    @invariant()
    def bounded(self) -> None:
        assert self.scene.durable.size <= 12
        assert self.scene.durable.in_flight == len(self.on_the_wire) <= 3

    @invariant()
    def each_has_one_outcome_and_a_confirm_means_that_it_arrived(self) -> None:
        told = [name for name, outcome in self.scene.outcomes if outcome != "refused"]
        assert len(told) == len(set(told))
        assert len(told) + len(self.gone) + self.scene.durable.size == len(self.submitted)
        assert self.confirmed <= set(self.delivered)

    @property
    def confirmed(self) -> set[str]:
        return {str(name) for name, outcome in self.scene.outcomes if outcome == "confirmed"}

    @invariant()
    def nothing_overtakes_what_was_returned(self) -> None:
        """Whoever hears of it sends it again, and all that followed: none of that has arrived."""
        news, self.heard = self.scene.outcomes[self.heard :], len(self.scene.outcomes)
        for name, outcome in news:
            lane, number = str(name)[0], int(str(name)[1:])
            if outcome == "confirmed":
                assert number > self.returned_up_to.get(lane, 0)
            elif outcome == "returned":
                self.returned_up_to[lane] = self.count

    @invariant()
    def outcomes_come_in_the_order_of_the_lane(self) -> None:
        """Whoever sends again from the first that was returned on has all that is missing."""
        for lane in LANES:
            told = [str(name) for name, outcome in self.scene.outcomes if outcome != "refused"]
            numbers = [int(name[1:]) for name in told if name[0] == lane]
            assert numbers == sorted(numbers)

    @invariant()
    def in_order_within_a_lane_even_with_its_duplicates(self) -> None:
        for lane in LANES:
            numbers = [int(name[1:]) for name in self.delivered if name[0] == lane]
            assert numbers == sorted(numbers)

    def teardown(self) -> None:
        for _ in range(len(self.submitted) + 2):
            self.pause_over()
            self.write()
            while self.on_the_wire:
                self._settle(max(self.on_the_wire), multiple=True, ok=True)
            self.nothing_overtakes_what_was_returned()
        told = {str(name) for name, outcome in self.scene.outcomes if outcome != "refused"}
        assert told == set(self.submitted) - self.gone
        assert self.scene.durable.size == 0


TestAnySequence = DurableMachine.TestCase
TestAnySequence.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
