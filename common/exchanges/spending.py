"""Spending what an exchange allows an address: what REST and dials need of the shared budgets."""

from __future__ import annotations

from typing import Protocol

from common.exchanges.budget import Cost, Pause, Used
from common.exchanges.protocol import Exchange


class Spending(Protocol):
    """The budgets of one address."""

    async def spend(
        self, exchange: Exchange, cost: Cost, what: str, *, urgent: bool = True
    ) -> Pause | None:
        """Return when ``cost`` is granted, or say why it is not.

        ``urgent``: streams wait for it; what is not takes what they leave. ``what`` it is for is
        told to people.
        """

    async def ban(self, exchange: Exchange, wait_s: float, detail: str) -> None:
        """The exchange refuses this address: it is not to be asked for so long."""

    async def learn(self, exchange: Exchange, used: Used) -> None:
        """Believe the exchange where it has counted more than was granted."""
