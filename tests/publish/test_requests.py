"""What backends may ask for, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.exchanges.seed import SeedWords
from common.model.streams import Pattern
from common.publish import requests
from common.publish.requests import Answer, Malformed, ReplyTo, Wanted


def body(**payload: Any) -> bytes:
    return json.dumps({"payload": payload}).encode()


@pytest.mark.parametrize(
    ("exchange", "market"),
    [
        ("binance", "spot"),
        ("binanceUsdm", "linear"),
        ("binanceCoinm", "inverse"),
        ("paperBinance", "spot"),
        ("paperBinanceUsdm", "linear"),
    ],
)
def test_the_older_backends_name_a_market_by_its_exchange(exchange: str, market: str) -> None:
    wanted = requests.read(body(symbol="BTCUSDT", exchange=exchange, interval="1m"))
    assert wanted == Wanted(Pattern("binance", market, "candle", "BTCUSDT", "1m"))


def test_our_own_spelling() -> None:
    asked = body(symbol="BTCUSDT", exchange="binance", market="linear", interval="1M")
    assert requests.read(asked) == Wanted(Pattern("binance", "linear", "candle", "BTCUSDT", "1M"))
    asked = body(symbol="*USDT", exchange="binance", market="spot", channel="ticker")
    assert requests.read(asked) == Wanted(Pattern("binance", "spot", "ticker", "*USDT"))


def test_an_interval_that_the_exchange_lacks_may_be_asked_for_in_our_words() -> None:
    asked = body(symbol="BTCUSDT", exchange="bitget", market="spot", interval="3m")
    assert requests.read(asked) == Wanted(Pattern("bitget", "spot", "candle", "BTCUSDT", "3m"))


def test_past_candles_may_be_asked_for() -> None:
    asked = body(symbol="BTCUSDT", exchange="binance", interval="1m", history=200)
    assert requests.read(asked) == Wanted(
        Pattern("binance", "spot", "candle", "BTCUSDT", "1m"), history=200
    )
    for wrong in (-1, 10_001, "many"):
        with pytest.raises(Malformed, match="history"):
            requests.read(body(symbol="BTCUSDT", exchange="binance", interval="1m", history=wrong))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"exchange": "mtgox", "interval": "1m"}, "exchange 'mtgox' is not served"),
        ({"exchange": "paper", "interval": "1m"}, "exchange 'paper' is not served"),
        (
            {"exchange": "binance", "market": "options", "interval": "1m"},
            "exchange 'binance' market 'options' is not served",
        ),
        ({"exchange": "binance", "interval": "7m"}, "binance spot has no interval '7m'"),
        ({"exchange": "binance", "interval": 5}, "binance spot has no interval 5"),
    ],
)
def test_what_does_not_exist_is_unsupported_with_the_reason(
    payload: dict[str, Any], reason: str
) -> None:
    answer = requests.read(body(symbol="BTCUSDT", **payload))
    assert isinstance(answer, Answer)
    assert answer.state == "unsupported"
    assert answer.reason.startswith(reason)


MALFORMED = [
    (b"", "truncated"),
    (b"\xff\xfe", "malformed|utf-8|invalid"),
    (b"[]", "array"),
    (b"{}", "payload"),
    (b'{"payload": "x"}', "payload|str"),
    (body(symbol="BTCUSDT", interval="1m"), "exchange"),
    (body(symbol=7, exchange="binance", interval="1m"), "symbol"),
    (body(symbol="", exchange="binance", interval="1m"), "not a symbol"),
    (body(symbol="A" * 101, exchange="binance", interval="1m"), "not a symbol"),
    (body(symbol="BTC\nUSDT", exchange="binance", interval="1m"), "not a symbol"),
    (body(symbol="*", exchange="binance", interval="1m"), "is a pattern"),
    (body(symbol="BTCUSDT", exchange="binance"), "needs an interval"),
    (body(symbol="BTCUSDT", exchange="binance", channel="trades"), "channel"),
]


@pytest.mark.parametrize(("message", "why"), MALFORMED)
def test_what_cannot_be_understood_says_why(message: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=f"(?i){why}"):
        requests.read(message)


def test_an_interval_is_understood_in_the_askers_words_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The same letters may mean a minute to us and a month to an exchange that counts minutes.
    exchange = requests.EXCHANGES["binance"]
    market = exchange.markets["spot"]
    rules = type(market.channels["candle"])(
        url="", cadence=market.channels["candle"].cadence, intervals={"1m": "1", "1M": "1m"}
    )
    older = SeedWords()
    assert requests._interval(rules, "1m", older) == "1M"
    assert requests._interval(rules, "1m", None) == "1m"
    rules = type(rules)(url="", cadence=rules.cadence, intervals={"1h": "candle1H"})
    for seed in (older, None):
        assert requests._interval(rules, "1h", seed) == "1h"
        assert requests._interval(rules, "candle1H", seed) == "1h"


@pytest.mark.parametrize(
    ("asked", "symbol", "interval"),
    [
        (("BTC-USDT", "okx", "candle1Dutc"), "BTC-USDT", "1d"),
        (("BTC-USDT", "okxLinear", "candle1m"), "BTC-USDT-SWAP", "1m"),
        (("BTC-USDT-SWAP", "okxLinear", "1m"), "BTC-USDT-SWAP", "1m"),
        (("BTC-USDT-261225", "okxLinear", "candle1m"), "BTC-USDT-261225", "1m"),
        (("BTCUSDT", "bitget", "candle1H"), "BTCUSDT", "1h"),
        (("BTCUSDT", "bitgetUsdm", "3min"), "BTCUSDT", "3m"),
        (("BTCUSDT", "bybit", "8hour"), "BTCUSDT", "8h"),
        (("BTCUSDT", "paperKucoinLinear", "1m"), "XBTUSDTM", "1m"),
        (("BTCUSD", "kucoinInverse", "1hour"), "XBTUSDM", "1h"),
        (("BTC-USDT", "kucoin", "1week"), "BTC-USDT", "1w"),
    ],
)
def test_older_backends_are_understood_in_words_of_their_own(
    asked: tuple[str, str, str], symbol: str, interval: str
) -> None:
    wanted = requests.read(body(symbol=asked[0], exchange=asked[1], interval=asked[2]))
    assert isinstance(wanted, Wanted)
    assert (wanted.pattern.symbol, wanted.pattern.interval) == (symbol, interval)


def test_our_own_spelling_takes_no_word_of_older_backends() -> None:
    asked = {"exchange": "okx", "market": "linear", "symbol": "BTC-USDT"}
    wanted = requests.read(body(**asked, interval="1m"))
    assert wanted == Wanted(Pattern("okx", "linear", "candle", "BTC-USDT", "1m"))
    assert isinstance(requests.read(body(**asked, interval="candle1m")), Answer)


def test_an_answer_goes_where_amqp_says_else_where_the_body_says() -> None:
    asked = b'{"payload": null, "replyTo": "q-body", "correlationId": "c-body"}'
    assert requests.reply_address(asked, None, None) == ReplyTo("q-body", "c-body")
    assert requests.reply_address(asked, "q", "c") == ReplyTo("q", "c")
    assert requests.reply_address(b"no json", "q", None) == ReplyTo("q", None)
    assert requests.reply_address(b"no json", None, "c") is None
    assert requests.reply_address(body(symbol="X"), None, None) is None
