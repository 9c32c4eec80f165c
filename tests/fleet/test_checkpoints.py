"""Checkpoints on a real Redis: who may have a stream, and what he is told of it."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from common.clocks import wall_ms
from common.fleet.checkpoints import Checkpoints, Holder, Move
from common.fleet.keys import Keys
from common.fleet.leases import Leases
from common.model.checkpoints import Checkpoint
from common.model.streams import Stream
from tests.recovery.bars import at

pytestmark = pytest.mark.engines

ONE = Stream("kucoin", "spot", "candle", "BTC-USDT", "1m")


async def holder(redis: Redis, keys: Keys, shard: str = "kucoin:spot:candle:0") -> Holder:
    lease = await Leases(redis, keys, shard, ttl_s=30).claim(shard)
    assert lease is not None
    return Holder(shard, lease.epoch)


@pytest.mark.parametrize(("whole", "doubtful"), [(True, frozenset()), (False, frozenset({ONE}))])
async def test_whoever_takes_a_stream_is_told_if_it_was_not_let_go_of_whole(
    redis: Redis, keys: Keys, *, whole: bool, doubtful: frozenset[Stream]
) -> None:
    checkpoints = Checkpoints(redis, keys)
    first = await holder(redis, keys)
    await checkpoints.take(first, [ONE])
    await checkpoints.write([Move(ONE, first, Checkpoint(at(5)), leaves=True, whole=whole)])
    taken = await checkpoints.take(await holder(redis, keys, "kucoin:spot:candle:1"), [ONE])
    assert taken.checkpoints == {ONE: Checkpoint(at(5))}
    assert taken.doubtful == doubtful


async def test_a_clock_that_went_back_keeps_nobody_from_taking(redis: Redis, keys: Keys) -> None:
    """Redis' host was ahead when the fleet began, or another with a slower clock took its place."""
    await redis.set(keys.checkpoints_since, wall_ms() + 3_600_000)
    taken = await Checkpoints(redis, keys).take(await holder(redis, keys), [ONE])
    assert taken.checkpoints == {ONE: None}
    assert taken.age_s == 0
