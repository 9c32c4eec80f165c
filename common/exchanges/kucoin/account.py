"""KuCoin's accounts: where they are, how they are signed for, and in which mode they are. Pure.

Accounts are in one of two modes, each with sockets and calls of its own, so the mode is asked first. A
classic account's socket is dialed with a token, asked by a signed call anew for every connect, and is of
one product (spot, or both futures). A unified account's has everything, and is logged in on.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Literal
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct, field

from common.exchanges.answers import told as said
from common.exchanges.kucoin.rest import parse_address
from common.exchanges.private import (
    Credentials,
    Environment,
    Hosts,
    InquiryFailed,
    PrivateRules,
    Trouble,
)
from common.exchanges.protocol import RestFailure, RestRequest
from common.exchanges.signing import hmac_base64
from common.exchanges.wire import decoded, integer
from common.model.streams import Market

# The socket is that of unified accounts (which is not known of Europe); a classic account's comes
# with the token. There is no sandbox any more.
_UNIFIED = "wss://wsapi-push.kucoin.com"
_SPOT_HOSTS: Mapping[tuple[Environment, str], Hosts] = {
    ("live", ""): Hosts("https://api.kucoin.com", _UNIFIED),
    ("live", "eu"): Hosts("https://api.kucoin.eu", ""),
}
_FUTURES_HOSTS: Mapping[tuple[Environment, str], Hosts] = {
    ("live", ""): Hosts("https://api-futures.kucoin.com", _UNIFIED),
    ("live", "eu"): Hosts("https://api-futures.kucoin.eu", ""),
}
_DAY_S = 86400.0


def _rules(
    hosts: Mapping[tuple[Environment, str], Hosts], remembers_s: float, *, lists_all: bool
) -> PrivateRules:
    return PrivateRules(
        hosts=hosts,
        passphrase=True,
        lists_all=lists_all,
        # A token lasts 24 h, and so may the connection made with it.
        lifetime_s=23.5 * 3600,
        # Reserve: pingInterval is 18 s, and 10 s more are granted.
        ping_s=15.0,
        # Of unified accounts; in classic ones the last fill and the end it led to are two pushes.
        fills_apart=True,
        # That of classic accounts does not.
        streams_fees=False,
        remembers_s=remembers_s,
    )


RULES: Mapping[Market, PrivateRules] = {
    # What a classic account has done on spot is told of one symbol at a time.
    "spot": _rules(_SPOT_HOSTS, 2 * _DAY_S, lists_all=False),
    # Reserve: three months are documented.
    "linear": _rules(_FUTURES_HOSTS, _DAY_S, lists_all=True),
    "inverse": _rules(_FUTURES_HOSTS, _DAY_S, lists_all=True),
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
    headers = {
        **request.headers,
        "KC-API-KEY": credentials.key.reveal(),
        "KC-API-SIGN": hmac_base64(credentials.secret, text),
        "KC-API-TIMESTAMP": str(now_ms),
        "KC-API-PASSPHRASE": signed_passphrase(credentials),
        "KC-API-KEY-VERSION": _KEY_VERSION,
        "Content-Type": "application/json",
    }
    return msgspec.structs.replace(request, url=url, params={}, headers=headers, signed=False)


def signed_passphrase(credentials: Credentials) -> str:
    """The passphrase as it is sent."""
    passphrase = "" if credentials.passphrase is None else credentials.passphrase.reveal()
    return hmac_base64(credentials.secret, passphrase)


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


Mode = Literal["classic", "unified"]
MODES: Mapping[str, Mode] = {"CLASSIC": "classic", "UNIFIED": "unified"}
# Paths, each with its weight.
_MODE = ("/api/ua/v2/account/mode", 30)
_BULLET = ("/api/v1/bullet-private", 10)


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


def mode_of(credentials: Credentials) -> Generator[RestRequest, bytes, Mode]:
    """Which of the two modes an account is in; that of futures is told where spot is.

    Raises:
        InquiryFailed: it is another one.
    """
    body = yield private_request("spot", credentials, _MODE)
    name = decoded(_mode, body).data.name
    if name in MODES:
        return MODES[name]
    raise _unsupported(f"the account is in {name:.20} mode")


def opening(market: Market, credentials: Credentials) -> Generator[RestRequest, bytes, str]:
    """Where to dial; of a classic account that holds a token for one connect.

    Raises:
        InquiryFailed: the account is of a mode that is not supported (there).
    """
    if (yield from mode_of(credentials)) == "classic":
        body = yield private_request(market, credentials, _BULLET, method="POST")
        return parse_address(market, body)
    socket = hosts_of(market, credentials).socket
    if not socket:
        raise _unsupported("unified accounts of this region")
    return socket


def is_unified(address: str) -> bool:
    """Whether ``opening`` has found a unified account: only classic ones have a token."""
    return "token=" not in address


def _unsupported(what: str) -> InquiryFailed:
    return InquiryFailed(RestFailure("unsupported", f"not supported: {what}"), "mode")
