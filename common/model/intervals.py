"""Candle intervals: one spelling, one alignment (UTC), on every exchange.

Fixed intervals count from the Unix epoch, weeks start on Monday, months follow the calendar.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

# 1970-01-01 was a Thursday: the first Monday is four days on.
_MONDAY_MS = 4 * DAY_MS

_FIXED_MS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": WEEK_MS,
}
MONTH = "1M"
INTERVALS: tuple[str, ...] = (*_FIXED_MS, MONTH)


def start_of(interval: str, time_ms: int) -> int:
    """Start of the interval that holds ``time_ms``.

    Raises:
        KeyError: ``interval`` is not one of ``INTERVALS``.
    """
    if interval == MONTH:
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
        return _month_start(moment.year, moment.month)
    length_ms = _FIXED_MS[interval]
    offset_ms = _MONDAY_MS if interval == "1w" else 0
    return (time_ms - offset_ms) // length_ms * length_ms + offset_ms


def end_of(interval: str, start_ms: int) -> int:
    """End (exclusive) of the interval that starts at ``start_ms``: the next one's start."""
    if interval == MONTH:
        moment = datetime.fromtimestamp(start_ms / 1000, UTC)
        year, month = divmod(moment.year * 12 + moment.month, 12)
        return _month_start(year, month + 1)
    return start_ms + _FIXED_MS[interval]


def length_ms(interval: str | None) -> int:
    """How long an interval lasts, the longest of its kind; 0 for none."""
    if interval is None:
        return 0
    return 31 * DAY_MS if interval == MONTH else _FIXED_MS[interval]


def is_start(interval: str, time_ms: int) -> bool:
    """Whether an interval of this kind starts exactly at ``time_ms``."""
    return start_of(interval, time_ms) == time_ms


def divides(part: str, whole: str) -> bool:
    """Whether every interval of ``whole`` is made of whole intervals of ``part``."""
    if part in ("1w", MONTH):
        return part == whole
    # Weeks start on Mondays and months on any day: only what divides a day divides them.
    length_ms = DAY_MS if whole in ("1w", MONTH) else _FIXED_MS[whole]
    return length_ms % _FIXED_MS[part] == 0


def source_of(interval: str, native: Collection[str]) -> str | None:
    """The native interval that ``interval`` is taken or built from; None if there is none.

    It is the largest that divides it: itself, where it is native.
    """
    parts = [part for part in INTERVALS if part in native and divides(part, interval)]
    return parts[-1] if parts else None


def _month_start(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
