"""Identical lines collapse: the first is written, the rest of a window is counted. Pure.

A line is identical if level, event and every field are. Memory is bounded: when too many different
lines are being counted, the oldest count is told early.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

WINDOW_S = 30.0
MOST_KEYS = 500

Line = dict[str, Any]


@dataclass(slots=True)
class Repeat:
    """A line that was written, as it came last, and how often it came again since."""

    line: Line
    since_s: float
    count: int = 0


class Repeats:
    """Which lines to write now. The time is given, and only ever moves on."""

    def __init__(self, window_s: float = WINDOW_S, most_keys: int = MOST_KEYS) -> None:
        self._window_s = window_s
        self._most_keys = most_keys
        self._open: OrderedDict[object, Repeat] = OrderedDict()

    def over(self, now_s: float) -> list[Repeat]:
        """Windows that have ended, where something was held back."""
        ended = []
        while self._open:
            oldest = next(iter(self._open.values()))
            within = 0 <= now_s - oldest.since_s < self._window_s
            if within and len(self._open) <= self._most_keys:
                break
            ended.append(self._open.popitem(last=False)[1])
        return [repeat for repeat in ended if repeat.count]

    def first(self, key: object, line: Line, now_s: float) -> bool:
        """Whether this line is to be written; otherwise it is counted."""
        known = self._open.get(key)
        if known is not None:
            known.line = line
            known.count += 1
            return False
        self._open[key] = Repeat(line, now_s)
        return True

    def rest(self) -> list[Repeat]:
        """Everything held back so far, at the end."""
        held = [repeat for repeat in self._open.values() if repeat.count]
        self._open.clear()
        return held
