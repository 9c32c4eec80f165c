"""The wire that fails on demand: cut, frozen, half-open, slow, and whole again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from common.clocks import machine_s
from scripts.chaos.proxy import HOST, Proxy
from scripts.children import free_port
from tests.support.waiting import until

SILENCE_S = 0.2


class Echo:
    """What is behind the proxy: says everything again, and knows how many speak to it."""

    def __init__(self) -> None:
        self.open = 0
        self.heard = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while piece := await reader.read(1000):
                self.heard += piece
                writer.write(piece)
                await writer.drain()
            writer.close()
        except ConnectionError:
            pass
        finally:
            self.open -= 1


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def hears(self, text: bytes) -> None:
        async with asyncio.timeout(5):
            assert await self.reader.readexactly(len(text)) == text

    async def ask(self, text: bytes) -> None:
        await self.say(text)
        await self.hears(text)

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENCE_S):
                await self.reader.read(1)

    async def is_reset(self) -> bool:
        """Whether the connection ends by a reset: not in order, and not by a word."""
        try:
            async with asyncio.timeout(5):
                await self.reader.read(1)
        except ConnectionError:
            return True
        return False


class Wire:
    def __init__(self, proxy: Proxy, echo: Echo) -> None:
        self.proxy, self.echo = proxy, echo
        self._clients: list[Client] = []

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection(HOST, self.proxy.port))
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.writer.transport.abort()


@asynccontextmanager
async def wired() -> AsyncIterator[Wire]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, HOST, 0)
    async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        wire = Wire(proxy, echo)
        yield wire
        wire.close()


async def test_what_is_said_passes_both_ways_and_so_does_the_end() -> None:
    async with wired() as wire:
        client = await wire.client()
        big = b"x" * 1_000_000
        asking = asyncio.create_task(client.say(big))
        await client.hears(big)
        await asking
        client.writer.write_eof()
        async with asyncio.timeout(5):
            assert await client.reader.read() == b""
        await until(lambda: wire.echo.open == 0)


async def test_a_cut_resets_both_ends_and_the_next_connection_is_whole() -> None:
    async with wired() as wire:
        clients = [await wire.client() for _ in range(2)]
        for client in clients:
            await client.ask(b"a")
        assert wire.proxy.cut() == 2
        for client in clients:
            assert await client.is_reset()
        await until(lambda: wire.echo.open == 0)
        await (await wire.client()).ask(b"b")


async def test_what_is_frozen_is_only_late() -> None:
    async with wired() as wire:
        client = await wire.client()
        await client.ask(b"a")
        with wire.proxy.frozen() as hit:
            assert hit == 1
            await client.say(b"b")
            await client.hears_nothing()
            assert wire.echo.heard == b"a"
        await client.hears(b"b")


async def test_half_open_swallows_both_ways_and_says_no_word() -> None:
    async with wired() as wire:
        client = await wire.client()
        await client.ask(b"a")
        with wire.proxy.half_open() as hit:
            assert hit == 1
            await client.say(b"b")
            await client.hears_nothing()
            late = await wire.client()  # is accepted, and swallowed
            await late.say(b"c")
            await late.hears_nothing()
        assert wire.echo.heard == b"a"


async def test_what_was_half_open_stays_dead_after_the_wire_has_healed() -> None:
    async with wired() as wire:
        client = await wire.client()
        await client.ask(b"a")
        with wire.proxy.half_open():
            pass
        await client.say(b"b")
        await client.hears_nothing()
        assert wire.echo.heard == b"a"
        await (await wire.client()).ask(b"c")


async def test_one_connection_may_be_half_open_and_the_others_whole() -> None:
    async with wired() as wire:
        clients = [await wire.client() for _ in range(3)]
        for client in clients:
            await client.ask(b"a")
        assert wire.proxy.half_open_one(0.5) == 1
        await clients[1].say(b"b")
        await clients[1].hears_nothing()
        await clients[0].ask(b"c")
        await clients[2].ask(b"d")
        assert wire.proxy.half_open_one(0.99) == 1
        await clients[2].say(b"e")
        await clients[2].hears_nothing()


async def test_of_no_connection_none_can_be_half_open() -> None:
    async with wired() as wire:
        assert wire.proxy.half_open_one(0.0) == 0


async def test_a_half_open_connection_does_not_say_that_the_other_end_is_gone() -> None:
    async with wired() as wire:
        client = await wire.client()
        await client.ask(b"a")
        assert wire.proxy.half_open_one(0.0) == 1
        client.writer.transport.abort()
        other = await wire.client()
        await other.ask(b"b")
        assert wire.echo.open == 2


async def test_a_slow_wire_delays_each_piece_until_it_is_healed() -> None:
    async with wired() as wire:
        client = await wire.client()
        await client.ask(b"a")
        with wire.proxy.slow(0.1):
            began_s = machine_s()
            await client.ask(b"b")
            assert machine_s() - began_s >= 0.2  # there and back
        began_s = machine_s()
        await client.ask(b"c")
        assert machine_s() - began_s < 0.1


async def test_nothing_behind_it_is_a_reset() -> None:
    async with Proxy(free_port()) as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        assert await Client(reader, writer).is_reset()


async def test_the_end_of_the_proxy_is_the_end_of_its_connections() -> None:
    async with wired() as wire:
        client = await wire.client()
        await client.ask(b"a")
        async with Proxy(wire.proxy.port) as outer:
            through = Client(*await asyncio.open_connection(HOST, outer.port))
            await through.ask(b"b")
        assert await through.is_reset()
        await client.ask(b"c")
