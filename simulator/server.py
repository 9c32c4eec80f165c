"""One port: WebSocket and REST of every exchange, told apart by the production host they mean.

The host is the first part of the path (``/api.binance.com/api/v3/time``, what a gateway makes of a
URL) or the Host header itself. ``/control`` and ``/truth`` are the simulator's own; ``/socket.io`` is
the paper service's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Self

import msgspec
from aiohttp import web
from loguru import logger

from common.clocks import MarketClock, machine_s, wall_ms
from simulator import account_control, control, truth
from simulator.connection import Connection
from simulator.desk import Desk
from simulator.exchanges.paper import create_paper
from simulator.exchanges.protocol import Exchange, HttpAnswer, HttpCall, Traded, json_answer
from simulator.exchanges.registry import create_exchanges, load_recording
from simulator.faults import Refuse
from simulator.paper import PaperGateway
from simulator.replay import Replay
from simulator.world import World, create_world

MAX_CONNECTIONS = 4_096
_STOP_S = 3.0


class Simulator:
    """A running simulator; an async context manager that owns all its tasks and sockets."""

    def __init__(
        self, clock: MarketClock, *, seed: int = 1, port: int = 0, control_port: int | None = None,
        host: str = "127.0.0.1", replay: Path | None = None,
    ) -> None:  # fmt: skip
        self.world: World = create_world(clock, seed)
        if replay is not None:
            recording = load_recording(replay)
            self.world.replay = Replay(recording, self.world.hub, clock.speed)
            self.world.catalog = recording.catalog()
        # A recording is of one exchange; the others would have no market to tell of.
        recorded = self.world.replay.recording.exchange if self.world.replay else None
        self.exchanges: Mapping[str, Exchange] = {
            name: exchange
            for name, exchange in create_exchanges(self.world).items()
            if recorded in (None, name)
        }
        places = create_paper(self.world, self.exchanges)
        self.paper = PaperGateway(self.world, places)
        # Wherever accounts are; prices are told by the exchanges alone.
        self._traded: Mapping[str, Traded] = {**self.exchanges, **places}
        self.desk = Desk(self.world, self._traded)
        self._by_host = {
            name: exchange for exchange in self.exchanges.values() for name in exchange.hosts
        }
        self._host, self._ports = host, (port, control_port)
        self._numbers = count(1)
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.port = port

    @property
    def url(self) -> str:
        """What a client's gateway is set to."""
        return f"http://{self._host}:{self.port}"

    def warm(self) -> None:
        """Work out the last day of everything, so that the first ticker does not hold up the rest.

        A replay tells no day: its symbols were listed years ago, and nothing of ours has traded.
        """
        if self.world.replay is not None:
            return
        for listed in self.world.catalog:
            self.world.market.day(listed, self.world.clock.now_ms())

    async def __aenter__(self) -> Self:
        app = web.Application()
        self.paper.attach(app)
        account_control.add_routes(app, self.world, self._traded, self.desk)
        control.add_routes(app, self.world, self.exchanges, self.desk.heal)
        truth.add_routes(app, self.world, self.exchanges)
        app.router.add_route("*", "/{path:.*}", self._route)
        app.on_shutdown.append(self._cut_all)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S)
        await self._runner.setup()
        port, control_port = self._ports
        self.port = await self._listen(port)
        if control_port is not None:
            await self._listen(control_port)
        self._tasks = [
            asyncio.create_task(self.world.hub.run()),
            asyncio.create_task(self.desk.run()),
        ]
        if self.world.replay is not None:
            self._tasks.append(asyncio.create_task(self.world.replay.run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.paper.stop()
        await self._runner.cleanup()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def wait(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``; raises if the push loop died."""
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((stopped, *self._tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
        finally:
            stopped.cancel()
            with suppress(asyncio.CancelledError):
                await stopped

    async def _listen(self, port: int) -> int:
        assert self._runner is not None
        site = web.TCPSite(self._runner, self._host, port)
        await site.start()
        assert site._server is not None
        bound: int = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return bound

    async def _cut_all(self, _: web.Application) -> None:
        for connection in tuple(self.world.connections.values()):
            connection.end(1001, "the simulator stops")

    # --- one request ------------------------------------------------------------------------

    async def _route(self, request: web.Request) -> web.StreamResponse:
        called = self._call(request)
        if called is None:
            return web.json_response(
                {"error": "no exchange of that host; see /control"}, status=404
            )
        exchange, call = called
        if _is_handshake(request):
            return await self._handshake(request, exchange, call)
        call = msgspec.structs.replace(call, body=await request.read())
        refused = self._refusal("rest", exchange, call)
        answer = exchange.rest(call) if refused is None else refused
        self.world.meters.answered(exchange.name, "rest", answer.status)
        return _response(answer)

    def _call(self, request: web.Request) -> tuple[Exchange, HttpCall] | None:
        door, path = request.headers.get("Host") or "", request.path
        host = door.split(":")[0]
        if host in self._by_host:
            door = ""
        else:
            host, _, path = path.removeprefix("/").partition("/")
            path = f"/{path}"
        exchange = self._by_host.get(host)
        if exchange is None:
            return None
        query = dict(request.query.items())
        call = HttpCall(
            host, path, query, request.remote or "", request.method, door,
            request.rel_url.raw_query_string,
            {name.lower(): value for name, value in request.headers.items()},
        )  # fmt: skip
        return exchange, call

    def _refusal(self, on: str, exchange: Exchange, call: HttpCall) -> HttpAnswer | None:
        fault: Refuse | None = self.world.faults.refusal(
            "socket" if on == "socket" else "rest", machine_s(), exchange=exchange.name,
            host=call.host, market=exchange.market_of(call), path=call.path,
        )  # fmt: skip
        if fault is None:
            return None
        wait_s = fault.retry_after_s
        headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
        # As Binance says it: -1003 is about limits, and a server that fails knows nothing of them.
        code = -1003 if fault.status in (403, 418, 429) else -1000
        return json_answer(
            {"code": code, "msg": "Refused by control."}, fault.status, headers=headers
        )

    async def _handshake(
        self, request: web.Request, exchange: Exchange, call: HttpCall
    ) -> web.StreamResponse:
        connection = self._opened(exchange, call)
        status = connection.status if isinstance(connection, HttpAnswer) else 101
        self.world.meters.answered(exchange.name, "socket", status)
        if isinstance(connection, HttpAnswer):
            return _response(connection)
        for fault in self.world.faults.for_new:
            where = fault.where
            if where.fits("", exchange.name, call.host, connection.dialect.market, call.path):
                connection.hit(fault)
        self.world.connections[connection.id] = connection
        self.world.counts[exchange.name]["sockets"] += 1
        logger.bind(connection=connection.id, host=call.host, path=call.path).info("socket opened")
        try:
            return await connection.run(request)
        finally:
            del self.world.connections[connection.id]

    def _opened(self, exchange: Exchange, call: HttpCall) -> Connection | HttpAnswer:
        """A new socket, or why there is none: what is over the limit is refused."""
        refused = self._refusal("socket", exchange, call)
        if refused is not None:
            return refused
        if len(self.world.connections) >= MAX_CONNECTIONS:
            return json_answer({"msg": "too many connections"}, 503)
        dialect = exchange.open(call)
        if isinstance(dialect, HttpAnswer):
            return dialect
        connection = Connection(next(self._numbers), self.world, exchange, dialect, call)
        rules = connection.rules
        attempts = self.world.meters.window(
            f"{exchange.name}:handshakes", call.address, rules.handshakes_within_s
        )
        if attempts.exceeds(int(rules.handshakes), machine_s()):
            wait_s = int(attempts.frees_in_s(machine_s())) + 1
            return json_answer(
                {"msg": "too many connections"}, 429, headers={"Retry-After": str(wait_s)}
            )
        return connection


def _is_handshake(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _response(answer: HttpAnswer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers=dict(answer.headers),
        content_type="application/json",
    )


def market_clock(speed: float) -> MarketClock:
    """A clock of that speed that agrees with the wall right now."""
    return MarketClock(speed=speed, anchor_ms=wall_ms())
