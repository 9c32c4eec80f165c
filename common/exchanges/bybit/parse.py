"""Bybit's WebSocket: topics and requests out, frames in. Pure.

A push is ``{"topic", "type", "ts", "data"}``, its data an array of bars, a day or a book; answers
to requests come beside them as ``{"success", "ret_msg", "req_id", "op"}``. The order of the fields
differs between the markets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from common.exchanges.bybit.describe import INTERVALS, NAME, REFUSALS
from common.exchanges.protocol import (
    Ack,
    Parsed,
    Pong,
    Reason,
    Refusal,
    Request,
    TickerPart,
    Topic,
    Unreadable,
)
from common.model.events import Candle
from common.model.instruments import Catalog
from common.model.intervals import end_of, is_start
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
    message = {"req_id": str(request_id), "op": op, "args": list(topics)}
    return Request(request_id, msgspec.json.encode(message).decode())


def ping(number: int) -> str:
    """``{"req_id":"1","op":"ping"}``: a text message, not a WebSocket ping."""
    return f'{{"req_id":"{number}","op":"ping"}}'


# --- the wire -------------------------------------------------------------------------------

# Milliseconds UTC that a calendar knows.
Millis = Annotated[int, Meta(ge=0, lt=10**14)]


class _Bar(Struct, gc=False):
    start_ms: Millis = field(name="start")
    open: str
    close: str
    high: str
    low: str
    volume: str
    turnover: str
    confirm: bool
    event_ms: Millis = field(name="timestamp")


class _Day(Struct, gc=False):
    """The rolling day and the best prices; what a delta leaves out is unchanged."""

    symbol: str
    last: str | UnsetType = field(name="lastPrice", default=UNSET)
    open: str | UnsetType = field(name="prevPrice24h", default=UNSET)
    high: str | UnsetType = field(name="highPrice24h", default=UNSET)
    low: str | UnsetType = field(name="lowPrice24h", default=UNSET)
    volume: str | UnsetType = field(name="volume24h", default=UNSET)
    turnover: str | UnsetType = field(name="turnover24h", default=UNSET)
    bid: str | UnsetType = field(name="bid1Price", default=UNSET)
    bid_size: str | UnsetType = field(name="bid1Size", default=UNSET)
    ask: str | UnsetType = field(name="ask1Price", default=UNSET)
    ask_size: str | UnsetType = field(name="ask1Size", default=UNSET)


class _Book(Struct, gc=False):
    symbol: str = field(name="s")
    bids: list[tuple[str, str]] = field(name="b")
    asks: list[tuple[str, str]] = field(name="a")


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
_rows = msgspec.json.Decoder(list[msgspec.Raw])
_bars = msgspec.json.Decoder(list[_Bar])
_bar = msgspec.json.Decoder(_Bar)
_day = msgspec.json.Decoder(_Day)
_book = msgspec.json.Decoder(_Book)
_REQUEST_ID = re.compile(r"\d{1,9}", re.ASCII)
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
    except msgspec.ValidationError as error:
        return (Unreadable("wrong_shape", str(error)),)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return (Unreadable("not_json", str(error)),)


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
    try:
        return [_candle(stream, bar) for bar in _bars.decode(message.data)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        # One strange bar must not cost the others: they are read one by one.
        return [_salvaged(stream, row) for row in _rows.decode(message.data)]


def _salvaged(stream: Stream, row: msgspec.Raw) -> Candle | Unreadable:
    try:
        return _candle(stream, _bar.decode(row))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unreadable("wrong_shape", str(error))


def _candle(stream: Stream, bar: _Bar) -> Candle:
    return candle(
        stream,
        bar.start_ms,
        (bar.open, bar.high, bar.low, bar.close),
        (bar.volume, bar.turnover),
        closed=bar.confirm,
        event_ms=UNSET if bar.confirm else bar.event_ms,
    )


def candle(
    stream: Stream,
    start_ms: int,
    prices: tuple[str, str, str, str],
    amounts: tuple[str, str],
    *,
    closed: bool,
    event_ms: int | UnsetType,
) -> Candle:
    """A bar by its open, high, low, close and its volume and turnover.

    Raises ``msgspec.ValidationError`` for one that does not start where its interval does.
    """
    interval = stream.interval or ""
    if not is_start(interval, start_ms):
        raise msgspec.ValidationError(f"no {interval} bar starts at {start_ms}")
    volume, quote_volume, contracts = volumes(stream.market, *amounts)
    return Candle(
        NAME,
        stream.market,
        stream.symbol,
        interval,
        start_ms,
        end_of(interval, start_ms),
        *prices,
        volume=volume,
        quote_volume=quote_volume,
        contracts=contracts,
        closed=closed,
        event_ms=event_ms,
    )


_Amount = str | UnsetType


def volumes(market: Market, volume: _Amount, turnover: _Amount) -> tuple[_Amount, _Amount, _Amount]:
    """Base volume, quote volume and contracts of what Bybit calls volume and turnover.

    On inverse the volume counts contracts of one quote unit each, so it is the quote volume too,
    and the turnover is in the base coin.
    """
    if market == "inverse":
        return turnover, volume, volume
    return volume, turnover, UNSET


def _ticker(market: Market, name: str, message: _Frame, ts: int) -> Sequence[Parsed]:
    """The fields of ``tickers.<symbol>``: all of them in a snapshot, the changed ones in a delta."""
    if message.type not in ("snapshot", "delta"):
        return (Unreadable("unknown_type", f"type {message.type:.20} of tickers.{name:.60}"),)
    day = _day.decode(message.data)
    volume, quote_volume, contracts = volumes(market, _told(day.volume), _told(day.turnover))
    return (
        TickerPart(
            symbol=day.symbol,
            event_ms=ts,
            whole=message.type == "snapshot",
            last=_told(day.last),
            open=_told(day.open),
            high=_told(day.high),
            low=_told(day.low),
            volume=volume,
            quote_volume=quote_volume,
            contracts=contracts,
            bid=_told(day.bid),
            bid_size=_told(day.bid_size),
            ask=_told(day.ask),
            ask_size=_told(day.ask_size),
        ),
    )


def _told(text: _Amount) -> _Amount:
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
    known = _REQUEST_ID.fullmatch(message.req_id)
    request_id = int(message.req_id) if known else None
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
    lower = text.lower()
    reasons = (reason for fragment, reason in REFUSALS if fragment in lower)
    reason: Reason = next(reasons, "transient")
    named = tuple(_TOPIC.findall(text))
    refusal = Refusal(request_id, reason, text, named)
    if not named or request_id is None:
        return (refusal,)
    return (refusal, Refusal(request_id, "transient", f"refused with {named[0]}"))
