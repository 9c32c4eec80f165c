"""Bybit's WebSocket: topics and requests out, frames in. Pure.

A push is ``{"topic", "type", "ts", "data"}``, its data an array of bars, a day or a book; answers
to requests come beside them as ``{"success", "ret_msg", "req_id", "op"}``. The order of the fields
differs between the markets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.bars import Amount, Volumes, bar
from common.exchanges.bybit.describe import INTERVALS, NAME, REFUSALS
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
    integer,
    read_rows,
    reason_in,
    request,
    unreadable,
)
from common.model.events import Candle
from common.model.instruments import Catalog
from common.model.streams import Market, Stream

_BARS, _DAYS, _BEST = "kline.", "tickers.", "orderbook.1."
_OURS = {theirs: ours for ours, theirs in INTERVALS.items()}


def topics(stream: Stream) -> tuple[Topic, ...]:
    """``kline.1.BTCUSDT``; ``tickers.BTCUSDT``, on spot beside ``orderbook.1.BTCUSDT``.

    The tickers of spot tell no bid and ask.
    """
    if stream.channel == "candle":
        return (f"{_BARS}{INTERVALS[stream.interval or '']}.{stream.symbol}",)
    if stream.market == "spot":
        return (_DAYS + stream.symbol, _BEST + stream.symbol)
    return (_DAYS + stream.symbol,)


def subscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """``{"req_id":"1","op":"subscribe","args":[…]}``."""
    return _request("subscribe", topics, request_id)


def unsubscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """The same, undone."""
    return _request("unsubscribe", topics, request_id)


def _request(op: str, topics: Sequence[Topic], request_id: int) -> Request:
    return request(request_id, {"req_id": str(request_id), "op": op, "args": list(topics)})


def ping(number: int) -> str:
    """``{"req_id":"1","op":"ping"}``: a text message, not a WebSocket ping."""
    return f'{{"req_id":"{number}","op":"ping"}}'


# --- the wire -------------------------------------------------------------------------------


class _Bar(Struct, gc=False):
    start_ms: Millis = field(name="start")
    open: Number
    close: Number
    high: Number
    low: Number
    volume: Number
    turnover: Number
    confirm: bool
    event_ms: Millis = field(name="timestamp")


class _Day(Struct, gc=False):
    """The rolling day and the best prices; what a delta leaves out is unchanged."""

    symbol: str
    last: MaybeNumber | UnsetType = field(name="lastPrice", default=UNSET)
    open: MaybeNumber | UnsetType = field(name="prevPrice24h", default=UNSET)
    high: MaybeNumber | UnsetType = field(name="highPrice24h", default=UNSET)
    low: MaybeNumber | UnsetType = field(name="lowPrice24h", default=UNSET)
    volume: MaybeNumber | UnsetType = field(name="volume24h", default=UNSET)
    turnover: MaybeNumber | UnsetType = field(name="turnover24h", default=UNSET)
    bid: MaybeNumber | UnsetType = field(name="bid1Price", default=UNSET)
    bid_size: MaybeNumber | UnsetType = field(name="bid1Size", default=UNSET)
    ask: MaybeNumber | UnsetType = field(name="ask1Price", default=UNSET)
    ask_size: MaybeNumber | UnsetType = field(name="ask1Size", default=UNSET)


class _Book(Struct, gc=False):
    symbol: str = field(name="s")
    bids: list[tuple[Number, Number]] = field(name="b")
    asks: list[tuple[Number, Number]] = field(name="a")


class _Frame(Struct, gc=False):
    """Everything that arrives: a push has a topic, an answer an operation or a success."""

    topic: str | UnsetType = UNSET
    type: str = ""
    ts: Millis | UnsetType = UNSET
    data: msgspec.Raw = msgspec.Raw(b"null")
    success: bool | UnsetType = UNSET
    op: str = ""
    ret_msg: str = ""
    req_id: str = ""


_frame = msgspec.json.Decoder(_Frame)
_bars = msgspec.json.Decoder(list[_Bar])
_bar = msgspec.json.Decoder(_Bar)
_day = msgspec.json.Decoder(_Day)
_book = msgspec.json.Decoder(_Book)
# Some refusals name the topic at fault, at the end or in brackets.
_TOPIC = re.compile(r"(?:kline\.\w+|tickers|orderbook\.\d+)\.[^\s\[\],;\"']+", re.ASCII)


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says, in order; never raises."""
    try:
        message = _frame.decode(frame)
        if message.topic is UNSET:
            return _reply(message)
        return _push(market, message.topic, message)
    except BROKEN as error:
        return (unreadable(error),)


def _push(market: Market, topic: Topic, message: _Frame) -> Sequence[Parsed]:
    for prefix, read in _READERS[market].items():
        if topic.startswith(prefix):
            if message.ts is UNSET:
                return (Unreadable("wrong_shape", f"no time in {topic:.60}"),)
            return read(market, topic.removeprefix(prefix), message, message.ts)
    return (Unreadable("unknown_type", f"topic {topic:.60}"),)


def _candles(market: Market, name: str, message: _Frame, _: int) -> Sequence[Parsed]:
    """The bars of ``kline.<interval>.<symbol>``: a close and the bar after it may come together."""
    theirs, _dot, symbol = name.partition(".")
    interval = _OURS.get(theirs)
    if interval is None or not symbol:
        return (Unreadable("wrong_shape", f"topic kline.{name:.60}"),)
    stream = Stream(NAME, market, "candle", symbol, interval)

    def read(row: _Bar) -> Candle:
        return bar(
            stream,
            row.start_ms,
            (row.open, row.high, row.low, row.close),
            volumes(market, row.volume, row.turnover),
            closed=row.confirm,
            event_ms=row.event_ms,
        )

    return read_rows(message.data, _bars, _bar, read)


def volumes(market: Market, volume: Amount, turnover: Amount) -> Volumes:
    """What Bybit calls volume and turnover.

    On inverse the volume counts contracts of one quote unit each, so it is the quote volume too,
    and the turnover is in the base coin.
    """
    if market == "inverse":
        return Volumes(turnover, volume, volume)
    return Volumes(volume, turnover)


def _ticker(market: Market, name: str, message: _Frame, ts: int) -> Sequence[Parsed]:
    """The fields of ``tickers.<symbol>``: all of them in a snapshot, the changed ones in a delta."""
    if message.type not in ("snapshot", "delta"):
        return (Unreadable("unknown_type", f"type {message.type:.20} of tickers.{name:.60}"),)
    day = _day.decode(message.data)
    traded = volumes(market, _told(day.volume), _told(day.turnover))
    return (
        TickerPart(
            symbol=day.symbol,
            event_ms=ts,
            whole=message.type == "snapshot",
            last=_told(day.last),
            open=_told(day.open),
            high=_told(day.high),
            low=_told(day.low),
            volume=traded.base,
            quote_volume=traded.quote,
            contracts=traded.contracts,
            bid=_told(day.bid),
            bid_size=_told(day.bid_size),
            ask=_told(day.ask),
            ask_size=_told(day.ask_size),
        ),
    )


def _told(text: Amount) -> Amount:
    """An empty text stands for what does not apply."""
    return text or UNSET


def _best(market: Market, name: str, message: _Frame, ts: int) -> Sequence[Parsed]:
    """The best prices of ``orderbook.1.<symbol>``, always whole; an empty side is left out."""
    if message.type != "snapshot":
        return (Unreadable("unknown_type", f"type {message.type:.20} of orderbook.1.{name:.60}"),)
    book = _book.decode(message.data)
    bid, bid_size = book.bids[0] if book.bids else (UNSET, UNSET)
    ask, ask_size = book.asks[0] if book.asks else (UNSET, UNSET)
    return (
        TickerPart(
            symbol=book.symbol,
            event_ms=ts,
            source=1,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
        ),
    )


_Reader = Callable[[Market, str, _Frame, int], Sequence[Parsed]]
_DERIVATIVES: Mapping[str, _Reader] = {_BARS: _candles, _DAYS: _ticker}
_READERS: Mapping[Market, Mapping[str, _Reader]] = {
    "spot": {**_DERIVATIVES, _BEST: _best},
    "linear": _DERIVATIVES,
    "inverse": _DERIVATIVES,
}


# --- answers --------------------------------------------------------------------------------


def _reply(message: _Frame) -> Sequence[Parsed]:
    """An answer to a request; a pong says ``"op":"ping"`` on some sockets, ``"pong"`` on others."""
    if message.op == "pong" or (message.success is True and message.ret_msg == "pong"):
        return (Pong(),)
    if message.success is UNSET or message.op == "ping":
        return (Unreadable("unknown_type", f"op {message.op!r:.20} {message.ret_msg:.60}"),)
    request_id = integer(message.req_id)
    if not message.success:
        return _refusals(request_id, message.ret_msg)
    if message.op not in ("subscribe", "unsubscribe"):
        return (Unreadable("unknown_type", f"success of op {message.op!r:.20}"),)
    if message.req_id and request_id is None:
        return (Unreadable("wrong_shape", f"req_id {message.req_id!r:.40} is not of ours"),)
    return (Ack(request_id),)


def _refusals(request_id: int | None, text: str) -> Sequence[Refusal]:
    """A refusal, and where it names topics, one of the others too.

    One topic at fault costs the whole request: what the text names is dealt with as it says, and
    the rest of the request is to be asked for again without it.
    """
    named = tuple(_TOPIC.findall(text))
    refusal = Refusal(request_id, reason_in(text, REFUSALS), text, named)
    if not named or request_id is None:
        return (refusal,)
    return (refusal, Refusal(request_id, "transient", f"refused with {named[0]}"))
