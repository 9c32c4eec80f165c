"""The exchange's own client hears and reads of a simulated account what the truth says."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from common.model.streams import MARKETS
from tests.clients.conftest import PYTHON
from tests.clients.test_binance import PROGRAMS, listen
from tests.simulator.bybit_accounts import Owner, an_owner
from tests.support.simulator import RunningSimulator, simulator
from tests.support.waiting import until

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

# An order that is filled and one that is canceled, heard as they change and read as they ended.
ENOUGH = {
    place: count
    for market in MARKETS
    for place, count in {
        ("order", market): 4,
        ("execution", market): 1,
        ("orderRow", market): 2,
        ("executionRow", market): 1,
    }.items()
} | {("position", market): 2 for market in ("linear", "inverse")}
WORDS = {"FILLED": "Filled", "CANCELED": "Cancelled"}


async def trade(exchange: RunningSimulator, owner: Owner) -> None:
    """An order filled and one canceled on every market, once all topics are heard."""
    hub = exchange.server.world.hub
    await until(lambda: hub.subscribed(f"bybit:account:{owner.name}:0:wallet"), 30.0)
    for market in MARKETS:
        size, price = ("10" if market == "inverse" else "0.5"), "60000"
        filled = await owner.place(market, size, price)
        await owner.do("fill", market, order=filled["order"], maker=True)
        canceled = await owner.place(market, size, price)
        await owner.do("cancel", market, order=canceled["order"])


async def test_pybit_hears_and_reads_an_account(clients: Path) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        command = [
            str(PYTHON), str(PROGRAMS / "python_bybit_account.py"), exchange.url, owner.key,
            owner.secret,
        ]  # fmt: skip
        said, _ = await asyncio.gather(listen(command, clients, ENOUGH), trade(exchange, owner))
        truth = await owner.truth()
        for order in truth["orders"]:
            name = f"{order['orderId']}:{WORDS[order['status']]}"
            for kind in ("order", "orderRow"):
                row = said[kind, order["market"]][name]["row"]
                assert Decimal(row["cumExecQty"]) == Decimal(order["cumulative"])
                assert row["orderLinkId"] == order["clientOrderId"]
        for fill in truth["fills"]:
            for kind in ("execution", "executionRow"):
                row = said[kind, fill["market"]][fill["tradeId"]]["row"]
                assert (Decimal(row["execQty"]), Decimal(row["execFee"])) == (
                    Decimal(fill["quantity"]), Decimal(fill["fee"]),
                )  # fmt: skip
        for position in truth["positions"]:
            sizes = {
                Decimal(one["row"]["size"]) for one in said["position", position["market"]].values()
            }
            assert sizes == {Decimal(0), Decimal(position["size"])}
        totals = {name: one["row"]["walletBalance"] for name, one in said["wallet", ""].items()}
        for balance in truth["balances"]:
            if balance["asset"] in totals:
                assert Decimal(totals[balance["asset"]]) == Decimal(balance["total"])
