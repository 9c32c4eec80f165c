"""The simulator inside a test: started on a free loopback port, ended with the ``async with``.

async with simulator(speed=60) as exchange:
    settings = ... exchange.url ...            # EXCHANGE_GATEWAY
    clock = exchange.clock                     # the market clock the product must share
    await exchange.control("fault", kind="cut", where={"host": "stream.binance.com"})
    candles = await exchange.truth("candles", exchange="binance", market="spot", ...)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from common.clocks import MarketClock
from simulator.server import Simulator, market_clock


class RunningSimulator:
    """A simulator that runs in this process, and its control and truth over HTTP."""

    def __init__(self, server: Simulator, http: aiohttp.ClientSession) -> None:
        self.server = server
        self._http = http

    @property
    def url(self) -> str:
        """The gateway URL."""
        return self.server.url

    @property
    def ws_url(self) -> str:
        """The same for WebSockets."""
        return self.url.replace("http", "ws", 1)

    @property
    def clock(self) -> MarketClock:
        """Market time here."""
        return self.server.world.clock

    async def control(self, what: str, **body: Any) -> Any:
        """``POST /control/<what>``; raises AssertionError with the reason if it is refused."""
        async with self._http.post(f"{self.url}/control/{what}", json=body) as answer:
            reply = await answer.json()
            assert answer.status == 200, reply
            return reply

    async def connections(self) -> list[dict[str, Any]]:
        """The open sockets, as control lists them."""
        async with self._http.get(f"{self.url}/control/connections") as answer:
            return await answer.json()

    async def counts(self) -> dict[str, dict[str, int]]:
        """What clients did since the start, by exchange."""
        async with self._http.get(f"{self.url}/control/counts") as answer:
            return await answer.json()

    async def truth(self, what: str, **query: Any) -> Any:
        """``GET /truth/<what>``. A parameter named after a Python word ends in ``_``: ``from_``."""
        params = {name.rstrip("_"): str(value) for name, value in query.items()}
        async with self._http.get(f"{self.url}/truth/{what}", params=params) as answer:
            reply = await answer.json()
            assert answer.status == 200, reply
            return reply

    async def rest(self, host: str, path: str, **query: Any) -> tuple[int, Any, dict[str, str]]:
        """A REST call as a client makes it: status, JSON, headers."""
        params = {name: str(value) for name, value in query.items()}
        async with self._http.get(f"{self.url}/{host}{path}", params=params) as answer:
            return answer.status, await answer.json(), dict(answer.headers)

    async def sockets(self, count: int, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """Wait until exactly ``count`` sockets are open."""
        async with asyncio.timeout(timeout_s):
            while len(found := await self.connections()) != count:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def simulator(
    *, speed: float = 1.0, seed: int = 1, replay: Path | None = None, port: int = 0
) -> AsyncIterator[RunningSimulator]:
    """Start one and end it."""
    server = Simulator(market_clock(speed), seed=seed, port=port, replay=replay)
    async with server, aiohttp.ClientSession() as http:
        yield RunningSimulator(server, http)
