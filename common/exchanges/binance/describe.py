"""Binance as data: where things are, what they are called, what is allowed.

Sources: the exchange's spot API documents of 2026-07-21, its derivatives change notices up to
2026-06-30 and its SDKs of October 2026. Limits marked *reserve* are below what is documented, for
the reason beside them.
"""

from __future__ import annotations

from collections.abc import Mapping

from common.exchanges.budget import Budget
from common.exchanges.protocol import (
    Cadence,
    ChannelRules,
    Limits,
    MarketRules,
    Reason,
    RestRules,
)
from common.exchanges.seed import SeedWords
from common.model.intervals import DAY_MS, INTERVALS
from common.model.streams import Channel, Market

NAME = "binance"

# Their names are ours, on the wire and in REST alike.
_INTERVALS = {interval: interval for interval in INTERVALS}

# An untraded symbol sends nothing but its close, a few seconds late.
_CANDLE = Cadence(kind="trade-driven", probe_s=60.0, stall_s=60.0)
# The all-market arrays come every second (spot) or half second, whatever a single symbol does.
_TICKERS = Cadence(kind="periodic", probe_s=15.0, stall_s=10.0)

# Planned end of a connection: the exchange cuts at 24 h, we go half an hour before.
_LIFETIME_S = 23.5 * 3600

# Of one address. Connection attempts count together on all markets, as weights do on both futures
# markets since 2026-06-30. Spot's 300,000 raw requests in 5 minutes are never reached before.
BUDGETS: Mapping[str, Budget] = {
    "connections": Budget(capacity=300, window_s=300.0, burst=60),
    "spot": Budget(capacity=6000, window_s=60.0, burst=1200),
    "futures": Budget(capacity=2400, window_s=60.0, burst=480),
}
# Which of them REST calls are taken from.
REST_BUDGET: Mapping[Market, str] = {"spot": "spot", "linear": "futures", "inverse": "futures"}
# Reserve: 1500 are allowed, which weigh 10 of the 2400 that an address has in a minute for both
# futures markets; 1000 weigh 5.
_FUTURES_CANDLES = 1000
_FUTURES_LIMITS = Limits(
    # Reserve: 1024 is documented, several clients report 200.
    topics_per_connection=200,
    topics_per_request=100,
    requests_per_s=5.0,
    lifetime_s=_LIFETIME_S,
)


def _channels(url: str, tickers: str) -> dict[Channel, ChannelRules]:
    return {
        "candle": ChannelRules(url=url, cadence=_CANDLE, intervals=_INTERVALS, closes="flag"),
        "ticker": ChannelRules(url=url, cadence=_TICKERS, all_symbols_topic=tickers),
    }


MARKETS: Mapping[Market, MarketRules] = {
    "spot": MarketRules(
        seed_name="binance",
        seed=SeedWords(tells_ends=True),
        channels=_channels("wss://stream.binance.com:9443/stream", "!miniTicker@arr"),
        # 1024 streams and 5 messages a second, pings and pongs included: two thirds of it are ours.
        limits=Limits(
            topics_per_connection=1024,
            topics_per_request=100,
            requests_per_s=3.0,
            lifetime_s=_LIFETIME_S,
        ),
        rest=RestRules(
            url="https://api.binance.com", intervals=_INTERVALS, candles_per_request=1000
        ),
    ),
    "linear": MarketRules(
        seed_name="binanceUsdm",
        seed=SeedWords(tells_ends=True, events="futures"),
        # Routed since 2026-04-23: on another route a subscribe is acked and nothing ever comes.
        channels=_channels("wss://fstream.binance.com/market/stream", "!ticker@arr"),
        limits=_FUTURES_LIMITS,
        rest=RestRules(
            url="https://fapi.binance.com",
            intervals=_INTERVALS,
            candles_per_request=_FUTURES_CANDLES,
        ),
    ),
    "inverse": MarketRules(
        seed_name="binanceCoinm",
        seed=SeedWords(tells_ends=True, events="futures", sizes="contracts"),
        channels=_channels("wss://dstream.binance.com/stream", "!ticker@arr"),
        limits=_FUTURES_LIMITS,
        rest=RestRules(
            url="https://dapi.binance.com",
            intervals=_INTERVALS,
            candles_per_request=_FUTURES_CANDLES,
            candles_span_ms=200 * DAY_MS,
        ),
    ),
}

# All-market arrays of both futures markets carry both markets' symbols since 2026-06-30.
SYMBOL_TYPE: Mapping[Market, int] = {"linear": 1, "inverse": 2}

# Codes of WebSocket and REST errors. What is not here counts as transient.
ERRORS: Mapping[int, Reason] = {
    1: "config",
    2: "config",
    3: "config",
    4: "config",
    -1000: "transient",
    -1001: "transient",
    -1003: "rate",
    -1006: "transient",
    -1007: "transient",
    -1015: "rate",
    -1021: "transient",
    -1022: "auth",
    -1034: "rate",
    -1100: "config",
    -1102: "config",
    -1120: "config",
    -1121: "unsupported",
    -1125: "auth",
    -1127: "config",
    -1128: "config",
    -1130: "config",
    -2014: "auth",
    -2015: "auth",
    -4120: "unsupported",
}
