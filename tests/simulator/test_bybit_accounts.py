"""Bybit's accounts: what happens to them on the private socket, and REST's view of the same."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from common.model.intervals import DAY_MS
from common.model.streams import MARKETS, Market
from tests.simulator.bybit_accounts import SOCKET, an_owner, pushed
from tests.simulator.wire import dial
from tests.support.simulator import simulator

CONTRACTS: list[Market] = ["linear", "inverse"]
# What is asked for, what it says that is, and at which price.
SIZES: dict[Market, tuple[str, str, str]] = {
    "spot": ("0.5", "0.5", "60000"),
    "linear": ("0.5", "0.500", "60000.00"),
    "inverse": ("10", "1000", "60000.0"),
}


# --- orders, trades, positions, the wallet --------------------------------------------------


async def test_a_spot_order_is_heard_and_read_from_its_placing_to_its_end() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire)
        placed = await owner.place(quantity="0.5", price="60000", clientId="mine")
        new, held = await pushed(wire, "order"), await pushed(wire, "wallet")
        assert (new["category"], new["orderStatus"], new["orderLinkId"], new["qty"]) == (
            "spot", "New", "mine", "0.5",
        )  # fmt: skip
        assert new["orderId"] == placed["orderId"]
        assert new["orderId"].isdecimal()
        assert (new["avgPrice"], new["cumExecQty"], new["leavesQty"]) == ("", "0", "0.5")
        assert not {"createType", "tpslMode"} & new.keys()
        assert held["accountType"] == "UNIFIED"
        assert [(row["coin"], row["walletBalance"], row["locked"]) for row in held["coin"]] == [
            ("USDT", "1000000", "30000")
        ]
        [row] = await owner.rows("/v5/order/realtime", category="spot")
        assert (row["orderId"], row["orderStatus"]) == (new["orderId"], "New")

        await owner.do("fill", order=placed["order"], quantity="0.2", price="59000", maker=True)
        part = [await wire.message() for _ in range(3)]
        told = {message["topic"]: message["data"][0] for message in part}
        assert (told["order"]["orderStatus"], told["order"]["cumExecQty"]) == (
            "PartiallyFilled", "0.2",
        )  # fmt: skip
        assert told["order"]["cumFeeDetail"] == {"BTC": "0.00004"}
        trade = told["execution"]
        assert (trade["execType"], trade["execQty"], trade["execPrice"], trade["isMaker"]) == (
            "Trade", "0.2", "59000", True,
        )  # fmt: skip
        assert (trade["execFee"], trade["feeCurrency"], trade["leavesQty"]) == (
            "0.00004", "BTC", "0.3",
        )  # fmt: skip
        await owner.do("cancel", order=placed["order"])
        over = await pushed(wire, "order")
        assert (over["orderStatus"], over["cancelType"], over["cumExecValue"]) == (
            "PartiallyFilledCanceled", "CancelByUser", "11800",
        )  # fmt: skip

        [row] = await owner.rows("/v5/execution/list", category="spot", orderId=new["orderId"])
        assert (row["execId"], row["execFee"]) == (trade["execId"], "0.00004")
        assert await owner.rows("/v5/order/realtime", category="spot") == []
        truth = (await owner.truth())["orders"][0]
        path = [(state["status"], state["cumulative"]) for state in truth["path"]]
        assert path == [("NEW", "0"), ("PARTIALLY_FILLED", "0.2"), ("CANCELED", "0.2")]


@pytest.mark.parametrize("market", CONTRACTS)
async def test_a_contracts_order_and_what_it_does_to_wallet_and_position(market: Market) -> None:
    asked, size, price = SIZES[market]
    coin = "USDT" if market == "linear" else "BTC"
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire)
        order = await owner.place(market, asked, price)
        # A position is told with every order, though nothing of it has changed.
        none = await pushed(wire, "position")
        assert (none["size"].strip("0."), none["side"], none["seq"]) == ("", "", -1)
        [held] = (await pushed(wire, "wallet"))["coin"]
        assert (held["coin"], held["locked"], held["totalPositionIM"]) == (coin, "0", "0")
        assert float(held["totalOrderIM"]) > 0
        await owner.do("fill", market, order=order["order"], maker=True)
        told = {(one := await wire.message())["topic"]: one["data"][0] for _ in range(4)}
        position, done, trade = told["position"], told["order"], told["execution"]
        assert (position["side"], position["size"], position["entryPrice"]) == (
            "Buy", size, "60000",
        )  # fmt: skip
        assert (done["orderStatus"], done["cumExecQty"], done["leavesQty"].strip("0.")) == (
            "Filled", size, "",
        )  # fmt: skip
        assert (trade["execQty"], trade["seq"]) == (size, position["seq"])
        # An inverse trade does not say what its fee is in; what it is worth is in the base asset.
        assert trade["feeCurrency"] == ("USDT" if market == "linear" else "")
        assert trade["execValue"] == ("30000" if market == "linear" else "0.01666666")
        [coins] = told["wallet"]["coin"]
        assert (coins["totalOrderIM"], float(coins["totalPositionIM"]) > 0) == ("0", True)
        truth = await owner.truth()
        assert (truth["fills"][0]["tradeId"], float(truth["fills"][0]["quantity"])) == (
            trade["execId"], float(size),
        )  # fmt: skip

        settle = {"settleCoin": coin} if market == "linear" else {}
        [row] = await owner.rows("/v5/position/list", category=market, **settle)
        assert (row["size"], row["avgPrice"], row["positionIdx"]) == (size, "60000", 0)
        assert "entryPrice" not in row
        [wallet] = await owner.rows("/v5/account/wallet-balance", accountType="UNIFIED")
        assert coins in wallet["coin"]


async def test_positions_by_symbol_are_told_where_there_is_none_and_by_side() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, hedged=True)
        order = await owner.place("linear", "0.5", "60000", positionSide="LONG")
        await owner.do("fill", "linear", order=order["order"])
        by_symbol = await owner.rows("/v5/position/list", category="linear", symbol="BTCUSDT")
        assert [(row["positionIdx"], row["side"], row["size"]) for row in by_symbol] == [
            (1, "Buy", "0.500"), (2, "", "0.000"),
        ]  # fmt: skip
        for settle, count in (("USDT", 1), ("USDC", 0)):
            rows = await owner.rows("/v5/position/list", category="linear", settleCoin=settle)
            assert len(rows) == count


async def test_a_liquidation_is_an_order_of_the_exchanges_own() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        order = await owner.place("linear", "0.5", "60000")
        await owner.do("fill", "linear", order=order["order"])
        await owner.place("linear", "0.1", "50000")
        await owner.listen(wire, "order", "execution")
        await owner.do("liquidate", "linear", symbol="BTCUSDT", price="57000")
        canceled = await pushed(wire, "order")
        assert (canceled["orderStatus"], canceled["cancelType"]) == (
            "Cancelled", "CancelAllBeforeLiq",
        )  # fmt: skip
        new = await pushed(wire, "order")
        assert new["tpslMode"] == ""
        assert (new["createType"], new["orderLinkId"], new["reduceOnly"]) == (
            "CreateByTakeOver_PassThrough", "", True,
        )  # fmt: skip
        told = {(one := await wire.message())["topic"]: one["data"][0] for _ in range(2)}
        trade = told["execution"]
        assert (trade["execType"], trade["execPnl"], trade["closedSize"]) == (
            "BustTrade", "-1500", "0.500",
        )  # fmt: skip
        assert (await owner.truth())["orders"][-1]["clientOrderId"] == ""


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ("cancel", "Cancelled", "EC_NoError"),
        ("expire", "Cancelled", "EC_NoImmediateQtyToFill"),
        ("reject", "Rejected", "EC_Others"),
    ],
)
async def test_ends_without_a_trade(how: str, status: str, reason: str) -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, "order")
        for market in MARKETS:
            order = await owner.place(market, SIZES[market][0], SIZES[market][2])
            await pushed(wire, "order")
            await owner.do(how, market, order=order["order"])
            over = await pushed(wire, "order")
            assert (over["category"], over["orderStatus"], over["rejectReason"]) == (
                market, status, reason,
            )  # fmt: skip
        # Nothing expires in its words.
        ends = {order["status"] for order in (await owner.truth())["orders"]}
        assert ends == {"REJECTED" if how == "reject" else "CANCELED"}


async def test_a_market_order_has_no_limit_of_its_owners() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        await owner.place("spot", "0.1")
        await owner.place("linear", "0.1")
        [spot] = await owner.rows("/v5/order/realtime", category="spot")
        [linear] = await owner.rows("/v5/order/realtime", category="linear", symbol="BTCUSDT")
        assert (spot["orderType"], spot["price"], spot["marketUnit"], spot["timeInForce"]) == (
            "Market", "0", "baseCoin", "IOC",
        )  # fmt: skip
        assert float(linear["price"]) > 64_120


async def test_money_that_comes_and_goes_is_one_wallets() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange, funds={"USDT": "100"})
        await owner.listen(wire)
        await owner.do("deposit", market="inverse", asset="ETH", amount="2.5")
        [coin] = (await pushed(wire, "wallet"))["coin"]
        assert (coin["coin"], coin["walletBalance"]) == ("ETH", "2.5")
        await owner.do("withdraw", market="spot", asset="ETH", amount="2.5")
        [coin] = (await pushed(wire, "wallet"))["coin"]
        assert coin["walletBalance"] == "0"
        [wallet] = await owner.rows("/v5/account/wallet-balance", accountType="UNIFIED")
        assert [row["coin"] for row in wallet["coin"]] == ["USDT"]
        assert {one["wallet"] for one in (await owner.truth())["balances"]} == {"unified"}


# --- lists ----------------------------------------------------------------------------------


async def test_lists_go_back_page_by_page_and_name_one_more_after_the_last() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        made = [await owner.place("linear", "0.01", "60000") for _ in range(5)]
        for order in made:
            await owner.do("fill", "linear", order=order["order"])
        await asyncio.sleep(0.4)
        for path, name in (("/v5/order/history", "orderId"), ("/v5/execution/list", "orderId")):
            found, cursor = [], {}
            for size in (2, 2, 1, 0):
                page = await owner.result(path, category="linear", limit=2, **cursor)
                assert len(page["list"]) == size
                cursor = {"cursor": page["nextPageCursor"]}
                found += [row[name] for row in page["list"]]
            assert found == [order["orderId"] for order in reversed(made)]


async def test_the_history_comes_late_and_what_ended_is_known_by_its_id_at_once() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        order = await owner.place("spot", "0.1", "60000", clientId="mine")
        await owner.do("cancel", order=order["order"])
        assert await owner.rows("/v5/order/history", category="spot") == []
        for which in ({"orderId": order["orderId"]}, {"orderLinkId": "mine"}, {"openOnly": 1}):
            [row] = await owner.rows("/v5/order/realtime", category="spot", **which)
            assert row["orderStatus"] == "Cancelled"
        await asyncio.sleep(0.4)
        assert len(await owner.rows("/v5/order/history", category="spot")) == 1


async def test_what_was_canceled_without_a_trade_is_forgotten_after_a_day() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        empty = await owner.place("spot", "0.1", "60000")
        traded = await owner.place("spot", "0.1", "60000")
        await owner.do("fill", order=traded["order"], quantity="0.05")
        account = exchange.server.world.accounts.get(owner.name)
        assert account is not None
        for order in (empty, traded):
            await owner.do("cancel", order=order["order"])
            old = account.orders["spot", order["order"]]
            then_ms = owner.now_ms() - DAY_MS - 60_000
            account.orders["spot", order["order"]] = msgspec.structs.replace(
                old, created_ms=then_ms, updated_ms=then_ms
            )
        rows = await owner.rows("/v5/order/history", category="spot")
        assert [row["orderId"] for row in rows] == [traded["orderId"]]


async def test_what_lists_must_be_asked_by_and_how_far_they_look() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        now_ms = owner.now_ms()
        week = {"startTime": now_ms - 7 * DAY_MS - 1, "endTime": now_ms}
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("/v5/order/realtime", {"category": "linear"}),
            ("/v5/order/realtime", {"category": "futures"}),
            ("/v5/order/history", {"category": "spot", "cursor": "soon"}),
            ("/v5/order/history", {"category": "spot", **week}),
            ("/v5/execution/list", {"category": "spot", "startTime": 2, "endTime": 1}),
            ("/v5/position/list", {"category": "spot"}),
            ("/v5/position/list", {"category": "linear"}),
            ("/v5/position/list", {"category": "linear", "symbol": "NOPE"}),
            ("/v5/account/wallet-balance", {"accountType": "SPOT"}),
        ]
        for path, params in wrong:
            assert (await owner.refused(path, **params))[0] == 10001, (path, params)


# --- the trader -----------------------------------------------------------------------------


async def test_the_trader_trades_on_all_markets_and_the_wallet_adds_up() -> None:
    async with simulator(speed=60) as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire)
        await exchange.control("trader", ordersPerMin=120, exchange="bybit")
        await asyncio.sleep(1.0)
        assert (await exchange.control("trader", ordersPerMin=0, settle=True))["pending"] == 0
        truth = await owner.truth()
        wanted = Counter({order["orderId"]: len(order["path"]) for order in truth["orders"]})
        heard: Counter[str] = Counter()
        coins: dict[str, Any] = {}
        # The last word of a fact is on the wallet: all of it has come when nothing more does.
        with suppress(TimeoutError):
            while True:
                push = json.loads((await wire.raw(0.5)).data)
                for row in push["data"]:
                    heard.update([row["orderId"]] if push["topic"] == "order" else [])
                    coins |= {coin["coin"]: coin for coin in row.get("coin", [])}
        assert heard == wanted
        assert len(wanted) > 50
        assert {order["market"] for order in truth["orders"]} == set(MARKETS)
        [wallet] = await owner.rows("/v5/account/wallet-balance", accountType="UNIFIED")
        now = {coin["coin"]: coin for coin in wallet["coin"]}
        for balance in truth["balances"]:
            told = now.get(balance["asset"], {"walletBalance": "0"})
            assert Decimal(told["walletBalance"]) == Decimal(balance["total"])
            parts = ("locked", "totalOrderIM", "totalPositionIM")
            held = sum(Decimal(told.get(name, "0")) for name in parts)
            assert held == Decimal(balance["locked"])
            if balance["asset"] in coins:
                assert coins[balance["asset"]] == told
