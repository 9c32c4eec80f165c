"""The paper service: a socket.io server on the simulator's port, as the real one: WebSocket alone.

Who subscribes names his key and secret; both subscriptions are a set, so that subscribing twice is
subscribing once. Nothing is told of what happened before.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
import socketio
from aiohttp import web

from common.clocks import machine_s
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.exchanges.paper import BALANCES, ORDER, PaperExchange
from simulator.exchanges.protocol import HttpCall
from simulator.faults import Close, ConnectionFault, Cut, FrameFaults, Shutdown
from simulator.feeds import Wanted
from simulator.world import World

NAME = "paper"
PING_EVERY_S, PONG_WITHIN_S = 60, 120
# What waits for a client that does not read.
_OUTBOX = 20_000

_silent = logging.getLogger(f"{__name__}.silent")
_silent.disabled = True


class _Anything:
    """No single market: what faults are told apart by."""

    market: Market | None = None


class PaperConnection:
    """One client's connection, as control sees any other."""

    dialect = _Anything()

    def __init__(self, number: int, gateway: PaperGateway, sid: str, call: HttpCall) -> None:
        self.id = f"p{number}"
        self.sid, self.call, self.exchange = sid, call, gateway
        self.faults = FrameFaults()
        self.topics: dict[str, Wanted] = {}
        self.opened_s = machine_s()
        self.received = self.sent = 0
        self._gateway = gateway
        self._outbox: deque[tuple[str, Any]] = deque(maxlen=_OUTBOX)
        self._waiting = asyncio.Event()
        self.task = asyncio.create_task(self._write())

    def deliver(self, topic: str, payload: str) -> None:
        """Send an update, spoiled as the faults want it."""
        for text in self.faults.swap(payload):
            for _ in range(self.faults.copies()):
                self.say(topic.partition(":")[0], msgspec.json.decode(text))

    def say(self, event: str, message: Any) -> None:
        """Send an event."""
        self._outbox.append((event, message))
        self._waiting.set()

    def hit(self, fault: ConnectionFault) -> None:
        """Let a fault happen here."""
        match fault:
            case Cut() | Close() | Shutdown():
                self.end(None, "cut by control")
            case _:
                self.faults.add(fault)

    def end(self, code: int | None, reason: str) -> None:  # noqa: ARG002 - there is one way to go
        """Cut the wire."""
        self._gateway.cut(self)

    async def _write(self) -> None:
        while True:
            while not self._outbox:
                self._waiting.clear()
                await self._waiting.wait()
            event, message = self._outbox.popleft()
            await asyncio.sleep(self.faults.delay_s)
            if not self.faults.frozen:
                await self._gateway.emit(self, event, message)
                self.sent += 1


class PaperGateway:
    """The service."""

    name = NAME

    def __init__(self, world: World, places: Mapping[str, PaperExchange]) -> None:
        self._world, self._places = world, places
        self._numbers = count(1)
        self._clients: dict[str, PaperConnection] = {}
        self._server = socketio.AsyncServer(
            async_mode="aiohttp",
            transports=["websocket"],
            ping_interval=PING_EVERY_S,
            ping_timeout=PONG_WITHIN_S,
            cors_allowed_origins="*",
            logger=_silent,
            engineio_logger=_silent,
        )
        self._server.on("connect", self._connected)
        self._server.on("disconnect", self._disconnected)
        self._server.on("subscribeOrder", self._subscribe_orders)
        self._server.on("subscribeOutboundAccountInfo", self._subscribe_balances)

    def attach(self, app: web.Application) -> None:
        """Serve it beside everything else."""
        self._server.attach(app)

    async def stop(self) -> None:
        """End what runs beside the connections."""
        await self._server.shutdown()

    async def emit(self, client: PaperConnection, event: str, message: Any) -> None:
        """Tell one client."""
        await self._server.emit(event, message, to=client.sid)

    def cut(self, client: PaperConnection) -> None:
        """The TCP connection of a client is gone."""
        transport = self._server.get_environ(client.sid)["aiohttp.request"].transport
        if transport is not None:
            transport.abort()

    # --- its clients ------------------------------------------------------------------------

    async def _connected(self, sid: str, environ: dict[str, Any]) -> None:
        request: web.Request = environ["aiohttp.request"]
        call = HttpCall(NAME, request.path, {}, request.remote or "")
        client = PaperConnection(next(self._numbers), self, sid, call)
        for fault in self._world.faults.for_new:
            if fault.where.fits(client.id, NAME, NAME, None, request.path):
                client.hit(fault)
        self._clients[sid] = client
        self._world.connections[client.id] = client
        self._world.counts[NAME]["sockets"] += 1

    async def _disconnected(self, sid: str, *_: object) -> None:
        client = self._clients.pop(sid, None)
        if client is None:
            return
        del self._world.connections[client.id]
        client.task.cancel()
        for topic, wanted in client.topics.items():
            self._world.hub.leave(client, topic, wanted)

    async def _subscribe_orders(self, sid: str, data: Any = None) -> None:
        self._subscribe(self._clients[sid], ORDER, data)

    async def _subscribe_balances(self, sid: str, data: Any = None) -> None:
        self._subscribe(self._clients[sid], BALANCES, data)

    def _subscribe(self, client: PaperConnection, event: str, data: Any) -> None:
        client.received += 1
        found = self._found(data)
        if found is None:
            client.say(event, {"type": "error", "error": "User not found"})
            return
        place, account = found
        wanted = place.private.feed(account, event)
        topic = f"{event}:{wanted.key}"
        if topic not in client.topics:
            client.topics[topic] = wanted
            self._world.hub.join(client, topic, wanted)
            self._world.counts[NAME]["subscribed"] += 1
        client.say(event, {"type": "info", "info": "subscribed"})

    def _found(self, data: Any) -> tuple[PaperExchange, Account] | None:
        if not isinstance(data, dict) or not isinstance(data.get("key"), str):
            return None
        for place in self._places.values():
            account = self._world.accounts.of_key(place.name, data["key"])
            if account is not None and account.key.secret == data.get("secret"):
                return None if account.key.revoked else (place, account)
        return None
