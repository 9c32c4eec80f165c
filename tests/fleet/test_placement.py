"""Fair shares: whatever happens on the way, it ends, balanced, with nothing left over."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.fleet.placement import (
    share_of,
    to_claim,
    to_give_back,
    uncovered,
)
from common.model.streams import CHANNELS, ROLES, SERVED, Channel, Role, Shard


def shard(index: int, channel: Channel = "candle") -> Shard:
    return Shard("binance", "spot", channel, index)


def equal(count: int, channel: Channel = "candle", weight: int = 1) -> dict[Shard, int]:
    return {shard(index, channel): weight for index in range(count)}


class Fleet:
    """Workers that know only what Redis tells them, taking turns in any order."""

    def __init__(self, weights: Mapping[Shard, int]) -> None:
        self.weights = dict(weights)
        self.members: dict[str, Role] = {}
        self.owners: dict[Shard, str] = {}
        self.moves = 0

    def join(self, worker: str, role: Role = "all") -> None:
        self.members[worker] = role

    def leave(self, worker: str) -> None:
        del self.members[worker]
        self.owners = {s: owner for s, owner in self.owners.items() if owner != worker}

    def mine(self, worker: str) -> list[Shard]:
        return [s for s, owner in self.owners.items() if owner == worker]

    def others(self, worker: str) -> dict[Shard, str]:
        return {s: owner for s, owner in self.owners.items() if owner != worker}

    def load(self, worker: str) -> int:
        return sum(self.weights.get(s, 0) for s in self.mine(worker))

    @property
    def free(self) -> list[Shard]:
        return [s for s in self.weights if s not in self.owners]

    def turn(self, worker: str) -> bool:
        """One tick of a worker; whether it changed anything."""
        mine, others = self.mine(worker), self.others(worker)
        given_back = to_give_back(worker, mine, others, self.weights, self.members)
        for s in given_back:
            assert self.owners.pop(s) == worker
        claimed = to_claim(worker, self.mine(worker), others, self.weights, self.members)
        for s in claimed:
            assert s not in self.owners
            self.owners[s] = worker
        self.moves += len(claimed)
        assert not set(given_back) & set(claimed), "what is given back is not taken at once"
        return bool(given_back or claimed)

    def settle(self, rng: random.Random) -> None:
        """Turns in random order until nobody moves. It has to end."""
        for _ in range(50 + 4 * len(self.weights) * (1 + len(self.members))):
            order = list(self.members)
            rng.shuffle(order)
            moved = [self.turn(worker) for worker in order]
            if not any(moved):
                return
        raise AssertionError("it does not end")

    def check_settled(self) -> None:
        for s in self.free:
            assert s.channel in uncovered(self.weights, self.members), f"{s} is left over"
        for s, owner in self.owners.items():
            assert s.channel in SERVED[self.members[owner]]
        for worker in self.members:
            share, mine = share_of(worker, self.weights, self.members), self.mine(worker)
            assert share.shards.issuperset(mine)
            # who is above the fair share has no shard that the lightest could carry instead
            peers = [w for w, role in self.members.items() if role == self.members[worker]]
            if self.load(worker) * share.workers > share.weight:
                lightest = min(self.weights[s] for s in mine)
                assert self.load(worker) - lightest <= min(map(self.load, peers))


roles = st.sampled_from(ROLES)
weights_of_fleet = st.dictionaries(
    st.builds(shard, st.integers(0, 30), st.sampled_from(CHANNELS)),
    st.integers(1, 300),
    max_size=24,
)


@settings(max_examples=150, deadline=None)
@given(
    weights=weights_of_fleet,
    first=st.dictionaries(st.sampled_from("abcdefgh"), roles, min_size=1, max_size=6),
    events=st.lists(
        st.one_of(
            st.tuples(st.just("turn"), st.integers(0, 99)),
            st.tuples(st.just("join"), st.sampled_from("abcdefgh"), roles),
            st.tuples(st.just("leave"), st.integers(0, 99)),
            st.tuples(st.just("weigh"), st.integers(0, 99), st.integers(1, 300)),
            st.tuples(st.just("unwant"), st.integers(0, 99)),
        ),
        max_size=40,
    ),
    seed=st.integers(0, 2**32),
)
def test_any_interleaving_of_joins_leaves_and_turns_ends_balanced(
    weights: dict[Shard, int],
    first: dict[str, Role],
    events: list[tuple],
    seed: int,
) -> None:
    fleet = Fleet(weights)
    for worker, role in first.items():
        fleet.join(worker, role)
    for event in events:
        if event[0] == "join" and event[1] not in fleet.members:
            fleet.join(event[1], event[2])
        elif event[0] == "turn" and fleet.members:
            fleet.turn(sorted(fleet.members)[event[1] % len(fleet.members)])
        elif event[0] == "leave" and len(fleet.members) > 1:
            fleet.leave(sorted(fleet.members)[event[1] % len(fleet.members)])
        elif event[0] == "weigh" and fleet.weights:
            fleet.weights[sorted(fleet.weights)[event[1] % len(fleet.weights)]] = event[2]
        elif event[0] == "unwant" and fleet.weights:
            del fleet.weights[sorted(fleet.weights)[event[1] % len(fleet.weights)]]
    fleet.settle(random.Random(seed))
    fleet.check_settled()


@settings(max_examples=100, deadline=None)
@given(shards=st.integers(0, 60), workers=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_equal_shards_end_within_one_of_each_other_after_a_common_start(
    shards: int, workers: int, seed: int
) -> None:
    fleet = Fleet(equal(shards))
    for index in range(workers):
        fleet.join(f"w{index}")
    fleet.settle(random.Random(seed))
    loads = [fleet.load(worker) for worker in fleet.members]
    assert sum(loads) == shards
    assert max(loads) - min(loads) <= 1


@settings(max_examples=100, deadline=None)
@given(shards=st.integers(1, 60), workers=st.integers(1, 7), seed=st.integers(0, 2**32))
def test_a_newcomer_moves_no_more_than_its_share(shards: int, workers: int, seed: int) -> None:
    rng = random.Random(seed)
    fleet = Fleet(equal(shards))
    for index in range(workers):
        fleet.join(f"w{index}")
    fleet.settle(rng)
    fleet.moves = 0
    fleet.join("newcomer")
    fleet.settle(rng)
    fleet.check_settled()
    assert fleet.moves <= -(-shards // (workers + 1))
    assert fleet.moves == fleet.load("newcomer")


@settings(max_examples=100, deadline=None)
@given(shards=st.integers(1, 60), workers=st.integers(2, 8), seed=st.integers(0, 2**32))
def test_when_a_worker_dies_only_its_shards_move(shards: int, workers: int, seed: int) -> None:
    rng = random.Random(seed)
    fleet = Fleet(equal(shards))
    for index in range(workers):
        fleet.join(f"w{index}")
    fleet.settle(rng)
    orphans = fleet.load("w0")
    fleet.moves = 0
    fleet.leave("w0")
    fleet.settle(rng)
    fleet.check_settled()
    assert fleet.moves == orphans


@pytest.mark.parametrize("other", ["all", "candle"])
def test_a_lone_worker_takes_all_it_serves_and_a_second_gets_half(other: Role) -> None:
    fleet = Fleet(equal(6))
    fleet.join("a")
    fleet.settle(random.Random(1))
    assert fleet.load("a") == 6
    fleet.join("b", other)
    fleet.settle(random.Random(1))
    assert (fleet.load("a"), fleet.load("b")) == (3, 3)


def test_giving_back_never_goes_below_the_fair_share() -> None:
    # fair is 60: without the heavy shard "a" would have 20, so the light ones go
    weights = {shard(0): 100, shard(1): 10, shard(2): 10}
    given_back = to_give_back("a", list(weights), {}, weights, {"a": "all", "b": "all"})
    assert sorted(given_back) == [shard(1), shard(2)]


def test_claiming_goes_beyond_the_fair_share_only_when_nothing_fits_below_it() -> None:
    weights = {shard(0): 100, shard(1): 10, shard(2): 10}
    members: dict[str, Role] = {"a": "all", "b": "all"}
    fitting = to_claim("a", [], {}, weights, members)
    assert sorted(fitting) == [shard(1), shard(2)]
    # "b" is lighter: it is its turn
    assert to_claim("a", fitting, {}, weights, members) == []
    assert to_claim("b", [], dict.fromkeys(fitting, "a"), weights, members) == [shard(0)]
    # at or above the fair share: nothing
    assert to_claim("a", [shard(0)], {}, weights, members) == []


def test_what_is_left_is_evened_out_though_nobody_is_over_the_fair_share() -> None:
    # fair is 302: two carry three shards, two carry two, and a newcomer would go without
    fleet = Fleet(equal(10, weight=151))
    for worker in "abcd":
        fleet.join(worker)
    fleet.settle(random.Random(1))
    fleet.moves = 0
    fleet.join("newcomer")
    fleet.settle(random.Random(1))
    assert [fleet.load(worker) for worker in fleet.members] == [302] * 5
    assert fleet.moves == 2


def test_who_is_not_counted_neither_claims_nor_gives_back() -> None:
    weights = equal(4)
    assert to_claim("draining", [], {}, weights, {"a": "all"}) == []
    assert to_give_back("draining", list(weights), {}, weights, {"a": "all"}) == []


def test_what_nobody_wants_any_more_is_given_back_at_once() -> None:
    assert to_give_back("a", [shard(0), shard(7)], {}, equal(1), {"a": "all"}) == [shard(7)]


def test_a_channel_without_a_worker_stays_free_and_is_told() -> None:
    weights = equal(2) | equal(2, "ticker")
    fleet = Fleet(weights)
    fleet.join("a", "candle")
    fleet.settle(random.Random(1))
    assert sorted(fleet.free) == sorted(equal(2, "ticker"))
    assert uncovered(weights, fleet.members) == {"ticker"}
    assert uncovered(weights, {}) == {"candle", "ticker"}
    assert uncovered(weights, {"a": "all"}) == frozenset()


def test_a_specialist_leaves_the_generalist_to_what_only_it_can_do() -> None:
    # 100 candles and 100 tickers: the candle worker does all candles, the other all tickers
    fleet = Fleet(equal(10, "candle", 10) | equal(10, "ticker", 10))
    fleet.join("everything")
    fleet.settle(random.Random(1))
    fleet.join("candles", "candle")
    fleet.settle(random.Random(1))
    assert {s.channel for s in fleet.mine("candles")} == {"candle"}
    assert {s.channel for s in fleet.mine("everything")} == {"ticker"}
    assert (fleet.load("candles"), fleet.load("everything")) == (100, 100)


def test_generalists_take_over_what_specialists_have_too_much_of() -> None:
    # 300 candles, 60 tickers, one worker of each kind and one of all: 120 for each would be even,
    # but the ticker worker runs out at 60, so the other two share the candles
    fleet = Fleet(equal(30, "candle", 10) | equal(6, "ticker", 10))
    for worker, role in (("c", "candle"), ("t", "ticker"), ("all", "all")):
        fleet.join(worker, role)
    fleet.settle(random.Random(1))
    assert {worker: fleet.load(worker) for worker in fleet.members} == {
        "c": 150,
        "t": 60,
        "all": 150,
    }


def test_a_specialist_does_not_stand_idle_beside_its_channel() -> None:
    fleet = Fleet({shard(0): 100, shard(0, "ticker"): 10})
    for worker in ("a", "b", "c"):
        fleet.join(worker)
    fleet.join("candles", "candle")
    fleet.settle(random.Random(1))
    assert fleet.mine("candles") == [shard(0)]


def test_shards_of_a_worker_whose_group_changed_find_their_new_owners() -> None:
    fleet = Fleet(equal(8) | equal(8, "ticker"))
    fleet.join("a")
    fleet.settle(random.Random(1))
    fleet.join("c", "candle")
    fleet.join("t", "ticker")
    fleet.leave("a")
    fleet.settle(random.Random(1))
    fleet.check_settled()
    assert fleet.load("c") == fleet.load("t") == 8


def test_every_role_serves_one_channel_or_all() -> None:
    # the groups are built on it
    assert all(len(served) in (1, len(CHANNELS)) for served in SERVED.values())
