"""What is said on the private socket of a Bitget account: log in, subscribe, be pushed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from common.exchanges.bitget.account import (
    UNIFIED_PATH,
    passphrase_of,
    signature,
    trouble_of,
)
from common.exchanges.bitget.describe import INST_TYPES
from common.exchanges.bitget.told import CLASSIC_CHANNELS, UNIFIED, UNIFIED_TOPICS, told
from common.exchanges.private import Alive, Credentials, Denied, Heard, Opened, Said, Turn
from common.exchanges.protocol import Unreadable
from common.exchanges.wire import BROKEN, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market


class _Arg(Struct):
    channel: str = ""
    topic: str = ""


class _Reply(Struct):
    """An answer has an ``event``, a push has none."""

    event: str | UnsetType = UNSET
    code: str | int | None = None
    msg: str | None = None
    arg: _Arg | None = None


_reply = msgspec.json.Decoder(_Reply)
_Arguments = Mapping[str, Mapping[str, str]]


def _classic_arguments(market: Market) -> _Arguments:
    """Every channel that is read here; spot has no positions."""
    every: dict[str, Mapping[str, str]] = {}
    for channel in CLASSIC_CHANNELS:
        if (market, channel) != ("spot", "positions"):
            which = "coin" if channel == "account" else "instId"
            every[channel] = {
                "instType": INST_TYPES[market],
                "channel": channel,
                which: "default",
            }
    return every


def _unified_arguments(market: Market) -> _Arguments:
    """One subscription is for all markets."""
    return {
        topic: {"instType": UNIFIED, "topic": topic}
        for topic in UNIFIED_TOPICS
        if (market, topic) != ("spot", "position")
    }


_ACCOUNT = "account"
# A number on the wire, a text in the documents.
_LOGIN_OK = ("0", "00000")
_State = Literal["dialed", "login", "subscribing", "open"]


class Conversation:
    """A private socket: log in, subscribe to all of it, be pushed. One account, one market."""

    def __init__(self, market: Market, arguments: _Arguments) -> None:
        self._market = market
        self._arguments = arguments
        self._account: str | None = None
        self._state: _State = "dialed"
        self._waiting: set[str] = set()

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """See ``Conversation``: the login, signed for the second it is."""
        self._account, self._state = account, "login"
        seconds = str(now_ms // 1000)
        login = {
            "apiKey": credentials.key.reveal(),
            "passphrase": passphrase_of(credentials),
            "timestamp": seconds,
            "sign": signature(credentials.secret, f"{seconds}GET/user/verify"),
        }
        return (_text("login", login),)

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``: the socket is the account's own, and ends with it."""
        return ()

    def probe(self) -> Sequence[str]:
        """The balances are subscribed to anew: the answer proves it, and all of them are pushed.

        (A pong proves no more than that the connection is there.)
        """
        if self._state != "open":
            return ()
        argument = self._arguments[_ACCOUNT]
        return _text("unsubscribe", argument), _text("subscribe", argument)

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        if frame == b"pong":
            return Turn()
        try:
            reply = _reply.decode(frame)
        except BROKEN as error:
            return self._say(unreadable(error))
        if reply.event is UNSET:
            return self._say(*told(self._market, frame, catalog))
        match self._state, reply.event:
            case _, "error":
                return self._say(self._denied(reply))
            case "login", "login":
                return self._logged_in(reply)
            case "subscribing" | "open", "subscribe":
                return self._subscribed(reply)
            case "open", "unsubscribe":
                return Turn()
        return self._say(Unreadable("unknown_type", f"{reply.event!r:.40} while {self._state}"))

    def _logged_in(self, reply: _Reply) -> Turn:
        if str(reply.code) not in _LOGIN_OK:
            return self._say(self._denied(reply))
        self._state, self._waiting = "subscribing", set(self._arguments)
        return Turn(send=(_text("subscribe", *self._arguments.values()),))

    def _subscribed(self, reply: _Reply) -> Turn:
        """One answer for each argument; the last opens the account."""
        name = "" if reply.arg is None else reply.arg.channel or reply.arg.topic
        if name not in self._arguments:
            return self._say(Unreadable("wrong_shape", f"an answer to nothing: {name!r:.40}"))
        if self._state == "open":
            return self._say(Alive())
        self._waiting.discard(name)
        if self._waiting:
            return Turn()
        self._state = "open"
        return self._say(Opened(), Alive())

    def _denied(self, reply: _Reply) -> Denied:
        code = str(reply.code)
        return Denied(trouble_of(code), f"{code} {reply.msg or ''}".strip()[:200])

    def _say(self, *heard: Heard) -> Turn:
        return Turn([Said(self._account, what) for what in heard])


def _text(op: str, *arguments: Mapping[str, str]) -> str:
    return msgspec.json.encode({"op": op, "args": arguments}).decode()


def converse(market: Market, address: str) -> Conversation:
    """A new socket's conversation; which system it speaks is in the address."""
    unified = urlsplit(address).path == UNIFIED_PATH
    return Conversation(
        market, _unified_arguments(market) if unified else _classic_arguments(market)
    )
