"""Bybit's private socket: login, topics of one account, pings. One serves all markets.

A login lasts as long as the connection: a key that is deleted meanwhile ends nothing. Fast executions,
greeks and the cancel-on-disconnect topic are not served.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.exchanges.bybit.accounts.events import KINDS
from simulator.exchanges.bybit.accounts.signing import logged_in
from simulator.exchanges.bybit.names import NAME, RULES
from simulator.exchanges.common import PlainDialect, Refused, object_in
from simulator.exchanges.protocol import Effect, HttpCall, Join, Leave, Reply
from simulator.feeds import SilentFeed, Wanted
from simulator.world import World

_NO_CODE = 0
_INVALID = Refused(_NO_CODE, "Failed to decode incoming data:readObjectStart: expect { or n")
_CATEGORIES: Mapping[str, Collection[str]] = {
    "order": ("spot", "linear", "inverse", "option"),
    "execution": ("spot", "linear", "inverse", "option"),
    "position": ("linear", "inverse", "option"),
    "wallet": (),
}
# How long a client may be quiet, as it may ask for.
_ACTIVE = re.compile(r"(\d{1,4})([sm])")
_ACTIVE_S = (30, 600)


class PrivateSocket(PlainDialect):
    """One socket of one account; ``feed_of`` names the feed of an account's topic."""

    market: Market | None = None
    first_topics: Sequence[str] = ()

    def __init__(
        self, world: World, call: HttpCall, number: int, feed_of: Callable[[Account, str], str]
    ) -> None:
        self.rules = msgspec.structs.replace(RULES, quiet_s=_quiet_s(call.query))
        self._world, self._address, self._feed_of = world, call.address, feed_of
        self._name = f"cejreaspqfh3sjdnldmg-{number}"
        self._account: Account | None = None

    # --- what it sends ----------------------------------------------------------------------

    def feed(self, topic: str) -> Wanted | None:
        """The account's, of all markets."""
        assert self._account is not None
        return Wanted(self._feed_of(self._account, topic.partition(".")[0]), SilentFeed)

    def wrap(self, topic: str, payload: str) -> str | None:
        """A topic of one market has only its rows, under its own name."""
        kind, _, category = topic.partition(".")
        if not category:
            return payload
        if f'"category":"{category}"' not in payload:
            return None
        return payload.replace(f'"topic":"{kind}"', f'"topic":"{topic}"', 1)

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A request: its answer, and what it changes."""
        message: dict[str, Any] = {}
        try:
            message = object_in(text, _INVALID)
            return self._carry_out(message, topics)
        except Refused as refused:
            return (self._reply(message, success=False, ret_msg=refused.message),)

    def _carry_out(self, message: dict[str, Any], topics: Collection[str]) -> Sequence[Effect]:
        match message.get("op"):
            case "ping":
                return (self._pong(message),)
            case "auth":
                self._account = logged_in(self._world, message.get("args"), self._address)
                return (self._reply(message, success=True, ret_msg=""),)
            case "subscribe" | "unsubscribe" if self._account is None:
                raise Refused(_NO_CODE, "Request not authorized")
            case "subscribe":
                joins = [Join(topic) for topic in _new(message, topics)]
                return (self._reply(message, success=True, ret_msg=""), *joins)
            case "unsubscribe":
                gone = [Leave(topic) for topic in _args(message) if topic in topics]
                return (self._reply(message, success=True, ret_msg=""), *gone)
            case _:
                raise Refused(_NO_CODE, "error:invalid op")

    def _pong(self, message: dict[str, Any]) -> Reply:
        now = str(self._world.time_of(NAME))
        pong = {"op": "pong", "args": [now], "conn_id": self._name}
        if message.get("req_id"):
            pong = {"req_id": message["req_id"], **pong}
        return Reply(msgspec.json.encode(pong).decode())

    def _reply(self, message: dict[str, Any], **said: object) -> Reply:
        answer = {**said, "op": str(message.get("op", "")), "conn_id": self._name}
        if message.get("req_id"):
            answer = {"req_id": message["req_id"], **answer}
        return Reply(msgspec.json.encode(answer).decode())


def _args(message: dict[str, Any]) -> list[str]:
    args = message.get("args")
    if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
        raise Refused(_NO_CODE, "Params Error")
    return args


def _new(message: dict[str, Any], topics: Collection[str]) -> list[str]:
    """What a request subscribes; all of it or nothing.

    Raises:
        Refused: a topic there is not, or is twice, or one of all markets beside one of a single one.
    """
    args = _args(message)
    for topic in args:
        kind, _, category = topic.partition(".")
        if kind not in KINDS or (category and category not in _CATEGORIES[kind]):
            raise Refused(_NO_CODE, f"error:handler not found,topic:{topic}")
        if topic in topics:
            raise Refused(_NO_CODE, f"error:already subscribed,topic:{topic}")
    # That they do not go together is documented, what is said to it is not.
    if len({"." in topic for topic in args if topic != "wallet"}) > 1:
        raise Refused(_NO_CODE, "Invalid topic: all-in-one and categorised topics in one request")
    return list(dict.fromkeys(args))


def _quiet_s(query: Mapping[str, str]) -> float:
    """``max_active_time=1m`` and the like; ten minutes where it is not given."""
    asked = _ACTIVE.fullmatch(query.get("max_active_time", ""))
    if asked is None:
        return RULES.quiet_s
    seconds = int(asked[1]) * (60 if asked[2] == "m" else 1)
    return float(min(max(seconds, _ACTIVE_S[0]), _ACTIVE_S[1]))
