"""Times as people give them on a command line, and as they read them. Pure; UTC milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

FORMS = (
    "ISO 8601 with its zone (2026-11-21T10:00:00Z), milliseconds since 1970 (1795255200000), "
    "or from now on (-2h, +30m, now; units s m h d w)"
)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# Below, a number is one of seconds: in milliseconds it would be a day of 1973 or before.
_LEAST_MS = 100_000_000_000
# The end of the year 9999, as far as ISO 8601 reaches here.
_MOST_MS = 253_402_300_799_999


def read_time(text: str, now_ms: int) -> int:
    """The time that ``text`` means.

    Raises:
        ValueError: it means none; says what is wrong and which forms there are.
    """
    relative = re.fullmatch(r"([+-])([0-9]{1,9})([smhdw])", text)
    if text == "now":
        return now_ms
    if relative is not None:
        sign, number, unit = relative.groups()
        time_ms = now_ms + int(f"{sign}{number}") * _UNIT_MS[unit]
    elif re.fullmatch(r"[0-9]{1,18}", text):
        time_ms = int(text)
        if time_ms < _LEAST_MS:
            raise ValueError(f"{text} is too small for milliseconds since 1970; are they seconds?")
    else:
        time_ms = _iso_ms(text)
    if not 0 <= time_ms <= _MOST_MS:
        raise ValueError(f"{text} is beyond all calendars")
    return time_ms


def _iso_ms(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; a time is {FORMS}") from None
    if time.tzinfo is None:
        raise ValueError(f"{text} has no zone; write {text}Z for UTC, or its offset ({text}+02:00)")
    return int(time.timestamp() * 1000)


def read_length(text: str) -> int:
    """A length of time in milliseconds: ``90s``, ``30m``, ``2h``, ``1d``, ``1w``.

    Raises:
        ValueError: it is none.
    """
    length = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if length is None:
        raise ValueError(f"{text!r} is no length of time; one is 90s, 30m, 2h, 1d or 1w")
    return int(length[1]) * _UNIT_MS[length[2]]


def iso(time_ms: int) -> str:
    """A time for people: ``2026-11-21T10:00:00Z``, with milliseconds where there are any."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    precision = "milliseconds" if time_ms % 1000 else "seconds"
    return time.isoformat(timespec=precision).replace("+00:00", "Z")
