"""What every exchange in the registry keeps, and the names older backends use."""

import pytest

from common.exchanges.protocol import Exchange
from common.exchanges.registry import EXCHANGES, by_seed_name
from common.model.intervals import INTERVALS, source_of
from common.model.streams import Market, Stream

PLACES = [
    pytest.param(exchange, market, id=f"{exchange.name}-{market}")
    for exchange in EXCHANGES.values()
    for market in exchange.markets
]


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_every_interval_of_ours_is_native_or_built(exchange: Exchange, market: Market) -> None:
    rules = exchange.markets[market]
    native = rules.channels["candle"].intervals
    topics = {
        exchange.topics(Stream(exchange.name, market, "candle", "BTCUSDT", interval))
        for interval in native
    }
    assert len(topics) == len(native), "every native interval has a topic of its own"
    for interval in INTERVALS:
        assert source_of(interval, native) is not None
        assert source_of(interval, rules.rest.intervals) is not None


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_limits_can_be_kept(exchange: Exchange, market: Market) -> None:
    limits = exchange.markets[market].limits
    assert 0 < limits.topics_per_request <= limits.topics_per_connection
    assert limits.requests_per_s > 0
    assert limits.lifetime_s > 3600


def test_seed_names_lead_to_exchange_and_market() -> None:
    names = {
        "binance": ("binance", "spot"),
        "binanceUsdm": ("binance", "linear"),
        "binanceCoinm": ("binance", "inverse"),
        "paperBinance": ("binance", "spot"),
        "paperBinanceUsdm": ("binance", "linear"),
        "paperBinanceCoinm": ("binance", "inverse"),
        "coinbase": ("coinbase", "spot"),
        "paperCoinbase": ("coinbase", "spot"),
    }
    for name, place in names.items():
        found = by_seed_name(name)
        assert found is not None
        assert (found[0].name, found[1]) == place


@pytest.mark.parametrize("name", ["", "paper", "nowhere", "paperNowhere", "binanceusdm"])
def test_other_names_lead_nowhere(name: str) -> None:
    assert by_seed_name(name) is None
