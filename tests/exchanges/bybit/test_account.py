"""Bybit's accounts: signatures, modes, refusals, and what is said on their sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.bybit.account import (
    HOSTS,
    RULES,
    TROUBLES,
    opening,
    sign,
    trouble,
)
from common.exchanges.bybit.conversation import LOGIN_MS, Conversation, converse
from common.exchanges.bybit.describe import BUDGETS
from common.exchanges.bybit.private import BYBIT_PRIVATE
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    Environment,
    InquiryFailed,
    Opened,
    Said,
    Turn,
)
from common.exchanges.protocol import RestRequest, Unreadable
from common.exchanges.signing import hmac_hex
from common.exchanges.told import OrderTold
from common.model.secret import Secret
from common.model.streams import MARKETS, Market
from tests.exchanges.asking import answered
from tests.exchanges.bybit.test_told import ORDER, push

KEY, SECRET = "bybit-test-key", "bybit-test-secret"
ACCOUNT = Credentials(Secret(KEY), Secret(SECRET))
EXPIRES_MS = 1662350400000
NOW_MS = EXPIRES_MS - LOGIN_MS
LOGIN = "e5afa359fdaabfeeae6a8755687997f43c4696196a957502edf608dcd3c83caa"
ACK = {"success": True, "ret_msg": "", "op": "auth", "conn_id": "cejreaspqfh3sjdnldmg-p"}
SUBSCRIBED = {"success": True, "ret_msg": "", "op": "subscribe", "conn_id": "cejreassvfrsf-2m"}
PONG = {"req_id": "test", "op": "pong", "args": ["1675418560633"], "conn_id": "cfcb4ocsvfriu23r3e"}


# --- signatures ---------------------------------------------------------------------------------


def test_a_request_is_signed_as_it_is_sent() -> None:
    params = {"category": "linear", "settleCoin": "USDT"}
    request = RestRequest("https://h/p", params, {"requests": 1}, signed=True)
    signed = sign(request, ACCOUNT, 1658385579423)
    assert signed.url == "https://h/p?category=linear&settleCoin=USDT"
    assert dict(signed.params) == {}
    assert dict(signed.headers) == {
        "X-BAPI-API-KEY": KEY,
        "X-BAPI-TIMESTAMP": "1658385579423",
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": "74f966a295f94ea6ea811095b5bdc77b925a889907cbbaa031f5ec775577736b",
    }
    assert signed.cost == request.cost


def test_a_cursor_is_signed_encoded_as_it_is_sent() -> None:
    request = RestRequest("https://h/p", {"cursor": "1%3A2"}, {}, signed=True)
    signed = sign(request, ACCOUNT, 7)
    assert signed.url == "https://h/p?cursor=1%253A2"
    expected = hmac_hex(ACCOUNT.secret, f"7{KEY}5000cursor=1%253A2")
    assert signed.headers["X-BAPI-SIGN"] == expected


def test_a_body_is_signed_as_it_is() -> None:
    request = RestRequest("https://h/p", {}, {}, method="POST", body=b'{"a":1}', signed=True)
    signed = sign(request, ACCOUNT, 7)
    assert signed.headers["X-BAPI-SIGN"] == hmac_hex(ACCOUNT.secret, f'7{KEY}5000{{"a":1}}')


def test_what_need_not_be_signed_is_sent_as_it_is() -> None:
    request = RestRequest("https://h/p", {"a": "1"}, {})
    assert sign(request, ACCOUNT, 1) is request


def test_a_login_is_signed_until_when_it_holds() -> None:
    (text,) = converse("linear").join("a", ACCOUNT, NOW_MS)
    assert json.loads(text) == {"req_id": "auth", "op": "auth", "args": [KEY, EXPIRES_MS, LOGIN]}
    assert SECRET not in text


# --- troubles -----------------------------------------------------------------------------------


def rest(code: Any, text: str = "m") -> bytes:
    return json.dumps({"retCode": code, "retMsg": text, "result": {}, "time": 1}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, rest(0, "OK"), None),
        (200, rest("0", "OK"), None),
        (200, rest(10003, "API key is invalid."), "key"),
        (200, rest(10004, "error sign! origin_string[1k5000]"), "key"),
        (200, rest(10007), "key"),
        (200, rest(33004, "Your api key has expired."), "key"),
        (200, rest(10005, "Permission denied, please check your API key permissions."), "permission"),
        (200, rest(10008), "permission"),
        (200, rest(10024), "permission"),
        (200, rest(10010, "Unmatched IP, please check your API key's bound IP"), "address"),
        (200, rest(10002, "invalid request, please check your server timestamp"), "clock"),
        (200, rest(10028), "mode"),
        (200, rest(10032, "Demo trading are not supported."), "mode"),
        (200, rest(10006, "Too many visits!"), "rate"),
        (200, rest(10018), "rate"),
        (403, b"access too frequent", "rate"),
        (429, b"", "rate"),
        (401, b"", "key"),
        (200, rest(10001), "config"),
        (200, rest(10000), "transient"),
        (200, rest(10016), "transient"),
        (200, rest(987654), "transient"),
        (200, b"<html>", "transient"),
        (200, b"{}", "transient"),
        (502, b"<html>", "transient"),
    ],
)  # fmt: skip
def test_what_an_answer_means_for_the_account(
    status: int, body: bytes, expected: str | None
) -> None:
    assert trouble(status, {}, body) == expected


def test_every_trouble_but_that_of_a_listen_key_has_its_code() -> None:
    assert set(TROUBLES.values()) == {
        "key", "permission", "address", "clock", "mode", "rate", "config", "transient",
    }  # fmt: skip


# --- opening ------------------------------------------------------------------------------------


def info(status: int) -> bytes:
    result = {"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": status}
    return json.dumps({"retCode": 0, "result": result, "time": 9}).encode()


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("status", [5, 6])
def test_a_unified_account_has_all_markets(market: Market, status: int) -> None:
    url, (asked,) = answered(opening(market, ACCOUNT), [info(status)])
    assert url == "wss://stream.bybit.com/v5/private"
    assert (asked.url, asked.signed) == ("https://api.bybit.com/v5/account/info", True)
    assert dict(asked.cost) == {"requests": 1}


@pytest.mark.parametrize(
    ("status", "refused"),
    [(1, {"spot", "linear", "inverse"}), (3, {"inverse"}), (4, {"inverse"})],
)
def test_what_is_not_in_the_unified_wallet_is_a_matter_of_the_mode(
    status: int, refused: set[str]
) -> None:
    troubles: dict[str, str] = {}
    for market in MARKETS:
        try:
            answered(opening(market, ACCOUNT), [info(status)])
        except InquiryFailed as failed:
            troubles[market] = failed.trouble
    assert troubles == dict.fromkeys(refused, "mode")


@pytest.mark.parametrize(
    ("environment", "region", "rest_url", "socket"),
    [
        ("live", "", "https://api.bybit.com", "wss://stream.bybit.com/v5/private"),
        ("live", "tr", "https://api.bybit.tr", "wss://stream.bybit.tr/v5/private"),
        ("live", "ge", "https://api.bybitgeorgia.ge", "wss://stream.bybitgeorgia.ge/v5/private"),
        ("live", "nl", "https://api.bybit.nl", "wss://stream.bybit.com/v5/private"),
        ("sandbox", "", "https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com/v5/private"),
        ("sandbox", "demo", "https://api-demo.bybit.com", "wss://stream-demo.bybit.com/v5/private"),
    ],
)  # fmt: skip
def test_an_account_is_served_where_it_was_opened(
    environment: Environment, region: str, rest_url: str, socket: str
) -> None:
    account = Credentials(Secret(KEY), Secret(SECRET), environment=environment, region=region)
    url, (asked,) = answered(opening("spot", account), [info(6)])
    assert (url, asked.url) == (socket, f"{rest_url}/v5/account/info")


def test_the_rules_of_every_market() -> None:
    assert set(BYBIT_PRIVATE.markets) == set(MARKETS)
    for rules in RULES.values():
        assert rules.hosts is HOSTS
        assert ("live", "") in rules.hosts
        assert rules.ping_s is not None
        assert rules.ping_s < 20
        assert (rules.accounts_per_connection, rules.passphrase) == (1, False)
        assert {*rules.dial_cost, *rules.join_cost} <= set(BUDGETS)
    assert BYBIT_PRIVATE.ping is not None
    assert json.loads(BYBIT_PRIVATE.ping(7)) == {"req_id": "7", "op": "ping"}


# --- the conversation ---------------------------------------------------------------------------


def hear(it: Conversation, message: Any) -> Turn:
    return it.receive(json.dumps(message).encode(), {}, NOW_MS)


def opened(market: Market = "linear") -> Conversation:
    it = converse(market)
    it.join("a", ACCOUNT, NOW_MS)
    hear(it, ACK)
    hear(it, SUBSCRIBED)
    return it


@pytest.mark.parametrize(
    ("market", "topics"),
    [
        ("spot", ["order", "execution", "wallet"]),
        ("linear", ["order", "execution", "position", "wallet"]),
        ("inverse", ["order", "execution", "position", "wallet"]),
    ],
)
def test_login_then_topics_then_open(market: Market, topics: list[str]) -> None:
    it = converse(market)
    it.join("a", ACCOUNT, NOW_MS)
    turn = hear(it, ACK)
    assert not turn.said
    assert [json.loads(text) for text in turn.send] == [
        {"req_id": "subscribe", "op": "subscribe", "args": topics}
    ]
    assert hear(it, SUBSCRIBED) == Turn([Said("a", Opened())])


@pytest.mark.parametrize(
    "ack",
    [
        {"op": "auth", "success": True, "retCode": 0, "retMsg": "", "connId": "cejre-2xh"},
        {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "cojifin88smerbj9t560-404"},
    ],
)
def test_a_login_is_acked_in_several_spellings(ack: Mapping[str, Any]) -> None:
    it = converse("spot")
    it.join("a", ACCOUNT, NOW_MS)
    assert len(hear(it, ack).send) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"retCode": 10003, "retMsg": "Invalid apikey"}, ("key", "10003 Invalid apikey")),
        ({"ret_msg": "error:USVC1111"}, ("key", "error:USVC1111")),
        ({"ret_msg": "Your api key has expired."}, ("key", "Your api key has expired.")),
        ({"ret_msg": "Error sign"}, ("key", "Error sign")),
        (
            {"ret_msg": "Permission denied, please check your API key permissions."},
            ("permission", "Permission denied, please check your API key permissions."),
        ),
        (
            {"ret_msg": "Unmatched IP, please check your API key's bound IP addresses."},
            ("address", "Unmatched IP, please check your API key's bound IP addresses."),
        ),
        ({"ret_msg": "Params Error"}, ("clock", "Params Error")),
        ({"ret_msg": "error:request expired"}, ("clock", "error:request expired")),
        ({"ret_msg": "Too many visits!"}, ("rate", "Too many visits!")),
        ({"retCode": 10016, "retMsg": "Internal error"}, ("transient", "10016 Internal error")),
        ({"ret_msg": "error:handler timeout"}, ("transient", "error:handler timeout")),
        ({"ret_msg": ""}, ("transient", "")),
    ],
)
def test_a_refused_login(answer: Mapping[str, Any], expected: tuple[str, str]) -> None:
    it = converse("linear")
    it.join("a", ACCOUNT, NOW_MS)
    turn = hear(it, {"success": False, "op": "auth", "conn_id": "c", **answer})
    (said,) = turn.said
    assert said.account == "a"
    assert isinstance(said.what, Denied)
    assert (said.what.trouble, said.what.detail) == expected
    assert not turn.send


def test_a_refusal_need_not_say_of_what_and_never_repeats_what_was_signed() -> None:
    """Older answers repeat the whole request instead, key and signature included."""
    it = converse("linear")
    (login,) = it.join("a", ACCOUNT, NOW_MS)
    refusal = {
        "success": False,
        "ret_msg": f"error sign! origin_string[GET/realtime{EXPIRES_MS}{KEY}]",
        "request": json.loads(login),
    }
    (said,) = hear(it, refusal).said
    assert said == Said("a", Denied("key", "error sign!"))


def test_refused_topics() -> None:
    it = converse("linear")
    it.join("a", ACCOUNT, NOW_MS)
    hear(it, ACK)
    refusal = {"success": False, "ret_msg": "Invalid topic: positions", "op": "subscribe"}
    assert hear(it, refusal).said == [Said("a", Denied("config", "Invalid topic: positions"))]


def test_what_is_subscribed_already_is_subscribed() -> None:
    """It is no failure, and it is said once."""
    it = converse("linear")
    it.join("a", ACCOUNT, NOW_MS)
    hear(it, ACK)
    already = {"success": False, "ret_msg": "error:already subscribed,topic:order"}
    assert hear(it, already).said == [Said("a", Opened())]
    assert hear(it, already) == Turn()


def test_an_ack_of_what_was_not_asked_opens_nothing() -> None:
    it = converse("linear")
    it.join("a", ACCOUNT, NOW_MS)
    (said,) = hear(it, SUBSCRIBED).said
    assert isinstance(said.what, Unreadable)
    (said,) = hear(it, {"success": True, "ret_msg": "", "op": ""}).said
    assert isinstance(said.what, Unreadable)
    assert len(hear(it, ACK).send) == 1


def test_a_probe_is_answered() -> None:
    it = opened()
    first, second = it.probe(), it.probe()
    assert [json.loads(*each)["op"] for each in (first, second)] == ["ping", "ping"]
    assert first != second
    assert hear(it, PONG).said == [Said("a", Alive())]
    other = {"success": True, "ret_msg": "pong", "conn_id": "0970", "op": "ping"}
    assert hear(it, other).said == [Said("a", Alive())]


def test_a_pong_before_all_is_open_says_nothing() -> None:
    """What is not subscribed yet is not streamed, however alive the connection is."""
    it = converse("linear")
    it.join("a", ACCOUNT, NOW_MS)
    assert hear(it, PONG) == Turn()
    hear(it, ACK)
    assert hear(it, PONG) == Turn()
    assert hear(it, SUBSCRIBED).said == [Said("a", Opened())]


def test_events_are_the_accounts_and_of_its_market() -> None:
    (said,) = opened().receive(push("order", ORDER), {}, NOW_MS).said
    assert said.account == "a"
    assert isinstance(said.what, OrderTold)
    assert opened("spot").receive(push("order", ORDER), {}, NOW_MS) == Turn([])


def test_a_socket_that_is_left_is_closed_without_a_word() -> None:
    assert opened().leave("a") == ()


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    for it in (converse("spot"), opened()):
        assert all(isinstance(said, Said) for said in it.receive(data, {}, NOW_MS).said)


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("auth")


@given(st.dictionaries(st.sampled_from(["op", "success", "retCode", "ret_msg", "topic"]), _VALUES))
def test_no_answer_raises_nor_opens(answer: Mapping[str, Any]) -> None:
    it = converse("linear")
    it.join("a", ACCOUNT, NOW_MS)
    assert Opened() not in [said.what for said in hear(it, answer).said]
