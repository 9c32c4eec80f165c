"""A socket.io connection as a ``Socket``: a frame is an event's name and what it says, as JSON.

The library's own reconnecting is off: what follows the end of a connection is decided where that of every
other is. It writes every packet it sends into its log, and subscriptions hold secrets: it logs nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import msgspec
from socketio import AsyncClient
from socketio.exceptions import SocketIOError
from socketio.packet import Packet

from common.session.transport import DialFailed, Socket, SocketClosed

# What the service may take to open the connection, after the socket is open.
OPEN_S = 10.0
# What it may take to say goodbye.
CLOSE_S = 2.0
# What has come and was not taken: the reader takes at once, so this is a loop that stands still.
MOST_WAITING = 10_000
_ABNORMAL = 1006

_silent = logging.getLogger(f"{__name__}.silent")
_silent.disabled = True


class _Json:
    """Numbers stay as they were written."""

    dumps = staticmethod(json.dumps)

    @staticmethod
    def loads(text: str) -> Any:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


class _Exact(Packet):  # type: ignore[misc]
    json = _Json


class EventSocket:
    """``Socket`` on the ``socketio`` library."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._frames: asyncio.Queue[bytes | SocketClosed] = asyncio.Queue()
        client.on("*", self._heard)
        client.on("disconnect", self._ended)

    def _heard(self, event: str, *data: Any) -> None:
        if self._frames.qsize() < MOST_WAITING:
            self._frames.put_nowait(msgspec.json.encode((event, *data)))
        else:
            self._end("more came than was taken")

    def _ended(self, reason: str = "") -> None:
        # Events are handed out by tasks of their own: those that came before it come before it.
        asyncio.get_running_loop().call_soon(self._end, str(reason))

    def _end(self, reason: str) -> None:
        self._frames.put_nowait(SocketClosed(_ABNORMAL, reason))

    async def send(self, text: str) -> None:
        """See ``Socket``: ``[event, data]``."""
        event, *data = msgspec.json.decode(text)
        try:
            await self._client.emit(event, tuple(data))
        except SocketIOError as error:
            raise SocketClosed(_ABNORMAL, type(error).__name__) from error

    async def receive(self) -> bytes:
        """See ``Socket``."""
        frame = await self._frames.get()
        if isinstance(frame, SocketClosed):
            raise frame
        return frame

    async def ping(self) -> None:
        """See ``Socket``."""
        try:
            await self._client.eio.ws.ping()
        except ConnectionError as error:
            raise SocketClosed(_ABNORMAL, type(error).__name__) from error

    async def probe(self) -> None:
        """See ``Socket``; whether it was answered is not told by the library."""
        await self.ping()

    async def close(self) -> None:
        """See ``Socket``."""
        await self._client.disconnect()


async def dial_events(url: str) -> Socket:
    """Open a connection, by WebSocket alone.

    Raises:
        DialFailed: refused, unreachable, or no socket.io at all.
    """
    client = AsyncClient(
        reconnection=False,
        handle_sigint=False,
        serializer=_Exact,
        logger=_silent,
        engineio_logger=_silent,
        request_timeout=CLOSE_S,
    )
    socket = EventSocket(client)
    try:
        async with asyncio.timeout(OPEN_S):
            # None: the library would keep a limit by ``asyncio.wait_for``, which on Python 3.11
            # loses a cancellation that comes in the same moment as the end.
            await client.connect(url, transports=["websocket"], namespaces="/", wait_timeout=None)
    except Exception as error:  # who answers otherwise than the protocol says is no such service
        await client.disconnect()
        raise DialFailed(f"{type(error).__name__}: {error}") from error
    except BaseException:
        await client.disconnect()
        raise
    return socket
