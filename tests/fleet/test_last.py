"""The last values of every stream in Redis: in batches, newest wins, gone after a while."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from common.fleet.client import RedisAway, connect
from common.fleet.keys import Keys
from common.fleet.last import BATCH, LastValues, read_last
from common.model.events import Candle, Ticker
from scripts.engines import RedisServer
from tests.recovery.bars import bar

pytestmark = pytest.mark.engines

TICKER = Ticker("binance", "spot", "BTCUSDT", 1_000, "64000.10")


async def last(redis: Redis, keys: Keys, symbol: str = "BTCUSDT") -> dict[str, object]:
    values = await read_last(redis, keys, "binance", "spot", symbol)
    kinds = {field: Ticker if field == "ticker" else Candle for field in values}
    return {field: msgspec.json.decode(raw, type=kinds[field]) for field, raw in values.items()}


async def test_the_ticker_and_the_last_closed_candle_of_each_interval_are_kept(
    redis: Redis, keys: Keys
) -> None:
    values = LastValues(redis, keys, ttl_s=60)
    three = bar(0, minutes=3)
    for event in (TICKER, bar(0), bar(1), bar(2, closed=False), three):
        values.note(event)
    await values.flush()
    assert await last(redis, keys) == {"ticker": TICKER, "candle:1m": bar(1), "candle:3m": three}
    assert 0 < await redis.pttl(keys.last("binance", "spot", "BTCUSDT")) <= 60_000


async def test_an_older_value_replaces_no_newer_one_whoever_writes_it(
    redis: Redis, keys: Keys
) -> None:
    new, old = LastValues(redis, keys, 60), LastValues(redis, keys, 60)
    newer = replace(TICKER, event_ms=2_000, last="65000")
    new.note(newer)
    await new.flush()
    old.note(TICKER)
    await old.flush()
    assert await last(redis, keys) == {"ticker": newer}


async def test_a_correction_of_an_older_candle_hides_no_newer_one(redis: Redis, keys: Keys) -> None:
    values = LastValues(redis, keys, 60)
    for event in (bar(1), replace(bar(0), revision=1)):
        values.note(event)
    await values.flush()
    assert await last(redis, keys) == {"candle:1m": bar(1)}


async def test_many_symbols_are_written_in_batches(redis: Redis, keys: Keys) -> None:
    values = LastValues(redis, keys, 60)
    symbols = [f"S{number}USDT" for number in range(2 * BATCH + 1)]
    for symbol in symbols:
        values.note(replace(TICKER, symbol=symbol))
    await values.flush()
    for symbol in (symbols[0], symbols[-1]):
        assert await last(redis, keys, symbol) == {"ticker": replace(TICKER, symbol=symbol)}


async def test_what_redis_did_not_take_is_written_when_it_is_back(own_redis: RedisServer) -> None:
    redis, keys = connect(own_redis.url), Keys("test:")
    values = LastValues(redis, keys, 60)
    values.note(bar(0))
    values.note(TICKER)
    await asyncio.to_thread(own_redis.kill)
    with pytest.raises(RedisAway):
        await values.flush()
    newer = replace(TICKER, event_ms=2_000)
    values.note(newer)
    await asyncio.to_thread(own_redis.start)
    await values.flush()
    assert await last(redis, keys) == {"ticker": newer, "candle:1m": bar(0)}
    await redis.aclose()
