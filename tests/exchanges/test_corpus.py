"""Real messages through our code: none raises, none is dropped in silence, all numbers are theirs.

The collection lies beside the project where it was developed; elsewhere these tests are skipped
and the project's own recordings (``tests/simulator/recordings``) stand in. What is asked of a line
is in ``corpus.py``; that the survey would find a defect is tested here on doctored parsers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import msgspec
import pytest

from common.exchanges.protocol import Exchange, Parsed, Unreadable
from common.exchanges.registry import EXCHANGES
from common.model.events import Candle
from common.model.streams import Market, Stream
from tests.exchanges.corpus import (
    CORPUS,
    TELLS,
    Line,
    disagreements,
    expected,
    explainer,
    survey,
    table,
    verdict,
)

here = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no collection of real messages at {CORPUS}")
every_exchange = pytest.mark.parametrize("name", EXCHANGES)


@pytest.fixture(scope="module")
def texts() -> list[bytes]:
    """All messages there are, of whatever exchange and kind."""
    paths = CORPUS.glob("*/**/*.jsonl")
    found = {json.loads(line)["raw"] for path in paths for line in path.open()}
    assert len(found) > 10_000
    return [text.encode() for text in sorted(found)]


@here
@every_exchange
def test_every_line_is_understood_or_explained(name: str) -> None:
    verdicts = survey(name)
    rejected = [one for one in verdicts if one.outcome == "rejected"]
    assert not rejected, "\n" + "\n".join(
        f"{one.line.folder}/{one.line.channel} {one.line.source}: {one.detail:.500}\n"
        f"    {one.line.raw.decode():.500}"
        for one in rejected
    )
    understood = {one.line.channel for one in verdicts if one.outcome == "understood"}
    known = understood | getattr(explainer(name), "ONLY_EXPLAINED", frozenset())
    assert known >= {"ws_kline", "ws_ticker", "ws_ack", "rest_klines", "rest_instruments"}


@here
@every_exchange
def test_no_text_of_anybody_raises(name: str, texts: Sequence[bytes]) -> None:
    """Frames, REST bodies, other exchanges' and broken ones: parsers say what they make of it."""
    for market in EXCHANGES[name].markets:
        for text in texts:
            assert all(isinstance(part, Parsed) for part in EXCHANGES[name].parse(market, text, {}))


@here
@every_exchange
def test_values_are_those_that_other_parsers_found(name: str) -> None:
    judge, exchange = explainer(name), EXCHANGES[name]
    compared = 0
    kinds = TELLS["ws_kline"] + TELLS["ws_ticker"]
    for folder in judge.FOLDERS:
        for line, told in expected(name, folder):
            parsed = exchange.parse(line.market, line.raw, {})
            said = [part for part in parsed if isinstance(part, kinds)]
            if said:
                assert disagreements(said, told) == [], line.source
            compared += len(said)
    if not compared:
        pytest.skip(f"no values of other parsers for lines that {name} claims")


# --- the judge judged -----------------------------------------------------------------------

BAR = {
    "t": 1672515780000, "T": 1672515839999, "s": "BNBBTC", "i": "1m", "o": "0.0010", "c": "0.0020",
    "h": "0.0025", "l": "0.0010", "v": "1000", "n": 100, "x": False, "q": "1.0000",
}  # fmt: skip
KLINE = json.dumps({"e": "kline", "E": 1672515782136, "s": "BNBBTC", "k": BAR}).encode()
ROW = [1672515780000, "1", "3", "1", "2", "9", 1672515839999, "8", 7]
BINANCE = EXCHANGES["binance"]
Parse = Callable[..., Sequence[Any]]


class Explains:
    """An exchange's module that gives one answer to everything."""

    FOLDERS: ClassVar[dict[str, Market]] = {"spot": "spot"}

    def __init__(self, reason: str | None = None) -> None:
        self._reason = reason

    def explain(self, folder: str, channel: str, message: Any) -> str | None:
        return self._reason

    def stream_of(self, folder: str, raw: bytes) -> Stream:
        return Stream("binance", "spot", "candle", "BNBBTC", "1m")


def judged(
    raw: bytes = KLINE, channel: str = "ws_kline", reason: str | None = None, **doctored: Parse
) -> tuple[str, str]:
    exchange: Exchange = replace(BINANCE, **doctored)
    line = Line("binance", "spot", "spot", channel, "by hand", "recorded", raw)
    found = verdict(exchange, Explains(reason), line)
    return found.outcome, found.detail


def altered(**fields: Any) -> Parse:
    def parse(*arguments: Any) -> Sequence[Any]:
        return [msgspec.structs.replace(part, **fields) for part in BINANCE.parse(*arguments)]

    return parse


def test_a_line_that_is_read_rightly_is_understood() -> None:
    assert judged() == ("understood", "")


def test_a_line_that_gives_nothing_needs_a_reason() -> None:
    assert judged(b'{"e":"trade"}')[0] == "rejected"
    assert judged(b'{"e":"trade"}', reason="trades") == ("ignored", "trades")
    assert judged(parse=lambda *_: ())[0] == "rejected"


def test_a_reason_for_a_line_that_is_understood_is_false() -> None:
    assert judged(reason="of no use")[0] == "rejected"


def test_a_line_must_tell_what_its_channel_tells() -> None:
    outcome, detail = judged(b'{"result":null,"id":1}')
    assert outcome == "rejected"
    assert "not what a ws_kline tells" in detail


def test_a_parser_that_raises_is_found_whatever_the_reason_given() -> None:
    def parse(*_: Any) -> Sequence[Any]:
        raise KeyError("k")

    assert judged(parse=parse, reason="of no use") == ("rejected", "raised KeyError('k')")


def test_a_defect_is_never_explained() -> None:
    assert judged(parse=lambda *_: [Unreadable("defect", "")], reason="so")[0] == "rejected"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"high": "0.00250"}, "high is not in the text"),
        ({"low": "0.001"}, "low is not in the text"),
        ({"open": "0.0025", "high": "0.0010"}, "outside its high and low"),
        ({"market": "linear"}, "of another market"),
        ({"symbol": "BTCUSDT"}, "of another symbol"),
        ({"closed": True}, "a frame's time is on open candles only"),
        ({"start_ms": 1672515780001}, "not aligned"),
        ({"end_ms": 1672515839999}, "not as long as its interval"),
    ],
)
def test_a_candle_that_is_not_the_text_is_found(fields: dict[str, Any], problem: str) -> None:
    outcome, detail = judged(parse=altered(**fields))
    assert outcome == "rejected"
    assert detail.startswith(problem)


def test_a_ticker_that_is_not_the_text_is_found() -> None:
    day = {"e": "24hrTicker", "E": 1, "s": "BNBBTC", "v": "8", "q": "9"}
    day |= {"c": "2", "o": "1", "h": "3", "l": "1", "b": "1.9", "a": "2.1"}
    raw = json.dumps(day).encode()
    assert judged(raw, "ws_ticker") == ("understood", "")
    assert judged(raw, "ws_ticker", parse=altered(bid="1.90"))[1].startswith("bid is not in")
    assert judged(raw, "ws_ticker", parse=altered(symbol="BNBETH"))[1].startswith("of another")


def test_rows_that_go_missing_or_change_places_are_found() -> None:
    raw = json.dumps([ROW, [ROW[0] + 60000, *ROW[1:6], ROW[6] + 60000, *ROW[7:]]]).encode()

    def skipping(*arguments: Any) -> Sequence[Candle]:
        return BINANCE.parse_candles(*arguments)[1:]

    def backwards(*arguments: Any) -> Sequence[Candle]:
        return BINANCE.parse_candles(*arguments)[::-1]

    assert judged(raw, "rest_klines")[0] == "understood"
    assert judged(raw, "rest_klines", parse_candles=skipping)[1] == "1 of 2 rows"
    assert judged(raw, "rest_klines", parse_candles=backwards)[1] == "not oldest first"


def test_a_rest_answer_that_cannot_be_read_needs_a_reason() -> None:
    assert judged(b"{}", "rest_klines")[0] == "rejected"
    assert judged(b"{}", "rest_klines", reason="no rows") == ("ignored", "no rows")


def test_numbers_are_compared_with_other_parsers_as_numbers() -> None:
    candles = BINANCE.parse("spot", KLINE, {})
    right = {"start_ms": 1672515780, "open": 0.001, "volume|contracts": 1000.0}
    assert disagreements(candles, [right]) == []
    assert disagreements(candles, [{"close": 0.0025}]) == ["close: 0.0020, theirs 0.0025"]
    assert disagreements(candles, []) == ["1 events, theirs 0"]


def test_the_table_counts_and_gives_reasons() -> None:
    lines = [
        Line("binance", "spot", "spot", "ws_kline", "by hand", "recorded", raw)
        for raw in (KLINE, b"[]", b"{}")
    ]
    rows = table([verdict(BINANCE, Explains(), line) for line in lines]).splitlines()
    assert rows[1].split() == ["binance/spot", "ws_kline", "3", "1", "0", "2"]
    assert "! nothing was said, and no reason given" in rows[2]
