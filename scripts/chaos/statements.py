"""What a stream has said about itself, and when. Pure; times are ms by the wall."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from scripts.quick.compare import Body

FLOWS = ("live", "recovered")
RESTS = ("rejected", "parked")
# "Recovered" is said after what was missing has gone out: both are on their way at once.
SPOKEN_WITH_MS = 2_000


class Statements:
    """One stream's ``stream.*`` messages.

    Args:
        said: their bodies, in any order.
        mute: stretches in which nothing that is said arrives.
    """

    def __init__(self, said: Sequence[Body], mute: Sequence[tuple[float, float]]) -> None:
        self._said = sorted(said, key=lambda body: body["eventMs"])
        self._at_ms = [body["eventMs"] for body in self._said]
        self._mute = mute

    @property
    def first_ms(self) -> int | None:
        """When it said anything for the first time."""
        return next(iter(self._at_ms), None)

    def so(self, ended_ms: float, was_late_ms: float, arrived_ms: float) -> bool:
        """Whether it was said that a candle, late from ``was_late_ms`` on, is missing.

        Between its end and its arrival, or as the last word before its end; or it could not be
        said from when it was late until it came.
        """
        before = bisect_right(self._at_ms, ended_ms)
        until = bisect_right(self._at_ms, arrived_ms + SPOKEN_WITH_MS)
        if until > before:
            return True
        if before and self._said[before - 1]["state"] not in FLOWS:
            return True
        return any(from_ms <= was_late_ms and arrived_ms <= to_ms for from_ms, to_ms in self._mute)

    @property
    def rejected_since_ms(self) -> int | None:
        """Since when it has not flowed, if its last word is that it is rejected or parked."""
        if not self._said or self._said[-1]["state"] not in RESTS:
            return None
        since_ms = self._at_ms[-1]
        for body in reversed(self._said):
            if body["state"] in FLOWS:
                break
            since_ms = body["eventMs"]
        return int(since_ms)
