"""The seam to the network: one small protocol, and the real thing on ``websockets``.

Bytes in, text out. Reconnecting is not done here: the library's own reconnecting iterator dials a
peer that accepts and closes more than a thousand times a second, and stops for good at a 429.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from common.exchanges.answers import seconds
from common.exchanges.protocol import Reason

# A frame beyond this ends the connection; what ``connection`` skips and counts is far below.
MAX_FRAME_BYTES = 64 * 1024 * 1024
# Frames the library may hold for us before it stops reading from the socket.
MAX_QUEUED_FRAMES = 64
CLOSE_S = 2.0


class SocketClosed(Exception):  # noqa: N818 - it names what happened
    """The connection is over. ``code`` is the close code, 1006 where none was received."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail


class DialFailed(Exception):  # noqa: N818 - it names what happened
    """No connection came about.

    ``status`` is the HTTP status, None if there was no answer; ``reason`` is set where the
    exchange has said what is wrong.
    """

    def __init__(
        self,
        detail: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        reason: Reason | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


class Socket(Protocol):
    """An open connection."""

    async def send(self, text: str) -> None:
        """Send one text message. Raises ``SocketClosed``."""

    async def receive(self) -> bytes:
        """The next message. Raises ``SocketClosed``."""

    async def ping(self) -> None:
        """Send a WebSocket ping. Raises ``SocketClosed``."""

    async def probe(self) -> None:
        """Return when the peer has answered a WebSocket ping. Raises ``SocketClosed``."""

    async def close(self) -> None:
        """End the connection; harmless on a closed one."""


Dial = Callable[[str], Awaitable[Socket]]


class WebSocket:
    """``Socket`` on the ``websockets`` library."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """See ``Socket``."""
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> bytes:
        """See ``Socket``. Undecoded: the bytes go to the parser as they came."""
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def ping(self) -> None:
        """See ``Socket``."""
        try:
            await self._connection.ping()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def probe(self) -> None:
        """See ``Socket``."""
        try:
            await (await self._connection.ping())
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self) -> None:
        """See ``Socket``."""
        await self._connection.close()


async def dial(url: str) -> Socket:
    """Open a WebSocket.

    Raises:
        DialFailed: refused, unreachable, or not a WebSocket at all.
    """
    try:
        # No keepalive of the library's: silence is judged in ``connection``, by cadence, and every
        # ping counts against the exchange's message limit.
        connection = await connect(
            url,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            max_queue=MAX_QUEUED_FRAMES,
            ping_interval=None,
            open_timeout=None,
            close_timeout=CLOSE_S,
        )
    except InvalidStatus as error:
        response = error.response
        wait = next(iter(response.headers.get_all("Retry-After")), "")
        raise DialFailed(
            f"HTTP {response.status_code}",
            status=response.status_code,
            retry_after_s=seconds(wait),
        ) from error
    except (WebSocketException, OSError, EOFError) as error:
        raise DialFailed(f"{type(error).__name__}: {error}") from error
    return WebSocket(connection)


def _closed(error: ConnectionClosed) -> SocketClosed:
    frame = error.rcvd or error.sent
    return SocketClosed(frame.code, frame.reason) if frame else SocketClosed(1006, str(error))
