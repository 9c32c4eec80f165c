"""What is said on the sockets of KuCoin's classic accounts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.kucoin.conversation import (
    SOCKET_TROUBLES,
    ClassicConversation,
    converse,
)
from common.exchanges.kucoin.describe import ERRORS
from common.exchanges.kucoin.told import TOPICS
from common.exchanges.private import Alive, Denied, Opened, Said, Trouble
from common.exchanges.protocol import Notice, Unreadable
from common.model.streams import Market
from tests.exchanges.kucoin.pushes import FUTURES, LINEAR, SPOT
from tests.exchanges.kucoin.test_account import ACCOUNT, CLASSIC_SOCKET, KEY, NOW_MS


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
