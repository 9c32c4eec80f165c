"""Bitget's accounts: signatures, troubles, which system an account is of, and the conversation."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.bitget.account import (
    CLASSIC_PATH,
    RULES,
    UNIFIED_PATH,
    opening,
    sign,
    signature,
    trouble,
)
from common.exchanges.bitget.conversation import Conversation, converse
from common.exchanges.bitget.private import BITGET_PRIVATE
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    InquiryFailed,
    Opened,
    Said,
    Trouble,
)
from common.exchanges.protocol import RestRequest, Unreadable
from common.exchanges.told import OrderTold
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import answered, refused
from tests.exchanges.bitget.test_told import FUTURES_ORDER, UNIFIED_ORDER, pushed

ACCOUNT = Credentials(Secret("key-1"), Secret("testsecret-1234"), Secret("phrase-1"))
DEMO = Credentials(
    Secret("key-1"), Secret("testsecret-1234"), Secret("phrase-1"), environment="sandbox"
)
NOW_MS = 1695808949356
_HOST = "https://api.bitget.com"


# --- signatures ---------------------------------------------------------------------------------


def test_a_query_is_signed_as_it_is_sent() -> None:
    request = RestRequest(
        f"{_HOST}/api/v2/mix/order/orders-pending",
        {"productType": "USDT-FUTURES"},
        {"requests": 1},
        signed=True,
    )
    signed = sign(request, ACCOUNT, NOW_MS)
    assert signed.url == f"{request.url}?productType=USDT-FUTURES"
    assert signed.headers == {
        "ACCESS-KEY": "key-1",
        "ACCESS-SIGN": "BggwkygdEx/naigWCX4Y0hSVBvDcLXT4i/QPOnjBmHU=",
        "ACCESS-TIMESTAMP": "1695808949356",
        "ACCESS-PASSPHRASE": "phrase-1",
        "Content-Type": "application/json",
        "locale": "en-US",
    }
    assert (dict(signed.params), signed.signed, signed.cost) == ({}, False, request.cost)


def test_a_body_is_signed_too() -> None:
    request = RestRequest(
        f"{_HOST}/api/v2/spot/trade/place-order",
        method="POST",
        body=b'{"symbol":"BTCUSDT","size":"0.01"}',
        signed=True,
    )
    signed = sign(request, ACCOUNT, NOW_MS)
    assert signed.url == request.url
    assert signed.headers["ACCESS-SIGN"] == "hFPs1B/0pQkFxVe4YqQLP64hrLInamEz3jbediPkHZA="


def test_the_login_signature() -> None:
    text = "1538054050GET/user/verify"
    expected = "HbK+uep0jEORK5I1vyrGSuK40mLkXpWty5xWWxa0/do="
    assert signature(ACCOUNT.secret, text) == expected


def test_where_the_host_is_does_not_change_the_signature() -> None:
    here = RestRequest("http://127.0.0.1:8080/api/v3/account/settings", signed=True)
    there = RestRequest(f"{_HOST}/api/v3/account/settings", signed=True)
    signed, expected = sign(here, ACCOUNT, NOW_MS), sign(there, ACCOUNT, NOW_MS)
    assert signed.headers["ACCESS-SIGN"] == expected.headers["ACCESS-SIGN"]


def test_demo_accounts_are_told_apart_by_a_header() -> None:
    request = RestRequest(f"{_HOST}/api/v3/account/settings", signed=True)
    assert sign(request, DEMO, NOW_MS).headers["paptrading"] == "1"
    assert "paptrading" not in sign(request, ACCOUNT, NOW_MS).headers


# --- troubles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"code":"00000","msg":"success","data":{}}', None),
        (400, b'{"code":"40006","msg":"Invalid ACCESS_KEY"}', "key"),
        (400, b'{"code":"40009","msg":"sign signature error"}', "key"),
        (400, b'{"code":"40012","msg":"apikey/password is incorrect"}', "key"),
        (400, b'{"code":"40037","msg":"Apikey does not exist"}', "key"),
        (400, b'{"code":"40014","msg":"Incorrect permissions"}', "permission"),
        (200, b'{"code":"40018","msg":"Invalid IP"}', "address"),
        (400, b'{"code":"40005","msg":"Invalid ACCESS_TIMESTAMP"}', "clock"),
        (400, b'{"code":"40008","msg":"Request timestamp expired"}', "clock"),
        (400, b'{"code":"40084","msg":"You are in Classic Account mode"}', "mode"),
        (400, b'{"code":"40085","msg":"You are in Unified Account mode"}', "mode"),
        (400, b'{"code":"400172","msg":"Parameter verification failed"}', "config"),
        (429, b'{"code":"429","msg":"Too many requests"}', "rate"),
        (429, b"", "rate"),
        (403, b"<html>", "rate"),
        # What is said during releases, and timeouts: nobody's fault.
        (400, b'{"code":"40010","msg":"Request timed out"}', "transient"),
        (400, b'{"code":"40015","msg":"System is abnormal"}', "transient"),
        (200, b'{"code":"40725","msg":"service return an error"}', "transient"),
        (400, b'{"code":"40808","msg":"Parameter verification exception"}', "transient"),
        (400, b'{"code":"45001","msg":"Unknown error"}', "transient"),
        # Seen: a success without a body.
        (200, b"", "transient"),
        (502, b"<html>", "transient"),
    ],
)
def test_what_an_answer_means_for_the_account(
    status: int, body: bytes, expected: Trouble | None
) -> None:
    assert trouble(status, {}, body) == expected


# --- opening ------------------------------------------------------------------------------------


def test_a_unified_account_is_dialed_at_the_unified_socket() -> None:
    for market in RULES:
        address, asked = answered(opening(market, ACCOUNT), [b'{"code":"00000","data":{}}'])
        assert address == "wss://ws.bitget.com/v3/ws/private"
        assert [request.url for request in asked] == [f"{_HOST}/api/v3/account/settings"]
        assert asked[0].signed


def test_a_classic_account_says_so_by_refusing() -> None:
    refusal = refused("HTTP 400 40084 You are in Classic Account mode", "mode")
    assert answered(opening("spot", ACCOUNT), [refusal])[0] == "wss://ws.bitget.com/v2/ws/private"
    assert answered(opening("spot", DEMO), [refusal])[0] == "wss://wspap.bitget.com/v2/ws/private"


@pytest.mark.parametrize("why", ["key", "permission", "address", "clock", "rate", "transient"])
def test_any_other_refusal_says_nothing_of_the_system(why: Trouble) -> None:
    with pytest.raises(InquiryFailed) as found:
        answered(opening("linear", ACCOUNT), [refused("HTTP 400", why)])
    assert found.value.trouble == why


def test_every_market_is_there_live_and_in_its_sandbox() -> None:
    assert set(RULES) == set(get_args(Market))
    for rules in BITGET_PRIVATE.markets.values():
        assert set(rules.hosts) == {("live", ""), ("sandbox", "")}
        assert rules.passphrase


def test_probes_leave_room_in_the_subscribes_of_an_hour() -> None:
    for rules in RULES.values():
        assert 2 * 3600 / rules.probe_s <= 240 / 2


# --- the conversation ---------------------------------------------------------------------------


class Socket:
    """A conversation, driven as the exchange answers."""

    def __init__(self, market: Market = "linear", path: str = CLASSIC_PATH) -> None:
        self.it: Conversation = converse(market, f"wss://ws.bitget.com{path}")
        self.asked: list[dict[str, Any]] = []

    def hear(self, message: Any) -> list[Said]:
        frame = message if isinstance(message, bytes) else json.dumps(message).encode()
        turn = self.it.receive(frame, {}, NOW_MS)
        self.asked += map(json.loads, turn.send)
        return list(turn.said)

    def logged_in(self) -> list[dict[str, str]]:
        """The arguments that it subscribes to."""
        self.it.join("a", ACCOUNT, NOW_MS)
        assert self.hear({"event": "login", "code": 0, "connId": "0621ccff"}) == []
        assert self.asked[-1]["op"] == "subscribe"
        arguments: list[dict[str, str]] = self.asked[-1]["args"]
        return arguments

    def opened(self) -> None:
        for argument in self.logged_in():
            said = self.hear({"event": "subscribe", "arg": argument})
        assert said == [Said("a", Opened()), Said("a", Alive())]


def test_the_login_is_signed_in_seconds() -> None:
    (text,) = Socket().it.join("a", ACCOUNT, 1538054050999)
    assert json.loads(text) == {
        "op": "login",
        "args": [
            {
                "apiKey": "key-1",
                "passphrase": "phrase-1",
                "timestamp": "1538054050",
                "sign": "HbK+uep0jEORK5I1vyrGSuK40mLkXpWty5xWWxa0/do=",
            }
        ],
    }


@pytest.mark.parametrize("code", [0, "0", "00000"])
def test_a_login_is_accepted_in_any_of_its_words(code: int | str) -> None:
    socket = Socket()
    socket.it.join("a", ACCOUNT, NOW_MS)
    assert socket.hear({"event": "login", "code": code, "msg": ""}) == []
    assert len(socket.asked) == 1


def test_a_classic_account_subscribes_to_its_markets_channels() -> None:
    assert Socket("spot").logged_in() == [
        {"instType": "SPOT", "channel": "orders", "instId": "default"},
        {"instType": "SPOT", "channel": "fill", "instId": "default"},
        {"instType": "SPOT", "channel": "account", "coin": "default"},
    ]
    assert Socket("inverse").logged_in() == [
        {"instType": "COIN-FUTURES", "channel": "orders", "instId": "default"},
        {"instType": "COIN-FUTURES", "channel": "fill", "instId": "default"},
        {"instType": "COIN-FUTURES", "channel": "account", "coin": "default"},
        {"instType": "COIN-FUTURES", "channel": "positions", "instId": "default"},
    ]


def test_a_unified_account_subscribes_to_topics_of_all_markets() -> None:
    topics = [argument["topic"] for argument in Socket("linear", UNIFIED_PATH).logged_in()]
    assert topics == ["order", "fill", "account", "position"]
    arguments = Socket("spot", UNIFIED_PATH).logged_in()
    assert [argument["topic"] for argument in arguments] == ["order", "fill", "account"]
    assert {argument["instType"] for argument in arguments} == {"UTA"}


@pytest.mark.parametrize("path", [CLASSIC_PATH, UNIFIED_PATH])
def test_it_is_open_when_all_is_accepted(path: str) -> None:
    socket = Socket("linear", path)
    *first, last = socket.logged_in()
    for argument in first:
        assert socket.hear({"event": "subscribe", "arg": argument}) == []
        # Said twice is not said of another.
        assert socket.hear({"event": "subscribe", "arg": argument}) == []
    assert socket.hear({"event": "subscribe", "arg": last}) == [
        Said("a", Opened()),
        Said("a", Alive()),
    ]


@pytest.mark.parametrize(
    ("path", "arg", "row"),
    [
        (CLASSIC_PATH, {"instType": "USDT-FUTURES", "channel": "orders"}, FUTURES_ORDER),
        (UNIFIED_PATH, {"instType": "UTA", "topic": "order"}, UNIFIED_ORDER),
    ],
)
def test_what_is_pushed_is_the_accounts(
    path: str, arg: dict[str, str], row: dict[str, Any]
) -> None:
    socket = Socket("linear", path)
    socket.opened()
    said = socket.hear(pushed(arg, [row]))
    assert {one.account for one in said} == {"a"}
    assert isinstance(said[-1].what, OrderTold)


def test_a_probe_asks_for_the_balances_anew() -> None:
    socket = Socket()
    assert socket.it.probe() == ()
    socket.opened()
    away, again = map(json.loads, socket.it.probe())
    argument = {"instType": "USDT-FUTURES", "channel": "account", "coin": "default"}
    assert (away, again) == (
        {"op": "unsubscribe", "args": [argument]},
        {"op": "subscribe", "args": [argument]},
    )
    assert socket.hear({"event": "unsubscribe", "arg": argument}) == []
    assert socket.hear({"event": "subscribe", "arg": argument}) == [Said("a", Alive())]


def test_a_pong_says_nothing_of_the_account() -> None:
    socket = Socket()
    socket.opened()
    assert BITGET_PRIVATE.ping is not None
    assert BITGET_PRIVATE.ping(1) == "ping"
    assert socket.hear(b"pong") == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (30005, "key"),
        (30011, "key"),
        (30012, "key"),
        (30015, "key"),
        (30013, "clock"),
        (30014, "clock"),
        (30001, "config"),
        (30016, "config"),
        (30006, "rate"),
        (30007, "rate"),
        ("30004", "expired"),
        ("40018", "address"),
        ("40014", "permission"),
        (40085, "mode"),
        (39999, "transient"),
    ],
)
def test_what_a_refusal_means(code: int | str, expected: Trouble) -> None:
    socket = Socket()
    socket.it.join("a", ACCOUNT, NOW_MS)
    error = {"event": "error", "code": code, "msg": "no"}
    assert socket.hear(error) == [Said("a", Denied(expected, f"{code} no"))]


def test_a_login_may_be_refused_in_its_own_words() -> None:
    socket = Socket()
    socket.it.join("a", ACCOUNT, NOW_MS)
    said = socket.hear({"event": "login", "code": "30005", "msg": "error"})
    assert said == [Said("a", Denied("key", "30005 error"))]
    assert socket.asked == []


def test_a_refused_channel_is_not_left_silent() -> None:
    socket = Socket()
    socket.logged_in()
    (said,) = socket.hear(
        {"event": "error", "code": 30001, "msg": "channel:fill doesn't exist", "arg": {}}
    )
    assert isinstance(said.what, Denied)


@pytest.mark.parametrize(
    "message",
    [
        {"event": "login", "code": 0},
        {"event": "conversation", "code": 0},
        {"event": "subscribe", "arg": {"channel": "ticker"}},
        {"event": "subscribe"},
        {"event": 3},
    ],
)
def test_answers_to_nothing_are_said(message: dict[str, Any]) -> None:
    socket = Socket()
    socket.opened()
    (said,) = socket.hear(message)
    assert isinstance(said.what, Unreadable)


def test_who_leaves_says_nothing() -> None:
    assert Socket().it.leave("a") == ()


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    for path in (CLASSIC_PATH, UNIFIED_PATH):
        assert Socket("spot", path).it.receive(data, {}, NOW_MS) is not None
