"""What an exchange must offer, and the values it answers with.

An exchange is one ``Exchange`` record: frozen data (``MarketRules``) and a few pure functions.
Everything that differs between exchanges is behind it; the shared loops never name one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from common.model.events import Candle, MarketEvent
from common.model.instruments import Catalog, Instrument
from common.model.streams import Channel, Market, Stream

# What an exchange's answer means for us; the reaction is the same on every exchange.
Reason = Literal["benign", "transient", "rate", "auth", "config", "unsupported"]

# The unit an exchange subscribes by. Several streams may share one (an all-market array).
Topic = str


# --- what a frame can say -------------------------------------------------------------------


class Ack(Struct, frozen=True):
    """The exchange accepted request ``request_id``."""

    request_id: int


class Refusal(Struct, frozen=True):
    """The exchange refused request ``request_id`` (None where it does not say which)."""

    request_id: int | None
    reason: Reason
    detail: str


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


Parsed = MarketEvent | Ack | Refusal | Notice | Unreadable


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

    ``intervals`` maps our spelling to the exchange's (candles only). ``closes`` says how the end
    of a candle is known: by a flag in the frame, or inferred from the next bar and the clock.
    ``all_symbols_topic`` is the one topic that carries every symbol of the market, where there is.
    """

    url: str
    cadence: Cadence
    intervals: Mapping[str, str] = {}
    closes: Literal["flag", "inferred"] | None = None
    all_symbols_topic: Topic | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of one market's WebSocket: the exchange's own, less what we keep in reserve."""

    topics_per_connection: int
    topics_per_request: int
    requests_per_s: float
    lifetime_s: float
    ack_s: float = 10.0


class RestRules(Struct, frozen=True, kw_only=True):
    """One market's REST: where it is and how far one candle request reaches."""

    url: str
    candles_per_request: int
    candles_span_ms: int | None = None


class MarketRules(Struct, frozen=True, kw_only=True):
    """One market of an exchange. ``seed_name`` is what older backends call it (``binanceUsdm``)."""

    seed_name: str
    channels: Mapping[Channel, ChannelRules]
    limits: Limits
    rest: RestRules
    close_codes: Mapping[int, Reason] = {}


# --- requests out ---------------------------------------------------------------------------


class Request(Struct, frozen=True):
    """A WebSocket message to send; the exchange will answer ``request_id``."""

    request_id: int
    text: str


class RestRequest(Struct, frozen=True):
    """A REST call as data. ``weight`` is its price in the exchange's own budget."""

    url: str
    params: Mapping[str, str] = {}
    weight: int = 1
    method: str = "GET"


class RestFailure(Struct, frozen=True):
    """What a REST answer other than success means."""

    reason: Reason
    detail: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An exchange as the rest of the house sees it.

    Attributes:
        name: the word of DESIGN §2.
        markets: the rules of each market it has.
        topic: the subscription unit that carries a stream.
        subscribe, unsubscribe: one message for up to ``topics_per_request`` topics.
        parse: one frame to what it says, in order. Never raises, whatever the bytes.
        instruments_request, parse_instruments: all symbols of a market.
        candles_request: bars of a stream with ``start_ms <= start < end_ms``, no more of them than
            ``RestRules.candles_per_request``.
        parse_candles: those bars, oldest first; one that has ended by ``now_ms`` is closed.
        time_request, parse_time: the exchange's clock in ms UTC.
        rest_failure: what an HTTP status, headers and body mean; None for success.

    The REST parsers raise ``msgspec.DecodeError`` (``ValidationError`` included) for a body that
    is not what the protocol says.
    """

    name: str
    markets: Mapping[Market, MarketRules]
    topic: Callable[[Stream], Topic]
    subscribe: Callable[[Market, Sequence[Topic], int], Request]
    unsubscribe: Callable[[Market, Sequence[Topic], int], Request]
    parse: Callable[[Market, bytes, Catalog], Sequence[Parsed]]
    instruments_request: Callable[[Market], RestRequest]
    parse_instruments: Callable[[Market, bytes], Sequence[Instrument]]
    candles_request: Callable[[Stream, int, int], RestRequest]
    parse_candles: Callable[[Stream, bytes, Catalog, int], Sequence[Candle]]
    time_request: Callable[[Market], RestRequest]
    parse_time: Callable[[Market, bytes], int]
    rest_failure: Callable[[int, Mapping[str, str], bytes], RestFailure | None]
