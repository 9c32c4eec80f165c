"""Real messages of the exchange through our parser: none raises, every close comes out equal.

The collection lies beside the project where it was developed; elsewhere these tests are skipped
and the project's own recordings (``tests/simulator/recordings``) stand in.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.exchanges.binance import rest
from common.exchanges.binance.parse import parse
from common.exchanges.protocol import Ack, Notice, Refusal, Unreadable
from common.model.events import Candle, Ticker
from common.model.streams import Market, Stream

CORPUS = Path(os.environ.get("CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
MARKETS: dict[str, Market] = {"spot": "spot", "usdm": "linear", "coinm": "inverse"}

pytestmark = pytest.mark.skipif(
    not (CORPUS / "binance").is_dir(), reason=f"no collection of real messages at {CORPUS}"
)

# Lines that are no message of this protocol as it is served today, and why.
EXPLAINED = {
    "continuous_kline": "another stream than @kline",
    "indexPrice_kline": "another stream than @kline",
    "markPrice_kline": "another stream than @kline",
    "premiumIndex_kline": "another stream than @kline",
}


def lines(market: str, channel: str) -> Iterator[tuple[str, bytes]]:
    path = CORPUS / "binance" / market / f"{channel}.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        record = json.loads(line)
        yield record["src"], record["raw"].encode()


@pytest.mark.parametrize("market", MARKETS)
def test_no_line_of_any_channel_raises(market: str) -> None:
    seen = 0
    for path in sorted((CORPUS / "binance" / market).glob("ws_*.jsonl")):
        for _, raw in lines(market, path.stem):
            parse(MARKETS[market], raw, {})
            seen += 1
    assert seen > 100


@pytest.mark.parametrize("market", MARKETS)
def test_every_kline_comes_out_equal_to_its_text(market: str) -> None:
    understood = 0
    for source, raw in lines(market, "ws_kline"):
        message = json.loads(raw)
        data = message.get("data", message)
        said = parse(MARKETS[market], raw, {})
        if data.get("e") != "kline":
            assert isinstance(said[0], Unreadable), source
            assert data["e"] in EXPLAINED, source
            continue
        bar, candle = data["k"], said[0]
        if bar["i"] == "1s":
            assert isinstance(candle, Unreadable)
            continue
        assert isinstance(candle, Candle), (source, candle)
        assert candle.closed is bar["x"], source
        assert (candle.symbol, candle.interval) == (data["s"], bar["i"])
        assert (candle.start_ms, candle.end_ms) == (bar["t"], bar["T"] + 1)
        assert (candle.open, candle.high, candle.low, candle.close) == (
            bar["o"],
            bar["h"],
            bar["l"],
            bar["c"],
        )
        base, raw_count = (bar["q"], bar["v"]) if market == "coinm" else (bar["v"], None)
        assert candle.volume == base
        assert raw_count is None or candle.contracts == raw_count
        understood += 1
    assert understood >= 5


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("channel", ["ws_ticker", "ws_tickers_all"])
def test_every_ticker_comes_out_equal_to_its_text(market: str, channel: str) -> None:
    understood = 0
    for source, raw in lines(market, channel):
        message = json.loads(raw)
        data = message.get("data", message) if isinstance(message, dict) else message
        rows = data if isinstance(data, list) else [data]
        said = [s for s in parse(MARKETS[market], raw, {}) if not isinstance(s, Unreadable)]
        ours = [
            row
            for row in rows
            # (samples of the SDK's tests are cut down to fields that we cannot do without)
            if row.get("e") in ("24hrTicker", "24hrMiniTicker")
            and "c" in row
            and (
                market == "spot"
                or row.get("st", 1 + (market == "coinm")) == 1 + (market == "coinm")
            )
        ]
        assert [t.symbol for t in said if isinstance(t, Ticker)] == [r["s"] for r in ours], source
        for ticker, row in zip(said, ours, strict=True):
            assert isinstance(ticker, Ticker)
            assert (ticker.last, ticker.high, ticker.event_ms) == (row["c"], row["h"], row["E"])
        understood += len(ours)
    assert understood >= 1


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    ("channel", "kinds"),
    [("ws_ack", (Ack,)), ("ws_error", (Refusal,)), ("ws_notice", (Notice,))],
)
def test_replies_are_replies(market: str, channel: str, kinds: tuple[type, ...]) -> None:
    for source, raw in lines(market, channel):
        message = json.loads(raw)
        # Ids that are text belong to the request-and-answer API, which candles do not use; contract
        # news is a stream we do not subscribe to.
        if isinstance(message.get("id"), str) or message.get("e") == "contractInfo":
            continue
        (said,) = parse(MARKETS[market], raw, {})
        assert isinstance(said, kinds), (source, said)


@pytest.mark.parametrize("market", MARKETS)
def test_rest_answers_are_read(market: str) -> None:
    ours = MARKETS[market]
    listed = 0
    for _, raw in lines(market, "rest_instruments"):
        symbols = json.loads(raw).get("symbols", []) if raw.startswith(b"{") else []
        if any("baseAsset" in symbol for symbol in symbols):
            listed += len(rest.parse_instruments(ours, raw).instruments)
    assert listed > 0
    stream = Stream("binance", ours, "candle", "X", "1m")
    for source, raw in lines(market, "rest_klines"):
        rows = json.loads(raw)
        if not isinstance(rows, list):
            continue
        candles = rest.parse_candles(stream, raw, {}, 2_000_000_000_000)
        assert [c.open for c in candles] == [row[1] for row in rows], source


@pytest.mark.parametrize(
    ("recording", "market", "closes"),
    [("binance_futures_ws_1", "linear", 4), ("binance_ws_1", "spot", 0)],
)
def test_closes_found_by_eye_in_the_recordings(recording: str, market: Market, closes: int) -> None:
    path = CORPUS / "streams" / f"{recording}.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    texts = [json.loads(line)["raw"] for line in path.read_text().splitlines()]
    by_eye = sorted(text for text in texts if '"kline"' in text and '"x":true' in text)
    found = []
    for text in texts:
        for said in parse(market, text.encode(), {}) if not text.startswith("wss:") else ():
            if isinstance(said, Candle) and said.closed:
                found.append((said, text))
    assert len(found) == closes
    assert sorted(text for _, text in found) == by_eye
    for candle, text in found:
        bar = json.loads(text)["data"]["k"]
        assert [candle.open, candle.high, candle.low, candle.close, candle.volume] == [
            bar[key] for key in "ohlcv"
        ]
