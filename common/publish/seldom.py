"""Saying the same thing seldom: once per key and minute, however often it happens."""

from __future__ import annotations

from common.clocks import machine_s

EVERY_S = 60.0
MOST_KEYS = 10_000


class Seldom:
    """A bounded memory of what was said when, in machine seconds."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._said_s: dict[str, float] = {}

    def now(self, key: str) -> bool:
        """Whether it is time to say this again; if so it counts as said."""
        now_s = machine_s()
        said_s = self._said_s.get(key)
        if said_s is not None and now_s - said_s < self._every_s:
            return False
        if len(self._said_s) >= MOST_KEYS:
            self._said_s.clear()
        self._said_s[key] = now_s
        return True
