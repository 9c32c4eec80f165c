"""What an exchange must offer the simulator. Sockets, pushing, faults and HTTP are not its business.

An exchange says which hosts it serves, opens a ``Dialect`` per socket, answers REST calls, and
spells the truth in our model's words so that it can be compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from math import inf
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from common.model.events import Candle, Ticker
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind
from simulator.accounts.model import Fact, Fill, Order, Status
from simulator.faults import Spoiling
from simulator.feeds import Push, Wanted
from simulator.listing import Listed, Listing


class HttpCall(Struct, frozen=True):
    """A request or a handshake. ``host`` is the production name it is meant for.

    ``door`` is the address (``127.0.0.1:8080``) it came by where that is not ``host`` itself: an
    exchange that tells where to dial tells a way through it. ``raw_query`` is the query as it was sent,
    which is what is signed; the names of ``headers`` are lower case.
    """

    host: str
    path: str
    query: Mapping[str, str]
    address: str
    method: str = "GET"
    door: str = ""
    raw_query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""


class HttpAnswer(Struct, frozen=True):
    """An answer to one."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """``value`` as a JSON answer."""
    return HttpAnswer(status, msgspec.json.encode(value), headers or {})


class SocketRules(Struct, frozen=True, kw_only=True):
    """What an exchange allows a socket, in machine time. Control may change any of them.

    Attributes:
        messages_per_s: messages in, pings and pongs included, within ``messages_within_s``.
        streams: topics of one socket.
        ping_every_s, pong_within_s: WebSocket pings of the exchange's own; none where inf.
        quiet_s: it ends a socket on which the client says nothing for so long.
        first_topic_s: it ends a socket without any topic after so long.
        idle_s, idle_code: it ends a socket on which it has said nothing itself for so long.
        handshakes: connection attempts of one address within ``handshakes_within_s``.
        answer_s: how long it takes to answer.
    """

    messages_per_s: int
    streams: int
    lifetime_s: float
    handshakes: int
    handshakes_within_s: float
    messages_within_s: float = 1.0
    ping_every_s: float = inf
    pong_within_s: float = 600.0
    quiet_s: float = inf
    first_topic_s: float = inf
    idle_s: float = inf
    idle_code: int = 1000
    answer_s: float = 0.02


# --- what a message to an exchange does -----------------------------------------------------


class Reply(NamedTuple):
    """Send this."""

    text: str


class Join(NamedTuple):
    """The socket is subscribed to a topic."""

    topic: str


class Leave(NamedTuple):
    """It no longer is."""

    topic: str


class End(NamedTuple):
    """Close the socket."""

    code: int
    reason: str


Effect = Reply | Join | Leave | End


class Dialect(Protocol):
    """One socket's side of the protocol."""

    @property
    def market(self) -> Market | None:
        """The market all of it is about; None where one socket serves several."""

    @property
    def rules(self) -> SocketRules:
        """What the socket is allowed."""

    @property
    def first_topics(self) -> Sequence[str]:
        """What its address subscribes it to."""

    def greeting(self) -> Sequence[Effect]:
        """What it says by itself as soon as it is open."""

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """What a message does, given the topics subscribed so far."""

    def feed(self, topic: str) -> Wanted | None:
        """Where a topic's data comes from; None if it will never send anything."""

    def wrap(self, topic: str, payload: str) -> str | None:
        """A payload as it is sent on this socket; None where this one is not sent here."""

    def shutdown_notice(self) -> str | None:
        """How this exchange announces that it will go; None where it does not."""


class PrivateSide(Protocol):
    """How an exchange speaks of its accounts. Requests and sockets are its ``rest`` and ``open``.

    Attributes:
        key_kinds: keys that it gives out, the usual one first.
        modes: its words for the kinds of account, the usual one first.
        fees_in_quote: spot takes its fees in the quote asset; else in what is got.
        inverse_in_base: inverse orders are for so much of the base asset; else for so many contracts.
    """

    key_kinds: Sequence[KeyKind]
    modes: Sequence[str]
    fees_in_quote: bool
    inverse_in_base: bool

    def wallet(self, market: Market, mode: str) -> str:
        """The wallet that a market of such an account draws on: its own, or one for several."""

    def key(self, seed: int, account: str, kind: KeyKind) -> Key:
        """The key of an account, as this exchange's keys look."""

    def order_id(self, order: Order) -> str:
        """How it spells an order's number."""

    def client_id(self, order: Order) -> str:
        """The client's id of an order, or what it has instead of one where the exchange made it."""

    def trade_id(self, fill: Fill) -> str:
        """How it spells a trade's number."""

    def status(self, status: Status) -> Status:
        """What it calls an order of this state; not every exchange has a word for each."""

    def size(self, listing: Listing, size: Decimal) -> Decimal:
        """A size as it counts them: on inverse in contracts of its own."""

    def pushes(self, account: Account, fact: Fact) -> Sequence[Push]:
        """The events that tell a fact, each for the feed of those who may hear it."""

    def feeds(self, account: Account) -> Sequence[str]:
        """The keys of all feeds on which the account is told of now."""

    def expire(self, account: Account, told: bool) -> Sequence[Push]:
        """What was opened for the account ends now: what is said of it, and nothing after that."""

    def due(self) -> Sequence[Push]:
        """What has to be said by now, because time has passed."""


class Traded(Protocol):
    """Where accounts are, as those see it who open them and trade for them."""

    name: str
    markets: Collection[Market]

    @property
    def private(self) -> PrivateSide | None:
        """Its accounts; None where it serves none."""

    def symbol(self, listed: Listed) -> str:
        """How it spells a listing."""

    def find(self, market: Market, symbol: str) -> Listed | None:
        """The listing it spells so."""


class Exchange(Traded, Protocol):
    """An exchange as the server sees it."""

    hosts: Collection[str]

    def market_of(self, call: HttpCall) -> Market | None:
        """The market a call is about; None where that cannot be told from its address."""

    def open(self, call: HttpCall) -> Dialect | HttpAnswer:
        """A handshake: the socket's dialect, or a refusal."""

    def rest(self, call: HttpCall) -> HttpAnswer:
        """A REST call."""

    def candles(
        self, market: Market, symbol: str, interval: str, from_ms: int, to_ms: int
    ) -> Sequence[Candle]:
        """The final bars with ``from_ms <= start < to_ms`` in our words, in its digits."""

    def ticker(self, listed: Listed, at_ms: int) -> Ticker:
        """The ticker as of a time in our words, in its digits."""

    def spoil(self, kind: Spoiling, text: str) -> str:
        """A push of its own with an unknown type, a missing field or a wrong type."""
