"""Who can wait waits where too many do; who cannot, and who is banned, is told at once."""

from __future__ import annotations

import pytest

from common.clocks import machine_s
from common.exchanges.budget import Cost, Pause, Used
from common.exchanges.protocol import Exchange
from common.exchanges.registry import EXCHANGES
from common.fleet.patience import Patient
from tests.support.virtual_time import virtual_time

BINANCE = EXCHANGES["binance"]
FULL = Pause("full", "too many wait", 10.0)


class Budgets:
    """Answers what it is given, one after another; nothing more: granted."""

    def __init__(self, *answers: Pause) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def spend(
        self, exchange: Exchange, cost: Cost, what: str, *, urgent: bool = True
    ) -> Pause | None:
        self.asked += 1
        return self.answers.pop(0) if self.answers else None

    async def ban(self, exchange: Exchange, wait_s: float, detail: str) -> None:
        raise AssertionError

    async def learn(self, exchange: Exchange, used: Used) -> None:
        raise AssertionError


@virtual_time
async def test_it_asks_again_until_there_is_room() -> None:
    budgets = Budgets(FULL, FULL, FULL)
    began_s = machine_s()
    assert await Patient(budgets).spend(BINANCE, {"spot": 1}, "x") is None
    assert budgets.asked == 4
    assert 15.0 <= machine_s() - began_s <= 30.0


@virtual_time
async def test_it_does_not_wait_for_ever() -> None:
    budgets = Budgets(*[FULL] * 1000)
    began_s = machine_s()
    assert await Patient(budgets, most_s=60.0).spend(BINANCE, {"spot": 1}, "x") == FULL
    assert machine_s() - began_s <= 60.0


@pytest.mark.parametrize(
    ("pause", "urgent"), [(FULL, False), (Pause("banned", "HTTP 418", 60.0), True)]
)
@virtual_time
async def test_what_is_not_urgent_or_forbidden_is_told_at_once(pause: Pause, urgent: bool) -> None:
    budgets = Budgets(pause)
    assert await Patient(budgets).spend(BINANCE, {"spot": 1}, "x", urgent=urgent) == pause
    assert budgets.asked == 1
