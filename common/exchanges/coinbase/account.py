"""Coinbase's accounts: where they are, how they are signed for, and what refusals mean. Pure.

Every request, and every subscription, carries a token (JWT) of its own that is signed with the key and
holds for two minutes; there is nothing to log in to and nothing to keep alive.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator, Mapping
from secrets import token_hex

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from common.exchanges.coinbase.describe import PRIVATE
from common.exchanges.coinbase.rest import PREFIX, words_of
from common.exchanges.private import (
    Credentials,
    Hosts,
    InquiryFailed,
    PrivateRules,
    Trouble,
)
from common.exchanges.protocol import RestFailure, RestRequest
from common.exchanges.signing import BadKey, ec_key, ed25519_key
from common.model.secret import Secret
from common.model.streams import Market

# How long a token holds, and how long before its use it is said to have been made: one from the
# exchange's future is refused, be it by half a second.
TOKEN_S, EARLY_S = 120, 5

RULES: Mapping[Market, PrivateRules] = {
    "spot": PrivateRules(
        # The sandbox is a set of fixed answers: nothing happens there that could be streamed.
        hosts={
            ("live", ""): Hosts(
                "https://api.coinbase.com", "wss://advanced-trade-ws-user.coinbase.com"
            )
        },
        # The documents say that only ES256 works here, the exchange's own SDK signs with both.
        key_kinds=("es256", "ed25519"),
        streams_balances=False,
        dates_orders=False,
        # Heartbeats come every second; five of them missing mean a dead connection.
        probe_s=5.0,
        # Nothing is said of forgetting: reserve.
        remembers_s=30 * 86400.0,
        time_reads_key=True,
        # Messages are limited where they carry no token: all of these do.
        dial_cost={"connections": 1},
    )
}

# What the words of an error mean for the account, on the socket and in REST; the first that fits.
# A token from another time is refused in the same words as a wrong key.
TROUBLES: tuple[tuple[str, Trouble], ...] = (
    ("rate_limit_exceeded", "rate"),
    ("resource_exhausted", "rate"),
    ("rate limit", "rate"),
    ("too many", "rate"),
    ("ip whitelist", "address"),
    ("permission_denied", "permission"),
    ("permission denied", "permission"),
    ("authentication", "key"),
    ("unauthenticated", "key"),
    ("unauthorized", "key"),
    ("invalid_argument", "config"),
)
# What a status means where no word does. 403 is a firewall.
_HTTP: Mapping[int, Trouble] = {401: "key", 403: "rate"}


# --- signing ------------------------------------------------------------------------------------


def _es256(secret: Secret, text: bytes) -> bytes:
    key = ec_key(secret)
    if not isinstance(key.curve, SECP256R1):
        raise BadKey("the secret is a key of another curve than P-256")
    r, s = decode_dss_signature(key.sign(text, ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _ed25519(secret: Secret, text: bytes) -> bytes:
    return ed25519_key(secret).sign(text)


_ALGORITHMS: Mapping[str, tuple[str, Callable[[Secret, bytes], bytes]]] = {
    "es256": ("ES256", _es256),
    "ed25519": ("EdDSA", _ed25519),
}


def token(credentials: Credentials, made_s: int, uri: str = "") -> str:
    """A token for one request (``GET api.coinbase.com/…``), or for one subscription (without ``uri``).

    Raises:
        BadKey: the secret is no key of its kind.
    """
    algorithm, sign_ = _ALGORITHMS[credentials.kind]
    key = credentials.key.reveal()
    header = {"alg": algorithm, "kid": key, "nonce": token_hex(16), "typ": "JWT"}
    claims = {"sub": key, "iss": "cdp", "nbf": made_s, "exp": made_s + TOKEN_S}
    if uri:
        claims["uri"] = uri
    text = b".".join(_base64(msgspec.json.encode(part)) for part in (header, claims))
    return b".".join((text, _base64(sign_(credentials.secret, text)))).decode()


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def made_s(now_ms: int) -> int:
    """When a token for now is said to have been made."""
    return now_ms // 1000 - EARLY_S


def sign(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """A token in a header. It is for the method, host and path alone: the query is not signed.

    Raises:
        BadKey: the secret is no key of its kind.
    """
    if not request.signed:
        return request
    place = request.url.partition("://")[2].partition("?")[0]
    signed = token(credentials, made_s(now_ms), f"{request.method} {place}")
    headers = {**request.headers, "Authorization": f"Bearer {signed}"}
    return msgspec.structs.replace(request, headers=headers, signed=False)


def trouble(status: int, _headers: Mapping[str, str], body: bytes) -> Trouble | None:
    """What a REST answer means for the account; None for success."""
    if status < 400:
        return None
    # A server that fails says nothing about us.
    if status >= 500:
        return "transient"
    return "rate" if status == 429 else trouble_of(" ".join(words_of(body)), status)


def trouble_of(words: str, status: int = 0) -> Trouble:
    """What a refusal means for the account, by its words, else by the status of the answer."""
    lower = words.lower()
    known = next((meant for fragment, meant in TROUBLES if fragment in lower), None)
    return known or _HTTP.get(status, "transient")


# --- opening ------------------------------------------------------------------------------------


def hosts_of(market: Market, credentials: Credentials) -> Hosts:
    """Where an account lives.

    Raises:
        KeyError: nowhere that is known; who opens accounts has refused it.
    """
    return RULES[market].hosts[credentials.environment, credentials.region]


def opening(market: Market, credentials: Credentials) -> Generator[RestRequest, bytes, str]:
    """Where to dial. A secret that can sign nothing is refused here.

    So is a key that may not be used: REST says why where the socket has one word for everything, and
    what is asked of it learns the exchange's time, without which no token holds.
    """
    try:
        token(credentials, 0)
    except BadKey as problem:
        raise InquiryFailed(RestFailure("auth", str(problem)), "key") from None
    hosts = hosts_of(market, credentials)
    url = f"{hosts.rest}{PREFIX}/accounts"
    yield RestRequest(url=url, params={"limit": "1"}, cost={PRIVATE: 1}, signed=True)
    return hosts.socket
