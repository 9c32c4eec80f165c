"""The survey: every real message of every exchange through our code, and what became of it.

The collection of messages lies beside the project where it was developed, or where ``CORPUS``
points; its ``INDEX.md`` says where each line is from. Each line of the files that an exchange
claims ends as one of three:

understood  it gave what such a line should give, and its numbers are those of the text
ignored     it gave nothing, on purpose: the exchange's ``explain`` says why
rejected    anything else, an explanation of an understood line included: a defect of somebody's

    python -m tests.exchanges.corpus        # the table
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from msgspec import UNSET

from common.exchanges.protocol import (
    Ack,
    Exchange,
    Notice,
    Pong,
    Refusal,
    RestFailure,
    TickerPart,
    Unreadable,
    Welcome,
)
from common.exchanges.registry import EXCHANGES
from common.model.events import Candle, Ticker, Trade
from common.model.instruments import Instrument
from common.model.intervals import INTERVALS, end_of, is_start
from common.model.streams import Market, Stream

CORPUS = Path(os.environ.get("CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))

# What a line of a channel should give. Some exchanges answer a ping in the words of an ack, and
# some errors are about the connection, not about a request.
TELLS: Mapping[str, tuple[type, ...]] = {
    "ws_kline": (Candle,),
    "ws_ticker": (Ticker, TickerPart),
    "ws_tickers_all": (Ticker, TickerPart),
    "ws_book_ticker": (Ticker, TickerPart),
    "ws_trade": (Trade,),
    "ws_ack": (Ack, Welcome),
    "ws_error": (Refusal, Notice),
    "ws_notice": (Notice,),
    "ws_pong": (Pong, Ack),
    "rest_klines": (Candle,),
    "rest_instruments": (Instrument,),
    "rest_error": (RestFailure,),
}
_WS = [channel for channel in TELLS if channel.startswith("ws_")]
# Each row of these is one event. (An all-market array may hold another market's rows as well, an
# instrument list kinds that we do not have.)
_ROW_BY_ROW = ("ws_kline", "ws_ticker", "ws_trade", "rest_klines")
_MADE_UP = ("fixture", "sample")
# Prices are the exchange's own digits. (Sizes may be contracts, which become base and quote.)
_PRICES: Mapping[type, tuple[str, ...]] = {
    Candle: ("open", "high", "low", "close"),
    Ticker: ("last", "open", "high", "low", "bid", "ask"),
    TickerPart: ("last", "open", "high", "low", "bid", "ask"),
    Trade: ("price",),
}
# Later than any line: every bar of a REST answer has ended.
LATER_MS = 4_000_000_000_000
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)')


class Explainer(Protocol):
    """What ``tests/exchanges/<name>/corpus.py`` offers."""

    # Folder below ``corpus/<name>/`` to our market. Where a folder holds several, the module also
    # has ``market_of(folder, message) -> Market``.
    FOLDERS: Mapping[str, Market]

    def explain(self, folder: str, channel: str, message: Any) -> str | None:
        """Why a line gives us nothing on purpose; None where it must be understood."""

    def stream_of(self, folder: str, raw: bytes) -> Stream:
        """The stream whose candles a REST answer holds."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file of the collection."""

    exchange: str
    folder: str
    market: Market
    channel: str
    source: str
    # recorded, official (the exchange's own documents), fixture or sample (somebody else's).
    provenance: str
    raw: bytes

    @property
    def message(self) -> Any:
        """The decoded JSON, or the text where it is none."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return self.raw.decode()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a line; ``detail`` is the reason where it was not understood."""

    line: Line
    outcome: Literal["understood", "ignored", "rejected"]
    detail: str = ""


def explainer(name: str) -> Explainer:
    """The exchange's own module."""
    return importlib.import_module(f"tests.exchanges.{name}.corpus")  # type: ignore[return-value]


def claimed(exchange: Exchange, market: Market) -> list[str]:
    """The channels that a market must understand: what it subscribes to, asks and is answered.

    Best prices of their own are part of a ticker where it is joined from several topics, and
    trades matter where bars are made of them.
    """
    left_out = set()
    if len(exchange.topics(Stream(exchange.name, market, "ticker", "BTCUSDT"))) == 1:
        left_out.add("ws_book_ticker")
    if not exchange.markets[market].channels["candle"].from_trades:
        left_out.add("ws_trade")
    return [channel for channel in TELLS if channel not in left_out]


def lines(name: str, folder: str, channel: str) -> Iterator[Line]:
    """The lines of one file, in order, each as of the market it is from."""
    judge = explainer(name)
    path = CORPUS / name / folder / f"{channel}.jsonl"
    for text in path.read_text().splitlines() if path.exists() else ():
        record = json.loads(text)
        raw = record["raw"].encode()
        yield _line(judge, (name, folder, channel), record["src"], record["prov"], raw)


def _line(
    judge: Explainer, place: tuple[str, str, str], source: str, provenance: str, raw: bytes
) -> Line:
    name, folder, channel = place
    line = Line(name, folder, judge.FOLDERS[folder], channel, source, provenance, raw)
    return replace(line, market=market_of(judge, folder, line.message))


def market_of(judge: Explainer, folder: str, message: Any) -> Market:
    """The market that a message is from."""
    known = getattr(judge, "market_of", lambda folder, _: judge.FOLDERS[folder])
    return known(folder, message)


def survey(name: str) -> list[Verdict]:
    """All claimed lines of an exchange."""
    judge, exchange = explainer(name), EXCHANGES[name]
    return [
        verdict(exchange, judge, line)
        for folder, market in judge.FOLDERS.items()
        for channel in claimed(exchange, market)
        for line in lines(name, folder, channel)
    ]


def verdict(exchange: Exchange, judge: Explainer, line: Line) -> Verdict:
    """What becomes of a line."""
    reason = judge.explain(line.folder, line.channel, line.message)
    try:
        said = _said(exchange, judge, line)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the survey looks for
        # Only the REST parsers may raise, and only this.
        if reason and line.channel.startswith("rest_") and isinstance(error, msgspec.DecodeError):
            return Verdict(line, "ignored", reason)
        return Verdict(line, "rejected", f"raised {error!r}")
    nothing = all(isinstance(part, Unreadable | RestFailure) for part in said)
    if reason and nothing and line.channel != "rest_error":
        if any(isinstance(part, Unreadable) and part.kind == "defect" for part in said):
            return Verdict(line, "rejected", f"{said}")
        return Verdict(line, "ignored", reason)
    if reason:
        return Verdict(line, "rejected", f"explained ({reason}), and yet it gave {said}")
    problem = wrong(line, said)
    return Verdict(line, "rejected", problem) if problem else Verdict(line, "understood")


def _said(exchange: Exchange, judge: Explainer, line: Line) -> Sequence[Any]:
    if line.channel.startswith("ws_"):
        return exchange.parse(line.market, line.raw, {})
    failure = exchange.rest_failure(400 if line.channel == "rest_error" else 200, {}, line.raw)
    if failure is not None or line.channel == "rest_error":
        return (failure,)
    if line.channel == "rest_instruments":
        return exchange.parse_instruments(line.market, line.raw).instruments
    stream = judge.stream_of(line.folder, line.raw)
    return exchange.parse_candles(stream, line.raw, {}, LATER_MS)


# --- what an understood line must keep ------------------------------------------------------


def wrong(line: Line, said: Sequence[Any]) -> str | None:
    """The first thing about what was said that is not so."""
    if not said:
        return "nothing was said, and no reason given"
    for part in said:
        if not isinstance(part, TELLS[line.channel]):
            return f"not what a {line.channel} tells: {part}"
    if line.channel in _ROW_BY_ROW and len(said) != (there := _rows(line.message)):
        return f"{len(said)} of {there} rows"
    if line.channel == "rest_klines" and line.provenance not in _MADE_UP:
        starts = [candle.start_ms for candle in said]
        if starts != sorted(starts):
            return "not oldest first"
    tokens, text = _tokens(line.raw), str(line.message)
    for part in said:
        for name in _PRICES.get(type(part), ()):
            if (price := getattr(part, name)) is not UNSET and price not in tokens:
                return f"{name} is not in the text: {part}"
        if type(part) in _PRICES and line.channel != "rest_klines" and part.symbol not in text:
            return f"of another symbol: {part}"
        if isinstance(part, Candle) and (problem := _wrong_candle(line, part)):
            return f"{problem}: {part}"
    return None


def _wrong_candle(line: Line, candle: Candle) -> str | None:
    if (candle.exchange, candle.market) != (line.exchange, line.market):
        return "of another market"
    if candle.closed and candle.event_ms is not UNSET:
        return "a frame's time is on open candles only"
    # What somebody made up need be no bar; what an exchange said is.
    if line.provenance == "recorded":
        if not is_start(candle.interval, candle.start_ms):
            return "not aligned"
        if candle.end_ms != end_of(candle.interval, candle.start_ms):
            return "not as long as its interval"
        inside = sorted(Decimal(price) for price in (candle.open, candle.close))
        if not Decimal(candle.low) <= inside[0] <= inside[1] <= Decimal(candle.high):
            return "outside its high and low"
    return None


def _tokens(raw: bytes) -> set[str]:
    """The strings and numbers of a text as they are written, and with exponents written out."""
    found = _TOKEN.findall(raw.decode())
    numbers = {number for _, number in found if number}
    plain = {f"{Decimal(number):f}" for number in numbers if "e" in number.lower()}
    return {text for text, _ in found} | numbers | plain


def _rows(message: Any) -> int:
    """How many things a message tells of: its longest list of lists or of objects; else one."""
    longest, level = 1, [message]
    while level:
        value = level.pop()
        if isinstance(value, dict | list):
            level += value.values() if isinstance(value, dict) else value
        if isinstance(value, list) and all(isinstance(row, list | dict) for row in value):
            longest = max(longest, len(value))
    return longest


def interval_between(start_ms: int, end_ms: int) -> str:
    """The interval that lasts so long from there: for ``stream_of``, where the answer is mute."""
    return next(i for i in INTERVALS if end_of(i, start_ms) == end_ms)


# --- what other parsers made of the same lines ----------------------------------------------


# Names that the other parsers' tests use, and ours. Prices and sizes are compared as numbers.
_NAMES: Mapping[str, str] = {
    **{f"candlestick_msg.{name}": name for name in ("open", "high", "low", "close", "symbol")},
    "candlestick_msg.volume": "volume",
    "candlestick_msg.quote_volume": "quote_volume",
    "candlestick_msg.begin_time": "start_ms",
    "bbo_msg.ask_price": "ask",
    "bbo_msg.ask_quantity_base": "ask_size",
    "bbo_msg.bid_price": "bid",
    "bbo_msg.bid_quantity_base": "bid_size",
    "baseVolume": "volume",
    "quoteVolume": "quote_volume",
    "lastPrice": "last",
    "askPrice": "ask",
    "askAmount": "ask_size",
    "askVolume": "ask_size",
    "bidPrice": "bid",
    "bidAmount": "bid_size",
    "bidVolume": "bid_size",
    "timestamp": "event_ms",
    **{name: name for name in ("last", "open", "high", "low", "bid", "ask")},
}
# ccxt's row. Its volume is in base or in contracts, as the exchange has it.
_OHLCV = ("start_ms", "open", "high", "low", "close", "volume|contracts")


def expected(name: str, folder: str) -> Iterator[tuple[Line, list[dict[str, Any]]]]:
    """A line, and what it says in our words, event by event."""
    judge = explainer(name)
    for text in (CORPUS / "expected.jsonl").read_text().splitlines():
        record = json.loads(text)
        if (record["exchange"], record["market"]) == (name, folder) and record["kind"] in _WS:
            raw, place = record["raw"].encode(), (name, folder, record["kind"])
            yield _line(judge, place, record["src"], "expected", raw), _told(record["expected"])


def _told(theirs: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "tardis_normalized" in theirs:
        # One message as several of theirs: together they are one event of ours.
        return [{k: v for each in theirs["tardis_normalized"] for k, v in _renamed(each).items()}]
    normal = theirs.get("ccxt_normalized", theirs)
    if "ohlcv" in normal:
        return [dict(zip(_OHLCV, row, strict=True)) for row in normal["ohlcv"]]
    return [_renamed(normal)]


def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES[k]: v for k, v in fields.items() if k in _NAMES and v is not None}


def disagreements(events: Sequence[Any], told: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where our events and another parser's values differ. What one of them leaves out is free."""
    found = [] if len(events) == len(told) else [f"{len(events)} events, theirs {len(told)}"]
    for event, values in zip(events, told, strict=False):
        for name, theirs in values.items():
            ours = [getattr(event, part, UNSET) for part in name.split("|")]
            have = [value for value in ours if value is not UNSET]
            if have and not any(_same(name, value, theirs) for value in have):
                found.append(f"{name}: {' or '.join(map(str, have))}, theirs {theirs}")
    return found


def _same(name: str, ours: Any, theirs: Any) -> bool:
    if name == "symbol":
        return bool(ours == theirs)
    if not name.endswith("_ms"):
        return float(ours) == float(theirs)
    if isinstance(theirs, str):
        theirs = datetime.fromisoformat(theirs).timestamp() * 1000
    elif theirs < 100_000_000_000:
        theirs *= 1000
    # Some read nanoseconds as a float.
    return abs(ours - theirs) <= 1


# --- the table ------------------------------------------------------------------------------


def table(verdicts: Sequence[Verdict]) -> str:
    """Exchange, folder, channel: lines, understood, ignored, rejected; the reasons below."""
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    reasons: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for one in verdicts:
        place = (one.line.exchange, one.line.folder, one.line.channel)
        counts[place][one.outcome] += 1
        if one.outcome != "understood":
            mark = "!" if one.outcome == "rejected" else "-"
            reasons[place][f"{mark} {one.detail:.100}"] += 1
    rows = [f"{'exchange/folder':20} {'channel':17} lines  understood  ignored  rejected"]
    for place, count in counts.items():
        where = f"{place[0]}/{place[1]}"
        rows.append(
            f"{where:20} {place[2]:17} {count.total():5}  {count['understood']:10}"
            f"  {count['ignored']:7}  {count['rejected']:8}"
        )
        rows += [f"{'':38} {n:5} {reason}" for reason, n in reasons[place].most_common()]
    return "\n".join(rows)


def main() -> None:
    """Print the table of all exchanges, and the folders nobody claims."""
    if not CORPUS.is_dir():
        sys.exit(f"no collection of real messages at {CORPUS}")
    for name in EXCHANGES:
        said = [table(survey(name))]
        there = {path.name for path in (CORPUS / name).iterdir()}
        if others := sorted(there - set(explainer(name).FOLDERS)):
            said.append(f"{name}: not claimed: {', '.join(others)}")
        sys.stdout.write("\n".join(said) + "\n\n")


if __name__ == "__main__":
    main()
