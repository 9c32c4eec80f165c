"""What the simulated exchanges do alike: refusing, reading what a client sent, finding bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from common.model.events import Candle
from common.model.intervals import end_of, start_of
from simulator.exchanges.protocol import Effect
from simulator.listing import Listed, Listing
from simulator.world import World


class Refused(Exception):  # noqa: N818 - an answer, not a failure of ours
    """An error as the exchange words it: its code, its text, the HTTP status where it has one."""

    def __init__(self, code: int | str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code, self.message, self.status = code, message, status


class PlainDialect:
    """What most sockets do: wait to be asked, send payloads as they are, go without a word."""

    def greeting(self) -> Sequence[Effect]:
        """Nothing: it waits to be asked."""
        return ()

    def wrap(self, topic: str, payload: str) -> str | None:  # noqa: ARG002 - as all dialects
        """As it is: a push names its topic itself."""
        return payload

    def shutdown_notice(self) -> str | None:
        """It goes without a word."""
        return None


def needed_in(query: Mapping[str, str], name: str, refused: Refused) -> str:
    """A parameter that must be given, or ``refused`` raised."""
    text = query.get(name)
    if not text:
        raise refused
    return text


def integer_in(query: Mapping[str, str], name: str, refused: Refused) -> int | None:
    """A parameter that is a number, if it is given; ``refused`` raised for one that is none."""
    text = query.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise refused
    return int(text)


def object_in(text: str, refused: Refused) -> dict[str, Any]:
    """A message that is a JSON object; ``refused`` raised for anything else."""
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refused from None
    if not isinstance(message, dict):
        raise refused
    return message


def find(
    entries: Iterable[Listed], symbol_of: Callable[[Listing], str | None], symbol: str
) -> Listed | None:
    """The listing that ``symbol_of`` spells like this."""
    return next((entry for entry in entries if symbol_of(entry.listing) == symbol), None)


def starts_between(
    world: World,
    listed: Listed,
    interval: str,
    first_ms: int | None = None,
    last_ms: int | None = None,
    *,
    ended: bool = False,
) -> list[int]:
    """The starts of the bars there are with ``first_ms <= start <= last_ms``, oldest first.

    From its first one to the running one where no bound is given; ``ended`` leaves that out.
    """
    now_ms = world.clock.now_ms()
    first_ms = max(first_ms or 0, start_of(interval, listed.begins_ms))
    last_ms = now_ms if last_ms is None else min(last_ms, now_ms)
    return [
        start_ms
        for start_ms in world.market.starts(interval, first_ms, last_ms)
        if world.market.exists(listed, interval, start_ms)
        and (not ended or end_of(interval, start_ms) <= now_ms)
    ]


def final_candles(
    world: World,
    listed: Listed | None,
    interval: str,
    from_ms: int,
    to_ms: int,
    spell: Callable[[Listed, str, int], Candle],
) -> Sequence[Candle]:
    """The truth about the bars with ``from_ms <= start < to_ms``, those without trades too.

    ``spell`` says one of a start in our words. A replay knows none of these.
    """
    if listed is None or world.replay is not None:
        return ()
    starts = starts_between(world, listed, interval, from_ms, to_ms - 1, ended=True)
    return [spell(listed, interval, start_ms) for start_ms in starts]
