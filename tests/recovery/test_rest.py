"""REST over a real socket: answers, refusals, and peers that are slow, gone or endless."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.exchanges.protocol import Exchange, RestRequest
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


class Banned:
    """Refuses for a while, then answers; counts who asked."""

    def __init__(self, status: int, **headers: str) -> None:
        self.calls = 0
        self.over = False
        self._status = status
        self._headers = headers

    async def answer(self, _: web.Request) -> web.Response:
        self.calls += 1
        if self.over:
            return web.json_response({"serverTime": 1})
        body = {"code": -1003, "msg": "banned"}
        return web.json_response(body, status=self._status, headers=self._headers)


async def refused(client: Rest, exchange: Exchange = BINANCE) -> RestError:
    with pytest.raises(RestError) as error:
        await client.ask(exchange, TIME)
    return error.value


async def test_while_an_exchange_told_us_to_wait_it_is_not_asked_whatever_the_market() -> None:
    banned = Banned(418, **{"Retry-After": "90"})
    async with asked(banned.answer) as client:
        first = await refused(client)
        with pytest.raises(RestError) as again:
            await client.ask(BINANCE, BINANCE.instruments_requests("inverse")[0])
        assert banned.calls == 1
        assert str(again.value) == str(first)
        assert again.value.failure.reason == "rate"
        assert 80 < again.value.wait_s <= 90, "what is left of the wait"
        other = replace(BINANCE, name="other")
        await refused(client, other)
        assert banned.calls == 2, "each exchange has its own"


async def test_when_the_wait_is_over_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(rest, "machine_s", lambda: now_s)
    banned = Banned(429, **{"Retry-After": "9"})
    async with asked(banned.answer) as client:
        await refused(client)
        now_s = 1008.9
        await refused(client)
        assert banned.calls == 1
        now_s, banned.over = 1009.1, True
        await client.ask(BINANCE, TIME)
        await client.ask(BINANCE, TIME)
    assert banned.calls == 3


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


async def test_nobody_there_is_transient_and_names_the_address() -> None:
    client = Rest("http://127.0.0.1:1")
    with pytest.raises(RestError, match=r"api\.binance\.com") as error:
        await client.ask(BINANCE, TIME)
    assert error.value.failure.reason == "transient"
    await client.close()
