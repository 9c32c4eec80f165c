"""Bybit's accounts: signatures, the private socket's topics, REST's view of the same."""

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
from simulator.accounts.keys import Key
from tests.simulator.bybit_accounts import SOCKET, an_owner, opened, pushed, request
from tests.simulator.wire import dial
from tests.support.simulator import simulator

CONTRACTS: list[Market] = ["linear", "inverse"]
# What is asked for, what it says that is, and at which price.
SIZES: dict[Market, tuple[str, str, str]] = {
    "spot": ("0.5", "0.5", "60000"),
    "linear": ("0.5", "0.500", "60000.00"),
    "inverse": ("10", "1000", "60000.0"),
}


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("1658385579423bybit-test-key5000category=linear&settleCoin=USDT",
         "74f966a295f94ea6ea811095b5bdc77b925a889907cbbaa031f5ec775577736b"),
        ("GET/realtime1662350400000",
         "e5afa359fdaabfeeae6a8755687997f43c4696196a957502edf608dcd3c83caa"),
    ],
)  # fmt: skip
def test_known_signatures_are_right(text: str, signature: str) -> None:
    key = Key("bybit-test-key", "bybit-test-secret")
    assert key.signed(text, signature)
    assert not key.signed(text + "0", signature)


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
        assert "createType" not in new
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


# --- refusals -------------------------------------------------------------------------------


async def test_requests_that_are_not_signed_right() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        now_ms = owner.now_ms()
        assert (await owner.refused(key="unknown"))[0] == 10003
        assert (await owner.refused(sign="0" * 64))[0] == 10004
        assert (await owner.refused(sign=""))[0] == 10001
        for stamp in (now_ms - 6_000, now_ms + 2_000):
            code, text = await owner.refused(stamp=stamp)
            assert (code, f"req_timestamp[{stamp}]" in text) == (10002, True)
        assert (await owner.refused(stamp=now_ms - 6_000, window="10000"))[0] == 0
        assert (await owner.ask("/v5/account/info", body=b"{}"))[0] == 403


async def test_a_fast_market_does_not_narrow_the_window() -> None:
    async with simulator(speed=60) as exchange:
        owner = await an_owner(exchange)
        # Two seconds late by our watch: two minutes of that market.
        assert (await owner.refused(stamp=owner.now_ms() - 120_000))[0] == 0
        assert (await owner.refused(stamp=owner.now_ms() - 360_000))[0] == 10002


@pytest.mark.parametrize(
    ("kind", "code", "word"),
    [
        ("revokeKey", 10003, "USVC1111"),
        ("takePermission", 10005, "Permission denied"),
        ("takeAddress", 10010, "Unmatched IP"),
    ],
)
async def test_a_key_that_may_not_be_used_is_refused_and_heal_brings_back_what_it_can(
    kind: str, code: int, word: str
) -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, "order")
        await owner.fault(kind)
        assert (await owner.refused())[0] == code
        async with dial(exchange, SOCKET) as other:
            answer = await owner.log_in(other)
            assert (answer["success"], word in answer["ret_msg"]) == (False, True)
        # Who is logged in stays so.
        await owner.place()
        assert (await pushed(wire, "order"))["orderStatus"] == "New"
        await exchange.control("heal")
        assert (await owner.refused())[0] == (code if kind == "revokeKey" else 0)


async def test_a_retired_kind_of_account_tells_what_it_is_and_no_more() -> None:
    async with simulator() as exchange:
        owner, old = await an_owner(exchange), await an_owner(exchange, mode="classic")
        assert (await owner.result("/v5/account/info"))["unifiedMarginStatus"] == 5
        assert (await old.result("/v5/account/info"))["unifiedMarginStatus"] == 1
        code, _ = await old.refused("/v5/account/wallet-balance", accountType="UNIFIED")
        assert code == 10028


async def test_too_many_calls_of_one_account_to_one_path() -> None:
    async with simulator() as exchange:
        one, other = await opened(exchange, 2)
        exchange.server.world.weight_limits["bybit-uid"] = 2
        told = [await one.ask("/v5/account/info") for _ in range(3)]
        assert [body["retCode"] for _, body, _ in told] == [0, 0, 10006]
        assert [headers["X-Bapi-Limit-Status"] for _, _, headers in told] == ["1", "0", "0"]
        assert (await other.refused())[0] == 0
        await one.result("/v5/account/wallet-balance", accountType="UNIFIED")
        await asyncio.sleep(1.1)
        assert (await one.refused())[0] == 0


@pytest.mark.parametrize("ms", [-60_000, 60_000])
async def test_a_skewed_clock_refuses_ours_until_it_is_asked_for_its_time(ms: int) -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await exchange.control("account/fault", kind="skewClock", exchange="bybit", ms=ms)
        assert (await owner.refused())[0] == 10002
        _, told, _ = await exchange.rest("api.bybit.com", "/v5/market/time")
        assert abs(told["time"] - exchange.clock.now_ms() - ms) < 5_000
        assert (await owner.refused(stamp=told["time"]))[0] == 0
        # Behind, it takes any login of ours.
        answer = await owner.log_in(wire)
        assert answer["success"] is (ms < 0)
        if ms > 0:
            assert answer["ret_msg"] == "Params Error"
        assert (await owner.log_in(wire, expires=told["time"] + 10_000))["success"] is True


# --- the socket -----------------------------------------------------------------------------


async def test_a_login_is_needed_and_has_to_be_right() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        answer = await request(wire, "subscribe", "order")
        assert (answer["success"], answer["ret_msg"]) == (False, "Request not authorized")
        for wrong, word in (
            ({"key": "unknown"}, "error:USVC1111"),
            ({"sign": "0" * 64}, "Error sign"),
            ({"expires": owner.now_ms() - 1}, "Params Error"),
        ):
            answer = await owner.log_in(wire, **wrong)
            assert (answer["op"], answer["success"], answer["ret_msg"]) == ("auth", False, word)
        assert (await owner.log_in(wire))["success"] is True


async def test_the_private_pong_has_a_spelling_of_its_own() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        pong = await request(wire, "ping")
        assert (pong["op"], len(pong["args"]), "success" in pong) == ("pong", 1, False)


async def test_topics_that_are_refused_and_what_can_be_left_again() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, "order")
        for topics, word in (
            (("orders",), "error:handler not found"),
            (("wallet", "order.futures"), "error:handler not found"),
            (("position.spot",), "error:handler not found"),
            (("order",), "error:already subscribed"),
            (("execution", "position.linear"), "Invalid topic"),
        ):
            answer = await request(wire, "subscribe", *topics)
            assert (answer["success"], answer["ret_msg"].startswith(word)) == (False, True)
        # What was refused with others is not subscribed.
        await owner.do("deposit", asset="ETH", amount="1")
        assert await wire.silent_for(0.2)
        assert (await request(wire, "unsubscribe", "order"))["success"] is True
        await owner.place()
        assert await wire.silent_for(0.2)


async def test_topics_of_one_market() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, "order.linear", "wallet")
        await owner.place("inverse", "10", "60000.0")
        await owner.place("linear", "0.5", "60000")
        assert (await pushed(wire, "order.linear"))["category"] == "linear"


async def test_accounts_hear_their_own_and_an_order_of_topics_is_not_promised() -> None:
    async with (
        simulator() as exchange, dial(exchange, SOCKET) as mine, dial(exchange, SOCKET) as yours,
    ):  # fmt: skip
        one, other = await opened(exchange, 2)
        await one.listen(mine, "order", "execution")
        await other.listen(yours)
        first: set[str] = set()
        for _ in range(2):
            order = await one.place("spot", "0.2", "60000")
            await one.do("fill", order=order["order"], quantity="0.1")
            await one.do("fill", order=order["order"])
            heard = [(await mine.message())["topic"] for _ in range(5)]
            first |= {heard[1], heard[3]}
        assert first == {"order", "execution"}
        assert await yours.silent_for(0.1)


# --- faults ---------------------------------------------------------------------------------


async def test_a_login_that_ends_without_a_word_and_a_new_one() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, "order")
        for fault in ("expireAccess", "silenceAccount"):
            await owner.fault(fault)
            await owner.place()
            assert await wire.silent_for(0.2)
            assert (await request(wire, "ping"))["op"] == "pong"
            async with dial(exchange, SOCKET) as other:
                await owner.listen(other, "order")
                await owner.place()
                assert (await pushed(other, "order"))["orderStatus"] == "New"


@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type"])
async def test_pushes_of_accounts_are_spoiled_too(spoil: str) -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, "wallet")
        await exchange.control("fault", kind="garble", spoil=spoil)
        await owner.do("deposit", asset="ETH", amount="1")
        push = await wire.message()
        good = (
            push["topic"] == "wallet",
            isinstance(push["creationTime"], int),
            "coin" in push["data"][0],
        )
        assert good.count(False) == 1


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
