"""What every exchange in the registry keeps, and the names older backends use."""

import pytest

from common.exchanges.budget import Budget, Cost
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

# Units within so many seconds, each a sheet's own figure.
CAPACITIES: dict[str, dict[str, tuple[int, float]]] = {
    "binance": {"connections": (300, 300), "spot": (6000, 60), "futures": (2400, 60)},
    "bitget": {
        "connections": (300, 300),
        "requests": (6000, 60),
        "/api/v2/public/time": (20, 1),
        "/api/v2/spot/public/symbols": (20, 1),
        "/api/v2/mix/market/contracts": (20, 1),
        "/api/v2/spot/market/history-candles": (20, 1),
        "/api/v2/mix/market/history-candles": (20, 1),
    },
    "bybit": {"connections": (500, 300), "requests": (600, 5)},
    "coinbase": {
        "connections": (8, 1),
        "messages": (8, 1),
        "requests": (10, 1),
        "private": (30, 1),
    },
    "kucoin": {"connections": (30, 60), "public": (2000, 30), "private": (2000, 30)},
    "okx": {
        "connections": (3, 1),
        "/public/time": (10, 2),
        "/public/instruments": (20, 2),
        "/market/history-candles": (20, 2),
    },
}
BUDGETS = [
    pytest.param(budget, id=f"{exchange.name}-{name}")
    for exchange in EXCHANGES.values()
    for name, budget in exchange.budgets.items()
]


def costs(exchange: Exchange, market: Market) -> list[Cost]:
    """Of everything that is asked, at its dearest."""
    rules = exchange.markets[market]
    span_ms = 60_000 * rules.rest.candles_per_request
    stream = Stream(exchange.name, market, "candle", "BTCUSDT", "1m")
    start_ms = 1_700_000_040_000
    requests = [
        exchange.time_request(market),
        *exchange.instruments_requests(market),
        exchange.candles_request(stream, start_ms, start_ms + span_ms),
    ]
    if exchange.address_request is not None:
        requests.append(exchange.address_request(market))
    return [rules.limits.dial_cost, *(request.cost for request in requests)]


@pytest.mark.parametrize("name", EXCHANGES)
def test_budgets_are_what_the_exchange_allows(name: str) -> None:
    budgets = EXCHANGES[name].budgets
    told = {word: (budget.capacity, budget.window_s) for word, budget in budgets.items()}
    assert told == CAPACITIES[name]


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_window_never_sees_more_than_there_is_even_with_one_burst_more(budget: Budget) -> None:
    assert budget.burst >= 1
    assert budget.per_s > 0
    most = budget.burst + budget.per_s * budget.window_s
    assert most + budget.burst <= budget.capacity * (1 + 1e-9)
    assert budget.burst >= budget.capacity / 5, "what others on the address are left"


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_everything_that_is_asked_has_a_cost_that_a_burst_can_pay(
    exchange: Exchange, market: Market
) -> None:
    for cost in costs(exchange, market):
        assert cost
        for name, units in cost.items():
            assert 0 < units <= exchange.budgets[name].burst


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
        last_dial_s = max(
            ((connections * units - exchange.budgets[name].burst) / exchange.budgets[name].per_s)
            for name, units in limits.dial_cost.items()
        )
        assert max(last_dial_s, 0) + (requests - 1) / limits.requests_per_s < 60


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_no_code_of_ours_parks_a_connection(exchange: Exchange, market: Market) -> None:
    """Some codes are sent by our own side too: 1009, for a frame that is too large."""
    ours = {1000, 1001, 1002, 1006, 1007, 1009, 1011}
    assert not ours & exchange.markets[market].close_codes.keys()
