"""REST over a real socket: answers, refusals, and peers that are slow, gone or endless."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.exchanges.protocol import RestRequest
from common.exchanges.registry import EXCHANGES
from common.recovery import rest
from common.recovery.rest import Rest, RestError

BINANCE = EXCHANGES["binance"]
TIME = BINANCE.time_request("spot")


@asynccontextmanager
async def asked(handler: Any) -> AsyncIterator[Rest]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    async with TestServer(app) as server:
        client = Rest(str(server.make_url("/")))
        try:
            yield client
        finally:
            await client.close()


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


async def test_nobody_there_is_transient_and_names_the_address() -> None:
    client = Rest("http://127.0.0.1:1")
    with pytest.raises(RestError, match=r"api\.binance\.com") as error:
        await client.ask(BINANCE, TIME)
    assert error.value.failure.reason == "transient"
    await client.close()
