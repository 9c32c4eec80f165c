"""Waiting where too many wait: for whom a place in the queue is worth more than an early answer.

A budget's queue is short (``common.fleet.turns``), so that who asks for a candle learns soon whether it comes
in time. A thousand accounts that are opened at once would be told to come again, having spent part of what
they need; what each of them has found out so far would be asked for again and again.
"""

from __future__ import annotations

import asyncio
import random

from common.clocks import machine_s
from common.exchanges.budget import Cost, Pause, Used
from common.exchanges.protocol import Exchange
from common.exchanges.spending import Spending

# As long as an exchange's longest window, three times over.
MOST_S = 900.0
LEAST_S = 1.0


class Patient:
    """``Spending`` that waits for what is urgent, instead of saying that too many do.

    Args:
        spending: the budgets.
        most_s: for so long.
    """

    def __init__(self, spending: Spending, most_s: float = MOST_S) -> None:
        self._spending = spending
        self._most_s = most_s

    async def spend(
        self, exchange: Exchange, cost: Cost, what: str, *, urgent: bool = True
    ) -> Pause | None:
        """See ``Spending``."""
        until_s = machine_s() + self._most_s
        while True:
            pause = await self._spending.spend(exchange, cost, what, urgent=urgent)
            if pause is None or pause.kind != "full" or not urgent:
                return pause
            wait_s = max(pause.wait_s, LEAST_S) * random.uniform(0.5, 1.0)
            if machine_s() + wait_s > until_s:
                return pause
            await asyncio.sleep(wait_s)

    async def ban(self, exchange: Exchange, wait_s: float, detail: str) -> None:
        """See ``Spending``."""
        await self._spending.ban(exchange, wait_s, detail)

    async def learn(self, exchange: Exchange, used: Used) -> None:
        """See ``Spending``."""
        await self._spending.learn(exchange, used)
