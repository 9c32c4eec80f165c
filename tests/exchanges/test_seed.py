"""The words of older backends: symbols and intervals, there and back."""

from __future__ import annotations

import pytest

from common.exchanges.registry import EXCHANGES
from common.exchanges.seed import SeedWords
from common.model.intervals import INTERVALS

SEEDS = {rules.seed_name: rules.seed for e in EXCHANGES.values() for rules in e.markets.values()}


@pytest.mark.parametrize(
    ("market", "ours", "theirs"),
    [
        ("binanceCoinm", "BTCUSD_PERP", "BTCUSD_PERP"),
        ("okx", "BTC-USDT", "BTC-USDT"),
        ("okxLinear", "BTC-USDT-SWAP", "BTC-USDT"),
        ("okxInverse", "BTC-USD-SWAP", "BTC-USD"),
        ("okxInverse", "BTC-USD-261225", "BTC-USD-261225"),
        ("kucoin", "BTC-USDT", "BTC-USDT"),
        ("kucoinLinear", "XBTUSDTM", "BTCUSDT"),
        ("kucoinLinear", "ETHUSDCM", "ETHUSDC"),
        ("kucoinInverse", "XBTUSDM", "BTCUSD"),
        ("kucoinInverse", "XBTMZ26", "XBTMZ26"),
    ],
)
def test_symbols_there_and_back(market: str, ours: str, theirs: str) -> None:
    seed = SEEDS[market]
    assert seed.symbol(ours) == theirs
    assert seed.own_symbol(theirs) == ours
    assert seed.own_symbol(ours) == ours, "the exchange's own is understood too"


@pytest.mark.parametrize(
    ("market", "interval", "theirs"),
    [
        ("binance", "1h", "1h"),
        ("bybit", "5m", "5"),
        ("bybitLinear", "1d", "D"),
        ("okx", "1m", "candle1m"),
        ("okxInverse", "1d", "candle1Dutc"),
        ("bitget", "4h", "candle4H"),
        ("bitgetCoinm", "2h", "2h"),
        ("kucoin", "1h", "1hour"),
        ("kucoinLinear", "1h", "1h"),
        ("coinbase", "5m", "5m"),
    ],
)
def test_intervals_as_they_are_asked_for(market: str, interval: str, theirs: str) -> None:
    assert SEEDS[market].interval(interval) == theirs


@pytest.mark.parametrize("name", SEEDS)
def test_no_two_intervals_share_a_word(name: str) -> None:
    words = {SEEDS[name].interval(interval) for interval in INTERVALS}
    assert len(words) == len(INTERVALS)
    for interval in SEEDS[name].intervals:
        assert SEEDS[name].own_interval(SEEDS[name].interval(interval)) == interval


def test_a_word_that_is_not_theirs_is_none() -> None:
    assert SeedWords().own_interval("1m") is None
