"""A TCP proxy between the fleet and what it speaks to, where the wire itself can fail.

Whole wire (``cut``, ``frozen``, ``half_open``, ``slow``) or one connection (``half_open_one``):

- cut: both ends of every connection get a reset, without a word before it.
- frozen: nothing passes, nothing is lost; it goes on when the wire thaws.
- half-open: everything is accepted and swallowed both ways, ends of connections included. What was
  swallowed is lost for good, so such a connection stays dead after the wire has healed.
- slow: every piece takes so much longer, and no more than one piece is on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Self

from scripts.children import free_port

PIECE_BYTES = 65_536
DIAL_S = 5.0
# An end that does not read for so long is left alone.
DRAIN_S = 120.0
HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """One listening port before one upstream port. An async context manager."""

    def __init__(self, upstream_port: int, *, port: int | None = None) -> None:
        self.port = port or free_port()
        self._upstream_port = upstream_port
        self._pipes: dict[_Pipe, asyncio.Task[None]] = {}
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._half_open = False
        self.delay_s = 0.0
        self._server: asyncio.Server | None = None

    # --- faults -------------------------------------------------------------------------------

    def cut(self) -> int:
        """Reset all connections; how many there were."""
        pipes = list(self._pipes)
        for pipe in pipes:
            pipe.reset()
        return len(pipes)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[int]:
        """Nothing passes as long as it lasts; gives how many connections there are."""
        self._thawed.clear()
        try:
            yield len(self._pipes)
        finally:
            self._thawed.set()

    @contextlib.contextmanager
    def half_open(self) -> Iterator[int]:
        """All connections, and those made as long as it lasts, are half-open; gives how many."""
        self._half_open = True
        for pipe in self._pipes:
            pipe.swallows = True
        try:
            yield len(self._pipes)
        finally:
            self._half_open = False

    def half_open_one(self, pick: float) -> int:
        """One connection that is whole becomes half-open, the share ``pick`` of them; 0 if none."""
        whole = [pipe for pipe in self._pipes if not pipe.swallows]
        if not whole:
            return 0
        whole[int(pick * len(whole))].swallows = True
        return 1

    @contextlib.contextmanager
    def slow(self, delay_s: float) -> Iterator[int]:
        """Every piece takes so much longer; gives how many connections there are."""
        self.delay_s = delay_s
        try:
            yield len(self._pipes)
        finally:
            self.delay_s = 0.0

    # --- life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        tasks = list(self._pipes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        pipe = _Pipe(reader, writer, swallows=self._half_open)
        self._pipes[pipe] = task
        try:
            await pipe.run(self)
        except (OSError, TimeoutError):
            pipe.reset()
        except asyncio.CancelledError:
            # The proxy ends: asyncio's own callback of a connection must not see it.
            pipe.reset()
        finally:
            del self._pipes[pipe]

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to what is behind."""
        async with asyncio.timeout(DIAL_S):
            return await asyncio.open_connection(HOST, self._upstream_port)

    async def passes(self) -> None:
        """Return when the next piece may pass."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self._thawed.wait()  # as long as the wire is frozen, which its ``frozen`` bounds


class _Pipe:
    """One connection through the proxy."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, swallows: bool
    ) -> None:
        self._client = (reader, writer)
        self._upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.swallows = swallows

    async def run(self, proxy: Proxy) -> None:
        """Pass on until both ends have ended."""
        if self.swallows:
            await _swallow(self._client[0])
            self.reset()
            return
        self._upstream = await proxy.dial()
        (client_in, client_out), (upstream_in, upstream_out) = self._client, self._upstream
        there = asyncio.create_task(self._pump(proxy, client_in, upstream_out))
        back = asyncio.create_task(self._pump(proxy, upstream_in, client_out))
        try:
            await asyncio.gather(there, back)
            await self._close()
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _pump(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while piece := await self._read(reader):
            await proxy.passes()
            if not self.swallows:
                writer.write(piece)
                async with asyncio.timeout(DRAIN_S):
                    await writer.drain()
        if not self.swallows and writer.can_write_eof():
            writer.write_eof()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """The next piece; a connection that swallows also swallows that it was reset."""
        try:
            return await reader.read(PIECE_BYTES)
        except ConnectionError:
            if self.swallows:
                return b""
            raise

    async def _close(self) -> None:
        """Both have ended: what is on its way still arrives."""
        for _, writer in self._ends():
            writer.close()
            async with asyncio.timeout(DRAIN_S):
                await writer.wait_closed()

    def _ends(self) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        return [self._client] if self._upstream is None else [self._client, self._upstream]

    def reset(self) -> None:
        """Both ends get a reset."""
        for _, writer in self._ends():
            known = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                known.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


async def _swallow(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(PIECE_BYTES):
            pass


@asynccontextmanager
async def proxies(*upstream_ports: int) -> AsyncIterator[tuple[Proxy, ...]]:
    """A proxy before each of these ports."""
    async with contextlib.AsyncExitStack() as stack:
        yield tuple([await stack.enter_async_context(Proxy(port)) for port in upstream_ports])
