"""What is said on the sockets of Binance's accounts. Pure.

Three protocols under one name. Spot accounts are subscribed by signature on the WebSocket API, many on
one socket, without any key to keep alive. USD-M and COIN-M accounts have a listen key (``account``)
and a socket each; a wrong key is not refused there, and an expired one is silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from common.exchanges.binance.account import signature, trouble_of
from common.exchanges.binance.rest import Error
from common.exchanges.binance.told import told
from common.exchanges.private import Alive, Credentials, Denied, Heard, Opened, Said, Turn
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.wire import BROKEN
from common.model.instruments import Catalog
from common.model.streams import Market

# --- spot: many accounts on one socket ----------------------------------------------------------


class _Subscribed(Struct):
    number: int = field(name="subscriptionId")


class _Reply(Struct):
    """Everything that arrives on the WebSocket API."""

    id: str | int | None = None
    status: int = 0
    result: Raw = Raw(b"null")
    error: Error | None = None
    number: int | None = field(name="subscriptionId", default=None)
    event: Raw | UnsetType = UNSET


_reply = msgspec.json.Decoder(_Reply)
_subscribed = msgspec.json.Decoder(_Subscribed)
_subscriptions = msgspec.json.Decoder(list[_Subscribed])
_SHUTDOWN = b"serverShutdown"
_UNSUBSCRIBE = "unsubscribe"


class SpotConversation:
    """The WebSocket API: accounts are subscribed by signature, each has a number of its own."""

    def __init__(self) -> None:
        self._asked: dict[str, str | None] = {}
        self._accounts: dict[int, str] = {}
        self._requests = 0

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """See ``Conversation``."""
        parameters = {"apiKey": credentials.key.reveal(), "timestamp": now_ms}
        # Here the query is signed as it is read, not as it would be encoded.
        text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        signed = {**parameters, "signature": signature(credentials, text)}
        return (self._request("userDataStream.subscribe.signature", signed, account),)

    def leave(self, account: str) -> Sequence[str]:
        """See ``Conversation``."""
        numbers = [number for number, name in self._accounts.items() if name == account]
        for number in numbers:
            del self._accounts[number]
        return [
            self._request(f"userDataStream.{_UNSUBSCRIBE}", {"subscriptionId": number}, None)
            for number in numbers
        ]

    def probe(self) -> Sequence[str]:
        """Which subscriptions there are: a revoked key is only noticed by asking."""
        return (self._request("session.subscriptions", {}, None),)

    def _request(self, method: str, params: Mapping[str, object], account: str | None) -> str:
        self._requests += 1
        name = f"{method.rpartition('.')[2]}{self._requests}"
        self._asked[name] = account
        return msgspec.json.encode({"id": name, "method": method, "params": params}).decode()

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        try:
            reply = _reply.decode(frame)
        except BROKEN as error:
            return _all(Unreadable("not_json", str(error)))
        if reply.event is not UNSET:
            return self._event(reply.number, reply.event, catalog)
        if reply.id is None or reply.error is not None:
            return self._refused(reply)
        name = str(reply.id)
        account = self._asked.pop(name, None)
        try:
            if account is not None:
                self._accounts[_subscribed.decode(reply.result).number] = account
                return Turn((Said(account, Opened()),))
            if name.startswith("subscriptions"):
                return self._listed(_subscriptions.decode(reply.result))
        except BROKEN as error:
            return _all(Unreadable("wrong_shape", str(error)))
        return Turn()

    def _event(self, number: int | None, event: Raw, catalog: Catalog) -> Turn:
        account = None if number is None else self._accounts.get(number)
        if account is None:
            closing = _SHUTDOWN in bytes(event)
            return _all(Notice("closing" if closing else "other", "an event of no account"))
        return Turn([Said(account, what) for what in told("spot", event, catalog)])

    def _refused(self, reply: _Reply) -> Turn:
        error = reply.error or Error(msg="an answer to nothing")
        name, detail = str(reply.id), f"{error.code} {error.msg}"[:200]
        account = self._asked.pop(name, None)
        trouble = trouble_of(reply.status, error.code)
        if account is None and trouble != "rate":
            if name.startswith(_UNSUBSCRIBE):
                return _all(Notice("other", detail))
            # Whose key it is about is not said, and most of them are right: each that joins anew is
            # refused, or not, by its own name.
            trouble = "expired"
        return Turn((Said(account, Denied(trouble, detail)),))

    def _listed(self, subscriptions: Sequence[_Subscribed]) -> Turn:
        """What the exchange does not list any more has to be subscribed again."""
        there = {each.number for each in subscriptions}
        gone = [number for number in self._accounts if number not in there]
        ended = Denied("expired", "the exchange does not list the subscription")
        said = [Said(self._accounts.pop(number), ended) for number in gone]
        return Turn([*said, Said(None, Alive())])


# --- futures: a socket for each account ---------------------------------------------------------


class _Wrapped(Struct):
    id: int | str | None = None
    error: Error | None = None
    event: str | None = field(name="e", default=None)
    data: Raw | UnsetType = UNSET


_wrapped = msgspec.json.Decoder(_Wrapped)


class FuturesConversation:
    """A socket whose address holds the listen key; all of it is one account's."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._account: str | None = None
        self._opened = False
        self._requests = 0

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``: nothing has to be said, but an answer proves that it is heard."""
        self._account = account
        return self.probe()

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``."""
        return ()

    def probe(self) -> Sequence[str]:
        """See ``Conversation``."""
        self._requests += 1
        return (
            msgspec.json.encode({"method": "LIST_SUBSCRIPTIONS", "id": self._requests}).decode(),
        )

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        try:
            wrapped = _wrapped.decode(frame)
        except BROKEN as error:
            return _all(Unreadable("not_json", str(error)))
        if wrapped.event is not None or wrapped.data is not UNSET:
            event = frame if wrapped.data is UNSET else wrapped.data
            return self._say(told(self._market, event, catalog))
        if wrapped.error is not None:
            error_ = wrapped.error
            return self._say(
                [Denied(trouble_of(0, error_.code), f"{error_.code} {error_.msg}"[:200])]
            )
        opened, self._opened = self._opened, True
        return self._say([Alive()] if opened else [Opened(), Alive()])

    def _say(self, heard: Sequence[Heard]) -> Turn:
        return Turn([Said(self._account, what) for what in heard])


def _all(what: Heard) -> Turn:
    return Turn((Said(None, what),))


def converse(market: Market, _address: str = "") -> SpotConversation | FuturesConversation:
    """A new socket's conversation."""
    return SpotConversation() if market == "spot" else FuturesConversation(market)
