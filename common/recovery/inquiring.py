"""Inquiries, driven: each request in its turn, signed as it is sent, its refusal told by what it means.

The exchange's clock is measured, not believed to be ours: a signature carries its time. A request that the
exchange refuses for the time, or in words that may mean it, is signed once more, after the clock was measured
anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeVar

import msgspec
from loguru import logger
from msgspec import Struct

from common.clocks import MarketClock, machine_s
from common.exchanges.private import Credentials, InquiryFailed, Private, PrivateRules, Trouble
from common.exchanges.protocol import Exchange, RestFailure, RestRequest
from common.exchanges.signing import BadKey
from common.exchanges.wire import STRANGE
from common.model.streams import Market
from common.recovery.rest import Rest, RestError

_T = TypeVar("_T")

# A clock that was measured so long ago is measured anew.
MEASURED_FOR_S = 600.0
# A limit of one account, not of the address, is waited out so often, at least so long.
PATIENCE = 3
LEAST_WAIT_S = 2.0
# A clock that differs by so much is told.
TOLD_MS = 1000


class Clock(Struct):
    """How an exchange's clock stands to ours."""

    offset_ms: int = 0
    measured_s: float | None = None


class Clocks:
    """The exchanges' clocks, as measured by REST.

    Args:
        rest: asks them.
        market: our own time, on the exchanges' scale.
    """

    def __init__(self, rest: Rest, market: MarketClock) -> None:
        self._rest = rest
        self._market = market
        self._clocks: dict[tuple[str, Market], Clock] = {}
        self._measuring: dict[tuple[str, Market], asyncio.Lock] = {}

    def now_ms(self, exchange: Exchange, market: Market) -> int:
        """The exchange's time, as well as it is known."""
        clock = self._clocks.get((exchange.name, market))
        return self._market.now_ms() + (clock.offset_ms if clock else 0)

    def doubt(self, exchange: Exchange, market: Market) -> None:
        """It is to be measured before it is needed again."""
        self._clocks.setdefault((exchange.name, market), Clock()).measured_s = None

    async def measure(self, exchange: Exchange, market: Market) -> None:
        """Make sure that it was measured lately.

        Raises:
            RestError: it could not be.
        """
        key = (exchange.name, market)
        async with self._measuring.setdefault(key, asyncio.Lock()):
            clock = self._clocks.setdefault(key, Clock())
            if clock.measured_s is not None and machine_s() - clock.measured_s < MEASURED_FOR_S:
                return
            clock.offset_ms = await self._offset_ms(exchange, market)
            clock.measured_s = machine_s()
            if abs(clock.offset_ms) > TOLD_MS:
                logger.bind(exchange=exchange.name, market=market, offset_ms=clock.offset_ms).info(
                    "the exchange's clock differs from ours"
                )

    async def _offset_ms(self, exchange: Exchange, market: Market) -> int:
        """What the way there and back explains is no difference: a slow answer is no slow clock."""
        sent_ms = 0

        def ready(request: RestRequest) -> RestRequest:
            # It may have waited long for its turn.
            nonlocal sent_ms
            sent_ms = self._market.now_ms()
            return request

        body = await self._rest.ask(exchange, exchange.time_request(market), ready=ready)
        took_ms = self._market.now_ms() - sent_ms
        # Half of the way is the answer's.
        offset_ms = exchange.parse_time(market, body) - sent_ms - took_ms // 2
        return 0 if abs(offset_ms) <= took_ms // 2 + 1 else offset_ms


class Asker(Struct, frozen=True):
    """On whose behalf an inquiry is made. ``urgent``: a stream waits for it."""

    exchange: Exchange
    private: Private
    market: Market
    credentials: Credentials
    urgent: bool = True


class Inquirer:
    """Asks an account's exchange.

    Args:
        rest: the client.
        clocks: the exchanges' time.
    """

    def __init__(self, rest: Rest, clocks: Clocks) -> None:
        self._rest = rest
        self._clocks = clocks

    async def ask(self, asker: Asker, inquiry: Generator[RestRequest, bytes, _T]) -> _T:
        """What an inquiry found out.

        Raises:
            InquiryFailed: it was refused, not answered, or not in a way that can be read.
        """
        # Also where nothing is asked: what is then said on a socket is signed by the same clock.
        await self._measure(asker)
        try:
            request = next(inquiry)
            while True:
                try:
                    body = await self._body(asker, request)
                except InquiryFailed as failed:
                    request = inquiry.throw(failed)
                else:
                    request = inquiry.send(body)
        except StopIteration as found:
            value: _T = found.value
            return value
        except BadKey as bad:
            raise InquiryFailed(RestFailure("config", str(bad)), "key") from None
        except STRANGE as error:
            raise _unread(error) from error

    async def _body(self, asker: Asker, request: RestRequest) -> bytes:
        again, patience = True, PATIENCE
        while True:
            try:
                return await self._once(asker, request)
            except InquiryFailed as failed:
                if again and _may_be_time(failed, asker.private.markets[asker.market]):
                    again = False
                    self._clocks.doubt(asker.exchange, asker.market)
                elif failed.trouble == "rate" and not request.cost and patience:
                    # A limit of this account alone: nobody else waits for it.
                    patience -= 1
                    await asyncio.sleep(max(LEAST_WAIT_S, failed.failure.retry_after_s or 0.0))
                else:
                    raise

    async def _once(self, asker: Asker, request: RestRequest) -> bytes:
        exchange, private, market = asker.exchange, asker.private, asker.market

        def ready(request: RestRequest) -> RestRequest:
            return private.sign(request, asker.credentials, self._clocks.now_ms(exchange, market))

        await self._measure(asker)
        try:
            answer = await self._rest.send(exchange, request, urgent=asker.urgent, ready=ready)
        except RestError as error:
            raise _unanswered(error) from error
        meant = private.trouble(answer.status, answer.headers, answer.body)
        if meant is None:
            return answer.body
        failure = exchange.rest_failure(answer.status, answer.headers, answer.body)
        if failure is None:
            failure = RestFailure("transient", f"HTTP {answer.status}")
        if request.cost:
            failure = await self._rest.refused(exchange, failure)
        raise InquiryFailed(failure, meant)

    async def _measure(self, asker: Asker) -> None:
        if not asker.private.markets[asker.market].asked:
            return
        try:
            await self._clocks.measure(asker.exchange, asker.market)
        except RestError as error:
            raise _unanswered(error) from error
        except msgspec.DecodeError as error:
            raise _unread(error) from error


def _may_be_time(failed: InquiryFailed, rules: PrivateRules) -> bool:
    return failed.trouble == "clock" or (failed.trouble == "key" and rules.time_reads_key)


def _unanswered(error: RestError) -> InquiryFailed:
    trouble: Trouble = "rate" if error.failure.reason == "rate" else "transient"
    return InquiryFailed(error.failure, trouble)


def _unread(error: Exception) -> InquiryFailed:
    detail = f"an answer cannot be read: {error}"
    return InquiryFailed(RestFailure("transient", detail[:200]), "transient")
