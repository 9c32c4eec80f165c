"""Bitget's WebSocket v2: topics and requests out, frames in. Pure.

A topic is ``channel:instId``; the market is named by ``instType`` beside it. Answers carry no id:
they are told apart by the ``arg`` they repeat, once per topic. Every push is a list of rows below
one ``arg``: bars (without a flag that tells a close) or the ticker of one symbol.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from common.exchanges.bars import Prices, Volumes, bar, oldest_first
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
from common.exchanges.wire import (
    BROKEN,
    MaybeNumber,
    Millis,
    Number,
    read_rows,
    request,
    unreadable,
)
from common.model.events import Candle, Ticker
from common.model.instruments import Catalog
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
    return request(request_id, {"op": op, "args": args})


# --- the wire -------------------------------------------------------------------------------

# What is not known is left out, empty, or a price of nothing but zeros.
_Perhaps = MaybeNumber | None
_Time = Annotated[str, Meta(pattern=r"\A[0-9]{13}\Z")]


class Row(Struct, gc=False, array_like=True):
    """A bar, on the WebSocket and in REST: the start first, two volumes last.

    More may follow: the volume in USDT.
    """

    start: _Time
    open: Number
    high: Number
    low: Number
    close: Number
    first_volume: Number
    second_volume: Number


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
    time_ms: Millis | UnsetType = field(name="ts", default=UNSET)
    event: str | UnsetType = UNSET
    code: int | str = ""
    msg: str | None = None


_frame = msgspec.json.Decoder(_Frame)
_bars, _bar = msgspec.json.Decoder(list[Row]), msgspec.json.Decoder(Row)
_days, _day = msgspec.json.Decoder(list[_Day]), msgspec.json.Decoder(_Day)

_INTERVALS = {
    f"candle{theirs}": ours for ours, theirs in MARKETS["spot"].channels["candle"].intervals.items()
}
# "instType:sp,channel:candle7m,instId:BTCUSDT doesn't exist"
_NAMED = re.compile(r"channel:([^,]+),instId:(.+) doesn't exist")
# How far a quote volume may be from what the prices of its bar allow: it is written rounded.
_SLACK = Decimal("0.001")


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says, in order; never raises. All sizes are in the base coin."""
    if frame == b"pong":
        return (Pong(),)
    try:
        message = _frame.decode(frame)
    except BROKEN as error:
        return (unreadable(error),)
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
    if arg.channel == _TICKER:
        return read_rows(data, _days, _day, lambda day: _ticker(market, arg.symbol, day))
    interval = _INTERVALS.get(arg.channel)
    if interval is None:
        return (Unreadable("unknown_type", f"channel {arg.channel!r:.40}"),)
    stream = Stream(NAME, market, "candle", arg.symbol, interval)

    def read(row: Row) -> Candle:
        volume = volumes(market, row)
        return bar(stream, int(row.start), prices(row), volume, event_ms=time_ms)

    # After a subscribe the last 500 bars come, later the running one.
    return oldest_first(read_rows(data, _bars, _bar, read))


def prices(row: Row) -> Prices:
    """Open, high, low, close."""
    return row.open, row.high, row.low, row.close


def volumes(market: Market, row: Row) -> Volumes:
    """The volume in base and in quote.

    Base comes first, quote second, says the documentation. On COIN-FUTURES it was seen the other
    way round (2023-12-28, and so clients read it since), so there a bar must prove it: a quote
    volume is a base volume times prices between the bar's low and high. A bar that proves neither
    order keeps its volumes to itself.
    """
    first, second = row.first_volume, row.second_volume
    if market != "inverse":
        return Volumes(first, second)
    least, most = Decimal(row.low) * (1 - _SLACK), Decimal(row.high) * (1 + _SLACK)
    for base, quote in ((second, first), (first, second)):
        if least * Decimal(base) <= Decimal(quote) <= most * Decimal(base):
            return Volumes(base, quote)
    return Volumes()


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
