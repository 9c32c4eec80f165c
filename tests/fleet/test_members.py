"""Which workers there are: a record each, and none longer than its worker writes it."""

from __future__ import annotations

import pytest
from loguru import logger
from msgspec import Raw
from redis.asyncio import Redis

from common.fleet.keys import Keys
from common.fleet.members import Member, Members, State, takers
from common.model.streams import Role
from tests.fleet.support import eventually


def member(
    name: str, role: Role = "all", state: State = "running", record: bytes = b"null"
) -> Member:
    return Member(
        worker_id=name,
        role=role,
        host="host-1",
        pid=7,
        started_ms=1_700_000_000_000,
        updated_ms=1_700_000_000_500,
        state=state,
        record=Raw(record),
    )


@pytest.fixture
def members(redis: Redis, keys: Keys) -> Members:
    return Members(redis, keys, ttl_s=30)


async def names(members: Members) -> list[str]:
    return [member.worker_id for member in await members.all()]


async def test_nobody_there_is_an_empty_list(members: Members) -> None:
    assert await members.all() == []


async def test_a_record_is_read_as_it_was_written(members: Members) -> None:
    await members.write(member("price-2", "ticker"))
    await members.write(member("price-1", record=b'{"shards":[{"shard":"s:0"}]}'))
    first, second = await members.all()
    assert (first.worker_id, second.worker_id) == ("price-1", "price-2")
    assert bytes(first.record) == b'{"shards":[{"shard":"s:0"}]}'
    assert (second.role, second.host, second.pid) == ("ticker", "host-1", 7)
    assert (second.started_ms, second.updated_ms) == (1_700_000_000_000, 1_700_000_000_500)


async def test_a_later_record_replaces_the_earlier(members: Members) -> None:
    await members.write(member("price-1", state="starting"))
    await members.write(member("price-1", state="draining"))
    assert [m.state for m in await members.all()] == ["draining"]


async def test_it_lives_one_ttl_in_json_that_people_can_read(
    members: Members, redis: Redis, keys: Keys
) -> None:
    await members.write(member("price-1"))
    assert 29_000 < await redis.pttl(keys.member("price-1")) <= 30_000
    assert b'"workerId":"price-1"' in await redis.get(keys.member("price-1"))


async def test_who_no_longer_writes_is_gone_after_the_ttl_and_leaves_nothing(
    redis: Redis, keys: Keys
) -> None:
    short = Members(redis, keys, ttl_s=0.2)
    await short.write(member("price-1"))
    assert await names(short) == ["price-1"]

    async def nothing_left() -> bool:
        return await redis.dbsize() == 0

    await eventually(nothing_left)


async def test_a_write_prunes_the_lines_of_the_dead(redis: Redis, keys: Keys) -> None:
    short, long = Members(redis, keys, ttl_s=0.1), Members(redis, keys, ttl_s=30)
    await long.write(member("alive"))
    await short.write(member("dead"))

    async def dead() -> bool:
        return not await redis.exists(keys.member("dead"))

    await eventually(dead)
    await long.write(member("alive"))
    assert await redis.zrange(keys.members, 0, -1) == [b"alive"]


async def test_a_short_lived_neighbour_does_not_end_the_index(redis: Redis, keys: Keys) -> None:
    await Members(redis, keys, ttl_s=30).write(member("long"))
    await Members(redis, keys, ttl_s=1).write(member("short"))
    assert await redis.pttl(keys.members) > 29_000


async def test_who_says_goodbye_is_gone_at_once(members: Members) -> None:
    await members.write(member("price-1"))
    await members.write(member("price-2"))
    await members.remove("price-1")
    await members.remove("never-was")
    assert await names(members) == ["price-2"]


async def test_an_unreadable_record_is_told_once_and_hides_no_other(
    members: Members, redis: Redis, keys: Keys
) -> None:
    await members.write(member("price-1"))
    await members.write(member("price-2"))
    await redis.set(keys.member("price-1"), b'{"workerId":7}', px=30_000)
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["extra"]["worker"]), level="ERROR")
    try:
        assert await names(members) == ["price-2"]
        assert await names(members) == ["price-2"]
        assert lines == ["price-1"]
    finally:
        logger.remove(sink)


def test_who_drains_takes_no_shards() -> None:
    present = [member("a"), member("b", "candle", "starting"), member("c", state="draining")]
    assert takers(present) == {"a": "all", "b": "candle"}
