"""Checkpoints under any interleaving of shards that take, move, let go, expire, wake and lose data.

Against a real Redis, as ``test_leases_any_order``: the passing of a TTL is one step that ends one
lease. Streams are wanted by either of two shards, of which each of three workers may hold the lease;
a worker that is paused has no steps for a while and then goes on as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from common.fleet.checkpoints import FREE, UNSURE, Checkpoints, Holder, Move
from common.fleet.keys import Keys
from common.fleet.leases import Lease, Leases
from common.model.checkpoints import Checkpoint
from common.model.streams import Stream
from scripts.engines import RedisServer
from tests.fleet.any_order import OnRedis, check
from tests.recovery.bars import at, bar

WORKERS = ("a", "b", "c")
SHARDS = ("s:0", "s:1")
STREAMS = tuple(Stream("binance", "spot", "candle", symbol, "1m") for symbol in ("X", "Y"))
KEYS = Keys("any:")

workers = st.sampled_from(WORKERS)
shards = st.sampled_from(SHARDS)
streams = st.sampled_from(STREAMS)
picks = st.integers(0, 11)

_Key = TypeVar("_Key")


def one_of(these: Mapping[_Key, object], pick: int) -> _Key:
    return list(these)[pick % len(these)]


class AnyOrder(OnRedis):
    """What each worker believes to hold, beside what Redis says.

    ``right`` is the last taking of each stream that was not let go of: whoever has it may write.
    """

    def __init__(self) -> None:
        super().__init__()
        self.leases = {name: Leases(self.redis, KEYS, name, ttl_s=600) for name in WORKERS}
        self.checkpoints = Checkpoints(self.redis, KEYS)
        self.held: dict[tuple[str, str], Lease] = {}
        # How far the stream has come, as the worker that carries it under this lease knows.
        self.carried: dict[tuple[str, str, Stream], tuple[Lease, int]] = {}
        self.right: dict[Stream, Holder | None] = dict.fromkeys(STREAMS)
        self.accepted: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        self.epochs: dict[Stream, int] = dict.fromkeys(STREAMS, 0)

    def kept(self, stream: Stream) -> tuple[int, str] | None:
        field = f"{stream.symbol}:{stream.interval}"
        value = self.runner.run(self.redis.hget(KEYS.checkpoints("binance", "spot"), field))
        if value is None:
            return None
        epoch, shard, _ = value.decode().split(" ", 2)
        return int(epoch), shard

    def lease_in_redis(self, shard: str) -> int | None:
        value = self.runner.run(self.redis.get(KEYS.lease(shard)))
        return None if value is None else int(value.decode().split(" ")[0])

    # --- leases -------------------------------------------------------------------------------

    @rule(worker=workers, shard=shards)
    def claim(self, worker: str, shard: str) -> None:
        lease = self.runner.run(self.leases[worker].claim(shard))
        if lease is not None:
            self.held[worker, shard] = lease

    @precondition(lambda self: self.held)
    @rule(pick=picks)
    def renew(self, pick: int) -> None:
        """A lease that was retaken goes on with what it carries, under the new epoch."""
        worker, shard = one_of(self.held, pick)
        lease = self.held.pop((worker, shard))
        renewal = self.runner.run(self.leases[worker].renew([lease]))
        for new in (*renewal.kept, *renewal.retaken):
            self.held[worker, shard] = new
        for stream in STREAMS:
            carried = self.carried.pop((worker, shard, stream), None)
            if carried is not None and not renewal.lost:
                self.carried[worker, shard, stream] = (self.held[worker, shard], carried[1])

    @rule(shard=shards)
    def expire(self, shard: str) -> None:
        self.runner.run(self.redis.pexpireat(KEYS.lease(shard), 1))

    @rule(worker=workers, shard=shards)
    def take_over(self, worker: str, shard: str) -> None:
        """Whoever had it is paused, and knows nothing of it."""
        self.expire(shard)
        self.claim(worker, shard)

    # --- streams ------------------------------------------------------------------------------

    @precondition(lambda self: self.held)
    @rule(pick=picks, stream=streams)
    def take(self, pick: int, stream: Stream) -> None:
        worker, shard = one_of(self.held, pick)
        lease = self.held[worker, shard]
        before = self.kept(stream)
        certain = self.lease_in_redis(shard) == lease.epoch
        taken = self.runner.run(self.checkpoints.take(Holder(shard, lease.epoch), [stream]))
        if stream not in taken.checkpoints:
            assert not certain or taken.outdated or self._is_busy(before, shard)
            assert self.kept(stream) == before, "what was not taken is untouched"
            return
        assert certain, "nothing is taken without the lease"
        assert not self._is_busy(before, shard)
        checkpoint = taken.checkpoints[stream]
        minute = 0 if checkpoint is None else (checkpoint.next_ms - at(0)) // 60_000
        assert minute == self.accepted[stream], "it goes on where the last accepted write stood"
        assert (stream in taken.doubtful) == (before is not None and before[1] != FREE)
        self.right[stream] = Holder(shard, lease.epoch)
        self.carried[worker, shard, stream] = (lease, minute)

    def _is_busy(self, kept: tuple[int, str] | None, shard: str) -> bool:
        if kept is None or kept[1] in (FREE, UNSURE, shard):
            return False
        return self.lease_in_redis(kept[1]) == kept[0]

    @precondition(lambda self: self.carried)
    @rule(pick=picks, bars=st.integers(0, 3), leaves=st.booleans(), whole=st.booleans())
    def write(self, pick: int, bars: int, leaves: bool, whole: bool) -> None:
        worker, shard, stream = one_of(self.carried, pick)
        lease, minute = self.carried[worker, shard, stream]
        minute += bars
        checkpoint = Checkpoint(at(minute), bar(minute - 1))
        holder, right, before = Holder(shard, lease.epoch), self.right[stream], self.kept(stream)
        written = self.runner.run(
            self.checkpoints.write([Move(stream, holder, checkpoint, leaves, whole)])
        )
        # A retaken lease writes on by the right of the taking under its old epoch.
        may = right is not None and right.shard == shard and right.epoch <= lease.epoch
        assert (stream not in written.refused) == (may or before is None)
        if stream in written.refused or leaves:
            del self.carried[worker, shard, stream]
        if stream not in written.refused:
            self.accepted[stream] = minute
            self.right[stream] = None if leaves else holder
            self.carried |= {} if leaves else {(worker, shard, stream): (lease, minute)}

    # --- trouble ------------------------------------------------------------------------------

    @rule(worker=workers)
    def die(self, worker: str) -> None:
        """A new life under the same name: it knows nothing."""
        self.leases[worker] = Leases(self.redis, KEYS, worker, ttl_s=600)
        self.held = {key: lease for key, lease in self.held.items() if key[0] != worker}
        self.carried = {key: item for key, item in self.carried.items() if key[0] != worker}

    @rule()
    def lose_data(self) -> None:
        self.lose_everything()
        self.right = dict.fromkeys(STREAMS)
        self.accepted = dict.fromkeys(STREAMS, 0)
        self.epochs = dict.fromkeys(STREAMS, 0)

    @invariant()
    def of_a_streams_holders_one_at_most_can_write(self) -> None:
        for stream in STREAMS:
            right = self.right[stream]
            able = {
                (worker, shard)
                for (worker, shard, carried), (lease, _) in self.carried.items()
                if carried == stream
                and right is not None
                and (shard, lease.epoch) == (right.shard, right.epoch)
            }
            assert len(able) <= 1

    @invariant()
    def what_redis_keeps_is_the_right_that_counts_and_epochs_only_rise(self) -> None:
        for stream in STREAMS:
            kept, right = self.kept(stream), self.right[stream]
            if kept is None:
                assert right is None
                continue
            epoch, shard = kept
            assert shard == right.shard if right is not None else shard in (FREE, UNSURE)
            assert right is None or epoch == right.epoch
            assert epoch >= self.epochs[stream]
            self.epochs[stream] = epoch


@pytest.mark.engines
def test_one_holder_writes_and_the_next_goes_on_where_he_stood(redis_server: RedisServer) -> None:
    check(AnyOrder, redis_server, steps=40)
