"""OKX as data: where things are, what they are called, what is allowed.

Sources: the exchange's v5 documents as of 2026-08-22, its notice that port 8443 ends on 2026-10-31,
and its SDKs of October 2026. Limits marked *reserve* are below what is documented, for the reason
beside them.
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
from common.model.streams import Market

NAME = "okx"

# Candles moved to a socket of their own in 2023; on /public they are refused.
_CANDLE_URL = "wss://ws.okx.com/ws/v5/business"
_TICKER_URL = "wss://ws.okx.com/ws/v5/public"
# The documented base since 2026-05-20; www.okx.com answers the same.
_REST_URL = "https://openapi.okx.com"

# The plain names of six hours and more open at midnight UTC+8: those with "utc" are ours. There is
# no 8H; where 3Dutc counts its days from is not documented, so three days are built from one.
INTERVALS: Mapping[str, str] = {
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1h": "1H",
    "2h": "2H",
    "4h": "4H",
    "6h": "6Hutc",
    "12h": "12Hutc",
    "1d": "1Dutc",
    "1w": "1Wutc",
    "1M": "1Mutc",
}

# Older backends name a candle by its channel, and a perpetual contract by its pair alone.
_SEED_INTERVALS = {ours: f"candle{theirs}" for ours, theirs in INTERVALS.items()}
_SEED_SPOT = SeedWords(intervals=_SEED_INTERVALS)
_SEED_CONTRACTS = SeedWords(
    intervals=_SEED_INTERVALS,
    to_theirs=((r"-SWAP$", ""),),
    to_ours=((r"^([^-]+-[^-]+)$", r"\1-SWAP"),),
    sizes="contracts",
)

# A bar is pushed once a second at most, a ticker ten times, both on a change only.
_CANDLE = Cadence(kind="trade-driven", probe_s=15.0, stall_s=60.0)
_TICKER = Cadence(kind="trade-driven", probe_s=15.0, stall_s=300.0)

_LIMITS = Limits(
    # Reserve: the documents bound the length of all channels together (64 KB); one takes at most
    # 70 bytes, so that 900 would fit.
    topics_per_connection=400,
    topics_per_request=200,
    # 480 requests an hour, whatever their size: 450 are ours.
    requests_per_s=0.125,
    # No end of a connection is announced or documented; it is renewed once a week at our own time.
    lifetime_s=7 * 86_400.0,
    # It ends a connection after 30 s without a push or a "ping".
    ping_s=25.0,
)

# The most rows of one answer, and how long the windows of its limits are.
CANDLES_PER_REQUEST = 300
RATE_WINDOW_S = 2.0

# Of one address. REST is limited by endpoint, over all markets; where an instrument type has a
# limit of its own, they are counted together (reserve).
TIME, LISTINGS, CANDLES = "/public/time", "/public/instruments", "/market/history-candles"
BUDGETS: Mapping[str, Budget] = {
    "connections": Budget(capacity=3, window_s=1.0, burst=1),
    TIME: Budget(capacity=10, window_s=RATE_WINDOW_S, burst=2),
    LISTINGS: Budget(capacity=20, window_s=RATE_WINDOW_S, burst=4),
    CANDLES: Budget(capacity=20, window_s=RATE_WINDOW_S, burst=4),
}

# What a socket is closed with where it is not just an end. 4005 is that we read too slowly, 1009 a
# frame that is too large, which our own side says too, of theirs: to dial again may mend both.
_CLOSE_CODES: Mapping[int, Reason] = {
    4001: "auth",
    4007: "auth",
    4008: "rate",
    4009: "rate",
}


def _market(seed_name: str, seed: SeedWords) -> MarketRules:
    return MarketRules(
        seed_name=seed_name,
        seed=seed,
        channels={
            "candle": ChannelRules(
                url=_CANDLE_URL, cadence=_CANDLE, intervals=INTERVALS, closes="flag"
            ),
            "ticker": ChannelRules(url=_TICKER_URL, cadence=_TICKER),
        },
        limits=_LIMITS,
        rest=RestRules(
            url=_REST_URL,
            intervals=INTERVALS,
            candles_per_request=CANDLES_PER_REQUEST,
            # A minute without trades has a row of volume 0 at the close before it.
            tells_flat=True,
        ),
        close_codes=_CLOSE_CODES,
    )


MARKETS: Mapping[Market, MarketRules] = {
    "spot": _market("okx", _SEED_SPOT),
    "linear": _market("okxLinear", _SEED_CONTRACTS),
    "inverse": _market("okxInverse", _SEED_CONTRACTS),
}

# Perpetual and dated contracts are lists of their own; each holds linear and inverse ones.
INSTRUMENT_TYPES: Mapping[Market, tuple[str, ...]] = {
    "spot": ("SPOT",),
    "linear": ("SWAP", "FUTURES"),
    "inverse": ("SWAP", "FUTURES"),
}

# The code of the notice that a connection will be closed for an upgrade (never on /business).
CLOSING = "64008"

# Codes of WebSocket (6xxxx) and REST (5xxxx) errors. What is not here counts as transient.
ERRORS: Mapping[str, Reason] = {
    "404": "config",
    "50001": "transient",
    "50004": "transient",
    "50005": "config",
    "50011": "rate",
    "50013": "transient",
    "50014": "config",
    "50026": "transient",
    "50027": "auth",
    "50028": "auth",
    "50029": "auth",
    "50061": "rate",
    "50101": "auth",
    "50102": "transient",
    "50103": "auth",
    "50104": "auth",
    "50105": "auth",
    "50106": "auth",
    "50107": "auth",
    "50111": "auth",
    "50113": "auth",
    "50119": "auth",
    "51000": "config",
    "51001": "unsupported",
    "60004": "transient",
    "60005": "auth",
    "60006": "transient",
    "60007": "auth",
    "60008": "config",
    "60009": "auth",
    "60011": "auth",
    "60012": "config",
    "60013": "config",
    "60014": "rate",
    "60018": "unsupported",
    "60019": "config",
    "60024": "auth",
    "60031": "benign",
    "60032": "auth",
    "63999": "transient",
    "64001": "config",
    "64003": "unsupported",
}
