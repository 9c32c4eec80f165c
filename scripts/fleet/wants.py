"""``want``, ``unwant``, ``wants``: what is streamed beyond the settings, for whom, until when."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from msgspec import Struct, to_builtins

from common.clocks import wall_ms
from common.fleet.desired import TooManyWants, check_want
from common.fleet.members import takers
from common.fleet.plan import no_worker
from common.fleet.sharding import Resolved, resolve
from common.model.streams import Pattern, parse_pattern
from config.settings import Settings
from scripts.fleet.command import Command, NoAnswer, WrongQuestion, as_json, of_fleet
from scripts.fleet.seen import Seen, desired, look
from scripts.fleet.text import table
from scripts.fleet.times import FORMS, iso, read_time

BY = "cli"
# Who wants what the operator wrote; here, no party can have that name.
SETTINGS = "the settings"
COLUMNS = ("pattern", "streams", "wanted by", "since", "until")


class Line(Struct, frozen=True, rename="camel"):
    """One pattern and one party. ``until_ms`` None: until it is taken back."""

    pattern: str
    streams: int
    wanted_by: str
    since_ms: int | None = None
    until_ms: int | None = None

    def row(self) -> tuple[str, ...]:
        """For people."""
        since = "" if self.since_ms is None else iso(self.since_ms)
        until = "" if self.until_ms is None else iso(self.until_ms)
        return (self.pattern, str(self.streams), self.wanted_by, since, until)


# --- want -----------------------------------------------------------------------------------


async def _want(asked: Namespace, settings: Settings) -> str:
    """Make a pattern wanted.

    Raises:
        RedisAway: it may be wanted now or not; asking again is safe.
        NoAnswer: it cannot be streamed; nothing was changed.
    """
    pattern, until_ms = _asked(asked), _until_ms(asked.until)
    seen = await look(settings)
    resolved = resolve([pattern], seen.catalogs, settings.exchanges)
    hindered = [problem for problem in resolved.problems if problem.kind != "no_instruments"]
    if hindered and not resolved.streams:
        raise NoAnswer("; ".join(problem.detail for problem in hindered))
    try:
        async with desired(settings) as wanted:
            is_new = await wanted.add(pattern, asked.by, until_ms)
    except TooManyWants as error:
        raise NoAnswer(str(error)) from error
    warnings = _warnings(pattern, resolved, seen)
    if asked.json:
        line = Line(pattern.key, len(resolved.streams), asked.by, None, until_ms)
        return as_json({**to_builtins(line), "new": is_new, "warnings": warnings})
    until = f" until {iso(until_ms)}" if until_ms is not None else ""
    was = "is wanted" if is_new else "was wanted already, and is"
    lines = [f"{pattern.key} {was} by {asked.by}{until}: {_count(resolved)}", *warnings]
    return "\n".join(lines) + "\n"


def _warnings(pattern: Pattern, resolved: Resolved, seen: Seen) -> list[str]:
    """What may keep it from flowing though it is wanted."""
    alarms = no_worker(seen.plan, takers(seen.members))
    unserved = [alarm for alarm in alarms if alarm.subject == pattern.channel]
    return [f"but {problem.detail}" for problem in (*unserved, *resolved.problems)]


def _count(resolved: Resolved) -> str:
    count = len(resolved.streams)
    return "1 stream" if count == 1 else f"{count} streams"


# --- unwant ---------------------------------------------------------------------------------


async def _unwant(asked: Namespace, settings: Settings) -> str:
    """Take a want back; what others want stays.

    Raises:
        RedisAway: it may be wanted still or not; asking again is safe.
        NoAnswer: this party did not want it.
    """
    pattern = _asked(asked)
    async with desired(settings) as wanted:
        removed = await wanted.remove(pattern, asked.by)
        others = [want.wanted_by for want in await wanted.all() if want.pattern == pattern]
    if pattern in settings.streams:
        others.append(SETTINGS)
    by = f"; wanted by {', '.join(others)}" if others else ""
    if not removed:
        raise NoAnswer(f"{pattern.key} was not wanted by {asked.by}{by}")
    if asked.json:
        return as_json({"pattern": pattern.key, "removed": True, "wantedBy": others})
    return f"{pattern.key} is no longer wanted by {asked.by}{by}\n"


# --- wants ----------------------------------------------------------------------------------


async def _wants(asked: Namespace, settings: Settings) -> str:
    """Who wants what until when.

    Raises:
        RedisAway: it cannot be asked.
    """
    seen = await look(settings)

    def streams(pattern: Pattern) -> int:
        return len(resolve([pattern], seen.catalogs, settings.exchanges).streams)

    lines = [
        *(Line(pattern.key, streams(pattern), SETTINGS) for pattern in settings.streams),
        *(
            Line(
                want.pattern.key,
                streams(want.pattern),
                want.wanted_by,
                want.since_ms,
                want.until_ms,
            )
            for want in seen.wants
        ),
    ]
    return as_json(lines) if asked.json else table(COLUMNS, [line.row() for line in lines])


# --- arguments ------------------------------------------------------------------------------


def _asked(asked: Namespace) -> Pattern:
    """The pattern, if it and its party can be kept."""
    if not asked.by.isprintable() or asked.by == SETTINGS:
        raise WrongQuestion(f"--by {asked.by!r} is no name of a party")
    try:
        pattern = parse_pattern(asked.pattern)
        check_want(pattern, asked.by)
    except ValueError as error:
        raise WrongQuestion(str(error)) from None
    return pattern


def _until_ms(text: str | None) -> int | None:
    """By the wall, not by the market's clock: a want ends when a person thinks it does."""
    if text is None:
        return None
    now_ms = wall_ms()
    try:
        until_ms = read_time(text, now_ms)
    except ValueError as error:
        raise WrongQuestion(str(error)) from None
    if until_ms <= now_ms:
        raise WrongQuestion(f"--until {iso(until_ms)} is over")
    return until_ms


def _of_pattern(parser: ArgumentParser) -> None:
    parser.add_argument(
        "pattern", metavar="PATTERN", help="exchange:market:channel:symbol[:interval]; * for all"
    )
    parser.add_argument("--by", default=BY, metavar="NAME", help=f"who wants it; {BY} by default")


def _of_want(parser: ArgumentParser) -> None:
    _of_pattern(parser)
    parser.add_argument("--until", metavar="T", help=f"it ends then; T is {FORMS}")


COMMANDS = (
    Command("want", "make streams wanted, whatever restarts", of_fleet(_want), _of_want),
    Command("unwant", "take a want back; what others want stays", of_fleet(_unwant), _of_pattern),
    Command("wants", "who wants what, until when", of_fleet(_wants)),
)
