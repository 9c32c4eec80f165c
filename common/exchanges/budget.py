"""What one address may spend at an exchange, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

# Units by the name of the budget that they come out of.
Cost = Mapping[str, int]

# A limit that does not say for how long is taken to last two of the exchange's own windows: no
# shorter, and no longer, than this.
LEAST_WAIT_S, UNSAID_WAIT_S = 10.0, 60.0
# The longest ban there is; what says more is a mistake.
MOST_WAIT_S = 3 * 86_400.0


class Budget(Struct, frozen=True):
    """One limit of an exchange: ``capacity`` units of one address within any ``window_s`` seconds.

    ``burst`` may be spent at once, and comes back at ``per_s``. So no window sees more than
    ``capacity - burst``. The burst that is left over is for whoever else uses the address, for
    requests that arrive closer together than they were sent, and for the one burst more that is
    granted when Redis has lost its data.
    """

    capacity: int
    window_s: float
    burst: int

    @property
    def per_s(self) -> float:
        """Units that come back every second."""
        return (self.capacity - 2 * self.burst) / self.window_s


class Used(Struct, frozen=True):
    """What an answer told: ``units`` are used in the exchange's window, ``elapsed_s`` of it over.

    Where it does not say when its window began, ``elapsed_s`` is 0: the most careful reading.
    """

    budget: str
    units: int
    elapsed_s: float = 0.0


class Pause(Struct, frozen=True):
    """The exchange must not be asked for ``wait_s``: the address is banned, or too many wait."""

    kind: Literal["banned", "full"]
    detail: str
    wait_s: float


def refused_s(told_s: float | None, budgets: Mapping[str, Budget]) -> float:
    """For how long nobody asks an exchange that has refused the address for a limit."""
    windows_s = 2 * max((each.window_s for each in budgets.values()), default=UNSAID_WAIT_S)
    unsaid_s = min(max(windows_s, LEAST_WAIT_S), UNSAID_WAIT_S)
    return min(told_s or unsaid_s, MOST_WAIT_S)
