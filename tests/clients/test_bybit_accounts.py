"""The exchange's own client hears and reads of a simulated account what the truth says, on every market."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.model.streams import Market
from tests.clients.accounts import Client, Tells, disagreements

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SPOT: tuple[Market, ...] = ("spot",)
FUTURES: tuple[Market, ...] = ("linear", "inverse")
# What expires is cancelled, and on spot there is a word of its own for it after a part was filled.
STATUSES = {
    "NEW": ("New",),
    "PARTIALLY_FILLED": ("PartiallyFilled",),
    "FILLED": ("Filled",),
    "CANCELED": ("Cancelled",),
}
ON_SPOT = STATUSES | {"CANCELED_PARTLY": ("PartiallyFilledCanceled",)}
TRADE = ("orderId", "price", "quantity", "fee", "maker")
ORDER = ("status", "filled", "average", "value", "fee", "clientOrderId")

PYBIT = Client(
    "bybit",
    "python_bybit_account.py",
    [
        Tells(kind + how, markets, fields, words)
        for how in ("", "Row")
        for kind, markets, fields, words in (
            ("order", SPOT, ORDER, ON_SPOT),
            ("order", FUTURES, ORDER, STATUSES),
            # On inverse it does not say what a fee was paid in.
            ("trade", ("spot", "linear"), (*TRADE, "feeAsset"), {}),
            ("trade", ("inverse",), TRADE, {}),
            # One wallet is for all markets.
            ("balance", SPOT, ("total",), {}),
            ("position", FUTURES, ("size", "entryPrice"), {}),
        )
    ],
)


async def test_pybit_says_the_same_of_an_account(clients: Path) -> None:
    assert await disagreements(PYBIT, clients) == []
