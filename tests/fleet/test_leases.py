"""Owning a shard: one owner at a time by Redis' own clock, and a higher epoch for each."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from common.clocks import machine_s
from common.fleet.keys import Keys
from common.fleet.leases import Holder, Lease, Leases, Lost, Renewal
from tests.fleet.support import eventually

SHARD = "binance:spot:candle:0"


@pytest.fixture
def a(redis: Redis, keys: Keys) -> Leases:
    return Leases(redis, keys, "price-1", ttl_s=30)


@pytest.fixture
def b(redis: Redis, keys: Keys) -> Leases:
    return Leases(redis, keys, "price-2", ttl_s=30)


async def claimed(leases: Leases, shard: str = SHARD) -> Lease:
    lease = await leases.claim(shard)
    assert lease is not None
    return lease


async def run_out(redis: Redis, keys: Keys, shard: str = SHARD) -> None:
    """The TTL is over now, as far as Redis is concerned."""
    assert await redis.pexpireat(keys.lease(shard), 1)


async def redis_us(redis: Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds) * 1_000_000 + int(micros)


async def test_what_was_claimed_without_hearing_of_it_is_given_back_and_nothing_else(
    a: Leases, b: Leases
) -> None:
    await a.claim_all(["s:0", "s:1"])  # the answer is lost: a stop came meanwhile
    await b.claim("s:2")
    assert await a.release_mine(["s:0", "s:1", "s:2", "s:3"]) == 2
    assert set(await a.holders(["s:0", "s:1", "s:2", "s:3"])) == {"s:2"}
    assert await a.release_mine(["s:0", "s:2"]) == 0


async def test_a_free_shard_is_claimed_and_a_taken_one_is_not(a: Leases, b: Leases) -> None:
    await claimed(a)
    assert await b.claim(SHARD) is None


async def test_what_redis_shows_of_it(a: Leases, redis: Redis, keys: Keys) -> None:
    lease = await claimed(a)
    epoch, owner = (await redis.get(keys.lease(SHARD))).decode().split(" ")
    assert int(epoch) == lease.epoch
    assert owner.startswith("price-1/")
    assert 29_000 < await redis.pttl(keys.lease(SHARD)) <= 30_000
    assert await redis.hget(keys.epochs, SHARD) == str(lease.epoch).encode()
    assert await redis.ttl(keys.epochs) == -1


async def test_an_epoch_is_never_below_the_clock_of_redis(a: Leases, redis: Redis) -> None:
    before_us = await redis_us(redis)
    assert (await claimed(a)).epoch >= before_us


async def test_every_owner_gets_a_higher_epoch(a: Leases, b: Leases) -> None:
    epochs = []
    for owner in (a, b, a, a, b):
        lease = await claimed(owner)
        epochs.append(lease.epoch)
        await owner.release([lease])
    assert epochs == sorted(set(epochs))


async def test_epochs_go_on_rising_when_redis_lost_its_clock_or_its_data(
    a: Leases, b: Leases, redis: Redis, keys: Keys
) -> None:
    future_us = await redis_us(redis) + 10_000_000_000
    await redis.hset(keys.epochs, SHARD, future_us)
    lease = await claimed(a)
    assert lease.epoch == future_us + 1, "the clock went back"
    await redis.flushall()
    renewal = await a.renew([lease])
    assert renewal.retaken[0].epoch == future_us + 2, "the data is gone, our own epoch is known"


async def test_whoever_claims_right_after_a_loss_has_another_epoch(
    a: Leases, b: Leases, redis: Redis
) -> None:
    for _ in range(20):  # many of these losses are within one millisecond of the claim before
        before = await claimed(a)
        await redis.flushall()
        after = await claimed(b)
        assert after.epoch > before.epoch
        await redis.flushall()


async def test_a_renewal_prolongs_and_keeps_the_epoch(a: Leases, redis: Redis, keys: Keys) -> None:
    lease = await claimed(a)
    await redis.pexpire(keys.lease(SHARD), 1000)
    renewal = await a.renew([lease])
    assert [kept.epoch for kept in renewal.kept] == [lease.epoch]
    assert (renewal.retaken, renewal.lost) == ((), ())
    assert await redis.pttl(keys.lease(SHARD)) > 29_000


async def test_a_lease_that_ran_out_and_nobody_took_is_had_again_under_a_new_epoch(
    a: Leases, redis: Redis, keys: Keys
) -> None:
    lease = await claimed(a)
    await run_out(redis, keys)
    renewal = await a.renew([lease])
    assert (renewal.kept, renewal.lost) == ((), ())
    assert renewal.retaken[0].epoch > lease.epoch
    assert (await a.renew(renewal.retaken)).kept, "and it is a lease like any other"


async def test_a_lease_that_another_took_is_lost_and_the_holder_is_named(
    a: Leases, b: Leases, redis: Redis, keys: Keys
) -> None:
    lease = await claimed(a)
    await run_out(redis, keys)
    taken = await claimed(b)
    assert await a.renew([lease]) == Renewal(lost=(Lost(lease, "price-2"),))
    assert (await b.renew([taken])).kept, "who lost it does not disturb who has it"


async def test_a_lease_that_changed_hands_in_between_is_lost_even_if_free_now(
    a: Leases, b: Leases, redis: Redis, keys: Keys
) -> None:
    lease = await claimed(a)
    await run_out(redis, keys)
    await b.release([await claimed(b)])
    assert await a.renew([lease]) == Renewal(lost=(Lost(lease, None),))


async def test_after_lost_data_the_higher_epoch_wins(
    a: Leases, b: Leases, redis: Redis, keys: Keys
) -> None:
    # price-1 was cut off, price-2 took over; then Redis comes back with an old snapshot
    old = await claimed(a)
    snapshot = await redis.get(keys.lease(SHARD))
    await run_out(redis, keys)
    new = await claimed(b)
    await redis.set(keys.lease(SHARD), snapshot, px=30_000)
    await redis.hset(keys.epochs, SHARD, old.epoch)
    renewal = await b.renew([new])
    assert renewal.retaken[0].epoch > new.epoch
    assert (await a.renew([old])).lost


async def test_release_gives_back_only_what_is_ours(
    a: Leases, b: Leases, redis: Redis, keys: Keys
) -> None:
    lease = await claimed(a)
    await run_out(redis, keys)
    taken = await claimed(b)
    assert await a.release([lease]) == 0
    assert await b.release([taken]) == 1
    assert await redis.exists(keys.lease(SHARD)) == 0


async def test_a_second_process_under_the_same_name_is_another_owner(
    a: Leases, redis: Redis, keys: Keys
) -> None:
    twin = Leases(redis, keys, "price-1", ttl_s=30)
    lease = await claimed(a)
    assert await twin.claim(SHARD) is None
    assert (await twin.renew([lease])).lost
    assert await twin.release([lease]) == 0
    holders = await twin.holders([SHARD])
    assert holders == {SHARD: Holder("price-1", lease.epoch, mine=False)}


async def test_a_claim_whose_answer_was_lost_can_be_made_again(a: Leases) -> None:
    unheard = await claimed(a)
    lease = await claimed(a)
    assert lease.epoch > unheard.epoch
    assert (await a.renew([unheard])).lost
    assert (await a.renew([lease])).kept


async def test_holders_of_taken_shards_are_told_and_free_ones_are_missing(
    a: Leases, b: Leases
) -> None:
    ours, theirs = await claimed(a, "s:1"), await claimed(b, "s:2")
    assert await a.holders(["s:1", "s:2", "s:3"]) == {
        "s:1": Holder("price-1", ours.epoch, mine=True),
        "s:2": Holder("price-2", theirs.epoch, mine=False),
    }


async def test_several_are_claimed_in_one_call(a: Leases, b: Leases) -> None:
    await claimed(b, "s:1")
    assert [lease.shard for lease in await a.claim_all(["s:0", "s:1", "s:2"])] == ["s:0", "s:2"]


async def test_a_thousand_leases_are_one_call_each_way(a: Leases, redis: Redis) -> None:
    leases = await a.claim_all([f"s:{index}" for index in range(1000)])
    await redis.config_resetstat()
    renewal = await a.renew(leases)
    assert len(renewal.kept) == 1000
    assert await a.release(renewal.kept) == 1000
    # the first run of a script is an EVALSHA that finds nothing, a load, and another
    calls = {name: stat["calls"] for name, stat in (await redis.info("commandstats")).items()}
    assert calls["cmdstat_evalsha"] <= 4
    assert calls["cmdstat_pexpire"] == 1000


async def test_nothing_to_do_is_no_call(a: Leases, redis: Redis) -> None:
    await redis.config_resetstat()
    assert await a.claim_all([]) == []
    assert await a.renew([]) == Renewal()
    assert await a.release([]) == 0
    assert await a.holders([]) == {}
    assert "cmdstat_evalsha" not in await redis.info("commandstats")


async def test_a_lease_is_fenced_no_longer_than_redis_keeps_it(redis: Redis, keys: Keys) -> None:
    leases = Leases(redis, keys, "price-1", ttl_s=0.5)
    lease = await claimed(leases)
    assert lease.fenced(machine_s())

    async def gone() -> bool:
        return not await redis.exists(keys.lease(SHARD))

    await eventually(gone)
    assert not lease.fenced(machine_s())


async def test_after_the_ttl_another_takes_over(redis: Redis, keys: Keys, b: Leases) -> None:
    dead = Leases(redis, keys, "price-1", ttl_s=0.3)
    lease = await claimed(dead)
    started_s = machine_s()
    taken = await eventually(lambda: b.claim(SHARD))
    assert taken is not None
    assert machine_s() - started_s > 0.25, "not before"
    assert taken.epoch > lease.epoch


def test_three_renewals_fit_into_a_ttl(a: Leases) -> None:
    assert a.renew_s * 3 == a.ttl_s


async def test_any_name_comes_back_from_redis_as_it_was(redis: Redis, keys: Keys) -> None:
    leases = Leases(redis, keys, "eu/price 1:7", ttl_s=30)
    lease = await claimed(leases)
    assert await leases.holders([SHARD]) == {SHARD: Holder("eu/price 1:7", lease.epoch, mine=True)}
    assert (await leases.renew([lease])).kept
    assert await leases.release([lease]) == 1


def test_a_worker_without_a_name_is_refused(redis: Redis, keys: Keys) -> None:
    with pytest.raises(ValueError, match="id"):
        Leases(redis, keys, "", ttl_s=30)
