"""KuCoin as data: where things are, what they are called, what is allowed.

Sources: the exchange's own specification files of 2025-11-04 and SDK of 2026-09-15, independent
clients of August 2026, and recorded messages. Limits marked *reserve* are below what is documented.
Both futures markets live on one host and speak alike; the instrument list tells them apart.
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
from common.model.streams import Channel, Market

NAME = "kucoin"

# What both products have on the WebSocket. Not all lists of spot have 5min, but it was seen to
# come. Weeks are left out: recorded weeks of spot start on Thursdays (they count from the Unix
# epoch), so weeks are built from days.
_NAMES = {
    "1m": "1min",
    "3m": "3min",
    "5m": "5min",
    "15m": "15min",
    "30m": "30min",
    "1h": "1hour",
    "2h": "2hour",
    "4h": "4hour",
    "8h": "8hour",
    "12h": "12hour",
    "1d": "1day",
    "1M": "1month",
}
_SPOT = {**_NAMES, "6h": "6hour"}
# Futures REST counts minutes, and has neither 3 minutes nor months.
_FUTURES_REST = {
    "1m": "1",
    "5m": "5",
    "15m": "15",
    "30m": "30",
    "1h": "60",
    "2h": "120",
    "4h": "240",
    "8h": "480",
    "12h": "720",
    "1d": "1440",
}

# Older backends call bitcoin by its common name and leave out the M; of futures they say intervals as
# we do.
_SEED_SPOT = SeedWords(intervals={**_SPOT, "1w": "1week"})
_SEED_FUTURES = SeedWords(
    to_theirs=((r"^XBT(?=USD)", "BTC"), (r"(USDT|USDC|USD)M$", r"\1")),
    to_ours=((r"^BTC(?=USD)", "XBT"), (r"(USDT|USDC|USD)$", r"\1M")),
    sizes="contracts",
)

# Pushed once a second at most, and only by trades: a quiet symbol says nothing for minutes, not
# even that its bar is over.
_CANDLE = Cadence(kind="trade-driven", probe_s=60.0, stall_s=120.0)
# A ticker's day comes every 2 s (spot) or 5 s (futures) where something has changed, and else not:
# the best prices are the sign of life.
_TICKER = Cadence(kind="trade-driven", probe_s=30.0, stall_s=120.0)
# A bar's last word was recorded 1.02 s after its end; 3 to 5 s are what clients find sensible.
_GRACE_S = 4.0
# Reserve: it is not said how soon REST has a bar, and one it has not yet reads like no trades.
_SETTLE_S = 10.0


def _channels(intervals: Mapping[str, str]) -> dict[Channel, ChannelRules]:
    """The URL is in no table: it comes with a token that is good for one connection."""
    return {
        "candle": ChannelRules(
            url="", cadence=_CANDLE, intervals=intervals, closes="inferred", grace_s=_GRACE_S
        ),
        "ticker": ChannelRules(url="", cadence=_TICKER, quiet_sources=frozenset({1})),
    }


# Of one address, over all three markets.
BUDGETS: Mapping[str, Budget] = {
    "connections": Budget(capacity=30, window_s=60.0, burst=6),
    "public": Budget(capacity=2000, window_s=30.0, burst=400),
    # Reserve: the exchange counts signed calls by account, each product from a pool of 2000 or more
    # in 30 s. All accounts of an address together stay within one such pool, and so does each.
    "private": Budget(capacity=2000, window_s=30.0, burst=400),
}

LIMITS = Limits(
    # 400 by an error message of December 2025, 300 by older ones: those stay below both.
    topics_per_connection=300,
    # "exceed max subscription count limitation of 100 per time"; each item of the list counts.
    topics_per_request=100,
    # Reserve: 100 messages in 10 s, pings included.
    requests_per_s=5.0,
    # A token lasts 24 h, and so may the connection made with it.
    lifetime_s=23.5 * 3600,
    # Reserve: pingInterval is 18 s, and 10 s more are granted.
    ping_s=15.0,
    welcomes=True,
)

_FUTURES_MARKETS: Mapping[Market, str] = {"linear": "kucoinLinear", "inverse": "kucoinInverse"}

MARKETS: Mapping[Market, MarketRules] = {
    "spot": MarketRules(
        seed_name="kucoin",
        seed=_SEED_SPOT,
        channels=_channels(_SPOT),
        limits=LIMITS,
        rest=RestRules(
            url="https://api.kucoin.com",
            intervals=_SPOT,
            candles_per_request=1500,
            settle_s=_SETTLE_S,
            # A bar without trades has no row, neither here nor on the futures.
            tells_flat=False,
        ),
    ),
    **{
        market: MarketRules(
            seed_name=seed_name,
            seed=_SEED_FUTURES,
            channels=_channels(_NAMES),
            limits=LIMITS,
            rest=RestRules(
                url="https://api-futures.kucoin.com",
                intervals=_FUTURES_REST,
                candles_per_request=500,
                settle_s=_SETTLE_S,
                tells_flat=False,
            ),
        )
        for market, seed_name in _FUTURES_MARKETS.items()
    },
}

# Topics by what they carry, each followed by ``:`` and a symbol.
CANDLES: Mapping[Market, str] = {
    "spot": "/market/candles",
    "linear": "/contractMarket/limitCandle",
    "inverse": "/contractMarket/limitCandle",
}
# The topics of a ticker, in the order of ``TickerPart.source``: best prices, then the day.
SPOT_BEST, SPOT_DAY = "/market/ticker", "/market/snapshot"
FUTURES_BEST, FUTURES_DAY = "/contractMarket/tickerV2", "/contractMarket/snapshot"

# Asset names of the futures that differ from everybody else's.
ASSETS: Mapping[str, str] = {"XBT": "BTC"}
# What linear contracts settle in; inverse ones settle in the coin itself.
STABLE_COINS = ("USDT", "USDC")

# Codes of WebSocket errors (three digits) and of REST. What is not here counts as transient.
ERRORS: Mapping[int, Reason] = {
    400: "config",
    # The token: the next connection comes with a fresh one.
    401: "transient",
    403: "auth",
    404: "unsupported",
    406: "config",
    415: "config",
    # Every limit there is, and "service busy".
    509: "rate",
    400000: "unsupported",
    400001: "auth",
    400002: "transient",
    400003: "auth",
    400004: "auth",
    400005: "auth",
    400006: "auth",
    400007: "auth",
    400100: "config",
    400600: "unsupported",
    411100: "auth",
    415000: "config",
    429000: "rate",
    500000: "transient",
}
