"""The simulated accounts of KuCoin as the sheet says: signatures, pushes, REST, faults."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from common.model.intervals import DAY_MS
from common.model.streams import Market
from tests.simulator.kucoin_accounts import (
    SYMBOLS,
    an_owner,
    opened,
    pushed,
    subscribe,
)
from tests.simulator.owners import hmac_base64
from tests.simulator.wire import Wire, dial
from tests.support.simulator import simulator

FUTURES: list[Market] = ["linear", "inverse"]
SPOT_ORDERS, BALANCE = "/spotMarket/tradeOrdersV2", "/account/balance"
ORDERS, WALLET, POSITIONS = (
    "/contractMarket/tradeOrders",
    "/contractAccount/wallet",
    "/contract/positionAll",
)
ACCOUNTS = "/api/v1/accounts"


async def orders(wire: Wire, count: int) -> list[Any]:
    """What is told of orders next."""
    heard = [await pushed(wire, lambda one: "rder" in one["subject"]) for _ in range(count)]
    return [one["data"] for one in heard]


# --- who it is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signed", "signature"),
    [
        ("GET/api/v1/hf/orders/active?symbol=BTC-USDT",
         "odULwZe4NjtTFLgRiIkjd72gl8SkPAgpwrd9oqwT1Oc="),
        ("POST/api/v1/bullet-private", "hqngDHcjiQgYiJUsWp0CU4Sf5CC8roNRCLjhOhpFeeg="),
    ],
)  # fmt: skip
def test_this_client_signs_as_the_official_one(signed: str, signature: str) -> None:
    assert hmac_base64("testsecret-1234", f"1729176273859{signed}") == signature


async def test_each_reason_for_a_refusal_has_its_code() -> None:
    async with simulator() as exchange:
        owner, other = await opened(exchange, 2)
        now_ms = exchange.clock.now_ms()
        wrong: list[tuple[dict[str, str], str]] = [
            ({"KC-API-PASSPHRASE": ""}, "400001"),
            ({"KC-API-TIMESTAMP": "soon"}, "400002"),
            ({"KC-API-KEY": "0" * 24}, "400003"),
            ({"KC-API-PASSPHRASE": owner.row["passphrase"]}, "400004"),
            ({"KC-API-PASSPHRASE": hmac_base64(other.secret, other.row["passphrase"])}, "400004"),
            ({"KC-API-SIGN": hmac_base64(owner.secret, f"{now_ms}GET{ACCOUNTS}")}, "400005"),
        ]
        for headers, code in wrong:
            assert await owner.refusal("spot", f"{ACCOUNTS}", headers=headers, type="trade") == (
                401, code,
            )  # fmt: skip
        for late_ms in (-10_000, 10_000):
            told = await owner.refusal("spot", ACCOUNTS, now_ms=now_ms + late_ms)
            assert told == (401, "400002")
        # The first version of keys sends its passphrase as it is.
        first = {"KC-API-KEY-VERSION": "1", "KC-API-PASSPHRASE": owner.row["passphrase"]}
        assert (await owner.ask("spot", ACCOUNTS, headers=first))[1]["code"] == "200000"


async def test_faults_of_a_key_are_refused_until_they_are_healed() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        for fault, status, code in (
            ("takeAddress", 401, "400006"), ("takePermission", 403, "400007"),
        ):  # fmt: skip
            await owner.fault(fault)
            assert await owner.refusal("linear", "/api/v1/positions") == (status, code)
            await exchange.control("heal")
            assert await owner.data("linear", "/api/v1/positions") == []
        await exchange.control(
            "account/fault", kind="skewClock", exchange="kucoin", ms=60_000
        )  # fmt: skip
        assert await owner.refusal("spot", ACCOUNTS) == (401, "400002")
        _, told, _ = await exchange.rest("api.kucoin.com", "/api/v1/timestamp")
        assert (await owner.ask("spot", ACCOUNTS, now_ms=told["data"]))[0] == 200
        await exchange.control("heal")
        await owner.fault("revokeKey")
        assert await owner.refusal("spot", ACCOUNTS) == (401, "400003")


async def test_each_account_has_its_own_budget_for_each_pool() -> None:
    async with simulator() as exchange:
        owner, other = await opened(exchange, 2)
        await exchange.control("limits", pool="kucoin-management", weightPerMinute=12)
        for left in ("7", "2"):
            headers = (await owner.ask("spot", ACCOUNTS))[2]
            assert headers["gw-ratelimit-remaining"] == left
        assert await owner.refusal("spot", ACCOUNTS) == (429, "429000")
        assert (await other.ask("spot", ACCOUNTS))[0] == 200
        assert await owner.data("spot", "/api/v1/hf/orders/active/symbols") == {"symbols": []}


async def test_the_mode_and_the_key_are_told() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, addresses=["127.0.0.1"])
        for version in ("v1", "v2"):
            mode = await owner.data("spot", f"/api/ua/{version}/account/mode")
            assert mode["selfAccountMode"] == "CLASSIC"
        info = await owner.data("spot", "/api/v1/user/api-key")
        assert (info["apiVersion"], info["ipWhitelist"]) == (3, "127.0.0.1")


# --- spot -----------------------------------------------------------------------------------


async def test_an_order_of_spot_is_heard_and_read_from_its_placing_to_its_end() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with owner.socket("spot", SPOT_ORDERS) as wire:
            placed = await owner.place(quantity="0.5", price="60000", clientId="mine")
            received, open_ = await orders(wire, 2)
            assert (received["type"], received["status"]) == ("received", "new")
            assert "size" not in received
            assert received["originSize"] == "0.5"
            assert (open_["type"], open_["remainSize"], open_["price"]) == ("open", "0.5", "60000")
            assert open_["orderId"] == placed["orderId"]
            assert open_["clientOid"] == "mine"
            assert received["ts"] < open_["ts"]
            await owner.do("fill", order=placed["order"], quantity="0.2", price="59000", maker=True)
            [match] = await orders(wire, 1)
            assert (match["type"], match["filledSize"], match["remainSize"]) == (
                "match", "0.2", "0.3",
            )  # fmt: skip
            assert match["status"] == "open", "it is in the book"
            assert (match["matchPrice"], match["matchSize"], match["feeType"]) == (
                "59000", "0.2", "makerFee",
            )  # fmt: skip
            assert not any(name == "fee" for name in match), "fees are in REST only"
            await owner.do("expire", order=placed["order"])
            [over] = await orders(wire, 1)
            assert (over["type"], over["status"], over["canceledSize"]) == (
                "canceled", "done", "0.3",
            )  # fmt: skip
        path = f"/api/v1/hf/orders/{placed['orderId']}"
        row = await owner.data("spot", path, symbol="BTC-USDT")
        assert (row["active"], row["cancelExist"], row["dealSize"]) == (False, True, "0.2")
        assert (row["dealFunds"], row["fee"], row["feeCurrency"]) == ("11800", "2.36", "USDT")
        again = await owner.data("spot", "/api/v1/hf/orders/client-order/mine", symbol="BTC-USDT")
        assert again == row
        [fill] = (await owner.data("spot", "/api/v1/hf/fills", symbol="BTC-USDT"))["items"]
        assert (fill["tradeId"], str(fill["tradeId"])) == (int(match["tradeId"]), match["tradeId"])
        assert (fill["funds"], fill["fee"], fill["liquidity"]) == ("11800", "2.36", "maker")
        [true] = (await owner.truth())["orders"]
        assert (true["status"], true["orderId"]) == ("CANCELED", placed["orderId"])


async def test_a_taker_is_never_open_and_its_end_comes_after_its_last_trade() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with (
            owner.socket("spot", SPOT_ORDERS) as wire,
            owner.socket("spot", "/spotMarket/tradeOrders") as old,
        ):
            placed = await owner.place(quantity="0.1")
            await owner.do("fill", order=placed["order"], price="60000")
            told = await orders(wire, 3)
            assert [one["type"] for one in told] == ["received", "match", "filled"]
            assert [one["status"] for one in told] == ["new", "match", "done"]
            assert told[1]["remainSize"] == "0"
            assert "matchPrice" not in told[2]
            first = await pushed(old)
            assert (first["topic"], first["data"]["type"]) == ("/spotMarket/tradeOrders", "match")


async def test_balances_say_why_they_changed_and_by_how_much() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, funds={"USDT": "100000", "BTC": "2"})
        async with owner.socket("spot", BALANCE) as wire:
            placed = await owner.place(quantity="1", price="60000")
            held = (await pushed(wire))["data"]
            # What the fee of a taker would be is held too.
            assert (held["relationEvent"], held["available"], held["hold"], held["total"]) == (
                "trade.hold", "39970", "60030", "100000",
            )  # fmt: skip
            assert (held["availableChange"], held["holdChange"]) == ("-60030", "60030")
            await owner.do("fill", order=placed["order"], maker=True)
            settled = {one["currency"]: one for one in [(await pushed(wire))["data"] for _ in "ab"]}
            assert {one["relationEvent"] for one in settled.values()} == {"trade.setted"}
            assert (settled["BTC"]["total"], settled["BTC"]["availableChange"]) == ("3", "1")
            assert (settled["USDT"]["total"], settled["USDT"]["hold"]) == ("39988", "0")
            await owner.do("withdraw", asset="BTC", amount="0.5")
            moved = (await pushed(wire))["data"]
            assert (moved["relationEvent"], moved["availableChange"]) == ("trade.transfer", "-0.5")
        rows = await owner.data("spot", ACCOUNTS, type="trade")
        assert {row["currency"]: row["balance"] for row in rows} == {"USDT": "39988", "BTC": "2.5"}
        assert await owner.data("spot", ACCOUNTS, type="main") == []


async def test_histories_of_spot_are_paged_by_the_last_id_newest_first() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        for _ in range(5):
            order = await owner.place(quantity="0.1", price="60000")
            await owner.do("fill", order=order["order"], quantity="0.05")
            await owner.do("cancel", order=order["order"])
        ask: dict[str, Any] = {"symbol": "BTC-USDT", "limit": 2}
        for path, name in (("/api/v1/hf/fills", "orderId"), ("/api/v1/hf/orders/done", "id")):
            seen, last = [], 0
            for count in (2, 2, 1, 0):
                page = await owner.data("spot", path, **ask, lastId=last)
                assert len(page["items"]) == count
                seen += [row[name] for row in page["items"]]
                last = page["lastId"]
            assert len(set(seen)) == 5
            assert seen == sorted(seen, reverse=True)
            status, code = await owner.refusal("spot", path, limit=2)
            assert (status, code) == (200, "400100"), "a symbol is needed"
            assert (await owner.refusal("spot", path, symbol="BTC-USDT", limit=101))[1] == "400100"
        [first] = (
            await owner.data("spot", "/api/v1/hf/fills", symbol="BTC-USDT", orderId=seen[-1])
        )["items"]
        assert first["orderId"] == seen[-1]


async def test_the_ledger_of_spot_tells_both_sides_of_every_trade_and_what_was_deposited() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, funds={"USDT": "100000", "BTC": "2"})
        path = "/api/v1/hf/accounts/ledgers"
        placed = await owner.place(quantity="0.5", price="60000")
        await owner.do("fill", order=placed["order"])
        entries = await owner.data("spot", path, bizType="TRADE_EXCHANGE")
        assert {(one["currency"], one["direction"], one["amount"]) for one in entries} == {
            ("BTC", "in", "0.5"), ("USDT", "out", "30015"),
        }  # fmt: skip
        about = json.loads(entries[0]["context"])
        assert (about["symbol"], about["orderId"]) == ("BTC-USDT", placed["orderId"])
        everything = await owner.data("spot", path)
        assert [one["bizType"] for one in everything] == ["TRADE_EXCHANGE"] * 2 + ["TRANSFER"] * 2
        ids = [int(one["id"]) for one in everything]
        assert ids == sorted(set(ids), reverse=True)
        assert await owner.data("spot", path, limit=2, lastId=ids[1]) == everything[2:]


async def test_a_canceled_order_of_spot_is_forgotten_after_two_days_a_filled_one_after_seven() -> (
    None
):
    # A day in four seconds.
    async with simulator(speed=21_600) as exchange:
        owner = await an_owner(exchange)
        ends = {}
        for end in ("fill", "cancel"):
            placed = await owner.place(quantity="0.1", price="60000")
            await owner.do(end, order=placed["order"])
            ends[end] = f"/api/v1/hf/orders/{placed['orderId']}"
        since_ms = exchange.clock.now_ms()
        while exchange.clock.now_ms() < since_ms + 2 * DAY_MS:  # noqa: ASYNC110 - market time
            await asyncio.sleep(0.1)
        assert (await owner.data("spot", ends["fill"], symbol="BTC-USDT"))["active"] is False
        _, told, _ = await owner.ask("spot", ends["cancel"], symbol="BTC-USDT")
        assert (told["code"], "not exist" in told["msg"]) == ("400100", True)


# --- futures --------------------------------------------------------------------------------


@pytest.mark.parametrize("market", FUTURES)
async def test_an_order_of_futures_is_told_in_contracts(market: Market) -> None:
    inverse = market == "inverse"
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with owner.socket(market, ORDERS, WALLET, POSITIONS) as wire:
            placed = await owner.place(market, "10" if inverse else "0.01", "60000")
            open_ = await pushed(wire)
            assert open_["topic"] == f"{ORDERS}:{SYMBOLS[market]}"
            assert (open_["data"]["type"], open_["data"]["size"]) == ("open", "10")
            held = (await pushed(wire))["data"]
            assert held["currency"] == ("XBT" if inverse else "USDT")
            margin = "0.00083333" if inverse else "30"
            assert held["crossOrderMargin"] == margin
            await owner.do("fill", market, order=placed["order"], maker=False)
            match, filled = (await pushed(wire))["data"], (await pushed(wire))["data"]
            assert (match["matchSize"], match["remainSize"], match["tradeType"]) == (
                "10", "0", "trade",
            )  # fmt: skip
            assert (filled["type"], filled["filledSize"]) == ("filled", "10")
            wallet = await pushed(wire)
            assert (wallet["topic"], wallet["subject"]) == (WALLET, "walletBalance.change")
            assert int(wallet["data"]["version"]) > int(held["version"])
            position = await pushed(wire)
            assert position["topic"] == f"/contract/position:{SYMBOLS[market]}"
            assert position["subject"] == "position.change"
            assert (position["data"]["currentQty"], position["data"]["avgEntryPrice"]) == (
                10,
                60000,
            )
        row = await owner.data(market, f"/api/v1/orders/{placed['orderId']}")
        worth = "0.01666666" if inverse else "600"
        assert (row["size"], row["filledSize"], row["filledValue"], row["status"]) == (
            10, 10, worth, "done",
        )  # fmt: skip
        [fill] = await owner.data(market, "/api/v1/recentFills", symbol=SYMBOLS[market])
        [true] = (await owner.truth())["fills"]
        assert (fill["tradeId"], fill["value"]) == (true["tradeId"], worth)
        assert Decimal(fill["fee"]) == Decimal(true["fee"])
        [held_now] = await owner.data(market, "/api/v1/positions")
        assert (held_now["currentQty"], held_now["settleCurrency"]) == (10, held["currency"])
        query = {} if inverse else {"currency": "USDT"}
        overview = await owner.data(market, "/api/v1/account-overview", **query)
        assert overview["currency"] == held["currency"], "XBT where none is named"
        assert str(overview["availableBalance"]) == wallet["data"]["availableBalance"]


async def test_the_two_futures_markets_share_socket_and_lists_and_no_id() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with owner.socket("linear", ORDERS) as wire:
            a = await owner.place("linear", "0.01", "60000")
            b = await owner.place("inverse", "10", "60000")
            told = await orders(wire, 2)
        assert [one["orderId"] for one in told] == [a["orderId"], b["orderId"]]
        assert a["orderId"] != b["orderId"]
        page = await owner.data("linear", "/api/v1/orders", status="active")
        assert [row["symbol"] for row in page["items"]] == ["XBTUSDM", "XBTUSDTM"]
        assert (page["totalNum"], page["totalPage"]) == (2, 1)
        page = await owner.data(
            "linear", "/api/v1/orders", status="active", pageSize=1, currentPage=2
        )
        assert ([row["id"] for row in page["items"]], page["totalPage"]) == ([a["orderId"]], 2)
        assert (await owner.data("linear", "/api/v1/orders", status="done"))["items"] == []
        assert await owner.refusal("linear", f"/api/v1/orders/{'4' * 18}") == (200, "100001")


async def test_the_list_of_fills_is_late_and_the_recent_one_is_not() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        placed = await owner.place("linear", "0.01", "60000")
        await owner.do("fill", "linear", order=placed["order"])
        [recent] = await owner.data("linear", "/api/v1/recentFills")
        assert (await owner.data("linear", "/api/v1/fills"))["items"] == []
        await asyncio.sleep(2.1)
        ask = {"orderId": placed["orderId"]}
        assert (await owner.data("linear", "/api/v1/fills", **ask))["items"] == [recent]


async def test_a_liquidation_says_so_and_ends_the_position() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        placed = await owner.place("linear", "0.01", "60000")
        await owner.do("fill", "linear", order=placed["order"])
        async with owner.socket("linear", ORDERS, "/contract/position:XBTUSDTM") as wire:
            await owner.do("liquidate", "linear", symbol="XBTUSDTM", price="57000")
            open_, match, filled = await orders(wire, 3)
            assert {one["tradeType"] for one in (open_, match, filled)} == {"liquid"}
            assert "clientOid" not in open_
            assert match["side"] == "sell"
            over = await pushed(wire)
        assert over["data"]["changeReason"] == "liquidation"
        assert (over["data"]["currentQty"], over["data"]["isOpen"]) == (0, False)
        assert await owner.data("linear", "/api/v1/positions") == []


async def test_both_sides_of_a_hedged_account_are_told_apart() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, hedged=True)
        async with owner.socket("linear", POSITIONS) as wire:
            for side, position in (("BUY", "LONG"), ("SELL", "SHORT")):
                placed = await owner.place(
                    "linear", "0.01", "60000", side, positionSide=position
                )  # fmt: skip
                await owner.do("fill", "linear", order=placed["order"])
            told = [(await pushed(wire))["data"] for _ in range(2)]
        assert [(one["positionSide"], one["currentQty"]) for one in told] == [
            ("LONG", 10),
            ("SHORT", -10),
        ]


# --- sockets --------------------------------------------------------------------------------


async def test_a_private_topic_needs_a_private_token() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        url = f"{exchange.url}/api.kucoin.com/api/v1/bullet-public"
        async with exchange._http.post(url) as answer:
            public = (await answer.json())["data"]["token"]
        async with dial(exchange, f"/ws-api-spot.kucoin.com/?token={public}") as wire:
            assert (await subscribe(wire, BALANCE))["code"] == 403
        async with owner.socket("spot") as wire:
            assert (await subscribe(wire, ORDERS))["code"] == 400, "of the other product"
            told = await subscribe(wire, "/market/ticker:BTC-USDT")
            assert told["code"] == 404
            assert (await subscribe(wire, BALANCE, privateChannel=False))["code"] == 404
            # Public topics are served by the same socket.
            told = await subscribe(wire, "/market/ticker:BTC-USDT", privateChannel=False)
            assert told["type"] == "ack"


async def test_what_is_unsubscribed_is_not_heard() -> None:
    async with simulator() as exchange:
        owner, other = await opened(exchange, 2)
        async with owner.socket("spot", SPOT_ORDERS, BALANCE) as wire:
            assert (await subscribe(wire, SPOT_ORDERS, "unsubscribe"))["type"] == "ack"
            await other.place(quantity="0.1", price="60000")
            await owner.place(quantity="0.1", price="60000")
            assert (await pushed(wire))["topic"] == BALANCE


@pytest.mark.parametrize("told", [True, False])
async def test_an_expired_token_opens_nothing_and_brings_nothing_more(told: bool) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with owner.socket("spot", BALANCE) as wire:
            address = await owner.address("spot")
            await owner.fault("expireAccess", told=told)
            if told:
                error = await wire.message()
                assert (error["type"], error["code"]) == ("error", 401)
            await owner.place(quantity="0.1", price="60000")
            assert await wire.silent_for(0.3)
            assert (await subscribe(wire, SPOT_ORDERS))["code"] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with dial(exchange, address):
                pass
        async with owner.socket("spot", BALANCE) as wire:
            await owner.do("deposit", asset="USDT", amount="1")
            assert (await pushed(wire))["data"]["relationEvent"] == "trade.transfer"


@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type"])
@pytest.mark.parametrize("topic", [ORDERS, WALLET, POSITIONS])
async def test_every_kind_of_push_can_be_spoiled(topic: str, spoil: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        placed = await owner.place("linear", "0.01", "60000")
        async with owner.socket("linear", topic) as wire:
            await exchange.control("fault", kind="garble", spoil=spoil, insert=True)
            await owner.do("fill", "linear", order=placed["order"])
            bad, good = await pushed(wire), await pushed(wire)
        assert bad != good
        assert (bad["topic"] == good["topic"]) == (spoil != "unknown_type")
