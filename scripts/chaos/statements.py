"""What a stream has said about itself, and when. Pure; times are ms by the wall."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from scripts.quick.compare import Body

FLOWS = ("live", "recovered")
RESTS = ("rejected", "parked")


class Statements:
    """One stream's ``stream.*`` messages.

    Args:
        said: their bodies, in any order.
        mute: stretches in which nothing that is said arrives, or nobody is there to say it.
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
        """Whether it was said in time that a candle, late from ``was_late_ms`` on, is missing.

        By then, or as soon as anything could be said, if the candle was not here before. To be
        live is no such word, and to have recovered comes too late.
        """
        unheard_ms = (to_ms for from_ms, to_ms in self._mute if from_ms <= was_late_ms <= to_ms)
        by_ms = max(unheard_ms, default=was_late_ms)
        # What was said by then was said, though it is taken back before anything else could be.
        return arrived_ms <= by_ms or any(
            self._behind(ended_ms, until_ms) for until_ms in (was_late_ms, by_ms)
        )

    def _behind(self, from_ms: float, to_ms: float) -> bool:
        """Whether its words were at any time in this stretch that it is behind."""
        before, until = bisect_right(self._at_ms, from_ms), bisect_right(self._at_ms, to_ms)
        states = [body["state"] for body in self._said[:until]]
        if any(state not in FLOWS for state in states[max(0, before - 1) :]):
            return True
        # A gap from before ends by what was missing, whatever flows meanwhile.
        gaps = [state for state in states[:before] if state in ("gap", "recovered")]
        return gaps[-1:] == ["gap"]

    def longest_flow_ms(self, from_ms: float, to_ms: float) -> float:
        """For how long at most, of a stretch, its last word was that it flows."""
        longest = 0.0
        ends_ms = [*self._at_ms[1:], to_ms]
        for body, since_ms, until_ms in zip(self._said, self._at_ms, ends_ms, strict=False):
            if body["state"] in FLOWS:
                longest = max(longest, min(until_ms, to_ms) - max(since_ms, from_ms))
        return longest

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
