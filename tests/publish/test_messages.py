"""Names of messages: keys, types, ids, as backends bind and deduplicate by them."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model.streams import Stream
from common.publish import messages
from tests.publish.examples import START_MS, candle, open_candle, ticker


def test_routing_keys_are_those_of_the_design() -> None:
    assert messages.routing_key(candle()) == "candle.closed.binance.spot.BTCUSDT.1m"
    assert messages.routing_key(open_candle(at_ms=5)) == "candle.open.binance.spot.BTCUSDT.1m"
    assert messages.routing_key(ticker("BTC-USDT")) == "ticker.binance.spot.BTC-USDT"
    stream = Stream("binance", "linear", "candle", "BTC.P", "1h")
    assert (
        messages.status_routing_key(stream, "live")
        == "stream.live.binance.linear.candle.BTC%2EP.1h"
    )
    stream = Stream("binance", "linear", "ticker", "ETHUSDT")
    assert messages.status_routing_key(stream, "gap") == "stream.gap.binance.linear.ticker.ETHUSDT"


@pytest.mark.parametrize(
    ("symbol", "word"),
    [
        ("BTC.P", "BTC%2EP"),
        ("*", "%2A"),
        ("#1", "%231"),
        ("50%", "50%25"),
        ("币安", "%E5%B8%81%E5%AE%89"),
        ("a\tb", "a%09b"),
        ("BTC-USDT_250926/X:~", "BTC-USDT_250926/X:~"),
    ],
)
def test_a_symbol_is_one_word_of_the_key(symbol: str, word: str) -> None:
    assert messages.escape(symbol) == word


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_symbol_comes_back_from_its_word(symbol: str) -> None:
    word = messages.escape(symbol)
    assert unquote(word) == symbol
    assert not set(word) & set(".*#")
    assert all(0x20 <= ord(character) < 0x7F for character in word)


def test_a_symbol_beyond_amqp_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="routing key of 299 bytes"):
        messages.routing_key(ticker("币" * 31))


def test_types_carry_a_version() -> None:
    assert messages.type_of(candle()) == "candle.closed.v1"
    assert messages.type_of(open_candle(at_ms=1)) == "candle.open.v1"
    assert messages.type_of(ticker()) == "ticker.v1"


def test_time_is_the_events_own() -> None:
    assert messages.time_ms_of(candle()) == START_MS + 60_000
    assert messages.time_ms_of(open_candle(at_ms=1234)) == START_MS + 1234
    assert messages.time_ms_of(ticker(event_ms=77)) == 77
