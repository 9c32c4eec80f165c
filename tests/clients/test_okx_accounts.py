"""python-okx hears and reads of a simulated account what the truth says, on every market."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.model.streams import MARKETS, Market
from tests.clients.accounts import Client, Tells, disagreements

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SPOT: tuple[Market, ...] = ("spot",)
FUTURES: tuple[Market, ...] = ("linear", "inverse")
# What runs out is cancelled.
STATES = {
    "NEW": ("live",),
    "PARTIALLY_FILLED": ("partially_filled",),
    "FILLED": ("filled",),
    "CANCELED": ("canceled",),
}
# It dials nothing without TLS.
PYTHON_OKX = Client(
    "okx",
    "python_okx_account.py",
    [
        Tells(kind + how, markets, fields, STATES)
        for how in ("", "Row")
        for kind, markets, fields in (
            ("order", MARKETS, ("status", "filled", "average", "fee")),
            ("trade", MARKETS, ("orderId", "price", "quantity", "fee", "feeAsset", "maker")),
            # One wallet is for all markets.
            ("balance", SPOT, ("total", "locked")),
            ("position", FUTURES, ("size", "entryPrice")),
        )
    ],
    tls=True,
)


async def test_python_okx_says_the_same_of_an_account(clients: Path) -> None:
    assert await disagreements(PYTHON_OKX, clients) == []
