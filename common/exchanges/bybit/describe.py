"""Bybit as data: where things are, what they are called, what is allowed.

Sources: the exchange's v5 documents of 2026-08-22, its SDKs of October 2026, and for the texts of
refusals, which are not documented, what several public projects recorded on live sockets in
September 2026. Limits marked *reserve* are below what is documented, for the reason beside them.
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
from common.model.streams import Market

NAME = "bybit"

# All of them start with UTC. There is no 8h and no 3d: those are built from 4h and 1d.
INTERVALS: Mapping[str, str] = {
    "1m": "1",
    "3m": "3",
    "5m": "5",
    "15m": "15",
    "30m": "30",
    "1h": "60",
    "2h": "120",
    "4h": "240",
    "6h": "360",
    "12h": "720",
    "1d": "D",
    "1w": "W",
    "1M": "M",
}

_SEED = SeedWords(intervals={**INTERVALS, "8h": "8hour"})

# Documented as a push every 1 to 60 s; seen: one per change, and the close within a second.
_CANDLE = Cadence(kind="trade-driven", probe_s=60.0, stall_s=60.0)
# On spot the best prices come again after 3 s without a change, while the day of a thin symbol may
# not change for minutes. On the others the mark price moves the day all the time; the thinnest
# contracts were quiet for several seconds.
_TICKER = Cadence(kind="periodic", probe_s=15.0, stall_s=30.0)
_SPOT_DAY = 0

# The args of one connection may be 21,000 characters long, commas and quotes included. The longest
# topic there is, "orderbook.1.1000000BABYDOGEUSDT", takes 34 of them: 617 would fit. 500 (reserve)
# still fit if every topic had 39 characters.
ARGS_PER_CONNECTION = 21_000
_TOPICS_PER_CONNECTION = 500

# Of one address: requests to all REST hosts together, connections to this domain.
BUDGETS: Mapping[str, Budget] = {
    "connections": Budget(capacity=500, window_s=300.0, burst=100),
    "requests": Budget(capacity=600, window_s=5.0, burst=120),
}


def _market(market: Market, seed_name: str, topics_per_request: int) -> MarketRules:
    url = f"wss://stream.bybit.com/v5/public/{market}"
    quiet = frozenset({_SPOT_DAY}) if market == "spot" else frozenset()
    return MarketRules(
        seed_name=seed_name,
        seed=_SEED,
        channels={
            "candle": ChannelRules(url=url, cadence=_CANDLE, intervals=INTERVALS, closes="flag"),
            "ticker": ChannelRules(url=url, cadence=_TICKER, quiet_sources=quiet),
        },
        limits=Limits(
            topics_per_connection=_TOPICS_PER_CONNECTION,
            topics_per_request=topics_per_request,
            # Reserve: no rate is documented; bursts of 200 requests were seen to be accepted.
            requests_per_s=10.0,
            # No cut is documented; once a day, so that renewing is nothing rare.
            lifetime_s=DAY_MS / 1000,
            # A ping every 20 s is asked for.
            ping_s=18.0,
        ),
        rest=RestRules(
            url="https://api.bybit.com",
            intervals=INTERVALS,
            candles_per_request=1000,
        ),
    )


# Spot takes 10 topics a request, the others any number: 50 were seen to be accepted.
MARKETS: Mapping[Market, MarketRules] = {
    "spot": _market("spot", "bybit", 10),
    "linear": _market("linear", "bybitLinear", 50),
    "inverse": _market("inverse", "bybitInverse", 50),
}

# One inverse contract is one unit of the quote asset, on every symbol; no answer says so.
CONTRACT_SIZE = "1"

# What a refused request's text holds, the first that fits. What is not here counts as transient.
REFUSALS: tuple[tuple[str, Reason], ...] = (
    ("already subscribed", "benign"),
    ("handler not found", "unsupported"),
    ("invalid symbol", "unsupported"),
    ("invalid topic", "unsupported"),
    ("invalid kline type", "config"),
    ("invalid op", "config"),
    ("args size", "config"),
    ("params error", "config"),
    ("failed to decode", "config"),
    ("handler timeout", "transient"),
    ("too many visits", "rate"),
    ("too frequent", "rate"),
)

# Codes of REST answers (with status 200). What is not here counts as transient.
ERRORS: Mapping[int, Reason] = {
    10000: "transient",
    10001: "config",
    10002: "transient",
    10003: "auth",
    10004: "auth",
    10005: "auth",
    10006: "rate",
    # The address is banned: it may be let in again, and nothing is to be lost till then.
    10009: "rate",
    10010: "auth",
    10016: "transient",
    10018: "rate",
    10024: "config",
    10027: "config",
    10029: "unsupported",
    33004: "auth",
}

# "403 access too frequent": the address is left alone for ten minutes, whoever of it asks.
BAN_S = 600.0
