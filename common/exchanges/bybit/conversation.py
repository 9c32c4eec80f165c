"""What is said on the private socket of a Bybit account. Pure.

One socket carries one account, of all markets: it is logged in to by a signature that lasts as long as the
connection, then its topics are subscribed in one request. There is no key to keep alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.bybit.account import TROUBLES
from common.exchanges.bybit.rest import unsigned
from common.exchanges.bybit.told import TOPICS, told
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    Heard,
    Opened,
    Said,
    Trouble,
    Turn,
)
from common.exchanges.protocol import Unreadable
from common.exchanges.signing import hmac_hex
from common.exchanges.wire import BROKEN, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market

# How far ahead a login expires; a second is refused where the way is long.
LOGIN_MS = 10_000

# Refusals on the socket come in words, mostly: the first fragment that fits. Several name the key
# that has not the permission, or is of another address; one that has expired is no matter of the clock.
_WORDS: tuple[tuple[str, Trouble], ...] = (
    ("unmatched ip", "address"),
    ("bound ip", "address"),
    ("permission", "permission"),
    ("not authorized", "permission"),
    ("apikey", "key"),
    ("api key", "key"),
    ("api_key", "key"),
    ("sign", "key"),
    ("usvc1111", "key"),
    # A login that has expired as it arrives is refused so.
    ("params error", "clock"),
    ("expire", "clock"),
    ("timestamp", "clock"),
    ("too many", "rate"),
    ("too frequent", "rate"),
    ("invalid topic", "config"),
    ("invalid op", "config"),
    ("handler not found", "config"),
)
# The same topics twice on one socket: what was wanted is there.
_ALREADY = "already subscribed"
# Requests that end the matter when they are refused; some refusals do not repeat whose they are.
_REFUSED_OPS = frozenset({"auth", "subscribe", ""})


class _Frame(Struct):
    """Everything that arrives: a push has a topic, an answer the op of its request.

    Answers are spelled in several ways: ``ret_msg`` and ``retMsg``; with ``success``, a code, or both.
    """

    topic: str | UnsetType = UNSET
    op: str = ""
    success: bool | UnsetType = UNSET
    code: int | UnsetType = field(name="retCode", default=UNSET)
    ret_msg: str = ""
    ret_msg_2: str = field(name="retMsg", default="")

    @property
    def text(self) -> str:
        return unsigned(self.ret_msg or self.ret_msg_2)

    @property
    def ok(self) -> bool | None:
        """Whether it is a success; None where it does not say."""
        if self.success is not UNSET:
            return self.success
        return None if self.code is UNSET else self.code == 0


_frame = msgspec.json.Decoder(_Frame)

# What is waited for, by the op that answers it; then nothing but events and pongs come.
_Stage = Literal["idle", "auth", "subscribe", "open"]


class Conversation:
    """A socket of one account: login, its ack, topics, their ack, events."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._account: str | None = None
        self._stage: _Stage = "idle"
        self._pings = 0

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """See ``Conversation``: the login."""
        self._account, self._stage = account, "auth"
        expires_ms = now_ms + LOGIN_MS
        signature = hmac_hex(credentials.secret, f"GET/realtime{expires_ms}")
        return (_message("auth", [credentials.key.reveal(), expires_ms, signature]),)

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``: the socket is nobody else's, and is closed."""
        return ()

    def probe(self) -> Sequence[str]:
        """A ping: a login lasts as long as its connection, and so do the topics."""
        self._pings += 1
        return (f'{{"req_id":"probe{self._pings}","op":"ping"}}',)

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        try:
            answer = _frame.decode(frame)
        except BROKEN as error:
            return self._say(unreadable(error))
        if answer.topic is not UNSET:
            return self._say(*told(self._market, frame, catalog))
        if answer.op == "pong" or (answer.ok and answer.text == "pong"):
            return self._say(Alive()) if self._stage == "open" else Turn()
        if answer.ok is False and answer.op in _REFUSED_OPS:
            return self._refused(answer)
        if answer.ok and answer.op == self._stage:
            return self._accepted()
        return self._say(Unreadable("unknown_type", f"op {answer.op:.20} {answer.text:.60}"))

    def _accepted(self) -> Turn:
        """What was waited for has come."""
        if self._stage == "auth":
            self._stage = "subscribe"
            return Turn(send=(_message("subscribe", TOPICS[self._market]),))
        self._stage = "open"
        return self._say(Opened())

    def _refused(self, answer: _Frame) -> Turn:
        if _ALREADY in answer.text.lower():
            return self._accepted() if self._stage == "subscribe" else Turn()
        code = "" if answer.code is UNSET else str(answer.code)
        return self._say(Denied(_trouble_of(answer), f"{code} {answer.text}".strip()[:200]))

    def _say(self, *heard: Heard) -> Turn:
        return Turn([Said(self._account, what) for what in heard])


def _message(op: str, args: Sequence[object]) -> str:
    return msgspec.json.encode({"req_id": op, "op": op, "args": args}).decode()


def _trouble_of(answer: _Frame) -> Trouble:
    """By its code if there is one, else by its words."""
    if answer.code is not UNSET and answer.code in TROUBLES:
        return TROUBLES[answer.code]
    text = answer.text.lower()
    return next((trouble for fragment, trouble in _WORDS if fragment in text), "transient")


def converse(market: Market, _address: str = "") -> Conversation:
    """A new socket's conversation."""
    return Conversation(market)
