"""REST, asked with patience: bounded in time and size, answers classified by the exchange.

Every call is taken from the budgets of the address first, which all processes on it share. An
exchange that limits us is left alone by all of them until its wait is over: its markets may share a
budget, and every call during a ban makes the ban longer.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import anyio
import httpx

from common.exchanges.budget import refused_s
from common.exchanges.protocol import Exchange, RestFailure, RestRequest
from common.exchanges.spending import Spending
from common.gateway import through

CONNECT_S = 5.0
ANSWER_S = 20.0
CLOSE_S = 2.0
# So many requests of one host are on their way together; the others wait for their turn. An exchange
# that does not answer takes nothing from another.
AT_ONCE = 20
# The largest answer there is (a full instrument list) is below 20 MB.
ANSWER_BYTES = 64 * 1024 * 1024


class Answer(NamedTuple):
    """What an exchange answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# Makes a request as it is sent.
Ready = Callable[[RestRequest], RestRequest]


class RestError(Exception):
    """An exchange's REST did not give an answer that can be used."""

    def __init__(self, failure: RestFailure) -> None:
        super().__init__(failure.detail)
        self.failure = failure

    @property
    def wait_s(self) -> float:
        """For how long at least not to ask again; 0.0 if nothing was said about it."""
        return self.failure.retry_after_s or 0.0


class Rest:
    """The REST client of one process, for all exchanges.

    Args:
        gateway: see ``common.gateway``.
        spending: the budgets of the address.
    """

    def __init__(self, gateway: str | None, spending: Spending) -> None:
        self._gateway = gateway
        self._spending = spending
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            # Nobody waits within the library: who is given up there in the moment of getting a
            # connection leaves that one taken for good.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE),
        )
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(
            partial(asyncio.Semaphore, AT_ONCE)
        )
        self._exchanges: set[asyncio.Task[Answer]] = set()

    async def ask(
        self,
        exchange: Exchange,
        request: RestRequest,
        *,
        urgent: bool = True,
        ready: Ready | None = None,
    ) -> bytes:
        """The body of a successful answer, as soon as it is the request's turn.

        ``urgent``: streams wait for it. ``ready``: see ``send``.

        Raises:
            RestError: refused, unreachable, too slow or too large, or not to be asked now;
                ``failure`` says what it means.
        """
        answer = await self.send(exchange, request, urgent=urgent, ready=ready)
        failure = exchange.rest_failure(answer.status, answer.headers, answer.body)
        if failure is not None:
            raise RestError(await self.refused(exchange, failure))
        return answer.body

    async def send(
        self,
        exchange: Exchange,
        request: RestRequest,
        *,
        urgent: bool = True,
        ready: Ready | None = None,
    ) -> Answer:
        """What was answered, whatever it means.

        ``ready`` makes the request as it is sent, when it is its turn: a signature holds for seconds.

        Raises:
            RestError: unreachable, too slow or too large, or not to be asked now.
        """
        pause = await self._spending.spend(exchange, request.cost, request.url, urgent=urgent)
        if pause is not None:
            raise RestError(RestFailure("rate", pause.detail, pause.wait_s))
        try:
            answer = await self._in_turn(request, ready or _as_it_is)
        except (httpx.HTTPError, TimeoutError) as problem:
            # Of a request that was made ready nothing may be told but what it was before.
            detail = f"{request.url}: {type(problem).__name__} {problem}".strip()
            raise RestError(RestFailure("transient", detail)) from problem
        used = exchange.used(request, answer.headers)
        if used is not None:
            await self._spending.learn(exchange, used)
        return answer

    async def _in_turn(self, request: RestRequest, ready: Ready) -> Answer:
        """Sent in a task of its own, which ends by its scope alone.

        The library cleans up within it. A task that is cancelled while it does keeps a connection.
        """
        turn = self._turns[urlsplit(request.url).netloc]
        async with asyncio.timeout(ANSWER_S):
            await turn.acquire()
        scope = anyio.CancelScope(deadline=anyio.current_time() + ANSWER_S)
        exchange = asyncio.create_task(self._exchanged(request, ready, scope), name=request.url)
        self._exchanges.add(exchange)
        exchange.add_done_callback(partial(self._ended, turn))
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            scope.cancel()
            raise

    def _ended(self, turn: asyncio.Semaphore, exchange: asyncio.Task[Answer]) -> None:
        turn.release()
        self._exchanges.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # who asked has it; where nobody asks any more it is of no use

    async def _exchanged(
        self, request: RestRequest, ready: Ready, scope: anyio.CancelScope
    ) -> Answer:
        sent = ready(request)
        with scope:
            async with self._client.stream(
                sent.method,
                through(self._gateway, sent.url),
                # None: a query that is in the address stays as it was signed.
                params=dict(sent.params) or None,
                headers=dict(sent.headers),
                content=sent.body or None,
            ) as response:
                body = await _read(response)
                return Answer(response.status_code, response.headers, body)
        raise TimeoutError

    async def refused(self, exchange: Exchange, failure: RestFailure) -> RestFailure:
        """A failure, of which all processes on the address learn if it is for a limit of it."""
        if failure.reason != "rate":
            return failure
        wait_s = refused_s(failure.retry_after_s, exchange.budgets)
        await self._spending.ban(exchange, wait_s, failure.detail)
        return RestFailure(failure.reason, failure.detail, wait_s)

    async def answer(self, exchange: Exchange, request: RestRequest) -> bytes | RestFailure:
        """The body of a successful answer, or what a failure means."""
        try:
            return await self.ask(exchange, request)
        except RestError as error:
            return error.failure

    async def close(self) -> None:
        """Close the connections."""
        for exchange in self._exchanges:
            exchange.cancel()
        if self._exchanges:
            await asyncio.wait(self._exchanges, timeout=CLOSE_S)
        await self._client.aclose()


def _as_it_is(request: RestRequest) -> RestRequest:
    return request


async def _read(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > ANSWER_BYTES:
            raise RestError(RestFailure("transient", f"answer over {ANSWER_BYTES} bytes"))
        parts.append(part)
    return b"".join(parts)
