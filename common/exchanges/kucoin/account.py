"""KuCoin's accounts: where they are, how they are signed for, and what is said on their sockets. Pure.

A socket is dialled with a token, asked by a signed call anew for every connect; it is one account's,
and of one product (spot, or both futures). Accounts are in one of two modes: unified ones have other
topics and other calls, and the topics of the classic ones are accepted there and stay silent. So the
mode is asked first, and unified accounts are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct, field

from common.exchanges.answers import told as said
from common.exchanges.kucoin.parse import Frame, ping
from common.exchanges.kucoin.rest import parse_address
from common.exchanges.kucoin.told import TOPICS, told
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    Environment,
    Heard,
    Hosts,
    InquiryFailed,
    Opened,
    PrivateRules,
    Said,
    Trouble,
    Turn,
)
from common.exchanges.protocol import Notice, RestFailure, RestRequest, Unreadable
from common.exchanges.signing import hmac_base64
from common.exchanges.wire import STRANGE, decoded, integer, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market

# The socket's address comes with the token. There is no sandbox any more.
_SPOT_HOSTS: Mapping[tuple[Environment, str], Hosts] = {
    ("live", ""): Hosts("https://api.kucoin.com", ""),
    ("live", "eu"): Hosts("https://api.kucoin.eu", ""),
}
_FUTURES_HOSTS: Mapping[tuple[Environment, str], Hosts] = {
    ("live", ""): Hosts("https://api-futures.kucoin.com", ""),
    ("live", "eu"): Hosts("https://api-futures.kucoin.eu", ""),
}
_DAY_S = 86400.0


def _rules(hosts: Mapping[tuple[Environment, str], Hosts], remembers_s: float) -> PrivateRules:
    return PrivateRules(
        hosts=hosts,
        passphrase=True,
        # A token lasts 24 h, and so may the connection made with it.
        lifetime_s=23.5 * 3600,
        # Reserve: pingInterval is 18 s, and 10 s more are granted.
        ping_s=15.0,
        remembers_s=remembers_s,
    )


RULES: Mapping[Market, PrivateRules] = {
    "spot": _rules(_SPOT_HOSTS, 3 * _DAY_S),
    "linear": _rules(_FUTURES_HOSTS, _DAY_S),
    "inverse": _rules(_FUTURES_HOSTS, _DAY_S),
}
# What a code of REST means for the account; other codes tell by the status.
TROUBLES: Mapping[int, Trouble] = {
    400001: "config",  # a header is missing
    400002: "clock",
    400003: "key",
    400004: "key",  # the passphrase
    400005: "key",  # the signature
    400006: "address",
    400007: "permission",
    400100: "config",
    411100: "permission",  # the user is frozen
    429000: "rate",
    429002: "rate",
    500000: "transient",
    503000: "transient",
}
# The same of the socket.
SOCKET_TROUBLES: Mapping[int, Trouble] = {
    400: "config",
    401: "expired",  # the token: the next connect has another
    403: "expired",  # not logged in, which only the token does
    404: "config",
    406: "config",
    415: "config",
    509: "rate",  # every limit there is, and "service busy"
}
_SUCCESS = 200_000
# Reserve: the newest version; the passphrase is signed as in the one before.
_KEY_VERSION = "3"


# --- signing ------------------------------------------------------------------------------------


def sign(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """All of it in headers; what is signed is time, method, path with query, and body."""
    if not request.signed:
        return request
    url = f"{request.url}?{urlencode(request.params)}" if request.params else request.url
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    text = f"{now_ms}{request.method}{path}{request.body.decode()}"
    passphrase = "" if credentials.passphrase is None else credentials.passphrase.reveal()
    headers = {
        **request.headers,
        "KC-API-KEY": credentials.key.reveal(),
        "KC-API-SIGN": hmac_base64(credentials.secret, text),
        "KC-API-TIMESTAMP": str(now_ms),
        "KC-API-PASSPHRASE": hmac_base64(credentials.secret, passphrase),
        "KC-API-KEY-VERSION": _KEY_VERSION,
        "Content-Type": "application/json",
    }
    return msgspec.structs.replace(request, url=url, params={}, headers=headers, signed=False)


class _Status(Struct):
    code: str | int = ""


_status = msgspec.json.Decoder(_Status)


def trouble(status: int, _headers: Mapping[str, str], body: bytes) -> Trouble | None:
    """What a REST answer means for the account; None for success."""
    answer = said(_status, body)
    code = None if answer is None else integer(answer.code)
    if status < 400 and code == _SUCCESS:
        return None
    known = None if code is None else TROUBLES.get(code)
    if known is not None:
        return known
    if status in (403, 418, 429):
        return "rate"
    return "key" if status == 401 else "transient"


# --- opening ------------------------------------------------------------------------------------


class _Mode(Struct):
    name: str = field(name="selfAccountMode")


class _ModeBody(Struct):
    data: _Mode


_mode = msgspec.json.Decoder(_ModeBody)


def hosts_of(market: Market, credentials: Credentials) -> Hosts:
    """Where an account lives.

    Raises:
        KeyError: nowhere that is known; who opens accounts has refused it.
    """
    return RULES[market].hosts[credentials.environment, credentials.region]


def private_request(
    market: Market,
    credentials: Credentials,
    call: tuple[str, int],
    params: Mapping[str, str] | None = None,
    method: str = "GET",
) -> RestRequest:
    """A signed request for a path, with its weight."""
    path, weight = call
    return RestRequest(
        url=hosts_of(market, credentials).rest + path,
        params=params or {},
        cost={"private": weight},
        method=method,
        signed=True,
    )


def opening(market: Market, credentials: Credentials) -> Generator[RestRequest, bytes, str]:
    """Where to dial, with a token for one connect.

    Raises:
        InquiryFailed: the account is of a mode that is not supported.
    """
    # Both products are told of the mode where spot is.
    body = yield private_request("spot", credentials, ("/api/ua/v2/account/mode", 1))
    mode = decoded(_mode, body).data.name
    if mode != "CLASSIC":
        detail = f"the account is in {mode:.20} mode; only CLASSIC accounts are supported"
        raise InquiryFailed(RestFailure("unsupported", detail), "mode")
    call = ("/api/v1/bullet-private", 10)
    return parse_address(market, (yield private_request(market, credentials, call, method="POST")))


# --- the conversation ---------------------------------------------------------------------------


_frame = msgspec.json.Decoder(Frame)


class Conversation:
    """One account's socket: welcomed, it subscribes; all acknowledged, the account is open.

    A session keeps its topics for as long as it lives and cannot be asked for them: that it answers
    a ping is the sign of life there is.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._account: str | None = None
        self._welcomed = False
        self._requests = 0
        # What has not been answered yet: topics by the ids they were asked with.
        self._asked: dict[str, str] = {}
        self._answers: Mapping[str, Callable[[Frame, Catalog], Turn]] = {
            "welcome": self._on_welcome,
            "ack": self._on_ack,
            "error": self._on_error,
            "pong": self._on_pong,
            "message": self._on_push,
        }

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``: the token has said who it is; nothing is said before the welcome."""
        self._account = account
        return self._subscribe() if self._welcomed else ()

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``."""
        return ()

    def probe(self) -> Sequence[str]:
        """See ``Conversation``."""
        self._requests += 1
        return (ping(self._requests),)

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
            self._requests += 1
            name = str(self._requests)
            self._asked[name] = topic
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
        if self._asked.pop(str(message.id), None) is None:
            return self._say([Unreadable("wrong_shape", f"an ack to {message.id!r:.40}")])
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

    def _say(self, heard: Sequence[Heard]) -> Turn:
        return Turn([Said(self._account, what) for what in heard])
