"""Binance's accounts: signatures, and both kinds of conversation."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.binance.account import (
    RULES,
    FuturesConversation,
    SpotConversation,
    keeping,
    opening,
    sign,
    signature,
    trouble,
)
from common.exchanges.private import Alive, Credentials, Denied, Opened, OrderTold, Said
from common.exchanges.protocol import Notice, RestRequest
from common.model.secret import Secret
from tests.exchanges.binance.test_told import FUTURES, SPOT

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ACCOUNT = Credentials(Secret(KEY), Secret(SECRET))
NOW_MS = 1747385641636
LIMIT = (
    "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    "&recvWindow=5000&timestamp=1499827319559"
)
SELL = "recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"


# --- signatures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"symbol=LTCBTC&{LIMIT}",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&{LIMIT}",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
        (
            f"apiKey={KEY}&price=52000.00&quantity=0.01000000&{SELL}",
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            f"apiKey={KEY}&timestamp=1747385641636",
            "681110a6057ad58657af22f5640fab9dd17418834cdfccdc81be8b0f7b2cde3e",
        ),
        (
            "recvWindow=5000&timestamp=1499827319559",
            "82f4e72e95e63d666b6da651e82a701722ad8a785a169318d91f36f279c55821",
        ),
    ],
)
def test_the_documents_own_signatures(text: str, expected: str) -> None:
    assert signature(ACCOUNT, text) == expected


def test_a_signed_request_is_sent_as_it_was_signed() -> None:
    request = RestRequest("https://h/p", {"symbol": "１２３"}, {"spot": 4}, signed=True)
    signed = sign(request, ACCOUNT, NOW_MS)
    query = f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93&recvWindow=5000&timestamp={NOW_MS}"
    assert signed.url == f"https://h/p?{query}&signature={signature(ACCOUNT, query)}"
    assert (dict(signed.params), signed.headers) == ({}, {"X-MBX-APIKEY": KEY})
    assert signed.cost == request.cost


def test_a_listen_key_is_asked_for_with_the_key_alone() -> None:
    asked = opening("linear", ACCOUNT)
    request = next(asked)
    assert (request.method, request.url) == ("POST", "https://fapi.binance.com/fapi/v1/listenKey")
    assert sign(request, ACCOUNT, NOW_MS).url == request.url
    with pytest.raises(StopIteration) as found:
        asked.send(b'{"listenKey":"pqia91ma"}')
    assert found.value.value == "wss://fstream.binance.com/private/ws/pqia91ma"
    assert next(keeping("inverse", ACCOUNT, "")).method == "PUT"


def test_an_ed25519_key_signs_as_well() -> None:
    seed = bytes(range(32))
    account = Credentials(Secret("k"), Secret(b64encode(seed).decode()), kind="ed25519")
    expected = Ed25519PrivateKey.from_private_bytes(seed).sign(b"a=1")
    assert signature(account, "a=1") == b64encode(expected).decode()


# --- troubles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"{}", None),
        (401, b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}', "key"),
        (400, b'{"code":-2014,"msg":"API-key format invalid."}', "key"),
        (400, b'{"code":-1022,"msg":"Signature for this request is not valid."}', "key"),
        (400, b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}', "clock"),
        (400, b'{"code":-1125,"msg":"This listenKey does not exist."}', "expired"),
        (429, b"", "rate"),
        (418, b"<html>", "rate"),
        (500, b"", "transient"),
        (400, b'{"code":-1007,"msg":"Timeout waiting for response"}', "transient"),
    ],
)  # fmt: skip
def test_what_an_answer_means_for_the_account(
    status: int, body: bytes, expected: str | None
) -> None:
    assert trouble(status, {}, body) == expected


# --- spot: many accounts on one socket ----------------------------------------------------------


class Spot:
    """A conversation, and what it has sent."""

    def __init__(self) -> None:
        self.it = SpotConversation()
        self.sent: list[dict[str, Any]] = []

    def join(self, account: str) -> dict[str, Any]:
        (text,) = self.it.join(account, ACCOUNT, NOW_MS)
        self.sent.append(json.loads(text))
        return self.sent[-1]

    def hear(self, message: Any) -> list[Said]:
        return list(self.it.receive(json.dumps(message).encode(), {}, NOW_MS).said)

    def joined(self, account: str, number: int) -> None:
        asked = self.join(account)
        answer = {"id": asked["id"], "status": 200, "result": {"subscriptionId": number}}
        assert self.hear(answer) == [Said(account, Opened())]


def test_accounts_are_subscribed_by_signature_and_told_apart_by_number() -> None:
    spot = Spot()
    asked = spot.join("a")
    assert asked["method"] == "userDataStream.subscribe.signature"
    assert asked["params"] == {
        "apiKey": KEY,
        "timestamp": NOW_MS,
        "signature": "681110a6057ad58657af22f5640fab9dd17418834cdfccdc81be8b0f7b2cde3e",
    }
    spot.hear({"id": asked["id"], "status": 200, "result": {"subscriptionId": 0}})
    spot.joined("b", 1)
    for number, account in ((1, "b"), (0, "a")):
        said = spot.hear({"subscriptionId": number, "event": SPOT})
        assert {one.account for one in said} == {account}
        assert isinstance(said[-1].what, OrderTold)


def test_one_that_is_refused_costs_no_other() -> None:
    spot = Spot()
    spot.joined("a", 0)
    asked = spot.join("b")
    error = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    (said,) = spot.hear({"id": asked["id"], "status": 401, "error": error})
    assert said.account == "b"
    assert isinstance(said.what, Denied)
    assert said.what.trouble == "key"
    assert spot.hear({"subscriptionId": 0, "event": SPOT})[0].account == "a"


def test_a_refusal_of_nobody_in_particular_is_about_the_connection() -> None:
    spot = Spot()
    spot.joined("a", 0)
    error = {"code": -2015, "msg": "Invalid API-key"}
    (said,) = spot.hear({"id": None, "status": 401, "error": error})
    assert (said.account, type(said.what)) == (None, Denied)


def test_a_probe_finds_out_what_is_not_subscribed_any_more() -> None:
    spot = Spot()
    spot.joined("a", 0)
    spot.joined("b", 1)
    (probe,) = spot.it.probe()
    answer = {"id": json.loads(probe)["id"], "status": 200, "result": [{"subscriptionId": 1}]}
    gone, alive = spot.hear(answer)
    assert (gone.account, alive) == ("a", Said(None, Alive()))
    assert isinstance(gone.what, Denied)
    assert gone.what.trouble == "expired"


def test_who_leaves_is_heard_of_no_more() -> None:
    spot = Spot()
    spot.joined("a", 7)
    (text,) = spot.it.leave("a")
    assert json.loads(text)["params"] == {"subscriptionId": 7}
    (said,) = spot.hear({"subscriptionId": 7, "event": SPOT})
    assert (said.account, said.what) == (None, Notice("other", "an event of no account"))


def test_the_exchange_says_when_it_will_go() -> None:
    (said,) = Spot().hear({"event": {"e": "serverShutdown", "E": 1770123456789}})
    assert said == Said(None, Notice("closing", "an event of no account"))


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    assert SpotConversation().receive(data, {}, NOW_MS).said is not None
    assert FuturesConversation("linear").receive(data, {}, NOW_MS).said is not None


# --- futures ------------------------------------------------------------------------------------


def test_a_futures_socket_is_open_when_it_has_answered() -> None:
    it = FuturesConversation("linear")
    (asked,) = it.join("a", ACCOUNT, NOW_MS)
    message = json.loads(asked)
    assert message["method"] == "LIST_SUBSCRIPTIONS"
    answer = json.dumps({"result": ["key"], "id": message["id"]}).encode()
    assert it.receive(answer, {}, NOW_MS).said == [Said("a", Opened()), Said("a", Alive())]
    assert it.receive(answer, {}, NOW_MS).said == [Said("a", Alive())]
    event = json.dumps({"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 2, "o": FUTURES}).encode()
    for frame in (event, b'{"stream":"key","data":' + event + b"}"):
        said = it.receive(frame, {}, NOW_MS).said
        assert [type(one.what).__name__ for one in said] == ["FillTold", "OrderTold"]
        assert {one.account for one in said} == {"a"}


def test_every_market_is_there_live_and_in_its_sandbox() -> None:
    for rules in RULES.values():
        assert set(rules.hosts) == {("live", ""), ("sandbox", "")}
