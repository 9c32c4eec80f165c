"""What an exchange must offer, and the values it answers with.

An exchange is one ``Exchange`` record: frozen data (``MarketRules``) and a few pure functions.
Everything that differs between exchanges is behind it; the shared loops never name one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.budget import Budget, Cost, Used
from common.exchanges.seed import SeedWords
from common.model.events import Candle, MarketEvent, Trade
from common.model.instruments import Catalog, Instrument
from common.model.streams import Channel, Market, Stream

# What an exchange's answer means for us; the reaction is the same on every exchange.
Reason = Literal["benign", "transient", "rate", "auth", "config", "unsupported"]

# The unit an exchange subscribes by. Several streams may share one (an all-market array).
Topic = str


# --- what a frame can say -------------------------------------------------------------------


class Ack(Struct, frozen=True):
    """The exchange accepted what we asked for, as exactly as it says what.

    ``request_id`` and ``topics`` where it names them (some answer once per topic). Where it names
    neither, answers come in order and this one is for the oldest request.
    """

    request_id: int | None = None
    topics: tuple[Topic, ...] = ()


class Refusal(Struct, frozen=True):
    """The exchange refused request ``request_id`` or ``topics``, as far as it says which."""

    request_id: int | None
    reason: Reason
    detail: str
    topics: tuple[Topic, ...] = ()


class Welcome(Struct, frozen=True):
    """The exchange is ready to be spoken to (see ``Limits.welcomes``)."""


class Pong(Struct, frozen=True):
    """The exchange answered a ping of ours (see ``Exchange.ping``)."""


class Notice(Struct, frozen=True):
    """The exchange announces something. ``closing``: it will end this connection soon."""

    kind: Literal["closing", "other"]
    detail: str


class Unreadable(Struct, frozen=True):
    """A frame, or a part of one, that is not what the protocol says; skipped and counted.

    ``defect``: reading it failed in a way that is our fault.
    """

    kind: Literal["not_json", "unknown_type", "wrong_shape", "too_large", "defect"]
    detail: str


class TickerPart(Struct, frozen=True, gc=False, kw_only=True):
    """Some fields of a ticker, where one frame does not tell all of it; see ``Ticker`` for units.

    Attributes:
        source: which of the stream's topics it came by (index into ``Exchange.topics``); the parts
            of all sources are joined.
        whole: it replaces what its source said before; else what it does not name stays.
    """

    symbol: str
    event_ms: int
    source: int = 0
    whole: bool = True
    last: str | UnsetType = UNSET
    open: str | UnsetType = UNSET
    high: str | UnsetType = UNSET
    low: str | UnsetType = UNSET
    volume: str | UnsetType = UNSET
    quote_volume: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    bid: str | UnsetType = UNSET
    bid_size: str | UnsetType = UNSET
    ask: str | UnsetType = UNSET
    ask_size: str | UnsetType = UNSET


# What comes from a market: whole events, and what they are made of where a frame tells less.
Told = MarketEvent | TickerPart | Trade
Parsed = Told | Ack | Refusal | Welcome | Pong | Notice | Unreadable


# --- what differs between exchanges, as data ------------------------------------------------


class Cadence(Struct, frozen=True, kw_only=True):
    """How often a channel speaks when all is well. Machine seconds.

    On a ``trade-driven`` channel one topic may be silent for as long as nobody trades; a candle
    says at least its close, so two of its intervals and ``stall_s`` are the most.

    Attributes:
        probe_s: without any frame for this long, the peer is asked for a sign of life.
        stall_s: without an event for this long, a topic is asked for again.
    """

    kind: Literal["heartbeat", "periodic", "trade-driven"]
    probe_s: float
    stall_s: float


class ChannelRules(Struct, frozen=True, kw_only=True):
    """One channel of one market: where it is served and how it behaves.

    Attributes:
        url: where to dial; empty where ``Exchange.address_request`` finds out.
        intervals: our spelling of the native ones to the exchange's (candles only); the others are
            built from the largest native one that divides them.
        closes: how the end of a candle is known: by a flag in the frame, or inferred from the next
            bar and the clock.
        grace_s: how long after its end an inferred bar may still change (machine seconds: it is
            the exchange's delay and the network's).
        from_trades: native intervals whose bars the exchange does not send: made of its trades.
        all_symbols_topic: the one topic that carries every symbol of the market, where there is.
        standing_topics: subscribed on every connection beside what is wanted (heartbeats).
        quiet_sources: sources (see ``TickerPart.source``) that speak of changes only and may be
            silent for any time; the stream's other topics are its sign of life.
    """

    url: str
    cadence: Cadence
    intervals: Mapping[str, str] = {}
    closes: Literal["flag", "inferred"] | None = None
    grace_s: float = 0.0
    from_trades: frozenset[str] = frozenset()
    all_symbols_topic: Topic | None = None
    standing_topics: tuple[Topic, ...] = ()
    quiet_sources: frozenset[int] = frozenset()


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of one market's WebSocket: the exchange's own, less what we keep in reserve.

    Attributes:
        requests_per_s: subscribes and unsubscribes; pings are not paced.
        lifetime_s: planned end of a connection, before the exchange's own cut.
        ack_s: a request that is not answered for so long is asked again.
        ping_s: the exchange ends a connection on which it gets no ping of ours this often,
            whatever else is said; None where it does not ask for any.
        welcomes: nothing may be sent before the exchange has said ``Welcome``.
        dial_cost: what a connection attempt takes of ``Exchange.budgets``.
    """

    topics_per_connection: int
    topics_per_request: int
    requests_per_s: float
    lifetime_s: float
    ack_s: float = 10.0
    ping_s: float | None = None
    welcomes: bool = False
    dial_cost: Cost = field(default_factory=lambda: {"connections": 1})


class RestRules(Struct, frozen=True, kw_only=True):
    """One market's REST: where it is, and what one candle request reaches.

    Attributes:
        intervals: our spelling of the native ones to the exchange's; others are built.
        candles_per_request: the most bars of one answer.
        candles_span_ms: the longest stretch of one request, where that is limited too.
        settle_s: how long after its end a bar is final in REST (machine seconds).
        tells_flat: intervals without trades have rows too: a row that is not there will come.
    """

    url: str
    intervals: Mapping[str, str]
    candles_per_request: int
    candles_span_ms: int | None = None
    settle_s: float = 5.0
    tells_flat: bool = True


class MarketRules(Struct, frozen=True, kw_only=True):
    """One market of an exchange.

    ``seed_name`` is what older backends call it (``binanceUsdm``), ``seed`` how they speak of it.
    """

    seed_name: str
    channels: Mapping[Channel, ChannelRules]
    limits: Limits
    rest: RestRules
    close_codes: Mapping[int, Reason] = {}
    seed: SeedWords = SeedWords()


# --- requests out ---------------------------------------------------------------------------


class Request(Struct, frozen=True):
    """A WebSocket message to send; the exchange will answer ``request_id``."""

    request_id: int
    text: str


class RestRequest(Struct, frozen=True):
    """A REST call as data.

    Attributes:
        cost: what it takes of ``Exchange.budgets``.
        signed: it has to be signed as it is sent (``Private.sign``).
        headers, body: what goes with it; a signed request may hold what only the exchange may see.
    """

    url: str
    params: Mapping[str, str] = {}
    cost: Cost = {}
    method: str = "GET"
    signed: bool = False
    headers: Mapping[str, str] = {}
    body: bytes = b""


class RestFailure(Struct, frozen=True):
    """What a REST answer other than success means."""

    reason: Reason
    detail: str
    retry_after_s: float | None = None


class InstrumentPage(Struct, frozen=True):
    """A part of an instrument list, and the request for the part after it."""

    instruments: Sequence[Instrument]
    next_page: RestRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An exchange as the rest of the house sees it.

    Attributes:
        name: the word of DESIGN §2.
        markets: the rules of each market it has.
        budgets: what one address may spend: connection attempts and REST calls, by name.
        topics: the subscription units that carry a stream, of a native interval: what is shared by
            many streams first, the most specific last.
        family: topics of one family may share a request.
        subscribe, unsubscribe: one message for up to ``topics_per_request`` topics of a family.
        parse: one frame to what it says, in order. Never raises, whatever the bytes.
        instruments_requests, parse_instruments: all symbols of a market, by parts.
        candles_request: bars of a stream with ``start_ms <= start < end_ms``, its interval native
            in REST, no more of them than ``RestRules.candles_per_request``.
        parse_candles: the bars of the answer, oldest first; one that has ended by ``now_ms`` is
            closed. What the exchange leaves out (intervals without trades) is left out.
        time_request, parse_time: the exchange's clock in ms UTC.
        rest_failure: what an HTTP status, headers and body mean; None for success. Some exchanges
            report failures with status 200.
        used: what the headers of an answer tell of the budget that the request was taken from.
        ping: the exchange's own ping as a text message, given a number; None: a WebSocket ping.
        address_request, parse_address: where a REST call tells where to dial: asked anew for every
            connection.

    The REST parsers raise ``msgspec.DecodeError`` (``ValidationError`` included) for a body that
    is not what the protocol says.
    """

    name: str
    markets: Mapping[Market, MarketRules]
    budgets: Mapping[str, Budget]
    topics: Callable[[Stream], tuple[Topic, ...]]
    subscribe: Callable[[Market, Sequence[Topic], int], Request]
    unsubscribe: Callable[[Market, Sequence[Topic], int], Request]
    parse: Callable[[Market, bytes, Catalog], Sequence[Parsed]]
    instruments_requests: Callable[[Market], Sequence[RestRequest]]
    parse_instruments: Callable[[Market, bytes], InstrumentPage]
    candles_request: Callable[[Stream, int, int], RestRequest]
    parse_candles: Callable[[Stream, bytes, Catalog, int], Sequence[Candle]]
    time_request: Callable[[Market], RestRequest]
    parse_time: Callable[[Market, bytes], int]
    rest_failure: Callable[[int, Mapping[str, str], bytes], RestFailure | None]
    used: Callable[[RestRequest, Mapping[str, str]], Used | None] = lambda request, headers: None  # noqa: ARG005
    family: Callable[[Topic], str] = lambda topic: ""  # noqa: ARG005
    ping: Callable[[int], str] | None = None
    address_request: Callable[[Market], RestRequest] | None = None
    parse_address: Callable[[Market, bytes], str] | None = None
