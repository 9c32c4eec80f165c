"""The simulated unified accounts of KuCoin: the login on the socket, channels, lists of a product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from common.model.streams import MARKETS, Market
from tests.simulator.kucoin_accounts import SYMBOLS, Owner, an_owner, opened
from tests.simulator.owners import hmac_base64
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator

HOST = "/wsapi-push.kucoin.com/"
LISTS = "/api/ua/v2/unified"
SIZES: dict[Market, str] = {"spot": "0.5", "linear": "0.01", "inverse": "10"}
PRODUCTS: dict[Market, str] = {"spot": "SPOT", "linear": "FUTURES", "inverse": "FUTURES"}


async def a_unified_owner(exchange: RunningSimulator, **more: Any) -> Owner:
    return await an_owner(exchange, mode="unified", **more)


async def request(wire: Wire, **message: Any) -> Any:
    await wire.say({"id": "7"} | message)
    return await wire.until(lambda one: one.get("id") == "7")


async def log_in(wire: Wire, owner: Owner, **wrong: str) -> Any:
    stamp = str(owner.exchange.clock.now_ms())
    login = {
        "kc-api-key": owner.key,
        "kc-api-sign": hmac_base64(owner.secret, f"{stamp}POST/api/websocket/users/verify"),
        "kc-api-timestamp": stamp,
        "kc-api-passphrase": hmac_base64(owner.secret, owner.row["passphrase"]),
    }
    return await request(wire, op="auth", **(login | wrong))


@asynccontextmanager
async def socket(owner: Owner, *channels: str) -> AsyncIterator[Wire]:
    """A socket that is logged in on and hears these."""
    async with dial(owner.exchange, HOST) as wire:
        welcome = await wire.message()
        assert (welcome["message"], welcome["pingInterval"]) == ("welcome", 18_000)
        assert (await log_in(wire, owner))["result"] is True
        for channel in channels:
            kind = "accountType" if channel == "balance" else "tradeType"
            told = await request(wire, action="SUBSCRIBE", channel=channel, **{kind: "UNIFIED"})
            assert told == {"id": "7", "result": True}
        yield wire


async def pushed(wire: Wire, channel: str) -> Any:
    """What is told next on a channel."""
    return (await wire.until(lambda one: one.get("T") == f"{channel}.UNIFIED"))["d"]


def test_the_login_is_signed_as_by_the_official_client() -> None:
    signature = hmac_base64("testsecret-1234", "1729176273859POST/api/websocket/users/verify")
    assert signature == "tDSAgAXARXQ9roxGAHJmOqdi9lqN1gQ3tGXykbl5PM0="


async def test_a_login_is_refused_with_the_reason_and_needed_for_every_channel() -> None:
    async with simulator() as exchange:
        owner, classic = await a_unified_owner(exchange), await an_owner(exchange)
        async with dial(exchange, HOST) as wire:
            ask = {"action": "SUBSCRIBE", "channel": "orderAll", "tradeType": "UNIFIED"}
            assert (await request(wire, **ask))["reason"] == "login is required"
            for wrong, code in (
                ({"kc-api-key": "0" * 24}, "400003"),
                ({"kc-api-timestamp": "1"}, "400002"),
                ({"kc-api-passphrase": "no"}, "400004"),
                ({"kc-api-sign": "no"}, "400005"),
            ):
                told = await log_in(wire, owner, **wrong)
                assert (told["result"], told["code"]) == (False, code)
            assert (await log_in(wire, classic))["code"] == "400007"
            assert (await log_in(wire, owner))["result"] is True
            told = await request(wire, action="SUBSCRIBE", channel="orderAll")
            assert told["reason"] == "missing `tradeType` for topic: orderAll"
            told = await request(wire, **ask | {"channel": "nothing"})
            assert told["code"] == "404"
            assert await request(wire, type="ping") == {"id": "7", "type": "pong"}


@pytest.mark.parametrize("market", MARKETS)
async def test_an_order_its_trade_and_what_they_changed_are_told_apart(market: Market) -> None:
    size = "10" if market != "spot" else "0.5"
    async with simulator() as exchange:
        owner = await a_unified_owner(exchange)
        async with socket(owner, "orderAll", "execution", "balance", "positionAll") as wire:
            placed = await owner.place(market, SIZES[market], "60000", clientId="mine")
            order = await pushed(wire, "orderAll")
            assert (order["oi"], order["ci"], order["os"], order["eT"]) == (
                placed["orderId"], "mine", 2, "OPEN",
            )  # fmt: skip
            assert (order["q"], order["qU"], order["s"], order["tT"]) == (
                size, "BASECCY" if market == "spot" else "UNIT", SYMBOLS[market], PRODUCTS[market],
            )  # fmt: skip
            held = await pushed(wire, "balance")
            assert held["h"] != "0"
            await owner.do("fill", market, order=placed["order"], maker=True)
            order, trade = await pushed(wire, "orderAll"), await pushed(wire, "execution")
            assert (order["os"], order["eT"], order["fS"], order["aP"]) == (
                3,
                "FILL",
                size,
                "60000",
            )
            [true] = (await owner.truth())["fills"]
            assert (trade["ti"], trade["f"], trade["lR"]) == (
                true["tradeId"], true["fee"].rstrip("0").rstrip("."), "MAKER",
            )  # fmt: skip
            if market != "spot":
                position = await pushed(wire, "positionAll")
                assert (position["q"], position["eP"]) == ("10", "60000")
        ask = {"tradeType": PRODUCTS[market]}
        [row] = (await owner.data("spot", f"{LISTS}/order/history", **ask))["items"]
        assert (row["status"], row["filledSize"], row["orderId"]) == (3, size, placed["orderId"])
        named = ask | {"symbol": SYMBOLS[market], "clientOid": "mine"}
        detail = await owner.data("spot", f"{LISTS}/order/detail", **named)
        assert detail == row
        [fill] = (await owner.data("spot", f"{LISTS}/order/execution", **ask))["items"]
        assert (fill["tradeId"], fill["fee"], row["fee"]) == (trade["ti"], trade["f"], trade["f"])
        positions = await owner.data("spot", f"{LISTS}/position/open-list")
        assert [one["size"] for one in positions] == ([] if market == "spot" else ["10"])
        assert (await owner.data("spot", f"{LISTS}/order/open-list", **ask))["items"] == []


async def test_all_products_draw_on_one_wallet() -> None:
    async with simulator() as exchange:
        owner = await a_unified_owner(exchange, funds={"USDT": "1000"})
        await owner.place("spot", "0.01", "60000")
        await owner.place("linear", "0.1", "60000")
        balances = await owner.data("spot", f"{LISTS}/account/balance")
        [row] = balances["accounts"][0]["currencies"]
        # 600 and a taker's fee on spot, the margin of 6000 on futures.
        assert (row["balance"], row["hold"], row["available"]) == ("1000", "900.3", "99.7")
        assert {one["wallet"] for one in (await owner.truth())["balances"]} == {"unified"}


async def test_each_mode_has_its_own_calls() -> None:
    async with simulator() as exchange:
        [classic], unified = await opened(exchange), await a_unified_owner(exchange)
        for owner, mode, foreign in (
            (classic, "CLASSIC", f"{LISTS}/account/balance"),
            (unified, "UNIFIED", "/api/v1/accounts"),
        ):
            told = await owner.data("spot", "/api/ua/v2/account/mode")
            assert told["selfAccountMode"] == mode
            assert await owner.refusal("spot", foreign) == (200, "400100")


async def test_a_history_is_paged_by_the_last_id_over_both_futures_markets() -> None:
    async with simulator() as exchange:
        owner = await a_unified_owner(exchange)
        for market in ("linear", "inverse", "linear"):
            placed = await owner.place(market, SIZES[market], "60000")
            await owner.do("fill", market, order=placed["order"])
        for path, name in (("order/history", "orderId"), ("order/execution", "tradeId")):
            seen, last = [], 0
            for count in (2, 1, 0):
                ask = {"tradeType": "FUTURES", "pageSize": 2, "lastId": last}
                page = await owner.data("spot", f"{LISTS}/{path}", **ask)
                assert len(page["items"]) == count
                seen += [row[name] for row in page["items"]]
                last = page["lastId"]
            assert len(set(seen)) == 3
        assert await owner.refusal("spot", f"{LISTS}/order/history") == (200, "400100")


async def test_after_its_access_has_ended_nothing_is_heard_until_a_new_login() -> None:
    async with simulator() as exchange:
        owner = await a_unified_owner(exchange)
        async with socket(owner, "orderAll") as wire:
            await owner.fault("expireAccess")
            await owner.place("spot", "0.1", "60000")
            assert await wire.silent_for(0.3)
            ask = {"action": "SUBSCRIBE", "channel": "balance", "accountType": "UNIFIED"}
            assert (await request(wire, **ask))["reason"] == "login is required"
        async with socket(owner, "orderAll") as wire:
            await exchange.control("fault", kind="garble", spoil="missing_field", insert=True)
            await owner.place("spot", "0.1", "60000")
            bad, good = await pushed(wire, "orderAll"), await pushed(wire, "orderAll")
            assert ("U" in bad, "U" in good) == (False, True)
