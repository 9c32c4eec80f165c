"""KuCoin's accounts: signatures, opening by mode and token, and both kinds of conversation."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.kucoin.account import (
    RULES,
    TROUBLES,
    opening,
    sign,
    trouble,
)
from common.exchanges.kucoin.conversation import (
    SOCKET_TROUBLES,
    ClassicConversation,
    UnifiedConversation,
    converse,
)
from common.exchanges.kucoin.describe import BUDGETS, ERRORS, MARKETS
from common.exchanges.kucoin.parse import ping
from common.exchanges.kucoin.private import KUCOIN_PRIVATE
from common.exchanges.kucoin.told import TOPICS
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    InquiryFailed,
    Opened,
    Said,
    Trouble,
)
from common.exchanges.protocol import Notice, RestRequest, Unreadable
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import answered, refused
from tests.exchanges.kucoin.test_told import FUTURES, LINEAR, SPOT
from tests.exchanges.kucoin.test_unified import TRADE

KEY = "key-4711"
ACCOUNT = Credentials(Secret(KEY), Secret("testsecret-1234"), Secret("testpass"))
NOW_MS = 1729176273859
CLASSIC = b'{"code":"200000","data":{"selfAccountMode":"CLASSIC","unifiedSubAccount":[]}}'
CLASSIC_SOCKET = "wss://ws-api-spot.kucoin.com/?token=2neA.gJEI%3D%3D"
UNIFIED = CLASSIC.replace(b"CLASSIC", b"UNIFIED")
BULLET = json.dumps(
    {
        "code": "200000",
        "data": {
            "token": "2neA.gJEI==",
            "instanceServers": [
                {
                    "endpoint": "wss://ws-api-spot.kucoin.com/",
                    "encrypt": True,
                    "protocol": "websocket",
                    "pingInterval": 18000,
                    "pingTimeout": 10000,
                }
            ],
        },
    }
).encode()


# --- signatures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            RestRequest("https://h/api/v1/hf/orders/active", {"symbol": "BTC-USDT"}),
            "odULwZe4NjtTFLgRiIkjd72gl8SkPAgpwrd9oqwT1Oc=",
        ),
        (
            RestRequest(
                "https://h/api/v1/hf/orders",
                method="POST",
                body=b'{"clientOid":"abc","side":"buy"}',
            ),
            "r9QPpaKQOdUq8/+GKxtjYncB/neB55VDq4a10uRB25s=",
        ),
        (
            RestRequest("https://h/api/v1/bullet-private", method="POST"),
            "hqngDHcjiQgYiJUsWp0CU4Sf5CC8roNRCLjhOhpFeeg=",
        ),
    ],
)
def test_signatures_that_the_exchanges_own_client_makes(
    request_: RestRequest, expected: str
) -> None:
    signed = sign(msgspec.structs.replace(request_, signed=True), ACCOUNT, NOW_MS)
    assert signed.headers == {
        "KC-API-KEY": KEY,
        "KC-API-SIGN": expected,
        "KC-API-TIMESTAMP": str(NOW_MS),
        "KC-API-PASSPHRASE": "WHQMvcA193oieH23mwt5BHsT1VkA1C+f6cE8Axzr8tg=",
        "KC-API-KEY-VERSION": "3",
        "Content-Type": "application/json",
    }
    assert (signed.signed, signed.body, signed.method) == (False, request_.body, request_.method)


def test_a_query_is_sent_as_it_was_signed() -> None:
    request = RestRequest(
        "https://h/p", {"symbol": "Ａ-B", "limit": "1"}, {"private": 2}, signed=True
    )
    signed = sign(request, ACCOUNT, NOW_MS)
    assert signed.url == "https://h/p?symbol=%EF%BC%A1-B&limit=1"
    assert (dict(signed.params), signed.cost) == ({}, request.cost)


def test_what_need_not_be_signed_is_not() -> None:
    request = RestRequest("https://h/p")
    assert sign(request, ACCOUNT, NOW_MS) is request


# --- troubles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"code":"200000","data":{}}', None),
        (401, b'{"code":"400001","msg":"Please check the header of your request"}', "config"),
        (401, b'{"code":"400002","msg":"Invalid KC-API-TIMESTAMP"}', "clock"),
        (401, b'{"code":"400003","msg":"KC-API-KEY not exists"}', "key"),
        (401, b'{"code":"400004","msg":"Invalid KC-API-PASSPHRASE"}', "key"),
        (401, b'{"code":"400005","msg":"Invalid KC-API-SIGN"}', "key"),
        (400, b'{"code":"400006","msg":"The IP address is not in the API whitelist"}', "address"),
        (200, b'{"code":"400007","msg":"Access denied, require more permission"}', "permission"),
        (200, b'{"code":"411100","msg":"user.frozen"}', "permission"),
        (429, b'{"code":"429000","msg":"Too Many Requests"}', "rate"),
        (200, b'{"code":"429002","msg":"Too many requests"}', "rate"),
        (403, b"<html>", "rate"),
        (401, b"", "key"),
        (200, b"<html>", "transient"),
        (500, b'{"code":"500000","msg":"Internal Server Error"}', "transient"),
        (200, b'{"code":"300016","data":false}', "transient"),
    ],
)
def test_what_an_answer_means_for_the_account(
    status: int, body: bytes, expected: Trouble | None
) -> None:
    assert trouble(status, {}, body) == expected


def test_what_is_the_keys_fault_is_so_for_requests_without_one_as_well() -> None:
    """The two tables are one exchange's: none calls transient what the other knows to be auth."""
    owners: set[Trouble] = {"key", "permission", "address"}
    known = {code: what for code, what in TROUBLES.items() if code in ERRORS}
    assert {code for code, what in known.items() if what in owners} == {
        code for code in known if ERRORS[code] == "auth" and known[code] != "config"
    }


# --- opening ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "host"),
    [
        ("spot", "https://api.kucoin.com"),
        ("linear", "https://api-futures.kucoin.com"),
        ("inverse", "https://api-futures.kucoin.com"),
    ],
)
def test_the_mode_is_asked_first_and_then_a_token(market: Market, host: str) -> None:
    url, (mode, token) = answered(opening(market, ACCOUNT), [CLASSIC, BULLET])
    assert url == CLASSIC_SOCKET
    assert (mode.method, mode.url) == ("GET", "https://api.kucoin.com/api/ua/v2/account/mode")
    assert (token.method, token.url) == ("POST", f"{host}/api/v1/bullet-private")
    assert (dict(token.cost), token.body) == ({"private": 10}, b"")
    assert mode.signed
    assert token.signed


def test_a_region_has_hosts_of_its_own() -> None:
    account = msgspec.structs.replace(ACCOUNT, region="eu")
    _, asked = answered(opening("linear", account), [CLASSIC, BULLET])
    assert [request.url.split("/")[2] for request in asked] == [
        "api.kucoin.eu",
        "api-futures.kucoin.eu",
    ]


@pytest.mark.parametrize("market", MARKETS)
def test_a_unified_account_has_one_socket_for_everything_and_needs_no_token(market: Market) -> None:
    url, asked = answered(opening(market, ACCOUNT), [UNIFIED])
    assert (url, len(asked)) == ("wss://wsapi-push.kucoin.com", 1)
    assert isinstance(converse(market, url), UnifiedConversation)
    assert isinstance(converse(market, CLASSIC_SOCKET), ClassicConversation)


def test_an_account_of_an_unknown_mode_is_refused_by_name() -> None:
    with pytest.raises(InquiryFailed) as failed:
        answered(opening("spot", ACCOUNT), [CLASSIC.replace(b"CLASSIC", b"NOVEL")])
    assert failed.value.trouble == "mode"
    assert "NOVEL" in failed.value.failure.detail


def test_a_unified_account_where_its_socket_is_not_known_is_refused() -> None:
    account = msgspec.structs.replace(ACCOUNT, region="eu")
    with pytest.raises(InquiryFailed) as failed:
        answered(opening("spot", account), [UNIFIED])
    assert failed.value.trouble == "mode"


def test_a_wrong_key_is_found_by_the_first_call() -> None:
    with pytest.raises(InquiryFailed) as failed:
        answered(opening("spot", ACCOUNT), [refused("400003", "key")])
    assert failed.value.trouble == "key"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"code":"200000","data":{"token":"t"}}'])
def test_a_token_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        answered(opening("spot", ACCOUNT), [CLASSIC, body])


# --- the conversation ---------------------------------------------------------------------------


class Socket:
    """A conversation, as a transcript."""

    def __init__(self, market: Market = "spot") -> None:
        self.it = converse(market, CLASSIC_SOCKET)
        self.said: list[Said] = []

    def join(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.it.join("a", ACCOUNT, NOW_MS)]

    def hear(self, message: Any) -> list[dict[str, Any]]:
        turn = self.it.receive(json.dumps(message).encode(), LINEAR, NOW_MS)
        self.said = list(turn.said)
        return [json.loads(text) for text in turn.send]

    def opened(self) -> Socket:
        self.join()
        for message in self.hear({"id": "c", "type": "welcome"}):
            self.hear({"id": message["id"], "type": "ack"})
        assert self.said == [Said("a", Opened())]
        return self


@pytest.mark.parametrize("market", TOPICS)
def test_the_welcome_is_answered_by_subscriptions_and_the_last_ack_opens(market: Market) -> None:
    socket = Socket(market)
    assert socket.join() == []
    asked = socket.hear({"id": "c1", "type": "welcome"})
    assert [message["topic"] for message in asked] == list(TOPICS[market])
    assert all(
        (message["type"], message["privateChannel"], message["response"])
        == ("subscribe", True, True)
        for message in asked
    )
    assert len({message["id"] for message in asked}) == len(asked)
    *others, last = asked
    for message in others:
        socket.hear({"id": message["id"], "type": "ack"})
        assert socket.said == []
    socket.hear({"id": last["id"], "type": "ack"})
    assert socket.said == [Said("a", Opened())]


def test_who_joins_after_the_welcome_subscribes_at_once() -> None:
    socket = Socket()
    assert socket.hear({"id": "c1", "type": "welcome"}) == []
    assert len(socket.join()) == len(TOPICS["spot"])


def test_a_second_welcome_changes_nothing() -> None:
    assert Socket().opened().hear({"id": "c2", "type": "welcome"}) == []


def test_nothing_that_is_sent_holds_a_secret() -> None:
    socket = Socket()
    socket.join()
    sent = json.dumps([socket.hear({"id": "c", "type": "welcome"}), socket.it.probe()])
    for secret in (KEY, "testsecret-1234", "testpass"):
        assert secret not in sent


def test_what_is_pushed_is_the_accounts_even_before_the_last_ack() -> None:
    socket = Socket()
    socket.join()
    socket.hear({"id": "c1", "type": "welcome"})
    topic = TOPICS["spot"][0]
    for more in ({"type": "message"}, {}):
        socket.hear({"topic": topic, "subject": "orderChange", "data": SPOT, **more})
        assert [type(said.what).__name__ for said in socket.said] == ["FillTold", "OrderTold"]
        assert {said.account for said in socket.said} == {"a"}


def test_futures_name_the_symbol_in_the_topic() -> None:
    socket = Socket("linear").opened()
    topic = "/contractMarket/tradeOrders:ETHUSDTM"
    message = {"topic": topic, "type": "message", "subject": "symbolOrderChange"}
    socket.hear({**message, "data": FUTURES})
    assert [type(said.what).__name__ for said in socket.said] == ["FillTold", "OrderTold"]


def test_a_probe_is_a_ping_and_its_answer_a_sign_of_life() -> None:
    socket = Socket().opened()
    (text,) = socket.it.probe()
    message = json.loads(text)
    assert message["type"] == "ping"
    socket.hear({"id": message["id"], "type": "pong"})
    assert socket.said == [Said("a", Alive())]


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        (400, "topic is invalid", "config"),
        (401, "token is invalid", "expired"),
        (403, "login is required", "expired"),
        (404, "topic /account/balances is not found", "config"),
        (406, "topic is required", "config"),
        (415, "type is not supported", "config"),
        (509, "exceed max session count limitation of 50", "rate"),
        ("509", "service busy, please retry later", "rate"),
        (599, "who knows", "transient"),
    ],
)
def test_what_a_refusal_means(code: int | str, data: str, expected: Trouble) -> None:
    socket = Socket()
    socket.join()
    (asked, *_) = socket.hear({"id": "c1", "type": "welcome"})
    socket.hear({"id": asked["id"], "type": "error", "code": code, "data": data})
    ((account, what),) = socket.said
    assert account == "a"
    assert isinstance(what, Denied)
    assert (what.trouble, data in what.detail) == (expected, True)


def test_every_code_of_the_socket_is_known_to_the_public_side_too() -> None:
    assert set(SOCKET_TROUBLES) == {code for code in ERRORS if code < 1000}


def test_a_missing_ping_is_said_before_the_end() -> None:
    socket = Socket().opened()
    socket.hear({"code": 400, "data": "ping timeout"})
    assert socket.said == [Said("a", Notice("closing", '400 "ping timeout"'))]


@pytest.mark.parametrize(
    "message",
    [{"type": "novelty"}, {"id": "9", "type": "ack"}, {"type": "error"}, {}, [], 7],
)
def test_what_is_not_expected_is_said(message: Any) -> None:
    socket = Socket().opened()
    socket.hear(message)
    ((_, what),) = socket.said
    assert isinstance(what, Unreadable)


def test_leaving_is_hanging_up() -> None:
    assert Socket().opened().it.leave("a") == ()


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    for market in TOPICS:
        assert ClassicConversation(market).receive(data, {}, NOW_MS).said


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["message", "ack", "error", "pong", "welcome", ""]),
            "topic": st.sampled_from([topic for topics in TOPICS.values() for topic in topics]),
            "subject": st.sampled_from(["position.change", "walletBalance.change", "x"]),
            "id": st.none() | st.integers() | st.text(max_size=5),
            "code": st.none() | st.integers() | st.text(max_size=5),
            "data": st.none() | st.text(max_size=5) | st.just(SPOT) | st.just(FUTURES),
        },
    )
)
def test_no_message_raises(message: dict[str, Any]) -> None:
    for market in TOPICS:
        conversation = ClassicConversation(market)
        conversation.join("a", ACCOUNT, NOW_MS)
        turn = conversation.receive(json.dumps(message).encode(), LINEAR, NOW_MS)
        assert {said.account for said in turn.said} <= {"a"}


# --- the conversation of a unified account ------------------------------------------------------

UNIFIED_SOCKET = "wss://wsapi-push.kucoin.com"
WELCOME = {"sessionId": "s", "message": "welcome", "pingInterval": 18000}


class UnifiedSocket(Socket):
    """The same, with a login before the subscriptions."""

    def __init__(self, market: Market = "spot") -> None:
        self.it = converse(market, UNIFIED_SOCKET)
        self.said: list[Said] = []

    def logged_in(self) -> list[dict[str, Any]]:
        self.join()
        (login,) = self.hear(WELCOME)
        return self.hear({"id": login["id"], "result": True})

    def opened(self) -> UnifiedSocket:
        for message in self.logged_in():
            self.hear({"id": message["id"], "result": True})
        assert self.said == [Said("a", Opened())]
        return self


@pytest.mark.parametrize(
    "welcome",
    [WELCOME, {"id": "1", "type": "welcome"}, {"op": "welcome"}],
)
def test_the_welcome_is_answered_by_a_login(welcome: dict[str, Any]) -> None:
    socket = UnifiedSocket()
    assert socket.join() == []
    (login,) = socket.hear(welcome)
    assert login == {
        "id": login["id"],
        "op": "auth",
        "kc-api-key": KEY,
        "kc-api-sign": "tDSAgAXARXQ9roxGAHJmOqdi9lqN1gQ3tGXykbl5PM0=",
        "kc-api-timestamp": str(NOW_MS),
        "kc-api-passphrase": "WHQMvcA193oieH23mwt5BHsT1VkA1C+f6cE8Axzr8tg=",
    }
    assert socket.hear(welcome) == []


@pytest.mark.parametrize(
    ("market", "channels"),
    [
        ("spot", ["orderAll", "execution", "balance"]),
        ("linear", ["orderAll", "execution", "balance", "positionAll"]),
        ("inverse", ["orderAll", "execution", "balance", "positionAll"]),
    ],
)
def test_the_login_is_answered_by_subscriptions_and_the_last_of_them_opens(
    market: Market, channels: list[str]
) -> None:
    socket = UnifiedSocket(market)
    asked = socket.logged_in()
    assert [message["channel"] for message in asked] == channels
    assert {message["action"] for message in asked} == {"SUBSCRIBE"}
    assert [message.get("tradeType", message.get("accountType")) for message in asked] == [
        "UNIFIED"
    ] * len(channels)
    *others, last = asked
    for message in others:
        assert socket.hear({"id": message["id"], "result": True}) == []
        assert socket.said == []
    socket.hear({"id": last["id"], "result": "true"})
    assert socket.said == [Said("a", Opened())]


def test_who_joins_after_the_welcome_logs_in_at_once() -> None:
    socket = UnifiedSocket()
    assert socket.hear(WELCOME) == []
    assert [message["op"] for message in socket.join()] == ["auth"]


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        ({"result": False, "code": "400003", "reason": "KC-API-KEY not exists"}, "key"),
        ({"result": False, "reason": "Invalid KC-API-SIGN"}, "key"),
        ({"result": False, "reason": "Invalid KC-API-PASSPHRASE"}, "key"),
        ({"result": False, "reason": "Invalid KC-API-TIMESTAMP"}, "clock"),
        ({"result": False, "reason": "the IP is not in the whitelist"}, "address"),
        ({"result": False, "reason": "Access denied, require more permission"}, "permission"),
        ({"result": "false", "code": 429002, "reason": ""}, "rate"),
        ({"result": False, "reason": "missing `symbol` for topic: Position"}, "config"),
        ({"type": "error", "code": 599, "message": "who knows"}, "transient"),
        ({"result": False}, "transient"),
    ],
)
def test_what_a_unified_refusal_means(refusal: dict[str, Any], expected: Trouble) -> None:
    socket = UnifiedSocket()
    socket.join()
    (login,) = socket.hear(WELCOME)
    assert socket.hear({"id": login["id"], **refusal}) == []
    ((account, what),) = socket.said
    assert account == "a"
    assert isinstance(what, Denied)
    assert what.trouble == expected
    assert KEY not in what.detail


def test_a_unified_account_is_told_of_and_alive() -> None:
    socket = UnifiedSocket().opened()
    socket.hear({"P": 1770107561276396856, "T": "execution.SPOT", "d": TRADE})
    assert [type(said.what).__name__ for said in socket.said] == ["FillTold"]
    (text,) = socket.it.probe()
    assert json.loads(text)["type"] == "ping"
    for pong in ({"id": "1", "type": "pong"}, {"id": "1", "op": "pong"}):
        socket.hear(pong)
        assert socket.said == [Said("a", Alive())]


@pytest.mark.parametrize("message", [{"type": "novelty"}, {"id": "99", "result": True}, {}, [], 7])
def test_what_is_not_expected_of_it_is_said(message: Any) -> None:
    socket = UnifiedSocket().opened()
    socket.hear(message)
    ((_, what),) = socket.said
    assert isinstance(what, Unreadable)


def test_a_login_that_was_sent_is_not_kept() -> None:
    kept = repr(vars(UnifiedSocket().opened().it))
    assert KEY not in kept
    assert "kc-api" not in kept


def test_leaving_it_is_hanging_up() -> None:
    assert UnifiedSocket().opened().it.leave("a") == ()


@given(st.binary(max_size=60))
def test_no_bytes_of_it_raise(data: bytes) -> None:
    for market in MARKETS:
        assert UnifiedConversation(market).receive(data, {}, NOW_MS).said


# --- the rules ----------------------------------------------------------------------------------


def test_every_market_has_rules_and_none_a_sandbox() -> None:
    assert set(RULES) == set(MARKETS)
    for market, rules in RULES.items():
        assert set(rules.hosts) == {("live", ""), ("live", "eu")}
        assert rules.passphrase
        assert rules.accounts_per_connection == 1
        assert rules.hosts["live", ""].rest == MARKETS[market].rest.url
        assert set(rules.dial_cost) | set(rules.join_cost) <= set(BUDGETS)


def test_the_record_holds_it_all_together() -> None:
    assert KUCOIN_PRIVATE.markets is RULES
    assert KUCOIN_PRIVATE.ping is ping
    assert KUCOIN_PRIVATE.keep is None
