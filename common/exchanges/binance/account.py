"""Binance's accounts: where they are, how they are signed for and opened, what errors mean. Pure.

Futures accounts have a listen key, fetched and kept alive by REST; spot accounts need none.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, field

from common.exchanges.answers import told
from common.exchanges.binance.rest import ERROR, Error
from common.exchanges.private import Credentials, Hosts, InquiryFailed, PrivateRules, Trouble
from common.exchanges.protocol import RestFailure, RestRequest
from common.exchanges.signing import ed25519_base64, hmac_hex
from common.exchanges.wire import decoded
from common.model.streams import Market

# How long a signature holds. The exchange allows a second into its future and none into its past.
RECV_WINDOW_MS = 5000

_SPOT_TEST = Hosts(
    "https://testnet.binance.vision", "wss://ws-api.testnet.binance.vision/ws-api/v3"
)
_FUTURES_TEST = "https://testnet.binancefuture.com"


def _futures(rest: str, socket: str, test_socket: str) -> PrivateRules:
    return PrivateRules(
        hosts={
            ("live", ""): Hosts(rest, socket),
            ("sandbox", ""): Hosts(_FUTURES_TEST, test_socket),
        },
        key_kinds=("hmac", "ed25519"),
        lists_all=False,
        keep_s=1500.0,
        # LIST_SUBSCRIPTIONS knows nothing of listen keys.
        proof_s=30.0,
        remembers_s=3 * 86400.0,
    )


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
    "linear": _futures(
        "https://fapi.binance.com",
        "wss://fstream.binance.com/private/ws",
        "wss://fstream.binancefuture.com/private/ws",
    ),
    "inverse": _futures(
        "https://dapi.binance.com",
        "wss://dstream.binance.com/ws",
        "wss://dstream.binancefuture.com/ws",
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


def trouble(status: int, _headers: Mapping[str, str], body: bytes) -> Trouble | None:
    """What a REST answer means for the account; None for success."""
    if status < 400:
        return None
    error = told(ERROR, body) or Error()
    return trouble_of(status, error.code)


def trouble_of(status: int, code: int) -> Trouble:
    """What a refusal means for the account."""
    known = _TROUBLES.get(code)
    if known is not None:
        return known
    if status in (403, 418, 429):
        return "rate"
    return "key" if status == 401 else "transient"


# --- opening ------------------------------------------------------------------------------------


class _ListenKey(Struct):
    key: str = field(name="listenKey")


class _KeptKey(Struct):
    """Not every answer names it."""

    key: str = field(name="listenKey", default="")


_listen_key = msgspec.json.Decoder(_ListenKey)
_kept_key = msgspec.json.Decoder(_KeptKey)
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
    market: Market, credentials: Credentials, url: str
) -> Generator[RestRequest, bytes, None]:
    """The listen key lives on; ``expired`` if it is gone, also where another has taken its place."""
    kept = told(_kept_key, (yield _listen_key_request(market, credentials, "PUT")))
    if kept is not None and kept.key and not url.endswith(f"/{kept.key}"):
        gone = RestFailure("transient", "the account has another listen key now")
        raise InquiryFailed(gone, "expired")


def _listen_key_request(market: Market, credentials: Credentials, method: str) -> RestRequest:
    url = hosts_of(market, credentials).rest + _LISTEN_KEYS[market]
    return RestRequest(url=url, cost={"futures": 1}, method=method)
