"""Signs of life: the pings an exchange demands, and the one that proves a silent peer alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from common.session.transport import Socket


class Heartbeat:
    """The pings of one connection.

    Args:
        socket: the connection.
        ping: the exchange's own ping as text, given a number; None for WebSocket pings.
        every_s: how often the exchange demands one; None where it does not.
        opened_s: machine time of the connection's beginning.
    """

    def __init__(
        self,
        socket: Socket,
        ping: Callable[[int], str] | None,
        every_s: float | None,
        opened_s: float,
    ) -> None:
        self._socket = socket
        self._ping = ping
        self._every_s = every_s
        self._sent_s = opened_s
        self._number = 0
        self._ponged = asyncio.Event()

    def is_due(self, now_s: float) -> bool:
        """Whether the exchange expects a ping now."""
        return self._every_s is not None and now_s - self._sent_s >= self._every_s

    async def send(self, now_s: float) -> None:
        """Send a ping. Raises ``SocketClosed``."""
        self._sent_s = now_s
        self._number += 1
        if self._ping is None:
            await self._socket.ping()
        else:
            await self._socket.send(self._ping(self._number))

    async def prove(self, now_s: float) -> None:
        """Return when the peer has answered a ping. Raises ``SocketClosed``."""
        if self._ping is None:
            await self._socket.probe()
            return
        self._ponged.clear()
        await self.send(now_s)
        await self._ponged.wait()

    def ponged(self) -> None:
        """The exchange answered."""
        self._ponged.set()
