"""Coinbase's accounts: what happens to an order, the user channel, and faults of both."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.simulator.coinbase_accounts import (
    HEARTBEATS,
    MARKET,
    USER,
    an_owner,
    answered,
    opened,
    order_told,
)
from tests.simulator.wire import dial
from tests.support.simulator import simulator

# --- an order -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["es256", "ed25519"])
async def test_an_order_is_told_by_its_totals_and_by_rest_in_other_words(kind: str) -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange, kind=kind)
        listed = await owner.subscribe(wire)
        order = await owner.place("0.5", "60000", clientId="mine")
        [new] = await order_told(wire)
        assert (new["status"], new["cumulative_quantity"], new["leaves_quantity"]) == (
            "OPEN", "0", "0.5",
        )  # fmt: skip
        assert (new["order_type"], new["limit_price"], new["post_only"]) == (
            "Limit", "60000", "false",
        )  # fmt: skip
        assert listed == {"user": [new["retail_portfolio_id"]]}
        await owner.do("fill", order=order["order"], quantity="0.2", maker=True)
        [part] = await order_told(wire)
        # What is filled is no part of the status, and neither a trade nor its price is named.
        assert (part["status"], part["cumulative_quantity"], part["leaves_quantity"]) == (
            "OPEN", "0.2", "0.3",
        )  # fmt: skip
        assert not {"trade_id", "last_price"} & set(part)
        await owner.do("fill", order=order["order"], price="59000")
        [done] = await order_told(wire)
        assert (done["status"], done["number_of_fills"], done["filled_value"]) == (
            "FILLED", "2", "29700",
        )  # fmt: skip
        assert (done["avg_price"], done["total_fees"]) == ("59400", "11.25")

        row = (await owner.told(f"/orders/historical/{done['order_id']}"))["order"]
        assert row["order_configuration"] == {
            "limit_limit_gtc": {"base_size": "0.5", "limit_price": "60000", "post_only": False}
        }
        assert (row["client_order_id"], row["order_type"], row["status"]) == (
            "mine", "LIMIT", "FILLED",
        )  # fmt: skip
        for here, there in (
            ("filled_size", "cumulative_quantity"),
            ("average_filled_price", "avg_price"),
            ("side", "order_side"),
            ("created_time", "creation_time"),
            ("total_fees", "total_fees"),
        ):
            assert row[here] == done[there], here
        fills = (await owner.told("/orders/historical/fills", ("order_ids", done["order_id"])))[
            "fills"
        ]
        assert [(fill["size"], fill["price"], fill["liquidity_indicator"]) for fill in fills] == [
            ("0.3", "59000", "TAKER"),
            ("0.2", "60000", "MAKER"),
        ]
        assert [fill["commission"] for fill in fills] == ["8.85", "2.4"]
        truth = await owner.truth()
        assert [fill["tradeId"] for fill in truth["fills"]] == [
            fill["trade_id"] for fill in reversed(fills)
        ]
        assert {fill["feeAsset"] for fill in truth["fills"]} == {"USDT"}
        assert truth["orders"][0]["orderId"] == done["order_id"]


async def test_every_end_has_its_word() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire)
        for action, more, status, why in (
            ("cancel", {}, "CANCELLED", ("User requested cancel", "")),
            ("expire", {"reason": "TIME_IN_FORCE"}, "EXPIRED", ("TIME_IN_FORCE", "")),
            ("reject", {"reason": "INSUFFICIENT_FUND"}, "FAILED", ("", "INSUFFICIENT_FUND")),
        ):
            order = await owner.place("0.1", "60000")
            await owner.do(action, order=order["order"], **more)
            await order_told(wire)
            [row] = await order_told(wire)
            assert (row["status"], row["leaves_quantity"]) == (status, "0")
            assert (row["cancel_reason"], row["reject_reason"]) == why
            found = (await owner.told(f"/orders/historical/{row['order_id']}"))["order"]
            assert (found["status"], found["last_fill_time"]) == (status, None)


async def test_balances_are_asked_for_and_never_pushed() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange, funds={"USDT": "1000", "BTC": "2"})
        await owner.subscribe(wire)
        await owner.do("deposit", asset="USDT", amount="5")
        await owner.place("0.01", "60000")
        # The first that is pushed is the order.
        assert (await wire.message())["events"][0]["orders"][0]["status"] == "OPEN"
        answer = await owner.told("/accounts")
        assert (answer["has_next"], answer["cursor"], answer["size"]) == (False, "", 2)
        btc, usdt = answer["accounts"]
        assert (btc["currency"], btc["available_balance"]["value"]) == ("BTC", "2")
        # The fee is held beside the price.
        assert (usdt["hold"]["value"], usdt["available_balance"]["value"]) == ("600.3", "404.7")
        one = await owner.told(f"/accounts/{usdt['uuid']}")
        assert one["account"] == usdt
        assert (await owner.ask("/accounts/nobody"))[0] == 404


# --- the channel ----------------------------------------------------------------------------


async def test_a_snapshot_is_all_open_orders_fifty_a_message() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange)
        for _ in range(51):
            order = await owner.place("0.01", "60000")
        done = await owner.place("0.01", "60000")
        await owner.do("fill", order=done["order"])
        await wire.say({"type": "subscribe", "channel": "user", "jwt": owner.token()})
        told = [await order_told(wire, "snapshot") for _ in range(2)]
        assert [len(part) for part in told] == [50, 1]
        assert {row["status"] for part in told for row in part} == {"OPEN"}
        assert told[1][0]["order_id"] == order["orderId"]


async def test_who_has_no_orders_is_told_so() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange)
        await wire.say({"type": "subscribe", "channel": "user", "jwt": owner.token()})
        assert await order_told(wire, "snapshot") == []


async def test_heartbeats_are_listed_beside_it_and_all_is_numbered_together() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange)
        await wire.say({"type": "subscribe", "channel": "user", "jwt": owner.token()})
        await wire.say(HEARTBEATS | {"jwt": owner.token()})
        await owner.place("0.01", "60000")
        messages = [await wire.message() for _ in range(6)]
        assert [message["sequence_num"] for message in messages] == list(range(6))
        heard = [message["channel"] for message in messages]
        assert set(heard) == {"user", "subscriptions", "heartbeats"}
        last = [message for message in messages if message["channel"] == "subscriptions"][-1]
        assert set(last["events"][0]["subscriptions"]) == {"user", "heartbeats"}


async def test_the_market_host_serves_accounts_and_theirs_no_products() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with dial(exchange, MARKET) as wire:
            assert set(await owner.subscribe(wire)) == {"user"}
            await owner.place("0.01", "60000")
            assert len(await order_told(wire)) == 1
        async with dial(exchange, USER) as wire:
            ask = {"type": "subscribe", "channel": "ticker", "product_ids": ["BTC-USDT"]}
            await wire.say(ask | {"jwt": owner.token()})
            assert await answered(wire) == {"type": "error", "message": "failure to subscribe"}


async def test_accounts_hear_nothing_of_each_other_and_after_unsubscribing_nothing() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire, dial(exchange, USER) as other:
        owner, stranger = await opened(exchange, 2)
        await owner.subscribe(wire)
        await stranger.subscribe(other)
        await stranger.place("0.01", "60000")
        assert len(await order_told(other)) == 1
        assert await wire.silent_for(0.2)
        await owner.place("0.01", "60000")
        assert len(await order_told(wire)) == 1
        await wire.say({"type": "unsubscribe", "channel": "user"})
        assert await answered(wire) == {}
        await owner.place("0.01", "60000")
        assert await wire.silent_for(0.2)


# --- faults ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "words", "message"),
    [
        ("revokeKey", 401, "Unauthorized", "authentication failure"),
        ("takeAddress", 401, "IP whitelist", "authentication failure"),
        ("takePermission", 403, "PERMISSION_DENIED", "permission denied"),
    ],
)
async def test_a_key_that_may_not_be_used_is_refused_and_what_it_opened_lives(
    kind: str, status: int, words: str, message: str
) -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire)
        await owner.fault(kind)
        answered_, body = await owner.ask("/accounts")
        assert answered_ == status
        assert words in str(body)
        async with dial(exchange, USER) as fresh:
            assert (await owner.subscribe(fresh))["message"] == message
        # Once a token is accepted the channel lives as long as its socket.
        await owner.place("0.01", "60000")
        assert len(await order_told(wire)) == 1
        await exchange.control("heal")
        assert (await owner.ask("/accounts"))[0] == (401 if kind == "revokeKey" else 200)


async def test_addresses_that_a_key_may_come_from() -> None:
    async with simulator() as exchange:
        here = await an_owner(exchange, addresses=["127.0.0.1"])
        elsewhere = await an_owner(exchange, addresses=["192.0.2.1"])
        assert (await here.ask("/accounts"))[0] == 200
        assert (await elsewhere.ask("/accounts"))[0] == 401


@pytest.mark.parametrize("told", [True, False])
async def test_a_channel_that_ends_is_listed_no_more_and_can_be_had_again(told: bool) -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange)
        await wire.say(HEARTBEATS)
        await answered(wire)
        await owner.subscribe(wire)
        await owner.fault("expireAccess", told=told)
        if told:
            assert await answered(wire) == {"heartbeats": ["heartbeats"]}
        await owner.place("0.01", "60000")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await order_told(wire)
        # Who asks again is told of it: as a snapshot, and then of what comes.
        assert set(await owner.subscribe(wire)) == {"heartbeats", "user"}
        await owner.place("0.02", "60000")
        [order] = await order_told(wire)
        assert Decimal(order["leaves_quantity"]) == Decimal("0.02")


async def test_a_silenced_account_is_heard_again_by_who_subscribes_anew() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire)
        await owner.fault("silenceAccount")
        await owner.place("0.01", "60000")
        assert await wire.silent_for(0.2)
        await owner.subscribe(wire)
        await owner.place("0.02", "60000")
        assert len(await order_told(wire)) == 1


async def test_events_are_missed_repeated_and_swapped() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner = await an_owner(exchange)
        await owner.subscribe(wire)
        await owner.fault("missEvents", events=1)
        await owner.place("0.01", "60000")
        await owner.fault("repeatEvents", events=1)
        await owner.place("0.02", "60000")
        await owner.fault("reorderEvents", events=2)
        await owner.place("0.03", "60000")
        await owner.place("0.04", "60000")
        messages = [await wire.message() for _ in range(4)]
        told = [message["events"][0]["orders"][0]["leaves_quantity"] for message in messages]
        assert told == ["0.02", "0.02", "0.04", "0.03"]
        # They are numbered as they are sent: what the exchange loses so leaves no gap.
        numbers = [message["sequence_num"] for message in messages]
        assert numbers == list(range(numbers[0], numbers[0] + 4))
