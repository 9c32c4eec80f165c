"""What backends ask for, read: bytes to a pattern of streams, or why not. Pure.

Two spellings are understood. The older backends' names a market by its exchange and an interval in
the exchange's own words: ``{"payload": {"symbol": "BTCUSDT", "exchange": "binanceUsdm",
"interval": "1m"}}``; where they have words of their own (``common.exchanges.seed``), in these. Ours says ``"exchange": "binance", "market": "linear"``, may ask for tickers
(``"channel": "ticker"``) and may use a pattern as symbol. Both may ask for past candles:
``"history": 200``.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from common.exchanges.protocol import ChannelRules, Exchange
from common.exchanges.registry import EXCHANGES, by_seed_name
from common.exchanges.seed import SeedWords
from common.model.intervals import INTERVALS, source_of
from common.model.streams import MARKETS, Channel, Market, Pattern

# What became of a request. ``accepted``: it is wanted now and will be streamed; ``active``: it is
# streamed already; ``unsupported``: the exchange has no such thing; ``disabled``: the operator
# switched it off; ``failed``: it could not be dealt with.
State = Literal["accepted", "active", "unsupported", "disabled", "failed"]

_MOST_SYMBOL_CHARACTERS = 100
_MOST_HISTORY = 10_000


class Wanted(Struct, frozen=True):
    """What is asked for; ``history``: a candle stream that is new begins so many candles ago."""

    pattern: Pattern
    history: int = 0


class Answer(Struct, frozen=True, omit_defaults=True):
    """What a requester is told."""

    state: State
    reason: str = ""
    stream: str = ""


class Malformed(Exception):  # noqa: N818 - it says what the message is
    """The message cannot be understood; the text says why."""


class ReplyTo(Struct, frozen=True):
    """Where an answer goes."""

    queue: str
    correlation_id: str | None = None


class _Envelope(Struct):
    payload: Raw
    reply_to: str | None = field(name="replyTo", default=None)
    correlation_id: str | None = field(name="correlationId", default=None)


class _Payload(Struct):
    symbol: str
    exchange: str
    interval: str | int | None = None
    market: str | None = None
    channel: Channel = "candle"
    history: Annotated[int, Meta(ge=0, le=_MOST_HISTORY)] = 0


_envelope = msgspec.json.Decoder(_Envelope)
_payload = msgspec.json.Decoder(_Payload)


def reply_address(
    body: bytes, property_reply_to: str | None, property_correlation_id: str | None
) -> ReplyTo | None:
    """Where the requester waits for its answer: as AMQP says it, else as the body does."""
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The body will be found malformed when it is read; the properties still count.
        envelope = _Envelope(Raw(b"null"))
    queue = property_reply_to or envelope.reply_to
    if not queue:
        return None
    return ReplyTo(queue, property_correlation_id or envelope.correlation_id)


def read(body: bytes) -> Wanted | Answer:
    """What is wanted, or the answer to give where it does not exist.

    Raises:
        Malformed: the message is not of the form above.
    """
    try:
        payload = _payload.decode(_envelope.decode(body).payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from error
    _check_symbol(payload)
    if payload.channel == "candle" and payload.interval in (None, ""):
        raise Malformed("a candle needs an interval")
    place = _place(payload)
    if place is None:
        at = f" market {payload.market!r}" if payload.market is not None else ""
        return Answer("unsupported", f"exchange {payload.exchange!r}{at} is not served"[:200])
    exchange, market = place
    # Who names a market by its old name says the rest in old words too.
    seed = exchange.markets[market].seed if payload.market is None else None
    symbol = payload.symbol if seed is None else seed.own_symbol(payload.symbol)
    rules = exchange.markets[market].channels.get(payload.channel)
    if rules is None:
        return Answer("unsupported", f"{exchange.name} {market} has no {payload.channel}")
    if payload.channel != "candle":
        return Wanted(Pattern(exchange.name, market, payload.channel, symbol))
    interval = _interval(rules, str(payload.interval), seed)
    if interval is None:
        reason = f"{exchange.name} {market} has no interval {payload.interval!r}; it has "
        return Answer("unsupported", (reason + " ".join(INTERVALS))[:200])
    pattern = Pattern(exchange.name, market, payload.channel, symbol, interval)
    return Wanted(pattern, payload.history)


def _check_symbol(payload: _Payload) -> None:
    symbol = payload.symbol
    if not symbol or len(symbol) > _MOST_SYMBOL_CHARACTERS or not symbol.isprintable():
        raise Malformed(f"{symbol[:_MOST_SYMBOL_CHARACTERS]!r} is not a symbol")
    if payload.market is None and ("*" in symbol or "?" in symbol):
        raise Malformed(f"{symbol!r} is a pattern; a symbol is expected beside a market's old name")


def _place(payload: _Payload) -> tuple[Exchange, Market] | None:
    if payload.market is None:
        return by_seed_name(payload.exchange)
    exchange = EXCHANGES.get(payload.exchange)
    for market in MARKETS:
        if exchange is not None and market == payload.market and market in exchange.markets:
            return exchange, market
    return None


def _interval(rules: ChannelRules, text: str, seed: SeedWords | None) -> str | None:
    """Our spelling of an interval given in ours or theirs.

    The same letters can mean different things to us and to an exchange, so who asks in an
    exchange's old name (``seed``) is understood in older backends' and the exchange's words first.
    """
    ours = text if text in INTERVALS and source_of(text, rules.intervals) else None
    theirs = next((name for name, word in rules.intervals.items() if word == text), None)
    if seed is None:
        return ours or theirs
    return seed.own_interval(text) or theirs or ours
