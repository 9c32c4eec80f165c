"""Bybit's accounts: where they are, how they are signed for, and what is said on their sockets. Pure.

One private socket carries one account, of all markets: it is logged in to by a signature that lasts as
long as the connection, then its topics are subscribed in one request. There is no key to keep alive.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Literal
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.bybit.rest import outcome_of, unsigned
from common.exchanges.bybit.told import TOPICS, told
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
from common.exchanges.protocol import RestFailure, RestRequest, Unreadable
from common.exchanges.signing import hmac_hex
from common.exchanges.wire import BROKEN, Millis, decoded, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market

# How long a signed request holds. The exchange allows less than a second into its future.
RECV_WINDOW_MS = 5000
# How far ahead a login expires; a second is refused where the way is long.
LOGIN_MS = 10_000


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
# Refusals on the socket come in words, mostly: the first fragment that fits. Several name the key
# that has not the permission, or is of another address; one that has expired is no matter of the clock.
_WORDS: tuple[tuple[str, Trouble], ...] = (
    ("unmatched ip", "address"),
    ("bound ip", "address"),
    ("permission", "permission"),
    ("not authorized", "permission"),
    ("apikey", "key"),
    ("api key", "key"),
    ("api_key", "key"),
    ("sign", "key"),
    ("usvc1111", "key"),
    # A login that has expired as it arrives is refused so.
    ("params error", "clock"),
    ("expire", "clock"),
    ("timestamp", "clock"),
    ("too many", "rate"),
    ("too frequent", "rate"),
    ("invalid topic", "config"),
    ("invalid op", "config"),
    ("handler not found", "config"),
)
# The same topics twice on one socket: what was wanted is there.
_ALREADY = "already subscribed"
# Requests that end the matter when they are refused; some refusals do not repeat whose they are.
_REFUSED_OPS = frozenset({"auth", "subscribe", ""})
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


# --- the conversation ---------------------------------------------------------------------------


class _Frame(Struct):
    """Everything that arrives: a push has a topic, an answer the op of its request.

    Answers are spelled in several ways: ``ret_msg`` and ``retMsg``; with ``success``, a code, or both.
    """

    topic: str | UnsetType = UNSET
    op: str = ""
    success: bool | UnsetType = UNSET
    code: int | UnsetType = field(name="retCode", default=UNSET)
    ret_msg: str = ""
    ret_msg_2: str = field(name="retMsg", default="")

    @property
    def text(self) -> str:
        return unsigned(self.ret_msg or self.ret_msg_2)

    @property
    def ok(self) -> bool | None:
        """Whether it is a success; None where it does not say."""
        if self.success is not UNSET:
            return self.success
        return None if self.code is UNSET else self.code == 0


_frame = msgspec.json.Decoder(_Frame)

# What is waited for, by the op that answers it; then nothing but events and pongs come.
_Stage = Literal["idle", "auth", "subscribe", "open"]


class Conversation:
    """A socket of one account: login, its ack, topics, their ack, events."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._account: str | None = None
        self._stage: _Stage = "idle"
        self._pings = 0

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """See ``Conversation``: the login."""
        self._account, self._stage = account, "auth"
        expires_ms = now_ms + LOGIN_MS
        signature = hmac_hex(credentials.secret, f"GET/realtime{expires_ms}")
        return (_message("auth", [credentials.key.reveal(), expires_ms, signature]),)

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``: the socket is nobody else's, and is closed."""
        return ()

    def probe(self) -> Sequence[str]:
        """A ping: a login lasts as long as its connection, and so do the topics."""
        self._pings += 1
        return (f'{{"req_id":"probe{self._pings}","op":"ping"}}',)

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        try:
            answer = _frame.decode(frame)
        except BROKEN as error:
            return self._say(unreadable(error))
        if answer.topic is not UNSET:
            return self._say(*told(self._market, frame, catalog))
        if answer.op == "pong" or (answer.ok and answer.text == "pong"):
            return self._say(Alive()) if self._stage == "open" else Turn()
        if answer.ok is False and answer.op in _REFUSED_OPS:
            return self._refused(answer)
        if answer.ok and answer.op == self._stage:
            return self._accepted()
        return self._say(Unreadable("unknown_type", f"op {answer.op:.20} {answer.text:.60}"))

    def _accepted(self) -> Turn:
        """What was waited for has come."""
        if self._stage == "auth":
            self._stage = "subscribe"
            return Turn(send=(_message("subscribe", TOPICS[self._market]),))
        self._stage = "open"
        return self._say(Opened())

    def _refused(self, answer: _Frame) -> Turn:
        if _ALREADY in answer.text.lower():
            return self._accepted() if self._stage == "subscribe" else Turn()
        code = "" if answer.code is UNSET else str(answer.code)
        return self._say(Denied(_trouble_of(answer), f"{code} {answer.text}".strip()[:200]))

    def _say(self, *heard: Heard) -> Turn:
        return Turn([Said(self._account, what) for what in heard])


def _message(op: str, args: Sequence[object]) -> str:
    return msgspec.json.encode({"req_id": op, "op": op, "args": args}).decode()


def _trouble_of(answer: _Frame) -> Trouble:
    """By its code if there is one, else by its words."""
    if answer.code is not UNSET and answer.code in TROUBLES:
        return TROUBLES[answer.code]
    text = answer.text.lower()
    return next((trouble for fragment, trouble in _WORDS if fragment in text), "transient")


def converse(market: Market, _address: str = "") -> Conversation:
    """A new socket's conversation."""
    return Conversation(market)
