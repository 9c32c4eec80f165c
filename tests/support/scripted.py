"""The transport's scripted twin: the test is the exchange."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from common.session.transport import DialFailed, SocketClosed


class ScriptedSocket:
    """A socket whose other end is in the test's hands."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[str] = asyncio.Queue()
        self.closed = False
        self.answers_probes = True
        self.hangs_on_close = False
        self.probes = 0
        self._frames: asyncio.Queue[bytes | SocketClosed] = asyncio.Queue()

    # the exchange's side

    def push(self, message: Any) -> None:
        """Send a frame to the worker: bytes as they are, anything else as JSON."""
        frame = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._frames.put_nowait(frame)

    def drop(self, code: int = 1006, detail: str = "") -> None:
        """End the connection."""
        self._frames.put_nowait(SocketClosed(code, detail))

    async def said(self, timeout_s: float = 30.0) -> str:
        """The next thing the worker sends, as it is."""
        async with asyncio.timeout(timeout_s):
            return await self.sent.get()

    async def request(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """The next thing the worker sends."""
        return json.loads(await self.said(timeout_s))

    async def serve_acks(self) -> None:
        """Accept every request until cancelled."""
        while True:
            self.push({"result": None, "id": json.loads(await self.sent.get())["id"]})

    # the worker's side

    async def send(self, text: str) -> None:
        if self.closed:
            raise SocketClosed(1006, "closed")
        self.sent.put_nowait(text)

    async def receive(self) -> bytes:
        if self.closed:
            raise SocketClosed(1000, "closed by us")
        frame = await self._frames.get()
        if isinstance(frame, SocketClosed):
            self.closed = True
            raise frame
        return frame

    async def ping(self) -> None:
        if self.closed:
            raise SocketClosed(1006, "closed")

    async def probe(self) -> None:
        self.probes += 1
        if not self.answers_probes:
            await asyncio.Event().wait()

    async def close(self) -> None:
        if self.hangs_on_close:
            await asyncio.Event().wait()
        self.closed = True
        self._frames.put_nowait(SocketClosed(1000, "closed by us"))


class ScriptedExchange:
    """Answers dials, one after the other; each accepted one is a ``ScriptedSocket``."""

    def __init__(self) -> None:
        self.dials: list[tuple[float, str]] = []
        self.sockets: asyncio.Queue[ScriptedSocket] = asyncio.Queue()
        self.refusals: list[DialFailed] = []
        self.refuse_always: DialFailed | None = None

    async def address(self) -> str:
        """Where to dial."""
        return "ws://exchange"

    async def dial(self, url: str) -> ScriptedSocket:
        self.dials.append((asyncio.get_running_loop().time(), url))
        if self.refusals:
            raise self.refusals.pop(0)
        if self.refuse_always is not None:
            raise self.refuse_always
        socket = ScriptedSocket()
        self.sockets.put_nowait(socket)
        return socket

    async def accepted(self, timeout_s: float = 300.0) -> ScriptedSocket:
        """The next connection."""
        async with asyncio.timeout(timeout_s):
            return await self.sockets.get()
