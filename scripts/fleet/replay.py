"""``replay``: closed candles of a time span once more, from the stream queue to a queue of yours."""

from __future__ import annotations

import asyncio
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable

from aiormq.exceptions import AMQPError
from yarl import URL

from common.exchanges.registry import EXCHANGES
from common.model.intervals import INTERVALS
from common.model.streams import MARKETS
from common.publish.connection import connected
from config.settings import Settings
from scripts.fleet.command import Command, NoAnswer, WrongQuestion, as_json, of_fleet
from scripts.fleet.replaying import SOURCE, Refused, Span, Summary, copy
from scripts.fleet.streamqueue import NoStream, WentSilent
from scripts.fleet.times import FORMS, iso, read_length, read_time

# What our client lets through; names with amq. are RabbitMQ's own.
QUEUE_NAME = r"(?!amq\.)[a-zA-Z0-9\-_.:@#,/+ ]{1,255}"
EPILOG = (
    "The messages are the same as the first time: same message_id, type, headers and body, in the "
    "order of their arrival, with the headers replay (true) and routingKey (the first one's) added. "
    "Whoever drops what it has seen by message_id may be sent any span any number of times: "
    "after an interruption simply ask again. A candle belongs to the span if its startMs lies in "
    "[FROM, TO). A missed candle arrives late, so the stream is read up to what is in it now, "
    "unless --late says how late is late enough."
)


async def _replay(asked: Namespace, settings: Settings) -> str:
    span, late_ms = _span(asked, settings.market_clock.now_ms()), _late_ms(asked)
    summary = Summary(asked.queue, span.from_ms, span.to_ms)
    try:
        async with connected(URL(settings.rabbit_url.reveal())) as connection:
            clock = settings.market_clock
            copying = copy(connection, span, late_ms, summary, clock, create=asked.create)
            await _copied(copying, summary)
    except (AMQPError, OSError) as error:
        raise NoAnswer(
            f"RabbitMQ at {settings.rabbit_url} does not answer: {type(error).__name__} {error}"
        ) from error
    told = as_json(summary) if asked.json else summary.text()
    if not summary.replayed:
        raise NoAnswer(_nothing(summary), told if asked.json else "")
    return told


async def _copied(copying: Awaitable[None], summary: Summary) -> None:
    """Copy; whatever ends it early is told with how far it came."""
    try:
        await copying
    except (AMQPError, OSError, NoStream, WentSilent, Refused) as error:
        raise NoAnswer(_trouble(error, summary)) from error
    except asyncio.CancelledError:
        sys.stderr.write(f"interrupted: {summary.text()}")
        raise


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
