"""One connection's life: dial → subscribe → live → end. It ends with an ``Outcome``.

Two tasks own the socket: one reads frames and hands on what they say, one keeps the rules (paced
subscribes, unanswered requests, silence, lifetime). What follows the end is decided by ``runner``.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from common.clocks import machine_s
from common.exchanges.place import Place
from common.exchanges.protocol import (
    Ack,
    Notice,
    Parsed,
    Pong,
    Refusal,
    Told,
    Topic,
    Unreadable,
    Welcome,
)
from common.model.instruments import Catalog
from common.session.address import Address
from common.session.heartbeat import Heartbeat
from common.session.lifecycle import Signal, State, advance
from common.session.liveness import Liveness
from common.session.opening import open_socket
from common.session.outcome import Outcome
from common.session.sink import Sink
from common.session.subscriptions import UNANSWERED_LIMIT, Subscriptions
from common.session.topics import Rejections
from common.session.transport import Dial, Socket, SocketClosed

SEND_S = 10.0
PROBE_S = 10.0
CLOSE_S = 5.0
READ_OUT_S = 1.0
# How long the keeper sleeps when nothing is to be sent; a change of what is wanted wakes it.
KEEP_S = 1.0
# The largest frame worth parsing: an all-market array is well below a megabyte.
PARSED_FRAME_BYTES = 8 * 1024 * 1024


class Connection:
    """One life of one WebSocket.

    Args:
        place: exchange, market and channel.
        address: tells where to dial.
        dial: the transport.
        catalog: gives the market's instruments as they are known now.
        sink: hears the events.
        rejections: what was refused for good, kept by whoever outlives this connection.
        chance: draws in [0, 1) for jitter.
    """

    def __init__(
        self,
        place: Place,
        address: Address,
        dial: Dial,
        catalog: Callable[[], Catalog],
        sink: Sink,
        rejections: Rejections | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._place = place
        self._address = address
        self._dial = dial
        self._catalog = catalog
        self._sink = sink
        exchange, market, cadence = place.protocol, place.market, place.rules.cadence
        self.subscriptions = Subscriptions(
            place.limits,
            lambda topics, request_id: exchange.subscribe(market, topics, request_id),
            lambda topics, request_id: exchange.unsubscribe(market, topics, request_id),
            exchange.family,
            {} if rejections is None else rejections,
            chance,
        )
        self._wake = asyncio.Event()
        self._end: Outcome | None = None
        self._socket: Socket | None = None
        self._heartbeat: Heartbeat | None = None
        self._welcomed = asyncio.Event()
        self._opened_s = machine_s()
        self._liveness = Liveness(cadence.probe_s, cadence.stall_s, self._opened_s)
        self.state = State.IDLE
        self.since_s = machine_s()
        self.frames = 0
        # Set when this connection carries all it should, and when another should take over.
        self.ready = asyncio.Event()
        self.expiring = asyncio.Event()

    def want(self, topics: Mapping[Topic, float]) -> None:
        """Make this the wanted set of topics, each with the longest it may be silent."""
        standing = dict.fromkeys(self._place.rules.standing_topics if topics else (), math.inf)
        self.subscriptions.want(standing | dict(topics), machine_s())
        cadence = self._place.rules.cadence
        self._liveness.stall_s = min(topics.values(), default=cadence.stall_s)
        self._wake.set()

    async def run(self) -> Outcome:
        """Live, and say how it ended. On cancellation the socket is closed."""
        self._signal(Signal.DIAL)
        socket = await open_socket(self._address, self._dial)
        if isinstance(socket, Outcome):
            return socket
        try:
            self._opened(socket)
            ended = await self._both(socket)
        finally:
            await self._close(socket)
        return msgspec.structs.replace(self._end or ended, flowed_s=self._liveness.flowed_s)

    def _opened(self, socket: Socket) -> None:
        self._socket, self._opened_s = socket, machine_s()
        stall_s = self._liveness.stall_s
        self._liveness = Liveness(self._place.rules.cadence.probe_s, stall_s, self._opened_s)
        limits, ping = self._place.limits, self._place.protocol.ping
        self._heartbeat = Heartbeat(socket, ping, limits.ping_s, self._opened_s)
        self._signal(Signal.OPENED)
        if not limits.welcomes:
            self._welcome()

    async def _both(self, socket: Socket) -> Outcome:
        """Read and keep until one of them is over; a reader that hangs in a dead socket is cut."""
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(socket))
            keeper = group.create_task(self._keep(socket))
            await asyncio.wait({reader, keeper}, return_when=asyncio.FIRST_COMPLETED)
            keeper.cancel()
            if not reader.done():
                await self._close(socket)
                await asyncio.wait({reader}, timeout=READ_OUT_S)
            if not reader.done():
                reader.cancel()
                return Outcome("stalled", "transient", "the socket did not end")
            return reader.result()

    async def stop(self, cause: Outcome) -> None:
        """End it from outside; ``run`` then returns ``cause``."""
        self._end = self._end or cause
        self._wake.set()
        if self._socket is not None:
            await self._close(self._socket)

    @property
    def last_frame_s(self) -> float | None:
        """When the last frame came, in machine time; None before the first."""
        return self._liveness.last_frame_s

    # --- reading ------------------------------------------------------------------------------

    async def _read(self, socket: Socket) -> Outcome:
        try:
            while True:
                frame = await socket.receive()
                now_s = machine_s()
                self.frames += 1
                self._liveness.frame(now_s)
                if len(frame) > PARSED_FRAME_BYTES:
                    self._sink.unreadable(Unreadable("too_large", f"{len(frame)} bytes"))
                    continue
                for said in self._parse(frame):
                    self._hear_safely(said, now_s)
        except SocketClosed as closed:
            reason = self._place.close_codes.get(closed.code, "transient")
            return Outcome("closed", reason, str(closed))

    def _parse(self, frame: bytes) -> Sequence[Parsed]:
        try:
            return self._place.protocol.parse(self._place.market, frame, self._catalog())
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs this frame and no other
            return (Unreadable("defect", f"{type(error).__name__}: {error}"),)

    def _hear_safely(self, said: Parsed, now_s: float) -> None:
        """A defect in what follows from one event must not cost the state of all other streams."""
        try:
            self._hear(said, now_s)
        except Exception as error:  # noqa: BLE001 - as in ``_parse``
            detail = f"{type(error).__name__}: {error}"
            self._sink.unreadable(Unreadable("defect", detail))

    def _hear(self, said: Parsed, now_s: float) -> None:
        if isinstance(said, Told):
            self._event(said, now_s)
        elif isinstance(said, Ack):
            self._accepted(said, now_s)
        elif isinstance(said, Refusal):
            self._refusal(said, now_s)
        elif isinstance(said, Unreadable):
            self._sink.unreadable(said)
        elif isinstance(said, Welcome):
            self._welcome()
        elif isinstance(said, Pong) and self._heartbeat is not None:
            self._heartbeat.ponged()
        elif isinstance(said, Notice) and said.kind == "closing":
            self.expiring.set()

    def _welcome(self) -> None:
        """From now on requests may be sent."""
        if not self._welcomed.is_set():
            self._welcomed.set()
            self._signal(Signal.LOGGED_IN)

    def _event(self, event: Told, now_s: float) -> None:
        topic = self._sink.event(event)
        if topic is None:
            return
        self._liveness.event(now_s)
        self.subscriptions.heard(topic, now_s)
        if self.state is not State.LIVE:
            self._signal(Signal.HEARD)

    def _accepted(self, ack: Ack, now_s: float) -> None:
        for topic in self.subscriptions.acked(ack, now_s):
            self._sink.accepted(topic)

    def _refusal(self, refusal: Refusal, now_s: float) -> None:
        named = refusal.request_id is not None or refusal.topics
        if refusal.reason == "benign" and named:
            # "Already subscribed" and the like: what we asked for is so.
            self._accepted(Ack(refusal.request_id, refusal.topics), now_s)
            return
        rejected = self.subscriptions.refused(refusal, now_s)
        if not rejected:
            self._sink.refused(refusal)
        for topic in rejected:
            self._sink.rejected(topic, refusal.detail)
        self._wake.set()

    # --- keeping the rules --------------------------------------------------------------------

    async def _keep(self, socket: Socket) -> None:
        try:
            self._end = self._end or await self._wait_for_welcome()
            while self._end is None:
                await self._send_due(socket)
                self._end = self._end or await self._judge()
                if self._end is None:
                    await self._pause()
        except SocketClosed:
            return  # the reader sees the same end, with its code

    async def _wait_for_welcome(self) -> Outcome | None:
        try:
            async with asyncio.timeout(self._place.limits.ack_s):
                await self._welcomed.wait()
        except TimeoutError:
            return Outcome("unanswered", "transient", "the exchange did not say welcome")
        return None

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self.subscriptions.wait_s(machine_s(), KEEP_S)):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _send_due(self, socket: Socket) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self._send_ping()
                while request := self.subscriptions.next_request(machine_s()):
                    await socket.send(request.text)
        except TimeoutError:
            self._end = Outcome("stalled", "transient", f"could not send for {SEND_S:g} s")

    async def _send_ping(self) -> None:
        heartbeat, now_s = self._heartbeat, machine_s()
        if heartbeat is not None and heartbeat.is_due(now_s):
            await heartbeat.send(now_s)

    async def _judge(self) -> Outcome | None:
        """Whether this connection is to end, and why."""
        now_s = machine_s()
        for topic in self.subscriptions.overdue(now_s):
            self._sink.silent(topic)
        self._note_ready()
        if self.subscriptions.unanswered >= UNANSWERED_LIMIT:
            return Outcome("unanswered", "transient", "requests were not answered")
        if now_s - self._opened_s >= self._place.limits.lifetime_s:
            self.expiring.set()
        return await self._judge_silence(now_s)

    def _note_ready(self) -> None:
        """All is answered for, and something has come (where it need not: all is accepted)."""
        if self.ready.is_set() or not self.subscriptions.settled:
            return
        silence_is_legal = self._place.rules.cadence.kind == "trade-driven"
        if silence_is_legal or self._liveness.first_event_s is not None:
            self.ready.set()

    async def _judge_silence(self, now_s: float) -> Outcome | None:
        if not self.subscriptions.topics:
            return None
        step = self._liveness.step(now_s)
        if step == "give_up":
            silent_s = self._liveness.without_event_s(now_s)
            return Outcome("stalled", "transient", f"no event for {silent_s:.1f} s")
        if step == "ask_again":
            self._signal(Signal.SILENT)
            for topic in self.subscriptions.ask_all_again(now_s):
                self._sink.silent(topic)
        return await self._probe(now_s) if step == "probe" else None

    async def _probe(self, now_s: float) -> Outcome | None:
        assert self._heartbeat is not None
        try:
            async with asyncio.timeout(PROBE_S):
                await self._heartbeat.prove(now_s)
        except TimeoutError:
            self._signal(Signal.SILENT)
            return Outcome("stalled", "transient", f"a ping was not answered in {PROBE_S:g} s")
        self._liveness.frame(machine_s())
        return None

    # --- ends ---------------------------------------------------------------------------------

    async def _close(self, socket: Socket) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await socket.close()
        except TimeoutError:
            # The peer does not answer the close; the transport drops it with the task.
            self._end = self._end or Outcome("stalled", "transient", "did not close in time")

    def _signal(self, signal: Signal) -> None:
        state = advance(self.state, signal)
        if state is not self.state:
            self.state = state
            self.since_s = machine_s()
