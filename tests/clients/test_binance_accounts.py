"""python-binance hears and reads of a simulated account what the truth says, on every market."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.model.streams import Market
from tests.clients.accounts import Client, Tells, disagreements

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SPOT: tuple[Market, ...] = ("spot",)
FUTURES: tuple[Market, ...] = ("linear", "inverse")
TRADE = ("orderId", "price", "quantity", "fee", "feeAsset", "maker")

PYTHON_BINANCE = Client(
    "binance",
    "python_binance_account.py",
    [
        Tells(kind + how, markets, fields)
        for how in ("", "Row")
        for kind, markets, fields in (
            ("order", SPOT, ("status", "filled", "value")),
            ("order", FUTURES, ("status", "filled", "average")),
            ("trade", SPOT + FUTURES, TRADE),
            ("balance", SPOT, ("free", "locked")),
            ("balance", FUTURES, ("total",)),
            ("position", FUTURES, ("size", "entryPrice")),
        )
    ],
)


async def test_python_binance_says_the_same_of_an_account(clients: Path) -> None:
    assert await disagreements(PYTHON_BINANCE, clients) == []
