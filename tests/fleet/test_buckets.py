"""Counts of buckets: agreed upon, and only ever raised."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from common.exchanges.place import Place
from common.fleet.buckets import Buckets
from common.fleet.keys import Keys

SPOT = Place("binance", "spot", "candle")
LINEAR = Place("binance", "linear", "candle")


async def test_a_count_is_raised_and_never_lowered(redis: Redis, keys: Keys) -> None:
    buckets = Buckets(redis, keys)
    assert [await buckets.agree(SPOT, n) for n in (2, 5, 3, 6)] == [2, 5, 5, 6]
    assert await buckets.agreed() == {"binance:spot:candle": 6}


async def test_places_are_counted_apart_in_one_call(redis: Redis, keys: Keys) -> None:
    buckets = Buckets(redis, keys)
    await buckets.agree(LINEAR, 9)
    assert await buckets.agree_all({SPOT: 2, LINEAR: 4}) == {SPOT: 2, LINEAR: 9}
    assert await buckets.agree_all({}) == {}


async def test_all_workers_read_the_same_whoever_asks_last(redis: Redis, keys: Keys) -> None:
    asked = [Buckets(redis, keys).agree(SPOT, n) for n in (3, 9, 1, 7, 9, 2)]
    await asyncio.gather(*asked)
    assert await Buckets(redis, keys).agreed() == {"binance:spot:candle": 9}


async def test_nothing_agreed_is_nothing(redis: Redis, keys: Keys) -> None:
    assert await Buckets(redis, keys).agreed() == {}
