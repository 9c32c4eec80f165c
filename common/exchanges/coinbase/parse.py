"""Coinbase's WebSocket: topics and requests out, frames in. Pure.

A frame is an envelope (``channel``, ``timestamp``, ``sequence_num``) around events, each a list of
rows below a name that follows from the channel; errors alone are bare.

``sequence_num`` counts every message of a connection, whatever its channel, so a gap in it tells
that something was dropped but not what; a parser without a memory cannot see one. What was lost
is noticed where it matters: trade ids count up by one, and every bar is settled by REST.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from common.exchanges.bars import Volumes, bar, oldest_first
from common.exchanges.coinbase.describe import (
    CANDLES,
    ERRORS,
    HEARTBEATS,
    MARKETS,
    NAME,
    SUBSCRIPTIONS,
    TICKER,
    TRADES,
)
from common.exchanges.protocol import Ack, Parsed, Refusal, Request, Topic, Unreadable
from common.exchanges.wire import (
    BROKEN,
    MaybeNumber,
    Number,
    SecondsText,
    read_rows,
    reason_in,
    request,
    unreadable,
)
from common.model.events import Candle, Ticker, Trade
from common.model.instruments import Catalog
from common.model.streams import Market, Stream

# The one length of the bars of the candle channel.
_BAR = "5m"


# --- requests out ---------------------------------------------------------------------------


def topics(stream: Stream) -> tuple[Topic, ...]:
    """``market_trades:BTC-USD`` for 1m, ``candles:BTC-USD`` for 5m, ``ticker:BTC-USD``."""
    rules = MARKETS[stream.market].channels[stream.channel]
    channel = rules.intervals[stream.interval] if stream.interval else TICKER
    return (f"{channel}:{stream.symbol}",)


def family(topic: Topic) -> str:
    """The wire's channel: a message names one."""
    return topic.partition(":")[0]


def subscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """``{"type":"subscribe","channel":"candles","product_ids":[…]}``; there are no request ids."""
    return _request("subscribe", topics, request_id)


def unsubscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """The same, undone."""
    return _request("unsubscribe", topics, request_id)


def _request(kind: str, topics: Sequence[Topic], request_id: int) -> Request:
    message: dict[str, object] = {"type": kind, "channel": family(topics[0])}
    products = [product for topic in topics if (product := topic.partition(":")[2])]
    # Heartbeats have no products: without any, the whole channel is meant.
    if products:
        message["product_ids"] = products
    return request(request_id, message)


# --- the wire -------------------------------------------------------------------------------


class _Bar(Struct, gc=False):
    symbol: str = field(name="product_id")
    start_s: SecondsText = field(name="start")
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number


class _Day(Struct, gc=False):
    """The rolling day and the best prices; what nobody offers or has traded is empty."""

    symbol: str = field(name="product_id")
    last: Number = field(name="price")
    high: MaybeNumber | UnsetType = field(name="high_24_h", default=UNSET)
    low: MaybeNumber | UnsetType = field(name="low_24_h", default=UNSET)
    volume: MaybeNumber | UnsetType = field(name="volume_24_h", default=UNSET)
    bid: MaybeNumber | UnsetType = field(name="best_bid", default=UNSET)
    bid_size: MaybeNumber | UnsetType = field(name="best_bid_quantity", default=UNSET)
    ask: MaybeNumber | UnsetType = field(name="best_ask", default=UNSET)
    ask_size: MaybeNumber | UnsetType = field(name="best_ask_quantity", default=UNSET)


class _Print(Struct, gc=False):
    symbol: str = field(name="product_id")
    trade_id: Annotated[str, Meta(pattern=r"\A[0-9]{1,18}\Z")]
    price: Number
    size: Number
    time: str


class _Event(Struct, gc=False):
    """Rows of one kind, by the name of the channel."""

    type: Literal["snapshot", "update"]
    candles: Raw | UnsetType = UNSET
    tickers: Raw | UnsetType = UNSET
    trades: Raw | UnsetType = UNSET


class _Listing(Struct):
    """Everything the connection is subscribed to now, by channel."""

    subscriptions: dict[str, list[str]]


class _Frame(Struct, gc=False):
    """Everything that arrives: a push has a ``channel``, an error a ``type``."""

    channel: str = ""
    timestamp: str = ""
    events: Raw = Raw(b"null")
    type: str = ""
    message: str | UnsetType = UNSET
    reason: str = ""


_frame = msgspec.json.Decoder(_Frame)
_events, _event = msgspec.json.Decoder(list[_Event]), msgspec.json.Decoder(_Event)
_listings = msgspec.json.Decoder(list[_Listing])
_bars, _bar = msgspec.json.Decoder(list[_Bar]), msgspec.json.Decoder(_Bar)
_days, _day = msgspec.json.Decoder(list[_Day]), msgspec.json.Decoder(_Day)
_prints, _print = msgspec.json.Decoder(list[_Print]), msgspec.json.Decoder(_Print)

_PRODUCT = re.compile(r"([^\s-]{1,40}-[^\s-]{1,40}) is not a valid product")
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ms(text: str) -> int:
    """RFC 3339 with up to nanoseconds to ms UTC, rounded down: in whole numbers, so exactly.

    Raises:
        msgspec.ValidationError: it is not one, or from before 1970 (their null is the year 1).
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise msgspec.ValidationError(f"{text!r:.40} is not a time")
    *date, fraction = found.groups()
    try:
        past = datetime(*map(int, date), tzinfo=UTC) - _EPOCH  # type: ignore[misc,arg-type]
    except ValueError as error:
        raise msgspec.ValidationError(f"{text!r:.40} is not a time: {error}") from error
    if past.days < 0:
        raise msgspec.ValidationError(f"{text!r:.40} is before 1970")
    return (past.days * 86_400 + past.seconds) * 1000 + int((fraction or "").ljust(3, "0")[:3])


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says, bars and trades oldest first; never raises.

    Heartbeats say nothing: that a frame came is all they are for.
    """
    try:
        message = _frame.decode(frame)
        if message.channel == HEARTBEATS:
            return ()
        return _push(market, message) if message.channel else (_answer(message),)
    except BROKEN as error:
        return (unreadable(error),)


def _push(market: Market, message: _Frame) -> Sequence[Parsed]:
    if message.channel == SUBSCRIPTIONS:
        _listings.decode(message.events)
        return (Ack(),)
    read = _READERS.get(message.channel)
    if read is None:
        return (Unreadable("unknown_type", f"channel {message.channel!r:.40}"),)
    at_ms = time_ms(message.timestamp)
    parts = read_rows(message.events, _events, _event, lambda event: read(market, event, at_ms))
    said = (one for part in parts for one in ([part] if isinstance(part, Unreadable) else part))
    return oldest_first(said)


def _candles(market: Market, event: _Event, at_ms: int) -> Sequence[Parsed]:
    """Bars as they stand; nothing says that one is over, so none is closed."""

    def read(row: _Bar) -> Candle:
        stream = Stream(NAME, market, "candle", row.symbol, _BAR)
        prices = (row.open, row.high, row.low, row.close)
        return bar(stream, int(row.start_s) * 1000, prices, Volumes(row.volume), event_ms=at_ms)

    return read_rows(_listed(event.candles), _bars, _bar, read)


def _tickers(market: Market, event: _Event, at_ms: int) -> Sequence[Parsed]:
    def read(day: _Day) -> Ticker:
        return Ticker(
            exchange=NAME,
            market=market,
            symbol=day.symbol,
            event_ms=at_ms,
            last=day.last,
            high=day.high or UNSET,
            low=day.low or UNSET,
            volume=day.volume or UNSET,
            bid=day.bid or UNSET,
            bid_size=day.bid_size or UNSET,
            ask=day.ask or UNSET,
            ask_size=day.ask_size or UNSET,
        )

    return read_rows(_listed(event.tickers), _days, _day, read)


def _trades(market: Market, event: _Event, at_ms: int) -> Sequence[Parsed]:
    def read(row: _Print) -> Trade:
        return Trade(
            exchange=NAME,
            market=market,
            symbol=row.symbol,
            trade_id=row.trade_id,
            price=row.price,
            size=row.size,
            time_ms=time_ms(row.time),
        )

    return read_rows(_listed(event.trades), _prints, _print, read)


def _listed(rows: Raw | UnsetType) -> Raw:
    if rows is UNSET:
        raise msgspec.ValidationError("an event without the rows of its channel")
    return rows


_READERS: Mapping[str, Callable[[Market, _Event, int], Sequence[Parsed]]] = {
    TRADES: _trades,
    CANDLES: _candles,
    TICKER: _tickers,
}


def _answer(message: _Frame) -> Refusal | Unreadable:
    """An error; it names no request, and the product at fault only by its words."""
    if message.type != "error":
        return Unreadable("unknown_type", f"type {message.type!r:.40}")
    if message.message is UNSET:
        return Unreadable("wrong_shape", "an error without a message")
    text = message.message + (f": {message.reason}" if message.reason else "")
    about = tuple(
        f"{channel}:{product}" for product in _PRODUCT.findall(text) for channel in _READERS
    )
    return Refusal(None, reason_in(text, ERRORS), text[:200], about)
