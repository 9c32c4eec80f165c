"""What is said on the sockets of KuCoin's accounts: two protocols, one for each mode. Pure.

Either way a socket is one account's, nothing is said before the welcome, and an account is open once
everything that was asked has been accepted. A session keeps its subscriptions for as long as it lives
and cannot be asked for them: that it answers a ping is the sign of life there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct, field

from common.exchanges.kucoin import unified
from common.exchanges.kucoin.account import TROUBLES, is_unified, signed_passphrase
from common.exchanges.kucoin.parse import Frame, ping
from common.exchanges.kucoin.told import TOPICS, told
from common.exchanges.kucoin.worth import ByWorth
from common.exchanges.private import (
    Alive,
    Conversation,
    Credentials,
    Denied,
    Heard,
    Opened,
    Said,
    Trouble,
    Turn,
)
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.signing import hmac_base64
from common.exchanges.wire import STRANGE, integer, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market

# What a code of a classic socket means for the account.
SOCKET_TROUBLES: Mapping[int, Trouble] = {
    400: "config",
    401: "expired",  # the token: the next connect has another
    403: "expired",  # not logged in, which only the token does
    404: "config",
    406: "config",
    415: "config",
    509: "rate",  # every limit there is, and "service busy"
}


def converse(market: Market, address: str) -> Conversation:
    """A new socket's conversation."""
    return UnifiedConversation(market) if is_unified(address) else ClassicConversation(market)


class _OfOneAccount:
    """What both kinds have in common: a socket that is one account's, and is left by hanging up."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._account: str | None = None
        self._welcomed = False
        self._requests = 0
        # The ids of what has not been answered yet.
        self._asked: set[str] = set()

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``."""
        return ()

    def probe(self) -> Sequence[str]:
        """See ``Conversation``."""
        return (ping(int(self._next())),)

    def _next(self) -> str:
        self._requests += 1
        return str(self._requests)

    def _say(self, heard: Sequence[Heard]) -> Turn:
        return Turn([Said(self._account, what) for what in heard])


# --- classic ------------------------------------------------------------------------------------

_frame = msgspec.json.Decoder(Frame)


class ClassicConversation(_OfOneAccount):
    """Welcomed, it subscribes: the token has said who it is."""

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        self._answers: Mapping[str, Callable[[Frame, Catalog], Turn]] = {
            "welcome": self._on_welcome,
            "ack": self._on_ack,
            "error": self._on_error,
            "pong": self._on_pong,
            "message": self._on_push,
        }

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``."""
        self._account = account
        return self._subscribe() if self._welcomed else ()

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        try:
            message = _frame.decode(frame)
        except STRANGE as error:
            return self._say([unreadable(error)])
        # Old samples of pushes and of errors come without a type.
        kind = message.type or ("message" if message.topic else "error")
        answer = self._answers.get(kind)
        if answer is None:
            return self._say([Unreadable("unknown_type", f"{kind!r:.40}")])
        return answer(message, catalog)

    def _subscribe(self) -> Sequence[str]:
        texts = []
        for topic in TOPICS[self._market]:
            name = self._next()
            self._asked.add(name)
            message = {
                "id": name,
                "type": "subscribe",
                "topic": topic,
                "privateChannel": True,
                "response": True,
            }
            texts.append(msgspec.json.encode(message).decode())
        return texts

    def _on_welcome(self, _message: Frame, _catalog: Catalog) -> Turn:
        again, self._welcomed = self._welcomed, True
        return Turn(send=() if again or self._account is None else self._subscribe())

    def _on_ack(self, message: Frame, _catalog: Catalog) -> Turn:
        name = str(message.id)
        if name not in self._asked:
            return self._say([Unreadable("wrong_shape", f"an ack to {message.id!r:.40}")])
        self._asked.remove(name)
        return Turn() if self._asked else self._say([Opened()])

    def _on_error(self, message: Frame, _catalog: Catalog) -> Turn:
        detail = f"{message.code} {bytes(message.data).decode(errors='replace')}"[:200]
        if message.code is None:
            return self._say([Unreadable("unknown_type", detail)])
        if "ping timeout" in detail:
            return self._say([Notice("closing", detail)])
        code = integer(message.code)
        known = None if code is None else SOCKET_TROUBLES.get(code)
        return self._say([Denied(known or "transient", detail)])

    def _on_pong(self, _message: Frame, _catalog: Catalog) -> Turn:
        return self._say([Alive()])

    def _on_push(self, message: Frame, catalog: Catalog) -> Turn:
        return self._say(told(self._market, message.topic, message.subject, message.data, catalog))


# --- unified ------------------------------------------------------------------------------------

_VERIFY = "POST/api/websocket/users/verify"
# What a refusal means that is told in words: by the first of these that is in it.
_REASONS: Sequence[tuple[str, Trouble]] = (
    ("timestamp", "clock"),
    ("whitelist", "address"),
    ("permission", "permission"),
    ("kc-api", "key"),
    ("passphrase", "key"),
    ("too many", "rate"),
    ("missing", "config"),
)


class _Frame(Struct):
    """Everything that arrives; what is welcome and what is pong is said in one of several places."""

    id: str | int | None = None
    type: object = None
    op: object = None
    message: object = None
    result: bool | str | None = None
    code: int | str | None = None
    reason: object = None
    topic: str = field(name="T", default="")
    push: Raw = field(name="d", default=Raw(b"null"))


_unified_frame = msgspec.json.Decoder(_Frame)


class UnifiedConversation(_OfOneAccount):
    """Welcomed, it logs in; logged in, it subscribes."""

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        # What says who it is, until it is sent.
        self._login = ""
        self._login_id = ""
        self._by_worth = ByWorth()

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """See ``Conversation``."""
        self._account = account
        self._login_id = self._next()
        message = {
            "id": self._login_id,
            "op": "auth",
            "kc-api-key": credentials.key.reveal(),
            "kc-api-sign": hmac_base64(credentials.secret, f"{now_ms}{_VERIFY}"),
            "kc-api-timestamp": str(now_ms),
            "kc-api-passphrase": signed_passphrase(credentials),
        }
        self._login = msgspec.json.encode(message).decode()
        return self._log_in() if self._welcomed else ()

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        try:
            heard = _unified_frame.decode(frame)
        except STRANGE as error:
            return self._say([unreadable(error)])
        if heard.topic:
            pushed = unified.told(self._market, heard.topic, heard.push, catalog)
            return self._say(self._by_worth.take(pushed) if self._market == "spot" else pushed)
        words = (heard.type, heard.op, heard.message)
        if "pong" in words:
            return self._say([Alive()])
        if "welcome" in words:
            self._welcomed = True
            return Turn(send=self._log_in())
        if heard.result is None and heard.code is None and heard.type != "error":
            return self._say([Unreadable("unknown_type", f"{heard.type!r:.40}")])
        return self._answered(heard)

    def _answered(self, reply: _Frame) -> Turn:
        """The login is answered by subscriptions, the last of those by nothing."""
        name = str(reply.id)
        if str(reply.result).lower() != "true":
            detail = f"{reply.code or ''} {reply.reason or reply.message or ''}".strip()[:200]
            return self._say([Denied(_trouble_of(reply.code, detail), detail)])
        if name not in self._asked:
            return self._say([Unreadable("wrong_shape", f"an ack to {reply.id!r:.40}")])
        self._asked.remove(name)
        if name == self._login_id:
            return Turn(send=self._subscribe())
        return Turn() if self._asked else self._say([Opened()])

    def _log_in(self) -> Sequence[str]:
        login, self._login = self._login, ""
        if not login:
            return ()
        self._asked.add(self._login_id)
        return (login,)

    def _subscribe(self) -> Sequence[str]:
        texts = []
        for channel in unified.CHANNELS[self._market]:
            name = self._next()
            self._asked.add(name)
            message = {"id": name, "action": "SUBSCRIBE", **channel}
            texts.append(msgspec.json.encode(message).decode())
        return texts


def _trouble_of(code: int | str | None, detail: str) -> Trouble:
    known = integer(code)
    if known is not None and known in TROUBLES:
        return TROUBLES[known]
    lower = detail.lower()
    return next((trouble for words, trouble in _REASONS if words in lower), "transient")
