"""The paper service: who may listen, what is told, in whose words, and what is not told again."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.exchanges.paper import VARIANTS
from tests.simulator.paper_accounts import SUBSCRIBED, an_owner, client
from tests.support.simulator import simulator


async def test_orders_are_told_with_their_totals_and_balances_where_they_change() -> None:
    async with simulator() as exchange, client(exchange) as it:
        owner = await an_owner(exchange)
        await it.subscribe(owner.keys)
        assert it.heard == [("order", SUBSCRIBED), ("outboundAccountInfo", SUBSCRIBED)]
        order = await owner.place("1", "60000", clientId="mine")
        await owner.do("fill", order=order["order"], quantity="0.4", price="59000")
        await owner.do("fill", order=order["order"])
        await it.until(lambda it: len(it.orders()) == 3)
        placed, part, whole = it.orders()
        assert (placed["_id"], placed["externalId"]) == (order["orderId"], "mine")
        assert (placed["exchange"], placed["symbol"], placed["status"]) == (
            "binance",
            "BTCUSDT",
            "NEW",
        )
        assert (placed["amount"], placed["filledAmount"], placed["avgFilledPrice"]) == (1, 0, 0)
        assert (part["status"], part["filledAmount"], part["filledQuoteAmount"]) == (
            "PARTIALLY_FILLED",
            0.4,
            23600,
        )
        assert (whole["status"], whole["filledAmount"], whole["avgFilledPrice"]) == (
            "FILLED",
            1,
            59600,
        )
        assert whole["fee"] == 0.0005
        assert whole["createdAt"] == placed["createdAt"] <= whole["updatedAt"]
        assert it.balances()[0] == [{"asset": "USDT", "free": 940000, "locked": 60000}]
        truth = await owner.truth()
        assert [fill["tradeId"] for fill in truth["fills"]] == [
            f"{order['orderId']}-0.4",
            f"{order['orderId']}-1",
        ]


@pytest.mark.parametrize(
    "change", [{"secret": "another"}, {"key": "another"}, {"key": {"$ne": ""}}, None]
)
async def test_who_is_not_known_is_told_so(change: Any) -> None:
    async with simulator() as exchange, client(exchange) as it:
        owner = await an_owner(exchange)
        await it.subscribe(None if change is None else owner.keys | change)
        error = {"type": "error", "error": "User not found"}
        assert it.heard == [("order", error), ("outboundAccountInfo", error)]


async def test_a_revoked_key_is_one_of_nobody() -> None:
    async with simulator() as exchange, client(exchange) as it:
        owner = await an_owner(exchange)
        fault = {"kind": "revokeKey", "exchange": "paperBinance", "account": owner.name}
        await exchange.control("account/fault", **fault)
        await it.subscribe(owner.keys)
        assert it.heard[0][1]["type"] == "error"


async def test_subscribing_twice_is_subscribing_once_and_nothing_is_told_again() -> None:
    async with simulator() as exchange, client(exchange) as it:
        owner = await an_owner(exchange)
        await owner.place("1", "60000")
        await it.subscribe(owner.keys)
        await it.subscribe(owner.keys)
        await it.until(lambda it: len(it.heard) == 4)
        await owner.place("2", "50000")
        await it.until(lambda it: it.orders())
        await it.client.sleep(0.1)
        assert [order["amount"] for order in it.orders()] == [2]


async def test_each_hears_of_his_own_account_alone() -> None:
    async with simulator() as exchange, client(exchange) as one, client(exchange) as other:
        mine, his = await an_owner(exchange), await an_owner(exchange)
        await one.subscribe(mine.keys)
        await other.subscribe(his.keys)
        await mine.place("1", "60000")
        await his.place("2", "60000")
        await one.until(lambda it: it.orders())
        await other.until(lambda it: it.orders())
        assert [order["amount"] for order in one.orders()] == [1]
        assert [order["amount"] for order in other.orders()] == [2]


async def test_a_connection_can_be_cut_or_frozen_like_any_other() -> None:
    async with simulator() as exchange, client(exchange) as one, client(exchange) as other:
        owner = await an_owner(exchange)
        await one.subscribe(owner.keys)
        await other.subscribe(owner.keys)
        ids = [row["id"] for row in await exchange.connections() if row["exchange"] == "paper"]
        assert len(ids) == 2
        await exchange.control("fault", kind="cut", where={"connection": ids[0]})
        await one.until(lambda it: it.gone)
        await exchange.control("fault", kind="freeze", where={"exchange": "paper"})
        await owner.place("1", "60000")
        await other.client.sleep(0.2)
        assert (other.gone, other.orders()) == (False, [])
        await exchange.sockets(1)


async def test_missed_events_are_missed() -> None:
    async with simulator() as exchange, client(exchange) as it:
        owner = await an_owner(exchange)
        await it.subscribe(owner.keys)
        fault = {"kind": "missEvents", "exchange": "paperBinance", "events": 2}
        await exchange.control("account/fault", **fault)
        order = await owner.place("1", "60000")
        await owner.do("cancel", order=order["order"])
        await it.until(lambda it: it.orders())
        assert [order["status"] for order in it.orders()] == ["CANCELED"]


@pytest.mark.parametrize(("name", "market"), VARIANTS)
async def test_every_place_is_named_as_older_backends_do(name: str, market: str) -> None:
    variant = VARIANTS[name, market]  # type: ignore[index]
    place = f"paper{variant[0].upper()}{variant[1:]}"
    async with simulator() as exchange, client(exchange) as it:
        owner = await an_owner(exchange, place, market)
        await it.subscribe(owner.keys)
        listed = await exchange.truth("symbols", exchange=name, market=market)
        symbol = next(row["symbol"] for row in listed if row["base"] in ("BTC", "XBT"))
        size = "100" if market == "inverse" else "1"
        order = await owner.place(size, "60000", symbol=symbol)
        assert order["symbol"] == symbol
        await it.until(lambda it: it.orders())
        assert it.orders()[0]["exchange"] == variant
        assert "SWAP" not in it.orders()[0]["symbol"]


async def test_the_trader_trades_there_too() -> None:
    async with simulator(speed=60) as exchange, client(exchange) as it:
        owner = await an_owner(exchange, "paperOkxLinear", "linear")
        await it.subscribe(owner.keys)
        await exchange.control("trader", ordersPerMin=600, exchange="paperOkxLinear")
        await it.until(lambda it: any(order["filledAmount"] for order in it.orders()))
        await exchange.control("trader", ordersPerMin=0, settle=True)
        truth = await exchange.truth("accounts", exchange="paperOkxLinear")
        told = {order["_id"] for order in it.orders()}
        assert told & {order["orderId"] for order in truth["accounts"][0]["orders"]}
