"""How a connection ended, and what follows: outcomes as values, policy as a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from common.exchanges.protocol import Reason
from common.session.transport import DialFailed

Cause = Literal[
    "asked",  # we wanted it to end
    "rotated",  # a successor has taken over
    "unreachable",  # no connection came about
    "refused",  # the handshake was answered with an HTTP error
    "closed",  # the peer closed, or the network did
    "stalled",  # it was open, and nothing came
    "unanswered",  # requests were not acknowledged
]

# Waits for ends that no reconnecting mends soon. A person or a new version has to act; the slow
# retry is there so that nobody has to restart anything afterwards.
PARK_S: Mapping[Reason, float] = {"config": 900.0, "unsupported": 900.0, "auth": 1800.0}

FIRST_CEILING_S = 2.0
LAST_CEILING_S = 60.0
FLOOR_S = 1.0

# A life counts as a success only after this much data: a peer that accepts and closes at once
# must not be redialled for ever at the lowest delay.
PROVEN_S = 60.0


# Rungs of the ladder, in lives that were open and told nothing: another process is to try, and then
# it is parked, tried on slowly, and an alarm.
ELSEWHERE_AFTER = 3
PARKED_AFTER = 6


class Outcome(Struct, frozen=True):
    """The end of one connection. ``flowed_s``: how long data came. Policy is ``after``."""

    cause: Cause
    reason: Reason
    detail: str
    flowed_s: float = 0.0
    retry_after_s: float | None = None

    @property
    def deaf(self) -> bool:
        """Whether it looked alive and delivered nothing."""
        return self.cause in ("stalled", "unanswered") and not self.flowed_s


class Decision(Struct, frozen=True):
    """Wait ``delay_s``, backing off or parked, then dial.

    ``failures`` counts on from there, and so does ``deaf``: lives in a row that told nothing.
    """

    delay_s: float
    parked: bool
    failures: int
    deaf: int = 0


def after(outcome: Outcome, failures: int, chance: float, deaf: int = 0) -> Decision:
    """What follows an outcome, given the failures, and the deaf lives, in a row before it.

    Full jitter between ``FLOOR_S`` and a ceiling that doubles from 2 s to 60 s; ``chance`` is the
    draw, in [0, 1). The exchange's own wait is honoured and jittered upwards only.
    """
    failures = 1 if outcome.flowed_s >= PROVEN_S else failures + 1
    deaf = deaf + 1 if outcome.deaf else 0
    ceiling_s = min(LAST_CEILING_S, FIRST_CEILING_S * 2.0 ** min(failures - 1, 10))
    delay_s = FLOOR_S + chance * (ceiling_s - FLOOR_S)
    park_s = PARK_S.get(outcome.reason)
    if park_s is not None:
        park_s = max(park_s, outcome.retry_after_s or 0.0) * (1 + chance / 4)
        return Decision(park_s, True, failures, deaf)
    if deaf >= PARKED_AFTER:
        return Decision(LAST_CEILING_S * (1 + chance), True, failures, deaf)
    if outcome.retry_after_s is not None:
        delay_s += outcome.retry_after_s
    elif outcome.reason == "rate":
        delay_s = LAST_CEILING_S + delay_s
    return Decision(delay_s, False, failures, deaf)


# What an HTTP status instead of a WebSocket means. Other 4xx are ours to mend: a wrong address.
_HANDSHAKE: dict[int, Reason] = {
    401: "auth",
    403: "rate",
    408: "transient",
    418: "rate",
    429: "rate",
}


def of_dial(failure: DialFailed) -> Outcome:
    """What it means that no connection came about."""
    if failure.reason is not None:
        return Outcome("refused", failure.reason, failure.detail, 0.0, failure.retry_after_s)
    if failure.status is None:
        return Outcome("unreachable", "transient", failure.detail)
    reason = _HANDSHAKE.get(failure.status, "config" if failure.status < 500 else "transient")
    return Outcome("refused", reason, failure.detail, 0.0, failure.retry_after_s)
