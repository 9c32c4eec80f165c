"""OKX's private channels as its documents say: what is pushed, and what can go wrong with that."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from common.model.streams import MARKETS, Market
from simulator.exchanges.okx import accounts as okx_accounts
from simulator.exchanges.okx.accounts import channels
from tests.simulator.okx_accounts import (
    PRIVATE,
    SYMBOLS,
    TYPES,
    an_owner,
    on_change,
    push,
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
