"""What is said on the socket of KuCoin's unified accounts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.kucoin.conversation import (
    UnifiedConversation,
    converse,
)
from common.exchanges.kucoin.describe import MARKETS
from common.exchanges.private import Alive, Denied, Opened, Said, Trouble
from common.exchanges.protocol import Unreadable
from common.model.streams import Market
from tests.exchanges.kucoin.test_account import KEY, NOW_MS
from tests.exchanges.kucoin.test_conversation import Socket
from tests.exchanges.kucoin.test_unified import TRADE

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
