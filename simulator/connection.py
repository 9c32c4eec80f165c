"""One socket of one client: what every exchange's sockets have in common.

Everything leaves through one bounded outbox, so that faults see each frame once; a client that
does not read is cut, as exchanges do. Every message in counts against the limit, pings and pongs
included. The task group of ``run`` owns all its tasks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from math import inf
from typing import NoReturn

import msgspec
from aiohttp import WSMsgType, web
from loguru import logger

from common.clocks import machine_s, wall_ms
from simulator.exchanges.protocol import (
    Dialect,
    Effect,
    End,
    Exchange,
    HttpCall,
    Join,
    Leave,
    Reply,
    SocketRules,
)
from simulator.faults import Close, ConnectionFault, Cut, FrameFaults, Shutdown, spoil_bytes
from simulator.feeds import Wanted
from simulator.limits import SlidingCount
from simulator.world import World

# Frames that may wait for a client that does not read.
_OUTBOX = 20_000
_CLOSE_S = 2.0
# Close codes that may be sent back as they came.
_SENDABLE = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}

_Frame = tuple[WSMsgType, str | bytes]


class Ended(Exception):  # noqa: N818 - not an error: how a socket ends
    """The socket is to end: with a close frame, or (code None) by cutting the wire."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Connection:
    """A socket while it is open."""

    def __init__(
        self, number: int, world: World, exchange: Exchange, dialect: Dialect, call: HttpCall
    ) -> None:
        self.id = f"c{number}"
        self.world, self.exchange, self.dialect, self.call = world, exchange, dialect, call
        self.faults = FrameFaults()
        self.topics: dict[str, Wanted | None] = {}
        self.opened_s = machine_s()
        self.received = self.sent = 0
        self._ws = web.WebSocketResponse(
            autoping=False, autoclose=False, compress=False, timeout=_CLOSE_S
        )
        self._outbox: deque[tuple[float, _Frame | Ended]] = deque()
        self._waiting = asyncio.Event()
        self._end: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._inbound = SlidingCount(dialect.rules.messages_within_s)
        self._heard_s = self._said_s = self.opened_s
        # Pings not yet answered, and when each must be.
        self._pings: dict[bytes, float] = {}

    @property
    def rules(self) -> SocketRules:
        """What it is allowed now; control may have changed it."""
        changes = self.world.overrides.get("*", {}) | self.world.overrides.get(self.call.host, {})
        return msgspec.structs.replace(self.dialect.rules, **changes)

    # --- from outside -----------------------------------------------------------------------

    def deliver(self, topic: str, payload: str) -> None:
        """Send a push under its topic, spoiled as the faults want it."""
        wrapped = self.dialect.wrap(topic, payload)
        if wrapped is None:
            return
        for text in self.faults.swap(wrapped):
            for frame in self._spoiled(text):
                for _ in range(self.faults.copies()):
                    self._put(frame)

    def hit(self, fault: ConnectionFault) -> None:
        """Let a fault happen here."""
        match fault:
            case Cut():
                self.end(None, "cut by control")
            case Close():
                self.end(fault.code, fault.reason)
            case Shutdown():
                notice = self.dialect.shutdown_notice()
                if notice is not None:
                    self._put((WSMsgType.TEXT, notice))
                loop = asyncio.get_running_loop()
                loop.call_later(fault.after_s, self.end, 1001, "server shutdown")
            case _:
                self.faults.add(fault)

    def end(self, code: int | None, reason: str) -> None:
        """End the socket; the first end counts."""
        if not self._end.done():
            self._end.set_result(Ended(code, reason))

    # --- its life ---------------------------------------------------------------------------

    async def run(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the socket from the handshake to its end."""
        await self._ws.prepare(request)
        for topic in self.dialect.first_topics:
            self._join(topic)
        for effect in self.dialect.greeting():
            self._do(effect)
        ended = Ended(None, "gone")
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (self._read, self._write, self._ping, self._wait_for_end):
                    tasks.create_task(part())
        except* Ended as group:
            ended = _first(group)
        finally:
            for topic in tuple(self.topics):
                self._leave(topic)
        if ended.code is None or self.faults.frozen:
            if request.transport is not None:
                request.transport.abort()
        else:
            with suppress(ConnectionError):
                await self._ws.close(code=ended.code, message=ended.reason.encode()[:123])
        logger.bind(connection=self.id, code=ended.code, reason=ended.reason).info("socket ended")
        return self._ws

    async def _read(self) -> NoReturn:
        while True:
            message = await self._ws.receive()
            if message.type in (WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                raise Ended(None, "the client is gone")
            if message.type is WSMsgType.CLOSE:
                code = message.data if message.data in _SENDABLE else 1000
                raise Ended(code, "closed by the client")
            self.received += 1
            self._heard_s = machine_s()
            if self._inbound.exceeds(int(self.rules.messages_per_s), machine_s()):
                raise Ended(1008, "Too many requests")
            if self.faults.frozen:
                continue
            if message.type is WSMsgType.PING:
                self._put((WSMsgType.PONG, bytes(message.data)))
            elif message.type is WSMsgType.PONG:
                self._ponged(bytes(message.data))
            else:
                await self._answer(message.data)

    async def _answer(self, data: str | bytes) -> None:
        text = data if isinstance(data, str) else data.decode(errors="replace")
        # Some clients cannot take an answer that comes before their own call has returned.
        await asyncio.sleep(self.rules.answer_s)
        for effect in self.dialect.receive(text, self.topics):
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Reply(text):
                self._put((WSMsgType.TEXT, text))
            case Join(topic):
                self.world.counts[self.exchange.name]["subscribed"] += 1
                self._join(topic)
            case Leave(topic):
                self.world.counts[self.exchange.name]["unsubscribed"] += 1
                self._leave(topic)
            case End(code, reason):
                # Behind what it has said before, which is why it ends.
                self._put(Ended(code, reason))

    async def _write(self) -> NoReturn:
        while True:
            while not self._outbox:
                self._waiting.clear()
                await self._waiting.wait()
            due_s, frame = self._outbox.popleft()
            await asyncio.sleep(max(due_s - machine_s(), 0))
            if self.faults.frozen:
                continue
            if isinstance(frame, Ended):
                raise frame
            try:
                await self._send(*frame)
            except ConnectionError:
                raise Ended(None, "the client is gone") from None
            self.sent += 1
            self._said_s = machine_s()

    async def _send(self, kind: WSMsgType, data: str | bytes) -> None:
        if kind is WSMsgType.TEXT:
            assert isinstance(data, str)
            await self._ws.send_str(data)
            return
        assert isinstance(data, bytes)
        if kind is WSMsgType.PING:
            await self._ws.ping(data)
        elif kind is WSMsgType.PONG:
            await self._ws.pong(data)
        else:
            await self._ws.send_bytes(data)

    async def _ping(self) -> None:
        while (every_s := self.rules.ping_every_s) < inf:
            await asyncio.sleep(every_s)
            payload = str(wall_ms()).encode()
            self._pings[payload] = machine_s() + self.rules.pong_within_s
            self._put((WSMsgType.PING, payload))

    async def _wait_for_end(self) -> NoReturn:
        while not self._end.done():
            now_s = machine_s()
            if now_s - self.opened_s > self.rules.lifetime_s:
                raise Ended(1001, "the connection has reached its lifetime")
            if any(due_s < now_s for due_s in self._pings.values()):
                raise Ended(1008, "Pong timeout")
            if now_s - self._heard_s > self.rules.quiet_s:
                raise Ended(1000, "nothing came from the client")
            if now_s - self._said_s > self.rules.idle_s:
                raise Ended(self.rules.idle_code, "nothing was pushed")
            if not self.topics and now_s - self.opened_s > self.rules.first_topic_s:
                raise Ended(1000, "nothing was subscribed")
            # Rules may be changed while it is open: they are looked at again every quarter second.
            await asyncio.wait((self._end,), timeout=0.25)
        raise self._end.result()

    # --- small parts ------------------------------------------------------------------------

    def _ponged(self, payload: bytes) -> None:
        # A pong nobody asked for proves nothing; one with a ping's payload answers the older too.
        if payload in self._pings:
            self._pings.clear()

    def _join(self, topic: str) -> None:
        wanted = self.topics[topic] = self.dialect.feed(topic)
        if wanted is not None:
            self.world.hub.join(self, topic, wanted)

    def _leave(self, topic: str) -> None:
        wanted = self.topics.pop(topic, None)
        if wanted is not None:
            self.world.hub.leave(self, topic, wanted)

    def _spoiled(self, text: str) -> list[_Frame]:
        good: _Frame = (WSMsgType.TEXT, text)
        if not self.faults.garble:
            return [good]
        fault = self.faults.garble.popleft()
        bad = spoil_bytes(fault.spoil, text)
        if bad is None:
            bad = self.exchange.spoil(fault.spoil, text)
        kind = WSMsgType.BINARY if isinstance(bad, bytes) else WSMsgType.TEXT
        return [(kind, bad), good] if fault.insert else [(kind, bad)]

    def _put(self, frame: _Frame | Ended) -> None:
        if len(self._outbox) >= _OUTBOX:
            self.end(None, "the client does not read")
            return
        self._outbox.append((machine_s() + self.faults.delay_s, frame))
        self._waiting.set()


def _first(group: BaseExceptionGroup[Ended]) -> Ended:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Ended)
    return error
