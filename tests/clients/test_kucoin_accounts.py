"""KuCoin's own SDK hears and reads of a simulated account what the truth says, on every market."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.model.streams import MARKETS, Market
from tests.clients.accounts import Client, Difference, Tells, disagreements

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SPOT: tuple[Market, ...] = ("spot",)
FUTURES: tuple[Market, ...] = ("linear", "inverse")
# Whatever ends an order that is not filled is a cancel.
HEARD = {
    "NEW": ("open",),
    "PARTIALLY_FILLED": ("match",),
    "FILLED": ("match", "filled"),
    "CANCELED": ("canceled",),
}
ON_SPOT = HEARD | {"NEW": ("received", "open")}
READ = {
    "NEW": ("active",),
    "PARTIALLY_FILLED": ("active",),
    "FILLED": ("done",),
    "CANCELED": ("canceled",),
}
READ_ON_FUTURES = {
    "NEW": ("open",),
    "PARTIALLY_FILLED": ("open",),
    "FILLED": ("done",),
    "CANCELED": ("done canceled",),
}
TOPIC = "what comes has the symbol in its topic, and it looks for the topic that it has asked for"
TRADE = ("orderId", "price", "quantity", "maker")

KUCOIN_SDK = Client(
    "kucoin",
    "kucoin_sdk_account.py",
    [
        # Neither what was paid nor its fees are streamed.
        Tells("order", SPOT, ("status", "filled"), ON_SPOT),
        Tells("order", FUTURES, ("status", "filled"), HEARD),
        Tells("orderOfAll", FUTURES, ("status", "filled"), HEARD),
        Tells("trade", MARKETS, TRADE),
        Tells("balance", SPOT, ("total", "free", "locked")),
        Tells("balance", FUTURES, ("total", "free")),
        Tells("position", FUTURES, ("size", "entryPrice")),
        Tells("positionOfAll", FUTURES, ("size", "entryPrice")),
        Tells("orderRow", SPOT, ("status", "filled", "value", "fee"), READ),
        Tells("orderRow", FUTURES, ("status", "filled", "value", "average"), READ_ON_FUTURES),
        Tells("tradeRow", MARKETS, (*TRADE, "fee", "feeAsset")),
        Tells("balanceRow", SPOT, ("total", "free", "locked")),
        Tells("balanceRow", FUTURES, ("total", "free")),
        Tells("positionRow", FUTURES, ("size", "entryPrice")),
    ],
    [
        Difference(FUTURES, "orderOfAll", TOPIC),
        Difference(FUTURES, "positionOfAll", TOPIC),
    ],
)


async def test_kucoins_own_sdk_says_the_same_of_an_account(clients: Path) -> None:
    assert await disagreements(KUCOIN_SDK, clients) == []
