"""What one address may spend at an exchange, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

# Units by the name of the budget that they come out of.
Cost = Mapping[str, int]

# A limit that does not say for how long; most budgets are counted by the minute.
RATE_WAIT_S = 60.0
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


def wait_s(told_s: float | None, *, limited: bool) -> float:
    """For how long not to ask, given what the exchange has said; 0.0: nothing is known."""
    return min(told_s or 0.0, MOST_WAIT_S) or (RATE_WAIT_S if limited else 0.0)
