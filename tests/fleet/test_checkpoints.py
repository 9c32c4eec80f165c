"""Where streams stand: taken by right of a lease, moved by its holder alone, let go of."""

from __future__ import annotations

import msgspec
import pytest
from redis.asyncio import Redis

from common.clocks import wall_ms
from common.fleet.checkpoints import BATCH, Checkpoints, Holder, Move, Taken, Written
from common.fleet.client import RedisAway, connect
from common.fleet.keys import Keys
from common.fleet.leases import Leases
from common.model.checkpoints import Checkpoint
from common.model.streams import Stream
from tests.fleet.support import eventually
from tests.recovery.bars import at, bar

pytestmark = pytest.mark.engines

BTC = Stream("binance", "spot", "candle", "BTCUSDT", "1m")
ETH = Stream("binance", "spot", "candle", "ETHUSDT", "1m")
HERE, THERE = "binance:spot:candle:0", "binance:spot:candle:1"


class Worker:
    """A life of a worker: its leases, and its way to the checkpoints."""

    def __init__(self, redis: Redis, keys: Keys, name: str) -> None:
        self.redis, self.keys = redis, keys
        self.leases = Leases(redis, keys, name, ttl_s=30)
        self.checkpoints = Checkpoints(redis, keys)

    async def claim(self, shard: str = HERE) -> Holder:
        """Under the highest epoch so far: two shards claimed in one millisecond may share one."""
        epochs = await self.redis.hvals(self.keys.epochs)
        if epochs:
            await self.redis.hset(self.keys.epochs, shard, max(map(int, epochs)))
        lease = await self.leases.claim(shard)
        assert lease is not None
        return Holder(shard, lease.epoch)

    async def take(self, holder: Holder, *streams: Stream) -> Taken:
        return await self.checkpoints.take(holder, streams or (BTC,))

    async def write(self, holder: Holder, minute: int, *, leaves: bool = False) -> Written:
        move = Move(BTC, holder, Checkpoint(at(minute), bar(minute - 1)), leaves)
        return await self.checkpoints.write([move])

    async def stands_at(self) -> tuple[int, str, int | None]:
        """Epoch, shard and next minute of BTC, as Redis has them."""
        kept = await self.redis.hget(self.keys.checkpoints("binance", "spot"), "BTCUSDT:1m")
        epoch, shard, body = kept.decode().split(" ", 2)
        minute = (msgspec.json.decode(body)[0] - at(0)) // 60_000 if body else None
        return int(epoch), shard, minute


@pytest.fixture
def a(redis: Redis, keys: Keys) -> Worker:
    return Worker(redis, keys, "price-1")


@pytest.fixture
def b(redis: Redis, keys: Keys) -> Worker:
    return Worker(redis, keys, "price-2")


async def run_out(worker: Worker, shard: str = HERE) -> None:
    """The lease's TTL is over now, as far as Redis is concerned."""
    assert await worker.redis.pexpireat(worker.keys.lease(shard), 1)


# --- taking ---------------------------------------------------------------------------------


async def test_of_a_stream_that_was_never_taken_nothing_is_known(a: Worker) -> None:
    holder = await a.claim()
    taken = await a.take(holder, BTC, ETH)
    assert taken.checkpoints == {BTC: None, ETH: None}
    assert (taken.doubtful, taken.outdated) == (frozenset(), False)
    assert await a.stands_at() == (holder.epoch, HERE, None)


async def test_what_was_written_is_what_the_next_one_takes(a: Worker, b: Worker) -> None:
    old = await a.claim()
    await a.take(old)
    checkpoint = Checkpoint(at(7), bar(6, "9", volume="4"), (bar(5), bar(6, "9", volume="4")))
    assert await a.checkpoints.write([Move(BTC, old, checkpoint)]) == Written()
    await run_out(a)
    taken = await b.take(await b.claim())
    assert taken.checkpoints == {BTC: checkpoint}


async def test_only_who_has_the_lease_takes(a: Worker, b: Worker) -> None:
    old = await a.claim()
    await run_out(a)
    assert (await a.take(old)).checkpoints == {}
    new = await b.claim()
    assert (await a.take(old)).checkpoints == {}
    assert (await b.take(new)).checkpoints == {BTC: None}


async def test_taking_again_is_safe(a: Worker) -> None:
    holder = await a.claim()
    await a.take(holder)
    await a.write(holder, 7)
    taken = await a.take(holder)
    assert taken.checkpoints == {BTC: Checkpoint(at(7), bar(6))}


async def test_a_stream_that_another_shard_holds_is_busy_until_it_lets_go(
    a: Worker, b: Worker
) -> None:
    old = await a.claim(HERE)
    await a.take(old, BTC)
    new = await b.claim(THERE)
    assert (await b.take(new, BTC, ETH)).checkpoints == {ETH: None}
    await a.write(old, 7, leaves=True)
    taken = await b.take(new, BTC)
    assert taken == Taken({BTC: Checkpoint(at(7), bar(6))}, age_s=taken.age_s)
    assert (await a.write(old, 8)).refused == (BTC,)


async def test_the_streams_of_a_dead_shard_are_free_when_its_lease_has_run_out(
    a: Worker, b: Worker
) -> None:
    old = await a.claim(HERE)
    await a.take(old)
    await a.write(old, 7)
    new = await b.claim(THERE)
    assert (await b.take(new)).checkpoints == {}
    await run_out(a, HERE)
    taken = await b.take(new)
    assert taken.checkpoints == {BTC: Checkpoint(at(7), bar(6))}
    assert taken.doubtful == {BTC}, "nobody has let go of it"


async def test_a_lease_that_has_changed_hands_holds_nothing_of_its_old_owner(
    a: Worker, b: Worker
) -> None:
    """The new owner of the old shard has not taken the stream: it is another shard's now."""
    old = await a.claim(HERE)
    await a.take(old)
    new = await b.claim(THERE)
    await run_out(a, HERE)
    await a.claim(HERE)
    assert list((await b.take(new)).checkpoints) == [BTC]


async def test_what_was_let_go_of_is_not_doubtful_and_what_was_not_is(a: Worker, b: Worker) -> None:
    old = await a.claim()
    assert (await a.take(old)).doubtful == frozenset()
    await a.write(old, 7, leaves=True)
    await run_out(a)
    new = await b.claim()
    assert (await b.take(new)).doubtful == frozenset()
    await run_out(b)
    assert (await a.take(await a.claim())).doubtful == {BTC}


@pytest.mark.parametrize(("whole", "doubtful"), [(True, frozenset()), (False, frozenset({BTC}))])
async def test_whoever_takes_a_stream_is_told_if_it_was_not_let_go_of_whole(
    a: Worker, b: Worker, *, whole: bool, doubtful: frozenset[Stream]
) -> None:
    first = await a.claim(HERE)
    await a.take(first)
    await a.checkpoints.write([Move(BTC, first, Checkpoint(at(5)), leaves=True, whole=whole)])
    taken = await b.take(await b.claim(THERE))
    assert taken.checkpoints == {BTC: Checkpoint(at(5))}
    assert taken.doubtful == doubtful


async def test_a_streams_epoch_only_rises_and_who_has_a_lower_one_is_told(
    a: Worker, b: Worker
) -> None:
    low = await a.claim(THERE)
    await a.redis.hset(a.keys.epochs, HERE, low.epoch + 1_000)
    high = await b.claim(HERE)
    await b.take(high)
    await b.write(high, 7, leaves=True)
    taken = await a.take(low)
    assert (taken.checkpoints, taken.outdated) == ({}, True)
    again = await a.claim(THERE)
    assert (await a.take(again)).checkpoints == {BTC: Checkpoint(at(7), bar(6))}
    assert (await a.stands_at())[0] == again.epoch > high.epoch


async def test_two_shards_of_one_epoch_do_not_share_it(a: Worker) -> None:
    here = await a.claim(HERE)
    await a.take(here)
    await a.write(here, 7, leaves=True)
    await a.redis.set(a.keys.lease(THERE), f"{here.epoch} price-1/x", px=30_000)
    there = Holder(THERE, here.epoch)
    assert (await a.take(there)).outdated


# --- writing --------------------------------------------------------------------------------


async def test_who_has_not_taken_a_stream_cannot_move_it(a: Worker, b: Worker) -> None:
    holder = await a.claim(HERE)
    await a.take(holder)
    other = await b.claim(THERE)
    assert await b.write(other, 9) == Written(refused=(BTC,))
    assert await a.stands_at() == (holder.epoch, HERE, None)


async def test_after_another_took_it_the_old_owner_is_refused(a: Worker, b: Worker) -> None:
    old = await a.claim()
    await a.take(old)
    await a.write(old, 5)
    await run_out(a)
    new = await b.claim()
    await b.take(new)
    assert await a.write(old, 9) == Written(refused=(BTC,))
    assert await b.write(new, 6) == Written()
    assert await b.stands_at() == (new.epoch, HERE, 6)


async def test_until_another_has_taken_it_the_old_owner_may_still_say_how_far_it_came(
    a: Worker, b: Worker
) -> None:
    old = await a.claim()
    await a.take(old)
    await run_out(a)
    new = await b.claim()
    assert await a.write(old, 9) == Written()
    assert (await b.take(new)).checkpoints == {BTC: Checkpoint(at(9), bar(8))}


async def test_a_lease_that_was_retaken_writes_on_and_its_old_epoch_does_not(a: Worker) -> None:
    old = await a.claim()
    await a.take(old)
    await run_out(a)
    retaken = await a.claim()
    assert await a.write(retaken, 5) == Written()
    assert await a.stands_at() == (retaken.epoch, HERE, 5)
    assert (await a.write(old, 6)).refused == (BTC,)


async def test_what_was_let_go_of_cannot_be_moved(a: Worker) -> None:
    holder = await a.claim()
    await a.take(holder)
    assert await a.write(holder, 7, leaves=True) == Written()
    assert (await a.write(holder, 8)).refused == (BTC,)
    assert (await a.stands_at())[1:] == ("-", 7)


async def test_one_refusal_costs_the_others_nothing(a: Worker, b: Worker) -> None:
    old = await a.claim(HERE)
    await a.take(old, BTC, ETH)
    await run_out(a)
    await b.take(await b.claim(THERE), BTC)
    moves = [Move(stream, old, Checkpoint(at(3), bar(2))) for stream in (BTC, ETH)]
    assert await a.checkpoints.write(moves) == Written(refused=(BTC,))
    assert (await a.take(await a.claim(HERE), ETH)).checkpoints[ETH] == Checkpoint(at(3), bar(2))


# --- Redis loses, and goes ---------------------------------------------------------------------


async def test_what_redis_has_lost_is_put_back_and_said(a: Worker) -> None:
    holder = await a.claim()
    await a.take(holder)
    await a.write(holder, 5)
    await a.redis.flushall()
    assert await a.write(holder, 6) == Written(forgotten=(BTC,))
    assert await a.stands_at() == (holder.epoch, HERE, 6)
    assert await a.write(holder, 7) == Written()


async def test_the_age_tells_for_how_long_redis_has_lost_nothing(a: Worker) -> None:
    holder = await a.claim()
    assert (await a.take(holder)).age_s < 5
    since_ms = int(await a.redis.get(a.keys.checkpoints_since))
    await a.redis.set(a.keys.checkpoints_since, since_ms - 3_600_000)
    assert 3_600 <= (await a.take(holder)).age_s < 3_605
    await a.redis.flushall()
    assert (await a.take(await a.claim())).age_s < 5
    assert await a.redis.ttl(a.keys.checkpoints_since) == -1


async def test_a_clock_that_went_back_keeps_nobody_from_taking(a: Worker) -> None:
    """Redis' host was ahead when the fleet began, or another with a slower clock took its place."""
    await a.redis.set(a.keys.checkpoints_since, wall_ms() + 3_600_000)
    taken = await a.take(await a.claim())
    assert taken.checkpoints == {BTC: None}
    assert taken.age_s == 0


async def test_what_cannot_be_read_is_as_good_as_none(a: Worker, b: Worker) -> None:
    holder = await a.claim()
    await a.take(holder)
    place = a.keys.checkpoints("binance", "spot")
    for body in ('{"nextMs":5}', "[1", '["five",null,[]]'):
        await a.redis.hset(place, "BTCUSDT:1m", f"{holder.epoch} {HERE} {body}")
        assert (await a.take(holder)).checkpoints == {BTC: None}
    assert await a.write(holder, 5) == Written()


async def test_a_value_of_no_known_form_ends_nothing(a: Worker) -> None:
    holder = await a.claim()
    await a.redis.hset(a.keys.checkpoints("binance", "spot"), "BTCUSDT:1m", "something else")
    assert (await a.take(holder, BTC, ETH)).checkpoints == {BTC: None, ETH: None}
    assert await a.write(holder, 5) == Written()


async def test_without_redis_nothing_is_known(keys: Keys) -> None:
    redis = connect("redis://127.0.0.1:1/0")
    checkpoints = Checkpoints(redis, keys)
    with pytest.raises(RedisAway):
        await checkpoints.take(Holder(HERE, 1), [BTC])
    with pytest.raises(RedisAway):
        await checkpoints.write([Move(BTC, Holder(HERE, 1), Checkpoint(at(0)))])
    await redis.aclose()


# --- where a stream begins -----------------------------------------------------------------------


async def test_where_a_stream_shall_begin_is_laid_where_nothing_is_known(
    a: Worker, b: Worker
) -> None:
    assert await a.checkpoints.lay({BTC: Checkpoint(at(1)), ETH: Checkpoint(at(2))}) == 2
    assert await a.checkpoints.lay({BTC: Checkpoint(at(9))}) == 0
    taken = await a.take(await a.claim(), BTC, ETH)
    assert taken.checkpoints == {BTC: Checkpoint(at(1)), ETH: Checkpoint(at(2))}
    assert not taken.doubtful
    assert await b.checkpoints.lay({BTC: Checkpoint(at(9))}) == 0


# --- how much it costs ----------------------------------------------------------------------------


async def test_many_streams_are_few_calls_and_markets_are_kept_apart(a: Worker) -> None:
    spot = [Stream("binance", "spot", "candle", f"S{n}", "1m") for n in range(BATCH + 1)]
    linear = [Stream("binance", "linear", "candle", "S0", interval) for interval in ("1m", "5m")]
    holder = await a.claim()
    await a.take(holder, *spot, *linear)
    await a.redis.config_resetstat()
    moves = [Move(s, holder, Checkpoint(at(3), bar(2))) for s in (*spot, *linear)]
    moves[-1] = msgspec.structs.replace(moves[-1], checkpoint=Checkpoint(at(5), bar(4)))
    assert await a.checkpoints.write(moves) == Written()
    calls = {name: stat["calls"] for name, stat in (await a.redis.info("commandstats")).items()}
    # (the first run of a script is an EVALSHA that finds nothing, a load, and another)
    assert calls["cmdstat_evalsha"] <= 4
    taken = await a.take(holder, *spot, *linear)
    assert len(taken.checkpoints) == BATCH + 3
    assert taken.checkpoints[linear[1]] == Checkpoint(at(5), bar(4))
    assert taken.checkpoints[linear[0]] == taken.checkpoints[spot[0]] == Checkpoint(at(3), bar(2))


async def test_a_lease_that_runs_out_by_redis_own_clock_frees_its_streams(
    redis: Redis, keys: Keys, b: Worker
) -> None:
    dead = Worker(redis, keys, "price-1")
    dead.leases = Leases(redis, keys, "price-1", ttl_s=0.3)
    await dead.take(await dead.claim(HERE))
    alive = await b.claim(THERE)
    assert (await b.take(alive)).checkpoints == {}

    async def taken() -> bool:
        return BTC in (await b.take(alive)).checkpoints

    assert await eventually(taken)
