"""Bitget's accounts: where they are, how they are signed for, and what an error means for them. Pure.

An account is of one of two systems, and each refuses the other's by a code of its own: *classic*
(v2), with channels and paths for each market, and *unified* (v3), where one account trades them all.
Which it is, is found out before a socket is dialed, and is in the address.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from common.exchanges.answers import told as answer_of
from common.exchanges.private import Credentials, Hosts, InquiryFailed, PrivateRules, Trouble
from common.exchanges.protocol import RestRequest
from common.exchanges.signing import hmac_base64
from common.model.secret import Secret
from common.model.streams import Market

_REST = "https://api.bitget.com"
# Demo accounts have the same REST, told apart by a header, and sockets of their own.
_DEMO_HEADER = {"paptrading": "1"}
CLASSIC_PATH, UNIFIED_PATH = "/v2/ws/private", "/v3/ws/private"
_SETTINGS = "/api/v3/account/settings"

_RULES = PrivateRules(
    # The path follows from the account's system: see ``opening``.
    hosts={
        ("live", ""): Hosts(_REST, "wss://ws.bitget.com"),
        ("sandbox", ""): Hosts(_REST, "wss://wspap.bitget.com"),
    },
    passphrase=True,
    # The exchange cuts at 24 h, we go half an hour before.
    lifetime_s=23.5 * 3600,
    # A ping is wanted every 30 s; without any for two minutes it ends the connection.
    ping_s=25.0,
    fills_apart=True,
    # A probe is two requests of the 240 subscribes that a connection has in an hour.
    probe_s=60.0,
    # Histories go back 90 days. Reserve: a day, for what lies at their end.
    remembers_s=89 * 86400.0,
)
RULES: Mapping[Market, PrivateRules] = {"spot": _RULES, "linear": _RULES, "inverse": _RULES}

# What a code means for the account, of sockets (30…), of REST (4…) and of unified accounts (25…).
# What is not here counts as transient, also 40010 (timed out) and what the exchange says while it
# releases (40015, 40725, 40808, 45001).
_TROUBLES: Mapping[str, Trouble] = {
    "30001": "config",
    "30002": "config",
    "30003": "config",
    "30004": "expired",
    "30005": "key",
    "30006": "rate",
    "30007": "rate",
    "30011": "key",
    "30012": "key",
    "30013": "clock",
    "30014": "clock",
    "30015": "key",
    "30016": "config",
    "429": "rate",
    "1001": "rate",
    "22010": "address",  # the key has to be bound to addresses first
    "25004": "rate",
    "25245": "mode",
    "25620": "permission",
    "40001": "config",
    "40002": "config",
    "40003": "config",
    "40004": "clock",
    "40005": "clock",
    "40006": "key",
    "40007": "config",
    "40008": "clock",
    "40009": "key",
    "40011": "config",
    "40012": "key",
    "40013": "permission",  # the user's state is abnormal, as the next four are
    "40014": "permission",
    "40022": "permission",
    "40023": "permission",
    "40024": "permission",
    "40025": "permission",
    "40026": "permission",
    "40031": "permission",
    "40017": "config",
    "40018": "address",
    "40019": "config",
    "40020": "config",
    "40034": "config",
    "40036": "key",
    "40037": "key",
    "40038": "address",
    "40040": "permission",
    "40041": "key",
    "40053": "config",
    "40061": "permission",
    "40068": "permission",
    "40078": "clock",
    "40084": "mode",  # a classic account asked in the unified system's way
    "40085": "mode",  # a unified account asked in the classic system's way
    "40103": "address",
    "40104": "address",
    "40301": "permission",
    "40404": "config",
    "40710": "permission",
    "400171": "config",
    "400172": "config",
}
_STATUSES: Mapping[int, Trouble] = {401: "key", 403: "rate", 418: "rate", 429: "rate"}
_SUCCESS = "00000"


# --- signing ------------------------------------------------------------------------------------


def signature(secret: Secret, text: str) -> str:
    """HMAC-SHA256 in base64, of the time, the method, the path with its query, and the body."""
    return hmac_base64(secret, text)


def sign(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """All in headers. Parameters are ids, times and names: as they are signed is as they are sent."""
    demo = _DEMO_HEADER if credentials.environment == "sandbox" else {}
    query = f"?{urlencode(request.params)}" if request.params else ""
    path = urlsplit(request.url).path
    text = f"{now_ms}{request.method}{path}{query}{request.body.decode()}"
    headers = {
        **request.headers,
        **demo,
        "ACCESS-KEY": credentials.key.reveal(),
        "ACCESS-SIGN": signature(credentials.secret, text),
        "ACCESS-TIMESTAMP": str(now_ms),
        "ACCESS-PASSPHRASE": passphrase_of(credentials),
        "Content-Type": "application/json",
        "locale": "en-US",
    }
    url = request.url + query
    return msgspec.structs.replace(request, url=url, params={}, headers=headers, signed=False)


def passphrase_of(credentials: Credentials) -> str:
    """As it is sent; empty where there is none, which the exchange refuses by a code of its own."""
    return credentials.passphrase.reveal() if credentials.passphrase is not None else ""


# --- troubles -----------------------------------------------------------------------------------


class _Answer(Struct):
    code: str | int = ""


_answer = msgspec.json.Decoder(_Answer)


def trouble(status: int, _headers: Mapping[str, str], body: bytes) -> Trouble | None:
    """What a REST answer means for the account; None for success, which only one code is.

    A body that is empty or not the exchange's own says nothing of the account: ask again.
    """
    code = str((answer_of(_answer, body) or _Answer()).code)
    if status < 400 and code == _SUCCESS:
        return None
    return _TROUBLES.get(code) or _STATUSES.get(status, "transient")


def trouble_of(code: str) -> Trouble:
    """What a code means that came on a socket."""
    return _TROUBLES.get(code, "transient")


# --- opening ------------------------------------------------------------------------------------


def hosts_of(market: Market, credentials: Credentials) -> Hosts:
    """Where an account lives.

    Raises:
        KeyError: nowhere that is known; who opens accounts has refused it.
    """
    return RULES[market].hosts[credentials.environment, credentials.region]


def private_request(
    market: Market,
    credentials: Credentials,
    path: str,
    params: Mapping[str, str] | None = None,
) -> RestRequest:
    """Of the address's budget it takes one; most of the exchange's limits here are the account's."""
    url = hosts_of(market, credentials).rest + path
    return RestRequest(url=url, params=params or {}, cost={"requests": 1}, signed=True)


def opening(market: Market, credentials: Credentials) -> Generator[RestRequest, bytes, str]:
    """Where to dial: the socket of the account's own system.

    The other one takes the login and every subscription too, and then stays silent.
    """
    socket = hosts_of(market, credentials).socket
    try:
        yield private_request(market, credentials, _SETTINGS)
    except InquiryFailed as failed:
        if failed.trouble != "mode":
            raise
        return socket + CLASSIC_PATH
    return socket + UNIFIED_PATH
