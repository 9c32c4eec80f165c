"""OKX's accounts as its documents say: login, channels, signed REST, and what can go wrong with them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from common.model.streams import MARKETS, Market
from simulator.exchanges.okx import accounts as okx_accounts
from simulator.exchanges.okx.accounts import channels
from tests.simulator.okx_accounts import (
    PRIVATE,
    SYMBOLS,
    TYPES,
    Owner,
    an_owner,
    on_change,
    push,
    signature,
    subscribe,
)
from tests.simulator.wire import dial
from tests.support.simulator import simulator

PRICE = "60000"
# What is asked for in our words, and what it is in the exchange's: a contract is a lot, or 100 dollars.
SIZES: dict[Market, tuple[str, str, str]] = {
    "spot": ("0.5", "0.5", "0.2"),
    "linear": ("0.5", "500", "200"),
    "inverse": ("10", "10", "4"),
}
PART = {"spot": "0.2", "linear": "0.2", "inverse": "4"}
HOUR_MS = 3_600_000


def test_the_bare_client_signs_as_the_documents_say() -> None:
    secret = "22582BD0CFF14C41EDBF1AB98506286D"
    assert signature(secret, "1704876947GET/users/self/verify") == (
        "5/36BgGV6m/6pmdc20zdqk0mzF5ZalmzzPD2fo3wavU="
    )
    text = "2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC"
    assert signature(secret, text) == "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY="


# --- what is pushed -------------------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
async def test_an_order_its_trades_and_what_they_do(market: Market) -> None:
    size, told_size, told_part = SIZES[market]
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        kind = {"instType": TYPES[market]}
        first = await owner.listen(wire, {"channel": "orders", **kind}, on_change("account"))
        assert first["account"]["eventType"] == "snapshot"
        order = await owner.place(market, size, PRICE, clientId="mine")
        frame = await push(wire, "orders")
        assert frame["arg"] | {"uid": ""} == {"channel": "orders", **kind, "uid": ""}
        [new] = frame["data"]
        assert (new["instId"], new["state"], new["sz"], new["px"]) == (
            SYMBOLS[market], "live", told_size, PRICE,
        )  # fmt: skip
        assert (new["ordId"], new["clOrdId"], new["ordType"]) == (order["orderId"], "mine", "limit")
        assert (new["tradeId"], new["fillSz"], new["accFillSz"], new["avgPx"]) == ("", "0", "0", "")
        assert (new["posSide"], new["tdMode"]) == (
            ("", "cash") if market == "spot" else ("net", "cross")
        )
        [held] = (await push(wire, "account"))["data"][0]["details"]
        assert Decimal(held["frozenBal"]) > 0

        await owner.do("fill", market, order=order["order"], quantity=PART[market], maker=True)
        [part] = (await push(wire, "orders"))["data"]
        assert (part["state"], part["fillSz"], part["accFillSz"], part["execType"]) == (
            "partially_filled", told_part, told_part, "M",
        )  # fmt: skip
        await owner.do("cancel", market, order=order["order"])
        [end] = (await push(wire, "orders"))["data"]
        assert (end["state"], end["cancelSource"], end["tradeId"], end["fillSz"]) == (
            "canceled", "1", "", "0",
        )  # fmt: skip
        assert (end["accFillSz"], end["fee"]) == (told_part, part["fillFee"])
        truth = await owner.truth()
        [fill] = truth["fills"]
        assert (part["tradeId"], part["fillFeeCcy"]) == (fill["tradeId"], fill["feeAsset"])
        assert -Decimal(part["fillFee"]) == Decimal(fill["fee"]) > 0
        [told] = (await push(wire, "account"))["data"][0]["details"]
        [true] = [one for one in truth["balances"] if one["asset"] == told["ccy"]]
        assert [Decimal(told[name]) for name in ("cashBal", "availEq", "frozenBal")] == [
            Decimal(true[name]) for name in ("total", "free", "locked")
        ]


async def test_an_end_that_it_has_no_word_for_is_a_cancel() -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, {"channel": "orders", "instType": "ANY"})
        for action, more, source in (
            ("expire", {"timeInForce": "FOK"}, "13"),
            ("expire", {"timeInForce": "IOC"}, "14"),
            ("expire", {}, "0"),
            ("reject", {}, "0"),
        ):
            order = await owner.place(quantity="0.1", price=PRICE, **more)
            assert (await push(wire, "orders"))["arg"]["instType"] == "ANY"
            done = await owner.do(action, order=order["order"])
            [end] = (await push(wire, "orders"))["data"]
            assert (end["state"], end["cancelSource"]) == ("canceled", source)
            assert done["status"] == "CANCELED"


async def test_positions_until_they_are_closed_and_a_liquidation() -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        await owner.listen(
            wire,
            on_change("positions", instType="SWAP"),
            {"channel": "orders", "instType": "SWAP"},
            {"channel": "balance_and_position"},
        )
        for side in ("SELL", "BUY"):
            order = await owner.place("linear", "0.5", PRICE, side)
            await owner.do("fill", "linear", order=order["order"])
            [row] = (await push(wire, "positions"))["data"]
            if side == "SELL":
                assert (row["pos"], row["posSide"], row["avgPx"]) == ("-500", "net", PRICE)
        # The order that closes it has told it once more when it came.
        assert row["pos"] == "-500"
        [row] = (await push(wire, "positions"))["data"]
        assert (row["pos"], row["avgPx"]) == ("0", "")
        assert await owner.rows("/account/positions") == []

        order = await owner.place("linear", "0.5", PRICE)
        await owner.do("fill", "linear", order=order["order"])
        await owner.do("liquidate", "linear", symbol=SYMBOLS["linear"], price="57000")

        def is_over(message: Any) -> bool:
            return (
                "data" in message
                and message["arg"]["channel"] == "orders"
                and message["data"][0]["category"] == "full_liquidation"
                and message["data"][0]["state"] == "filled"
            )

        [done] = (await wire.until(is_over))["data"]
        truth = await owner.truth()
        last = truth["fills"][-1]
        # Its trade has a number in the list of trades only, and that is below zero.
        assert (done["tradeId"], done["clOrdId"], done["fillPnl"]) == ("0", "", "-1500")
        [row] = await owner.rows("/trade/fills", ordId=done["ordId"])
        assert (row["tradeId"], row["subType"]) == (last["tradeId"], "107")
        assert int(row["tradeId"]) < 0


async def test_a_hedged_account_has_both_sides_and_no_sign() -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange, hedged=True, mode="3")
        for side, position in (("BUY", "LONG"), ("SELL", "SHORT")):
            order = await owner.place("linear", "0.5", PRICE, side, positionSide=position)
            await owner.do("fill", "linear", order=order["order"])
        first = await owner.listen(
            wire, on_change("positions", instType="ANY"), on_change("account")
        )
        frame = first["positions"]
        assert (frame["eventType"], frame["curPage"], frame["lastPage"]) == ("snapshot", 1, True)
        rows = await owner.rows("/account/positions", instType="SWAP")
        for told in (frame["data"], rows):
            assert [(row["posSide"], row["pos"]) for row in told] == [
                ("long", "500"), ("short", "500"),
            ]  # fmt: skip
        details = first["account"]["data"][0]["details"]
        assert {row["availBal"] for row in details} == {""}
        [config] = await owner.rows("/account/config")
        assert (config["posMode"], config["acctLv"]) == ("long_short_mode", "3")
        subs = [row["subType"] for row in await owner.rows("/trade/fills")]
        assert subs == ["4", "3"]


async def test_what_a_subscription_is_narrowed_to() -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        first = await owner.listen(
            wire,
            {"channel": "orders", "instType": "SWAP", "instFamily": "BTC-USD"},
            {"channel": "orders", "instType": "SPOT", "instId": "ETH-USDT"},
            on_change("account", ccy="BTC,SOL"),
            {"channel": "balance_and_position"},
        )
        details = first["account"]["data"][0]["details"]
        assert {row["ccy"] for row in details} == {"BTC", "SOL"}
        [now] = first["balance_and_position"]["data"]
        assert (now["eventType"], len(now["balData"]), now["posData"]) == ("snapshot", 5, [])
        await owner.place("linear", "0.5", PRICE)
        await owner.place("spot", "0.5", PRICE)
        await owner.do("deposit", asset="USDT", amount="5")
        [moved] = (await push(wire, "balance_and_position"))["data"]
        assert (moved["eventType"], moved["balData"][0]["cashBal"]) == ("transferred", "1000005")
        await owner.place("inverse", "10", PRICE)
        # All that came before was not for this socket.
        frames = [await wire.message(), await wire.message()]
        assert [frame["arg"]["channel"] for frame in frames] == ["orders", "account"]
        assert frames[0]["data"][0]["instId"] == "BTC-USD-SWAP"
        answer = await subscribe(
            wire, {"channel": "balance_and_position"}, "unsubscribe"
        )  # fmt: skip
        assert answer["event"] == "unsubscribe"
        await owner.do("deposit", asset="USDT", amount="5")
        assert await wire.silent_for(0.3)


async def test_what_is_told_again_and_again_is_a_snapshot_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(channels.PACES, "account", ("0", "200"))  # type: ignore[index]
    monkeypatch.setattr(channels, "USUAL", "200")
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, {"channel": "account"})
        frames = [await push(wire, "account") for _ in range(3)]
        assert {frame["eventType"] for frame in frames} == {"snapshot"}
        await owner.place(quantity="0.5", price=PRICE)
        while (frame := await push(wire, "account"))["eventType"] == "snapshot":
            pass
        assert (frame["eventType"], "curPage" in frame) == ("event_update", False)


# --- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"apiKey": "short"}, "60005"),
        ({"apiKey": "00000000-0000-4000-8000-000000000000"}, "60032"),
        ({"passphrase": "wrong"}, "60024"),
        ({"sign": "wrong"}, "60007"),
        ({"timestamp": "now"}, "60004"),
        ({"timestamp": "1704876947"}, "60006"),
    ],
)
async def test_a_wrong_login_is_refused_and_a_right_one_comes_once(
    wrong: dict[str, str], code: str
) -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        assert (await subscribe(wire, {"channel": "account"}))["code"] == "60011"
        refused = await owner.log_in(wire, **wrong)
        assert (refused["event"], refused["code"]) == ("error", code)
        assert (await owner.log_in(wire))["event"] == "login"
        assert (await owner.log_in(wire))["code"] == "60031"
        await wire.say("ping")
        assert (await wire.raw()).data == "pong"


@pytest.mark.parametrize(
    ("arg", "code"),
    [
        ({"channel": "orders"}, "60018"),
        ({"channel": "positions", "instType": "SPOT"}, "60018"),
        ({"channel": "tickers", "instId": "BTC-USDT"}, "60018"),
        ({"channel": "nothing"}, "60018"),
        ({"channel": "account", "extraParams": "updateInterval=0"}, "60013"),
        ({"channel": "account", "extraParams": '{"updateInterval":"17"}'}, "60013"),
        ({"channel": "fills"}, "64003"),
    ],
)
async def test_channels_that_are_none(arg: dict[str, str], code: str) -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire)
        assert (await subscribe(wire, arg))["code"] == code
        async with dial(exchange, "/ws.okx.com/ws/v5/public") as other:
            assert (await subscribe(other, {"channel": "account"}))["code"] == "60018"


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"OK-ACCESS-KEY": None}, 401, "50103"),
        ({"OK-ACCESS-PASSPHRASE": None}, 401, "50104"),
        ({"OK-ACCESS-SIGN": None}, 401, "50106"),
        ({"OK-ACCESS-TIMESTAMP": None}, 401, "50107"),
        ({"OK-ACCESS-KEY": "short"}, 401, "50111"),
        ({"OK-ACCESS-KEY": "00000000-0000-4000-8000-000000000000"}, 200, "50119"),
        ({"OK-ACCESS-PASSPHRASE": "wrong"}, 401, "50105"),
        ({"OK-ACCESS-SIGN": "wrong"}, 401, "50113"),
        ({"OK-ACCESS-TIMESTAMP": "1704876947"}, 401, "50112"),
        ({"OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z"}, 401, "50102"),
        ({"x-simulated-trading": "1"}, 401, "50101"),
    ],
)
async def test_a_request_that_is_not_signed_rightly(
    wrong: dict[str, str | None], status: int, code: str
) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        told, body = await owner.ask("/account/balance", wrong=wrong, ccy="BTC")
        assert (told, body["code"], body["data"]) == (status, code, [])
        [row] = await owner.rows("/account/balance", ccy="BTC")
        assert [detail["cashBal"] for detail in row["details"]] == ["50"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [("revokeKey", "50119"), ("takePermission", "50120"), ("takeAddress", "50110")],
)
async def test_a_key_that_is_changed_ends_its_sockets(kind: str, code: str) -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner, other = await an_owner(exchange), await an_owner(exchange)
        await owner.listen(wire)
        async with dial(exchange, PRIVATE) as untouched:
            await other.listen(untouched)
            await owner.fault(kind)
            assert (await wire.closed()).code == 4007
            assert (await owner.ask("/account/balance"))[1]["code"] == code
            assert await untouched.silent_for(0.4)
        await exchange.control("heal")
        body = (await owner.ask("/account/balance"))[1]
        assert body["code"] == (code if kind == "revokeKey" else "0")


@pytest.mark.parametrize("ms", [-60_000, 60_000])
async def test_a_skewed_clock_refuses_ours_until_it_is_asked_for_its_time(ms: int) -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        await exchange.control("account/fault", kind="skewClock", exchange="okx", ms=ms)
        status, body = await owner.ask("/account/balance")
        assert (status, body["code"]) == (401, "50102")
        assert (await owner.log_in(wire))["code"] == "60006"
        _, told, _ = await exchange.rest("openapi.okx.com", "/api/v5/public/time")
        [now] = told["data"]
        assert (await owner.ask("/account/balance", stamp_ms=int(now["ts"])))[0] == 200
        stamp = str(int(now["ts"]) // 1000)
        assert (await owner.log_in(wire, timestamp=stamp))["event"] == "login"


# --- what goes wrong with subscriptions ---------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
async def test_subscriptions_that_end_with_a_word_or_without(told: bool) -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        arg = {"channel": "orders", "instType": "SPOT"}
        await owner.listen(wire, arg)
        await owner.fault("expireAccess", told=told)
        if told:
            error = await wire.message()
            assert (error["event"], error["channel"]) == ("channel-conn-count-error", "orders")
            assert error["connId"]
        await owner.place(quantity="0.1", price=PRICE)
        assert await wire.silent_for(0.3)
        await subscribe(wire, arg)
        await owner.place(quantity="0.1", price=PRICE)
        assert (await push(wire, "orders"))["data"][0]["state"] == "live"


async def test_too_many_connections_on_a_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.exchanges.okx.sockets.MOST_CONNECTIONS", 1)
    monkeypatch.setattr(okx_accounts, "MOST_CONNECTIONS", 1)
    arg = {"channel": "orders", "instType": "SPOT"}
    async with simulator() as exchange, dial(exchange, PRIVATE) as one:
        owner = await an_owner(exchange)
        await owner.listen(one, arg)
        async with dial(exchange, PRIVATE) as two:
            await owner.log_in(two)
            assert (await subscribe(two, arg))["event"] == "subscribe"
            assert (await two.message())["event"] == "channel-conn-count-error"
            await owner.place(quantity="0.1", price=PRICE)
            await push(one, "orders")
            assert await two.silent_for(0.3)


async def test_events_that_are_missed_or_swapped_and_an_account_that_falls_silent() -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        await owner.listen(wire, {"channel": "orders", "instType": "SPOT"})
        await owner.fault("missEvents", events=1)
        orders = [await owner.place(quantity="0.1", price=PRICE) for _ in range(2)]
        [row] = (await push(wire, "orders"))["data"]
        assert row["ordId"] == orders[1]["orderId"]
        await owner.fault("reorderEvents", events=2)
        for order in orders:
            await owner.do("cancel", order=order["order"])
        swapped = [(await push(wire, "orders"))["data"][0]["ordId"] for _ in range(2)]
        assert swapped == [order["orderId"] for order in reversed(orders)]
        await owner.fault("silenceAccount")
        await owner.place(quantity="0.1", price=PRICE)
        assert await wire.silent_for(0.3)
        [row] = await owner.rows("/trade/orders-pending")
        assert row["state"] == "live"


# --- REST ---------------------------------------------------------------------------------------


async def some_orders(owner: Owner, count: int) -> list[str]:
    """The ids of filled orders, oldest first, on all markets in turn."""
    ids = []
    for number in range(count):
        market = MARKETS[number % len(MARKETS)]
        order = await owner.place(market, SIZES[market][0], PRICE)
        await owner.do("fill", market, order=order["order"])
        ids.append(order["orderId"])
    return ids


async def test_lists_are_newest_first_and_paged_by_ids_over_all_markets() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        ids = await some_orders(owner, 6)
        assert sorted(ids, key=int) == ids
        found: list[str] = []
        page: dict[str, str] = {}
        while rows := await owner.rows("/trade/fills", limit=2, **page):
            found += [row["ordId"] for row in rows]
            page = {"after": rows[-1]["billId"]}
        assert found == ids[::-1]
        # Linear and inverse are of one type.
        rows = await owner.rows("/trade/orders-history", instType="SWAP", after=ids[-1])
        assert [row["ordId"] for row in rows] == [ids[4], ids[2], ids[1]]
        [row] = await owner.rows("/trade/orders-history", instType="SWAP", before=ids[4])
        assert row["ordId"] == ids[5]
        [row] = await owner.rows(
            "/trade/fills-history", instType="SWAP", instId="BTC-USD-SWAP", limit=1
        )
        assert (row["ordId"], row["fillSz"], row["feeCcy"]) == (ids[5], "10", "BTC")
        assert row["fee"].startswith("-")
        [first] = await owner.rows("/trade/fills", ordId=ids[0])
        rows = await owner.rows("/trade/fills", begin=first["ts"], end=first["ts"])
        assert first in rows
        rows = await owner.rows("/trade/fills", begin=int(first["ts"]) + 1)
        assert first not in rows
        assert await owner.rows("/trade/orders-algo-pending", ordType="conditional") == []


async def test_what_is_forgotten_and_when() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        [filled] = await some_orders(owner, 1)
        canceled = await owner.place(price=PRICE)
        await owner.do("cancel", order=canceled["order"])
        account = exchange.server.world.accounts.get(owner.name)
        assert account is not None

        async def known(path: str, **params: Any) -> list[str]:
            rows = await owner.rows(path, instType="SPOT", **params)
            return [row["ordId"] for row in rows]

        def age(hours: float) -> None:
            ended_ms = owner.now_ms() - int(hours * HOUR_MS)
            for place, order in account.orders.items():
                account.orders[place] = msgspec.structs.replace(order, updated_ms=ended_ms)

        both = [canceled["orderId"], filled]
        assert await known("/trade/orders-history") == both
        assert await known("/trade/orders-history-archive") == [filled]
        one = {"instId": "BTC-USDT", "ordId": canceled["orderId"]}
        for hours, recent, old, code in (
            (1.9, both, [filled], "0"),
            (2.1, [filled], [filled], "51603"),
            (7 * 24 + 1, [], [filled], "51603"),
            (91 * 24, [], [], "51603"),
        ):
            age(hours)
            assert await known("/trade/orders-history") == recent
            assert await known("/trade/orders-history-archive") == old
            assert (await owner.ask("/trade/order", **one))[1]["code"] == code
        old_ms = owner.now_ms() - 4 * 24 * HOUR_MS
        fact = next(fact for fact in account.log if fact.fill is not None)
        place = account.log.index(fact)
        fill = msgspec.structs.replace(fact.fill, time_ms=old_ms)
        account.log[place] = msgspec.structs.replace(fact, fill=fill)
        assert await known("/trade/fills") == []
        assert await known("/trade/fills-history") == [filled]


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/trade/orders-history", {}, "50014"),
        ("/trade/fills-history", {}, "50014"),
        ("/trade/order", {"ordId": "1"}, "50014"),
        ("/trade/order", {"instId": "BTC-USDT"}, "50014"),
        ("/trade/order", {"instId": "BTC-USDT", "ordId": "1"}, "51603"),
        ("/trade/order", {"instId": "NO-PE", "ordId": "1"}, "51001"),
        ("/trade/fills", {"begin": "soon"}, "51000"),
        ("/trade/orders-algo-pending", {}, "50014"),
        ("/trade/nothing", {}, "404"),
    ],
)
async def test_requests_that_make_no_sense(path: str, params: dict[str, str], code: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        assert (await owner.ask(path, **params))[1]["code"] == code


async def test_limits_are_of_an_account() -> None:
    async with simulator() as exchange:
        owner, other = await an_owner(exchange), await an_owner(exchange)
        answers = await asyncio.gather(*(owner.ask("/account/config") for _ in range(7)))
        assert sorted(body["code"] for _, body in answers) == ["0"] * 5 + ["50011"] * 2
        assert (await other.ask("/account/config"))[0] == 200
