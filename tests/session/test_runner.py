"""A session over all its lives: reconnect, back off, park, rotate. Virtual time throughout."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

from common.session.lifecycle import State
from common.session.outcome import ELSEWHERE_AFTER, PARKED_AFTER
from common.session.runner import Session
from common.session.transport import DialFailed
from tests.session.support import Memory, candles, kline, place
from tests.support.scripted import ScriptedExchange, ScriptedSocket
from tests.support.virtual_time import virtual_time
from tests.support.waiting import until

TOPIC = "btcusdt@kline_1m"


def now_s() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def running(
    exchange: ScriptedExchange, sink: Memory, chance: float = 0.5
) -> AsyncIterator[Session]:
    session = Session(
        "binance:spot:candle:0",
        place(),
        exchange.address,
        exchange.dial,
        dict,
        sink,
        lambda: chance,
    )
    session.want({TOPIC: 300.0})
    task = asyncio.create_task(session.run())
    try:
        yield session
    finally:
        task.cancel()
        await asyncio.wait({task})


async def flowing(exchange: ScriptedExchange) -> ScriptedSocket:
    """Accept the next connection and let it go live."""
    socket = await exchange.accepted()
    request = await socket.request()
    assert request["params"] == [TOPIC]
    socket.push({"result": None, "id": request["id"]})
    socket.push(kline("BTCUSDT"))
    await asyncio.sleep(0.1)
    return socket


@virtual_time
async def test_a_lost_connection_is_redialled_and_subscribed_anew() -> None:
    exchange, sink = ScriptedExchange(), Memory(*candles("BTCUSDT"))
    async with running(exchange, sink) as session:
        first = await flowing(exchange)
        assert session.state is State.LIVE
        first.drop()
        await asyncio.sleep(0.1)
        assert session.state is State.BACKING_OFF
        await flowing(exchange)
        assert session.state is State.LIVE
        assert session.last_outcome is not None
        assert session.last_outcome.cause == "closed"
        assert len(sink.events) == 2


@virtual_time
async def test_a_peer_that_accepts_and_closes_is_not_stormed() -> None:
    exchange = ScriptedExchange()
    async with running(exchange, Memory()):
        end_s = now_s() + 3600
        while now_s() < end_s:
            (await exchange.accepted()).drop()
        times = [at_s for at_s, _ in exchange.dials]
        waits = [later - earlier for earlier, later in pairwise(times)]
        assert min(waits) >= 1.0
        assert waits[:6] == sorted(waits[:6])
        assert len(times) < 130


@virtual_time
async def test_a_limit_is_waited_out() -> None:
    exchange = ScriptedExchange()
    exchange.refusals = [DialFailed("HTTP 429", 429, 120.0)]
    async with running(exchange, Memory()):
        await exchange.accepted()
        (first, _), (second, _) = exchange.dials
        assert second - first >= 120.0


@virtual_time
async def test_a_wrong_address_parks_and_is_tried_again_slowly() -> None:
    exchange = ScriptedExchange()
    exchange.refuse_always = DialFailed("HTTP 404", 404)
    async with running(exchange, Memory()) as session:
        await asyncio.sleep(1)
        assert session.state is State.PARKED
        await asyncio.sleep(3600)
        assert 3 <= len(exchange.dials) <= 5


@virtual_time
async def test_the_ladder_of_a_peer_that_accepts_and_says_nothing() -> None:
    exchange, sink = ScriptedExchange(), Memory(*candles("BTCUSDT"))
    async with running(exchange, sink) as session:
        for life in range(1, PARKED_AFTER + 1):
            assert session.hopeless is (life > ELSEWHERE_AFTER)
            assert session.state is not State.PARKED
            await exchange.accepted(1000)
            await until(lambda: session.resting, 5000)
            assert session.deaf == life
        assert session.state is State.PARKED
        # It is tried on, slowly; the first word of data ends it all.
        socket = await exchange.accepted(1000)
        request = await socket.request()
        socket.push({"result": None, "id": request["id"]})
        for _ in range(3):
            socket.push(kline("BTCUSDT"))
            await asyncio.sleep(1)
        assert session.state is State.LIVE
        socket.drop()
        await until(lambda: session.resting)
        assert (session.deaf, session.state) == (0, State.BACKING_OFF)


@virtual_time
async def test_rotation_is_make_before_break() -> None:
    exchange, sink = ScriptedExchange(), Memory(*candles("BTCUSDT"))
    async with running(exchange, sink) as session:
        old = await flowing(exchange)
        old.push({"e": "serverShutdown", "E": 1770123456789})
        new = await exchange.accepted()
        request = await new.request()
        old.push(kline("BTCUSDT", 1))
        await asyncio.sleep(0.1)
        assert not old.closed
        assert session.state is State.LIVE
        new.push({"result": None, "id": request["id"]})
        new.push(kline("BTCUSDT", 2))
        await asyncio.sleep(1)
        assert old.closed
        assert not new.closed
        assert session.state is State.LIVE
        assert len(sink.events) == 3
        assert sink.quiet == []


@virtual_time
async def test_a_successor_that_fails_leaves_the_old_connection_in_place() -> None:
    exchange, sink = ScriptedExchange(), Memory(*candles("BTCUSDT"))
    async with running(exchange, sink) as session:
        old = await flowing(exchange)
        exchange.refusals = [DialFailed("HTTP 503", 503)]
        old.push({"e": "serverShutdown", "E": 1770123456789})
        await asyncio.sleep(3.0)
        assert len(exchange.dials) == 2
        assert session.state is State.LIVE
        assert not old.closed
        await flowing(exchange)
        await asyncio.sleep(1)
        assert old.closed


@virtual_time
async def test_an_old_connection_that_dies_meanwhile_leaves_the_successor() -> None:
    exchange, sink = ScriptedExchange(), Memory(*candles("BTCUSDT"))
    async with running(exchange, sink) as session:
        old = await flowing(exchange)
        old.push({"e": "serverShutdown", "E": 1770123456789})
        new = await exchange.accepted()
        old.drop(1001)
        request = await new.request()
        await asyncio.sleep(0.1)
        assert sink.quiet == [TOPIC]  # until it is accepted, nobody hears it
        new.push({"result": None, "id": request["id"]})
        new.push(kline("BTCUSDT", 1))
        await asyncio.sleep(1)
        assert session.state is State.LIVE
        assert len(exchange.dials) == 2


@virtual_time
async def test_a_change_of_what_is_wanted_reaches_the_connection_and_its_successors() -> None:
    exchange = ScriptedExchange()
    async with running(exchange, Memory(*candles("BTCUSDT", "ETHUSDT"))) as session:
        first = await flowing(exchange)
        session.want({TOPIC: 300.0, "ethusdt@kline_1m": 300.0})
        assert (await first.request())["params"] == ["ethusdt@kline_1m"]
        first.drop()
        second = await exchange.accepted()
        assert (await second.request())["params"] == [TOPIC, "ethusdt@kline_1m"]


@virtual_time
async def test_stopping_closes_every_socket() -> None:
    exchange = ScriptedExchange()
    async with running(exchange, Memory(*candles("BTCUSDT"))):
        old = await flowing(exchange)
        old.push({"e": "serverShutdown", "E": 1770123456789})
        new = await exchange.accepted()
    assert old.closed
    assert new.closed


@virtual_time
async def test_the_old_connection_stays_until_the_new_one_carries_everything() -> None:
    topics = {f"s{n}usdt@kline_1m": 300.0 for n in range(250)}
    exchange, sink = ScriptedExchange(), Memory(*candles("S0USDT"))
    async with running(exchange, sink) as session:
        session.want(topics)
        old = await exchange.accepted()
        acking = asyncio.create_task(old.serve_acks())
        old.push(kline("S0USDT"))
        await asyncio.sleep(5)
        old.push({"e": "serverShutdown", "E": 1770123456789})
        new = await exchange.accepted()
        for _ in range(3):
            assert not old.closed
            request = await new.request()
            new.push(kline("S0USDT"))
            await asyncio.sleep(0.5)
            new.push({"result": None, "id": request["id"]})
        await asyncio.sleep(2)
        assert old.closed
        assert not new.closed
        acking.cancel()


@virtual_time
async def test_an_end_is_told_to_whoever_listens_with_its_reason() -> None:
    exchange, sink = ScriptedExchange(), Memory(*candles("BTCUSDT"))
    async with running(exchange, sink):
        (await flowing(exchange)).drop(1001, "going away")
        await asyncio.sleep(0.1)
        assert sink.ends == [("closed: 1001 going away", False)]
        exchange.refuse_always = DialFailed("HTTP 404", 404)
        await asyncio.sleep(10)
        assert sink.ends[-1] == ("refused: HTTP 404", True)
