"""REST, asked with patience: bounded in time and size, answers classified by the exchange.

An exchange that limits us is left alone until its wait is over, by all that goes through one
``Rest``: its markets may share a budget, and every call during a ban makes the ban longer.
"""

from __future__ import annotations

import asyncio

import httpx

from common.clocks import machine_s
from common.exchanges.protocol import Exchange, RestFailure, RestRequest
from common.gateway import through

CONNECT_S = 5.0
ANSWER_S = 20.0
# The largest answer there is (a full instrument list) is below 20 MB.
ANSWER_BYTES = 64 * 1024 * 1024
# A limit that does not say for how long; budgets are counted by the minute.
RATE_WAIT_S = 60.0
# The longest ban there is; what says more is a mistake.
MOST_WAIT_S = 3 * 86_400.0


class RestError(Exception):
    """An exchange's REST did not give an answer that can be used."""

    def __init__(self, failure: RestFailure) -> None:
        super().__init__(failure.detail)
        self.failure = failure

    @property
    def wait_s(self) -> float:
        """For how long at least not to ask again; 0.0 if nothing was said about it."""
        told_s = min(self.failure.retry_after_s or 0.0, MOST_WAIT_S)
        return told_s or (RATE_WAIT_S if self.failure.reason == "rate" else 0.0)


class Rest:
    """The REST client of one process, for all exchanges.

    Args:
        gateway: see ``common.gateway``.
    """

    def __init__(self, gateway: str | None) -> None:
        self._gateway = gateway
        # By exchange, so there are as many as exchanges: what it said and until when it counts.
        self._limits: dict[str, tuple[RestFailure, float]] = {}
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=5),
        )

    async def ask(self, exchange: Exchange, request: RestRequest) -> bytes:
        """The body of a successful answer.

        Raises:
            RestError: refused, unreachable, too slow or too large; ``failure`` says what it means.
        """
        self._check_limit(exchange)
        url = through(self._gateway, request.url)
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                self._client.stream(request.method, url, params=dict(request.params)) as response,
            ):
                body = await _read(response)
        except (httpx.HTTPError, TimeoutError) as problem:
            detail = f"{request.url}: {type(problem).__name__} {problem}".strip()
            raise RestError(RestFailure("transient", detail)) from problem
        failure = exchange.rest_failure(response.status_code, response.headers, body)
        if failure is not None:
            error = RestError(failure)
            if failure.reason == "rate":
                self._limits[exchange.name] = (failure, machine_s() + error.wait_s)
            raise error
        return body

    async def answer(self, exchange: Exchange, request: RestRequest) -> bytes | RestFailure:
        """The body of a successful answer, or what a failure means."""
        try:
            return await self.ask(exchange, request)
        except RestError as error:
            return error.failure

    def _check_limit(self, exchange: Exchange) -> None:
        failure, until_s = self._limits.get(exchange.name, (None, 0.0))
        if failure is None:
            return
        left_s = until_s - machine_s()
        if left_s > 0:
            raise RestError(RestFailure(failure.reason, failure.detail, left_s))
        del self._limits[exchange.name]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _read(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > ANSWER_BYTES:
            raise RestError(RestFailure("transient", f"answer over {ANSWER_BYTES} bytes"))
        parts.append(part)
    return b"".join(parts)
