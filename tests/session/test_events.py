"""A socket.io connection as a socket, against the simulator's service: opened, heard, cut, refused."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from common.session.events import MOST_WAITING, EventSocket, dial_events
from common.session.transport import DialFailed, Socket, SocketClosed
from tests.simulator.paper_accounts import SUBSCRIBED, Owner, an_owner
from tests.support.limits import losing_cancellations
from tests.support.simulator import RunningSimulator, simulator
from tests.support.waiting import until


@asynccontextmanager
async def opened(exchange: RunningSimulator) -> AsyncIterator[Socket]:
    socket = await dial_events(exchange.ws_url)
    try:
        yield socket
    finally:
        await socket.close()


async def heard(socket: Socket) -> Any:
    async with asyncio.timeout(5):
        return json.loads(await socket.receive())


async def subscribe(socket: Socket, owner: Owner) -> None:
    for event in ("subscribeOrder", "subscribeOutboundAccountInfo"):
        await socket.send(json.dumps([event, owner.keys]))
    assert await heard(socket) == ["order", SUBSCRIBED]
    assert await heard(socket) == ["outboundAccountInfo", SUBSCRIBED]


async def test_events_are_frames_in_order_and_numbers_as_they_were_written() -> None:
    async with simulator() as exchange, opened(exchange) as socket:
        owner = await an_owner(exchange)
        await subscribe(socket, owner)
        order = await owner.place("1", "60000.01")
        await owner.do("fill", order=order["order"], quantity="0.00001")
        names, rows = [], []
        for _ in range(4):
            event, message = await heard(socket)
            names.append(event)
            rows.append(message["data"])
        assert names == ["outboundAccountInfo", "order"] * 2
        assert (rows[1]["price"], rows[1]["amount"]) == ("60000.01", "1")
        assert rows[3]["filledAmount"] == "1e-05"


async def test_a_cut_is_told_and_nothing_more_can_be_sent() -> None:
    async with simulator() as exchange, opened(exchange) as socket:
        await subscribe(socket, await an_owner(exchange))
        await exchange.control("fault", kind="cut", where={"exchange": "paper"})
        with pytest.raises(SocketClosed):
            await heard(socket)
        with pytest.raises(SocketClosed):
            await socket.send('["subscribeOrder", {}]')
        with pytest.raises(SocketClosed):
            await socket.probe()


async def test_what_was_said_before_the_end_is_heard_before_it() -> None:
    async with simulator() as exchange, opened(exchange) as socket:
        owner = await an_owner(exchange)
        await subscribe(socket, owner)
        for _ in range(20):
            await owner.place("1", "100")
        (client,) = exchange.server.paper._clients.values()
        await until(lambda: client.sent == 42)
        await exchange.server.paper._server.disconnect(client.sid, namespace="/")
        names = [(await heard(socket))[0] for _ in range(40)]
        assert names.count("order") == 20
        with pytest.raises(SocketClosed):
            await heard(socket)


async def test_it_is_closed_once_and_again() -> None:
    async with simulator() as exchange:
        socket = await dial_events(exchange.ws_url)
        await socket.ping()
        await exchange.sockets(1)
        await socket.close()
        await socket.close()
        assert await exchange.sockets(0) == []
        with pytest.raises(SocketClosed):
            await socket.receive()


async def test_who_does_not_read_is_told_so_at_the_end() -> None:
    async with simulator() as exchange:
        socket = await dial_events(exchange.ws_url)
        assert isinstance(socket, EventSocket)
        for _ in range(MOST_WAITING + 1):
            socket._heard("order", {})
        for _ in range(MOST_WAITING):
            await socket.receive()
        with pytest.raises(SocketClosed, match="more came"):
            await socket.receive()
        await socket.close()


async def test_nobody_there_is_told_as_a_dial_that_failed() -> None:
    async with simulator() as exchange:
        gone = exchange.ws_url
    with pytest.raises(DialFailed):
        await dial_events(gone)


@pytest.mark.parametrize("answer", ["page", "words", "nothing"])
async def test_another_service_is_told_as_a_dial_that_failed(answer: str) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        if answer == "page":
            return web.Response(text="hello")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if answer == "words":
            await socket.send_str("hello")
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr, attr-defined]
    try:
        with pytest.raises(DialFailed):
            await dial_events(f"ws://127.0.0.1:{port}")
    finally:
        await runner.cleanup()


async def test_being_told_to_end_is_never_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = losing_cancellations(monkeypatch)
    async with simulator() as exchange, opened(exchange):
        pass
    assert lost == []


async def test_no_transport_but_websocket_is_used() -> None:
    async with simulator() as exchange, aiohttp.ClientSession() as http:
        async with http.get(f"{exchange.url}/socket.io/?EIO=4&transport=polling") as answer:
            assert answer.status == 400
        async with opened(exchange):
            await exchange.sockets(1)


async def test_what_is_sent_is_in_no_log() -> None:
    out = io.StringIO()
    handler, root = logging.StreamHandler(out), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        async with simulator() as exchange, opened(exchange) as socket:
            owner = await an_owner(exchange)
            await subscribe(socket, owner)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert owner.keys["key"] not in out.getvalue()
    assert owner.keys["secret"] not in out.getvalue()
