"""A purse without a bottom, for tests of what is not the budgets' business."""

from __future__ import annotations

from common.exchanges.budget import Cost, Pause, Used
from common.exchanges.protocol import Exchange


class Unlimited:
    """Grants everything at once, unless it is told to ``pause``; remembers what it was told."""

    def __init__(self) -> None:
        self.pause: Pause | None = None
        self.spent: list[tuple[str, Cost, bool]] = []
        self.bans: list[tuple[str, float, str]] = []
        self.learned: list[tuple[str, Used]] = []

    async def spend(
        self, exchange: Exchange, cost: Cost, what: str, *, urgent: bool = True
    ) -> Pause | None:
        self.spent.append((exchange.name, cost, urgent))
        return self.pause

    async def ban(self, exchange: Exchange, wait_s: float, detail: str) -> None:
        self.bans.append((exchange.name, wait_s, detail))

    async def learn(self, exchange: Exchange, used: Used) -> None:
        self.learned.append((exchange.name, used))
