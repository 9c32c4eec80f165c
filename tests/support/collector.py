"""A backend: keeps every message of the ``market`` topic exchange, read with nothing of ours."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aio_pika
from aio_pika.abc import AbstractIncomingMessage


class Received(NamedTuple):
    routing_key: str
    message_id: str
    type: str
    headers: dict[str, Any]
    body: dict[str, Any]


class Collector:
    """What arrived, in order."""

    def __init__(self) -> None:
        self.messages: list[Received] = []
        self._changed = asyncio.Condition()
        self._bound: tuple[Any, Any, str] | None = None

    async def bind(self, queue: Any, source: Any, binding: str) -> None:
        self._bound = queue, source, binding
        await self.hear()

    async def hear(self) -> None:
        """Have a queue for what is published."""
        assert self._bound is not None
        queue, source, binding = self._bound
        await queue.bind(source, binding)

    async def deaf(self) -> None:
        """Have none: if nobody else has, what is published is returned."""
        assert self._bound is not None
        queue, source, binding = self._bound
        await queue.unbind(source, binding)

    async def take(self, message: AbstractIncomingMessage) -> None:
        received = Received(
            message.routing_key or "",
            message.message_id or "",
            message.type or "",
            dict(message.headers),
            json.loads(message.body),
        )
        async with self._changed:
            self.messages.append(received)
            self._changed.notify_all()

    async def until(self, true: Callable[[Collector], object], timeout_s: float = 30.0) -> None:
        """Wait until something is true of what arrived."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: true(self))

    def of(self, kind: str) -> list[Received]:
        return [message for message in self.messages if message.type == kind]

    def closed(self) -> dict[tuple[str, str, str], list[Received]]:
        """Closed candles by market, symbol and interval."""
        streams: dict[tuple[str, str, str], list[Received]] = defaultdict(list)
        for message in self.of("candle.closed.v1"):
            body = message.body
            streams[body["market"], body["symbol"], body["interval"]].append(message)
        return dict(streams)

    def repeated(self) -> list[str]:
        """Ids of durable messages that came more than once."""
        counts = Counter(message.message_id for message in self.of("candle.closed.v1"))
        return [message_id for message_id, count in counts.items() if count > 1]


@asynccontextmanager
async def collecting(
    rabbit_url: str, binding: str = "#", amqp_exchange: str = "market"
) -> AsyncIterator[Collector]:
    """Collect from now on; bound before anything is published."""
    collector = Collector()
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        source = await channel.declare_exchange(amqp_exchange, "topic", durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await collector.bind(queue, source, binding)
        await queue.consume(collector.take, no_ack=True)
        yield collector
