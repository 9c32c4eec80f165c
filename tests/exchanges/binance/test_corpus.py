"""What the survey of all exchanges does not ask of Binance's real messages."""

from __future__ import annotations

import json

import pytest

from common.exchanges.binance.parse import parse
from common.model.events import Candle, Ticker
from common.model.intervals import end_of
from common.model.streams import Market
from tests.exchanges.binance.corpus import FOLDERS, explain
from tests.exchanges.corpus import CORPUS, lines

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no collection of real messages at {CORPUS}"
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_flags_times_and_volumes_of_klines_are_those_of_the_text(folder: str) -> None:
    understood = 0
    for line in lines("binance", folder, "ws_kline"):
        if explain(folder, "ws_kline", line.message):
            continue
        (candle,) = parse(line.market, line.raw, {})
        assert isinstance(candle, Candle)
        message = line.message
        data = message.get("data", message)
        bar = data["k"]
        assert candle.closed is bar["x"], line.source
        assert (candle.symbol, candle.interval) == (data["s"], bar["i"])
        # One sample's ``T`` was edited to an hour later: the interval tells the end.
        assert (candle.start_ms, candle.end_ms) == (bar["t"], end_of(bar["i"], bar["t"]))
        told = [bar["q"], bar["v"]] if folder == "coinm" else [bar["v"], bar["q"]]
        assert told == [
            candle.volume,
            candle.contracts if folder == "coinm" else candle.quote_volume,
        ], line.source
        understood += 1
    assert understood >= 5


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("channel", ["ws_ticker", "ws_tickers_all"])
def test_every_row_of_ours_becomes_its_ticker(folder: str, channel: str) -> None:
    theirs = {"usdm": 2, "coinm": 1}.get(folder)
    understood = 0
    for line in lines("binance", folder, channel):
        if explain(folder, channel, line.message):
            continue
        message = line.message
        data = message.get("data", message) if isinstance(message, dict) else message
        rows = data if isinstance(data, list) else [data]
        ours = [row for row in rows if theirs is None or row.get("st") != theirs]
        for ticker, row in zip(parse(line.market, line.raw, {}), ours, strict=True):
            assert isinstance(ticker, Ticker), line.source
            assert [ticker.symbol, ticker.event_ms, ticker.last, ticker.open] == [
                row[key] for key in "sEco"
            ]
            assert [ticker.high, ticker.low] == [row["h"], row["l"]]
            understood += 1
    assert understood >= 1


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
