"""OKX's accounts: where they are, signatures, refusals, and the conversation of a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.okx.account import (
    RULES,
    TROUBLE_CODES,
    TROUBLES,
    opening,
    sign,
    trouble,
)
from common.exchanges.okx.conversation import Conversation, channels_of, converse
from common.exchanges.okx.private import OKX_PRIVATE
from common.exchanges.private import Alive, Credentials, Denied, Heard, Opened, Said
from common.exchanges.protocol import Notice, RestRequest, Unreadable
from common.exchanges.signing import hmac_base64
from common.exchanges.told import OrderTold
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import answered
from tests.exchanges.okx.test_told import ACCOUNT as ACCOUNT_ROW
from tests.exchanges.okx.test_told import SPOT, SWAP, push

SECRET = "22582BD0CFF14C41EDBF1AB98506286D"
ACCOUNT = Credentials(Secret("the-key"), Secret(SECRET), Secret("the-passphrase"))
LOGIN_MS = 1704876947_000
MARKETS: tuple[Market, ...] = ("spot", "linear", "inverse")
ON_CHANGE = '{"updateInterval":"0"}'
CHANNELS: dict[Market, list[dict[str, str]]] = {
    "spot": [
        {"channel": "orders", "instType": "SPOT"},
        {"channel": "account", "extraParams": ON_CHANGE},
    ],
    "linear": [
        {"channel": "orders", "instType": "SWAP"},
        {"channel": "orders", "instType": "FUTURES"},
        {"channel": "positions", "instType": "SWAP", "extraParams": ON_CHANGE},
        {"channel": "positions", "instType": "FUTURES", "extraParams": ON_CHANGE},
        {"channel": "account", "extraParams": ON_CHANGE},
    ],
}
CHANNELS["inverse"] = CHANNELS["linear"]
PROBE = {"channel": "balance_and_position"}


# --- signatures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1538054050GET/users/self/verify", "+LdIr8lkkvhr5hoA3g9TMC0+uQJ849ftAcocA/ouu4M="),
        ("1704876947GET/users/self/verify", "5/36BgGV6m/6pmdc20zdqk0mzF5ZalmzzPD2fo3wavU="),
        (
            "2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC",
            "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
        ),
    ],
)
def test_known_signatures(text: str, expected: str) -> None:
    assert hmac_base64(Secret(SECRET), text) == expected


def test_a_request_is_signed_with_its_path_and_query_and_sent_as_it_was_signed() -> None:
    url = "https://openapi.okx.com/api/v5/account/balance"
    request = RestRequest(url, {"ccy": "BTC"}, signed=True)
    signed = sign(request, ACCOUNT, 1607418537715)
    assert (signed.url, dict(signed.params)) == (f"{url}?ccy=BTC", {})
    assert signed.headers == {
        "OK-ACCESS-KEY": "the-key",
        "OK-ACCESS-SIGN": "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
        "OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z",
        "OK-ACCESS-PASSPHRASE": "the-passphrase",
    }
    assert sign(signed, ACCOUNT, 0) is signed


def test_a_body_is_signed_as_well() -> None:
    body = b'{"instId":"BTC-USDT","lever":"5","mgnMode":"isolated"}'
    url = "https://openapi.okx.com/api/v5/account/set-leverage"
    request = RestRequest(url, method="POST", body=body, signed=True)
    signed = sign(request, ACCOUNT, 1607418537715)
    assert signed.headers["OK-ACCESS-SIGN"] == "eCnnCgWLjlQ9XnpUkrcny3qNq3WW/81KNrDr/XR6Xv8="
    assert (signed.url, signed.body) == (url, body)


def test_milliseconds_are_three_digits() -> None:
    signed = sign(RestRequest("https://h/p", signed=True), ACCOUNT, 1607418537005)
    assert signed.headers["OK-ACCESS-TIMESTAMP"] == "2020-12-08T09:08:57.005Z"


def test_the_sandbox_is_the_same_host_with_a_header() -> None:
    demo = Credentials(Secret("k"), Secret("s"), Secret("p"), environment="sandbox")
    signed = sign(RestRequest("https://h/p", signed=True), demo, 0)
    assert signed.headers["x-simulated-trading"] == "1"
    live = sign(RestRequest("https://h/p", signed=True), ACCOUNT, 0)
    assert "x-simulated-trading" not in live.headers


# --- where accounts are -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "region", "rest", "socket"),
    [
        ("live", "", "openapi.okx.com", "ws.okx.com"),
        ("sandbox", "", "openapi.okx.com", "wspap.okx.com"),
        ("live", "my", "eea.okx.com", "wseea.okx.com"),
        ("sandbox", "eea", "eea.okx.com", "wseeapap.okx.com"),
        ("live", "app", "us.okx.com", "wsus.okx.com"),
        ("sandbox", "us", "us.okx.com", "wsuspap.okx.com"),
    ],
)
def test_an_account_is_dialed_where_it_was_opened(
    environment: Any, region: str, rest: str, socket: str
) -> None:
    there = Credentials(
        Secret("k"), Secret("s"), Secret("p"), environment=environment, region=region
    )
    for market in MARKETS:
        assert RULES[market].hosts[environment, region].rest == f"https://{rest}"
        found, asked = answered(opening(market, there), [])
        assert (found, asked) == (f"wss://{socket}/ws/v5/private", [])


def test_the_port_that_was_closed_is_nowhere() -> None:
    addresses = [
        address
        for rules in RULES.values()
        for hosts in rules.hosts.values()
        for address in (hosts.rest, hosts.socket)
    ]
    assert addresses
    assert not [address for address in addresses if ":8443" in address]


def test_rules() -> None:
    """A ping within 30 s; 480 requests an hour; what was cancelled unfilled is gone after 2 h."""
    assert OKX_PRIVATE.markets == RULES
    for rules in RULES.values():
        assert rules.passphrase
        assert rules.key_kinds == ("hmac",)
        assert rules.accounts_per_connection == 1
        assert rules.ping_s is not None
        assert rules.ping_s < 30
        assert 2 * 3600 / rules.probe_s < 480 / 2
        assert rules.remembers_s == 7200
        assert rules.close_codes[4007] == "auth"
    assert OKX_PRIVATE.ping is not None
    assert OKX_PRIVATE.ping(1) == "ping"


# --- troubles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"code":"0","msg":"","data":[]}', None),
        (200, b"not the exchange's own", None),
        (401, b'{"code":"50101","msg":"APIKey does not match current environment."}', "key"),
        (401, b'{"code":"50105","msg":"OK-ACCESS-PASSPHRASE incorrect."}', "key"),
        (401, b'{"code":"50111","msg":"Invalid OK-ACCESS-KEY."}', "key"),
        (401, b'{"code":"50113","msg":"Invalid signature."}', "key"),
        (200, b'{"code":"50119","msg":"API key doesn\'t exist"}', "key"),
        (200, b'{"code":"50120","msg":"no permission to use this function"}', "permission"),
        (200, b'{"code":"50027","msg":"This account is restricted"}', "permission"),
        (401, b'{"code":"50110","msg":"Your IP 1.2.3.4 is not included"}', "address"),
        (401, b'{"code":"50102","msg":"Timestamp request expired."}', "clock"),
        (401, b'{"code":"50112","msg":"Invalid OK-ACCESS-TIMESTAMP."}', "clock"),
        (200, b'{"code":"50012","msg":"Account status invalid."}', "mode"),
        (200, b'{"code":"50011","msg":"Rate limit reached."}', "rate"),
        (429, b'{"code":"50011","msg":"Too Many Requests"}', "rate"),
        (429, b"<html>", "rate"),
        (400, b'{"code":"51000","msg":"Parameter instType error"}', "config"),
        (410, b'{"code":"50005","msg":"API endpoint is inactive"}', "config"),
        (503, b'{"code":"50001","msg":"Service temporarily unavailable."}', "transient"),
        (429, b'{"code":"50013","msg":"Systems are busy."}', "rate"),
        (500, b"", "transient"),
        (401, b"", "key"),
        (200, b'{"code":"99999","msg":"what is that"}', "transient"),
    ],
)
def test_what_an_answer_means_for_the_account(
    status: int, body: bytes, expected: str | None
) -> None:
    assert trouble(status, {}, body) == expected


# --- the conversation ---------------------------------------------------------------------------


class Socket:
    """A conversation of one account, and what it has sent."""

    def __init__(self, market: Market = "linear") -> None:
        self.market = market
        self.it: Conversation = converse(market)
        (text,) = self.it.join("a", ACCOUNT, LOGIN_MS)
        self.sent: list[dict[str, Any]] = [json.loads(text)]

    def hear(self, message: Any) -> list[Heard]:
        turn = self.it.receive(json.dumps(message).encode(), {}, LOGIN_MS)
        self.sent += map(json.loads, turn.send)
        assert {said.account for said in turn.said} <= {"a"}
        return [said.what for said in turn.said]

    def opened(self) -> Socket:
        self.hear({"event": "login", "code": "0", "msg": "", "connId": "c"})
        for arg in CHANNELS[self.market]:
            said = self.hear(acknowledged(arg))
        assert said == [Opened()]
        return self


def acknowledged(arg: dict[str, str], event: str = "subscribe") -> dict[str, Any]:
    return {"id": "1", "event": event, "arg": arg, "connId": "a4d3ae55"}


def refused(code: str, message: str = "no") -> dict[str, str]:
    return {"event": "error", "code": code, "msg": message, "connId": "a4d3ae55"}


@pytest.mark.parametrize("market", MARKETS)
def test_login_its_answer_subscriptions_and_all_their_answers(market: Market) -> None:
    socket = Socket(market)
    assert socket.sent == [
        {
            "op": "login",
            "args": [
                {
                    "apiKey": "the-key",
                    "passphrase": "the-passphrase",
                    "timestamp": "1704876947",
                    "sign": "5/36BgGV6m/6pmdc20zdqk0mzF5ZalmzzPD2fo3wavU=",
                }
            ],
        }
    ]
    assert socket.hear({"event": "login", "code": "0", "msg": "", "connId": "c"}) == []
    assert socket.sent[1:] == [{"id": "1", "op": "subscribe", "args": CHANNELS[market]}]
    *first, last = CHANNELS[market]
    for arg in first:
        assert socket.hear(acknowledged(arg)) == []
        assert socket.hear(acknowledged(arg)) == []
    assert socket.hear(acknowledged(last)) == [Opened()]
    assert socket.hear(acknowledged(last)) == []
    assert len(socket.sent) == 2


@pytest.mark.parametrize("market", MARKETS)
def test_every_type_of_instrument_of_a_market_is_subscribed(market: Market) -> None:
    assert channels_of(market) == CHANNELS[market]


def test_a_login_without_a_code_is_one() -> None:
    socket = Socket()
    assert socket.hear({"event": "login", "success": True}) == []
    assert socket.sent[-1]["op"] == "subscribe"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("60004", "clock"),
        ("60005", "key"),
        ("60006", "clock"),
        ("60007", "key"),
        ("60009", "key"),
        ("60011", "expired"),
        ("60012", "config"),
        ("60014", "rate"),
        ("60018", "config"),
        ("60024", "key"),
        ("60032", "key"),
        ("63999", "transient"),
        ("64001", "config"),
        ("64003", "permission"),
        ("64007", "transient"),
        ("69999", "transient"),
    ],
)
def test_what_a_refusal_means_for_the_account(code: str, expected: str) -> None:
    (denied,) = Socket().hear(refused(code))
    assert denied == Denied(expected, f"{code} no")  # type: ignore[arg-type]
    (denied,) = Socket().opened().hear(refused(code))
    assert isinstance(denied, Denied)


def test_a_login_that_is_refused_by_its_code() -> None:
    socket = Socket()
    (denied,) = socket.hear({"event": "login", "code": 60009, "msg": "Login failed."})
    assert denied == Denied("key", "60009 Login failed.")
    assert len(socket.sent) == 1


def test_no_secret_is_repeated() -> None:
    """The exchange quotes what it refuses, which may be a login."""
    quoted = json.dumps({"op": "login", "args": [{"passphrase": "the-passphrase"}]})
    (denied,) = Socket().hear(refused("60012", f"Invalid request: {quoted}"))
    assert denied == Denied("config", "60012 Invalid request:")


def test_an_acknowledgement_may_be_taken_back() -> None:
    socket = Socket().opened()
    error = {"event": "channel-conn-count-error", "channel": "orders", "connCount": "30"}
    (denied,) = socket.hear(error)
    assert isinstance(denied, Denied)
    assert denied.trouble == "rate"
    (denied,) = socket.hear(acknowledged(CHANNELS["linear"][0], "unsubscribe"))
    assert isinstance(denied, Denied)
    assert denied.trouble == "expired"


def test_rows_are_the_accounts() -> None:
    socket = Socket().opened()
    kinds = [type(one).__name__ for one in socket.hear(push("orders", SWAP))]
    assert kinds == ["FillTold", "OrderTold"]
    (balances,) = socket.hear(push("account", ACCOUNT_ROW))
    assert type(balances).__name__ == "BalancesTold"
    assert socket.hear(push("orders", SPOT)) == []
    (_, order) = Socket("spot").opened().hear(push("orders", SPOT))
    assert isinstance(order, OrderTold)


def test_a_sign_of_life_is_a_subscription_that_is_granted() -> None:
    socket = Socket().opened()
    before = len(socket.sent)
    (probe,) = socket.it.probe()
    assert json.loads(probe) == {"id": "1", "op": "subscribe", "args": [PROBE]}
    count = {"event": "channel-conn-count", "channel": "balance_and_position", "connCount": "1"}
    assert socket.hear(count) == []
    assert socket.hear(acknowledged(PROBE)) == [Alive()]
    assert socket.sent[before:] == [{"id": "1", "op": "unsubscribe", "args": [PROBE]}]
    assert socket.hear(push("balance_and_position", {"balData": []}, eventType="snapshot")) == []
    assert socket.hear(acknowledged(PROBE, "unsubscribe")) == []
    assert len(socket.sent) == before + 1


def test_who_is_not_logged_in_any_more_is_found_out_by_the_probe() -> None:
    (denied,) = Socket().opened().hear(refused("60011", "Please log in"))
    assert denied == Denied("expired", "60011 Please log in")


def test_a_pong_tells_nothing_of_the_account() -> None:
    assert Socket().opened().it.receive(b"pong", {}, LOGIN_MS) == ((), ())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"event": "notice", "code": "64008", "msg": "The connection will soon be closed."},
            Notice("closing", "64008 The connection will soon be closed."),
        ),
        ({"event": "notice", "code": "1", "msg": "Hello"}, Notice("other", "1 Hello")),
        (
            {"event": "channel-conn-count", "channel": "orders", "connCount": "2"},
            Notice("other", "channel-conn-count orders"),
        ),
    ],
)
def test_what_is_said_to_the_connection(message: Any, expected: Notice) -> None:
    turn = Socket().it.receive(json.dumps(message).encode(), {}, LOGIN_MS)
    assert turn.said == (Said(None, expected),)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"{", "not_json"),
        (b"[]", "wrong_shape"),
        (b'{"event":"subscribe"}', "wrong_shape"),
        (b'{"event":"something-new"}', "unknown_type"),
        (b'{"id":"2","op":"order","code":"1","data":[]}', "unknown_type"),
    ],
)
def test_what_is_not_known_is_said(frame: bytes, kind: str) -> None:
    (said,) = Socket().opened().it.receive(frame, {}, LOGIN_MS).said
    assert isinstance(said.what, Unreadable)
    assert said.what.kind == kind


def test_who_leaves_takes_the_socket_along() -> None:
    assert Socket().opened().it.leave("a") == ()


def test_no_code_has_two_meanings() -> None:
    codes = [code for codes in TROUBLE_CODES.values() for code in codes]
    assert sorted(TROUBLES) == sorted(map(str, codes))


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    for market in MARKETS:
        assert converse(market).receive(data, {}, LOGIN_MS).said is not None


EVENTS = ["login", "subscribe", "unsubscribe", "error", "notice", "channel-conn-count", "", "new"]
ARGS = [None, PROBE, *CHANNELS["linear"], {"channel": 1}]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"event": st.sampled_from(EVENTS)},
            optional={
                "arg": st.sampled_from(ARGS),
                "code": st.sampled_from(["0", 0, "60009", "", None]),
                "data": st.lists(st.sampled_from([SWAP, {}, None])),
            },
        ),
        max_size=8,
    )
)
def test_no_order_of_frames_raises(messages: list[dict[str, Any]]) -> None:
    socket = Conversation("linear")
    for message in messages:
        turn = socket.receive(json.dumps(message).encode(), {}, LOGIN_MS)
        assert all(json.loads(text)["op"] in ("subscribe", "unsubscribe") for text in turn.send)
