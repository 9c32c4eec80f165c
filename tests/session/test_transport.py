"""The real transport, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Request, Response, Server, ServerConnection, serve
from websockets.datastructures import Headers

from common.session.transport import DialFailed, SocketClosed, dial

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler, refusal: Response | None = None) -> AsyncIterator[str]:
    def answer(connection: ServerConnection, request: Request) -> Response | None:
        return refusal

    server: Server
    async with serve(handler, "127.0.0.1", 0, process_request=answer) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_text_goes_out_and_bytes_come_in() -> None:
    async with served(echo) as url:
        socket = await dial(url)
        await socket.send('{"币":1}')
        assert await socket.receive() == '{"币":1}'.encode()
        await socket.probe()
        await socket.close()


async def test_the_peers_close_code_is_told() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(1008, "too many messages")

    async with served(close) as url:
        socket = await dial(url)
        with pytest.raises(SocketClosed) as ended:
            await socket.receive()
        assert (ended.value.code, ended.value.detail) == (1008, "too many messages")
        with pytest.raises(SocketClosed):
            await socket.send("x")


async def test_a_cut_is_1006() -> None:
    async def cut(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with served(cut) as url:
        socket = await dial(url)
        with pytest.raises(SocketClosed) as ended:
            await socket.receive()
        assert ended.value.code == 1006


async def test_a_large_frame_is_delivered() -> None:
    async def flood(connection: ServerConnection) -> None:
        await connection.send(b"x" * 20_000_000)
        await connection.wait_closed()

    async with served(flood) as url:
        socket = await dial(url)
        assert len(await socket.receive()) == 20_000_000
        await socket.close()


async def test_a_refused_handshake_tells_status_and_wait() -> None:
    refusal = Response(HTTPStatus.TOO_MANY_REQUESTS, "", Headers({"Retry-After": "17"}), b"")
    async with served(echo, refusal) as url:
        with pytest.raises(DialFailed) as failed:
            await dial(url)
        assert (failed.value.status, failed.value.retry_after_s) == (429, 17.0)


async def test_two_waits_are_no_reason_to_fall_over() -> None:
    waits = Headers([("Retry-After", "17"), ("Retry-After", "20")])
    refusal = Response(HTTPStatus.TOO_MANY_REQUESTS, "", waits, b"")
    async with served(echo, refusal) as url:
        with pytest.raises(DialFailed) as failed:
            await dial(url)
        assert failed.value.retry_after_s == 17.0


async def test_nobody_there_is_a_failed_dial() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(DialFailed) as failed:
        await dial(f"ws://127.0.0.1:{port}/")
    assert failed.value.status is None
    server.close()
    await server.wait_closed()
    with pytest.raises(DialFailed):
        await dial(f"ws://127.0.0.1:{port}/")
