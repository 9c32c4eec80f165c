"""OKX's accounts: where they are, how they are signed for, and what refusals mean. Pure."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from common.exchanges.okx.describe import MARKETS
from common.exchanges.private import (
    Credentials,
    Environment,
    Hosts,
    PrivateRules,
    Trouble,
)
from common.exchanges.protocol import RestRequest
from common.exchanges.signing import hmac_base64
from common.exchanges.wire import BROKEN
from common.model.streams import Market

# --- where accounts are -------------------------------------------------------------------------


def _hosts(
    rest: str, live: str, sandbox: str, *regions: str
) -> dict[tuple[Environment, str], Hosts]:
    """One place under all its names; the sandbox is on the same REST host, told by a header."""
    places: dict[tuple[Environment, str], Hosts] = {}
    for region in regions:
        places["live", region] = Hosts(f"https://{rest}", f"wss://{live}/ws/v5/private")
        places["sandbox", region] = Hosts(f"https://{rest}", f"wss://{sandbox}/ws/v5/private")
    return places


# Accounts are of the site they were opened on: my.okx.com is Europe's, app.okx.com is that of the
# United States and Australia. A key of one is unknown to the others.
_HOSTS: Mapping[tuple[Environment, str], Hosts] = {
    **_hosts("openapi.okx.com", "ws.okx.com", "wspap.okx.com", ""),
    **_hosts("eea.okx.com", "wseea.okx.com", "wseeapap.okx.com", "eea", "my"),
    **_hosts("us.okx.com", "wsus.okx.com", "wsuspap.okx.com", "us", "app"),
}
RULES: Mapping[Market, PrivateRules] = {
    market: PrivateRules(
        hosts=_HOSTS,
        passphrase=True,
        # A probe takes two of the 480 requests of an hour.
        probe_s=60.0,
        lifetime_s=rules.limits.lifetime_s,
        ping_s=rules.limits.ping_s,
        # An order that was cancelled without a trade is gone after two hours.
        remembers_s=2 * 3600.0,
        close_codes=rules.close_codes,
    )
    for market, rules in MARKETS.items()
}


def hosts_of(market: Market, credentials: Credentials) -> Hosts:
    """Where an account lives.

    Raises:
        KeyError: nowhere that is known; who opens accounts has refused it.
    """
    return RULES[market].hosts[credentials.environment, credentials.region]


def opening(market: Market, credentials: Credentials) -> Generator[RestRequest, bytes, str]:
    """Where to dial: nothing has to be asked for first."""
    yield from ()
    return hosts_of(market, credentials).socket


# --- signing ------------------------------------------------------------------------------------


def sign(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """Time, method, path with its query, and body are signed; they are sent as they were signed."""
    if not request.signed:
        return request
    url = f"{request.url}?{urlencode(request.params)}" if request.params else request.url
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    stamp = _iso(now_ms)
    text = f"{stamp}{request.method}{path}{request.body.decode()}"
    headers = {
        **request.headers,
        "OK-ACCESS-KEY": credentials.key.reveal(),
        "OK-ACCESS-SIGN": hmac_base64(credentials.secret, text),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": passphrase_of(credentials),
    }
    if credentials.environment == "sandbox":
        headers["x-simulated-trading"] = "1"
    return msgspec.structs.replace(request, url=url, params={}, headers=headers, signed=False)


def _iso(now_ms: int) -> str:
    """``2020-12-08T09:08:57.715Z``."""
    seconds, millis = divmod(now_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def passphrase_of(credentials: Credentials) -> str:
    """The key's; empty if none was given, which the exchange refuses."""
    return credentials.passphrase.reveal() if credentials.passphrase is not None else ""


# --- troubles -----------------------------------------------------------------------------------

# What a code of REST (5xxxx) or of the socket (6xxxx) means for the account; what is not here tells
# by its status, or counts as transient.
TROUBLE_CODES: Mapping[Trouble, tuple[int, ...]] = {
    "key": (
        50007, 50008, 50067, 50100, 50101, 50103, 50104, 50105, 50106, 50107, 50111, 50113, 50114,
        50119, 60005, 60007, 60009, 60024, 60032,
    ),
    "permission": (50027, 50028, 50029, 50030, 50041, 50051, 50059, 50060, 50120, 60029, 64003),
    "address": (50035, 50110, 50118, 50121),
    "clock": (50102, 50112, 60004, 60006),
    "mode": (50012,),
    "expired": (60011,),
    "rate": (50011, 50040, 50061, 60014, 60023),
    "config": (
        50005, 50014, 50108, 50109, 50115, 51000, 60008, 60012, 60013, 60018, 60019, 60026, 60027,
        60028, 60033, 64000, 64001, 64002,
    ),
}  # fmt: skip
TROUBLES: Mapping[str, Trouble] = {
    str(code): trouble for trouble, codes in TROUBLE_CODES.items() for code in codes
}
_STATUSES: Mapping[int, Trouble] = {401: "key", 403: "rate", 418: "rate", 429: "rate"}


class _Error(Struct):
    code: str | int = "0"


_error = msgspec.json.Decoder(_Error)


def trouble(status: int, _headers: Mapping[str, str], body: bytes) -> Trouble | None:
    """What a REST answer means for the account; None for success, which is status 200 and code 0."""
    try:
        code = str(_error.decode(body).code)
    except BROKEN:
        code = "0"
    if status < 400 and code == "0":
        return None
    return TROUBLES.get(code) or _STATUSES.get(status, "transient")
