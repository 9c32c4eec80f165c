"""Binance's WebSocket: topics and requests out, frames in. Pure.

Frames come combined (``{"stream", "data"}``), acks and errors beside them on the same socket.
One typed decoder reads them all; only what it refuses is looked at again, to say why.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.bars import Volumes, bar, worth
from common.exchanges.binance.describe import ERRORS, MARKETS, NAME, SYMBOL_TYPE
from common.exchanges.protocol import Ack, Notice, Parsed, Refusal, Request, Topic, Unreadable
from common.exchanges.wire import (
    BROKEN,
    STRANGE,
    Millis,
    Number,
    integer,
    read_rows,
    request,
    unreadable,
    wrong_shape,
)
from common.model.events import Candle, Ticker
from common.model.instruments import Catalog
from common.model.streams import Market, Stream


def topics(stream: Stream) -> tuple[Topic, ...]:
    """``btcusdt@kline_1m`` for a candle; tickers of a market share its all-market array."""
    rules = MARKETS[stream.market].channels[stream.channel]
    if rules.all_symbols_topic is not None:
        return (rules.all_symbols_topic,)
    return (f"{stream.symbol.lower()}@kline_{rules.intervals[stream.interval or '']}",)


def subscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """``{"method":"SUBSCRIBE","params":[…],"id":1}``; ids are unsigned integers on every market."""
    return _request("SUBSCRIBE", topics, request_id)


def unsubscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """The same, undone."""
    return _request("UNSUBSCRIBE", topics, request_id)


def _request(method: str, topics: Sequence[Topic], request_id: int) -> Request:
    return request(request_id, {"method": method, "params": list(topics), "id": request_id})


# --- the wire -------------------------------------------------------------------------------


class _Bar(Struct, gc=False):
    start_ms: Millis = field(name="t")
    interval: str = field(name="i")
    open: Number = field(name="o")
    close: Number = field(name="c")
    high: Number = field(name="h")
    low: Number = field(name="l")
    volume: Number = field(name="v")
    trades: int = field(name="n")
    closed: bool = field(name="x")
    quote_volume: Number = field(name="q")


class _Kline(Struct, gc=False, tag_field="e", tag="kline"):
    event_ms: int = field(name="E")
    symbol: str = field(name="s")
    bar: _Bar = field(name="k")


class _Day(Struct, gc=False, tag_field="e", tag="24hrTicker"):
    """A rolling day; the array form of the futures and the single form of spot are one shape."""

    event_ms: int = field(name="E")
    symbol: str = field(name="s")
    last: Number = field(name="c")
    open: Number = field(name="o")
    high: Number = field(name="h")
    low: Number = field(name="l")
    volume: Number = field(name="v")
    quote_volume: Number = field(name="q")
    bid: Number | UnsetType = field(name="b", default=UNSET)
    bid_size: Number | UnsetType = field(name="B", default=UNSET)
    ask: Number | UnsetType = field(name="a", default=UNSET)
    ask_size: Number | UnsetType = field(name="A", default=UNSET)
    symbol_type: int | None = field(name="st", default=None)


class _MiniDay(_Day, gc=False, tag_field="e", tag="24hrMiniTicker"):
    """The same without bid and ask."""


class _Shutdown(Struct, gc=False, tag_field="e", tag="serverShutdown"):
    event_ms: int = field(name="E")


class _Error(Struct):
    code: int | str
    msg: str


_Data = _Kline | _Shutdown | _Day | _MiniDay | list[_Day | _MiniDay]


class _Frame(Struct, gc=False):
    """Everything that arrives. Exactly one of the groups below is filled."""

    data: _Data | UnsetType = UNSET
    id: int | str | None = None
    result: msgspec.Raw | UnsetType = UNSET
    error: _Error | UnsetType = UNSET
    # The documents have an error's fields at the top level, the wire has them under "error".
    code: int | UnsetType = UNSET
    msg: str = ""
    # Only raw (uncombined) paths send events bare.
    e: str | UnsetType = UNSET


_frame = msgspec.json.Decoder(_Frame)
_bare = msgspec.json.Decoder(_Data)
_days = msgspec.json.Decoder(list[_Day | _MiniDay])
_day: msgspec.json.Decoder[_Day | _MiniDay] = msgspec.json.Decoder(_Day | _MiniDay)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN = ("kline", "24hrTicker", "24hrMiniTicker", "serverShutdown")


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says, in order; never raises.

    ``catalog`` gives contract sizes, and tells the two futures markets apart where an all-market
    array does not.
    """
    try:
        if frame[:1] == b"[":
            return _events(market, _bare.decode(frame), catalog)
        message = _frame.decode(frame)
        if message.data is not UNSET:
            return _events(market, message.data, catalog)
        if message.e is not UNSET:
            return _events(market, _bare.decode(frame), catalog)
    except STRANGE as error:
        said = unreadable(error)
        return (said,) if said.kind == "not_json" else _salvage(market, frame, catalog, said)
    return (_reply(message),)


def _events(market: Market, data: _Data, catalog: Catalog) -> Sequence[Parsed]:
    if type(data) is _Kline:
        return (_candle(market, data, catalog),)
    if type(data) is list:
        return [_ticker(market, day, catalog) for day in data if _is_of(market, day, catalog)]
    if isinstance(data, _Day):
        return (_ticker(market, data, catalog),) if _is_of(market, data, catalog) else ()
    return (Notice("closing", "serverShutdown"),)


def _candle(market: Market, kline: _Kline, catalog: Catalog) -> Candle:
    row = kline.bar
    if row.interval not in MARKETS[market].channels["candle"].intervals:
        raise msgspec.ValidationError(f"interval {row.interval!r:.40}")
    return bar(
        Stream(NAME, market, "candle", kline.symbol, row.interval),
        row.start_ms,
        (row.open, row.high, row.low, row.close),
        volumes(market, kline.symbol, row.volume, row.quote_volume, catalog),
        closed=row.closed,
        event_ms=kline.event_ms,
        trades=row.trades,
    )


def _ticker(market: Market, day: _Day, catalog: Catalog) -> Ticker:
    told = volumes(market, day.symbol, day.volume, day.quote_volume, catalog)
    return Ticker(
        exchange=NAME,
        market=market,
        symbol=day.symbol,
        event_ms=day.event_ms,
        last=day.last,
        open=day.open,
        high=day.high,
        low=day.low,
        volume=told.base,
        quote_volume=told.quote,
        contracts=told.contracts,
        bid=day.bid,
        bid_size=day.bid_size,
        ask=day.ask,
        ask_size=day.ask_size,
    )


def volumes(market: Market, symbol: str, v: str, q: str, catalog: Catalog) -> Volumes:
    """What Binance calls ``v`` and ``q``.

    On inverse ``v`` counts contracts of a fixed number of quote units and ``q`` is in the base
    coin: the quote volume needs the contract size, and is left out while that is unknown.
    """
    if market != "inverse":
        return Volumes(v, q)
    return Volumes(q, worth(v, symbol, catalog, "quote"), v)


def _is_of(market: Market, day: _Day, catalog: Catalog) -> bool:
    """Whether a row of an all-market array belongs to this market.

    The two futures markets share no symbol, so what is listed here is ours whatever the row's type
    says (official samples disagree about it); the type decides about what is not listed yet.
    """
    if market == "spot" or day.symbol in catalog:
        return True
    if day.symbol_type is not None:
        return day.symbol_type == SYMBOL_TYPE[market]
    return not catalog


def _reply(message: _Frame) -> Parsed:
    request_id = message.id if isinstance(message.id, int) else None
    if message.error is not UNSET:
        return _refusal(request_id, message.error.code, message.error.msg)
    if message.code is not UNSET:
        return _refusal(request_id, message.code, message.msg)
    if message.result is not UNSET and request_id is not None:
        return Ack(request_id)
    return Unreadable("unknown_type", "neither an event nor a reply")


def _refusal(request_id: int | None, code: int | str, detail: str) -> Refusal:
    known = integer(code)
    reason = "transient" if known is None else ERRORS.get(known, "transient")
    return Refusal(request_id, reason, f"{code} {detail}")


def _salvage(market: Market, frame: bytes, catalog: Catalog, why: Unreadable) -> Sequence[Parsed]:
    """What can still be read of a frame that the typed decoder refused.

    One strange row must not silence the other symbols of an all-market array, so those are read
    row by row. Anything else is told apart: an event type we do not know, or a wrong shape.
    """
    data: bytes | msgspec.Raw = frame
    if frame[:1] != b"[":
        try:
            data = _parts.decode(frame).get("data", frame)
        except BROKEN:
            # A frame of another kind of JSON altogether (a number, a string).
            return (why,)
    if bytes(data)[:1] != b"[":
        return (_named(data, why),)

    def read(day: _Day | _MiniDay) -> Ticker | None:
        return _ticker(market, day, catalog) if _is_of(market, day, catalog) else None

    rows = read_rows(data, _days, _day, read, lambda row, error: _named(row, wrong_shape(error)))
    return [said for said in rows if said is not None]


def _named(event: bytes | msgspec.Raw, why: Unreadable) -> Unreadable:
    """An event that cannot be read: of an unknown type, or for the reason given."""
    try:
        kind = msgspec.json.decode(event)
    except BROKEN:
        return why
    if isinstance(kind, dict):
        kind = kind.get("e")
    return why if kind in _KNOWN else Unreadable("unknown_type", f"{kind!r:.40}")
