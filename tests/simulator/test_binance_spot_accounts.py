"""Binance's spot accounts: signatures, the WebSocket API's events, REST's view of the same."""

from __future__ import annotations

from typing import Any

import pytest

from common.model.intervals import DAY_MS
from simulator.accounts.keys import Key
from tests.simulator.binance_accounts import API, an_owner, call, event, opened
from tests.simulator.wire import dial
from tests.support.simulator import simulator

_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        (f"apiKey={_KEY}&timestamp=1747385641636",
         "681110a6057ad58657af22f5640fab9dd17418834cdfccdc81be8b0f7b2cde3e"),
        ("recvWindow=5000&timestamp=1499827319559",
         "82f4e72e95e63d666b6da651e82a701722ad8a785a169318d91f36f279c55821"),
    ],
)  # fmt: skip
def test_the_documents_signatures_are_right(text: str, signature: str) -> None:
    key = Key(_KEY, _SECRET)
    assert key.signed(text, signature)
    assert not key.signed(text + "0", signature)


async def test_an_order_is_heard_and_read_from_its_placing_to_its_end() -> None:
    async with simulator() as exchange, dial(exchange, API) as wire:
        owner = await an_owner(exchange)
        assert (await owner.subscribe(wire))["result"] == {"subscriptionId": 0}
        order = await owner.place(quantity="0.5", price="60000", clientId="mine")
        new = await event(wire, "executionReport")
        assert (new["x"], new["X"], new["c"], new["i"]) == ("NEW", "NEW", "mine", order["order"])
        assert (new["q"], new["p"], new["z"], new["t"]) == ("0.50000000", "60000.00000000", "0.00000000", -1)  # fmt: skip
        held = await event(wire, "outboundAccountPosition")
        assert held["B"] == [{"a": "USDT", "f": "970000.00000000", "l": "30000.00000000"}]
        [row] = await owner.rows("spot", "/api/v3/openOrders")
        assert (row["orderId"], row["status"], row["clientOrderId"]) == (
            order["order"],
            "NEW",
            "mine",
        )

        await owner.do("fill", order=order["order"], quantity="0.2", price="59000", maker=True)
        part = await event(wire, "executionReport")
        assert (part["x"], part["X"], part["l"], part["z"]) == (
            "TRADE", "PARTIALLY_FILLED", "0.20000000", "0.20000000",
        )  # fmt: skip
        assert (part["L"], part["Y"], part["Z"]) == (
            "59000.00000000",
            "11800.00000000",
            "11800.00000000",
        )
        assert (part["n"], part["N"], part["m"]) == ("0.00004000", "BTC", True)
        await owner.do("cancel", order=order["order"])
        over = await event(wire, "executionReport")
        assert (over["x"], over["X"], over["C"]) == ("CANCELED", "CANCELED", "mine")
        assert over["c"] != "mine"

        row = await owner.rows("spot", "/api/v3/order", symbol="BTCUSDT", orderId=order["order"])
        assert (row["status"], row["executedQty"], row["cummulativeQuoteQty"]) == (
            "CANCELED", "0.20000000", "11800.00000000",
        )  # fmt: skip
        [trade] = await owner.rows("spot", "/api/v3/myTrades", symbol="BTCUSDT")
        assert (trade["id"], trade["isBuyer"], trade["commission"]) == (
            part["t"],
            True,
            "0.00004000",
        )
        assert await owner.rows("spot", "/api/v3/openOrders", symbol="BTCUSDT") == []
        truth = (await owner.truth())["orders"][0]
        path = [(state["status"], state["cumulative"]) for state in truth["path"]]
        assert path == [("NEW", "0"), ("PARTIALLY_FILLED", "0.2"), ("CANCELED", "0.2")]


async def test_balances_are_told_as_deltas_and_as_they_are() -> None:
    async with simulator() as exchange, dial(exchange, API) as wire:
        owner = await an_owner(exchange, funds={"USDT": "100"})
        await owner.subscribe(wire)
        await owner.do("deposit", asset="ETH", amount="2.5")
        delta = await event(wire, "balanceUpdate")
        assert (delta["a"], delta["d"]) == ("ETH", "2.50000000")
        await event(wire, "outboundAccountPosition")
        await owner.do("withdraw", asset="USDT", amount="100")
        assert (await event(wire, "balanceUpdate"))["d"] == "-100.00000000"
        account = await owner.rows("spot", "/api/v3/account", omitZeroBalances="true")
        assert account["balances"] == [
            {"asset": "ETH", "free": "2.50000000", "locked": "0.00000000"}
        ]
        account = await owner.rows("spot", "/api/v3/account")
        assert {row["asset"] for row in account["balances"]} == {"ETH", "USDT"}


async def test_many_accounts_share_a_socket_and_are_told_apart_by_number() -> None:
    async with simulator() as exchange, dial(exchange, API) as wire:
        owners = await opened(exchange, 5)
        numbers = [(await one.subscribe(wire))["result"]["subscriptionId"] for one in owners]
        assert numbers == [0, 1, 2, 3, 4]
        again = await owners[0].subscribe(wire)
        assert (again["status"], again["error"]["code"]) == (400, -2035)
        await owners[3].place(quantity="0.1", price="60000")
        heard = await wire.until(lambda message: "event" in message)
        assert (heard["subscriptionId"], heard["event"]["e"]) == (3, "executionReport")
        await wire.until(lambda message: "event" in message)
        assert (await call(wire, "userDataStream.unsubscribe", subscriptionId=3))["result"] == {}
        await owners[3].place(quantity="0.1", price="60000")
        assert await wire.silent_for(0.3)
        listed = await call(wire, "session.subscriptions")
        assert [row["subscriptionId"] for row in listed["result"]] == [0, 1, 2, 4]
        gone = await call(wire, "userDataStream.unsubscribe", subscriptionId=3)
        assert gone["error"]["code"] == -2036
        # A number is never given out twice on one connection.
        assert (await owners[3].subscribe(wire))["result"] == {"subscriptionId": 5}


async def test_an_ed25519_key_signs_both_ways_and_may_log_on() -> None:
    async with simulator() as exchange, dial(exchange, API) as wire:
        owner = await an_owner(exchange, kind="ed25519")
        assert (await owner.rows("spot", "/api/v3/account"))["canTrade"] is True
        refused = await call(wire, "userDataStream.subscribe")
        assert refused["status"] == 401
        params: dict[str, Any] = {"apiKey": owner.key, "timestamp": owner.now_ms()}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        logged = await call(wire, "session.logon", **params, signature=owner.sign(text))
        assert logged["result"]["apiKey"] == owner.key
        assert (await call(wire, "userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
        # The session ends with the next request after its key does, and what it had subscribed too.
        await owner.fault("revokeKey")
        await wire.say({"id": "n", "method": "session.subscriptions"})
        notice = await wire.until(lambda message: message.get("id", "") is None)
        assert (notice["status"], notice["error"]["code"]) == (401, -2015)
        assert (await wire.until(lambda message: message["id"] == "n"))["result"] == []


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"key": "short"}, 401, -2014),
        ({"key": "x" * 64}, 401, -2015),
        ({"signature": "0" * 64}, 400, -1022),
        ({"stamp": {}}, 400, -1102),
        ({"stamp": {"timestamp": "soon"}}, 400, -1102),
        ({"stamp": {"timestamp": 1}}, 400, -1021),
        ({"stamp": {"timestamp": 9_999_999_999_999}}, 400, -1021),
        ({"recvWindow": "60001"}, 400, -1131),
    ],
)
async def test_a_request_that_is_not_signed_well_is_refused(
    wrong: dict[str, Any], status: int, code: int
) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        answered, body = await owner.ask("spot", "/api/v3/account", **wrong)
        assert (answered, body["code"]) == (status, code)


async def test_the_signature_is_of_the_query_as_it_was_sent() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        now = owner.now_ms()
        encoded = f"timestamp={now}&symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&recvWindow=5000"
        target = "/api/v3/openOrders?" + encoded
        assert (await owner.send("spot", f"{target}&signature={owner.sign(encoded)}")) == (200, [])
        other = f"recvWindow=5000&timestamp={now}&symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT"
        status, body = await owner.send("spot", f"{target}&signature={owner.sign(other)}")
        assert (status, body["code"]) == (400, -1022)


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"apiKey": "x" * 64}, 401, -2015),
        ({"apiKey": "short"}, 401, -2014),
        ({"signature": "0" * 64}, 400, -1022),
        ({"timestamp": 1}, 400, -1021),
    ],
)
async def test_a_subscription_that_is_not_signed_well_is_refused(
    wrong: dict[str, Any], status: int, code: int
) -> None:
    async with simulator() as exchange, dial(exchange, API) as wire:
        owner = await an_owner(exchange)
        refused = await owner.subscribe(wire, **wrong)
        assert (refused["status"], refused["error"]["code"]) == (status, code)
        assert (await call(wire, "nonsense"))["status"] == 400


async def test_histories_are_paged_by_id_and_bounded_in_time() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        orders = []
        for _ in range(5):
            order = await owner.place(quantity="0.01", price="60000")
            await owner.do("fill", order=order["order"])
            orders.append(order["order"])
        ids = [row["id"] for row in await owner.rows("spot", "/api/v3/myTrades", symbol="BTCUSDT")]
        assert ids == sorted(ids)
        page = await owner.rows(
            "spot", "/api/v3/myTrades", symbol="BTCUSDT", fromId=ids[2], limit=2
        )
        assert [row["id"] for row in page] == ids[2:4]
        page = await owner.rows("spot", "/api/v3/allOrders", symbol="BTCUSDT", orderId=orders[3])
        assert [row["orderId"] for row in page] == orders[3:]
        latest = await owner.rows("spot", "/api/v3/allOrders", symbol="BTCUSDT", limit=2)
        assert [row["orderId"] for row in latest] == orders[3:]
        first = await owner.rows(
            "spot", "/api/v3/allOrders", symbol="BTCUSDT", limit=2, startTime=0
        )
        assert [row["orderId"] for row in first] == orders[:2]
        of_one = await owner.rows("spot", "/api/v3/myTrades", symbol="BTCUSDT", orderId=orders[1])
        assert [row["id"] for row in of_one] == [ids[1]]
        for query, code in (
            ({"startTime": 0, "endTime": DAY_MS + 1}, -1127),
            ({"fromId": 1, "startTime": 0}, -1128),
            ({"limit": 0}, -1130),
        ):
            status, body = await owner.ask("spot", "/api/v3/myTrades", symbol="BTCUSDT", **query)
            assert (status, body["code"]) == (400, code)
        status, body = await owner.ask("spot", "/api/v3/allOrders")
        assert (status, body["code"]) == (400, -1102)
        status, body = await owner.ask("spot", "/api/v3/order", symbol="BTCUSDT", orderId=7)
        assert (status, body["code"]) == (400, -2013)
        status, body = await owner.ask("spot", "/api/v3/order", symbol="BTCUSDT")
        assert (status, body["code"]) == (400, -1102)


async def test_account_calls_weigh_what_the_documents_say() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        await exchange.control("limits", pool="binance-spot", weightPerMinute=100)
        await owner.rows("spot", "/api/v3/openOrders")
        await owner.rows("spot", "/api/v3/account")
        status, body = await owner.ask("spot", "/api/v3/order", symbol="BTCUSDT", orderId=1)
        assert (status, body["code"]) == (429, -1003)
