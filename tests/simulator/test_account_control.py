"""Control of accounts: opening, the trader, the truth, and every fault that accounts can have."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import pytest

from common.clocks import wall_ms
from common.model.streams import Market
from tests.simulator.binance_accounts import API, Owner, an_owner, call, event, opened
from tests.simulator.kucoin_accounts import Owner as KucoinOwner
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator


async def refused(exchange: RunningSimulator, what: str, body: Any) -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{exchange.url}/control/{what}", json=body) as answer,
    ):
        assert answer.status == 400
        return (await answer.json())["error"]


async def orders_heard(wire: Wire, count: int) -> list[int]:
    """The orders of the next reports, as they come."""
    return [(await event(wire, "executionReport"))["i"] for _ in range(count)]


async def placed(owner: Owner, count: int) -> list[int]:
    orders = [await owner.place(quantity="0.01", price="60000") for _ in range(count)]
    return [order["order"] for order in orders]


async def test_many_accounts_are_opened_at_once_the_same_for_a_seed() -> None:
    keys = []
    for seed in (5, 5, 6):
        async with simulator(seed=seed) as exchange:
            owners = await opened(exchange, 50)
            assert len({owner.key for owner in owners}) == 50
            assert all(len(owner.key) == len(owner.secret) == 64 for owner in owners)
            keys.append([owner.key for owner in owners])
    assert keys[0] == keys[1] != keys[2]


async def test_what_makes_no_sense_is_refused_with_the_reason() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, name="mine")
        assert owner.name == "mine"
        who: dict[str, Any] = {"account": "mine", "market": "spot"}
        place = who | {"action": "place", "side": "BUY", "quantity": "1"}
        for what, body, reason in (
            ("accounts", {"exchange": "binance", "name": "mine"}, "already"),
            ("accounts", {"exchange": "nowhere"}, "no accounts"),
            ("accounts", {"exchange": "nowhere"}, "no accounts"),
            ("accounts", {"exchange": "binance", "kind": "es256"}, "hmac, ed25519 only"),
            ("accounts", {"exchange": "binance", "mode": "unified"}, "mode"),
            ("accounts", {"exchange": "binance", "count": 0}, "count"),
            ("account", place | {"symbol": "NOPE"}, "lists no 'NOPE'"),
            ("account", place | {"symbol": "BTCUSDT", "price": "1.001"}, "decimals"),
            ("account", who | {"action": "fill", "order": 3}, "no order 3"),
            ("account", who | {"action": "withdraw", "asset": "BTC", "amount": "51"}, "moved"),
            ("account", who | {"action": "dance"}, "Invalid value"),
            ("account", place | {"account": "other", "symbol": "BTCUSDT"}, "no account 'other'"),
            ("account/fault", {"kind": "revokeKey", "exchange": "nowhere"}, "no accounts"),
            (
                "account/fault",
                {"kind": "missEvents", "exchange": "binance", "account": "x"},
                "no account",
            ),
        ):
            assert reason in await refused(exchange, what, body), body


async def test_control_tells_what_there_is() -> None:
    async with simulator() as exchange, aiohttp.ClientSession() as http:
        async with http.get(f"{exchange.url}/control/account") as answer:
            told = await answer.json()
    assert {"Place", "MissEvents", "Opening", "Trading"} <= set(told["schemas"])


# --- faults of events -----------------------------------------------------------------------


async def test_missed_repeated_reordered_and_delayed_events() -> None:
    async with simulator() as exchange, dial(exchange, API) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire)
        # Each order is told in two events: itself, and what it holds.
        await owner.fault("missEvents", events=2)
        lost, heard = await placed(owner, 2)
        assert await orders_heard(wire, 1) == [heard]
        await event(wire, "outboundAccountPosition")
        assert lost in [row["orderId"] for row in await owner.rows("spot", "/api/v3/openOrders")]

        await owner.fault("repeatEvents", events=1)
        [twice] = await placed(owner, 1)
        assert await orders_heard(wire, 2) == [twice, twice]
        await event(wire, "outboundAccountPosition")

        await owner.fault("reorderEvents", events=2)
        await placed(owner, 1)
        names = [(await wire.message())["event"]["e"] for _ in range(2)]
        assert names == ["outboundAccountPosition", "executionReport"]

        await owner.fault("delayEvents", ms=400)
        [late] = await placed(owner, 1)
        assert await wire.silent_for(0.2)
        assert await orders_heard(wire, 1) == [late]
        await exchange.control("heal")
        assert len((await owner.truth())["orders"]) == 5


async def test_a_silenced_account_is_heard_again_by_who_subscribes_anew() -> None:
    async with simulator() as exchange, dial(exchange, API) as wire:
        owner, other = await opened(exchange, 2)
        await owner.subscribe(wire)
        await other.subscribe(wire)
        assert await owner.fault("silenceAccount") == {"hit": [owner.name]}
        await placed(owner, 1)
        [heard] = await placed(other, 1)
        assert await orders_heard(wire, 1) == [heard]
        assert len((await call(wire, "session.subscriptions"))["result"]) == 2
        async with dial(exchange, API) as fresh:
            await owner.subscribe(fresh)
            again = await placed(owner, 1)
            assert await orders_heard(fresh, 1) == again


# --- faults of access -----------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
async def test_access_that_expires_with_a_word_or_without(told: bool) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        key = (await owner.listen_key("linear"))[1]["listenKey"]
        async with (
            dial(exchange, API) as spot,
            dial(exchange, f"/fstream.binance.com/private/ws/{key}") as linear,
        ):
            await owner.subscribe(spot)
            await owner.fault("expireAccess", told=told)
            if told:
                await event(spot, "eventStreamTerminated")
                await event(linear, "listenKeyExpired")
            await placed(owner, 1)
            assert await spot.silent_for(0.2)
            assert await linear.silent_for(0.1)
            assert (await call(spot, "session.subscriptions"))["result"] == []
            assert (await owner.listen_key("linear", "PUT"))[1]["code"] == -1125
            assert (await owner.subscribe(spot))["result"] == {"subscriptionId": 1}


@pytest.mark.parametrize("kind", ["revokeKey", "takePermission", "takeAddress"])
@pytest.mark.parametrize("market", ["spot", "linear"])
async def test_a_key_that_may_not_be_used_is_refused_and_heal_brings_back_what_it_can(
    kind: str, market: Market
) -> None:
    path = {"spot": "/api/v3/account", "linear": "/fapi/v3/balance"}[market]
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        await owner.rows(market, path)
        await owner.fault(kind)
        status, body = await owner.ask(market, path)
        assert (status, body["code"]) == (401, -2015)
        assert (await owner.listen_key("linear"))[0] == 401
        await exchange.control("heal")
        assert (await owner.ask(market, path))[0] == (401 if kind == "revokeKey" else 200)


@pytest.mark.parametrize("kind", ["revokeKey", "takePermission", "takeAddress"])
async def test_an_account_that_is_given_another_key_is_asked_with_that_alone(kind: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        await placed(owner, 1)
        await owner.fault(kind)
        before_ms = wall_ms()
        assert (await owner.ask("spot", "/api/v3/account"))[0] == 401
        row = await exchange.control("account/key", account=owner.name)
        assert before_ms <= row["shownMs"] <= wall_ms()
        assert row["key"] != owner.key
        assert (await owner.ask("spot", "/api/v3/account"))[0] == 401
        same = type(owner)(exchange, row)
        assert len(await same.rows("spot", "/api/v3/openOrders")) == 1
        again = await exchange.control("account/key", account=owner.name)
        assert again["key"] not in (row["key"], owner.key)


async def test_a_kucoin_user_stays_the_same_whatever_the_key() -> None:
    async with simulator() as exchange:
        owner = await KucoinOwner.one(exchange)
        before = await owner.data("spot", "/api/v1/user/api-key")
        row = await exchange.control("account/key", account=owner.name)
        after = await KucoinOwner(exchange, row).data("spot", "/api/v1/user/api-key")
        assert before["apiKey"] != after["apiKey"]
        assert before["uid"] == after["uid"]


async def test_addresses_that_a_key_may_come_from() -> None:
    async with simulator() as exchange:
        here = await an_owner(exchange, addresses=["127.0.0.1"])
        elsewhere = await an_owner(exchange, addresses=["192.0.2.1"])
        assert (await here.ask("spot", "/api/v3/account"))[0] == 200
        assert (await elsewhere.ask("spot", "/api/v3/account"))[1]["code"] == -2015


@pytest.mark.parametrize("ms", [-60_000, 60_000])
async def test_a_skewed_clock_refuses_ours_until_it_is_asked_for_its_time(ms: int) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        await exchange.control("account/fault", kind="skewClock", exchange="binance", ms=ms)
        status, body = await owner.ask("spot", "/api/v3/account")
        assert (status, body["code"]) == (400, -1021)
        _, told, _ = await exchange.rest("api.binance.com", "/api/v3/time")
        assert abs(told["serverTime"] - exchange.clock.now_ms() - ms) < 5_000
        stamp = {"timestamp": told["serverTime"]}
        assert (await owner.ask("spot", "/api/v3/account", stamp=stamp))[0] == 200


async def test_a_fast_market_does_not_narrow_the_window() -> None:
    async with simulator(speed=60) as exchange:
        owner = await an_owner(exchange)
        # Two seconds late by our watch: two minutes of that market.
        stamp = {"timestamp": owner.now_ms() - 120_000}
        assert (await owner.ask("spot", "/api/v3/account", stamp=stamp))[0] == 200
        stamp = {"timestamp": owner.now_ms() - 360_000}
        assert (await owner.ask("spot", "/api/v3/account", stamp=stamp))[1]["code"] == -1021


# --- the trader -----------------------------------------------------------------------------


async def test_the_trader_trades_by_the_markets_clock_and_all_of_it_is_heard() -> None:
    async with simulator(speed=60) as exchange, dial(exchange, API) as wire:
        owners = await opened(exchange, 10)
        for owner in owners:
            await owner.subscribe(wire)
        await exchange.control("trader", ordersPerMin=300)
        await asyncio.sleep(1.5)
        done = await exchange.control("trader", ordersPerMin=0, settle=True)
        assert done["placed"] > 100
        assert done["pending"] == 0
        truth = (await exchange.truth("accounts", exchange="binance"))["accounts"]
        wanted = Counter(
            (order["order"], state["status"], float(state["cumulative"]))
            for account in truth
            for order in account["orders"]
            if order["market"] == "spot"
            for state in order["path"]
        )
        heard: Counter[Any] = Counter()
        while sum(heard.values()) < sum(wanted.values()):
            report = await event(wire, "executionReport")
            heard[report["i"], report["X"], float(report["z"])] += 1
        assert heard == wanted
        ends = Counter(order["status"] for account in truth for order in account["orders"])
        assert set(ends) <= {"FILLED", "CANCELED", "REJECTED", "EXPIRED"}


async def test_a_wallet_begins_with_what_is_traded_with_there_or_with_what_is_asked_for() -> None:
    async with simulator() as exchange:
        usual, asked = await an_owner(exchange), await an_owner(exchange, funds={"BTC": "2"})
        held: dict[str, set[str]] = {}
        for row in (await usual.truth())["balances"]:
            held.setdefault(row["wallet"], set()).add(row["asset"])
        assert held == {
            "spot": {"USDT", "BTC", "ETH", "SOL", "BNB"},
            "linear": {"USDT"},
            "inverse": {"BTC", "ETH"},
        }
        rows = (await asked.truth())["balances"]
        assert {(row["wallet"], row["asset"], row["total"]) for row in rows} == {
            ("spot", "BTC", "2"), ("linear", "BTC", "2"), ("inverse", "BTC", "2"),
        }  # fmt: skip
