"""A backend that keeps every message: a durable queue of its own, there before the fleet is.

It connects to the broker directly and again whenever the connection ends, and acknowledges each
message when it has kept it. An acknowledgement that was on its way when a connection ended may be
lost; the broker then delivers the message once more. Such a repeat is the consumer's own, not the
fleet's: it carries the broker's ``redelivered`` mark, *and* we had the same message shortly before
that connection ended. One that is marked but was never kept is the first copy; one that is not
marked is the fleet's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter, deque
from functools import partial
from typing import Any

import aio_pika
import msgspec
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from msgspec import Struct
from yarl import URL

from common.clocks import wall_ms
from common.publish.connection import transport_of, within

QUEUE = "chaos"
BINDINGS = (("market", "candle.closed.#"), ("account", "#"), ("fleet", "stream.#"))
TIMEOUT_S = 15.0
HEARTBEAT_S = 10
PREFETCH = 1_000
PAUSE_S = (0.2, 0.8)
# An acknowledgement is on its way no longer than this.
ACK_LOST_WITHIN_MS = 10_000


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """One message as it came. ``own``: a repeat that the consumer itself caused."""

    kind: str
    message_id: str
    body: dict[str, Any]
    epoch: int
    origin: str
    arrived_ms: int
    redelivered: bool
    own: bool


class Consumer:
    """Keeps what comes.

    Attributes:
        deliveries: every message, in the order it came.
        unreadable: why a message could not be kept.
        connected: whether messages can come right now.
        connects: how many connections there have been.
        trouble: why the last one ended.
    """

    def __init__(self, rabbit_url: str) -> None:
        self._url = rabbit_url
        self.deliveries: list[Delivery] = []
        self.unreadable: list[str] = []
        self.connected = False
        self.connects = 0
        self.trouble = ""
        # What came on this connection lately, and what of the last ones may come again.
        self._lately: deque[tuple[int, str]] = deque()
        self._may_repeat: Counter[str] = Counter()
        self._ready = asyncio.Event()

    async def ready(self, timeout_s: float) -> None:
        """Return when the queue is there and consumed."""
        async with asyncio.timeout(timeout_s):
            await self._ready.wait()

    async def run(self) -> None:
        """Consume until cancelled, whatever becomes of the broker."""
        while True:
            try:
                await self._one_connection()
            except (AMQPError, OSError, TimeoutError) as error:
                # What this consumer is for: the next connection goes on.
                self.trouble = f"{type(error).__name__}: {error}"
            finally:
                self._ended()
            await asyncio.sleep(random.uniform(*PAUSE_S))

    async def _one_connection(self) -> None:
        connection = aio_pika.Connection(URL(self._url).update_query(heartbeat=str(HEARTBEAT_S)))
        try:
            await within(TIMEOUT_S, connection.connect())
            opening = transport_of(connection).channel(publisher_confirms=False)
            channel = await within(TIMEOUT_S, opening)
            closing = (transport_of(connection).closing, channel.closing)
            await self._consume(channel)
            # A dead broker is noticed by the heartbeats.
            await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Whatever becomes of it: who was told to end meanwhile is not to go on.
            with contextlib.suppress(AMQPError, OSError, TimeoutError):
                await within(TIMEOUT_S, connection.close(ConnectionError))

    async def _consume(self, channel: AbstractChannel) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await channel.basic_qos(prefetch_count=PREFETCH)
            await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
            for amqp_exchange, key in BINDINGS:
                await channel.exchange_declare(amqp_exchange, exchange_type="topic", durable=True)
                await channel.queue_bind(QUEUE, amqp_exchange, key)
            self.connects += 1
            await channel.basic_consume(QUEUE, partial(self._take, channel))
        self.connected = True
        self._ready.set()

    async def _take(self, channel: AbstractChannel, message: DeliveredMessage) -> None:
        self._keep(message)
        # Where the connection has ended meanwhile, the message comes again.
        with contextlib.suppress(AMQPError, OSError, TimeoutError, ChannelInvalidStateError):
            await within(TIMEOUT_S, channel.basic_ack(message.delivery_tag or 0))

    def _keep(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        now_ms, message_id = wall_ms(), properties.message_id or ""
        own = bool(message.redelivered) and self._may_repeat[message_id] > 0
        if own:
            self._may_repeat[message_id] -= 1
        self._lately.append((now_ms, message_id))
        while now_ms - self._lately[0][0] > ACK_LOST_WITHIN_MS:
            self._lately.popleft()
        headers = properties.headers or {}
        try:
            body = msgspec.json.decode(message.body, type=dict[str, Any])
            epoch, origin = int(str(headers["epoch"])), str(headers["origin"])
        except (msgspec.DecodeError, KeyError, ValueError) as error:
            self.unreadable.append(f"{message_id or message.routing_key}: {error!r}")
            return
        self.deliveries.append(
            Delivery(
                kind=properties.message_type or "",
                message_id=message_id,
                body=body,
                epoch=epoch,
                origin=origin,
                arrived_ms=now_ms,
                redelivered=bool(message.redelivered),
                own=own,
            )
        )

    def _ended(self) -> None:
        """A connection is over: what came at its end may come once more."""
        self.connected = False
        ended_ms = wall_ms()
        self._may_repeat.update(
            message_id
            for at_ms, message_id in self._lately
            if ended_ms - at_ms < ACK_LOST_WITHIN_MS
        )
        self._lately.clear()
