"""Binance's accounts: where they are, how they are signed for, and what is said on their sockets. Pure.

Three protocols under one name. Spot accounts are subscribed by signature on the WebSocket API, many on
one socket, without any key to keep alive. USD-M and COIN-M accounts have a listen key, fetched and
kept alive by REST, and a socket each; a wrong key is not refused there, and an expired one is silent.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from common.exchanges.binance.told import told
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    Heard,
    Hosts,
    Opened,
    PrivateRules,
    Said,
    Trouble,
    Turn,
)
from common.exchanges.protocol import Notice, RestRequest, Unreadable
from common.exchanges.signing import ed25519_base64, hmac_hex
from common.exchanges.wire import BROKEN, decoded
from common.model.instruments import Catalog
from common.model.streams import Market

# How long a signature holds. The exchange allows a second into its future and none into its past.
RECV_WINDOW_MS = 5000

_SPOT_TEST = Hosts(
    "https://testnet.binance.vision", "wss://ws-api.testnet.binance.vision/ws-api/v3"
)
_FUTURES_TEST = "https://testnet.binancefuture.com"
RULES: Mapping[Market, PrivateRules] = {
    "spot": PrivateRules(
        hosts={
            ("live", ""): Hosts("https://api.binance.com", "wss://ws-api.binance.com/ws-api/v3"),
            ("sandbox", ""): _SPOT_TEST,
        },
        key_kinds=("hmac", "ed25519"),
        lists_all=False,
        # Reserve: 1,000 are documented.
        accounts_per_connection=200,
        dial_cost={"connections": 1, "spot": 2},
        join_cost={"spot": 2},
    ),
    "linear": PrivateRules(
        hosts={
            ("live", ""): Hosts("https://fapi.binance.com", "wss://fstream.binance.com/private/ws"),
            ("sandbox", ""): Hosts(_FUTURES_TEST, "wss://fstream.binancefuture.com/private/ws"),
        },
        key_kinds=("hmac", "ed25519"),
        lists_all=False,
        keep_s=1500.0,
        remembers_s=3 * 86400.0,
    ),
    "inverse": PrivateRules(
        hosts={
            ("live", ""): Hosts("https://dapi.binance.com", "wss://dstream.binance.com/ws"),
            ("sandbox", ""): Hosts(_FUTURES_TEST, "wss://dstream.binancefuture.com/ws"),
        },
        key_kinds=("hmac", "ed25519"),
        lists_all=False,
        keep_s=1500.0,
        remembers_s=3 * 86400.0,
    ),
}
# What an error means for the account; other codes tell by what the request itself came to.
_TROUBLES: Mapping[int, Trouble] = {
    -1002: "permission",
    -1003: "rate",
    -1015: "rate",
    -1021: "clock",
    -1022: "key",
    -1034: "rate",
    -1099: "permission",
    -1125: "expired",
    -2008: "key",
    -2014: "key",
    # Key, address or permission: the exchange does not say which.
    -2015: "key",
    -4056: "permission",
}


# --- signing ------------------------------------------------------------------------------------


def signature(credentials: Credentials, text: str) -> str:
    """Of a query: hex by HMAC, base64 by Ed25519."""
    if credentials.kind == "ed25519":
        return ed25519_base64(credentials.secret, text)
    return hmac_hex(credentials.secret, text)


def sign(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """The key in a header, and the signature over the query as it is sent."""
    headers = {**request.headers, "X-MBX-APIKEY": credentials.key.reveal()}
    if not request.signed:
        return msgspec.structs.replace(request, headers=headers)
    query = urlencode(
        {**request.params, "recvWindow": str(RECV_WINDOW_MS), "timestamp": str(now_ms)}
    )
    signed = urlencode({"signature": signature(credentials, query)})
    url = f"{request.url}?{query}&{signed}"
    return msgspec.structs.replace(request, url=url, params={}, headers=headers, signed=False)


class _Error(Struct):
    code: int = 0
    msg: str = ""


_error = msgspec.json.Decoder(_Error)


def trouble(status: int, _headers: Mapping[str, str], body: bytes) -> Trouble | None:
    """What a REST answer means for the account; None for success."""
    if status < 400:
        return None
    try:
        code = _error.decode(body).code
    except BROKEN:
        code = 0
    return _trouble(status, code)


def _trouble(status: int, code: int) -> Trouble:
    known = _TROUBLES.get(code)
    if known is not None:
        return known
    if status in (403, 418, 429):
        return "rate"
    return "key" if status == 401 else "transient"


# --- opening ------------------------------------------------------------------------------------


class _ListenKey(Struct):
    key: str = field(name="listenKey")


_listen_key = msgspec.json.Decoder(_ListenKey)
_LISTEN_KEYS: Mapping[Market, str] = {
    "linear": "/fapi/v1/listenKey",
    "inverse": "/dapi/v1/listenKey",
}


def hosts_of(market: Market, credentials: Credentials) -> Hosts:
    """Where an account lives.

    Raises:
        KeyError: nowhere that is known; who opens accounts has refused it.
    """
    return RULES[market].hosts[credentials.environment, credentials.region]


def opening(market: Market, credentials: Credentials) -> Generator[RestRequest, bytes, str]:
    """Where to dial; on futures that holds the listen key."""
    hosts = hosts_of(market, credentials)
    if market == "spot":
        return hosts.socket
    key = decoded(_listen_key, (yield _listen_key_request(market, credentials, "POST"))).key
    return f"{hosts.socket}/{key}"


def keeping(
    market: Market, credentials: Credentials, _url: str
) -> Generator[RestRequest, bytes, None]:
    """The listen key lives on; ``expired`` if it is gone."""
    yield _listen_key_request(market, credentials, "PUT")


def _listen_key_request(market: Market, credentials: Credentials, method: str) -> RestRequest:
    url = hosts_of(market, credentials).rest + _LISTEN_KEYS[market]
    return RestRequest(url=url, cost={"futures": 1}, method=method)


# --- spot: many accounts on one socket ----------------------------------------------------------


class _Subscribed(Struct):
    number: int = field(name="subscriptionId")


class _Reply(Struct):
    """Everything that arrives on the WebSocket API."""

    id: str | int | None = None
    status: int = 0
    result: Raw = Raw(b"null")
    error: _Error | None = None
    number: int | None = field(name="subscriptionId", default=None)
    event: Raw | UnsetType = UNSET


_reply = msgspec.json.Decoder(_Reply)
_subscribed = msgspec.json.Decoder(_Subscribed)
_subscriptions = msgspec.json.Decoder(list[_Subscribed])
_SHUTDOWN = b"serverShutdown"


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
            self._request("userDataStream.unsubscribe", {"subscriptionId": number}, None)
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
        error = reply.error or _Error(msg="an answer to nothing")
        account = self._asked.pop(str(reply.id), None)
        denied = Denied(_trouble(reply.status, error.code), f"{error.code} {error.msg}"[:200])
        return Turn((Said(account, denied),))

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
    error: _Error | None = None
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
                [Denied(_trouble(0, error_.code), f"{error_.code} {error_.msg}"[:200])]
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
