"""Coinbase Advanced Trade as data: where things are, what they are called, what is allowed.

Sources: the exchange's Advanced Trade documents and its Python SDK 1.8.4 of 2026-06-19, and probes
of the live feed of 2026-08 and 2026-09. Perpetuals left for another gateway on 2026-10-01; what is
here is spot. Limits marked *reserve* are below what is documented, or stand where nothing is.
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

NAME = "coinbase"

# Every market channel is public: a token (JWT) is not needed.
_SOCKET = "wss://advanced-trade-ws.coinbase.com"

TRADES, CANDLES, TICKER = "market_trades", "candles", "ticker"
# Most channels end a connection without updates after 60 to 90 s; this one speaks every second.
HEARTBEATS = "heartbeats"
# Where everything that a connection is subscribed to is listed, after each change.
SUBSCRIPTIONS = "subscriptions"
# The orders of one account; it asks for a token.
USER = "user"

# The candle channel knows five-minute bars only: minutes are made of trades.
_INTERVALS = {"1m": TRADES, "5m": CANDLES}
_REST_INTERVALS = {
    "1m": "ONE_MINUTE",
    "5m": "FIVE_MINUTE",
    "15m": "FIFTEEN_MINUTE",
    "30m": "THIRTY_MINUTE",
    "1h": "ONE_HOUR",
    "2h": "TWO_HOUR",
    "6h": "SIX_HOUR",
    "1d": "ONE_DAY",
}

# Heartbeats missing for five seconds mean a dead connection. A product is silent for as long as
# nobody trades it, and its bars say nothing at their end: after ten minutes it is asked for again,
# and the snapshot that answers shows whether it was so.
_CADENCE = Cadence(kind="trade-driven", probe_s=5.0, stall_s=600.0)

_CHANNELS: Mapping[Channel, ChannelRules] = {
    "candle": ChannelRules(
        url=_SOCKET,
        cadence=_CADENCE,
        intervals=_INTERVALS,
        closes="inferred",
        # Trades come in batches of 250 ms, five-minute bars every second; the rest is the network's.
        grace_s=4.0,
        from_trades=frozenset({"1m"}),
        standing_topics=(HEARTBEATS,),
    ),
    "ticker": ChannelRules(url=_SOCKET, cadence=_CADENCE, standing_topics=(HEARTBEATS,)),
}

# What an account's own requests are counted by.
PRIVATE = "private"
# Of one address. Messages are counted over all its connections: three of eight are left for what
# is subscribed later on. 10 requests a second are in older documents, newer ones have no figure.
BUDGETS: Mapping[str, Budget] = {
    "connections": Budget(capacity=8, window_s=1.0, burst=2),
    "messages": Budget(capacity=8, window_s=1.0, burst=3),
    "requests": Budget(capacity=10, window_s=1.0, burst=2),
    # Of an account's own requests only a user's limit is known, from older documents too. For an
    # address nothing is documented: reserve, one user's for all.
    PRIVATE: Budget(capacity=30, window_s=1.0, burst=6),
}

# Older backends know the book of BTC-USD as BTC-USDC too; these two have a USDC book of their own.
_SEED = SeedWords(second_name=((r"^(?!USDT-|EURC-)(.+)-USD$", r"\1-USDC"),))

MARKETS: Mapping[Market, MarketRules] = {
    "spot": MarketRules(
        seed_name="coinbase",
        seed=_SEED,
        channels=_CHANNELS,
        # A new connection says three things: heartbeats and two channels. How many products a
        # message or a connection may name is not documented (others put all of them on one):
        # reserve, so that an end costs no more than 200.
        limits=Limits(
            topics_per_connection=200,
            topics_per_request=200,
            requests_per_s=2.0,
            # No planned cut is documented: reserve.
            lifetime_s=23.5 * 3600,
            dial_cost={"connections": 1, "messages": 3},
        ),
        rest=RestRules(
            url="https://api.coinbase.com",
            intervals=_REST_INTERVALS,
            # 350 by the documents, which do not say whether the end counts: reserve.
            candles_per_request=300,
            # Reserve: answers may be a second old, and a bar they have not yet reads like no trades.
            settle_s=10.0,
            tells_flat=False,
        ),
    ),
}

# What the texts of errors hold, WebSocket and REST alike; the first that fits. What fits none
# counts as transient.
ERRORS: tuple[tuple[str, Reason], ...] = (
    ("rate_limit_exceeded", "rate"),
    ("resource_exhausted", "rate"),
    ("rate limit", "rate"),
    ("too many", "rate"),
    ("authentication", "auth"),
    ("unauthorized", "auth"),
    ("permission_denied", "auth"),
    ("not a valid product", "unsupported"),
    ("invalid product", "unsupported"),
    ("valid product_id", "unsupported"),
    ("not_found", "unsupported"),
    ("invalid_argument", "config"),
    # Says nothing more: a batch is halved until the product at fault stands alone.
    ("failure to subscribe", "unsupported"),
    ("failed to subscribe", "unsupported"),
)
