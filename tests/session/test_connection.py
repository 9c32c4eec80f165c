"""One life of a connection, in virtual time against a scripted exchange."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from common.exchanges.protocol import Reason
from common.model.events import MarketEvent
from common.session.connection import PARSED_FRAME_BYTES, Connection
from common.session.lifecycle import State
from common.session.outcome import Outcome
from common.session.topics import TopicState
from common.session.transport import DialFailed
from tests.session.support import BINANCE, Memory, candles, kline, mini_tickers, place
from tests.support.scripted import ScriptedExchange, ScriptedSocket
from tests.support.virtual_time import virtual_time


class Life:
    """A running connection and the exchange's end of it."""

    def __init__(self, sink: Memory, channel: str = "candle") -> None:
        self.sink = sink
        self.exchange = ScriptedExchange()
        self.connection = Connection(
            place(channel),  # type: ignore[arg-type]
            self.exchange.address,
            self.exchange.dial,
            dict,
            sink,
        )
        self.task: asyncio.Task[Outcome] | None = None

    async def outcome(self, timeout_s: float = 3600.0) -> Outcome:
        assert self.task is not None
        async with asyncio.timeout(timeout_s):
            return await self.task

    async def read_out(self) -> None:
        """Let the connection read what was pushed."""
        for _ in range(20):
            await asyncio.sleep(0)


@asynccontextmanager
async def opened(
    sink: Memory,
    topics: tuple[str, ...],
    channel: str = "candle",
    *,
    acks: bool = True,
    silence_s: float = 300.0,
) -> AsyncIterator[tuple[Life, ScriptedSocket]]:
    life = Life(sink, channel)
    life.connection.want(dict.fromkeys(topics, silence_s))
    life.task = asyncio.create_task(life.connection.run())
    socket = await life.exchange.accepted()
    acking = asyncio.create_task(socket.serve_acks()) if acks else None
    try:
        yield life, socket
    finally:
        if acking:
            acking.cancel()
        life.task.cancel()
        await asyncio.wait({life.task})


@virtual_time
async def test_it_subscribes_and_is_live_with_the_first_frame() -> None:
    sink = Memory(*candles("BTCUSDT", "ETHUSDT"))
    topics = ("btcusdt@kline_1m", "ethusdt@kline_1m")
    async with opened(sink, topics, acks=False) as (life, socket):
        assert await socket.request() == {"method": "SUBSCRIBE", "params": list(topics), "id": 1}
        socket.push({"result": None, "id": 1})
        await life.read_out()
        assert life.connection.state is State.SUBSCRIBING
        socket.push(kline("BTCUSDT"))
        await life.read_out()
        assert life.connection.state is State.LIVE
        assert life.connection.subscriptions.topics[topics[0]].state is TopicState.LIVE
        assert life.connection.subscriptions.topics[topics[1]].state is TopicState.ACKED
        assert [event.symbol for event in sink.events] == ["BTCUSDT"]


@virtual_time
async def test_new_topics_are_asked_for_on_the_open_connection() -> None:
    sink = Memory(*candles("BTCUSDT", "ETHUSDT"))
    async with opened(sink, ("btcusdt@kline_1m",), acks=False) as (life, socket):
        await socket.request()
        life.connection.want({"ethusdt@kline_1m": 300.0})
        assert (await socket.request())["method"] == "UNSUBSCRIBE"
        assert (await socket.request())["params"] == ["ethusdt@kline_1m"]
        assert len(life.exchange.dials) == 1


@virtual_time
async def test_a_refused_symbol_is_rejected_and_the_others_live() -> None:
    sink = Memory(*candles("BTCUSDT", "BAD", "ETHUSDT"))
    topics = ("btcusdt@kline_1m", "bad@kline_1m", "ethusdt@kline_1m")
    async with opened(sink, topics, acks=False) as (life, socket):
        refusal = {"error": {"code": 2, "msg": "Invalid request: invalid stream"}}
        while not sink.rejections or not life.connection.subscriptions.settled:
            request = await socket.request()
            bad = "bad@kline_1m" in request["params"]
            socket.push({**(refusal if bad else {"result": None}), "id": request["id"]})
            await life.read_out()
        assert sink.rejections == {"bad@kline_1m": "2 Invalid request: invalid stream"}
        socket.push(kline("ETHUSDT"))
        socket.push(kline("BTCUSDT"))
        await life.read_out()
        assert {event.symbol for event in sink.events} == {"BTCUSDT", "ETHUSDT"}


BAD_FRAMES = [
    b"hello",
    b'{"stream":"btcusdt@kline_1m","data":{"e":"kl',
    b'{"stream":"x","data":{"e":"neverHeardOf"}}',
    b'{"stream":"x","data":{"e":"kline","E":1}}',
    b"\x00\x01\xff\xfe",
    b'{"pad":"' + b"x" * PARSED_FRAME_BYTES + b'"}',
]


@virtual_time
async def test_bad_frames_are_counted_and_skipped_and_the_connection_lives_on() -> None:
    sink = Memory(*candles("BTCUSDT"))
    async with opened(sink, ("btcusdt@kline_1m",)) as (life, socket):
        for frame in BAD_FRAMES:
            socket.push(frame)
        socket.push(kline("BTCUSDT"))
        await life.read_out()
        kinds = [problem.kind for problem in sink.problems]
        assert kinds == [
            "not_json",
            "not_json",
            "unknown_type",
            "wrong_shape",
            "not_json",
            "too_large",
        ]
        assert len(sink.events) == 1
        assert life.connection.state is State.LIVE


@pytest.mark.parametrize(
    ("failure", "cause", "reason"),
    [
        (DialFailed("no route"), "unreachable", "transient"),
        (DialFailed("HTTP 429", 429, 17.0), "refused", "rate"),
        (DialFailed("HTTP 418", 418, 120.0), "refused", "rate"),
        (DialFailed("HTTP 404", 404), "refused", "config"),
        (DialFailed("HTTP 503", 503), "refused", "transient"),
    ],
)
def test_a_failed_dial_is_an_outcome(failure: DialFailed, cause: str, reason: Reason) -> None:
    @virtual_time
    async def check() -> None:
        life = Life(Memory())
        life.exchange.refusals = [failure]
        outcome = await life.connection.run()
        assert (outcome.cause, outcome.reason) == (cause, reason)
        assert outcome.retry_after_s == failure.retry_after_s

    check()


@virtual_time
async def test_a_dial_without_an_answer_ends() -> None:
    life = Life(Memory())

    async def never(url: str) -> ScriptedSocket:
        await asyncio.Event().wait()
        raise AssertionError

    connection = Connection(place(), life.exchange.address, never, dict, life.sink)
    assert (await connection.run()).cause == "unreachable"


@virtual_time
async def test_a_close_by_the_peer_tells_how_long_data_came() -> None:
    async with opened(Memory(*candles("BTCUSDT")), ("btcusdt@kline_1m",)) as (life, socket):
        socket.push(kline("BTCUSDT"))
        await asyncio.sleep(70)
        socket.push(kline("BTCUSDT"))
        await life.read_out()
        socket.drop(1001, "going away")
        outcome = await life.outcome()
        assert outcome.cause == "closed"
        assert outcome.detail == "1001 going away"
        assert outcome.flowed_s == pytest.approx(70, abs=1)


@virtual_time
async def test_silence_on_a_trade_driven_channel_is_probed_and_legal() -> None:
    async with opened(Memory(*candles("BTCUSDT")), ("btcusdt@kline_1m",)) as (life, socket):
        socket.push(kline("BTCUSDT"))
        await asyncio.sleep(200)
        assert socket.probes >= 2
        assert life.connection.state is State.LIVE


@virtual_time
async def test_a_half_open_connection_ends_when_a_probe_is_not_answered() -> None:
    async with opened(Memory(*candles("BTCUSDT")), ("btcusdt@kline_1m",)) as (life, socket):
        socket.push(kline("BTCUSDT"))
        socket.answers_probes = False
        socket.hangs_on_close = True
        started_s = asyncio.get_running_loop().time()
        outcome = await life.outcome()
        assert outcome.cause == "stalled"
        assert asyncio.get_running_loop().time() - started_s < 90


@virtual_time
async def test_the_ladder_asks_again_before_it_gives_up() -> None:
    ticker = BINANCE.topics(candles("BTCUSDT")[0])[0]
    sink = Memory(*candles("BTCUSDT"))
    async with opened(sink, (ticker,), acks=False) as (life, socket):
        request = await socket.request()
        socket.push({"result": None, "id": request["id"]})
        socket.push(kline("BTCUSDT"))
        again = await socket.request(timeout_s=400.0)
        assert again["params"] == request["params"]
        assert life.connection.state is State.STALE
        socket.push({"result": None, "id": again["id"]})
        socket.push(kline("BTCUSDT"))
        await life.read_out()
        assert life.connection.state is State.LIVE
        acks = asyncio.create_task(socket.serve_acks())
        outcome = await life.outcome()
        acks.cancel()
        assert outcome.cause == "stalled"
        assert outcome.detail.startswith("no event for 6")


@virtual_time
async def test_an_array_that_stops_stalls_within_seconds() -> None:
    ticker = candles("BTCUSDT")[0].__class__("binance", "spot", "ticker", "BTCUSDT")
    sink = Memory(ticker)
    async with opened(sink, ("!miniTicker@arr",), "ticker", silence_s=10.0) as (life, socket):
        socket.push(mini_tickers("BTCUSDT", "ETHUSDT"))
        started_s = asyncio.get_running_loop().time()
        outcome = await life.outcome()
        assert outcome.cause == "stalled"
        assert asyncio.get_running_loop().time() - started_s < 30
        assert [event.symbol for event in sink.events] == ["BTCUSDT"]


@virtual_time
async def test_unanswered_requests_end_the_connection() -> None:
    async with opened(Memory(), ("btcusdt@kline_1m",), acks=False) as (life, _):
        assert (await life.outcome()).cause == "unanswered"


@virtual_time
async def test_an_announced_shutdown_and_a_days_life_ask_for_a_successor() -> None:
    async with opened(Memory(*candles("BTCUSDT")), ("btcusdt@kline_1m",)) as (life, socket):
        socket.push({"e": "serverShutdown", "E": 1770123456789})
        await life.read_out()
        assert life.connection.expiring.is_set()
    async with opened(Memory(*candles("BTCUSDT")), ("btcusdt@kline_1m",)) as (life, socket):
        for _ in range(24 * 15):
            socket.push(kline("BTCUSDT"))
            await asyncio.sleep(240)
        assert life.connection.expiring.is_set()


@virtual_time
async def test_cancelling_it_closes_the_socket() -> None:
    async with opened(Memory(), ("btcusdt@kline_1m",)) as (life, socket):
        assert life.task is not None
        await life.read_out()
        life.task.cancel()
        await asyncio.wait({life.task})
        assert socket.closed


@virtual_time
async def test_it_is_ready_when_all_is_answered_for() -> None:
    topics = tuple(f"s{n}usdt@kline_1m" for n in range(250))
    async with opened(Memory(), topics, acks=False) as (life, socket):
        for _ in range(3):
            assert not life.connection.ready.is_set()
            request = await socket.request()
            await asyncio.sleep(1)
            socket.push({"result": None, "id": request["id"]})
        async with asyncio.timeout(5):
            await life.connection.ready.wait()


@virtual_time
async def test_an_array_is_ready_only_when_it_has_spoken() -> None:
    ticker = candles("BTCUSDT")[0].__class__("binance", "spot", "ticker", "BTCUSDT")
    sink = Memory(ticker)
    async with opened(sink, ("!miniTicker@arr",), "ticker", silence_s=10.0) as (life, socket):
        await asyncio.sleep(5)
        assert not life.connection.ready.is_set()
        socket.push(mini_tickers("BTCUSDT"))
        async with asyncio.timeout(5):
            await life.connection.ready.wait()


@virtual_time
async def test_a_defect_in_reading_a_frame_costs_that_frame() -> None:
    sink = Memory(*candles("BTCUSDT"))
    async with opened(sink, ("btcusdt@kline_1m",)) as (life, socket):

        def broken() -> dict[str, object]:
            raise LookupError("a defect")

        await asyncio.sleep(1)
        life.connection._catalog, good = broken, life.connection._catalog  # type: ignore[assignment]
        socket.push(kline("BTCUSDT"))
        await life.read_out()
        life.connection._catalog = good
        socket.push(kline("BTCUSDT"))
        await life.read_out()
        assert [problem.kind for problem in sink.problems] == ["defect"]
        assert len(sink.events) == 1


@virtual_time
async def test_a_defect_in_what_follows_from_an_event_costs_that_event() -> None:
    class Broken(Memory):
        def event(self, event: MarketEvent) -> str | None:
            if event.symbol == "BTCUSDT":
                raise ArithmeticError("a defect")
            return super().event(event)

    sink = Broken(*candles("BTCUSDT", "ETHUSDT"))
    async with opened(sink, ("btcusdt@kline_1m", "ethusdt@kline_1m")) as (life, socket):
        await asyncio.sleep(1)
        socket.push(kline("BTCUSDT"))
        socket.push(kline("ETHUSDT"))
        await life.read_out()
        assert [problem.kind for problem in sink.problems] == ["defect"]
        assert [event.symbol for event in sink.events] == ["ETHUSDT"]


@virtual_time
async def test_a_refusal_that_fits_no_request_is_told() -> None:
    sink = Memory()
    async with opened(sink, ("btcusdt@kline_1m",)) as (life, socket):
        await asyncio.sleep(1)
        socket.push({"error": {"code": 3, "msg": "Invalid JSON"}})
        await life.read_out()
        assert [refusal.detail for refusal in sink.refusals] == ["3 Invalid JSON"]
