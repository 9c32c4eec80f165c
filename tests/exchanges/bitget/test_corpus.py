"""Real messages of Bitget through our parser: none raises, none is dropped in silence.

The collection lies beside the project where it was developed; elsewhere these tests are skipped
and the transcripts, which hold some of its lines, stand in.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.exchanges.bitget import rest
from common.exchanges.bitget.parse import parse
from common.exchanges.protocol import Ack, Pong, Refusal, Unreadable
from common.model.events import Candle, Ticker
from common.model.streams import Market
from tests.exchanges.bitget.corpus import FOLDERS, explain, market_of, stream_of

CORPUS = Path(os.environ.get("CORPUS", Path(__file__).parents[4] / "shared" / "corpus"))
HOME = CORPUS / "bitget"

pytestmark = pytest.mark.skipif(
    not HOME.is_dir(), reason=f"no collection of real messages at {CORPUS}"
)


def lines(channel: str) -> Iterator[tuple[str, str, bytes]]:
    for folder in FOLDERS:
        path = HOME / folder / f"{channel}.jsonl"
        for line in path.read_text().splitlines() if path.exists() else ():
            record = json.loads(line)
            yield folder, record["src"], record["raw"].encode()


def message_of(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()


def test_every_kline_comes_out_open_and_equal_to_its_text() -> None:
    understood = 0
    for folder, source, raw in lines("ws_kline"):
        message = json.loads(raw)
        said = parse(market_of(folder, message), raw, {})
        if explain(folder, "ws_kline", message) is not None:
            assert all(isinstance(one, Unreadable) for one in said), source
            continue
        assert len(said) == len(message["data"])
        for row, candle in zip(message["data"], said, strict=True):
            assert isinstance(candle, Candle), (source, candle)
            assert not candle.closed
            assert [
                str(candle.start_ms), candle.open, candle.high, candle.low, candle.close,
                candle.volume, candle.quote_volume,
            ] == row[:7], source  # fmt: skip
            understood += 1
    assert understood >= 6


def test_every_ticker_comes_out_equal_to_its_text() -> None:
    markets: set[Market] = set()
    for folder, source, raw in lines("ws_ticker"):
        message = json.loads(raw)
        market = market_of(folder, message)
        (ticker,) = parse(market, raw, {})
        assert isinstance(ticker, Ticker), (source, ticker)
        (row,) = message["data"]
        assert (ticker.last, ticker.symbol) == (row["lastPr"], row["instId"])
        assert (ticker.volume, ticker.quote_volume) == (row["baseVolume"], row["quoteVolume"])
        assert (ticker.bid, ticker.bid_size) == (row["bidPr"], row["bidSz"])
        assert (ticker.ask, ticker.ask_size) == (row["askPr"], row["askSz"])
        assert str(ticker.event_ms) == row["ts"]
        markets.add(market)
    assert markets == {"spot", "linear", "inverse"}


@pytest.mark.parametrize(
    ("channel", "kind", "least"),
    [("ws_ack", Ack, 12), ("ws_error", Refusal, 2), ("ws_pong", Pong, 1)],
)
def test_answers_are_answers(channel: str, kind: type, least: int) -> None:
    understood = 0
    for folder, source, raw in lines(channel):
        message = message_of(raw)
        (said,) = parse(market_of(folder, message), raw, {})
        if explain(folder, channel, message) is not None:
            assert isinstance(said, Unreadable), source
            continue
        assert isinstance(said, kind), (source, said)
        understood += 1
    assert understood >= least


def test_rest_rows_are_read() -> None:
    rows = 0
    for folder, source, raw in lines("rest_klines"):
        data = json.loads(raw)["data"]
        candles = rest.parse_candles(stream_of(folder, raw), raw, {}, 2_000_000_000_000)
        assert [[str(one.start_ms), one.open, one.close] for one in candles] == [
            [row[0], row[1], row[4]] for row in data
        ], source
        rows += len(candles)
    assert rows >= 7


def test_instrument_lists_are_read() -> None:
    listed = []
    for folder, _, raw in lines("rest_instruments"):
        listed += rest.parse_instruments(FOLDERS[folder], raw).instruments
    steps = {(one.unified, one.tick_size, one.step_size) for one in listed}
    assert steps == {
        ("BTC/USDT", "0.0001", "0.00000001"),
        ("TRX/USDT", "0.000001", "0.0001"),
        ("ETH/USDT", "0.0001", "0.0001"),
        ("BTC/USDT:USDT", "0.1", "0.01"),
    }


def test_errors_of_rest_are_failures() -> None:
    seen = 0
    for _, source, raw in lines("rest_error"):
        assert rest.rest_failure(200, {}, raw) is not None, source
        seen += 1
    assert seen >= 5
