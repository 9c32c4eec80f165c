"""Credentials that are refused are left alone, longer each time; new ones never wait."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from common.fleet import breaker as module
from common.fleet.breaker import Breaker, pause_s
from common.fleet.keys import Keys


@pytest.fixture
def breaker(redis: Redis, keys: Keys) -> Breaker:
    return Breaker(redis, keys)


def test_half_an_hour_doubles_up_to_a_day() -> None:
    hours = [pause_s(times) / 3600 for times in range(1, 9)]
    assert hours == [0.5, 1, 2, 4, 8, 16, 24, 24]
    assert pause_s(10_000) == 86_400


async def test_what_one_worker_learns_all_know(redis: Redis, keys: Keys, breaker: Breaker) -> None:
    assert await breaker.look("print") is None
    tripped = await breaker.trip("print", "key", "-2015 invalid")
    assert await Breaker(redis, keys).look("print") == tripped
    assert (tripped.trouble, tripped.times) == ("key", 1)
    assert 1790 < tripped.wait_s <= 1800


async def test_refused_again_it_waits_twice_as_long(
    breaker: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await breaker.trip("print", "key", "")
    monkeypatch.setattr(module, "wall_ms", lambda: first.until_ms + 1)
    assert first.wait_s == 0
    again = await breaker.trip("print", "permission", "")
    assert (again.times, round(again.wait_s)) == (2, 3600)


async def test_many_that_are_refused_at_once_are_refused_once(breaker: Breaker) -> None:
    trips = [await breaker.trip("print", "key", "") for _ in range(3)]
    assert {(trip.times, trip.until_ms) for trip in trips} == {(1, trips[0].until_ms)}


async def test_new_credentials_do_not_wait_for_the_old(breaker: Breaker) -> None:
    await breaker.trip("old", "key", "")
    assert await breaker.look("new") is None


async def test_what_comes_of_them_closes_it(breaker: Breaker) -> None:
    await breaker.trip("print", "key", "")
    await breaker.close("print")
    assert await breaker.look("print") is None
    assert (await breaker.trip("print", "key", "")).times == 1


async def test_it_is_forgotten_when_nobody_tries_any_more(
    redis: Redis, keys: Keys, breaker: Breaker
) -> None:
    await breaker.trip("print", "key", "")
    assert await redis.ttl(keys.breaker("print")) == pytest.approx(5400, abs=2)
