"""Commands in: ``candlesRequests``, each one answered, none lost, none fatal.

A request is acked only when its effect is durable: wanted in Redis, answered, or laid with the
dead letters and confirmed there. What fails for a reason that passes by itself (Redis away) is put
back after a pause. Answers and dead letters leave over the publisher's connection, not over this
one: a connection that publishes is stopped by the broker in a memory alarm, acks and all.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from loguru import logger

from common.clocks import wall_ms
from common.publish import requests
from common.publish.connection import Link, transport_of
from common.publish.messages import DEAD_EXCHANGE, Outcome
from common.publish.requests import Answer, Malformed, ReplyTo, Wanted
from common.publish.routes import Letter
from common.publish.seldom import Seldom
from common.publish.topology import (
    CANDLES_REQUESTS,
    CANDLES_REQUESTS_DEAD,
    COMMANDS,
    Mode,
    declare,
)

ANSWER = "command.answer.v1"
DEAD_COMMAND = "command.dead.v1"

RPC_TIMEOUT_S = 15.0
WANT_TIMEOUT_S = 15.0
# An answer is in the publisher's buffer at once; waiting longer would only hold up the next.
ANSWER_TIMEOUT_S = 5.0
DEAD_TIMEOUT_S = 15.0
# How long a stopping consumer waits for what it has begun.
DRAIN_S = 5.0

_MOST_NAME_CHARACTERS = 100

# Writes what is wanted where it lasts, and says how that went. ``requested_by`` says for whom.
Want = Callable[[Wanted, str], Awaitable[Answer]]
Post = Callable[[Letter], Awaitable[Outcome]]

_encode = msgspec.json.Encoder().encode


class _NotNow(Exception):  # noqa: N818 - it says when
    """The message is to be put back; the text says why."""


class Commands:
    """Consumes requests until closed.

    Args:
        url: ``amqp://`` or ``amqps://``, with user, password and vhost.
        want: what is done with a request that is understood.
        post: how answers and dead letters are sent (``Pipeline.post``).
        transient: failures of ``want`` that pass by themselves, besides timeouts and sockets.
        pause_s: least and most seconds before a message is put back.
    """

    def __init__(
        self,
        url: str,
        *,
        want: Want,
        post: Post,
        topology: Mode = "full",
        transient: tuple[type[Exception], ...] = (),
        prefetch: int = 20,
        name: str = "commands",
        retry_s: tuple[float, float] = (1.0, 30.0),
        pause_s: tuple[float, float] = (1.0, 5.0),
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._want = want
        self._post = post
        self._topology: Mode = topology
        self._transient: tuple[type[Exception], ...] = (*transient, OSError, TimeoutError)
        self._prefetch = prefetch
        self._pause_s = pause_s
        self._now_ms = now_ms
        self._link = Link(url, self._life, name=name, retry_s=retry_s)
        self._running: set[asyncio.Task[None]] = set()
        self._trouble: str | None = None
        self._complaints = Seldom()
        self._counts = dict.fromkeys(
            ("accepted", "active", "unsupported", "disabled", "failed", "dead", "requeued"), 0
        )
        self._consuming = False

    async def start(self) -> None:
        """Begin to connect. Returns at once: a broker that is away is waited for."""
        self._link.start()

    async def close(self) -> None:
        """Take no more, finish what has begun, end the connection."""
        await self._link.close()

    @property
    def stats(self) -> dict[str, int | bool]:
        """Answers by state, dead letters, messages put back, and whether we consume."""
        return {**self._counts, "consuming": self._consuming}

    # --- one connection -----------------------------------------------------------------------

    async def _life(self, connection: AbstractConnection) -> None:
        await declare(connection, COMMANDS, self._topology)
        channel = await transport_of(connection).channel(
            publisher_confirms=False, timeout=RPC_TIMEOUT_S
        )
        # A queue that is deleted ends its consumers without ending anything else.
        cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        channel.on_consumer_cancel_callbacks.add(
            lambda _: None if cancelled.done() else cancelled.set_result(None)
        )
        closing = channel.closing
        try:
            await channel.basic_qos(prefetch_count=self._prefetch, timeout=RPC_TIMEOUT_S)
            consuming = await channel.basic_consume(
                CANDLES_REQUESTS, partial(self._on_message, channel), timeout=RPC_TIMEOUT_S
            )
            self._consuming = True
            self._link.up()
            try:
                await asyncio.wait((cancelled, closing), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                await self._drain(channel, consuming.consumer_tag or "")
                raise
        finally:
            self._consuming = False
            closing.cancel()
        raise ConnectionError("the broker ended the consumer")

    async def _drain(self, channel: AbstractChannel, consumer_tag: str) -> None:
        if channel.is_closed:
            return
        try:
            async with asyncio.timeout(DRAIN_S):
                await channel.basic_cancel(consumer_tag, timeout=DRAIN_S)
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
        tag = message.delivery_tag or 0
        try:
            try:
                await self._serve(message)
            except _NotNow as error:
                self._note_trouble(str(error))
                await asyncio.sleep(random.uniform(*self._pause_s))
                self._counts["requeued"] += 1
                await channel.basic_nack(tag, requeue=True, wait=False)
            else:
                self._note_trouble(None)
                await channel.basic_ack(tag, wait=False)
        except (AMQPError, OSError) as error:
            # The channel is gone, and with it the delivery: the broker will bring it again.
            logger.bind(reason=f"{type(error).__name__}: {error}").info("command not settled")

    async def _serve(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        reply_to = requests.reply_address(
            message.body, properties.reply_to, properties.correlation_id
        )
        try:
            wanted = requests.read(message.body)
        except Malformed as error:
            await self._bury(message, f"malformed: {error}")
            await self._answer(reply_to, Answer("failed", str(error)))
            return
        if isinstance(wanted, Answer):
            await self._answer(reply_to, wanted)
            return
        requested_by = (properties.app_id or CANDLES_REQUESTS)[:_MOST_NAME_CHARACTERS]
        try:
            async with asyncio.timeout(WANT_TIMEOUT_S):
                answer = await self._want(wanted, requested_by)
        except self._transient as error:
            raise _NotNow(f"{type(error).__name__}: {error}") from error
        except Exception as error:  # noqa: BLE001
            # A defect of ours, set off by this message: kept where a person finds both.
            logger.bind(stream=wanted.pattern.key).opt(exception=error).error("command failed")
            await self._bury(message, f"failed: {type(error).__name__}: {error}")
            answer = Answer("failed", "internal error")
        await self._answer(
            reply_to, msgspec.structs.replace(answer, stream=answer.stream or wanted.pattern.key)
        )

    async def _answer(self, reply_to: ReplyTo | None, answer: Answer) -> None:
        self._counts[answer.state] += 1
        followed = answer.state in ("accepted", "active")
        if not followed and self._complaints.now(f"{answer.state} {answer.reason}"):
            logger.bind(state=answer.state, reason=answer.reason, stream=answer.stream).warning(
                "command not followed"
            )
        if reply_to is None:
            return
        body = _encode({"response": answer})
        letter = Letter(
            amqp_exchange="",
            routing_key=reply_to.queue,
            message_id=f"answer:{_digest((reply_to.correlation_id or '').encode() + body)}",
            kind=ANSWER,
            timestamp_s=self._now_ms() // 1000,
            body=body,
            correlation_id=reply_to.correlation_id,
        )
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._post(letter)
        except TimeoutError:
            logger.bind(stream=answer.stream).info("answer waits for the broker")
        except ValueError as error:
            logger.bind(reason=str(error)).warning("answer has no address")

    async def _bury(self, message: DeliveredMessage, reason: str) -> None:
        """Lay a message with the dead letters; returns when it is safe there."""
        letter = Letter(
            amqp_exchange=DEAD_EXCHANGE,
            routing_key=CANDLES_REQUESTS_DEAD,
            message_id=f"dead:{_digest(message.body)}",
            kind=DEAD_COMMAND,
            content_type="application/octet-stream",
            timestamp_s=self._now_ms() // 1000,
            body=message.body,
            headers={
                "reason": reason[:500],
                "exchange": message.exchange or "",
                "routingKey": message.routing_key or "",
                "queue": CANDLES_REQUESTS,
            },
            mandatory=True,
        )
        try:
            async with asyncio.timeout(DEAD_TIMEOUT_S):
                outcome = await self._post(letter)
        except TimeoutError as error:
            raise _NotNow("dead letter not confirmed in time") from error
        if outcome != "confirmed":
            raise _NotNow(f"dead letter {outcome}")
        self._counts["dead"] += 1
        if self._complaints.now(reason):
            logger.bind(reason=reason[:200], bytes=len(message.body)).warning(
                "command dead-lettered"
            )

    def _note_trouble(self, trouble: str | None) -> None:
        if trouble is not None and self._trouble is None:
            logger.bind(reason=trouble).warning("commands wait")
        if trouble is None and self._trouble is not None:
            logger.info("commands are served again")
        self._trouble = trouble


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
