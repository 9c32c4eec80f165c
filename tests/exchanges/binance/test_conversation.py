"""What is said on the sockets of Binance's accounts: one of many, and one of each."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.binance.conversation import FuturesConversation, SpotConversation
from common.exchanges.private import Alive, Denied, Opened, Said
from common.exchanges.protocol import Notice
from common.exchanges.told import OrderTold
from tests.exchanges.binance.events import FUTURES, SPOT
from tests.exchanges.binance.test_account import ACCOUNT, KEY, NOW_MS

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


def test_a_refusal_of_nobody_in_particular_is_nobodys_wrong_key() -> None:
    """It may be any one's of the socket: all join anew, and whose it is, is refused by name then.

    As a wrong key of all of them it would rest them all, for half an hour.
    """
    spot, error = Spot(), {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    spot.joined("a", 0)
    spot.joined("b", 1)
    (said,) = spot.hear({"id": None, "status": 401, "error": error})
    assert said.account is None
    assert isinstance(said.what, Denied)
    assert said.what.trouble == "expired"

    anew = Spot()
    anew.joined("a", 0)
    asked = anew.join("b")
    (said,) = anew.hear({"id": asked["id"], "status": 401, "error": error})
    assert said.account == "b"
    assert isinstance(said.what, Denied)
    assert said.what.trouble == "key"


def test_a_limit_that_nobody_is_named_in_is_everybodys() -> None:
    spot = Spot()
    spot.joined("a", 0)
    (said,) = spot.hear({"id": None, "status": 429, "error": {"code": -1003, "msg": "Too many."}})
    assert said == Said(None, Denied("rate", "-1003 Too many."))


def test_who_has_left_already_costs_no_other() -> None:
    """The subscription of a deleted key is gone before it is given up."""
    spot = Spot()
    spot.joined("a", 0)
    spot.joined("b", 1)
    (text,) = spot.it.leave("a")
    error = {"code": -1100, "msg": "No such subscription."}
    (said,) = spot.hear({"id": json.loads(text)["id"], "status": 400, "error": error})
    assert (said.account, type(said.what)) == (None, Notice)


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
