"""Who may use a Bitget account, by a bare client: signatures, logins, and refusals of each kind."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.accounts.keys import Key
from tests.simulator.bitget_accounts import SOCKETS, an_owner, channel, topic
from tests.simulator.wire import dial
from tests.support.simulator import simulator

UNIFIED = SOCKETS["unified"]
SETTINGS = "/api/v3/account/settings"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("1695808949356GET/api/v2/mix/order/orders-pending?productType=USDT-FUTURES",
         "BggwkygdEx/naigWCX4Y0hSVBvDcLXT4i/QPOnjBmHU="),
        ("1538054050GET/user/verify", "HbK+uep0jEORK5I1vyrGSuK40mLkXpWty5xWWxa0/do="),
    ],
)  # fmt: skip
def test_the_signatures_of_other_clients_are_right(text: str, signature: str) -> None:
    key = Key("k", "testsecret-1234")
    assert key.signed(text, signature)
    assert not key.signed(text + "0", signature)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ACCESS-KEY": None}, "40001"),
        ({"ACCESS-SIGN": None}, "40002"),
        ({"ACCESS-PASSPHRASE": None}, "40011"),
        ({"ACCESS-KEY": "nobody's"}, "40006"),
        ({"ACCESS-TIMESTAMP": "soon"}, "40005"),
        ({"ACCESS-TIMESTAMP": "1695808949356"}, "40008"),
        ({"ACCESS-PASSPHRASE": "another"}, "40012"),
        ({"ACCESS-SIGN": "c2lnbmF0dXJl"}, "40009"),
    ],
)
async def test_a_request_that_is_not_signed_well_is_refused(
    wrong: dict[str, str | None], code: str
) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        status, body = await owner.ask(SETTINGS, headers=wrong)
        assert (status, body["code"], body["data"]) == (400, code, None)


@pytest.mark.parametrize(
    ("fault", "rest", "socket"),
    [
        ({"kind": "revokeKey"}, "40037", 30011),
        ({"kind": "takePermission"}, "40014", 30005),
        ({"kind": "takeAddress"}, "40018", 30005),
    ],
)
async def test_a_key_that_is_taken_away_is_refused_on_both_ways(
    fault: dict[str, Any], rest: str, socket: int
) -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange)
        assert (await owner.data(SETTINGS))["holdMode"] == "one_way_mode"
        await owner.fault(**fault)
        assert (await owner.ask(SETTINGS))[1]["code"] == rest
        assert (await owner.log_in(wire))["code"] == socket
        assert (await wire.closed()).code == 1008


async def test_a_clock_that_is_wrong_is_told_until_it_is_healed() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        await exchange.control("account/fault", kind="skewClock", exchange="bitget", ms=31_000)
        assert (await owner.ask(SETTINGS))[1]["code"] == "40008"
        async with dial(exchange, UNIFIED) as wire:
            assert (await owner.log_in(wire))["code"] == 30014
        await exchange.control("heal")
        await owner.data(SETTINGS)


async def test_a_query_may_be_signed_as_sent_decoded_or_sorted() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        path, symbol = "/api/v3/trade/fills", "币安人生USDT"
        asked = {"symbol": symbol, "category": "SPOT"}
        time = str(owner.now_ms())
        stamp: dict[str, str | None] = {"ACCESS-TIMESTAMP": time}
        head = f"{time}GET{path}?"
        for text in (f"symbol={symbol}&category=SPOT", f"category=SPOT&symbol={symbol}"):
            _, body = await owner.ask(path, headers=stamp, signed=head + text, **asked)
            assert body["data"] == {"list": None, "cursor": None}
        _, body = await owner.ask(path, headers=stamp, signed=f"{head}category=SPOT", **asked)
        assert body["code"] == "40009"


async def test_each_system_refuses_the_others_accounts_before_it_looks_at_signatures() -> None:
    unsigned: dict[str, str | None] = {"ACCESS-SIGN": "wrong"}
    async with simulator() as exchange:
        for mode, path, code in (
            ("unified", "/api/v2/spot/account/assets", "40085"),
            ("classic", "/api/v3/account/assets", "40084"),
        ):
            owner = await an_owner(exchange, mode)
            status, body = await owner.ask(path, headers=unsigned)
            assert (status, body["code"]) == (400, code)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"apiKey": "nobody's"}, 30011),
        ({"passphrase": "another"}, 30012),
        ({"timestamp": "soon"}, 30013),
        ({"timestamp": "1538054050"}, 30014),
        ({"sign": "c2lnbmF0dXJl"}, 30015),
    ],
)
async def test_a_login_that_is_wrong_is_refused_and_ends_the_socket(
    wrong: dict[str, Any], code: int
) -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange)
        refused = await owner.log_in(wire, **wrong)
        assert (refused["event"], refused["code"]) == ("error", code)
        assert (await wire.closed()).code == 1008


async def test_seconds_and_milliseconds_are_both_good_for_a_login() -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange)
        for timestamp in (owner.now_ms() // 1000, owner.now_ms()):
            assert (await owner.log_in(wire, timestamp=str(timestamp)))["code"] == 0


async def test_topics_want_a_login_and_exist_in_their_own_system_only() -> None:
    async with simulator() as exchange, dial(exchange, UNIFIED) as wire:
        owner = await an_owner(exchange)
        await wire.say({"op": "subscribe", "args": [topic("order")]})
        assert (await wire.message())["code"] == 30004
        assert (await owner.log_in(wire))["code"] == 0
        await wire.say({"op": "subscribe", "args": [channel("spot", "orders"), topic("order")]})
        assert (await wire.message())["code"] == 30001
        assert (await wire.message())["arg"] == topic("order")
        await wire.say("ping")
        assert (await wire.raw()).data == "pong"
