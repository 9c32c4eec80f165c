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


# --- limits of one address ------------------------------------------------------------------

# Candle requests a second that an address has, by what shares them: each a sheet's own figure.
# Markets of one pool share it, whatever process asks; half of it is one process's.
POOLS: dict[str, tuple[frozenset[Market], float]] = {
    "binance": (frozenset({"linear", "inverse"}), 2400 / 60 / 5),  # weight 5 for 1000 bars
    "bitget": (frozenset({"linear", "inverse"}), 20.0),
    "bybit": (frozenset({"spot", "linear", "inverse"}), 600 / 5),
    "coinbase": (frozenset({"spot"}), 10.0),
    "kucoin": (frozenset({"spot", "linear", "inverse"}), 2000 / 30 / 3),
    "okx": (frozenset({"spot", "linear", "inverse"}), 20 / 2),
}
# Connections an address may open, and within how many seconds.
DIALS = {
    "binance": (300, 300.0),
    "bitget": (300, 300.0),
    "bybit": (500, 300.0),
    "coinbase": (8, 1.0),
    "kucoin": (30, 60.0),
    "okx": (3, 1.0),
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_candles_of_all_markets_take_at_most_half_of_what_they_share(name: str) -> None:
    markets, most = POOLS[name]
    asked = sum(EXCHANGES[name].markets[market].rest.candles_per_s for market in markets)
    assert asked <= most / 2


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_one_process_cannot_dial_more_than_an_address_may(
    exchange: Exchange, market: Market
) -> None:
    most, within_s = DIALS[exchange.name]
    gap_s = exchange.markets[market].limits.dial_gap_s
    assert gap_s > 0
    assert within_s / gap_s <= most


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_bars_closed_by_the_clock_wait_for_the_network(exchange: Exchange, market: Market) -> None:
    rules = exchange.markets[market].channels["candle"]
    if rules.closes == "inferred":
        assert rules.grace_s >= 4.0


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_rest_is_believed_late_where_a_missing_row_means_no_trades(
    exchange: Exchange, market: Market
) -> None:
    rules = exchange.markets[market]
    if rules.channels["candle"].closes == "inferred" or not rules.rest.tells_flat:
        assert rules.rest.settle_s >= 2 * rules.channels["candle"].grace_s


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_a_thousand_symbols_are_asked_for_within_a_minute(
    exchange: Exchange, market: Market
) -> None:
    limits = exchange.markets[market].limits
    for channel in exchange.markets[market].channels:
        topics = {
            topic
            for number in range(1000)
            for topic in exchange.topics(
                Stream(
                    exchange.name,
                    market,
                    channel,
                    f"S{number}",
                    "1m" if channel == "candle" else None,
                )
            )
        }
        connections = -(-len(topics) // limits.topics_per_connection)
        requests = -(-min(len(topics), limits.topics_per_connection) // limits.topics_per_request)
        last_dial_s = (connections - 1) * limits.dial_gap_s
        assert last_dial_s + (requests - 1) / limits.requests_per_s < 60


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_no_code_of_ours_parks_a_connection(exchange: Exchange, market: Market) -> None:
    """Some codes are sent by our own side too: 1009, for a frame that is too large."""
    ours = {1000, 1001, 1002, 1006, 1007, 1009, 1011}
    assert not ours & exchange.markets[market].close_codes.keys()
