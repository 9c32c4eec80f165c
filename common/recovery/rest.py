"""REST, asked with patience: bounded in time and size, answers classified by the exchange."""

from __future__ import annotations

import asyncio

import httpx

from common.exchanges.protocol import Exchange, RestFailure, RestRequest
from common.gateway import through

CONNECT_S = 5.0
ANSWER_S = 20.0
# The largest answer there is (a full instrument list) is below 20 MB.
ANSWER_BYTES = 64 * 1024 * 1024


class RestError(Exception):
    """An exchange's REST did not give an answer that can be used."""

    def __init__(self, failure: RestFailure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class Rest:
    """The REST client of one process, for all exchanges.

    Args:
        gateway: see ``common.gateway``.
    """

    def __init__(self, gateway: str | None) -> None:
        self._gateway = gateway
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=5),
        )

    async def ask(self, exchange: Exchange, request: RestRequest) -> bytes:
        """The body of a successful answer.

        Raises:
            RestError: refused, unreachable, too slow or too large; ``failure`` says what it means.
        """
        url = through(self._gateway, request.url)
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                self._client.stream(request.method, url, params=dict(request.params)) as response,
            ):
                body = await _read(response)
        except (httpx.HTTPError, TimeoutError) as error:
            detail = f"{request.url}: {type(error).__name__} {error}".strip()
            raise RestError(RestFailure("transient", detail)) from error
        failure = exchange.rest_failure(response.status_code, response.headers, body)
        if failure is not None:
            raise RestError(failure)
        return body

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
