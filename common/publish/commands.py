"""Commands in: each one answered, none lost, none fatal.

A command is acked only when its effect is durable: written to Redis, answered, or laid with the
dead letters and confirmed there. What fails for a reason that passes by itself (Redis away) is tried
again after a pause. Answers and dead letters leave over the publisher's connection, not over this
one: a connection that publishes is stopped by the broker in a memory alarm, acks and all.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Protocol

import msgspec
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelInvalidStateError
from loguru import logger
from msgspec import Struct

from common.clocks import machine_s, wall_ms
from common.publish.connection import Link, transport_of, within
from common.publish.letters import Letters, NotNow, Post, Reply
from common.publish.queues import CommandQueue
from common.publish.topology import Mode, declare

RPC_TIMEOUT_S = 15.0
SERVE_TIMEOUT_S = 15.0
# How long a stopping consumer waits for what it has begun.
DRAIN_S = 5.0

_MOST_NAME_CHARACTERS = 100
_TRACED = 5


class Request(Struct, frozen=True):
    """A command as it came. ``requested_by``: who says that it is theirs."""

    body: bytes
    requested_by: str


class Handler(Protocol):
    """What is done with commands."""

    async def serve(self, request: Request) -> Reply:
        """Do it, durably, and say how that went. May raise what passes by itself."""

    def failed(self, body: bytes, reason: str) -> Reply:
        """What to say of a command that could not be dealt with. Never raises."""


class Commands:
    """Consumes one queue's commands until closed.

    Args:
        url: ``amqp://`` or ``amqps://``, with user, password and vhost.
        queue: where commands come by, and how they are to be dealt with.
        handler: what is done with them.
        post: how answers and dead letters are sent (``Pipeline.post``).
        transient: failures of the handler that pass by themselves, besides timeouts and sockets.
        pause_s: least and most seconds before a command is tried again.
        standby_s: least and most seconds between attempts to be the one consumer, where there is one.
    """

    def __init__(
        self,
        url: str,
        queue: CommandQueue,
        handler: Handler,
        *,
        post: Post,
        topology: Mode = "full",
        transient: tuple[type[Exception], ...] = (),
        prefetch: int = 20,
        name: str = "commands",
        retry_s: tuple[float, float] = (1.0, 30.0),
        pause_s: tuple[float, float] = (1.0, 5.0),
        standby_s: tuple[float, float] = (1.0, 3.0),
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._queue = queue
        self._handler = handler
        self._topology: Mode = topology
        self._transient: tuple[type[Exception], ...] = (*transient, OSError, TimeoutError)
        self._prefetch = prefetch
        self._pause_s = pause_s
        self._standby_s = standby_s
        self._link = Link(url, self._life, name=name, retry_s=retry_s)
        self._running: set[asyncio.Task[None]] = set()
        self._turn: AbstractAsyncContextManager[object] = (
            asyncio.Lock() if queue.in_order else nullcontext()
        )
        self._trouble: str | None = None
        self._letters = Letters(queue, post, now_ms)
        self._requeued = 0
        self._consuming = False

    async def start(self) -> None:
        """Begin to connect. Returns at once: a broker that is away is waited for."""
        self._link.start()

    async def close(self) -> None:
        """Take no more, finish what has begun, end the connection."""
        await self._link.close()

    @property
    def stats(self) -> dict[str, int | bool]:
        """Answers by state, dead letters, commands tried again, and whether we consume."""
        return {**self._letters.counts, "requeued": self._requeued, "consuming": self._consuming}

    # --- one connection -----------------------------------------------------------------------

    async def _life(self, connection: AbstractConnection) -> None:
        await declare(connection, self._queue.topology, self._topology)
        while True:
            await self._consume(connection)
            # Another worker is the one that consumes; when it goes, one of us is next.
            await asyncio.sleep(random.uniform(*self._standby_s))

    async def _consume(self, connection: AbstractConnection) -> None:
        """Until the broker ends it; returns if there is a consumer already, and may be only one."""
        opening = transport_of(connection).channel(publisher_confirms=False)
        channel = await within(RPC_TIMEOUT_S, opening)
        # A queue that is deleted ends its consumers without ending anything else.
        cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        channel.on_consumer_cancel_callbacks.add(
            lambda _: None if cancelled.done() else cancelled.set_result(None)
        )
        closing = channel.closing
        try:
            await within(RPC_TIMEOUT_S, channel.basic_qos(prefetch_count=self._prefetch))
            asking = channel.basic_consume(
                self._queue.name,
                partial(self._on_message, channel),
                exclusive=self._queue.in_order,
            )
            consuming = await within(RPC_TIMEOUT_S, asking)
            self._consuming = True
            self._link.up()
            try:
                await asyncio.wait((cancelled, closing), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                await self._drain(channel, consuming.consumer_tag or "")
                raise
        except ChannelAccessRefused:
            if not self._queue.in_order:
                raise
            self._link.up()
            return
        finally:
            self._consuming = False
            closing.cancel()
            if self._queue.in_order:
                # Whoever consumes next begins with what we have not acked.
                for task in self._running:
                    task.cancel()
        raise ConnectionError("the broker ended the consumer")

    async def _drain(self, channel: AbstractChannel, consumer_tag: str) -> None:
        if channel.is_closed:
            return
        try:
            async with asyncio.timeout(DRAIN_S):
                await channel.basic_cancel(consumer_tag)
                if self._running:
                    await asyncio.wait(self._running)
        except (AMQPError, ChannelInvalidStateError, OSError, TimeoutError) as error:
            # The broker gives what is not acked to the next consumer.
            logger.bind(reason=f"{type(error).__name__}: {error}").info("commands left unfinished")

    # --- one message --------------------------------------------------------------------------

    async def _on_message(self, channel: AbstractChannel, message: DeliveredMessage) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        since_s = machine_s()
        try:
            # Messages come here in their order, and the lock lets them in in theirs.
            async with self._turn:
                await self._settle(channel, message, since_s)
        except (AMQPError, ChannelInvalidStateError, OSError) as error:
            # The channel is gone, and with it the delivery: the broker will bring it again.
            logger.bind(reason=f"{type(error).__name__}: {error}").info("command not settled")

    async def _settle(
        self, channel: AbstractChannel, message: DeliveredMessage, since_s: float
    ) -> None:
        tag = message.delivery_tag or 0
        while True:
            try:
                await self._serve(message)
                break
            except NotNow as error:
                self._note_trouble(str(error))
            await asyncio.sleep(random.uniform(*self._pause_s))
            self._requeued += 1
            if self._is_over(since_s):
                await self._give_up(message)
                await channel.basic_ack(tag, wait=False)
                return
            if not self._queue.in_order:
                await channel.basic_nack(tag, requeue=True, wait=False)
                return
        self._note_trouble(None)
        await channel.basic_ack(tag, wait=False)

    async def _serve(self, message: DeliveredMessage) -> None:
        requested_by = (message.header.properties.app_id or self._queue.name)[
            :_MOST_NAME_CHARACTERS
        ]
        request = Request(message.body, requested_by)
        try:
            async with asyncio.timeout(SERVE_TIMEOUT_S):
                reply = await self._handler.serve(request)
        except self._transient as error:
            raise NotNow(self._said(error)) from error
        except Exception as error:  # noqa: BLE001
            # A defect of ours, set off by this message: kept where a person finds both.
            reply = self._defect(message.body, error)
        if reply.dead:
            await self._letters.bury(message, reply.dead)
        await self._letters.answer(message, reply)

    def _defect(self, body: bytes, error: Exception) -> Reply:
        reply = self._handler.failed(body, "internal error")
        log = logger.bind(queue=self._queue.name, stream=reply.subject)
        if self._queue.redact is None:
            log.opt(exception=error).error("command failed")
        else:
            # The text of an error may hold what was asked; where it came from does not.
            frames = traceback.extract_tb(error.__traceback__)[-_TRACED:]
            where = [f"{frame.name}:{frame.lineno}" for frame in frames]
            log.bind(error=type(error).__name__, where=where).error("command failed")
        return msgspec.structs.replace(reply, dead=f"failed: {self._said(error)}")

    async def _give_up(self, message: DeliveredMessage) -> None:
        reason = f"could not be dealt with for {self._queue.life_s or 0.0:g} s"
        try:
            await self._letters.bury(message, f"failed: {reason}")
        except NotNow as error:
            # It goes all the same: what is secret must not stay.
            logger.bind(queue=self._queue.name, reason=str(error)).error("command lost")
        await self._letters.answer(message, self._handler.failed(message.body, reason))

    def _is_over(self, since_s: float) -> bool:
        life_s = self._queue.life_s
        return life_s is not None and machine_s() - since_s >= life_s

    def _said(self, error: Exception) -> str:
        """What may be told of an error."""
        name = type(error).__name__
        return f"{name}: {error}" if self._queue.redact is None else name

    def _note_trouble(self, trouble: str | None) -> None:
        log = logger.bind(queue=self._queue.name)
        if trouble is not None and self._trouble is None:
            log.bind(reason=trouble).warning("commands wait")
        if trouble is None and self._trouble is not None:
            log.info("commands are served again")
        self._trouble = trouble
