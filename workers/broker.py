"""What RabbitMQ makes of what is published, in one word, and the candles it found no queue for."""

from __future__ import annotations

from collections.abc import Mapping

from common.ops.records import RabbitState

# A confirm takes milliseconds, under load a second or two.
STALLED_S = 10.0
# Closed candles come once a minute or less often: what was returned is told until the next would be.
RETURNED_TOLD_S = 90.0

Stats = Mapping[str, int | float | bool | None]


def rabbit_state(stats: Stats) -> RabbitState:
    """The state by the pipeline's stats; where several hold, what explains most."""
    if not stats["connected"]:
        return "away"
    if stats["blocked"]:
        return "blocked"
    if stats["refusing"]:
        return "refusing"
    return "stalled" if (stats["durable_waiting_s"] or 0.0) > STALLED_S else "ok"


class Returns:
    """Closed candles that RabbitMQ returned lately, from a count that only grows.

    They are told for a while: a record is read once a second and replaced as often, and a health
    that changes with every candle helps nobody.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._forgotten = 0
        self._risen_s = 0.0

    def recent(self, total: int, now_s: float) -> int:
        """How many were returned without a pause of ``RETURNED_TOLD_S``; 0 after one."""
        if total > self._seen:
            if now_s - self._risen_s > RETURNED_TOLD_S:
                self._forgotten = self._seen
            self._seen, self._risen_s = total, now_s
        elif now_s - self._risen_s > RETURNED_TOLD_S:
            self._forgotten = self._seen
        return self._seen - self._forgotten
