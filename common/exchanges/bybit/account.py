"""Bybit's accounts: where they are, how they are signed for, and what refusals mean. Pure."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, field

from common.exchanges.bybit.rest import outcome_of
from common.exchanges.private import (
    Credentials,
    Environment,
    Hosts,
    InquiryFailed,
    PrivateRules,
    Trouble,
)
from common.exchanges.protocol import RestFailure, RestRequest
from common.exchanges.signing import hmac_hex
from common.exchanges.wire import Millis, decoded
from common.model.streams import Market

# How long a signed request holds. The exchange allows less than a second into its future.
RECV_WINDOW_MS = 5000


def _hosts(rest: str, stream: str) -> Hosts:
    return Hosts(f"https://{rest}", f"wss://{stream}/v5/private")


# Where an account was opened is where it is served. The connect page names no sockets of Europe's,
# the Netherlands' and the Emirates' own: Europe's is on the page of the system status, the others'
# is the main one.
HOSTS: Mapping[tuple[Environment, str], Hosts] = {
    ("live", ""): _hosts("api.bybit.com", "stream.bybit.com"),
    ("live", "eu"): _hosts("api.bybit.eu", "stream.bybit.eu"),
    ("live", "nl"): _hosts("api.bybit.nl", "stream.bybit.com"),
    ("live", "ae"): _hosts("api.bybit.ae", "stream.bybit.com"),
    ("live", "tr"): _hosts("api.bybit.tr", "stream.bybit.tr"),
    ("live", "kz"): _hosts("api.bybit.kz", "stream.bybit.kz"),
    ("live", "id"): _hosts("api.bybit.id", "stream.bybit.id"),
    ("live", "ge"): _hosts("api.bybitgeorgia.ge", "stream.bybitgeorgia.ge"),
    ("live", "jp"): _hosts("api.manepa.jp", "stream.manepa.jp"),
    ("sandbox", ""): _hosts("api-testnet.bybit.com", "stream-testnet.bybit.com"),
    # Paper money at live prices: keys of its own.
    ("sandbox", "demo"): _hosts("api-demo.bybit.com", "stream-demo.bybit.com"),
}
_RULES = PrivateRules(
    hosts=HOSTS,
    # A ping every 20 s is asked for.
    ping_s=18.0,
    # Executions have a topic of their own.
    fills_apart=True,
    # What was cancelled without a fill is forgotten after a day.
    remembers_s=24 * 3600.0,
)
RULES: Mapping[Market, PrivateRules] = {"spot": _RULES, "linear": _RULES, "inverse": _RULES}

# What a code means for the account, in REST and on the private socket. Others are transient.
TROUBLES: Mapping[int, Trouble] = {
    10000: "transient",
    10001: "config",
    10002: "clock",
    10003: "key",  # a key of another environment too
    10004: "key",
    10005: "permission",
    10006: "rate",
    10007: "key",
    10008: "permission",
    10009: "rate",
    10010: "address",
    10016: "transient",
    10018: "rate",
    10024: "permission",
    10027: "permission",
    10028: "mode",
    10029: "config",
    10032: "mode",
    33004: "key",
    -2015: "key",
}
_HTTP: Mapping[int, Trouble] = {401: "key", 403: "rate", 429: "rate"}


# --- signing ------------------------------------------------------------------------------------


def sign(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """Key, time and signature in headers; signed is the query exactly as it is sent, or the body."""
    if not request.signed:
        return request
    query = urlencode(request.params)
    key, window = credentials.key.reveal(), str(RECV_WINDOW_MS)
    payload = request.body.decode() if request.method == "POST" else query
    headers = {
        **request.headers,
        "X-BAPI-API-KEY": key,
        "X-BAPI-TIMESTAMP": str(now_ms),
        "X-BAPI-RECV-WINDOW": window,
        "X-BAPI-SIGN": hmac_hex(credentials.secret, f"{now_ms}{key}{window}{payload}"),
    }
    url = f"{request.url}?{query}" if query else request.url
    return msgspec.structs.replace(request, url=url, params={}, headers=headers, signed=False)


def trouble(status: int, _headers: Mapping[str, str], body: bytes) -> Trouble | None:
    """What a REST answer means for the account; None for success, which only the code 0 is."""
    code = outcome_of(body).code
    if status < 400 and code == 0:
        return None
    return _HTTP.get(status) or TROUBLES.get(code or 0, "transient")


# --- opening ------------------------------------------------------------------------------------


class _AccountInfo(Struct):
    # 1: classic. 3, 4: unified but for inverse. 5, 6: unified.
    status: int = field(name="unifiedMarginStatus")
    margin_mode: str = field(name="marginMode", default="")


class _Info(Struct):
    result: _AccountInfo
    now_ms: Millis = field(name="time", default=0)


_info = msgspec.json.Decoder(_Info, strict=False)
# Markets that are not in an account's unified wallet, by the state of its upgrade.
_NOT_UNIFIED: Mapping[int, frozenset[Market]] = {
    1: frozenset({"spot", "linear", "inverse"}),
    3: frozenset({"inverse"}),
    4: frozenset({"inverse"}),
}


def hosts_of(credentials: Credentials) -> Hosts:
    """Where an account lives.

    Raises:
        KeyError: nowhere that is known; who opens accounts has refused it.
    """
    return HOSTS[credentials.environment, credentials.region]


def info_request(credentials: Credentials) -> RestRequest:
    """``GET /v5/account/info``."""
    url = f"{hosts_of(credentials).rest}/v5/account/info"
    return RestRequest(url=url, cost={"requests": 1}, signed=True)


def margin_mode(body: bytes) -> tuple[str, int]:
    """The account's, in the exchange's words, as of when; positions do not tell it."""
    info = decoded(_info, body)
    return info.result.margin_mode, info.now_ms


def opening(market: Market, credentials: Credentials) -> Generator[RestRequest, bytes, str]:
    """Where to dial; the account's mode is asked for first.

    Raises:
        InquiryFailed: ``mode``: the account is of a kind that the exchange has retired.
    """
    status = decoded(_info, (yield info_request(credentials))).result.status
    if market in _NOT_UNIFIED.get(status, ()):
        detail = f"not a unified account on {market} (unifiedMarginStatus {status})"
        raise InquiryFailed(RestFailure("config", detail), "mode")
    return hosts_of(credentials).socket
