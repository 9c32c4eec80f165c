"""Coinbase's own client hears and reads of a simulated account what the truth says."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.model.streams import Market
from tests.clients.accounts import Client, Difference, Tells, disagreements

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SPOT: tuple[Market, ...] = ("spot",)
# What is filled of it is no part of how it stands.
STATUSES = {
    "NEW": ("OPEN",),
    "PARTIALLY_FILLED": ("OPEN",),
    "FILLED": ("FILLED",),
    "CANCELED": ("CANCELLED",),
    "EXPIRED": ("EXPIRED",),
}
ORDER = ("status", "filled", "average", "value", "fee")

COINBASE = Client(
    "coinbase",
    "coinbase_account.py",
    [
        # Trades and balances are not streamed.
        Tells("order", SPOT, ORDER, STATUSES),
        Tells("orderAsItComes", SPOT, ORDER, STATUSES),
        Tells("orderRow", SPOT, ORDER, STATUSES),
        Tells("tradeRow", SPOT, ("orderId", "price", "quantity", "fee", "maker")),
        Tells("balanceRow", SPOT, ("free", "locked")),
    ],
    [Difference(SPOT, "orderAsItComes", "its type wants a client_id, which is not sent any more")],
    apart="coinbase",
)


async def test_coinbases_own_client_says_the_same_of_an_account(clients: Path) -> None:
    assert await disagreements(COINBASE, clients) == []
