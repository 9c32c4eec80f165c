"""Bitget's WebSocket v2: topics and requests out, frames in. Pure.

A topic is ``channel:instId``; the market is named by ``instType`` beside it. Answers carry no id:
they are told apart by the ``arg`` they repeat, once per topic. Every push is a list of rows below
one ``arg``: bars (without a flag that tells a close) or the ticker of one symbol.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from common.exchanges.bitget.describe import ERRORS, INST_TYPES, MARKETS, NAME
from common.exchanges.protocol import (
    Ack,
    Parsed,
    Pong,
    Refusal,
    Request,
    TickerPart,
    Topic,
    Unreadable,
)
from common.model.events import Candle, Ticker
from common.model.instruments import Catalog
from common.model.intervals import end_of, is_start
from common.model.streams import Market, Stream

_TICKER = "ticker"


def topics(stream: Stream) -> tuple[Topic, ...]:
    """``candle1m:BTCUSDT`` for a candle, ``ticker:BTCUSDT`` for a ticker."""
    if stream.channel == "ticker":
        return (f"{_TICKER}:{stream.symbol}",)
    interval = MARKETS[stream.market].channels["candle"].intervals[stream.interval or ""]
    return (f"candle{interval}:{stream.symbol}",)


def subscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """``{"op":"subscribe","args":[{"instType","channel","instId"},…]}``; there is no id in it."""
    return _request("subscribe", market, topics, request_id)


def unsubscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """The same, undone."""
    return _request("unsubscribe", market, topics, request_id)


def ping(number: int) -> str:
    """The exchange's own ping: plain text, answered by ``pong``."""
    return "ping"


def _request(op: str, market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    args = []
    for topic in topics:
        channel, _, symbol = topic.partition(":")
        args.append({"instType": INST_TYPES[market], "channel": channel, "instId": symbol})
    return Request(request_id, msgspec.json.encode({"op": op, "args": args}).decode())


# --- the wire -------------------------------------------------------------------------------

_Number = Annotated[str, Meta(pattern=r"\A[0-9]+(\.[0-9]+)?\Z", max_length=60)]
# What is not known is empty, or a price of nothing but zeros.
_Perhaps = Annotated[str, Meta(pattern=r"\A([0-9]+(\.[0-9]+)?)?\Z", max_length=60)] | None
_Time = Annotated[str, Meta(pattern=r"\A[0-9]{13}\Z")]


class Row(Struct, gc=False, array_like=True):
    """A bar, on the WebSocket and in REST: the start first, two volumes last.

    More may follow: the volume in USDT.
    """

    start: _Time
    open: _Number
    high: _Number
    low: _Number
    close: _Number
    first_volume: _Number
    second_volume: _Number


class _Day(Struct, gc=False):
    """The rolling 24 hours and the best prices; futures say more that is not read here."""

    time: _Time = field(name="ts")
    last: _Perhaps = field(name="lastPr", default=None)
    open: _Perhaps = field(name="open24h", default=None)
    high: _Perhaps = field(name="high24h", default=None)
    low: _Perhaps = field(name="low24h", default=None)
    volume: _Perhaps = field(name="baseVolume", default=None)
    quote_volume: _Perhaps = field(name="quoteVolume", default=None)
    bid: _Perhaps = field(name="bidPr", default=None)
    bid_size: _Perhaps = field(name="bidSz", default=None)
    ask: _Perhaps = field(name="askPr", default=None)
    ask_size: _Perhaps = field(name="askSz", default=None)


class _Arg(Struct, gc=False):
    inst_type: str = field(name="instType")
    channel: str
    symbol: str = field(name="instId")

    @property
    def topic(self) -> Topic:
        return f"{self.channel}:{self.symbol}"


class _Frame(Struct, gc=False):
    """Everything that arrives but ``pong``: a push has an ``action``, an answer an ``event``."""

    arg: _Arg | UnsetType = UNSET
    action: str | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    time_ms: int | UnsetType = field(name="ts", default=UNSET)
    event: str | UnsetType = UNSET
    code: int | str = ""
    msg: str | None = None


_frame = msgspec.json.Decoder(_Frame)
_bars, _bar = msgspec.json.Decoder(list[Row]), msgspec.json.Decoder(Row)
_days, _day = msgspec.json.Decoder(list[_Day]), msgspec.json.Decoder(_Day)
_raws = msgspec.json.Decoder(list[Raw])
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_INTERVALS = {
    f"candle{theirs}": ours for ours, theirs in MARKETS["spot"].channels["candle"].intervals.items()
}
# "instType:sp,channel:candle7m,instId:BTCUSDT doesn't exist"
_NAMED = re.compile(r"channel:([^,]+),instId:(.+) doesn't exist")
# How far a quote volume may be from what the prices of its bar allow: it is written rounded.
_SLACK = Decimal("0.001")

_T = TypeVar("_T")


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says, in order; never raises. All sizes are in the base coin."""
    if frame == b"pong":
        return (Pong(),)
    try:
        message = _frame.decode(frame)
    except msgspec.ValidationError as error:
        return (Unreadable("wrong_shape", str(error)),)
    except _BROKEN as error:
        return (Unreadable("not_json", str(error)),)
    if message.event is not UNSET:
        return (_reply(market, message),)
    return _push(market, message)


def _push(market: Market, message: _Frame) -> Sequence[Parsed]:
    arg, data, time_ms = message.arg, message.data, message.time_ms
    if message.action not in ("snapshot", "update"):
        return (Unreadable("unknown_type", f"action {message.action!r:.40}"),)
    if arg is UNSET or data is UNSET or time_ms is UNSET:
        return (Unreadable("wrong_shape", "a push without arg, data or ts"),)
    if arg.inst_type != INST_TYPES[market]:
        return (Unreadable("wrong_shape", f"instType {arg.inst_type!r:.40} on {market}"),)
    said: list[Parsed]
    if arg.channel == _TICKER:
        days, said = _rows(data, _days, _day)
        return said + [_ticker(market, arg.symbol, day) for day in days]
    interval = _INTERVALS.get(arg.channel)
    if interval is None:
        return (Unreadable("unknown_type", f"channel {arg.channel!r:.40}"),)
    rows, said = _rows(data, _bars, _bar)
    return said + _candles(market, arg.symbol, interval, rows, time_ms)


def _rows(
    data: Raw, whole: msgspec.json.Decoder[list[_T]], one: msgspec.json.Decoder[_T]
) -> tuple[list[_T], list[Parsed]]:
    """The rows that can be read, and what is to be said of the others."""
    try:
        return whole.decode(data), []
    except _BROKEN as error:
        why = str(error)
    rows: list[_T] = []
    said: list[Parsed] = []
    try:
        raws = _raws.decode(data)
    except _BROKEN:
        return [], [Unreadable("wrong_shape", why)]
    for raw in raws:
        try:
            rows.append(one.decode(raw))
        except _BROKEN as error:
            said.append(Unreadable("wrong_shape", str(error)))
    return rows, said


def _candles(
    market: Market, symbol: str, interval: str, rows: Iterable[Row], time_ms: int
) -> list[Parsed]:
    """Bars as open candles, oldest first: after a subscribe the last 500, later the running one.

    Which of them have ended is for the house to know: no row says so.
    """
    said: list[Parsed] = []
    for row in sorted(rows, key=lambda row: row.start):
        try:
            said.append(candle(market, symbol, interval, row, time_ms))
        except msgspec.ValidationError as error:
            said.append(Unreadable("wrong_shape", str(error)))
    return said


def candle(
    market: Market, symbol: str, interval: str, row: Row, event_ms: int | UnsetType
) -> Candle:
    """A row as a candle; a closed one has no ``event_ms``.

    Raises:
        msgspec.ValidationError: the row does not start where an interval of UTC starts.
    """
    start_ms = int(row.start)
    if not is_start(interval, start_ms):
        raise msgspec.ValidationError(f"{start_ms} is no start of {interval} in UTC")
    volume, quote_volume = _volumes(market, row)
    return Candle(
        exchange=NAME,
        market=market,
        symbol=symbol,
        interval=interval,
        start_ms=start_ms,
        end_ms=end_of(interval, start_ms),
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=volume,
        quote_volume=quote_volume,
        closed=event_ms is UNSET,
        event_ms=event_ms,
    )


def _volumes(market: Market, row: Row) -> tuple[str | UnsetType, str | UnsetType]:
    """The volume in base and in quote.

    Base comes first, quote second, says the documentation. On COIN-FUTURES it was seen the other
    way round (2023-12-28, and so clients read it since), so there a bar must prove it: a quote
    volume is a base volume times prices between the bar's low and high. A bar that proves neither
    order keeps its volumes to itself.
    """
    first, second = row.first_volume, row.second_volume
    if market != "inverse":
        return first, second
    least, most = Decimal(row.low) * (1 - _SLACK), Decimal(row.high) * (1 + _SLACK)
    for base, quote in ((second, first), (first, second)):
        if least * Decimal(base) <= Decimal(quote) <= most * Decimal(base):
            return base, quote
    return UNSET, UNSET


def _ticker(market: Market, symbol: str, day: _Day) -> Ticker | TickerPart:
    bid, ask = _price(day.bid), _price(day.ask)
    told: dict[str, Any] = {
        "open": _price(day.open),
        "high": _price(day.high),
        "low": _price(day.low),
        "volume": day.volume or UNSET,
        "quote_volume": day.quote_volume or UNSET,
        "bid": bid,
        "bid_size": UNSET if bid is UNSET else day.bid_size or UNSET,
        "ask": ask,
        "ask_size": UNSET if ask is UNSET else day.ask_size or UNSET,
    }
    last = _price(day.last)
    if last is UNSET:
        # Listed, but never traded: there is no ticker without a last price.
        return TickerPart(symbol=symbol, event_ms=int(day.time), **told)
    return Ticker(
        exchange=NAME, market=market, symbol=symbol, event_ms=int(day.time), last=last, **told
    )


def _price(text: str | None) -> str | UnsetType:
    """A price; nothing but zeros means there is none (no trade in 24 hours, an empty book)."""
    return text if text and text.strip("0.") else UNSET


def _reply(market: Market, message: _Frame) -> Parsed:
    arg = message.arg
    if message.event == "error":
        return _refusal(market, message)
    if message.event not in ("subscribe", "unsubscribe"):
        return Unreadable("unknown_type", f"event {message.event!r:.40}")
    if arg is UNSET or arg.inst_type != INST_TYPES[market]:
        return Unreadable("wrong_shape", f"an answer that is not about {market}")
    return Ack(topics=(arg.topic,))


def _refusal(market: Market, message: _Frame) -> Refusal:
    """An error names its topic beside the message, or in it, or not at all."""
    arg, detail = message.arg, message.msg or ""
    topics: tuple[Topic, ...] = ()
    if arg is not UNSET and arg.inst_type == INST_TYPES[market]:
        topics = (arg.topic,)
    elif named := _NAMED.search(detail):
        topics = (f"{named[1]}:{named[2]}",)
    code = str(message.code)
    return Refusal(None, ERRORS.get(code, "transient"), f"{code} {detail}".strip(), topics)
