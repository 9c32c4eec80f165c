"""A backend as the tests need one: plain aio-pika, nothing of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from scripts.engines import RabbitServer


@asynccontextmanager
async def backend(url: str) -> AsyncIterator[AbstractChannel]:
    """A channel of a connection of its own."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=500)
        yield channel


async def read(
    channel: AbstractChannel, queue: str, count: int, timeout_s: float = 15.0
) -> list[AbstractIncomingMessage]:
    """The next ``count`` messages of a queue, acked."""
    messages: list[AbstractIncomingMessage] = []
    full = asyncio.Event()

    async def take(message: AbstractIncomingMessage) -> None:
        await message.ack()
        if len(messages) < count:
            messages.append(message)
        if len(messages) >= count:
            full.set()

    source = await channel.get_queue(queue)
    arguments = {"x-stream-offset": "first"} if queue.endswith(".replay") else None
    tag = await source.consume(take, arguments=arguments)
    try:
        async with asyncio.timeout(timeout_s):
            await full.wait()
    except TimeoutError:
        names = [message.message_id for message in messages]
        raise AssertionError(f"{len(messages)} of {count} came out of {queue}: {names}") from None
    finally:
        await source.cancel(tag)
    return messages


def own_headers(message: AbstractIncomingMessage) -> dict[str, Any]:
    """Without those that the broker has added."""
    return {name: value for name, value in message.headers.items() if name[:2] != "x-"}


async def depth(url: str, queue: str) -> int:
    """How many messages are ready in a queue."""
    async with backend(url) as channel:
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


@asynccontextmanager
async def alarm(rabbit: RabbitServer) -> AsyncIterator[None]:
    """The broker's memory alarm: it reads nothing more of a connection that publishes."""
    watermark = "set_vm_memory_high_watermark"
    await asyncio.to_thread(rabbit.ctl, watermark, "absolute", "1MB")
    try:
        yield
    finally:
        # The broker is one for all tests.
        await asyncio.to_thread(rabbit.ctl, watermark, "0.4")
