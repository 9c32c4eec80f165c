"""Bitget's accounts by a bare client: topics and REST of both systems, faults."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.bitget_accounts import SOCKETS, an_owner, channel, rows, topic
from tests.simulator.wire import dial
from tests.support.simulator import simulator

UNIFIED, CLASSIC = SOCKETS["unified"], SOCKETS["classic"]
SETTINGS = "/api/v3/account/settings"


# --- the unified system -------------------------------------------------------------------------


async def test_a_unified_order_is_told_by_one_topic_and_its_fills_by_another() -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange, funds={"USDT": "100000"})
        await owner.subscribe(wire, *map(topic, ("order", "fill", "position")))
        assert await rows(wire, topic("position")) == []
        order = await owner.place("linear", "0.5", "60000.00", clientId="mine")
        [live] = await rows(wire, topic("order"))
        assert (live["orderId"], live["clientOid"], live["orderStatus"]) == (
            order["orderId"], "mine", "live",
        )  # fmt: skip
        assert (live["category"], live["qty"], live["cumExecQty"]) == ("usdt-futures", "0.5", "0")
        await owner.do("fill", "linear", order=order["order"], quantity="0.2", maker=True)
        [part] = await rows(wire, topic("order"))
        assert (part["orderStatus"], part["cumExecQty"], part["cumExecValue"]) == (
            "partially_filled", "0.2", "12000",
        )  # fmt: skip
        # Nothing of the last fill is in it.
        assert "execPrice" not in part
        [fill] = await rows(wire, topic("fill"))
        assert (fill["execQty"], fill["execPrice"], fill["tradeScope"]) == ("0.2", "60000", "maker")
        assert fill["feeDetail"] == [{"feeCoin": "USDT", "fee": "2.4"}]
        [held] = await rows(wire, topic("position"))
        assert (held["posSide"], held["size"], held["avgPrice"]) == ("long", "0.2", "60000")
        assert "category" not in held
        await owner.do("expire", "linear", order=order["order"])
        [over] = await rows(wire, topic("order"))
        assert over["orderStatus"] == "cancelled"
        assert (await owner.truth())["orders"][0]["status"] == "CANCELED"
        await owner.do("liquidate", "linear", symbol="BTCUSDT", price="50000")
        [forced] = await rows(wire, topic("order"))
        assert (forced["tradeSide"], forced["side"]) == ("burst_sell_single", "sell")
        [gone] = await rows(wire, topic("position"))
        assert (gone["positionStatus"], gone["size"], gone["posSide"]) == ("ended", "0", "long")


async def test_one_wallet_serves_all_markets_and_a_subscribe_tells_all_of_it() -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange, funds={"USDT": "100000", "BTC": "1"})
        await owner.subscribe(wire, topic("account"))
        [account] = await rows(wire, topic("account"))
        assert {coin["coin"]: coin["available"] for coin in account["coin"]} == {
            "USDT": "100000", "BTC": "1",
        }  # fmt: skip
        await owner.place("spot", "0.5", "60000")
        [account] = await rows(wire, topic("account"))
        [coin] = account["coin"]
        assert (coin["coin"], coin["available"], coin["locked"]) == ("USDT", "70000", "30000")
        await owner.place("linear", "1", "60000.00")
        [account] = await rows(wire, topic("account"))
        assert account["coin"][0]["locked"] == "33000"
        assets = (await owner.data("/api/v3/account/assets"))["assets"]
        assert {one["coin"]: one["available"] for one in assets} == {"USDT": "67000", "BTC": "1"}


async def test_inverse_sizes_are_what_the_contracts_are_worth_in_the_base_coin() -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire, topic("order"), topic("fill"))
        order = await owner.place("inverse", "300", "64118.1")
        sizes = []
        for contracts in ("100", "7", None):
            some = {} if contracts is None else {"quantity": contracts}
            await owner.do("fill", "inverse", order=order["order"], **some)
            [fill] = await rows(wire, topic("fill"))
            sizes.append(Decimal(fill["execQty"]))
        over = await wire_order(owner, order["orderId"])
        assert (over["orderStatus"], over["cumExecValue"]) == ("filled", "30000")
        assert Decimal(over["qty"]) == Decimal(over["cumExecQty"]) == sum(sizes)
        assert sizes[0] == (Decimal(10_000) / Decimal("64118.1")).quantize(sizes[0], "ROUND_DOWN")


@pytest.mark.parametrize("price", [None, "60000.0"], ids=["market", "limit"])
async def test_what_an_inverse_order_is_for_stays_the_same_while_it_is_filled(
    price: str | None,
) -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire, topic("order"), topic("fill"))
        order = await owner.place("inverse", "300", price)
        [placed] = await rows(wire, topic("order"))
        told = [placed["qty"]]
        for contracts in ("70", "1", "29", None):
            some = {} if contracts is None else {"quantity": contracts}
            await owner.do("fill", "inverse", order=order["order"], **some)
            [state] = await rows(wire, topic("order"))
            told.append(state["qty"])
        assert set(told) == {state["cumExecQty"]}
        assert (await wire_order(owner, order["orderId"]))["qty"] == placed["qty"]


async def wire_order(owner: Any, order_id: str) -> Any:
    return await owner.data("/api/v3/trade/order-info", orderId=order_id)


async def test_unified_histories_are_read_on_by_a_cursor_and_bounded() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        category = {"category": "USDT-FUTURES"}
        ids = []
        for _ in range(5):
            order = await owner.place("linear", "0.01", "60000.00")
            await owner.do("fill", "linear", order=order["order"])
            ids.append(order["orderId"])
        still = await owner.place("linear", "0.01", "50000.00")
        history, seen = "/api/v3/trade/history-orders", []
        page = await owner.data(history, **category, limit=2)
        while page["list"]:
            seen += [row["orderId"] for row in page["list"]]
            page = await owner.data(history, **category, limit=2, cursor=page["cursor"])
        assert seen == ids[::-1]
        assert page == {"list": [], "cursor": None}
        unfilled = await owner.data("/api/v3/trade/unfilled-orders", **category)
        assert [row["orderId"] for row in unfilled["list"]] == [still["orderId"]]
        fills = await owner.data("/api/v3/trade/fills", orderId=ids[2], **category)
        assert [row["orderId"] for row in fills["list"]] == [ids[2]]
        truth = await owner.truth()
        last = truth["fills"][-1]["timeMs"]
        fills = await owner.data("/api/v3/trade/fills", **category, startTime=last)
        assert {row["createdTime"] for row in fills["list"]} == {str(last)}
        for query in (
            {"limit": 101}, {"limit": 0}, {"startTime": 0, "endTime": 31 * 86_400_000},
            {"startTime": "soon"},
        ):  # fmt: skip
            assert (await owner.ask(history, **category, **query))[1]["code"] == "400172"
        assert (await owner.ask(history))[1]["code"] == "400172"
        _, body = await owner.ask("/api/v3/trade/order-info", orderId="130000000000000007")
        assert body["code"] == "40768"


async def test_unified_fills_are_of_all_categories_where_none_is_named() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        orders = {}
        for market in ("spot", "linear"):
            order = await owner.place(market, "1", "60000")
            await owner.do("fill", market, order=order["order"])
            orders[market] = order["orderId"]
        fills = "/api/v3/trade/fills"
        for query, wanted in (
            ({}, set(orders.values())),
            ({"category": "SPOT"}, {orders["spot"]}),
            ({"orderId": orders["linear"]}, {orders["linear"]}),
        ):
            told = await owner.data(fills, **query)
            assert {row["orderId"] for row in told["list"]} == wanted
        assert (await owner.ask(fills, category="SPOTS"))[1]["code"] == "400172"


async def test_an_empty_list_is_null_in_places_and_there_is_no_other_path() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        linear = {"category": "USDT-FUTURES"}
        assert await owner.data("/api/v3/position/current-position", **linear) == {"list": None}
        empty = await owner.data("/api/v3/trade/unfilled-orders", **linear)
        assert empty == {"list": [], "cursor": None}
        status, body = await owner.ask("/api/v3/position/position-history", **linear)
        assert (status, body["code"]) == (404, "40404")


async def test_an_account_may_ask_ten_times_a_second() -> None:
    async with simulator() as exchange:
        owner, other = await an_owner(exchange), await an_owner(exchange)
        statuses = [(await owner.ask(SETTINGS))[0] for _ in range(11)]
        assert statuses == [200] * 10 + [429]
        await other.data(SETTINGS)


# --- the classic system -------------------------------------------------------------------------


async def test_a_classic_order_push_holds_its_last_fill() -> None:
    async with simulator() as exchange, dial(exchange, CLASSIC) as wire:
        owner = await an_owner(exchange, "classic", funds={"USDT": "100000"})
        orders, fills, account = (channel("spot", name) for name in ("orders", "fill", "account"))
        await owner.subscribe(wire, orders, fills, account)
        [coin] = await rows(wire, account)
        assert (coin["available"], coin["frozen"]) == ("100000", "0")
        order = await owner.place("spot", "0.5", "60000")
        [live] = await rows(wire, orders)
        assert (live["status"], live["newSize"], "tradeId" in live) == ("live", "0.5", False)
        await owner.do("fill", order=order["order"], quantity="0.2", maker=True)
        [part] = await rows(wire, orders)
        assert (part["accBaseVolume"], part["baseVolume"], part["tradeScope"]) == (
            "0.2",
            "0.2",
            "M",
        )
        assert (part["fillFee"], part["fillFeeCoin"]) == ("-0.00004", "BTC")
        [fill] = await rows(wire, fills)
        # Only here a cost is above zero.
        assert fill["feeDetail"][0]["totalFee"] == "0.00004"
        assert fill["tradeId"] == part["tradeId"]
        await owner.do("cancel", order=order["order"])
        [over] = await rows(wire, orders)
        assert (over["status"], "priceAvg" in over) == ("cancelled", False)

        [row] = await owner.data("/api/v2/spot/trade/orderInfo", orderId=order["orderId"])
        assert (row["status"], row["baseVolume"], row["quoteVolume"]) == (
            "cancelled", "0.2", "12000",
        )  # fmt: skip
        [row] = await owner.data("/api/v2/spot/trade/fills", symbol="BTCUSDT")
        assert row["feeDetail"]["totalFee"] == "-0.00004"
        assert (await owner.ask("/api/v2/spot/trade/fills"))[1]["code"] == "40019"
        _, body = await owner.ask("/api/v2/spot/trade/orderInfo", orderId="7")
        assert body["code"] == "43001"


async def test_spot_orders_can_be_had_of_one_symbol() -> None:
    async with simulator() as exchange, dial(exchange, CLASSIC) as wire:
        owner = await an_owner(exchange, "classic")
        bitcoin = channel("spot", "orders") | {"instId": "BTCUSDT"}
        await owner.subscribe(wire, bitcoin)
        await owner.do("place", symbol="ETHUSDT", side="BUY", quantity="1", price="2000")
        order = await owner.place("spot", "0.5", "60000")
        [live] = await rows(wire, bitcoin)
        assert (live["orderId"], live["instId"]) == (order["orderId"], "BTCUSDT")
        for wrong in (
            channel("spot", "orders") | {"instId": "NOUSDT"},
            channel("linear", "orders") | {"instId": "BTCUSDT"},
        ):
            await wire.say({"op": "subscribe", "args": [wrong]})
            answer = await wire.until(lambda message: message.get("event") == "error")
            assert answer["code"] == 30001


async def test_a_classic_hedged_order_says_the_side_of_its_position() -> None:
    async with simulator() as exchange, dial(exchange, CLASSIC) as wire:
        owner = await an_owner(exchange, "classic", hedged=True)
        orders, fills = channel("linear", "orders"), channel("linear", "fill")
        positions = channel("linear", "positions")
        await owner.subscribe(wire, orders, fills, positions)
        assert await rows(wire, positions) == []
        opened = await owner.place("linear", "1", "60000.00", positionSide="LONG")
        await owner.do("fill", "linear", order=opened["order"])
        [fill] = await rows(wire, fills)
        assert (fill["side"], fill["tradeSide"]) == ("buy", "open")
        [held] = await rows(wire, positions)
        assert (held["holdSide"], held["total"], held["leverage"]) == ("long", "1", 20)
        closing = await owner.place(
            "linear", "1", "60000.00", side="SELL", positionSide="LONG", reduceOnly=True
        )
        await owner.do("fill", "linear", order=closing["order"])
        over = (await wire.until(lambda m: is_over(m, closing["orderId"])))["data"][0]
        assert (over["side"], over["posSide"], over["tradeSide"]) == ("buy", "long", "close")
        assert over["reduceOnly"] == "yes"
        [fill] = await rows(wire, fills)
        assert (fill["side"], fill["tradeSide"]) == ("sell", "close")
        # What is not in the whole list is closed.
        assert await rows(wire, positions) == []


def is_over(message: Any, order_id: str) -> bool:
    if message.get("arg", {}).get("channel") != "orders" or "action" not in message:
        return False
    row = message["data"][0]
    return bool(row["orderId"] == order_id and row["status"] == "filled")


async def test_classic_wallets_are_apart_and_lists_are_of_one_product() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, "classic", funds={"USDT": "100000"})
        order = await owner.place("linear", "1", "60000.00")
        await owner.do("fill", "linear", order=order["order"], quantity="0.4")
        [spot] = await owner.data("/api/v2/spot/account/assets")
        assert (spot["coin"], spot["frozen"]) == ("USDT", "0")
        linear = {"productType": "USDT-FUTURES"}
        [margin] = await owner.data("/api/v2/mix/account/accounts", **linear)
        assert (margin["marginCoin"], margin["locked"]) == ("USDT", "3000")
        pending = "/api/v2/mix/order/orders-pending"
        assert (await owner.data(pending, **linear, status="live"))["entrustedList"] is None
        found = await owner.data(pending, **linear, status="partially_filled")
        assert [row["orderId"] for row in found["entrustedList"]] == [order["orderId"]]
        [held] = await owner.data("/api/v2/mix/position/all-position", **linear)
        assert (held["symbol"], held["total"], held["holdSide"]) == ("BTCUSDT", "0.4", "long")
        detail = "/api/v2/mix/order/detail"
        row = await owner.data(detail, **linear, symbol="BTCUSDT", orderId=order["orderId"])
        assert (row["state"], "status" in row) == ("partially_filled", False)
        for path, query, code in (
            (pending, {}, "40019"),
            (pending, {"productType": "SPOT"}, "40020"),
            (detail, {**linear, "symbol": "ETHUSDT", "orderId": order["orderId"]}, "40768"),
        ):
            assert (await owner.ask(path, **query))[1]["code"] == code


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["unified", "classic"])
async def test_a_socket_of_the_other_system_takes_everything_and_stays_silent(mode: str) -> None:
    other, arg = {
        "unified": (CLASSIC, channel("spot", "account")),
        "classic": (UNIFIED, topic("account")),
    }[mode]
    async with simulator() as exchange, dial(exchange, other) as wire:
        owner = await an_owner(exchange, mode)
        await owner.subscribe(wire, arg)
        await owner.place("spot", "1", "60000")
        assert await wire.silent_for(0.3)


async def test_who_is_logged_out_hears_nothing_and_learns_it_by_asking() -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire, topic("order"))
        await owner.fault("expireAccess")
        await owner.place("spot", "1", "60000")
        assert await wire.silent_for(0.3)
        await wire.say({"op": "unsubscribe", "args": [topic("order")]})
        assert (await wire.message())["code"] == 30004
        async with dial(exchange, UNIFIED) as again:
            await owner.subscribe(again, topic("account"))
            await rows(again, topic("account"))
            await owner.fault("expireAccess", told=True)
            assert (await again.message())["code"] == 30004
            await owner.place("spot", "1", "60000")
            assert await again.silent_for(0.3)


async def test_a_silenced_account_is_heard_again_after_a_new_subscribe() -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire, topic("order"))
        await owner.fault("silenceAccount")
        await owner.place("spot", "1", "60000")
        assert await wire.silent_for(0.3)
        for op in ("unsubscribe", "subscribe"):
            await wire.say({"op": op, "args": [topic("order")]})
            assert (await wire.message())["event"] == op
        placed = await owner.place("spot", "1", "60000")
        [row] = await rows(wire, topic("order"))
        assert row["orderId"] == placed["orderId"]
