"""OKX's WebSocket: topics and requests out, frames in. Pure.

A push is ``{"arg":{"channel","instId"},"data":[…]}``, an answer has an ``event``; a pong is the bare
text. A topic of ours is written ``channel:instId``. The rows of a push are decoded together, and
one by one only where that fails: a strange row costs no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from common.exchanges.okx.describe import CLOSING, ERRORS, INTERVALS, MARKETS, NAME
from common.exchanges.protocol import (
    Ack,
    Notice,
    Parsed,
    Pong,
    Refusal,
    Request,
    Topic,
    Unreadable,
)
from common.model.decimals import product
from common.model.events import Candle, Ticker
from common.model.instruments import Catalog
from common.model.intervals import end_of, is_start
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
    text = msgspec.json.encode({"id": str(request_id), "op": operation, "args": args})
    return Request(request_id, text.decode())


def ping(number: int) -> str:
    """A bare word, whatever its number; so is the answer, ``pong``."""
    return "ping"


# --- the wire -------------------------------------------------------------------------------

# All numbers are text, and never in another notation. 13 digits of milliseconds reach 2286.
Number = Annotated[str, Meta(pattern=r"^[0-9]{1,40}(\.[0-9]{1,40})?\Z")]
MaybeNumber = Annotated[str, Meta(pattern=r"^([0-9]{1,40}(\.[0-9]{1,40})?)?\Z")]
TimeMs = Annotated[str, Meta(pattern=r"^[0-9]{1,13}\Z")]
MaybeTimeMs = Annotated[str, Meta(pattern=r"^[0-9]{0,13}\Z")]


class Row(Struct, array_like=True, gc=False):
    """A bar, live or of REST; what the three sizes count depends on the market."""

    start_ms: TimeMs
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
    event_ms: TimeMs = field(name="ts")
    last: Number
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
_R = TypeVar("_R")
_Told = Candle | Ticker | Unreadable
_raw_rows = msgspec.json.Decoder(list[msgspec.Raw])

_CANDLE_CHANNELS: Mapping[str, str] = {f"candle{name}": ours for ours, name in INTERVALS.items()}
# The only place where an error says which of several topics it is about.
_ABOUT = re.compile(r"\bchannel:\s?([^\s,]+),\s?instId:(\S+) doesn't exist")
_REQUEST_ID = re.compile(r"[0-9]{1,18}")


# --- frames in ------------------------------------------------------------------------------


def parse(market: Market, frame: bytes, catalog: Catalog) -> Sequence[Parsed]:
    """What a frame says, in order; never raises.

    ``catalog`` tells what a contract stands for: bids and asks of linear contracts need it.
    """
    if frame == b"pong":
        return (Pong(),)
    try:
        message = _frame.decode(frame)
    except msgspec.ValidationError as error:
        return (Unreadable("wrong_shape", str(error)),)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return (Unreadable("not_json", str(error)),)
    if message.event:
        return (_answer(message),)
    if message.arg is UNSET or message.data is UNSET:
        what = f"an answer to {message.op:.40}" if message.op else "neither a push nor an answer"
        return (Unreadable("unknown_type", what),)
    return _push(market, message.arg, message.data, catalog)


def _push(market: Market, arg: _Arg, data: msgspec.Raw, catalog: Catalog) -> Sequence[_Told]:
    interval = _CANDLE_CHANNELS.get(arg.channel)
    if interval is not None:
        stream = Stream(NAME, market, "candle", arg.symbol, interval)
        return _rows(data, _bars, _bar, lambda row: candle(stream, row))
    if arg.channel == "tickers":
        return _rows(data, _days, _day, lambda day: _ticker(market, day, catalog))
    return (Unreadable("unknown_type", f"channel {arg.channel:.40}"),)


def _rows(
    data: msgspec.Raw,
    many: msgspec.json.Decoder[list[_R]],
    one: msgspec.json.Decoder[_R],
    read: Callable[[_R], _Told],
) -> Sequence[_Told]:
    """Every row of a push, read; together if all are as they should be, else one by one."""
    try:
        return [read(row) for row in many.decode(data)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        why = str(error)
    said: list[_Told] = []
    try:
        for raw in _raw_rows.decode(data):
            try:
                said.append(read(one.decode(raw)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                said.append(Unreadable("wrong_shape", str(error)))
            except ArithmeticError as error:
                said.append(Unreadable("wrong_shape", f"a number: {type(error).__name__}"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return (Unreadable("wrong_shape", why),)
    return said


def candle(stream: Stream, row: Row) -> Candle | Unreadable:
    """A row as a bar of this stream. The flag closes it; OKX stamps no time on a running one.

    A start that is none of ours is refused: the plain names of long bars open at UTC+8.
    """
    interval, start_ms = stream.interval or "", int(row.start_ms)
    if not is_start(interval, start_ms):
        return Unreadable("wrong_shape", f"{start_ms} does not start a bar of {interval}")
    spot = stream.market == "spot"
    return Candle(
        exchange=NAME,
        market=stream.market,
        symbol=stream.symbol,
        interval=interval,
        start_ms=start_ms,
        end_ms=end_of(interval, start_ms),
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.vol if spot else row.vol_ccy,
        quote_volume=row.vol_ccy_quote,
        contracts=UNSET if spot else row.vol,
        closed=row.confirm == "1",
    )


def _ticker(market: Market, day: _Day, catalog: Catalog) -> Ticker:
    spot = market == "spot"
    return Ticker(
        exchange=NAME,
        market=market,
        symbol=day.symbol,
        event_ms=int(day.event_ms),
        last=day.last,
        open=day.open or UNSET,
        high=day.high or UNSET,
        low=day.low or UNSET,
        volume=(day.vol if spot else day.vol_ccy) or UNSET,
        # Of contracts it tells base coins and contracts, and nothing in quote.
        quote_volume=(day.vol_ccy if spot else "") or UNSET,
        contracts=("" if spot else day.vol) or UNSET,
        bid=day.bid or UNSET,
        bid_size=_size(market, day.symbol, day.bid_size, catalog),
        ask=day.ask or UNSET,
        ask_size=_size(market, day.symbol, day.ask_size, catalog),
    )


def _size(market: Market, symbol: str, size: str, catalog: Catalog) -> str | UnsetType:
    """The size of an offer: in base, on inverse in contracts of a fixed sum of quote.

    Linear ones need the contract size, and are left out while that is unknown.
    """
    if not size:
        return UNSET
    if market != "linear":
        return size
    instrument = catalog.get(symbol)
    if instrument is None or instrument.contract_size is None:
        return UNSET
    if instrument.contract_unit != instrument.base:
        return UNSET
    return product(size, instrument.contract_size)


def _answer(message: _Frame) -> Parsed:
    id_ = message.id or ""
    request_id = int(id_) if _REQUEST_ID.fullmatch(id_) else None
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
