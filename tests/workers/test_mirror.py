"""What waits for older backends, and what becomes of it while their Redis is away or slow."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from loguru import logger
from msgspec.structs import replace
from redis.asyncio import Redis

from common.clocks import machine_s
from common.fleet.client import RedisAway, connect
from common.model.account import BalanceUpdate
from common.model.events import Candle, Ticker
from common.publish.compat import Message
from config.settings import load
from scripts.engines import RedisServer
from tests.recovery.bars import bar
from tests.support.older_backend import OlderBackend, listening
from tests.support.waiting import until
from workers import mirror as mirrors
from workers.mirror import Mirror, Outbox, mirror_of

TICKER = Ticker("binance", "spot", "BTCUSDT", 1, "1")
CANDLES = "BTCUSDT@binance@1mCandle"


def note(number: int) -> Message:
    return Message("notes", str(number))


def delta(number: int) -> BalanceUpdate:
    return BalanceUpdate(
        exchange="binance", market="spot", account_id="u-1", event_ms=number,
        asset="BTC", delta=str(number),
    )  # fmt: skip


# --- what waits ---------------------------------------------------------------------------------


class Clock:
    """Machine time."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def outbox(*events: Any, room: int = 100, clock: Clock | None = None) -> Outbox:
    box = Outbox(room, clock or Clock())
    for event in events:
        if isinstance(event, Candle | Ticker):
            box.price(event)
        else:
            box.put(event)
    return box


def test_of_prices_only_the_newest_waits() -> None:
    other = replace(TICKER, symbol="ETHUSDT")
    newer = replace(TICKER, last="2")
    opened = bar(0, closed=False)
    box = outbox(TICKER, opened, other, newer, replace(opened, close="3"))
    assert len(box) == 3
    assert box.take() == [newer, replace(opened, close="3"), other]
    assert len(box) == 0


def test_closed_candles_and_events_wait_in_order_and_leave_first() -> None:
    box = outbox(TICKER, bar(0), delta(1), bar(1), note(2))
    assert box.take() == [bar(0), delta(1), bar(1), note(2), TICKER]


def test_a_close_ends_what_was_said_of_the_open_bar() -> None:
    box = outbox(bar(0, closed=False), bar(0), bar(0, closed=False), bar(1, closed=False))
    assert box.take() == [bar(0), bar(1, closed=False)]
    assert box.outdated == 1


def test_a_bar_of_the_past_does_not_come_after_the_present() -> None:
    correction = replace(bar(1), revision=1)
    box = outbox(bar(0), bar(1), correction, bar(2, closed=False), correction, bar(0))
    assert box.take() == [bar(0), bar(1), correction, bar(2, closed=False)]
    assert box.outdated == 2


def test_a_bar_waits_for_the_close_of_the_one_before() -> None:
    box = outbox(bar(0, closed=False), bar(1, closed=False), bar(1, "2", closed=False))
    assert box.take() == [bar(0, closed=False)]
    box.price(bar(0))
    assert box.take() == [bar(0), bar(1, "2", closed=False)]
    box.price(bar(1))
    assert box.take() == [bar(1)]


def test_a_bar_waits_for_all_closes_that_are_missing() -> None:
    box = outbox(bar(0), bar(3, closed=False), bar(1))
    assert box.take() == [bar(0), bar(1)]
    box.price(bar(2))
    assert box.take() == [bar(2), bar(3, closed=False)]


def test_a_bar_that_closes_while_it_waits_is_not_told_as_open() -> None:
    box = outbox(bar(0), bar(2, closed=False), bar(2), bar(3, closed=False))
    assert box.take() == [bar(0), bar(2), bar(3, closed=False)]


def test_a_close_that_does_not_come_is_not_waited_for_for_ever() -> None:
    clock = Clock()
    box = outbox(bar(0), bar(2, closed=False), clock=clock)
    assert box.take() == [bar(0)]
    clock.now_s += mirrors.HOLD_S - 0.1
    box.price(bar(2, "2", closed=False))
    assert box.take() == []
    clock.now_s += 0.1
    box.price(bar(2, "3", closed=False))
    assert box.take() == [bar(2, "3", closed=False)]
    box.price(bar(1))
    assert (box.take(), box.outdated) == ([], 1)


def test_where_there_is_no_room_the_oldest_goes() -> None:
    box = outbox(*map(note, range(5)), TICKER, room=3)
    assert box.take() == [note(2), note(3), note(4), TICKER]
    assert box.dropped == 2


def test_no_more_leaves_at_once_than_is_asked_for() -> None:
    box = outbox(note(0), note(1), TICKER, replace(TICKER, symbol="ETHUSDT"))
    assert box.take(1) == [note(0)]
    assert box.take(2) == [note(1), TICKER]
    assert box.take(2) == [replace(TICKER, symbol="ETHUSDT")]


def test_what_did_not_leave_is_first_again_and_no_newer_value_is_replaced() -> None:
    other = replace(TICKER, symbol="ETHUSDT")
    box = outbox(note(0), note(1), TICKER, other)
    taken = box.take()
    newer = replace(TICKER, last="2")
    box.price(newer)
    box.put(note(2))
    box.put_back(taken)
    assert box.take() == [note(0), note(1), note(2), newer, other]


def test_an_open_bar_that_did_not_leave_is_forgotten_once_it_has_closed() -> None:
    box = outbox(bar(0, closed=False))
    taken = box.take()
    box.price(bar(0))
    box.put_back(taken)
    assert box.take() == [bar(0)]


def test_of_what_did_not_leave_the_oldest_goes_where_there_is_no_room() -> None:
    box = outbox(note(0), note(1), note(2), room=3)
    taken = box.take()
    box.put(note(3))
    box.put_back(taken)
    assert box.take() == [note(1), note(2), note(3)]
    assert box.dropped == 1


# --- who has one --------------------------------------------------------------------------------


async def test_only_whom_the_operator_asks_for_one_has_a_mirror() -> None:
    assert mirror_of(load({}, None)) is None
    asked = {"COMPAT_REDIS": "1", "REDIS_URL": "redis://own:1/0"}
    for env, host in ((asked, "own"), (asked | {"COMPAT_REDIS_URL": "redis://theirs:2"}, "theirs")):
        mirror = mirror_of(load(env, None))
        assert mirror is not None
        assert mirror._redis.connection_pool.connection_kwargs["host"] == host
        await mirror._redis.aclose()


# --- Redis, and without it ----------------------------------------------------------------------


@asynccontextmanager
async def running(url: str, room: int = 100) -> AsyncIterator[Mirror]:
    mirror = Mirror(connect(url), room=room, now_ms=lambda: 5)
    task = asyncio.create_task(mirror.run())
    try:
        yield mirror
        assert not task.done(), "it runs for ever"
    finally:
        task.cancel()
        await asyncio.wait({task})
        await mirror.close()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged meanwhile."""
    messages: list[str] = []
    sink = logger.add(lambda line: messages.append(line.record["message"]), level="INFO")
    yield messages
    logger.remove(sink)


@asynccontextmanager
async def frozen(url: str) -> AsyncIterator[None]:
    """A Redis that takes connections and answers nothing."""
    redis = Redis.from_url(url)
    pid = int((await redis.info("server"))["process_id"])
    await redis.aclose()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.engines
async def test_a_backend_hears_everything_in_order(redis_url: str) -> None:
    async with listening(redis_url) as backend, running(redis_url) as mirror:
        mirror.price(TICKER)
        mirror.price(bar(0))
        mirror.price(bar(1, closed=False))
        mirror.account(delta(1))
        mirror.say(note(2))
        await until(lambda: len(backend.heard) >= 5)
        channels = [channel for channel, _ in backend.heard]
        assert channels[:3] == [CANDLES, "u-1", "notes"]
        assert sorted(channels[3:]) == [CANDLES, "trade@BTCUSDT@binance"]
        starts = [json.loads(text)["start"] for text in backend.on(CANDLES)]
        assert starts == [bar(0).start_ms, bar(1).start_ms]
        assert json.loads(backend.on("trade@BTCUSDT@binance")[0])["eventTime"] == 5
        await until(lambda: mirror.counts["mirror_sent"] == 5)


@pytest.mark.engines
async def test_what_cannot_be_written_is_counted_and_the_rest_goes_out(
    redis_url: str, lines: list[str]
) -> None:
    async with listening(redis_url) as backend, running(redis_url) as mirror:
        for number in range(3):
            mirror.price(replace(TICKER, symbol=f"S{number}", last="none"))
        mirror.say(note(1))
        await until(lambda: backend.on("notes"))
        await until(lambda: mirror.counts["mirror_unwritable"] == 3)
        assert lines == ["cannot be said in older words"], "once"


@pytest.mark.engines
async def test_while_redis_is_away_nobody_waits_and_it_is_said_once(
    own_redis: RedisServer, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "AWAY_S", 0.1)
    async with running(own_redis.url, room=3) as mirror:
        await asyncio.to_thread(own_redis.kill)
        mirror.say(note(0))
        await until(lambda: lines == ["older backends' redis is away"])
        began_s = machine_s()
        for number in range(1, 6):
            mirror.say(note(number))
            mirror.price(replace(TICKER, last=str(number)))
        assert machine_s() - began_s < 0.1
        await asyncio.sleep(0.5)  # some attempts more
        assert lines == ["older backends' redis is away"]
        await asyncio.to_thread(own_redis.start)
        await until(lambda: mirror.counts["mirror_sent"] == 4)
        assert mirror.counts["mirror_dropped"] == 3
        assert lines[1:] == ["older backends' redis is back"]


@pytest.mark.engines
async def test_what_was_left_is_heard_when_redis_is_back(own_redis: RedisServer) -> None:
    mirror = Mirror(connect(own_redis.url), room=3)
    await asyncio.to_thread(own_redis.kill)
    for number in range(6):
        mirror.say(note(number))
        mirror.price(replace(TICKER, last=str(number)))
        with pytest.raises(RedisAway):
            await mirror.flush()
    await asyncio.to_thread(own_redis.start)
    async with listening(own_redis.url) as backend:
        await mirror.close()
        await until(lambda: len(backend.heard) >= 4)
        assert backend.on("notes") == ["3", "4", "5"]
        (price,) = backend.on("trade@BTCUSDT@binance")
        assert json.loads(price)["price"] == 5


@pytest.mark.engines
async def test_a_redis_that_hangs_is_given_up_and_nothing_that_waits_is_lost(
    own_redis: RedisServer, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "SEND_S", 0.2)
    monkeypatch.setattr(mirrors, "AWAY_S", 0.1)
    async with listening(own_redis.url) as backend, running(own_redis.url) as mirror:
        mirror.say(note(0))
        await until(lambda: backend.on("notes") == ["0"])
        async with frozen(own_redis.url):
            mirror.account(delta(1))
            await until(lambda: lines == ["older backends' redis is away"])
            mirror.account(delta(2))
        await until(_heard(backend, {1, 2}))
        # What was given up may have been heard: it comes again rather than not at all.
        events = [json.loads(text)["eventTime"] for text in backend.on("u-1")]
        assert list(dict.fromkeys(events)) == [1, 2]


def _heard(backend: OlderBackend, times: set[int]) -> Callable[[], bool]:
    return lambda: times <= {json.loads(text)["eventTime"] for text in backend.on("u-1")}


@pytest.mark.engines
async def test_what_is_left_goes_out_at_the_end(redis_url: str) -> None:
    async with listening(redis_url) as backend:
        mirror = Mirror(connect(redis_url))
        mirror.say(note(1))
        await mirror.close()
        await until(lambda: backend.on("notes"))
        assert backend.on("notes") == ["1"]


async def test_an_end_without_redis_is_an_end_all_the_same(lines: list[str]) -> None:
    mirror = Mirror(connect("redis://127.0.0.1:1/0"))
    mirror.say(note(1))
    await mirror.close()
    assert lines == ["older backends are not told everything"]
