"""Binance's futures accounts: listen keys and what they hide, events, REST's view of the same."""

from __future__ import annotations

import msgspec
import pytest

from common.model.streams import Market
from simulator.exchanges.binance.accounts import listen_keys
from tests.simulator.binance_accounts import Owner, an_owner, event
from tests.simulator.wire import dial
from tests.support.simulator import simulator

FUTURES: list[Market] = ["linear", "inverse"]
SOCKETS = {"linear": "/fstream.binance.com/private/ws", "inverse": "/dstream.binance.com/ws"}
SIZE = {"linear": ("0.500", "60000.00"), "inverse": ("10", "60000.0")}


async def a_key(owner: Owner, market: Market) -> str:
    status, body = await owner.listen_key(market)
    assert status == 200, body
    return body["listenKey"]


@pytest.mark.parametrize("market", FUTURES)
async def test_an_order_and_what_it_does_to_wallet_and_position(market: Market) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with dial(exchange, f"{SOCKETS[market]}/{await a_key(owner, market)}") as wire:
            size, price = SIZE[market]
            order = await owner.place(market, size, price, clientId="mine")
            # Placing an order changes no wallet.
            first = await wire.message()
            assert (first["e"], first["o"]["x"], first["o"]["X"]) == (
                "ORDER_TRADE_UPDATE",
                "NEW",
                "NEW",
            )
            assert (first["o"]["c"], first["o"]["q"], first["o"]["z"]) == (
                "mine", size, "0.000" if market == "linear" else "0",
            )  # fmt: skip
            assert "n" not in first["o"]
            assert ("i" in first) == (market == "inverse")
            await owner.do("fill", market, order=order["order"], maker=True)
            account = await event(wire, "ACCOUNT_UPDATE")
            filled = await event(wire, "ORDER_TRADE_UPDATE")
        [wallet], [position] = account["a"]["B"], account["a"]["P"]
        assert account["a"]["m"] == "ORDER"
        assert (position["pa"], position["ep"], position["ps"]) == (size, "60000", "BOTH")
        done = filled["o"]
        assert (done["x"], done["X"], done["z"], done["m"]) == ("TRADE", "FILLED", size, True)
        assert (done["N"], wallet["a"]) == (("USDT",) * 2 if market == "linear" else ("BTC",) * 2)
        truth = await owner.truth()
        assert (float(done["n"]), done["t"]) == (
            float(truth["fills"][0]["fee"]), int(truth["fills"][0]["tradeId"]),
        )  # fmt: skip

        root = {"linear": "/fapi", "inverse": "/dapi"}[market]
        version = {"linear": "v3", "inverse": "v1"}[market]
        rows = await owner.rows(market, f"{root}/{version}/positionRisk")
        held = [row for row in rows if float(row["positionAmt"])]
        assert [row["positionAmt"] for row in held] == [size]
        # USD-M tells only where there is something, and no leverage; COIN-M the other way about.
        assert (len(rows) == 1, "leverage" in held[0]) == (
            (True, False) if market == "linear" else (False, True)
        )
        [trade] = await owner.rows(market, f"{root}/v1/userTrades", symbol=done["s"])
        assert (trade["id"], trade["qty"], trade["maker"]) == (done["t"], size, True)
        balances = await owner.rows(market, f"{root}/{version}/balance")
        assert wallet["wb"] in [row["balance"] for row in balances]
        for path in ("openOrders", "allOrders"):
            rows = await owner.rows(market, f"{root}/v1/{path}", symbol=done["s"])
            assert [row["status"] for row in rows] == ["FILLED"] * (path == "allOrders")


async def test_a_liquidation_is_an_order_of_the_exchanges_own() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        order = await owner.place("linear", "0.5", "60000.00")
        await owner.do("fill", "linear", order=order["order"])
        async with dial(exchange, f"{SOCKETS['linear']}/{await a_key(owner, 'linear')}") as wire:
            await owner.do("liquidate", "linear", symbol="BTCUSDT", price="57000.00")
            new = await event(wire, "ORDER_TRADE_UPDATE")
            closed = await event(wire, "ACCOUNT_UPDATE")
            done = await event(wire, "ORDER_TRADE_UPDATE")
        assert new["o"]["c"].startswith("autoclose-")
        assert (done["o"]["X"], done["o"]["S"], done["o"]["rp"]) == (
            "FILLED",
            "SELL",
            "-1500.00000000",
        )
        assert float(closed["a"]["P"][0]["pa"]) == 0
        truth = await owner.truth()
        assert truth["orders"][-1]["clientOrderId"] == new["o"]["c"]
        assert truth["fills"][-1]["orderId"] == str(new["o"]["i"])


@pytest.mark.parametrize("market", FUTURES)
async def test_one_key_of_an_account_is_made_kept_and_closed_for_all(market: Market) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        assert (await owner.listen_key(market, "PUT"))[1]["code"] == -1125
        key = await a_key(owner, market)
        assert await a_key(owner, market) == key
        assert await owner.listen_key(market, "PUT") == (200, {"listenKey": key})
        async with dial(exchange, f"{SOCKETS[market]}/{key}") as wire:
            assert (await wire.ask("LIST_SUBSCRIPTIONS"))["result"] == [key]
            assert await owner.listen_key(market, "DELETE") == (200, {})
            expired = await event(wire, "listenKeyExpired")
            assert expired["listenKey"] == key
            assert isinstance(expired["E"], str)
            # The socket lives on and hears nothing, not even by the account's next key.
            assert await a_key(owner, market) != key
            await owner.place(market, *SIZE[market])
            assert await wire.silent_for(0.3)
            assert (await wire.ask("LIST_SUBSCRIPTIONS"))["result"] == [key]
    assert (await owner_refused(market))[1]["code"] == -2014


async def owner_refused(market: Market) -> tuple[int, dict[str, int]]:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        owner.key = "short"
        return await owner.listen_key(market)


async def test_a_key_that_nobody_keeps_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_keys, "LIFETIME_S", 0.3)
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        key = await a_key(owner, "linear")
        async with dial(exchange, f"{SOCKETS['linear']}/{key}") as wire:
            assert (await event(wire, "listenKeyExpired"))["listenKey"] == key
            assert (await owner.listen_key("linear", "PUT"))[1]["code"] == -1125


@pytest.mark.parametrize(
    "path",
    [
        "/fstream.binance.com/private/ws/" + "a" * 64,
        "/fstream.binance.com/private/ws?listenKey=" + "a" * 64,
        "/fstream.binance.com/market/ws/{key}",
        "/fstream.binance.com/ws/{key}",
        "/fstream.binance.com/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATES",
    ],
)
async def test_a_wrong_key_route_or_event_is_accepted_and_silent(path: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with dial(exchange, path.format(key=await a_key(owner, "linear"))) as wire:
            assert "result" in await wire.ask("LIST_SUBSCRIPTIONS")
            await owner.place("linear", *SIZE["linear"])
            assert await wire.silent_for(0.3)


async def test_the_forms_of_an_address() -> None:
    async with simulator() as exchange:
        one, other = await an_owner(exchange), await an_owner(exchange)
        first, second = await a_key(one, "linear"), await a_key(other, "linear")
        several = f"/fstream.binance.com/private/stream?listenKey={first}&events=ORDER_TRADE_UPDATE&listenKey={second}"
        async with (
            dial(exchange, several) as both,
            dial(exchange, "/fstream.binance.com/private/ws") as later,
        ):
            await later.ask("SUBSCRIBE", second)
            for owner in (one, other):
                order = await owner.place("linear", *SIZE["linear"])
                await owner.do("fill", "linear", order=order["order"])
            heard = [await both.message() for _ in range(6)]
            assert [(row["stream"] == first, row["data"]["e"]) for row in heard] == [
                (True, "ORDER_TRADE_UPDATE"), (True, "ORDER_TRADE_UPDATE"),
                (False, "ORDER_TRADE_UPDATE"), (False, "TRADE_LITE"), (False, "ACCOUNT_UPDATE"),
                (False, "ORDER_TRADE_UPDATE"),
            ]  # fmt: skip
            assert (await event(later, "ACCOUNT_UPDATE"))["a"]["P"][0]["s"] == "BTCUSDT"


async def test_what_futures_forget_and_how_far_they_look() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        order = await owner.place("linear", *SIZE["linear"])
        await owner.do("cancel", "linear", order=order["order"])
        account = exchange.server.world.accounts.get(owner.name)
        assert account is not None
        day_ms = 86_400_000
        query = {"symbol": "BTCUSDT", "orderId": order["order"]}
        for age_days, known in ((2, True), (4, False)):
            old = account.orders["linear", order["order"]]
            made_ms = owner.now_ms() - age_days * day_ms
            account.orders["linear", order["order"]] = msgspec.structs.replace(
                old, created_ms=made_ms
            )
            status, body = await owner.ask("linear", "/fapi/v1/order", **query)
            assert (status, body.get("code")) == ((200, None) if known else (400, -2013))
        for more, code in (
            ({"startTime": 0, "endTime": 8 * day_ms}, -4165),
            ({"limit": 1001}, -1130),
        ):
            status, body = await owner.ask("linear", "/fapi/v1/allOrders", symbol="BTCUSDT", **more)
            assert (status, body["code"]) == (400, code)
        hedged = await an_owner(exchange, hedged=True)
        config = await hedged.rows("linear", "/fapi/v1/accountConfig")
        assert config["dualSidePosition"] is True
