"""``replay``: closed candles of a time span once more, from the stream queue to a queue of yours."""

from __future__ import annotations

import asyncio
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Iterable
from typing import Any

import aio_pika
import msgspec
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import (
    AMQPError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    PublishError,
)
from msgspec import Struct

from common.clocks import MarketClock, machine_s, wall_ms
from common.exchanges.registry import EXCHANGES
from common.model.intervals import INTERVALS
from common.model.streams import MARKETS
from common.publish.connection import CONNECT_TIMEOUT_S, transport_of
from common.publish.topology import Arguments
from config.settings import Settings
from scripts.fleet.command import Command, NoAnswer, WrongQuestion, as_json, of_fleet
from scripts.fleet.streamqueue import (
    OFFSET,
    RPC_S,
    NoStream,
    WentSilent,
    batches,
    newest_offset,
    oldest,
)
from scripts.fleet.times import FORMS, iso, read_length, read_time

SOURCE = "candles.replay"
# What our client lets through; names with amq. are RabbitMQ's own.
QUEUE_NAME = r"(?!amq\.)[a-zA-Z0-9\-_.:@#,/+ ]{1,255}"
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
EPILOG = (
    "The messages are the same as the first time: same message_id, type, headers and body, in the "
    "order of their arrival, with the headers replay (true) and routingKey (the first one's) added. "
    "Whoever drops what it has seen by message_id may be sent any span any number of times: "
    "after an interruption simply ask again. A candle belongs to the span if its startMs lies in "
    "[FROM, TO). A missed candle arrives late, so the stream is read up to what is in it now, "
    "unless --late says how late is late enough."
)


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


# --- the whole ------------------------------------------------------------------------------


async def _replay(asked: Namespace, settings: Settings) -> str:
    span, late_ms = _span(asked, settings.market_clock.now_ms()), _late_ms(asked)
    summary = Summary(asked.queue, span.from_ms, span.to_ms)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await aio_pika.connect(settings.rabbit_url.reveal())
    except (AMQPError, OSError, TimeoutError) as error:
        raise NoAnswer(
            f"RabbitMQ at {settings.rabbit_url} does not answer: {type(error).__name__} {error}"
        ) from error
    try:
        await _run(connection, span, late_ms, summary, settings.market_clock, create=asked.create)
    except (AMQPError, OSError, NoStream, WentSilent, Refused) as error:
        raise NoAnswer(_trouble(error, summary)) from error
    except asyncio.CancelledError:
        sys.stderr.write(f"interrupted: {summary.text()}")
        raise
    finally:
        await _hang_up(connection)
    told = as_json(summary) if asked.json else summary.text()
    if not summary.replayed:
        raise NoAnswer(_nothing(summary), told if asked.json else "")
    return told


async def _hang_up(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(RPC_S):
            await connection.close()
    except (AMQPError, OSError, TimeoutError) as error:
        # A broker in an alarm reads nothing, not even this; the socket ends with the process.
        sys.stderr.write(f"not closed well: {type(error).__name__} {error}\n")


async def _run(
    connection: AbstractConnection,
    span: Span,
    late_ms: int | None,
    summary: Summary,
    clock: MarketClock,
    *,
    create: bool,
) -> None:
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
    async for batch in batches(connection, SOURCE, since_s, last):
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


# --- words ----------------------------------------------------------------------------------


def _trouble(error: Exception, summary: Summary) -> str:
    if isinstance(error, NoStream):
        return f"{error}; it is declared with TOPOLOGY=full"
    known = isinstance(error, Refused | WentSilent)
    what = str(error) if known else f"RabbitMQ is gone: {type(error).__name__} {error}"
    return f"{what}\nbefore that: {summary.text()}".rstrip() if summary.read else what


def _nothing(summary: Summary) -> str:
    of = f"no candle of {iso(summary.from_ms)} to {iso(summary.to_ms)}"
    if summary.queue_from_ms is None:
        return f"{of}: {SOURCE} is empty"
    if summary.to_ms <= summary.queue_from_ms:
        return f"{of}: what {SOURCE} keeps begins with that of {iso(summary.queue_from_ms)}"
    return f"{of} in {SOURCE} that is asked for; {summary.read} messages read"


def _span(asked: Namespace, now_ms: int) -> Span:
    try:
        from_ms, to_ms = read_time(asked.from_, now_ms), read_time(asked.to, now_ms)
    except ValueError as error:
        raise WrongQuestion(str(error)) from None
    if from_ms >= to_ms:
        raise WrongQuestion(f"--from {iso(from_ms)} is not before --to {iso(to_ms)}")
    if asked.queue == SOURCE:
        raise WrongQuestion(f"{SOURCE} is what is read; name a queue of your own")
    if not re.fullmatch(QUEUE_NAME, asked.queue):
        raise WrongQuestion(f"{asked.queue!r} is no name of a queue")
    sets = (asked.exchange, asked.market, asked.symbol, asked.interval)
    return Span(from_ms, to_ms, *(frozenset(words) for words in sets))


def _late_ms(asked: Namespace) -> int | None:
    try:
        return None if asked.late is None else read_length(asked.late)
    except ValueError as error:
        raise WrongQuestion(str(error)) from None


def _arguments(parser: ArgumentParser) -> None:
    forms = FORMS.replace("%", "%%")
    parser.add_argument("--from", dest="from_", required=True, metavar="T", help=f"T is {forms}")
    parser.add_argument("--to", default="now", metavar="T", help="exclusive; now by default")
    parser.add_argument("--queue", required=True, metavar="NAME", help="where they go")
    parser.add_argument(
        "--create", action="store_true", help="make the queue if it is missing (quorum, bounded)"
    )
    parser.add_argument(
        "--late", metavar="LENGTH", help="stop when candles end so long after TO (2h, 1d)"
    )
    for name, words in (
        ("exchange", tuple(EXCHANGES)),
        ("market", MARKETS),
        ("symbol", None),
        ("interval", INTERVALS),
    ):
        parser.add_argument(
            f"--{name}", action="append", default=[], choices=words, help="only this; repeatable"
        )


COMMAND = Command(
    "replay",
    "closed candles of a time span once more, from the stream queue to a queue of yours",
    of_fleet(_replay),
    _arguments,
    EPILOG,
)
