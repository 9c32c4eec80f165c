"""Closed candles copied from the stream queue to another queue, as they were, in order."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterable
from contextlib import aclosing
from typing import Any

import msgspec
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import (
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    PublishError,
)
from msgspec import Struct

from common.clocks import MarketClock, machine_s, wall_ms
from common.publish.connection import transport_of
from common.publish.topology import Arguments
from scripts.fleet.streamqueue import OFFSET, RPC_S, batches, newest_offset, oldest
from scripts.fleet.times import iso

SOURCE = "candles.replay"
# Reading begins earlier than the first candle can have arrived: clocks differ.
EARLIER_S = 300.0
# A blocked broker (memory or disk alarm) confirms nothing.
CONFIRM_S = 30.0
TELL_EVERY_S = 2.0
# For ``--create``. What has no room is refused rather than lost: the replay stops and says so.
CREATED: Arguments = {
    "x-queue-type": "quorum",
    "x-max-length": 5_000_000,
    "x-overflow": "reject-publish",
}


class Span(Struct, frozen=True):
    """Which candles: ``start_ms`` in [from, to); the sets are empty where all are meant."""

    from_ms: int
    to_ms: int
    exchanges: frozenset[str] = frozenset()
    markets: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    intervals: frozenset[str] = frozenset()

    def takes(self, bar: Bar) -> bool:
        """Whether a candle is meant."""
        parts = (
            (self.exchanges, bar.exchange),
            (self.markets, bar.market),
            (self.symbols, bar.symbol),
            (self.intervals, bar.interval),
        )
        in_time = self.from_ms <= bar.start_ms < self.to_ms
        return in_time and all(not meant or part in meant for meant, part in parts)


class Bar(Struct, frozen=True, rename="camel"):
    """Of a closed candle, what says which one it is."""

    exchange: str
    market: str
    symbol: str
    interval: str
    start_ms: int
    end_ms: int


class Summary(Struct, rename="camel"):
    """How far a replay has come. ``queue_from_ms``: the start of the oldest candle kept."""

    queue: str
    from_ms: int
    to_ms: int
    read: int = 0
    replayed: int = 0
    unreadable: int = 0
    first_start_ms: int | None = None
    last_start_ms: int | None = None
    queue_from_ms: int | None = None

    def note(self, bars: Iterable[Bar]) -> None:
        """These were confirmed."""
        starts = [bar.start_ms for bar in bars]
        self.replayed += len(starts)
        known = [ms for ms in (self.first_start_ms, self.last_start_ms) if ms is not None]
        self.first_start_ms = min(starts + known, default=None)
        self.last_start_ms = max(starts + known, default=None)

    def text(self) -> str:
        """For people."""
        of = f"candles of {iso(self.from_ms)} to {iso(self.to_ms)}"
        text = f"{self.replayed} {of} are in {self.queue}"
        if self.first_start_ms is not None and self.last_start_ms is not None:
            text += f", the first {iso(self.first_start_ms)}, the last {iso(self.last_start_ms)}"
        text += f"; {self.read} messages read"
        if self.unreadable:
            text += f", {self.unreadable} of them no candles"
        if self.queue_from_ms is not None and self.from_ms < self.queue_from_ms:
            text += f"; {SOURCE} begins with the candle of {iso(self.queue_from_ms)}"
        return f"{text}\n"


_decoder = msgspec.json.Decoder(Bar)


def _bar(message: DeliveredMessage) -> Bar | None:
    try:
        return _decoder.decode(message.body)
    except msgspec.DecodeError:
        return None


# --- reading --------------------------------------------------------------------------------


async def copy(
    connection: AbstractConnection,
    span: Span,
    late_ms: int | None,
    summary: Summary,
    clock: MarketClock,
    *,
    create: bool,
) -> None:
    """Copy what is asked for; ``summary`` says at any moment how far it is.

    Raises:
        NoStream, WentSilent: there is nothing to read, or no more.
        Refused: ``summary.queue`` did not take it.
    """
    last = await newest_offset(connection, SOURCE)
    if last < 0:
        return
    first = await oldest(connection, SOURCE)
    bar = None if first is None else _bar(first)
    summary.queue_from_ms = None if bar is None else bar.start_ms
    target = await _target(connection, summary.queue, create=create)
    machine_ago_s = clock.machine_delay_s(clock.now_ms() - span.from_ms)
    since_s = wall_ms() / 1000 - machine_ago_s - EARLIER_S
    told_s = machine_s()
    async with aclosing(batches(connection, SOURCE, since_s, last)) as read:
        async for batch in read:
            bars = [_bar(message) for message in batch]
            chosen = [
                (message, bar)
                for message, bar in zip(batch, bars, strict=True)
                if bar is not None and span.takes(bar)
            ]
            await _publish(target, summary.queue, [message for message, _ in chosen])
            summary.read += len(batch)
            summary.unreadable += bars.count(None)
            summary.note(bar for _, bar in chosen)
            if machine_s() - told_s > TELL_EVERY_S:
                told_s = machine_s()
                sys.stderr.write(f"{summary.replayed} replayed, {summary.read} read\n")
            if late_ms is not None and any(b and b.end_ms > span.to_ms + late_ms for b in bars):
                return


# --- where it goes --------------------------------------------------------------------------


class Refused(Exception):  # noqa: N818 - it says what became of the messages
    """The queue did not take them; the text says why."""


async def _target(connection: AbstractConnection, queue: str, *, create: bool) -> AbstractChannel:
    """A channel with confirms, when the queue is there.

    Raises:
        Refused: the queue is missing and is not to be made, or exists otherwise.
    """
    try:
        return await _declared(connection, queue, passive=True)
    except ChannelNotFoundEntity:
        if not create:
            raise Refused(f"there is no queue {queue}; --create makes it") from None
    try:
        return await _declared(connection, queue, arguments=dict(CREATED))
    except ChannelPreconditionFailed as error:
        raise Refused(f"{queue} cannot be made: {error}") from error


async def _declared(connection: AbstractConnection, queue: str, **how: Any) -> AbstractChannel:
    """A channel after that declaration: the broker closes it with every refusal."""
    async with asyncio.timeout(RPC_S):
        channel = await transport_of(connection).channel(publisher_confirms=True)
        await channel.queue_declare(queue, durable=True, **how)
    return channel


async def _publish(
    channel: AbstractChannel, queue: str, messages: Collection[DeliveredMessage]
) -> None:
    """Send them in order; all are confirmed when it returns.

    Raises:
        Refused: one of them was not taken. Those after it may have been.
    """
    try:
        async with asyncio.timeout(CONFIRM_S):
            outcomes = await asyncio.gather(
                *(_publish_one(channel, queue, message) for message in messages),
                return_exceptions=True,
            )
    except TimeoutError:
        raise Refused(f"RabbitMQ confirms nothing for {CONFIRM_S:g} s (an alarm?)") from None
    for outcome in outcomes:
        if isinstance(outcome, PublishError):
            raise Refused(f"{queue} is gone")
        if isinstance(outcome, DeliveryError):
            raise Refused(f"{queue} takes no more: make room and ask again")
        if isinstance(outcome, BaseException):
            raise outcome


async def _publish_one(channel: AbstractChannel, queue: str, message: DeliveredMessage) -> None:
    properties = message.header.properties
    headers = {k: v for k, v in (properties.headers or {}).items() if k != OFFSET}
    properties.headers = {**headers, "replay": True, "routingKey": message.routing_key or ""}
    await channel.basic_publish(
        message.body, exchange="", routing_key=queue, properties=properties, mandatory=True
    )
