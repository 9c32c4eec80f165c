"""Inquiries that are refused for the time: signed again once the exchange's clock is known anew."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Generator
from typing import Any

import pytest

from common.clocks import MarketClock
from common.exchanges.coinbase import COINBASE
from common.exchanges.coinbase.account import opening
from common.exchanges.coinbase.private import COINBASE_PRIVATE
from common.exchanges.private import Credentials, InquiryFailed
from common.exchanges.protocol import RestRequest
from common.model.secret import Secret
from common.recovery.inquiring import Asker, Clocks, Inquirer
from common.recovery.rest import Answer
from simulator.accounts.keys import make_key

KEY = make_key(1, "a", "es256")
ACCOUNT = Credentials(Secret(KEY.key), Secret(KEY.secret), kind="es256")
ASKER = Asker(COINBASE, COINBASE_PRIVATE, "spot", ACCOUNT)


class Rest:
    """An exchange whose clock is ahead, and which knows the key or not."""

    def __init__(self, market: MarketClock, ahead_ms: int = 0, *, known: bool = True) -> None:
        self.market, self.ahead_ms, self.known = market, ahead_ms, known
        self.asked: list[str] = []
        # Until it is a request's turn, and until it is sent then.
        self.waits_s = self.connects_s = 0.0

    async def ask(self, _exchange: Any, request: RestRequest, *, ready: Any) -> bytes:
        self.asked.append(request.url.rpartition("/")[2])
        await asyncio.sleep(self.waits_s)
        ready(request)
        await asyncio.sleep(self.connects_s)
        return json.dumps({"epochMillis": str(self.now_ms())}).encode()

    async def send(
        self, _exchange: Any, request: RestRequest, *, urgent: bool, ready: Any
    ) -> Answer:
        self.asked.append(request.url.rpartition("/")[2])
        jwt = ready(request).headers["Authorization"].split(".")[1]
        claims = json.loads(urlsafe_b64decode(jwt + "=="))
        timely = claims["nbf"] * 1000 <= self.now_ms() < claims["exp"] * 1000
        if self.known and timely:
            return Answer(200, {}, b"{}")
        return Answer(401, {}, b"Unauthorized\n")

    async def refused(self, _exchange: Any, failure: Any) -> Any:
        return failure

    def now_ms(self) -> int:
        return self.market.now_ms() + self.ahead_ms


def inquirer(rest: Any) -> Inquirer:
    return Inquirer(rest, Clocks(rest, rest.market))


async def ask(it: Inquirer) -> str:
    return await it.ask(ASKER, opening("spot", ACCOUNT))


@pytest.mark.parametrize("ahead_ms", [-3_600_000, 0, 3_600_000])
async def test_a_clock_is_measured_before_the_first_token_is_made(ahead_ms: int) -> None:
    rest = Rest(MarketClock(), ahead_ms)
    assert (await ask(inquirer(rest))).startswith("wss://")
    assert rest.asked == ["time", "accounts"]


@pytest.mark.parametrize(("waits_s", "connects_s"), [(0.3, 0.0), (0.0, 0.3)])
async def test_what_took_long_is_no_difference_of_clocks(waits_s: float, connects_s: float) -> None:
    rest = Rest(MarketClock())
    rest.waits_s, rest.connects_s = waits_s, connects_s
    clocks = Clocks(rest, rest.market)  # type: ignore[arg-type]
    await clocks.measure(COINBASE, "spot")
    assert abs(clocks.now_ms(COINBASE, "spot") - rest.now_ms()) < 50
    rest.ahead_ms = 60_000
    clocks.doubt(COINBASE, "spot")
    await clocks.measure(COINBASE, "spot")
    assert abs(clocks.now_ms(COINBASE, "spot") - rest.now_ms()) < 50 + connects_s * 500


async def test_a_clock_in_doubt_is_measured_though_nothing_is_asked() -> None:
    """What follows may be said on a socket, and is signed by it there."""

    def nothing() -> Generator[RestRequest, bytes, str]:
        yield from ()
        return "opened"

    rest = Rest(MarketClock())
    clocks = Clocks(rest, rest.market)  # type: ignore[arg-type]
    it = Inquirer(rest, clocks)  # type: ignore[arg-type]
    for ahead_ms in (0, 60_000):
        rest.ahead_ms = ahead_ms
        clocks.doubt(COINBASE, "spot")
        assert await it.ask(ASKER, nothing()) == "opened"
        assert abs(clocks.now_ms(COINBASE, "spot") - rest.now_ms()) < 1_000
    assert rest.asked == ["time", "time"]


@pytest.mark.parametrize("ahead_ms", [-60_000, 300_000])
async def test_a_clock_that_was_set_since_is_not_taken_for_a_wrong_key(ahead_ms: int) -> None:
    rest = Rest(MarketClock())
    it = inquirer(rest)
    await ask(it)
    rest.ahead_ms, rest.asked = ahead_ms, []
    assert (await ask(it)).startswith("wss://")
    assert rest.asked == ["accounts", "time", "accounts"]
    await ask(it)
    assert rest.asked[3:] == ["accounts"], "what was learned is kept"


async def test_a_wrong_key_is_tried_once_more_and_no_oftener() -> None:
    rest = Rest(MarketClock(), known=False)
    with pytest.raises(InquiryFailed) as failed:
        await ask(inquirer(rest))
    assert failed.value.trouble == "key"
    assert rest.asked == ["time", "accounts", "time", "accounts"]
