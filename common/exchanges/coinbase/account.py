"""Coinbase's accounts: where they are, how they are signed for, and what is said on their sockets. Pure.

Every request, and every subscription, carries a token (JWT) of its own that is signed with the key and
holds for two minutes; there is nothing to log in to and nothing to keep alive. A socket carries one
account: its orders (``user``), and beside them ``heartbeats``, without which it would be ended.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator, Mapping, Sequence
from secrets import token_hex

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

from common.exchanges.coinbase.describe import HEARTBEATS, PRIVATE, SUBSCRIPTIONS, USER
from common.exchanges.coinbase.rest import PREFIX, words_of
from common.exchanges.coinbase.told import Frame, told
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    Heard,
    Hosts,
    InquiryFailed,
    Opened,
    PrivateRules,
    Said,
    Trouble,
    Turn,
)
from common.exchanges.protocol import RestFailure, RestRequest, Unreadable
from common.exchanges.signing import BadKey, ec_key, ed25519_key
from common.exchanges.wire import BROKEN, unreadable
from common.model.instruments import Catalog
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


def _made_s(now_ms: int) -> int:
    return now_ms // 1000 - EARLY_S


def sign(request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest:
    """A token in a header. It is for the method, host and path alone: the query is not signed.

    Raises:
        BadKey: the secret is no key of its kind.
    """
    if not request.signed:
        return request
    place = request.url.partition("://")[2].partition("?")[0]
    signed = token(credentials, _made_s(now_ms), f"{request.method} {place}")
    headers = {**request.headers, "Authorization": f"Bearer {signed}"}
    return msgspec.structs.replace(request, headers=headers, signed=False)


def trouble(status: int, _headers: Mapping[str, str], body: bytes) -> Trouble | None:
    """What a REST answer means for the account; None for success."""
    if status < 400:
        return None
    # A server that fails says nothing about us.
    if status >= 500:
        return "transient"
    return "rate" if status == 429 else _trouble(" ".join(words_of(body)), status)


def _trouble(words: str, status: int = 0) -> Trouble:
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


# --- the conversation ---------------------------------------------------------------------------


class _Listing(Struct):
    """All that the connection is subscribed to now, by channel."""

    subscriptions: dict[str, list[str]]


_frame = msgspec.json.Decoder(Frame)
_listings = msgspec.json.Decoder(list[_Listing])
_CHANNELS = (USER, HEARTBEATS)


class UserConversation:
    """A socket that carries one account; what is subscribed is listed by the exchange after each change."""

    def __init__(self) -> None:
        self._account: str | None = None
        self._opened = False
        self._sequence: int | None = None
        self._readers: Mapping[str, Callable[[Frame], Sequence[Heard]]] = {
            USER: told,
            HEARTBEATS: self._alive,
            SUBSCRIPTIONS: self._listed,
        }

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """See ``Conversation``.

        Raises:
            BadKey: the secret is no key of its kind, which ``opening`` has refused.
        """
        self._account = account
        return [
            msgspec.json.encode(
                {
                    "type": "subscribe",
                    "channel": channel,
                    "jwt": token(credentials, _made_s(now_ms)),
                }
            ).decode()
            for channel in _CHANNELS
        ]

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``: the connection is this account's alone."""
        return ()

    def probe(self) -> Sequence[str]:
        """See ``Conversation``: signs of life come every second without being asked for."""
        return ()

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        try:
            message = _frame.decode(frame)
        except BROKEN as error:
            return self._say([unreadable(error)])
        if message.channel:
            return self._say([*self._read(message), *self._lost(message.sequence)])
        return self._say([_refusal(message)])

    def _read(self, message: Frame) -> Sequence[Heard]:
        read = self._readers.get(message.channel)
        if read is None:
            return (Unreadable("unknown_type", f"channel {message.channel!r:.40}"),)
        return read(message)

    def _alive(self, _message: Frame) -> Sequence[Heard]:
        """Of a connection that is subscribed, so long as nothing else is listed."""
        return (Alive(),) if self._opened else ()

    def _listed(self, message: Frame) -> Sequence[Heard]:
        try:
            listings = _listings.decode(message.events)
        except BROKEN as error:
            return (unreadable(error),)
        if not listings:
            return ()
        there = listings[-1].subscriptions.keys() >= set(_CHANNELS)
        opened, self._opened = self._opened, there
        if opened and not there:
            return (Denied("expired", "the exchange does not list the subscription"),)
        return (Opened(),) if there and not opened else ()

    def _lost(self, sequence: int | None) -> Sequence[Heard]:
        """All messages are numbered together: of what is missing only a new look at REST can tell.

        What was missed before the first is looked up anyway, as the account opens.
        """
        if sequence is None:
            return ()
        last = sequence - 1 if self._sequence is None else self._sequence
        self._sequence = max(last, sequence)
        if sequence <= last + 1:
            return ()
        return (Denied("expired", f"messages {last + 1} to {sequence - 1} were lost"),)

    def _say(self, heard: Sequence[Heard]) -> Turn:
        return Turn([Said(self._account, what) for what in heard])


def _refusal(message: Frame) -> Heard:
    """An error, which names no request."""
    if message.type != "error":
        return Unreadable("unknown_type", f"type {message.type!r:.40}")
    text = f"{message.message}: {message.reason}" if message.reason else message.message
    return Denied(_trouble(text), text[:200])


def converse(market: Market, _address: str = "") -> UserConversation:
    """A new socket's conversation."""
    return UserConversation()
