"""A bare WebSocket client for these tests, and the questions they ask of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.simulator import RunningSimulator

SPOT = "/stream.binance.com"
LINEAR = "/fstream.binance.com"
INVERSE = "/dstream.binance.com"


class Wire:
    """One socket; messages come as (type, data) and JSON ones can be waited for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.socket.send_str(text)

    async def ask(self, method: str, *params: Any, id_: Any = 1) -> Any:
        """A request, and its answer (pushes in between are passed over)."""
        await self.say({"method": method, "params": list(params), "id": id_})
        return await self.until(lambda message: is_reply(message) and message.get("id") == id_)

    async def until(self, wanted: Callable[[Any], bool], timeout_s: float = 10.0) -> Any:
        """The first JSON message that is wanted."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.message()
                if wanted(message):
                    return message

    async def collect(self, wanted: Callable[[Any], bool], count: int) -> list[Any]:
        return [await self.until(wanted) for _ in range(count)]

    async def message(self) -> Any:
        """The next JSON message; a closed socket raises ``Closed``."""
        received = await self.raw()
        assert received.type is aiohttp.WSMsgType.TEXT, received
        return json.loads(received.data)

    async def raw(self, timeout_s: float = 10.0) -> aiohttp.WSMessage:
        async with asyncio.timeout(timeout_s):
            received = await self.socket.receive()
        if received.type in (
            aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR,
        ):  # fmt: skip
            raise Closed(self.socket.close_code, str(received.extra or ""))
        return received

    async def closed(self, timeout_s: float = 10.0) -> Closed:
        """Wait until it is closed."""
        async with asyncio.timeout(timeout_s):
            try:
                while True:
                    await self.raw()
            except Closed as closed:
                return closed

    async def silent_for(self, seconds: float) -> bool:
        """Whether nothing at all comes for so long."""
        try:
            await self.raw(seconds)
        except TimeoutError:
            return True
        return False


class Closed(Exception):  # noqa: N818
    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


@asynccontextmanager
async def dial(exchange: RunningSimulator, path: str, **headers: str) -> AsyncIterator[Wire]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            exchange.ws_url + path, headers=headers, autoping=True, max_msg_size=0
        ) as socket,
    ):
        yield Wire(socket)


def is_reply(message: Any) -> bool:
    return isinstance(message, dict) and ("result" in message or "error" in message)


def is_kline(message: Any, *, closed: bool | None = None) -> bool:
    event = message.get("data", message) if isinstance(message, dict) else message
    if not isinstance(event, dict) or event.get("e") != "kline":
        return False
    return closed is None or event["k"]["x"] is closed


def bar_of(message: Any) -> dict[str, Any]:
    return message.get("data", message)["k"]
