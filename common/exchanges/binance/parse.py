"""Binance's WebSocket: topics and requests out, frames in. Pure.

Frames come combined (``{"stream", "data"}``), acks and errors beside them on the same socket.
One typed decoder reads them all; only what it refuses is looked at again, to say why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.binance.describe import ERRORS, MARKETS, NAME, SYMBOL_TYPE
from common.exchanges.protocol import Ack, Notice, Parsed, Refusal, Request, Topic, Unreadable
from common.model.decimals import product
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
    text = msgspec.json.encode({"method": method, "params": list(topics), "id": request_id})
    return Request(request_id, text.decode())


# --- the wire -------------------------------------------------------------------------------


class _Bar(Struct, gc=False):
    start_ms: int = field(name="t")
    last_ms: int = field(name="T")
    interval: str = field(name="i")
    open: str = field(name="o")
    close: str = field(name="c")
    high: str = field(name="h")
    low: str = field(name="l")
    volume: str = field(name="v")
    trades: int = field(name="n")
    closed: bool = field(name="x")
    quote_volume: str = field(name="q")


class _Kline(Struct, gc=False, tag_field="e", tag="kline"):
    event_ms: int = field(name="E")
    symbol: str = field(name="s")
    bar: _Bar = field(name="k")


class _Day(Struct, gc=False, tag_field="e", tag="24hrTicker"):
    """A rolling day; the array form of the futures and the single form of spot are one shape."""

    event_ms: int = field(name="E")
    symbol: str = field(name="s")
    last: str = field(name="c")
    open: str = field(name="o")
    high: str = field(name="h")
    low: str = field(name="l")
    volume: str = field(name="v")
    quote_volume: str = field(name="q")
    bid: str | UnsetType = field(name="b", default=UNSET)
    bid_size: str | UnsetType = field(name="B", default=UNSET)
    ask: str | UnsetType = field(name="a", default=UNSET)
    ask_size: str | UnsetType = field(name="A", default=UNSET)
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
_CODE = re.compile(r"-?\d{1,9}", re.ASCII)
_KNOWN = ("kline", "24hrTicker", "24hrMiniTicker", "serverShutdown")
_rows = msgspec.json.Decoder(list[msgspec.Raw])
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


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
    except msgspec.ValidationError as error:
        return _salvage(market, frame, catalog, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return (Unreadable("not_json", str(error)),)
    except ArithmeticError as error:
        return _salvage(market, frame, catalog, f"a number: {type(error).__name__}")
    return (_reply(message),)


def _events(market: Market, data: _Data, catalog: Catalog) -> Sequence[Parsed]:
    if type(data) is _Kline:
        return (_candle(market, data, catalog),)
    if type(data) is list:
        return [_ticker(market, day, catalog) for day in data if _is_of(market, day, catalog)]
    if isinstance(data, _Day):
        return (_ticker(market, data, catalog),) if _is_of(market, data, catalog) else ()
    return (Notice("closing", "serverShutdown"),)


def _candle(market: Market, kline: _Kline, catalog: Catalog) -> Candle | Unreadable:
    bar = kline.bar
    if bar.interval not in MARKETS[market].channels["candle"].intervals:
        return Unreadable("wrong_shape", f"interval {bar.interval!r}")
    volume, quote_volume, contracts = volumes(
        market, kline.symbol, bar.volume, bar.quote_volume, catalog
    )
    return Candle(
        exchange=NAME,
        market=market,
        symbol=kline.symbol,
        interval=bar.interval,
        start_ms=bar.start_ms,
        end_ms=bar.last_ms + 1,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=volume,
        quote_volume=quote_volume,
        contracts=contracts,
        trades=bar.trades,
        closed=bar.closed,
        event_ms=UNSET if bar.closed else kline.event_ms,
    )


def _ticker(market: Market, day: _Day, catalog: Catalog) -> Ticker:
    volume, quote_volume, contracts = volumes(
        market, day.symbol, day.volume, day.quote_volume, catalog
    )
    return Ticker(
        exchange=NAME,
        market=market,
        symbol=day.symbol,
        event_ms=day.event_ms,
        last=day.last,
        open=day.open,
        high=day.high,
        low=day.low,
        volume=volume,
        quote_volume=quote_volume,
        contracts=contracts,
        bid=day.bid,
        bid_size=day.bid_size,
        ask=day.ask,
        ask_size=day.ask_size,
    )


def volumes(
    market: Market, symbol: str, v: str, q: str, catalog: Catalog
) -> tuple[str, str | UnsetType, str | UnsetType]:
    """Base volume, quote volume and contracts of what Binance calls ``v`` and ``q``.

    On inverse ``v`` counts contracts of a fixed number of quote units and ``q`` is in the base
    coin: the quote volume needs the contract size, and is left out while that is unknown.
    """
    if market != "inverse":
        return v, q, UNSET
    instrument = catalog.get(symbol)
    if instrument is None or instrument.contract_size is None:
        return q, UNSET, v
    return q, product(v, instrument.contract_size), v


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
    known = _CODE.fullmatch(str(code))
    reason = ERRORS.get(int(code), "transient") if known else "transient"
    return Refusal(request_id, reason, f"{code} {detail}")


def _salvage(market: Market, frame: bytes, catalog: Catalog, why: str) -> Sequence[Parsed]:
    """What can still be read of a frame that the typed decoder refused.

    One strange row must not silence the other symbols of an all-market array, so those are read
    row by row. Anything else is told apart: an event type we do not know, or a wrong shape.
    """
    try:
        data: bytes | msgspec.Raw = frame
        if frame[:1] != b"[":
            data = _parts.decode(frame).get("data", frame)
        if bytes(data)[:1] != b"[":
            return (_unreadable(data, why),)
        parsed: list[Parsed] = []
        for row in _rows.decode(data):
            try:
                parsed += _events(market, _bare.decode(row), catalog)
            except msgspec.ValidationError as error:
                parsed.append(_unreadable(row, str(error)))
            except ArithmeticError as error:
                parsed.append(Unreadable("wrong_shape", f"a number: {type(error).__name__}"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # A frame of another kind of JSON altogether (a number, a string) ends here too.
        return (Unreadable("wrong_shape", f"{why}; {error}"),)
    return parsed


def _unreadable(event: bytes | msgspec.Raw, why: str) -> Unreadable:
    kind = msgspec.json.decode(event)
    if isinstance(kind, dict):
        kind = kind.get("e")
    if kind in _KNOWN:
        return Unreadable("wrong_shape", why)
    return Unreadable("unknown_type", f"{kind!r:.40}")
