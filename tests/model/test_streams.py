"""Streams and patterns: what can be wanted, and what a mistake in it says."""

import pytest

from common.model.streams import Pattern, Shard, Stream, parse_pattern


def test_keys_name_streams_and_shards() -> None:
    candle = Stream("binance", "spot", "candle", "BTCUSDT", "1m")
    assert candle.key == "binance:spot:candle:BTCUSDT:1m"
    assert Stream("binance", "spot", "ticker", "BTCUSDT").key == "binance:spot:ticker:BTCUSDT"
    assert Shard("binance", "spot", "candle", 3).key == "binance:spot:candle:3"


@pytest.mark.parametrize(
    "text", ["binance:spot:candle:BTCUSDT:1m", "*:*:ticker:*", "okx:linear:candle:*USDT*:1M"]
)
def test_a_pattern_is_read_and_written_alike(text: str) -> None:
    assert parse_pattern(text).key == text


def test_a_symbol_may_hold_a_colon() -> None:
    candle = parse_pattern("hyperliquid:linear:candle:xyz:TSLA:1m")
    assert (candle.symbol, candle.interval) == ("xyz:TSLA", "1m")
    assert parse_pattern("hyperliquid:linear:ticker:xyz:TSLA").symbol == "xyz:TSLA"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("binance", "is not exchange:market:channel:symbol"),
        ("binance:spot:ticker:", "is not exchange:market:channel:symbol"),
        ("binance:margin:ticker:*", "market 'margin' is none of spot, linear, inverse, *"),
        ("binance:spot:depth:*", "channel 'depth' is none of candle, ticker"),
        ("binance:spot:candle:BTCUSDT", "interval 'BTCUSDT' is none of 1m 3m"),
        ("binance:spot:candle:BTCUSDT:7m", "interval '7m' is none of 1m 3m"),
    ],
)
def test_a_wrong_pattern_says_what_is_wrong(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=r"none of|is not") as error:
        parse_pattern(text)
    assert what in str(error.value)


def test_patterns_choose_by_place_and_symbol() -> None:
    pattern = Pattern("*", "linear", "candle", "*USDT*", "1m")
    assert pattern.covers("binance", "linear", "candle")
    assert not pattern.covers("binance", "spot", "candle")
    assert not pattern.covers("binance", "linear", "ticker")
    assert pattern.takes("BTCUSDT_261225")
    assert not pattern.takes("BTCUSD_PERP")
    assert not pattern.takes("btcusdt")


def test_brackets_in_a_symbol_are_plain_letters() -> None:
    assert Pattern("*", "*", "ticker", "A[1]").takes("A[1]")
    assert not Pattern("*", "*", "ticker", "A[1]").takes("A1")
