"""Redis dies and comes back, with its data or without: who owned what goes on, fenced."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from common.fleet.client import RedisAway, connect
from common.fleet.keys import Keys
from common.fleet.leases import Leases
from common.fleet.members import Members
from scripts.engines import RedisServer
from tests.fleet.test_members import member

SHARDS = [f"s:{index}" for index in range(20)]
KEYS = Keys("test:")


@pytest.fixture
async def redis(own_redis: RedisServer) -> AsyncIterator[Redis]:
    client = connect(own_redis.url)
    yield client
    await client.aclose()


async def restart(server: RedisServer, *, lose_data: bool = False) -> None:
    await asyncio.to_thread(server.kill)
    if lose_data:
        await asyncio.to_thread(server.wipe)
    await asyncio.to_thread(server.start)


async def test_while_redis_is_away_nothing_is_renewed_claimed_or_lost(
    redis: Redis, own_redis: RedisServer
) -> None:
    leases = Leases(redis, KEYS, "a", ttl_s=30)
    held = await leases.claim_all(SHARDS)
    await asyncio.to_thread(own_redis.kill)
    for call in (leases.renew(held), leases.claim("s:99"), leases.release(held)):
        with pytest.raises(RedisAway):
            await call


async def test_a_restart_with_data_keeps_owners_and_epochs(
    redis: Redis, own_redis: RedisServer
) -> None:
    a, b = Leases(redis, KEYS, "a", ttl_s=30), Leases(redis, KEYS, "b", ttl_s=30)
    held = await a.claim_all(SHARDS)
    await restart(own_redis)
    renewal = await a.renew(held)
    assert [lease.epoch for lease in renewal.kept] == [lease.epoch for lease in held]
    assert await b.claim_all(SHARDS) == []


async def test_after_a_restart_without_data_the_first_to_come_owns_and_the_other_knows(
    redis: Redis, own_redis: RedisServer
) -> None:
    a, b = Leases(redis, KEYS, "a", ttl_s=30), Leases(redis, KEYS, "b", ttl_s=30)
    held = await a.claim_all(SHARDS)
    await restart(own_redis, lose_data=True)
    taken = await b.claim_all(SHARDS[:5])
    assert len(taken) == 5
    old = {lease.shard: lease.epoch for lease in held}
    assert all(lease.epoch > old[lease.shard] for lease in taken)
    renewal = await a.renew(held)
    assert [lost.lease.shard for lost in renewal.lost] == SHARDS[:5]
    assert {lost.holder for lost in renewal.lost} == {"b"}
    assert [lease.shard for lease in renewal.retaken] == SHARDS[5:]
    assert all(lease.epoch > old[lease.shard] for lease in renewal.retaken)


async def test_members_are_back_with_their_next_word(redis: Redis, own_redis: RedisServer) -> None:
    members = Members(redis, KEYS, ttl_s=30)
    await members.write(member("a"))
    await restart(own_redis, lose_data=True)
    assert await members.all() == []
    await members.write(member("a"))
    assert [m.worker_id for m in await members.all()] == ["a"]


RACER = """
import asyncio, sys
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.leases import Leases

async def main(url, name):
    redis = connect(url)
    leases = Leases(redis, Keys("test:"), name, ttl_s=30)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for index in range(20):
        lease = await leases.claim(f"s:{index}")
        if lease is not None:
            print(lease.shard, lease.epoch, flush=True)
    await redis.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


async def racer(url: str, name: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        RACER,
        url,
        name,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def test_two_processes_racing_for_twenty_shards_make_twenty_owners(
    redis: Redis, own_redis: RedisServer
) -> None:
    processes = [await racer(own_redis.url, name) for name in ("one", "two")]
    async with asyncio.timeout(30):
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0]
    won = [output.decode().split("\n")[:-1] for output, _ in outputs]
    shards = [line.split()[0] for lines in won for line in lines]
    assert sorted(shards) == sorted(SHARDS)
    holders = await Leases(redis, KEYS, "looker", ttl_s=30).holders(SHARDS)
    told = {line for lines in won for line in lines}
    assert {f"{shard} {holder.epoch}" for shard, holder in holders.items()} == told
