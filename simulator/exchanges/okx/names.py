"""OKX's names, digits and limits: hosts, symbols, bars, sizes.

One contract is one lot. A linear one stands for ``10**-lot_decimals`` of the base asset, an inverse
one for a fixed sum of quote, so that every size is exact in contracts and in base.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from common.model.streams import MARKETS, Market
from simulator.digits import decimal_text
from simulator.exchanges import common
from simulator.exchanges.protocol import SocketRules
from simulator.listing import Listed, Listing
from simulator.world import World

NAME = "okx"

SOCKET_HOST = "ws.okx.com"
# The documented REST host since 2026-05-20, and the one before it.
REST_HOSTS = ("openapi.okx.com", "www.okx.com")
HOSTS = (SOCKET_HOST, *REST_HOSTS)

# Each on /ws/v5/<endpoint>.
ENDPOINTS = ("public", "business", "private")

# Everything subscribed on a socket together, as its arguments are written.
CHANNEL_BYTES = 64 * 1024
# Every limit of REST counts the requests of one address, or account, within so many machine seconds.
WINDOW_S = 2.0
# Subscribes, unsubscribes and logins of one socket, whatever their size.
REQUESTS, REQUESTS_WITHIN_S = 480, 3600.0

RULES = SocketRules(
    # Not documented: what no client needs.
    messages_per_s=100,
    # Bounded by CHANNEL_BYTES; the shortest argument has more than 30 bytes.
    streams=CHANNEL_BYTES // 30,
    lifetime_s=365 * 86_400.0,
    handshakes=3,
    handshakes_within_s=1.0,
    first_topic_s=30.0,
    idle_s=30.0,
    idle_code=4004,
)

# Our intervals by the names that open at midnight UTC. The plain names of long bars open at UTC+8:
# they are refused here, because there is no truth of ours to serve under them.
BARS: Mapping[str, str] = {
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1H": "1h",
    "2H": "2h",
    "4H": "4h",
    "6Hutc": "6h",
    "12Hutc": "12h",
    "1Dutc": "1d",
    "1Wutc": "1w",
    "1Mutc": "1M",
}


def symbol_of(listing: Listing) -> str:
    """``BTC-USDT``, ``BTC-USDT-SWAP``, ``BTC-USD-261225``."""
    if listing.expiry_ms is not None:
        day = datetime.fromtimestamp(listing.expiry_ms / 1000, UTC)
        return f"{underlying_of(listing)}-{day:%y%m%d}"
    return underlying_of(listing) + ("" if listing.market == "spot" else "-SWAP")


def underlying_of(listing: Listing) -> str:
    """``BTC-USDT``, whatever is made of it."""
    return f"{listing.base}-{listing.quote}"


def type_of(listing: Listing) -> str:
    """What it calls this kind of instrument."""
    if listing.market == "spot":
        return "SPOT"
    return "FUTURES" if listing.kind == "delivery" else "SWAP"


def find(world: World, symbol: str, market: Market | None = None) -> Listed | None:
    """The listing of this symbol; a symbol is of one market only."""
    markets = MARKETS if market is None else (market,)
    entries = (entry for one in markets for entry in world.catalog.of(one))
    return common.find(entries, symbol_of, symbol)


def price(listing: Listing, units: int) -> str:
    """A price as printed."""
    return decimal_text(units, listing.price_decimals)


def size(listing: Listing, lots: int) -> str:
    """A size as printed: base asset, or contracts."""
    return decimal_text(lots, listing.lot_decimals if listing.market == "spot" else 0)


def base(listing: Listing, lots: int, value: int) -> str:
    """What some trades add up to in base."""
    if listing.contract_size is not None:
        return decimal_text(value, listing.value_decimals)
    return decimal_text(lots, listing.lot_decimals)


def quote(listing: Listing, lots: int, value: int) -> str:
    """What some trades add up to in quote."""
    if listing.contract_size is not None:
        return decimal_text(lots * listing.contract_size, 0)
    return decimal_text(value, listing.value_decimals)
