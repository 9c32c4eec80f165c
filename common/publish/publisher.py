"""The confirmed publisher: many messages, one write.

``wake`` is called whenever there is something to send; at the end of that turn of the event loop
(or after ``linger_s``) everything that may leave goes to the connection as one piece. Delivery tags
are counted here and the broker's confirms, returns and refusals are read off aio-pika's channels;
connection, heartbeats and framing below stay the library's.

Two channels, so that the classes cannot hold each other up: each has its own window of unconfirmed
messages, and the durable one is always written first. Nothing waits for the socket: while the
broker does not read, the windows bound what lies in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import NoReturn, TypeVar

from aio_pika.abc import AbstractConnection
from aiormq import Channel
from aiormq.abc import AbstractConnection as Transport
from aiormq.abc import ChannelFrame, ConfirmationFrameType
from loguru import logger
from pamqp.commands import Basic

from common.clocks import machine_s
from common.publish.connection import Life, Link, transport_of, watch_blocked, within
from common.publish.durable import Durable
from common.publish.frames import DEFAULT_BODY_BYTES
from common.publish.latest import Latest, Slot, Value
from common.publish.routes import DURABLE_CHANNEL, LATEST_CHANNEL, lane_of
from common.publish.seldom import Seldom

OPEN_TIMEOUT_S = 15.0
# A confirm takes milliseconds, on a broker with much to do a second or two.
STALLED_S = 15.0
STALL_LOOK_S = 1.0
# The library's write queue holds ten pieces; it is emptied at every turn of the loop.
_WRITE_QUEUE_FULL_PAUSE_S = 0.002
# How a latest-wins value becomes frames for a channel with bodies of so many bytes.
Pack = Callable[[Slot, Value, int], bytes | None]
_Work = TypeVar("_Work", Durable, Latest)


class _ConfirmChannel(Channel):
    """aio-pika's channel, with confirms and returns told to us instead of to futures."""

    def __init__(
        self,
        transport: Transport,
        number: int,
        on_confirm: Callable[[ConfirmationFrameType], None],
        on_return: Callable[[Basic.Return], None],
    ) -> None:
        super().__init__(transport, number, publisher_confirms=True)
        self._on_confirm = on_confirm
        self._on_return = on_return
        self._attached = True

    def detach(self) -> None:
        """Hear nothing more: tags of this channel mean nothing to the next one."""
        self._attached = False

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        if self._attached:
            self._on_confirm(frame)

    async def _on_return_frame(self, frame: Basic.Return) -> None:
        # Header and body follow the method; they must be taken off the channel.
        await self._read_content(frame, await self._get_frame())  # type: ignore[arg-type]
        if self._attached:
            self._on_return(frame)


class Publisher:
    """Both classes over one connection. ``prepare`` runs on each new connection, before use."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        prepare: Life,
        pack: Pack,
        durable_limit: int,
        latest_limit: int,
        durable_window: int,
        latest_window: int,
        linger_s: float,
        retry_s: tuple[float, float],
    ) -> None:
        self.durable = Durable(limit=durable_limit, window=durable_window, later=self._later)
        self.latest = Latest(limit=latest_limit, window=latest_window)
        self.blocked = False
        self.blocked_times = 0
        # Of the durable class alone: newest values that are confirmed say nothing about it.
        self.last_confirm_s: float | None = None
        self._settled = asyncio.Event()
        self._prepare = prepare
        self._pack = pack
        self._linger_s = linger_s
        self._link = Link(url, self._life, name=name, retry_s=retry_s)
        self._transport: Transport | None = None
        self._body_bytes = DEFAULT_BODY_BYTES
        self._scheduled: asyncio.Handle | None = None
        self._return_log = Seldom()

    @property
    def connected(self) -> bool:
        """Whether the broker is there and ready to take messages."""
        return self._transport is not None

    @property
    def reconnects(self) -> int:
        """How often a connection had to be made again."""
        return max(0, self._link.ups - 1)

    @property
    def unsettled(self) -> int:
        """Messages that wait to leave or for their confirm, both classes."""
        return self.durable.size + self.latest.pending + self.latest.in_flight

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._link.start()

    async def close(self) -> None:
        """End the connection. What is unconfirmed stays so."""
        await self._link.close()
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None

    def withdraw(self, lane_key: Hashable) -> int:
        """Forget what of a durable lane has not left yet; how many messages there were."""
        gone = self.durable.withdraw(lane_key)
        self._note_settled()
        return gone

    async def settle(self, *, durable_only: bool = False) -> None:
        """Wait until nothing is unsettled; the caller sets the limit.

        Where other streams go on, newest values never come to rest: ``durable_only`` then.
        """
        while self.durable.size if durable_only else self.unsettled:
            self._settled.clear()
            await self._settled.wait()

    def wake(self) -> None:
        """There may be something to send."""
        if self._scheduled is not None or self._transport is None or self.blocked:
            return
        loop = asyncio.get_running_loop()
        if self._linger_s > 0:
            self._scheduled = loop.call_later(self._linger_s, self._flush)
        else:
            self._scheduled = loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = None
        if self._transport is None or self.blocked:
            return
        queue = self._transport.write_queue
        if queue.full():
            self._scheduled = asyncio.get_running_loop().call_later(
                _WRITE_QUEUE_FULL_PAUSE_S, self._flush
            )
            return
        most, now_s = self._body_bytes, machine_s()
        parts = [
            message.envelope.pack(message.message_id, message.timestamp_s, message.body, most)
            for message in self.durable.take(now_s)
        ]
        parts += self.latest.take(lambda slot, value: self._pack(slot, value, most))
        if parts:
            queue.put_nowait(ChannelFrame(payload=b"".join(parts), should_close=False))
        self._note_settled()

    def _later(self, delay_s: float, call: Callable[[], None]) -> object:
        def run() -> None:
            call()
            self.wake()

        return asyncio.get_running_loop().call_later(delay_s, run)

    # --- one connection -----------------------------------------------------------------------

    async def _life(self, connection: AbstractConnection) -> None:
        await self._prepare(connection)
        transport = transport_of(connection)
        channels: list[_ConfirmChannel] = []
        try:
            for number, confirm in (
                (DURABLE_CHANNEL, self._durable_confirm),
                (LATEST_CHANNEL, self._latest_confirm),
            ):
                channels.append(await _open(transport, number, confirm, self._returned))
            most_bytes = channels[0].max_content_size
            self._body_bytes = most_bytes if most_bytes > 0 else DEFAULT_BODY_BYTES
            self._transport = transport
            self._link.up()
            self.wake()
            await self._until_lost(transport, channels)
        finally:
            self._transport = None
            self.blocked = False
            for channel in channels:
                channel.detach()
            self.durable.lost()
            self.latest.lost()

    async def _until_lost(self, transport: Transport, channels: list[_ConfirmChannel]) -> None:
        watch = asyncio.ensure_future(watch_blocked(transport, self._set_blocked))
        stall = asyncio.ensure_future(self._until_stalled())
        closings = [channel.closing for channel in channels]
        try:
            done, _ = await asyncio.wait(
                (watch, stall, *closings), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for future in (watch, stall, *closings):
                future.cancel()
            await asyncio.wait((watch, stall))
        for future in done:
            if not future.cancelled() and future.exception() is not None:
                raise ConnectionError(f"channel closed: {future.exception()}")

    async def _until_stalled(self) -> NoReturn:
        """A broker that takes messages and confirms none is left: the wire may be half open."""
        silent_s = 0.0
        while silent_s < STALLED_S:
            await asyncio.sleep(STALL_LOOK_S)
            sent_s, confirm_s = self.durable.oldest_sent_s, self.last_confirm_s or 0.0
            if sent_s is None or self.blocked:
                silent_s = 0.0
            else:
                waited_s = machine_s() - max(sent_s, confirm_s)
                silent_s = min(silent_s + STALL_LOOK_S, waited_s)
        raise ConnectionError(f"no confirm for {silent_s:.0f} s")

    def _set_blocked(self, blocked: bool) -> None:
        if blocked == self.blocked:
            return
        self.blocked = blocked
        if blocked:
            self.blocked_times += 1
            logger.warning("broker blocks publishing")
        else:
            logger.info("broker takes messages again")
            self.wake()

    # --- what comes back ----------------------------------------------------------------------

    def _durable_confirm(self, frame: ConfirmationFrameType) -> None:
        if isinstance(frame, Basic.Ack):
            self.last_confirm_s = machine_s()
        self._confirm(self.durable, frame)

    def _latest_confirm(self, frame: ConfirmationFrameType) -> None:
        self._confirm(self.latest, frame)

    def _confirm(self, work: _Work, frame: ConfirmationFrameType) -> None:
        ok = isinstance(frame, Basic.Ack)
        work.settle(frame.delivery_tag or 0, multiple=getattr(frame, "multiple", False), ok=ok)
        if work.waiting:
            self.wake()
        self._note_settled()

    def _note_settled(self) -> None:
        if self.durable.size == 0:
            self._settled.set()

    def _returned(self, frame: Basic.Return) -> None:
        key = frame.routing_key or ""
        self.durable.note_return(lane_of(frame.exchange or "", key))
        # An unroutable address is an error of the set-up: said now and then, not per message.
        if self._return_log.now(key):
            logger.bind(
                amqp_exchange=frame.exchange, routing_key=key, reason=frame.reply_text
            ).error("durable message returned: no queue takes it")


async def _open(
    transport: Transport,
    number: int,
    on_confirm: Callable[[ConfirmationFrameType], None],
    on_return: Callable[[Basic.Return], None],
) -> _ConfirmChannel:
    channel = _ConfirmChannel(transport, number, on_confirm, on_return)
    transport.channels[number] = channel
    await within(OPEN_TIMEOUT_S, channel.open())
    return channel
