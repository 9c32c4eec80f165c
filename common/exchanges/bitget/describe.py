"""Bitget as data: where things are, what they are called, what is allowed.

Sources: the exchange's v2 documents as of 2026-09-28 (``legacy-docs/classic``), its change notices
up to 2026-08-20 and its SDKs of October 2026. Limits marked *reserve* are below what is documented,
for the reason beside them. v3 (UTA) is another protocol; public v2 needs no account and serves all.
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
from common.model.intervals import DAY_MS
from common.model.streams import Channel, Market

NAME = "bitget"

# What the exchange calls our markets, in every argument. USDC-FUTURES (settled in USDC, symbols
# like BTCPERP) is a third product type of linear contracts: not one of our markets.
INST_TYPES: Mapping[Market, str] = {
    "spot": "SPOT",
    "linear": "USDT-FUTURES",
    "inverse": "COIN-FUTURES",
}

_URL = "wss://ws.bitget.com/v2/ws/public"
_REST = "https://api.bitget.com"

# From 6 hours on the plain names (6H, 1D, …) count from UTC+8; only these count from UTC.
# 3Dutc exists, but from which day it counts is not said: three days are built from days.
_FROM_UTC = {"6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc", "1w": "1Wutc", "1M": "1Mutc"}
_MINUTES = {"1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m"}
# 3m, 2h and 8h are not in the list of channels: built.
_CHANNELS = {**_MINUTES, "1h": "1H", "4h": "4H", **_FROM_UTC}
# Futures' REST has 3m and 2H beside them; spot's has not (3min is doubtful), and other names.
_MIX_REST = {**_CHANNELS, "3m": "3m", "2h": "2H"}
_SPOT_REST = {
    **{ours: ours.replace("m", "min") for ours in _MINUTES},
    "1h": "1h",
    "4h": "4h",
    **_FROM_UTC,
}

# Older backends name a candle by its channel, and what has none in words of REST.
_SEED = SeedWords(
    intervals={
        **{ours: f"candle{theirs}" for ours, theirs in _CHANNELS.items()},
        "3m": "3min",
        "2h": "2h",
        "8h": "8h",
    }
)

_CANDLE = ChannelRules(
    url=_URL,
    # A push a second while there is trading, and one per interval where there is none.
    cadence=Cadence(kind="trade-driven", probe_s=60.0, stall_s=60.0),
    intervals=_CHANNELS,
    closes="inferred",
    # The latest update of an ended bar that was seen came 0.43 s after its end; 2 s are advised.
    # Reserve: a push's second and the network's more, for the clock only closes what no push has.
    grace_s=4.0,
)
_TICKER = ChannelRules(
    url=_URL,
    # Every 300-400 ms, but only when something changed. Asked again so rarely that all topics of
    # a connection, each by itself, stay within its 240 subscribes an hour (48 x 4 = 192).
    cadence=Cadence(kind="trade-driven", probe_s=60.0, stall_s=900.0),
)
_MARKET_CHANNELS: Mapping[Channel, ChannelRules] = {"candle": _CANDLE, "ticker": _TICKER}

_LIMITS = Limits(
    # 1000 are allowed, fewer than 50 strongly recommended for a stable connection. An address may
    # have 100 connections: 4800 topics, the tickers and 1m candles of 2400 symbols.
    topics_per_connection=48,
    # A message may have 4096 bytes: 30 of the longest arguments with symbols of 60 bytes fit.
    topics_per_request=30,
    # Reserve: 10 messages a second and 240 subscribes an hour are allowed, pings included.
    requests_per_s=2.0,
    # The exchange cuts at 24 h, we go half an hour before.
    lifetime_s=23.5 * 3600,
    # A ping is wanted every 30 s; without any for two minutes it ends the connection.
    ping_s=25.0,
)


# Of one address: a limit for each endpoint, and one for all of them.
TIME = "/api/v2/public/time"
LISTINGS: Mapping[Market, str] = {
    "spot": "/api/v2/spot/public/symbols",
    "linear": "/api/v2/mix/market/contracts",
    "inverse": "/api/v2/mix/market/contracts",
}
CANDLES: Mapping[Market, str] = {
    "spot": "/api/v2/spot/market/history-candles",
    "linear": "/api/v2/mix/market/history-candles",
    "inverse": "/api/v2/mix/market/history-candles",
}
_ENDPOINTS = (TIME, *LISTINGS.values(), *CANDLES.values())
BUDGETS: Mapping[str, Budget] = {
    "connections": Budget(capacity=300, window_s=300.0, burst=60),
    "requests": Budget(capacity=6000, window_s=60.0, burst=1200),
    **dict.fromkeys(_ENDPOINTS, Budget(capacity=20, window_s=1.0, burst=4)),
}

# The most rows of one answer of the history endpoint (201 were refused with 40053).
HISTORY_ROWS = 200
# Rows asked for over and above the range: where it is not sure that ``endTime`` is exclusive, a
# row beyond it must not push out the first. Spot was seen to exclude it.
SPARE_ROWS: Mapping[Market, int] = {"spot": 0, "linear": 1, "inverse": 1}


def _rest(market: Market, intervals: Mapping[str, str], span_ms: int | None) -> RestRules:
    return RestRules(
        url=_REST,
        intervals=intervals,
        candles_per_request=HISTORY_ROWS - SPARE_ROWS[market],
        candles_span_ms=span_ms,
        # Reserve: it is not said how soon the history has a bar.
        settle_s=10.0,
    )


MARKETS: Mapping[Market, MarketRules] = {
    "spot": MarketRules(
        seed_name="bitget",
        seed=_SEED,
        channels=_MARKET_CHANNELS,
        limits=_LIMITS,
        rest=_rest("spot", _SPOT_REST, None),
    ),
    "linear": MarketRules(
        seed_name="bitgetUsdm",
        seed=_SEED,
        channels=_MARKET_CHANNELS,
        limits=_LIMITS,
        rest=_rest("linear", _MIX_REST, 90 * DAY_MS),
    ),
    "inverse": MarketRules(
        seed_name="bitgetCoinm",
        seed=_SEED,
        channels=_MARKET_CHANNELS,
        limits=_LIMITS,
        rest=_rest("inverse", _MIX_REST, 90 * DAY_MS),
    ),
}

# Codes of WebSocket (30…) and REST (4…) errors. What is not here counts as transient, also what
# the exchange says while it releases (40015, 40725, 40808, 45001).
ERRORS: Mapping[str, Reason] = {
    "30001": "unsupported",
    "30002": "config",
    "30003": "config",
    "30004": "auth",
    "30005": "auth",
    "30006": "rate",
    "30007": "rate",
    "30011": "auth",
    "30012": "auth",
    "30015": "auth",
    "30016": "config",
    "1001": "rate",
    "429": "rate",
    "40006": "auth",
    "40009": "auth",
    "40012": "auth",
    "40014": "auth",
    "40017": "config",
    "40018": "auth",
    "40019": "config",
    "40020": "config",
    "40034": "unsupported",
    "40037": "auth",
    "40053": "config",
    "40085": "config",
    "40309": "unsupported",
    "40404": "config",
    "400171": "config",
    "400172": "config",
}
