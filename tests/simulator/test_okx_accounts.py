"""OKX's accounts as its documents say: who may log in and ask, and what REST tells."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from common.model.intervals import HOUR_MS
from common.model.streams import MARKETS
from tests.simulator.okx_accounts import PRIVATE, Owner, an_owner, subscribe
from tests.simulator.owners import hmac_base64
from tests.simulator.wire import dial
from tests.support.simulator import simulator

PRICE = "60000"
SIZES = {"spot": "0.5", "linear": "0.5", "inverse": "10"}


def test_the_bare_client_signs_as_the_documents_say() -> None:
    secret = "22582BD0CFF14C41EDBF1AB98506286D"
    assert hmac_base64(secret, "1704876947GET/users/self/verify") == (
        "5/36BgGV6m/6pmdc20zdqk0mzF5ZalmzzPD2fo3wavU="
    )
    text = "2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC"
    assert hmac_base64(secret, text) == "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY="


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


async def test_the_time_of_a_login_may_be_a_number() -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        now_s = owner.now_ms() // 1000
        assert (await owner.log_in(wire, timestamp=now_s - 60))["code"] == "60006"
        assert (await owner.log_in(wire, passphrase=5))["code"] == "60009"
        assert (await owner.log_in(wire, timestamp=now_s))["event"] == "login"


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


# --- REST ---------------------------------------------------------------------------------------


async def some_orders(owner: Owner, count: int) -> list[str]:
    """The ids of filled orders, oldest first, on all markets in turn."""
    ids = []
    for number in range(count):
        market = MARKETS[number % len(MARKETS)]
        order = await owner.place(market, SIZES[market], PRICE)
        await owner.do("fill", market, order=order["order"])
        ids.append(order["orderId"])
        # Ids go by the time, and within a millisecond by the market.
        filled_ms = owner.now_ms()
        while owner.now_ms() == filled_ms:
            continue
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
