"""Who may ask Bybit of an account: signatures, refusals, logins and topics, faults."""

from __future__ import annotations

import asyncio

import pytest

from simulator.accounts.keys import Key
from tests.simulator.bybit_accounts import SOCKET, an_owner, opened, pushed, request
from tests.simulator.wire import dial
from tests.support.simulator import simulator


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
        for one, unified in ((owner, 1), (old, 0)):
            told = await one.result("/v5/user/query-api")
            assert (told["apiKey"], told["uta"], told["secret"]) == (one.key, unified, "")
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
