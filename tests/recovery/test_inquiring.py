"""Inquiries over a real socket: signed as they are sent, by the exchange's own clock, refusals by meaning."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.clocks import MarketClock, wall_ms
from common.exchanges.private import Credentials, Inquiry, InquiryFailed
from common.exchanges.protocol import RestRequest
from common.exchanges.registry import EXCHANGES, PRIVATE
from common.model.secret import Secret
from common.recovery import inquiring
from common.recovery.inquiring import Asker, Clocks, Inquirer
from common.recovery.rest import Rest
from tests.support.spending import Unlimited

SECRET = "s" * 32
ASKER = Asker(
    EXCHANGES["binance"], PRIVATE["binance"], "spot", Credentials(Secret("k" * 32), Secret(SECRET))
)
Answer = Callable[[web.Request], Awaitable[web.Response]]


class Exchange:
    """A server with a clock of its own; what it answers is the test's."""

    def __init__(self, answer: Answer) -> None:
        self.ahead_ms = 0
        self.asked: list[web.Request] = []
        self.times = 0
        self._answer = answer

    async def handle(self, request: web.Request) -> web.Response:
        if request.path.endswith("/time"):
            self.times += 1
            return web.json_response({"serverTime": wall_ms() + self.ahead_ms})
        self.asked.append(request)
        return await self._answer(request)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[Exchange, Inquirer, Unlimited]]:
    exchange = Exchange(answer)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", exchange.handle)
    async with TestServer(app) as server:
        purse = Unlimited()
        rest = Rest(str(server.make_url("/")), purse)
        try:
            yield exchange, Inquirer(rest, Clocks(rest, MarketClock())), purse
        finally:
            await rest.close()


def inquiry(cost: int = 20) -> Inquiry[bytes]:
    """One signed request; its body is what it finds out."""
    body = yield RestRequest(
        "https://api.binance.com/api/v3/account",
        {"omitZeroBalances": "true"},
        {"spot": cost} if cost else {},
        signed=True,
    )
    return body


async def fine(_: web.Request) -> web.Response:
    return web.json_response({"fine": True})


async def test_it_is_signed_by_the_exchanges_clock_and_the_clock_is_measured_once() -> None:
    async with serving(fine) as (exchange, inquirer, purse):
        exchange.ahead_ms = 3_600_000
        for _ in range(2):
            assert await inquirer.ask(ASKER, inquiry()) == b'{"fine": true}'
        request = exchange.asked[0]
        assert request.headers["X-MBX-APIKEY"] == "k" * 32
        assert request.query["omitZeroBalances"] == "true"
        assert abs(int(request.query["timestamp"]) - wall_ms() - 3_600_000) < 5_000
        assert request.query["signature"]
        assert exchange.times == 1
        assert purse.spent[-1][1] == {"spot": 20}


async def test_refused_for_the_time_it_is_measured_and_signed_anew() -> None:
    async def strict(request: web.Request) -> web.Response:
        if abs(int(request.query["timestamp"]) - wall_ms() - exchange.ahead_ms) < 5_000:
            return web.json_response({})
        return web.json_response({"code": -1021, "msg": "Timestamp"}, status=400)

    async with serving(strict) as (exchange, inquirer, _):
        await inquirer.ask(ASKER, inquiry())
        exchange.ahead_ms = -60_000
        assert await inquirer.ask(ASKER, inquiry()) == b"{}"
        assert (len(exchange.asked), exchange.times) == (3, 2)


async def test_refused_for_the_time_again_it_is_told() -> None:
    async def never(_: web.Request) -> web.Response:
        return web.json_response({"code": -1021, "msg": "Timestamp"}, status=400)

    async with serving(never) as (exchange, inquirer, _):
        with pytest.raises(InquiryFailed) as failed:
            await inquirer.ask(ASKER, inquiry())
        assert failed.value.trouble == "clock"
        assert len(exchange.asked) == 2


@pytest.mark.parametrize(
    ("status", "code", "trouble"),
    [(401, -2015, "key"), (400, -1022, "key"), (400, -1002, "permission"), (500, 0, "transient")],
)
async def test_what_a_refusal_means_is_told_and_holds_no_secret(
    status: int, code: int, trouble: str
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"code": code, "msg": "no"}, status=status)

    async with serving(refuse) as (_, inquirer, purse):
        with pytest.raises(InquiryFailed) as failed:
            await inquirer.ask(ASKER, inquiry())
        assert failed.value.trouble == trouble
        assert SECRET not in repr(failed.value.failure) + str(failed.value)
        assert purse.bans == []


async def test_a_limit_of_the_address_is_told_to_all_and_one_of_the_account_is_waited_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inquiring, "LEAST_WAIT_S", 0.01)
    answers = iter([429, 200])

    async def limited(_: web.Request) -> web.Response:
        status = next(answers, 429)
        body = {} if status == 200 else {"code": -1003, "msg": "Too many"}
        return web.json_response(body, status=status)

    async with serving(limited) as (exchange, inquirer, purse):
        assert await inquirer.ask(ASKER, inquiry(cost=0)) == b"{}"
        assert purse.bans == []
        with pytest.raises(InquiryFailed) as failed:
            await inquirer.ask(ASKER, inquiry(cost=0))
        assert (failed.value.trouble, len(exchange.asked)) == ("rate", 2 + 1 + inquiring.PATIENCE)
        with pytest.raises(InquiryFailed):
            await inquirer.ask(ASKER, inquiry())
        assert [name for name, _, _ in purse.bans] == ["binance"]


async def test_an_answer_that_cannot_be_read_is_one_that_failed() -> None:
    def reading() -> Inquiry[int]:
        body = yield RestRequest("https://api.binance.com/api/v3/account", signed=True)
        raise ArithmeticError(f"{len(body)} digits")

    async with serving(fine) as (_, inquirer, _):
        with pytest.raises(InquiryFailed) as failed:
            await inquirer.ask(ASKER, reading())
        assert failed.value.trouble == "transient"


async def test_a_secret_that_is_no_key_is_the_owners_to_mend() -> None:
    credentials = Credentials(Secret("k"), Secret("no pem"), kind="ed25519")
    asker = Asker(ASKER.exchange, ASKER.private, "spot", credentials)
    async with serving(fine) as (exchange, inquirer, _):
        with pytest.raises(InquiryFailed) as failed:
            await inquirer.ask(asker, inquiry())
        assert failed.value.trouble == "key"
        assert exchange.asked == []
