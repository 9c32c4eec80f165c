"""Bybit's names, digits and limits: hosts, paths, symbols."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf

from common.model.streams import MARKETS, Market
from simulator.digits import decimal_text
from simulator.exchanges import common
from simulator.exchanges.protocol import HttpCall, SocketRules
from simulator.listing import Listed, Listing
from simulator.world import World

NAME = "bybit"

SOCKET_HOST = "stream.bybit.com"
REST_HOSTS = ("api.bybit.com", "api.bytick.com")
PRIVATE_PATH = "/v5/private"
PATHS: Mapping[str, Market] = {f"/v5/public/{market}": market for market in MARKETS}

INTERVALS: Mapping[str, str] = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h",
    "240": "4h", "360": "6h", "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # fmt: skip

# No rate of messages is documented: bursts of 200 requests were seen to be accepted.
RULES = SocketRules(
    messages_per_s=200, streams=10_000, lifetime_s=inf, quiet_s=600,
    handshakes=500, handshakes_within_s=300,
)  # fmt: skip
# Topics of one request, where they are limited.
MOST_ARGS: Mapping[Market, int] = {"spot": 10}
# Characters of all topics of one connection, quotes and commas included.
MOST_CHARACTERS = 21_000

# Requests of one address within so many seconds, and how long it is banned for more.
POOL, POOL_LIMIT, POOL_WITHIN_S, BAN_S = "bybit-ip", 600, 5.0, 600.0
# Signed requests of one account to one path within a second.
UID_POOL, UID_LIMIT = "bybit-uid", 50


def market_of(call: HttpCall) -> Market | None:
    """The market a call is about: the end of a socket's path, the category of a REST call."""
    if call.host == SOCKET_HOST:
        return PATHS.get(call.path)
    category = call.query.get("category")
    return next((market for market in MARKETS if market == category), None)


def symbol_of(listing: Listing) -> str:
    """``BTCUSDT``, ``BTCPERP``, ``BTCUSD``; dated ``BTCUSDT-25DEC26``, ``BTCUSDZ26``."""
    pair = f"{listing.base}{listing.quote}"
    if listing.expiry_ms is None:
        usdc = listing.market == "linear" and listing.quote == "USDC"
        return f"{listing.base}PERP" if usdc else pair
    day = datetime.fromtimestamp(listing.expiry_ms / 1000, UTC)
    if listing.market == "inverse":
        return f"{pair}{'FGHJKMNQUVXZ'[day.month - 1]}{day:%y}"
    name = listing.base if listing.quote == "USDC" else pair
    return f"{name}-{day:%-d%b%y}".upper()


def contract_type(listing: Listing) -> str:
    """What the instrument list calls it."""
    side = "Inverse" if listing.market == "inverse" else "Linear"
    return side + ("Perpetual" if listing.kind == "perpetual" else "Futures")


def find(world: World, market: Market, symbol: str) -> Listed | None:
    """The listing of this symbol."""
    return common.find(world.catalog.of(market), symbol_of, symbol)


# --- digits ---------------------------------------------------------------------------------


def price(listing: Listing, units: int) -> str:
    """A price in its own digits."""
    return decimal_text(units, listing.price_decimals)


def size(listing: Listing, lots: int) -> str:
    """A size: base asset, or contracts of one USD on inverse."""
    if listing.contract_size is not None:
        return decimal_text(lots * listing.contract_size, 0)
    return decimal_text(lots, listing.lot_decimals)


def value(listing: Listing, units: int) -> str:
    """A turnover: quote asset, or base asset on inverse."""
    return decimal_text(units, listing.value_decimals)


def short(text: str) -> str:
    """Without the zeros at its end, as bars and all of spot are written."""
    return text.rstrip("0").rstrip(".") if "." in text else text
