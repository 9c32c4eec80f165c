"""What an exchange offers for accounts, and what it tells of them. Pure.

An exchange's private side is one ``Private`` record beside its ``Exchange``: frozen data, signing, a
conversation (one socket, bytes in and texts out) and inquiries (REST, as generators of requests).
Nothing here opens a socket, looks at a clock or keeps a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from msgspec import Struct, field

from common.exchanges.budget import Cost
from common.exchanges.protocol import Notice, Reason, RestFailure, RestRequest, Unreadable
from common.exchanges.told import Told
from common.model.instruments import Catalog
from common.model.secret import Secret
from common.model.streams import Market

KeyKind = Literal["hmac", "ed25519", "es256"]
Environment = Literal["live", "sandbox"]
Transport = Literal["websocket", "socket.io"]

# Why an account cannot be streamed: what its owner has to do differs.
Trouble = Literal[
    "key",  # unknown, wrong, revoked, or of another environment
    "permission",  # the key may not do this
    "address",  # our address is not on the key's list
    "clock",  # our time and the exchange's differ
    "mode",  # an account of this mode is not supported, or has to be asked otherwise
    "expired",  # what was opened has run out: open it again
    "rate",
    "config",
    "transient",
]


class Credentials(Struct, frozen=True):
    """What opens an account. Prints as ``***`` where it counts.

    ``region`` is the exchange's own word for where the account was opened (``eu``, ``my``); empty
    for its main place.
    """

    key: Secret
    secret: Secret
    passphrase: Secret | None = None
    kind: KeyKind = "hmac"
    environment: Environment = "live"
    region: str = ""
    subaccount: bool = False


# --- what else a socket says --------------------------------------------------------------------


class Opened(Struct, frozen=True):
    """The account is streamed from now on: logged in, subscribed, and all of it accepted."""


class Alive(Struct, frozen=True):
    """The exchange has answered a probe: what is streamed is streamed still."""


class Denied(Struct, frozen=True):
    """The account cannot be streamed on this connection."""

    trouble: Trouble
    detail: str


Heard = Told | Opened | Alive | Denied | Notice | Unreadable


class Said(NamedTuple):
    """What a frame says; ``account`` is None where it is about the whole connection."""

    account: str | None
    what: Heard


class Turn(NamedTuple):
    """What follows from a frame: what was said, and what is to be sent now."""

    said: Sequence[Said] = ()
    send: Sequence[str] = ()


class Conversation(Protocol):
    """One socket's side of the protocol, from its opening to its end. Knows its accounts by name.

    Never raises, whatever the bytes; but where the catalog says ``Unlisted``, so does it, and nothing has
    changed. Texts it hands out may hold signatures: they are sent, not logged.
    """

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """An account is to be streamed here: what is sent first. ``now_ms``: the exchange's time."""

    def leave(self, account: str) -> Sequence[str]:
        """An account is not to be streamed here any more."""

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:
        """What a frame says, and what is sent in answer."""

    def probe(self) -> Sequence[str]:
        """What is sent to be answered by ``Alive``; empty where only a ping can be sent."""


# --- inquiries ----------------------------------------------------------------------------------

_T = TypeVar("_T")


class InquiryFailed(Exception):  # noqa: N818 - it is thrown into an inquiry, which may know better
    """A request of an inquiry was refused, or not answered; ``failure`` says what that means."""

    def __init__(self, failure: RestFailure, trouble: Trouble) -> None:
        super().__init__(failure.detail)
        self.failure = failure
        self.trouble: Trouble = trouble

    def says(self, codes: Collection[str]) -> bool:
        """Whether the exchange refused it by one of these codes."""
        return any(word in codes for word in self.failure.detail.split())


def unmoved(path: str) -> InquiryFailed:
    """A full page that leads no further: what lies behind it was not read, and is not nothing."""
    detail = f"{path}: a full page leads to itself"
    return InquiryFailed(RestFailure("transient", detail), "transient")


# Yields requests and is sent the body of each answer; what it returns is what it found out.
# ``InquiryFailed`` is thrown in where a request failed; a body that cannot be read raises
# ``msgspec.DecodeError``.
Inquiry = Generator[RestRequest, bytes, _T]


class Known(Struct, frozen=True):
    """What is known of an account when it is asked what happened since.

    Attributes:
        since_ms, until_ms: the exchange's time up to which all has been told, and its now.
        symbols: those an order was open in then, or that may have been traded since; an exchange
            whose histories need no symbol pays no heed to it.
    """

    since_ms: int
    until_ms: int
    symbols: Collection[str] = ()


# --- what differs between exchanges -------------------------------------------------------------


class PrivateRules(Struct, frozen=True, kw_only=True):
    """The private side of one market.

    Attributes:
        hosts: the REST and socket addresses by (environment, region); ("live", "") is always there.
        key_kinds: keys that it takes.
        passphrase: whether a key has one.
        accounts_per_connection: how many one socket carries.
        joins_per_s: how many accounts may be joined on one connection in a second.
        lifetime_s: planned end of a connection, before the exchange's own cut.
        ping_s: how often the exchange must be pinged by a message; None where it need not.
        probe_s: without a word for this long, a sign of life is asked for (machine seconds).
        answer_s: what is asked on the socket is answered by then.
        keep_s: how often what was opened has to be kept alive (``Private.keep``).
        proof_s: how often ``Private.keep`` is asked beyond that, because the socket cannot be asked whether
            the account is streamed still; in a crowd more seldom. None: the socket's probe tells.
        streams_balances: whether the socket tells them; where not, they are asked for: after what an
            order did, and on a beat.
        lists_all: whether orders and trades are listed of all symbols at once; where not, an order in a
            symbol that nobody knows of may never be found.
        fills_apart: whether fills come on another channel than what is filled in all.
        streams_fees: whether the socket tells what a trade cost; where not, only fills that were found
            by asking have a fee.
        dates_orders: whether REST tells when an order changed last as the socket does; where not, the times
            of its states are only nearly so.
        asked: whether there is REST to ask; where not, nothing but the socket tells of an account, what
            was not heard stays so, and times are ours.
        remembers_s: how long REST knows an order that ended without a fill.
        time_reads_key: a request from another time is refused in the words of a wrong key.
        dial_cost, join_cost: what a connection, and an account on it, take of ``Exchange.budgets``.
    """

    hosts: Mapping[tuple[Environment, str], Hosts]
    key_kinds: tuple[KeyKind, ...] = ("hmac",)
    passphrase: bool = False
    accounts_per_connection: int = 1
    joins_per_s: float = 2.0
    lifetime_s: float = 23.5 * 3600
    ping_s: float | None = None
    probe_s: float = 30.0
    answer_s: float = 10.0
    keep_s: float | None = None
    proof_s: float | None = None
    streams_balances: bool = True
    lists_all: bool = True
    fills_apart: bool = False
    streams_fees: bool = True
    dates_orders: bool = True
    asked: bool = True
    remembers_s: float = 24 * 3600.0
    time_reads_key: bool = False
    dial_cost: Cost = field(default_factory=lambda: {"connections": 1})
    join_cost: Cost = {}
    close_codes: Mapping[int, Reason] = {}


class Hosts(Struct, frozen=True):
    """Where an account of one place lives. ``socket`` is empty where ``Private.open`` finds out."""

    rest: str
    socket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Private:
    """The private side of an exchange as the rest of the house sees it.

    Attributes:
        markets: the rules of each market that has accounts.
        sign: a request as it is sent under these credentials at that time of the exchange's.
        open: where to dial for an account.
        keep: keeps alive what ``open`` has opened; ``InquiryFailed`` with ``expired``: open anew.
        converse: a new socket's conversation; the address it was dialed at holds what ``open`` has
            found out of the account.
        snapshot: balances, positions and open orders, as they are now.
        since: orders and fills since a time, in the order they happened.
        order: one order and its fills; nothing if the exchange has forgotten it.
        trouble: what a REST answer means for the account; None for success.
        ping: the exchange's own ping as a text message; None: a WebSocket ping.
        transport: ``socket.io``: of a service beside us, which has no budgets and is dialled as it is.
    """

    markets: Mapping[Market, PrivateRules]
    sign: Callable[[RestRequest, Credentials, int], RestRequest]
    open: Callable[[Market, Credentials], Inquiry[str]]
    converse: Callable[[Market, str], Conversation]
    snapshot: Callable[[Market, Credentials, Catalog], Inquiry[Sequence[Told]]]
    since: Callable[[Market, Credentials, Catalog, Known], Inquiry[Sequence[Told]]]
    order: Callable[[Market, Credentials, Catalog, str, str], Inquiry[Sequence[Told]]]
    trouble: Callable[[int, Mapping[str, str], bytes], Trouble | None]
    keep: Callable[[Market, Credentials, str], Inquiry[None]] | None = None
    ping: Callable[[int], str] | None = None
    transport: Transport = "websocket"
