"""Leases under any interleaving of claims, renewals, pauses, expiries and lost data.

Against a real Redis. Its clock cannot be turned, so the passing of a TTL is one step of the
machine that ends one lease: what Redis itself would do, at the moment the machine chooses. A
worker that is paused simply has no steps for a while.
"""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from common.fleet.keys import Keys
from common.fleet.leases import Lease, Leases
from scripts.engines import RedisServer
from tests.fleet.any_order import OnRedis, check

WORKERS = ("a", "b", "c")
SHARDS = ("s:0", "s:1", "s:2")
KEYS = Keys("any:")

workers = st.sampled_from(WORKERS)
shards = st.sampled_from(SHARDS)


class AnyOrder(OnRedis):
    """What each worker believes, beside what Redis says."""

    def __init__(self) -> None:
        super().__init__()
        self.leases = {name: Leases(self.redis, KEYS, name, ttl_s=600) for name in WORKERS}
        self.held: dict[str, dict[str, Lease]] = {name: {} for name in WORKERS}
        self.last_epoch = dict.fromkeys(SHARDS, 0)

    def granted(self, worker: str, lease: Lease) -> None:
        """Every grant of a shard has a higher epoch than any before, whoever had it."""
        assert lease.epoch > self.last_epoch[lease.shard]
        self.last_epoch[lease.shard] = lease.epoch
        self.held[worker][lease.shard] = lease

    def in_redis(self, shard: str) -> tuple[str, int] | None:
        value = self.runner.run(self.redis.get(KEYS.lease(shard)))
        if value is None:
            return None
        epoch, owner = value.decode().split(" ")
        return owner.split("/")[0], int(epoch)

    @rule(worker=workers, wanted=st.lists(shards, unique=True, min_size=1))
    def claim(self, worker: str, wanted: list[str]) -> None:
        wanted = [shard for shard in wanted if shard not in self.held[worker]]
        free = {shard for shard in wanted if self.in_redis(shard) is None}
        won = self.runner.run(self.leases[worker].claim_all(wanted))
        assert {lease.shard for lease in won} == free, "all that is free and nothing that is not"
        for lease in won:
            self.granted(worker, lease)

    @rule(worker=workers)
    def renew(self, worker: str) -> None:
        held = list(self.held[worker].values())
        before = {lease.shard: self.in_redis(lease.shard) for lease in held}
        renewal = self.runner.run(self.leases[worker].renew(held))
        self.held[worker] = {}
        for lease in renewal.kept:
            assert before[lease.shard] == (worker, lease.epoch)
            self.held[worker][lease.shard] = lease
        for lease in renewal.retaken:
            assert before[lease.shard] is None, "only what nobody had"
            self.granted(worker, lease)
        for lost in renewal.lost:
            assert before[lost.lease.shard] != (worker, lost.lease.epoch)
            newer = self.last_epoch[lost.lease.shard] > lost.lease.epoch
            assert newer, "a lease is lost to a newer one only"

    @rule(worker=workers)
    def release(self, worker: str) -> None:
        held = list(self.held[worker].values())
        ours = [le for le in held if self.in_redis(le.shard) == (worker, le.epoch)]
        others = {s: self.in_redis(s) for s in SHARDS if s not in {le.shard for le in ours}}
        assert self.runner.run(self.leases[worker].release(held)) == len(ours)
        self.held[worker] = {}
        assert all(self.in_redis(lease.shard) is None for lease in ours)
        assert {shard: self.in_redis(shard) for shard in others} == others

    @rule(worker=workers)
    def die(self, worker: str) -> None:
        """A new life under the same name: it knows nothing and is nobody Redis knows."""
        self.leases[worker] = Leases(self.redis, KEYS, worker, ttl_s=600)
        self.held[worker] = {}

    @rule(shard=shards)
    def expire(self, shard: str) -> None:
        self.runner.run(self.redis.pexpireat(KEYS.lease(shard), 1))

    @rule()
    def lose_data(self) -> None:
        self.lose_everything()

    @invariant()
    def redis_knows_at_most_one_owner_and_it_is_the_newest(self) -> None:
        for shard in SHARDS:
            holder = self.in_redis(shard)
            if holder is not None:
                assert holder[1] == self.last_epoch[shard]
            believers = [
                worker
                for worker in WORKERS
                if (lease := self.held[worker].get(shard)) is not None
                and holder == (worker, lease.epoch)
            ]
            assert len(believers) <= 1


@pytest.mark.engines
def test_never_two_owners_and_epochs_only_rise(redis_server: RedisServer) -> None:
    check(AnyOrder, redis_server, steps=30)
