"""OKX's WebSocket: topics and requests out, frames in. Pure.

A push is ``{"arg":{"channel","instId"},"data":[…]}``, an answer has an ``event``; a pong is the bare
text. A topic of ours is written ``channel:instId``. The rows of a push are decoded together, and
one by one only where that fails: a strange row costs no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.bars import Amount, Volumes, bar, worth
from common.exchanges.okx.describe import CLOSING, ERRORS, INTERVALS, MARKETS, NAME
from common.exchanges.protocol import (
    Ack,
    Notice,
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
    MillisText,
    Number,
    integer,
    read_rows,
    request,
    unreadable,
)
from common.model.events import Candle, Ticker
from common.model.instruments import Catalog
from common.model.streams import Market, Stream


def topics(stream: Stream) -> tuple[Topic, ...]:
    """``candle1m:BTC-USDT``, ``tickers:BTC-USDT-SWAP``: there is no all-market channel."""
    if stream.channel == "ticker":
        return (f"tickers:{stream.symbol}",)
    intervals = MARKETS[stream.market].channels["candle"].intervals
    return (f"candle{intervals[stream.interval or '']}:{stream.symbol}",)


def subscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """``{"id":"1","op":"subscribe","args":[{"channel":"tickers","instId":"BTC-USDT"}]}``."""
    return _request("subscribe", topics, request_id)


def unsubscribe(market: Market, topics: Sequence[Topic], request_id: int) -> Request:
    """The same, undone."""
    return _request("unsubscribe", topics, request_id)


def _request(operation: str, topics: Sequence[Topic], request_id: int) -> Request:
    args = []
    for topic in topics:
        channel, _, symbol = topic.partition(":")
        args.append({"channel": channel, "instId": symbol})
    return request(request_id, {"id": str(request_id), "op": operation, "args": args})


def ping(number: int) -> str:
    """A bare word, whatever its number; so is the answer, ``pong``."""
    return "ping"


# --- the wire -------------------------------------------------------------------------------


class Row(Struct, array_like=True, gc=False):
    """A bar, live or of REST; what the three sizes count depends on the market."""

    start_ms: MillisText
    open: Number
    high: Number
    low: Number
    close: Number
    vol: Number
    vol_ccy: Number
    vol_ccy_quote: Number
    confirm: Literal["0", "1"]


class _Day(Struct, gc=False):
    """The rolling day and the best prices. What there is not (yet) is empty."""

    symbol: str = field(name="instId")
    event_ms: MillisText = field(name="ts")
    last: MaybeNumber
    open: MaybeNumber = field(name="open24h")
    high: MaybeNumber = field(name="high24h")
    low: MaybeNumber = field(name="low24h")
    vol: MaybeNumber = field(name="vol24h")
    vol_ccy: MaybeNumber = field(name="volCcy24h")
    bid: MaybeNumber = field(name="bidPx")
    bid_size: MaybeNumber = field(name="bidSz")
    ask: MaybeNumber = field(name="askPx")
    ask_size: MaybeNumber = field(name="askSz")


class _Arg(Struct, gc=False):
    channel: str
    symbol: str = field(name="instId", default="")

    @property
    def topic(self) -> Topic:
        """As ``topics`` writes it."""
        return f"{self.channel}:{self.symbol}" if self.symbol else self.channel


class _Frame(Struct, gc=False):
    """Everything that arrives but ``pong``: a push has ``data``, anything else an ``event``."""

    arg: _Arg | UnsetType = UNSET
    data: msgspec.Raw | UnsetType = UNSET
    event: str = ""
    id: str | None = None
    code: str | int = ""
    msg: str = ""
    channel: str = ""
    # Answers to orders, which are not placed here.
    op: str = ""


_frame = msgspec.json.Decoder(_Frame)
_bars = msgspec.json.Decoder(list[Row])
_bar = msgspec.json.Decoder(Row)
_days = msgspec.json.Decoder(list[_Day])
_day = msgspec.json.Decoder(_Day)

_CANDLE_CHANNELS: Mapping[str, str] = {f"candle{name}": ours for ours, name in INTERVALS.items()}
# The only place where an error says which of several topics it is about.
_ABOUT = re.compile(r"\bchannel:\s?([^\s,]+),\s?instId:(\S+) doesn't exist")


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says, in order; never raises.

    ``catalog`` tells what a contract stands for: bids and asks of linear contracts need it.
    """
    if frame == b"pong":
        return (Pong(),)
    try:
        message = _frame.decode(frame)
    except BROKEN as error:
        return (unreadable(error),)
    if message.event:
        return (_answer(message),)
    if message.arg is UNSET or message.data is UNSET:
        what = f"an answer to {message.op:.40}" if message.op else "neither a push nor an answer"
        return (Unreadable("unknown_type", what),)
    return _push(market, message.arg, message.data, catalog)


def _push(market: Market, arg: _Arg, data: msgspec.Raw, catalog: Catalog) -> Sequence[Parsed]:
    if not arg.symbol:
        return (Unreadable("wrong_shape", f"a push of {arg.channel:.40} without a symbol"),)
    interval = _CANDLE_CHANNELS.get(arg.channel)
    if interval is not None:
        stream = Stream(NAME, market, "candle", arg.symbol, interval)
        return read_rows(data, _bars, _bar, lambda row: candle(stream, row))
    if arg.channel == "tickers":
        return read_rows(data, _days, _day, lambda day: _ticker(market, day, catalog))
    return (Unreadable("unknown_type", f"channel {arg.channel:.40}"),)


def candle(stream: Stream, row: Row, event_ms: int | UnsetType = UNSET) -> Candle:
    """A row as a bar of this stream. The flag closes it; OKX stamps no time on a running one.

    Raises:
        msgspec.ValidationError: it starts when none of ours does.
    """
    spot = stream.market == "spot"
    return bar(
        stream,
        int(row.start_ms),
        (row.open, row.high, row.low, row.close),
        Volumes(row.vol, row.vol_ccy_quote)
        if spot
        else Volumes(row.vol_ccy, row.vol_ccy_quote, row.vol),
        closed=row.confirm == "1",
        event_ms=event_ms,
    )


def _ticker(market: Market, day: _Day, catalog: Catalog) -> Ticker | TickerPart:
    spot = market == "spot"
    told: dict[str, Any] = {
        "symbol": day.symbol,
        "event_ms": int(day.event_ms),
        "open": day.open or UNSET,
        "high": day.high or UNSET,
        "low": day.low or UNSET,
        "volume": (day.vol if spot else day.vol_ccy) or UNSET,
        # Of contracts it tells base coins and contracts, and nothing in quote.
        "quote_volume": (day.vol_ccy if spot else "") or UNSET,
        "contracts": ("" if spot else day.vol) or UNSET,
        "bid": day.bid or UNSET,
        "bid_size": _size(market, day.symbol, day.bid_size, catalog),
        "ask": day.ask or UNSET,
        "ask_size": _size(market, day.symbol, day.ask_size, catalog),
    }
    if not day.last:
        # Listed, but never traded: there is no ticker without a last price.
        return TickerPart(**told)
    return Ticker(exchange=NAME, market=market, last=day.last, **told)


def _size(market: Market, symbol: str, size: str, catalog: Catalog) -> Amount:
    """The size of an offer: in base, on inverse in contracts of a fixed sum of quote.

    Linear ones need the contract size, and are left out while that is unknown.
    """
    if not size:
        return UNSET
    return worth(size, symbol, catalog, "base") if market == "linear" else size


def _answer(message: _Frame) -> Parsed:
    request_id = integer(message.id)
    detail = f"{message.code} {message.msg}"
    match message.event:
        case "subscribe" | "unsubscribe" if message.arg is not UNSET:
            return Ack(request_id, (message.arg.topic,))
        case "subscribe" | "unsubscribe":
            return Unreadable("wrong_shape", f"{message.event} of nothing")
        case "error":
            about = tuple(":".join(named) for named in _ABOUT.findall(message.msg))
            reason = ERRORS.get(str(message.code), "transient")
            return Refusal(request_id, reason, detail, about)
        case "notice":
            return Notice("closing" if str(message.code) == CLOSING else "other", detail)
        case "channel-conn-count" | "channel-conn-count-error":
            return Notice("other", f"{message.event} {message.channel}")
    return Unreadable("unknown_type", f"event {message.event:.40}")
