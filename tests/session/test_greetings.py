"""Before and beside the data: where to dial, the welcome, and the pings an exchange demands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as changed

from common.clocks import machine_s
from common.exchanges.budget import Pause
from common.exchanges.protocol import (
    Exchange,
    Parsed,
    Pong,
    Refusal,
    RestFailure,
    RestRequest,
    Welcome,
)
from common.exchanges.registry import EXCHANGES
from common.session.address import Addresses
from common.session.connection import PROBE_S, Connection
from common.session.transport import DialFailed, Socket
from tests.session.support import BINANCE, Memory, candles, kline, place
from tests.support.scripted import ScriptedExchange, ScriptedSocket
from tests.support.spending import Unlimited
from tests.support.virtual_time import virtual_time

TOPIC = "btcusdt@kline_1m"


def parse(market: Any, frame: bytes, catalog: Any) -> Any:
    """Binance, with a welcome and pongs of its own."""
    words: dict[bytes, Parsed] = {b'"welcome"': Welcome(), b'"pong"': Pong()}
    return (words[frame],) if frame in words else BINANCE.parse(market, frame, catalog)


def unlike_binance(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
    """An exchange that speaks like Binance, but greets and wants pings of its own."""
    spot = BINANCE.markets["spot"]
    other = changed(spot, limits=changed(spot.limits, **limits))
    exchange: Exchange = replace(
        BINANCE,
        markets={**BINANCE.markets, "spot": other},
        parse=parse,
        ping=lambda number: f'{{"ping":{number}}}',
    )
    monkeypatch.setitem(EXCHANGES, "binance", exchange)  # type: ignore[arg-type]


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Connection, ScriptedSocket, asyncio.Task[Any]]]:
    exchange = ScriptedExchange()
    sink = Memory(*candles("BTCUSDT"))
    connection = Connection(place(), exchange.address, exchange.dial, dict, sink)
    connection.want({TOPIC: 600.0})
    task = asyncio.create_task(connection.run())
    yield connection, await exchange.accepted(), task
    task.cancel()
    await asyncio.wait({task})


@virtual_time
async def test_nothing_is_asked_before_the_welcome(monkeypatch: pytest.MonkeyPatch) -> None:
    unlike_binance(monkeypatch, welcomes=True)
    async with opened() as (connection, socket, _):
        await asyncio.sleep(2)
        assert socket.sent.empty()
        assert connection.state == "logging_in"
        socket.push("welcome")
        assert (await socket.request())["params"] == [TOPIC]
        assert connection.state == "subscribing"


@virtual_time
async def test_without_a_welcome_the_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    unlike_binance(monkeypatch, welcomes=True)
    async with opened() as (_, _, task):
        outcome = await task
    assert (outcome.cause, outcome.detail) == ("unanswered", "the exchange did not say welcome")


@virtual_time
async def test_pings_are_sent_as_often_as_demanded_whatever_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlike_binance(monkeypatch, ping_s=18.0)
    begun_s = machine_s()
    async with opened() as (_, socket, _):
        socket.push({"result": None, "id": (await socket.request())["id"]})
        for number in (1, 2, 3):
            assert await socket.request() == {"ping": number}
            assert machine_s() - begun_s == pytest.approx(18 * number, abs=2 * number)
            socket.push(kline("BTCUSDT"))


@virtual_time
async def test_silence_is_answered_by_a_ping_of_the_exchanges_own_and_a_pong_proves_it_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlike_binance(monkeypatch)
    async with opened() as (_, socket, task):
        request = await socket.request()
        socket.push({"result": None, "id": request["id"]})
        assert await socket.request(timeout_s=120) == {"ping": 1}
        socket.push("pong")
        assert await socket.request(timeout_s=120) == {"ping": 2}
        outcome = await task
    assert (outcome.cause, outcome.detail) == (
        "stalled",
        f"a ping was not answered in {PROBE_S:g} s",
    )
    assert socket.probes == 0


# --- where to dial --------------------------------------------------------------------------


def with_token(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = replace(
        BINANCE,
        address_request=lambda market: RestRequest(f"https://api/{market}/token", method="POST"),
        parse_address=lambda market, body: msgspec.json.decode(body, type=dict[str, str])["url"],
    )
    monkeypatch.setitem(EXCHANGES, "binance", exchange)  # type: ignore[arg-type]


@virtual_time
async def test_every_attempt_asks_anew_where_to_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    with_token(monkeypatch)
    asked: list[str] = []

    async def ask(exchange: Exchange, request: RestRequest) -> bytes:
        asked.append(f"{request.method} {request.url}")
        return json.dumps({"url": f"wss://x?token={len(asked)}"}).encode()

    address = Addresses(None, ask, Unlimited()).of(place())
    assert [await address(), await address()] == ["wss://x?token=1", "wss://x?token=2"]
    assert asked == ["POST https://api/spot/token"] * 2


@virtual_time
@pytest.mark.parametrize(
    ("answer", "reason", "wait_s"),
    [
        (RestFailure("rate", "429 too many", 7.0), "rate", 7.0),
        (RestFailure("transient", "no route"), "transient", None),
        (b"<html>", None, None),
    ],
)
async def test_without_an_address_the_dial_has_failed_for_the_same_reason(
    monkeypatch: pytest.MonkeyPatch, answer: Any, reason: Any, wait_s: Any
) -> None:
    with_token(monkeypatch)

    async def ask(exchange: Exchange, request: RestRequest) -> bytes | RestFailure:
        return answer  # type: ignore[no-any-return]

    with pytest.raises(DialFailed) as failed:
        await Addresses(None, ask, Unlimited()).of(place())()
    assert (failed.value.reason, failed.value.retry_after_s) == (reason, wait_s)
    connection = Connection(
        place(),
        Addresses(None, ask, Unlimited()).of(place()),
        ScriptedExchange().dial,
        dict,
        Memory(),
    )
    outcome = await connection.run()
    assert (outcome.reason, outcome.retry_after_s) == (reason or "transient", wait_s)


@virtual_time
async def test_an_attempt_is_paid_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_token(monkeypatch)
    purse, asked = Unlimited(), 0

    async def ask(exchange: Exchange, request: RestRequest) -> bytes:
        nonlocal asked
        asked += 1
        return b'{"url":"wss://x"}'

    address = Addresses("http://door", ask, purse).of(place())
    assert await address() == "ws://door/x"
    assert purse.spent == [("binance", {"connections": 1}, True)]
    purse.pause = Pause("banned", "HTTP 418", 77.0)
    with pytest.raises(DialFailed) as failed:
        await address()
    assert (failed.value.reason, failed.value.retry_after_s) == ("rate", 77.0)
    assert asked == 1


@virtual_time
@pytest.mark.parametrize(
    ("failure", "bans"),
    [
        (DialFailed("HTTP 418", status=418, retry_after_s=120.0), [120.0]),
        (DialFailed("HTTP 429", status=429), [60.0]),
        (DialFailed("HTTP 403", status=403, retry_after_s=9.0), [9.0]),
        (DialFailed("HTTP 503", status=503, retry_after_s=9.0), []),
        (DialFailed("no route"), []),
    ],
)
async def test_a_refused_handshake_is_a_ban_for_all_where_it_means_a_limit(
    failure: DialFailed, bans: list[float]
) -> None:
    purse = Unlimited()

    async def dial(url: str) -> Socket:
        raise failure

    async def ask(exchange: Exchange, request: RestRequest) -> bytes:
        raise AssertionError

    telling = Addresses(None, ask, purse).dialling(place().protocol, dial)
    with pytest.raises(DialFailed) as failed:
        await telling("wss://x")
    assert failed.value is failure
    assert purse.bans == [("binance", wait_s, failure.detail) for wait_s in bans]


@virtual_time
async def test_a_refusal_of_what_is_so_already_is_an_acceptance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = Refusal(1, "benign", "already subscribed")

    def parse_benign(market: Any, frame: bytes, catalog: Any) -> Any:
        return (said,) if frame == b'"benign"' else BINANCE.parse(market, frame, catalog)

    monkeypatch.setitem(EXCHANGES, "binance", replace(BINANCE, parse=parse_benign))  # type: ignore[arg-type]
    exchange, sink = ScriptedExchange(), Memory(*candles("BTCUSDT"))
    connection = Connection(place(), exchange.address, exchange.dial, dict, sink)
    connection.want({TOPIC: 600.0})
    task = asyncio.create_task(connection.run())
    socket = await exchange.accepted()
    await socket.request()
    socket.push("benign")
    await asyncio.sleep(1)
    assert sink.acks == [TOPIC]
    assert sink.refusals == []
    task.cancel()
    await asyncio.wait({task})
