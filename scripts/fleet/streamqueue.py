"""Reading a RabbitMQ stream queue: from a time on, up to what was in it when the reading began.

A stream keeps its messages when they are read, and its consumer waits for more at its end. How many
there are RabbitMQ tells late, so the end is looked up first: the newest offset there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from common.clocks import machine_s
from common.publish.connection import transport_of

PREFETCH = 500
# One step of the protocol. The library's own timeouts may lose a Ctrl-C (``asyncio.wait_for``).
RPC_S = 15.0
# The library itself waits for two seconds.
LEAVE_S = 3.0
# A stream that has something begins to deliver within milliseconds.
SILENCE_S = 5.0
# The newest messages come together; on a busy broker with pauses.
NEWEST_PAUSE_S = 1.5
# On a busy stream there is always a newer one.
NEWEST_S = 5.0
OFFSET = "x-stream-offset"

Offset = str | datetime
Batch = list[DeliveredMessage]


class NoStream(Exception):  # noqa: N818 - it says what there is instead
    """The queue cannot be read as a stream; the text says why."""


class WentSilent(Exception):  # noqa: N818 - it says what happened
    """The broker stopped delivering in the middle."""


class Reader:
    """One consumer: what was delivered, in order, and to be acknowledged."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        # The broker keeps the bound, but for the rest of a chunk it has begun: a bound here would
        # lose that.
        self._delivered: asyncio.Queue[DeliveredMessage] = asyncio.Queue()

    async def take(self, message: DeliveredMessage) -> None:
        """Called by the library, in order."""
        self._delivered.put_nowait(message)

    async def batch(self, wait_s: float) -> Batch:
        """What has been delivered; empty if nothing was within ``wait_s``."""
        try:
            async with asyncio.timeout(wait_s):
                batch = [await self._delivered.get()]
        except TimeoutError:
            return []
        while not self._delivered.empty():
            batch.append(self._delivered.get_nowait())
        return batch

    async def ack(self, batch: Batch) -> None:
        """Room for as many more."""
        tag = batch[-1].delivery_tag or 0
        await self._channel.basic_ack(tag, multiple=True, wait=False)


def offset_of(message: DeliveredMessage) -> int:
    """Where a message stands in its stream."""
    return int(str((message.header.properties.headers or {})[OFFSET]))


@asynccontextmanager
async def reading(
    connection: AbstractConnection, queue: str, offset: Offset
) -> AsyncIterator[Reader]:
    """Consume from an offset: ``first``, ``last`` (the newest chunk) or a time of arrival.

    Raises:
        NoStream: there is no such queue, or it is of another type.
    """
    async with asyncio.timeout(RPC_S):
        channel = await transport_of(connection).channel(publisher_confirms=False)
    reader = Reader(channel)
    try:
        async with asyncio.timeout(RPC_S):
            await channel.basic_qos(prefetch_count=PREFETCH)
            await channel.basic_consume(queue, reader.take, arguments={OFFSET: offset})
        yield reader
    except ChannelNotFoundEntity as error:
        raise NoStream(f"there is no queue {queue}") from error
    except ChannelPreconditionFailed as error:
        raise NoStream(f"{queue} is no stream queue: {error}") from error
    finally:
        if not channel.is_closed:
            # A broker in an alarm reads nothing, not even this: who was interrupted stays interrupted.
            with suppress(AMQPError, ChannelInvalidStateError, OSError):
                async with asyncio.timeout(LEAVE_S):
                    await channel.close(None)


async def oldest(connection: AbstractConnection, queue: str) -> DeliveredMessage | None:
    """The oldest message that is kept; None if the stream is empty."""
    async with reading(connection, queue, "first") as reader:
        batch = await reader.batch(SILENCE_S)
    return batch[0] if batch else None


async def newest_offset(connection: AbstractConnection, queue: str) -> int:
    """The offset of the newest message now; -1 if the stream is empty."""
    newest = -1
    async with reading(connection, queue, "last") as reader:
        batch = await reader.batch(SILENCE_S)
        until_s = machine_s() + NEWEST_S
        while batch:
            newest = offset_of(batch[-1])
            await reader.ack(batch)
            batch = await reader.batch(NEWEST_PAUSE_S) if machine_s() < until_s else []
    return newest


async def batches(
    connection: AbstractConnection, queue: str, since_s: float, last: int
) -> AsyncGenerator[Batch, None]:
    """What arrived since a time (wall seconds, by the broker's clock) up to the offset ``last``.

    A batch is acknowledged when the next one is asked for. Some older messages may come first.

    Raises:
        WentSilent: it did not get that far.
    """
    begin = datetime.fromtimestamp(max(0.0, since_s), UTC)
    read = None
    async with reading(connection, queue, begin) as reader:
        while read is None or read < last:
            batch = await reader.batch(SILENCE_S)
            if not batch and read is None:
                return  # nothing has arrived since
            if not batch:
                raise WentSilent(f"nothing came for {SILENCE_S:g} s, at offset {read} of {last}")
            read = offset_of(batch[-1])
            known = [message for message in batch if offset_of(message) <= last]
            if known:
                yield known
            await reader.ack(batch)
