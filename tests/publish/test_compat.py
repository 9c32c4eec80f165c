"""Prices and notices in the shapes of older backends' contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from common.model.events import Candle, MarketEvent, Ticker
from common.model.streams import Market
from common.publish import compat
from common.publish.compat import Message
from tests.recovery.bars import at, bar

TICKER = Ticker(
    "binance", "spot", "BTCUSDT", 1_700_000_000_123, "64000.10", volume="12.5",
    bid="64000.00", bid_size="0.5", ask="64000.20", ask_size="1.25",
)  # fmt: skip


def read(message: Message) -> tuple[str, Any]:
    return message.channel, json.loads(message.text)


def price(event: MarketEvent, now_ms: int = 1) -> tuple[str, Any]:
    (message,) = compat.price_messages(event, now_ms)
    return read(message)


def candle(exchange: str, market: Market, symbol: str, interval: str, **more: Any) -> Candle:
    return replace(
        bar(0), exchange=exchange, market=market, symbol=symbol, interval=interval, **more
    )


def test_a_ticker_is_a_trade_with_numbers() -> None:
    channel, body = price(TICKER, now_ms=1_700_000_000_999)
    assert channel == "trade@BTCUSDT@binance"
    unique = body.pop("uniqueMessageId")
    assert unique.startswith("BTCUSDT@1700000000123@binance")
    assert body == {
        "symbol": "BTCUSDT",
        "time": 1_700_000_000_123,
        "price": 64000.1,
        "volume": 12.5,
        "bestAsk": 64000.2,
        "bestBid": 64000.0,
        "bestAskQnt": 1.25,
        "bestBidQnt": 0.5,
        "eventTime": 1_700_000_000_999,
        "exchange": "binance",
    }


def test_what_a_ticker_does_not_tell_is_the_last_price_and_no_size() -> None:
    bare = Ticker("binance", "linear", "BTCUSDT", 1, "7")
    channel, body = price(bare)
    assert channel == "trade@BTCUSDT@binanceUsdm"
    assert (body["bestAsk"], body["bestBid"], body["bestAskQnt"], body["volume"]) == (7, 7, 0, 0)


def test_two_tickers_of_a_moment_have_ids_of_their_own() -> None:
    ids = {
        price(each)[1]["uniqueMessageId"]
        for each in (TICKER, replace(TICKER, last="64000.11"), replace(TICKER, bid="1"), TICKER)
    }
    assert len(ids) == 3


def test_a_ticker_with_a_second_name_is_told_under_both() -> None:
    dollars = replace(TICKER, exchange="coinbase", symbol="BTC-USD")
    told = [read(message) for message in compat.price_messages(dollars, 1)]
    assert [channel for channel, _ in told] == ["trade@BTC-USD@coinbase", "trade@BTC-USDC@coinbase"]
    assert [body["symbol"] for _, body in told] == ["BTC-USD", "BTC-USDC"]
    assert told[0][1]["price"] == told[1][1]["price"] == 64000.1
    for symbol in ("BTC-EUR", "USDT-USD", "BTC-USDC"):
        assert price(replace(dollars, symbol=symbol))[0] == f"trade@{symbol}@coinbase"


@pytest.mark.parametrize("last", ["n/a", "NaN", "Infinity", ""])
def test_what_is_no_number_is_no_message(last: str) -> None:
    with pytest.raises(ArithmeticError):
        price(replace(TICKER, last=last))


def test_no_digit_is_lost_on_the_way() -> None:
    long = "0.00000000123456789012345678"
    told = replace(TICKER, last=long, volume="123456789012345678.9", bid="1E-9")
    (said,) = compat.price_messages(told, 1)
    body = json.loads(said.text, parse_float=str, parse_int=str)
    assert (body["price"], body["volume"]) == (long, "123456789012345678.9")
    assert body["bestBid"] == "0.000000001"
    assert long in body["uniqueMessageId"]


@pytest.mark.parametrize(
    ("exchange", "market", "symbol", "interval", "channel"),
    [
        ("binance", "spot", "BTCUSDT", "1m", "BTCUSDT@binance@1mCandle"),
        ("binance", "inverse", "BTCUSD_PERP", "1h", "BTCUSD_PERP@binanceCoinm@1hCandle"),
        ("bybit", "spot", "BTCUSDT", "5m", "BTCUSDT@bybit@5Candle"),
        ("bybit", "linear", "BTCUSDT", "1d", "BTCUSDT@bybitLinear@DCandle"),
        ("okx", "spot", "BTC-USDT", "1m", "BTC-USDT@okx@candle1mCandle"),
        ("okx", "linear", "BTC-USDT-SWAP", "1d", "BTC-USDT@okxLinear@candle1DutcCandle"),
        ("bitget", "linear", "BTCUSDT", "1h", "BTCUSDT@bitgetUsdm@candle1HCandle"),
        ("kucoin", "spot", "BTC-USDT", "1m", "BTC-USDT@kucoin@1minCandle"),
        ("kucoin", "linear", "XBTUSDTM", "1m", "BTCUSDT@kucoinLinear@1mCandle"),
        ("coinbase", "spot", "BTC-USD", "5m", "BTC-USD@coinbase@5mCandle"),
    ],
)
def test_a_candles_channel_is_in_their_words(
    exchange: str, market: Market, symbol: str, interval: str, channel: str
) -> None:
    assert price(candle(exchange, market, symbol, interval))[0] == channel


def test_a_candle_has_its_start_and_texts_and_nothing_of_its_stream() -> None:
    told = candle("bybit", "spot", "BTCUSDT", "5m", open="1.10", close="1.20", volume="3")
    _, body = price(told)
    unique = body.pop("uniqueMessageId")
    assert body == {
        "start": at(0), "open": "1.10", "high": "1", "low": "1", "close": "1.20", "volume": "3"
    }  # fmt: skip
    assert unique != price(bar(0))[1]["uniqueMessageId"]


def test_volume_is_as_the_exchange_counts_it() -> None:
    told = candle("okx", "linear", "BTC-USDT-SWAP", "1m", volume="0.5", contracts="50")
    assert price(told)[1]["volume"] == "50"


def test_notices() -> None:
    assert read(compat.prices_started("all-7-1-0")) == (
        "serviceLog",
        {"restart": "priceConnector", "bootId": "all-7-1-0"},
    )
    assert read(compat.prices_alive("all-7-1-0", "all")) == (
        "serviceLog",
        {"priceConnectorAlive": {"bootId": "all-7-1-0", "role": "all"}},
    )
    assert read(compat.users_started()) == ("serviceLog", {"restart": "userStream"})
    assert compat.subscribed("u-1") == Message("userStreamInfou-1", "Subscribed to user u-1")
    channel, body = read(compat.key_refused("bybit", "linear", "u-1", "invalid key"))
    assert channel == "serviceLog"
    assert body["userStreamAuthReject"] == {
        "exchange": "bybitLinear",
        "userId": "",
        "reason": "invalid key",
        "exchangeUUID": "u-1",
        "kind": "authReject",
    }
