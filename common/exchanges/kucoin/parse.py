"""KuCoin's WebSocket: topics and requests out, frames in. Pure.

A frame is an envelope (``type``, ``topic``, ``subject``) around ``data``; what ``data`` is follows
from the topic's prefix. Candles have no closing flag: every one is an open candle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from common.exchanges.bars import Volumes, bar
from common.exchanges.kucoin.describe import (
    CANDLES,
    ERRORS,
    FUTURES_BEST,
    FUTURES_DAY,
    MARKETS,
    NAME,
    SPOT_BEST,
    SPOT_DAY,
)
from common.exchanges.kucoin.tickers import (
    best_of_futures,
    best_of_spot,
    day_of_futures,
    day_of_spot,
)
from common.exchanges.kucoin.units import Nanoseconds, volumes_of
from common.exchanges.protocol import (
    Ack,
    Notice,
    Parsed,
    Pong,
    Refusal,
    Request,
    Topic,
    Unreadable,
    Welcome,
)
from common.exchanges.wire import (
    STRANGE,
    Number,
    Seconds,
    integer,
    request,
    unreadable,
)
from common.model.events import Candle
from common.model.instruments import Catalog
from common.model.streams import Market, Stream

_ALL = f"{SPOT_BEST}:all"


def topics(stream: Stream) -> tuple[Topic, ...]:
    """``/market/candles:BTC-USDT_1min`` for a candle; a ticker is joined from two topics.

    Only spot has best prices of all symbols in one topic.
    """
    market, symbol = stream.market, stream.symbol
    if stream.channel == "candle":
        interval = MARKETS[market].channels["candle"].intervals[stream.interval or ""]
        return (f"{CANDLES[market]}:{symbol}_{interval}",)
    if market == "spot":
        return (_ALL, f"{SPOT_DAY}:{symbol}")
    return (f"{FUTURES_BEST}:{symbol}", f"{FUTURES_DAY}:{symbol}")


def family(topic: Topic) -> str:
    """What stands before the colon: one message names one of it, and a list of what follows."""
    return topic.partition(":")[0]


def subscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """``{"id":"1","type":"subscribe","topic":"/market/candles:A_1min,B_1min",…}``."""
    return _request("subscribe", topics, request_id)


def unsubscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """The same, undone."""
    return _request("unsubscribe", topics, request_id)


def _request(kind: str, topics: Sequence[Topic], request_id: int) -> Request:
    names = ",".join(topic.partition(":")[2] for topic in topics)
    message = {
        "id": str(request_id),
        "type": kind,
        "topic": f"{family(topics[0])}:{names}",
        "privateChannel": False,
        "response": True,
    }
    return request(request_id, message)


def ping(number: int) -> str:
    """``{"id":"1","type":"ping"}``; the answer is ``pong``."""
    return f'{{"id":"{number}","type":"ping"}}'


# --- the wire -------------------------------------------------------------------------------


class Frame(Struct, gc=False):
    """The envelope of everything that arrives. Old samples of pushes come without ``type``."""

    type: str = ""
    topic: str = ""
    subject: str = ""
    id: str | int | None = None
    code: int | str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class Row(Struct, array_like=True, gc=False):
    """A bar, as spot tells it on the WebSocket and in REST, and futures on the WebSocket.

    Open, close, high, low: in this order. Of futures the volume is documented as wrong; ``last``
    is the turnover on spot and the number of contracts on futures.
    """

    start_s: Seconds
    open: Number
    close: Number
    high: Number
    low: Number
    volume: Number
    last: Number


class _Bars(Struct, gc=False):
    candles: Row
    time: Nanoseconds  # ns on spot, ms on futures


_frame = msgspec.json.Decoder(Frame)
# Starts of bars are numbers in quotes.
_bars = msgspec.json.Decoder(_Bars, strict=False)

# The one topic an error is about; a whole list in its place says nothing about any one of it.
_ABOUT = re.compile(r"topic ([^\s,]+) is (?:not found|invalid)")
_INTERVALS: Mapping[Market, Mapping[str, str]] = {
    market: {word: interval for interval, word in rules.channels["candle"].intervals.items()}
    for market, rules in MARKETS.items()
}


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says; never raises. ``catalog`` gives contract sizes."""
    try:
        message = _frame.decode(frame)
        if message.topic and message.type in ("message", ""):
            return (_push(market, message, catalog),)
        return (_reply(message),)
    except STRANGE as error:
        return (unreadable(error),)


def _push(market: Market, message: Frame, catalog: Catalog) -> Parsed:
    prefix, _, name = message.topic.partition(":")
    read = _READERS[market].get(prefix)
    if read is None or not name:
        return Unreadable("unknown_type", f"{message.topic:.80}")
    if message.topic == _ALL:
        # Only there the symbol is the subject.
        name = message.subject
        if not name:
            return Unreadable("wrong_shape", "best prices of no symbol")
    return read(market, name, message.data, catalog)


def _candle(market: Market, name: str, data: msgspec.Raw, catalog: Catalog) -> Candle | Unreadable:
    bars = _bars.decode(data)
    symbol, _, word = name.rpartition("_")
    interval = _INTERVALS[market].get(word)
    if interval is None or not symbol:
        return Unreadable("wrong_shape", f"interval {word!r:.40}")
    row = bars.candles
    stream = Stream(NAME, market, "candle", symbol, interval)
    prices = (row.open, row.high, row.low, row.close)
    if market == "spot":
        volumes, event_ms = Volumes(row.volume, row.last), bars.time // 1_000_000
    else:
        volumes, event_ms = volumes_of(market, symbol, row.last, catalog), bars.time
    return bar(stream, row.start_s * 1000, prices, volumes, event_ms=event_ms)


_Reader = Callable[[Market, str, msgspec.Raw, Catalog], Parsed]
_OF_FUTURES: Mapping[str, _Reader] = {
    CANDLES["linear"]: _candle,
    FUTURES_BEST: best_of_futures,
    FUTURES_DAY: day_of_futures,
}
_READERS: Mapping[Market, Mapping[str, _Reader]] = {
    "spot": {CANDLES["spot"]: _candle, SPOT_BEST: best_of_spot, SPOT_DAY: day_of_spot},
    "linear": _OF_FUTURES,
    "inverse": _OF_FUTURES,
}


# --- replies --------------------------------------------------------------------------------


def _reply(message: Frame) -> Parsed:
    request_id = integer(message.id)
    if message.type == "ack":
        if request_id is None:
            return Unreadable("wrong_shape", f"an ack to {message.id!r:.40}, which is not ours")
        return Ack(request_id)
    if message.type == "pong":
        return Pong()
    if message.type == "welcome":
        return Welcome()
    if message.type == "error" or (not message.type and message.code is not None):
        return _refusal(request_id, message)
    return Unreadable("unknown_type", f"{message.type!r:.40}")


def _refusal(request_id: int | None, message: Frame) -> Refusal | Notice:
    data = msgspec.json.decode(message.data)
    said = data if isinstance(data, str) else bytes(message.data)[:200].decode(errors="replace")
    detail = f"{message.code} {said}"
    if said == "ping timeout":
        return Notice("closing", detail)
    code = integer(message.code)
    reason = "transient" if code is None else ERRORS.get(code, "transient")
    about = _ABOUT.search(said)
    return Refusal(request_id, reason, detail, (about[1],) if about else ())
