"""What is kept of accounts: by their newest owner alone."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from common.fleet.keys import Keys
from common.fleet.ledgers import Ledgers, Superseded


@pytest.fixture
def ledgers(redis: Redis, keys: Keys) -> Ledgers:
    return Ledgers(redis, keys)


async def test_what_is_kept_is_what_the_next_owner_finds(ledgers: Ledgers) -> None:
    assert await ledgers.take("a", 5) == {}
    assert await ledgers.write("a", 5, {"X 1": b"{}", "since": b"7", "X 2": b"[]"})
    assert await ledgers.write("a", 5, {"X 2": None, "since": b"8"})
    assert await ledgers.take("a", 6) == {"X 1": b"{}", "since": b"8"}
    assert await ledgers.take("b", 1) == {}


async def test_who_was_succeeded_can_neither_write_nor_take(ledgers: Ledgers) -> None:
    await ledgers.take("a", 5)
    await ledgers.take("a", 6)
    with pytest.raises(Superseded):
        await ledgers.write("a", 5, {"since": b"7"})
    with pytest.raises(Superseded):
        await ledgers.take("a", 5)
    assert await ledgers.take("a", 6) == {}


async def test_a_lease_that_was_retaken_writes_on_under_its_new_epoch(ledgers: Ledgers) -> None:
    await ledgers.take("a", 5)
    assert await ledgers.write("a", 9, {"since": b"7"})
    with pytest.raises(Superseded):
        await ledgers.write("a", 5, {"since": b"1"})


async def test_redis_that_has_lost_it_says_so_once(redis: Redis, ledgers: Ledgers) -> None:
    await ledgers.take("a", 5)
    await redis.flushdb()
    assert not await ledgers.write("a", 5, {"since": b"7"})
    assert await ledgers.write("a", 5, {"since": b"8"})


async def test_it_is_kept_for_a_time(redis: Redis, keys: Keys, ledgers: Ledgers) -> None:
    await ledgers.take("a", 5)
    await ledgers.write("a", 5, {"since": b"7"})
    assert 29 * 86_400 < await redis.ttl(keys.ledger("a")) <= 30 * 86_400
