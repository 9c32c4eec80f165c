"""Whose turn is when: never more than there is, in order, whoever asks and whatever the clock does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.exchanges.budget import Budget, Cost
from common.exchanges.registry import EXCHANGES
from common.fleet.turns import (
    BAN,
    HORIZON_S,
    KEPT,
    LEARN,
    MICRO,
    MOST_NOTES,
    TAKE,
    Alone,
    Turn,
    asked,
    each_us,
    most_ahead_us,
)
from tests.support.lua_redis import LuaRedis

BUDGETS = {
    "slow": Budget(capacity=30, window_s=60.0, burst=6),
    "quick": Budget(capacity=20, window_s=1.0, burst=4),
}
# What rounding to whole microseconds may add up to.
ROUNDING = 1.001


class Address:
    """One address at one exchange, and what it was granted: when, and how much of what."""

    def __init__(self, budgets: Mapping[str, Budget] = BUDGETS, name: str = "here") -> None:
        self.redis = LuaRedis()
        self.budgets = budgets
        self.keys = [f"{word}:{name}" for word in ("budget", "ban", "waits")]
        self.granted: list[tuple[float, Cost]] = []

    def take(
        self, cost: Cost, *, urgent: bool = True, note: str = "{}", horizon_s: float = HORIZON_S
    ) -> Turn:
        horizon_us = round(horizon_s * MICRO)
        arguments = [int(urgent), horizon_us, note, *asked(self.budgets, cost)]
        kind, wait_us, why = self.redis.run(TAKE, self.keys, arguments)
        turn = Turn(kind, int(wait_us) / MICRO, why)
        if kind == "turn":
            self.granted.append(((self.redis.now_us + int(wait_us)) / MICRO, cost))
        return turn

    def learn(self, name: str, units: int, elapsed_s: float) -> None:
        budget = self.budgets[name]
        ahead = units * each_us(budget) - elapsed_s * MICRO
        self.redis.run(LEARN, self.keys[:1], [name, round(ahead), most_ahead_us(budget)])

    def ban(self, wait_s: float, why: str) -> None:
        self.redis.run(BAN, self.keys[1:2], [round(wait_s * 1000), why])

    def passes(self, seconds: float) -> None:
        self.redis.now_us += round(seconds * MICRO)

    def most_in_a_window(self, name: str) -> float:
        """The most that any window of the budget's length saw."""
        budget = self.budgets[name]
        grants = sorted((at_s, cost[name]) for at_s, cost in self.granted if name in cost)
        return max(
            (
                sum(units for at_s, units in grants if begin_s <= at_s < begin_s + budget.window_s)
                for begin_s, _ in grants
            ),
            default=0,
        )


def holds(address: Address, spare: int = 1) -> bool:
    """Whether no window of any budget saw more than all but ``spare`` bursts of it."""
    return all(
        address.most_in_a_window(name) <= (budget.capacity - spare * budget.burst) * ROUNDING
        for name, budget in address.budgets.items()
    )


costs = st.sampled_from(
    [{"slow": 1}, {"slow": 3}, {"quick": 1}, {"quick": 2}, {"slow": 2, "quick": 2}]
)
steps = st.lists(
    st.one_of(
        st.tuples(costs, st.booleans()),
        st.floats(0, 3).map(lambda s: round(s, 3)),
        st.floats(3, 90).map(lambda s: round(s, 3)),
    ),
    max_size=120,
)


@given(steps)
def test_no_window_sees_more_than_there_is_whoever_asks_when(steps: list[object]) -> None:
    address = Address()
    for step in steps:
        if isinstance(step, tuple):
            cost, urgent = step
            address.take(cost, urgent=urgent)
        else:
            assert isinstance(step, float)
            address.passes(step)
    assert holds(address)


@given(steps, st.integers(0, 120))
def test_one_loss_of_all_data_leads_to_no_more_than_the_exchange_allows(
    steps: list[object], lost_at: int
) -> None:
    address = Address()
    for number, step in enumerate(steps):
        if number == lost_at:
            address.redis.wipe()
        if isinstance(step, tuple):
            address.take(step[0], urgent=step[1])
        else:
            assert isinstance(step, float)
            address.passes(step)
    # What was reserved and not yet taken is lost with the data, and taken all the same.
    waiting = sum(1 for at_s, _ in address.granted if at_s * MICRO > address.redis.now_us)
    assume(not waiting or lost_at >= len(steps))
    assert holds(address, spare=0)


@pytest.mark.parametrize("name", BUDGETS)
def test_who_takes_all_there_is_has_all_but_one_burst_of_every_window(name: str) -> None:
    budget = BUDGETS[name]
    address = Address()
    end_s = address.redis.now_us / MICRO + 3 * budget.window_s
    while address.redis.now_us / MICRO < end_s:
        address.passes(address.take({name: 1}).wait_s)
    assert holds(address)
    assert address.most_in_a_window(name) >= budget.capacity - budget.burst - 1


def test_what_was_reserved_counts_when_it_is_taken_in_every_budget_of_it() -> None:
    address = Address()
    for _ in range(6):
        address.take({"slow": 1})
    wait_s = address.take({"slow": 2, "quick": 4}).wait_s
    assert wait_s > 5
    address.passes(wait_s)
    for _ in range(30):
        address.take({"quick": 1})
    assert holds(address)


@given(st.lists(st.one_of(st.integers(1, 4), st.floats(0, 1.5)), max_size=60))
def test_those_who_wait_are_served_in_the_order_in_which_they_asked(
    steps: list[int | float],
) -> None:
    address = Address()
    for step in steps:
        if isinstance(step, int):
            address.take({"quick": step})
        else:
            address.passes(step)
    turns = [at_s for at_s, _ in address.granted]
    assert turns == sorted(turns)


@given(
    st.floats(0, 59),
    st.lists(st.tuples(st.floats(0, 8), st.integers(0, 8)), max_size=20),
)
def test_what_others_use_is_taken_off_as_soon_as_the_exchange_tells(
    begin_s: float, steps: list[tuple[float, int]]
) -> None:
    """The exchange counts by the minute; strangers on the address spend beside us, as they like."""
    budget = BUDGETS["slow"]
    address = Address()
    minute_us = 60 * MICRO
    address.redis.now_us -= address.redis.now_us % minute_us
    begin_us = address.redis.now_us
    address.passes(begin_s)
    counted = 0
    for pause_s, strangers in steps:
        address.passes(pause_s)
        elapsed_us = address.redis.now_us - begin_us
        if elapsed_us >= minute_us:
            break
        counted += strangers
        address.learn("slow", counted, elapsed_us / MICRO)
        before = counted
        while address.take({"slow": 1}, urgent=False).kind == "turn":
            counted += 1
        most = budget.capacity - budget.burst
        assert counted <= max(before, most * ROUNDING), "ours stop before the limit"


def test_what_the_exchange_counts_of_our_own_changes_nothing() -> None:
    address = Address()
    for _ in range(4):
        address.take({"slow": 1})
    address.passes(7.0)
    left = Address()
    left.redis.hashes = {"budget:here": dict(address.redis.hashes["budget:here"])}
    left.redis.now_us = address.redis.now_us
    address.learn("slow", 4, 7.0)
    assert address.redis.hashes == left.redis.hashes


def test_what_is_told_never_gives_back() -> None:
    address = Address()
    for _ in range(6):
        address.take({"slow": 1})
    wait_s = address.take({"slow": 1}).wait_s
    assert wait_s > 0
    address.learn("slow", 0, 0.0)
    assert address.take({"slow": 1}).wait_s > wait_s


# --- who goes first -------------------------------------------------------------------------


def test_the_others_leave_half_of_a_burst_to_what_streams_wait_for() -> None:
    address = Address()
    taken = 0
    while address.take({"slow": 1}, urgent=False).kind == "turn":
        taken += 1
    assert taken == BUDGETS["slow"].burst * (1 - KEPT)
    assert [address.take({"slow": 1}).wait_s for _ in range(taken)] == [0.0] * taken
    assert address.take({"slow": 1}).wait_s > 0


def test_who_is_told_later_holds_up_nobody() -> None:
    address = Address()
    for _ in range(6):
        address.take({"slow": 1})
    alone_s = address.take({"slow": 1}).wait_s
    other = Address()
    for _ in range(6):
        other.take({"slow": 1})
    for _ in range(50):
        assert other.take({"slow": 1}, urgent=False).kind == "later"
    assert other.take({"slow": 1}).wait_s == alone_s


def test_what_comes_out_of_two_budgets_waits_for_the_slower_and_fills_neither() -> None:
    address = Address()
    both = {"slow": 3, "quick": 1}
    turns = [address.take(both) for _ in range(5)]
    assert [turn.wait_s for turn in turns[:2]] == [0.0, 0.0]
    assert all(turn.wait_s > 1 for turn in turns[2:])
    assert holds(address)


def test_who_has_a_nearer_horizon_leaves_the_rest_of_the_queue_to_the_others() -> None:
    address = Address()
    accounts = [address.take({"slow": 1}, horizon_s=5.0) for _ in range(40)]
    assert accounts[-1].kind == "full"
    candle = address.take({"slow": 1})
    assert candle.kind == "turn"
    # One more unit than those who stand before it.
    assert candle.wait_s <= 5.0 + 60.0 / 30
    alone = Alone()
    kinds = [
        alone.take("x", BUDGETS, {"slow": 1}, urgent=True, sharers=1, now_s=0, horizon_s=7.0).kind
        for _ in range(4)
    ]
    assert kinds == ["turn", "turn", "full", "full"]


def test_nobody_is_given_a_turn_beyond_the_horizon_and_nothing_is_kept() -> None:
    address = Address()
    turns = [address.take({"slow": 1}, note=f"n{number}") for number in range(40)]
    assert turns[-1].kind == "full"
    assert turns[-1].wait_s > HORIZON_S
    assert max(turn.wait_s for turn in turns if turn.kind == "turn") <= HORIZON_S
    assert address.take({"slow": 1}) == turns[-1]
    assert len(address.redis.sorted["waits:here"]) == sum(
        t.kind == "turn" and t.wait_s > 0 for t in turns
    )


def test_a_clock_that_goes_back_stops_nobody_for_long() -> None:
    address = Address()
    for _ in range(20):
        address.take({"slow": 1})
    address.passes(-86_400)
    assert address.take({"slow": 1}).wait_s <= 2 * BUDGETS["slow"].window_s
    address.passes(2 * BUDGETS["slow"].window_s)
    assert address.take({"slow": 1}).wait_s == 0.0


# --- bans and notes -------------------------------------------------------------------------


def test_a_ban_answers_everyone_until_its_end_and_takes_nothing() -> None:
    address = Address()
    address.ban(30.0, "why")
    address.passes(10.0)
    assert address.take({"slow": 1}) == Turn("banned", 20.0, "why")
    assert address.take({}) == Turn("banned", 20.0, "why")
    address.passes(20.0)
    assert address.take({"slow": 6}).wait_s == 0.0


def test_a_shorter_ban_does_not_end_a_longer_one() -> None:
    address = Address()
    address.ban(30.0, "long")
    address.ban(5.0, "short")
    assert address.take({}) == Turn("banned", 30.0, "long")
    address.ban(60.0, "longer")
    assert address.take({}) == Turn("banned", 60.0, "longer")


def test_notes_of_those_who_wait_are_few_and_go_with_their_turn() -> None:
    slow = Budget(capacity=3000, window_s=300.0, burst=1)
    address = Address({"slow": slow})
    for number in range(2 * MOST_NOTES):
        address.take({"slow": 1}, note=f"n{number}")
    notes = address.redis.sorted["waits:here"]
    assert len(notes) == MOST_NOTES
    address.passes(HORIZON_S + 5)
    address.take({"slow": 1})
    address.take({"slow": 100}, note="late")
    assert list(address.redis.sorted["waits:here"]) == ["late"]


def test_two_addresses_share_nothing() -> None:
    here, there = Address(name="here"), Address(name="there")
    there.redis = here.redis
    for _ in range(6):
        assert here.take({"slow": 1}).wait_s == 0.0
    here.ban(30.0, "why")
    assert there.take({"slow": 6}) == Turn("turn", 0.0, "")


# --- alone ----------------------------------------------------------------------------------


@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(0, 7), st.booleans(), st.floats(0, 3)), max_size=150),
)
def test_processes_without_redis_take_no_more_than_there_is_together(
    sharers: int, steps: list[tuple[int, bool, float]]
) -> None:
    budgets = {"one": Budget(capacity=300, window_s=30.0, burst=60)}
    address = Address(budgets)
    processes, now_s = [Alone() for _ in range(sharers)], 1000.0
    for number, urgent, pause_s in steps:
        now_s += pause_s
        turn = processes[number % sharers].take(
            "x", budgets, {"one": 5}, urgent=urgent, sharers=sharers, now_s=now_s
        )
        if turn.kind == "turn":
            address.granted.append((now_s + turn.wait_s, {"one": 5}))
    assert holds(address, spare=0)


def test_alone_a_process_begins_as_if_all_had_just_been_spent() -> None:
    budget = Budget(capacity=300, window_s=30.0, burst=60)
    alone = Alone()

    def wait_s(now_s: float, units: int) -> float:
        return alone.take(
            "x", {"one": budget}, {"one": units}, urgent=True, sharers=4, now_s=now_s
        ).wait_s

    assert wait_s(0.0, 1) == pytest.approx(4 / budget.per_s)
    assert wait_s(60.0, 15) == 0.0
    assert wait_s(60.0, 1) > 0


def test_alone_what_was_reserved_counts_when_it_is_taken_too() -> None:
    address, alone, now_s = Address(), Alone(), 1000.0

    def take(cost: Cost) -> float:
        turn = alone.take("x", BUDGETS, cost, urgent=True, sharers=1, now_s=now_s)
        assert turn.kind == "turn"
        address.granted.append((now_s + turn.wait_s, cost))
        return turn.wait_s

    wait_s = take({"slow": 2, "quick": 4})
    assert wait_s > 5
    now_s += wait_s
    for _ in range(30):
        take({"quick": 1})
    assert holds(address)


@pytest.mark.parametrize("sharers", [1, 8, 64])
def test_alone_every_cost_is_granted_at_last(sharers: int) -> None:
    for exchange in EXCHANGES.values():
        for name, budget in exchange.budgets.items():
            alone, now_s = Alone(), 0.0
            for _ in range(20):
                cost = {name: budget.burst}
                turn = alone.take(
                    exchange.name, exchange.budgets, cost,
                    urgent=True, sharers=sharers, now_s=now_s,
                )  # fmt: skip
                if turn.kind == "turn":
                    break
                now_s += turn.wait_s - HORIZON_S
            assert turn.kind == "turn"
