"""Coinbase's WebSocket: topics and requests out, frames in. Pure.

A frame is an envelope (``channel``, ``timestamp``, ``sequence_num``) around events, each a list of
rows; errors alone are bare. One typed decoder reads them all; only what it refuses is looked at
again, row by row, so that one strange row costs no other.

``sequence_num`` counts every message of a connection, whatever its channel, so a gap in it tells
that something was dropped but not what; a parser without a memory cannot see one. What was lost
is noticed where it matters: trade ids count up by one, and every bar is settled by REST.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from common.exchanges.coinbase.describe import (
    CANDLES,
    HEARTBEATS,
    MARKETS,
    NAME,
    TICKER,
    TRADES,
    reason_of,
)
from common.exchanges.protocol import Ack, Parsed, Refusal, Request, Topic, Unreadable
from common.model.events import Candle, Ticker, Trade
from common.model.instruments import Catalog
from common.model.intervals import end_of, is_start
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
    return Request(request_id, msgspec.json.encode(message).decode())


# --- the wire -------------------------------------------------------------------------------

# Digits and a point: what sums can be made of. Coinbase writes no signs, no exponents here.
_Number = Annotated[str, Meta(pattern=r"\A[0-9]{1,30}(\.[0-9]{1,30})?\Z")]
_Whole = Annotated[str, Meta(pattern=r"\A[0-9]{1,18}\Z")]
# What nobody offers or has traded is an empty text.
_Optional = Annotated[str, Meta(pattern=r"\A([0-9]{1,30}(\.[0-9]{1,30})?)?\Z")]
_Kind = Literal["snapshot", "update"]


class _Bar(Struct, gc=False):
    symbol: str = field(name="product_id")
    start_s: Annotated[str, Meta(pattern=r"\A[0-9]{1,11}\Z")] = field(name="start")
    open: _Number
    high: _Number
    low: _Number
    close: _Number
    volume: _Number


class _Day(Struct, gc=False):
    symbol: str = field(name="product_id")
    last: _Number = field(name="price")
    high: _Optional | UnsetType = field(name="high_24_h", default=UNSET)
    low: _Optional | UnsetType = field(name="low_24_h", default=UNSET)
    volume: _Optional | UnsetType = field(name="volume_24_h", default=UNSET)
    bid: _Optional | UnsetType = field(name="best_bid", default=UNSET)
    bid_size: _Optional | UnsetType = field(name="best_bid_quantity", default=UNSET)
    ask: _Optional | UnsetType = field(name="best_ask", default=UNSET)
    ask_size: _Optional | UnsetType = field(name="best_ask_quantity", default=UNSET)


class _Print(Struct, gc=False):
    symbol: str = field(name="product_id")
    trade_id: _Whole
    price: _Number
    size: _Number
    time: str


class _BarEvent(Struct):
    kind: _Kind = field(name="type")
    rows: list[_Bar] = field(name="candles")


class _DayEvent(Struct):
    kind: _Kind = field(name="type")
    rows: list[_Day] = field(name="tickers")


class _PrintEvent(Struct):
    kind: _Kind = field(name="type")
    rows: list[_Print] = field(name="trades")


class _Listing(Struct):
    """Everything the connection is subscribed to now, by channel."""

    subscriptions: dict[str, list[str]]


class _Candles(Struct, tag_field="channel", tag=CANDLES):
    timestamp: str
    events: list[_BarEvent]


class _Tickers(Struct, tag_field="channel", tag=TICKER):
    timestamp: str
    events: list[_DayEvent]


class _Trades(Struct, tag_field="channel", tag=TRADES):
    timestamp: str
    events: list[_PrintEvent]


class _Heartbeat(Struct, tag_field="channel", tag=HEARTBEATS):
    """A sign of life. Its counter comes as a number or as text, its time in Go's format."""


class _Subscriptions(Struct, tag_field="channel", tag="subscriptions"):
    events: list[_Listing]


class _Error(Struct, tag_field="type", tag="error"):
    message: str
    reason: str = ""


_Frame = _Candles | _Tickers | _Trades | _Heartbeat | _Subscriptions
_frame = msgspec.json.Decoder(_Frame)
_error = msgspec.json.Decoder(_Error)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
# Where the rows of a channel are, and how one event with one row is read again by itself.
_LISTS: dict[str, tuple[str, msgspec.json.Decoder[_BarEvent | _DayEvent | _PrintEvent]]] = {
    CANDLES: ("candles", msgspec.json.Decoder(_BarEvent)),
    TICKER: ("tickers", msgspec.json.Decoder(_DayEvent)),
    TRADES: ("trades", msgspec.json.Decoder(_PrintEvent)),
}
_CHANNELS = (*_LISTS, HEARTBEATS, "subscriptions")

_PRODUCT = re.compile(r"([^\s-]{1,40}-[^\s-]{1,40}) is not a valid product")
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ms(text: str) -> int:
    """RFC 3339 with up to nanoseconds to ms UTC, rounded down: in whole numbers, so exactly.

    Raises:
        ValueError: it is not one, or from before 1970 (their null is the year 1).
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r:.40} is not a time")
    *date, fraction = found.groups()
    past = datetime(*map(int, date), tzinfo=UTC) - _EPOCH  # type: ignore[misc,arg-type]
    if past.days < 0:
        raise ValueError(f"{text!r:.40} is before 1970")
    return (past.days * 86_400 + past.seconds) * 1000 + int((fraction or "").ljust(3, "0")[:3])


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says, bars and trades oldest first; never raises.

    Heartbeats say nothing: that a frame came is all they are for.
    """
    try:
        message = _frame.decode(frame)
        if isinstance(message, _Heartbeat):
            return ()
        if isinstance(message, _Subscriptions):
            return (Ack(),)
        at_ms = time_ms(message.timestamp)
        return _ordered(
            [_told(market, row, at_ms) for event in message.events for row in event.rows]
        )
    except msgspec.ValidationError as error:
        return _salvage(market, frame, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return (Unreadable("not_json", str(error)),)
    except ValueError as error:
        # A time that is none, somewhere.
        return _salvage(market, frame, str(error))


def _told(market: Market, row: _Bar | _Day | _Print, at_ms: int) -> Candle | Ticker | Trade:
    """One row in our words; ValueError for a time that is none."""
    if isinstance(row, _Bar):
        return _candle(market, row, at_ms)
    if isinstance(row, _Day):
        return _ticker(market, row, at_ms)
    return Trade(
        exchange=NAME,
        market=market,
        symbol=row.symbol,
        trade_id=row.trade_id,
        price=row.price,
        size=row.size,
        time_ms=time_ms(row.time),
    )


def _candle(market: Market, bar: _Bar, at_ms: int) -> Candle:
    """A bar as it stands; nothing says that it is over, so none is closed."""
    start_ms = int(bar.start_s) * 1000
    if not is_start(_BAR, start_ms):
        raise ValueError(f"no bar of {_BAR} starts at {bar.start_s}")
    return Candle(
        exchange=NAME,
        market=market,
        symbol=bar.symbol,
        interval=_BAR,
        start_ms=start_ms,
        end_ms=end_of(_BAR, start_ms),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        event_ms=at_ms,
    )


def _ticker(market: Market, day: _Day, at_ms: int) -> Ticker:
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


def _ordered(said: list[Candle | Ticker | Trade]) -> Sequence[Parsed]:
    """Oldest first: the wire has newest first, and its own samples both ways."""
    if len(said) > 1:
        said.sort(key=_age)
    return said


def _age(event: Candle | Ticker | Trade) -> int:
    # Trades of a millisecond are told apart by their ids, which count up per product.
    if isinstance(event, Trade):
        return int(event.trade_id)
    return event.start_ms if isinstance(event, Candle) else event.event_ms


# --- what the typed decoder refused -----------------------------------------------------------


def _salvage(market: Market, frame: bytes, why: str) -> Sequence[Parsed]:
    """What can still be read of a frame that was refused, and what is wrong with the rest."""
    try:
        parts = _parts.decode(frame)
        kind = msgspec.json.decode(parts.get("channel", parts.get("type", b"null")))
        if "channel" not in parts and kind == "error":
            return (_refusal(_error.decode(frame)),)
        if "channel" not in parts or kind not in _CHANNELS:
            return (Unreadable("unknown_type", f"{kind!r:.40}"),)
        channel: str = kind
        if channel not in _LISTS:
            return (Unreadable("wrong_shape", why),)
        at_ms = time_ms(msgspec.json.decode(parts["timestamp"], type=str))
        events = _raws.decode(parts["events"])
    except KeyError as error:
        return (Unreadable("wrong_shape", f"{why}; no {error}"),)
    except (ValueError, RecursionError) as error:
        # Another kind of JSON altogether (a number, a list), or an envelope that is not ours.
        return (Unreadable("wrong_shape", f"{why}; {error}"),)
    said: list[Candle | Ticker | Trade] = []
    problems: list[Unreadable] = []
    for event in events:
        for row in _rows_of(event, channel):
            read = _row(market, row, channel, at_ms)
            (problems if isinstance(read, Unreadable) else said).append(read)  # type: ignore[arg-type]
    return [*_ordered(said), *problems]


def _rows_of(event: msgspec.Raw, channel: str) -> list[bytes]:
    """An event as one event per row; itself where that cannot be told, to be refused by itself."""
    name = _LISTS[channel][0]
    try:
        parts = _parts.decode(event)
        kind, rows = bytes(parts["type"]), _raws.decode(parts[name])
    except (KeyError, ValueError, RecursionError):
        return [bytes(event)]
    return [b'{"type":%b,"%b":[%b]}' % (kind, name.encode(), bytes(row)) for row in rows]


def _row(
    market: Market, event: bytes, channel: str, at_ms: int
) -> Candle | Ticker | Trade | Unreadable:
    try:
        (row,) = _LISTS[channel][1].decode(event).rows
        return _told(market, row, at_ms)
    except (ValueError, RecursionError) as error:
        return Unreadable("wrong_shape", str(error))


def _refusal(error: _Error) -> Refusal:
    """An error; it names no request, and the product at fault only by its words."""
    text = f"{error.message}: {error.reason}" if error.reason else error.message
    named = _PRODUCT.findall(text)
    channels = (TRADES, CANDLES, TICKER)
    about = tuple(f"{channel}:{product}" for product in named for channel in channels)
    return Refusal(None, reason_of(text), text[:200], about)
