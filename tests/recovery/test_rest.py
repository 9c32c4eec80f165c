"""REST over a real socket: answers, refusals, and peers that are slow, gone or endless."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.exchanges.budget import Pause, Used
from common.exchanges.protocol import RestRequest
from common.exchanges.registry import EXCHANGES
from common.recovery import rest
from common.recovery.rest import Rest, RestError
from tests.support.spending import Unlimited
from tests.support.waiting import until

BINANCE = EXCHANGES["binance"]
TIME = BINANCE.time_request("spot")


@asynccontextmanager
async def asked(handler: Any) -> AsyncIterator[Rest]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    async with TestServer(app) as server:
        client = Rest(str(server.make_url("/")), Unlimited())
        try:
            yield client
        finally:
            await client.close()


def purse(client: Rest) -> Unlimited:
    assert isinstance(client._spending, Unlimited)
    return client._spending


async def test_an_answer_comes_through_the_gateway() -> None:
    paths = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path_qs)
        return web.json_response({"serverTime": 1499827319559})

    async with asked(answer) as client:
        body = await client.ask(BINANCE, TIME)
        assert BINANCE.parse_time("spot", body) == 1499827319559
        await client.ask(BINANCE, RestRequest("https://api.binance.com/x", {"symbol": "币 BTC"}))
    assert paths == ["/api.binance.com/api/v3/time", "/api.binance.com/x?symbol=%E5%B8%81+BTC"]


async def test_a_refusal_says_what_it_means_and_how_long_to_wait() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response(
            {"code": -1003, "msg": "Too many"}, status=429, headers={"Retry-After": "9"}
        )

    async with asked(refuse) as client:
        with pytest.raises(RestError) as error:
            await client.ask(BINANCE, TIME)
        assert error.value.failure.reason == "rate"
        assert error.value.failure.retry_after_s == 9.0


async def refused(client: Rest) -> RestError:
    with pytest.raises(RestError) as error:
        await client.ask(BINANCE, TIME)
    return error.value


async def test_a_request_is_taken_from_its_budget_and_says_who_waits_for_it() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"serverTime": 1})

    async with asked(answer) as client:
        await client.ask(BINANCE, TIME)
        listing = BINANCE.instruments_requests("inverse")[0]
        await client.ask(BINANCE, listing, urgent=False)
        spent = purse(client).spent
    assert spent == [("binance", {"spot": 1}, True), ("binance", {"futures": 1}, False)]


async def test_while_nothing_may_be_asked_nothing_is() -> None:
    calls = []

    async def answer(_: web.Request) -> web.Response:
        calls.append(1)
        return web.json_response({})

    async with asked(answer) as client:
        purse(client).pause = Pause("banned", "HTTP 418 banned", 85.5)
        error = await refused(client)
    assert (error.failure.reason, error.failure.detail) == ("rate", "HTTP 418 banned")
    assert error.wait_s == 85.5
    assert calls == []


async def test_a_ban_is_told_with_its_end_and_what_was_used_is_believed() -> None:
    async def refuse(_: web.Request) -> web.Response:
        date = "Wed, 21 Oct 2026 07:28:40 GMT"
        headers = {"Retry-After": "90", "X-MBX-USED-WEIGHT-1M": "6001", "Date": date}
        return web.json_response({"code": -1003, "msg": "banned"}, status=418, headers=headers)

    async with asked(refuse) as client:
        error = await refused(client)
        assert purse(client).bans == [("binance", 90.0, error.failure.detail)]
        assert purse(client).learned == [("binance", Used("spot", 6001, 40.0))]


async def test_an_ordinary_failure_bans_nobody() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "7"})

    async with asked(refuse) as client:
        await refused(client)
        assert purse(client).bans == []


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {}, 60.0),
        (418, {"Retry-After": "0"}, 60.0),
        (418, {"Retry-After": "9" * 15}, 259_200.0),
        (503, {}, 0.0),
        (503, {"Retry-After": "7"}, 7.0),
    ],
)
async def test_how_long_not_to_ask_is_bounded_and_never_nothing_after_a_rate_limit(
    status: int, headers: dict[str, str], wait_s: float
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    async with asked(refuse) as client:
        assert (await refused(client)).wait_s == wait_s


async def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "ANSWER_BYTES", 10_000)

    async def flood(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 20_000)

    async with asked(flood) as client:
        with pytest.raises(RestError, match="over 10000 bytes"):
            await client.ask(BINANCE, TIME)


async def test_a_peer_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "ANSWER_S", 0.1)

    async def never(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await request.protocol.closed  # type: ignore[attr-defined]
        return response

    async with asked(never) as client:
        with pytest.raises(RestError) as error:
            await client.ask(BINANCE, TIME)
        assert error.value.failure.reason == "transient"


class Frozen:
    """An exchange that takes requests and answers none until it is thawed."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.thawed = asyncio.Event()
        self.taken = 0

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.startswith(f"/{self._host}/"):
            self.taken += 1
            await self.thawed.wait()
        return web.json_response({"serverTime": 1})


def many_ask(client: Rest) -> list[asyncio.Task[bytes]]:
    """More than may be on their way together."""
    return [asyncio.create_task(client.ask(BINANCE, TIME)) for _ in range(3 * rest.AT_ONCE)]


@pytest.mark.parametrize("end", ["too slow", "told to stop"])
async def test_whoever_was_given_up_together_takes_nothing_from_those_who_come_later(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a process was paused: all limits are over in the same moment."""
    frozen = Frozen("api.binance.com")
    async with asked(frozen.answer) as client:
        for _ in range(5):
            frozen.taken = 0
            monkeypatch.setattr(rest, "ANSWER_S", 0.2 if end == "too slow" else 20.0)
            asking = many_ask(client)
            if end == "told to stop":
                await until(lambda: frozen.taken)
                for task in asking:
                    task.cancel()
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            assert not any(isinstance(outcome, bytes) for outcome in outcomes)
        frozen.thawed.set()
        monkeypatch.setattr(rest, "ANSWER_S", 20.0)
        async with asyncio.timeout(5):
            await client.ask(BINANCE, TIME)


async def test_whoever_is_given_up_in_whatever_moment_leaves_no_connection_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sockets: set[asyncio.BaseTransport] = set()
    dice = random.Random(1)

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        sockets.add(request.transport)
        await asyncio.sleep(dice.choice([0, 0, 0.001, 0.01]))
        return web.json_response({"serverTime": 1})

    monkeypatch.setattr(rest, "AT_ONCE", 4)
    async with asked(answer) as client:
        for _ in range(300):
            monkeypatch.setattr(rest, "ANSWER_S", dice.choice([20.0, 0.005, 0.02]))
            asking = many_ask(client)
            for _ in range(20):
                await asyncio.sleep(0)
                dice.choice(asking).cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        await until(lambda: sum(not one.is_closing() for one in sockets) <= rest.AT_ONCE)
        monkeypatch.setattr(rest, "ANSWER_S", 20.0)
        assert len(await asyncio.gather(*many_ask(client))) == 3 * rest.AT_ONCE


async def test_an_exchange_that_does_not_answer_keeps_no_other_waiting() -> None:
    frozen = Frozen("api.binance.com")
    async with asked(frozen.answer) as client:
        asking = many_ask(client)
        await until(lambda: frozen.taken >= rest.AT_ONCE)
        okx = EXCHANGES["okx"]
        async with asyncio.timeout(5):
            await client.ask(okx, okx.time_request("spot"))
        assert frozen.taken == rest.AT_ONCE
        frozen.thawed.set()
        await asyncio.gather(*asking)


async def test_nobody_there_is_transient_and_names_the_address() -> None:
    client = Rest("http://127.0.0.1:1", Unlimited())
    with pytest.raises(RestError, match=r"api\.binance\.com") as error:
        await client.ask(BINANCE, TIME)
    assert error.value.failure.reason == "transient"
    await client.close()
