"""KuCoin's names, digits, units and limits: hosts, products, symbols, multipliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from common.model.streams import Market
from simulator.digits import decimal_text
from simulator.exchanges import common
from simulator.exchanges.protocol import SocketRules
from simulator.listing import Listed, Listing
from simulator.market import Bar
from simulator.world import World

NAME = "kucoin"

# Both futures markets are one product: one host, one kind of token, one list of contracts.
Product = Literal["spot", "futures"]
MARKETS: Mapping[Product, Sequence[Market]] = {"spot": ("spot",), "futures": ("linear", "inverse")}
SOCKET_HOSTS: Mapping[str, Product] = {
    "ws-api-spot.kucoin.com": "spot",
    "ws-api-futures.kucoin.com": "futures",
}
REST_HOSTS: Mapping[str, Product] = {
    "api.kucoin.com": "spot",
    "api-futures.kucoin.com": "futures",
}
# Where unified accounts are heard, of all products.
UNIFIED_HOST = "wsapi-push.kucoin.com"
HOSTS: Mapping[str, Product] = {**SOCKET_HOSTS, **REST_HOSTS}

PING_INTERVAL_MS, PING_TIMEOUT_MS = 18_000, 10_000
TOPICS_PER_REQUEST = 100
DAY_S = 24 * 3600.0
RULES = SocketRules(
    messages_per_s=100, messages_within_s=10.0, streams=400, lifetime_s=DAY_S, handshakes=30,
    handshakes_within_s=60, quiet_s=(PING_INTERVAL_MS + PING_TIMEOUT_MS) / 1000,
)  # fmt: skip

# Request weight of one address within 30 s, all products together.
POOL, POOL_WEIGHT, POOL_S = "kucoin-public", 2000, 30.0

# Interval names of spot, which the futures' WebSocket shares but for 6hour; with minutes for
# futures REST. Weeks count from the Unix epoch on spot: they start on Thursdays.
SPOT_INTERVALS: Mapping[str, str] = {
    "1min": "1m", "3min": "3m", "5min": "5m", "15min": "15m", "30min": "30m", "1hour": "1h",
    "2hour": "2h", "4hour": "4h", "6hour": "6h", "8hour": "8h", "12hour": "12h", "1day": "1d",
    "1month": "1M",
}  # fmt: skip
FUTURES_INTERVALS: Mapping[str, str] = {
    name: interval for name, interval in SPOT_INTERVALS.items() if name != "6hour"
}
GRANULARITIES: Mapping[str, str] = {
    "1": "1m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h",
    "480": "8h", "720": "12h", "1440": "1d",
}  # fmt: skip

_MONTHS = "FGHJKMNQUVXZ"


def product_of(market: Market) -> Product:
    """The product a market belongs to."""
    return "spot" if market == "spot" else "futures"


def asset(name: str) -> str:
    """The futures call bitcoin XBT."""
    return "XBT" if name == "BTC" else name


def symbol_of(listing: Listing) -> str:
    """``BTC-USDT``, ``XBTUSDTM``, ``XBTUSDM``; dated ``XBTMZ26``, ``XBTUSDTMZ26``."""
    if listing.market == "spot":
        return f"{listing.base}-{listing.quote}"
    if listing.expiry_ms is None:
        return f"{asset(listing.base)}{listing.quote}M"
    day = datetime.fromtimestamp(listing.expiry_ms / 1000, UTC)
    quote = "" if listing.market == "inverse" else listing.quote
    return f"{asset(listing.base)}{quote}M{_MONTHS[day.month - 1]}{day:%y}"


def find(world: World, product: Product, symbol: str) -> Listed | None:
    """The listing of this symbol."""
    entries = [entry for market in MARKETS[product] for entry in world.catalog.of(market)]
    return common.find(entries, symbol_of, symbol)


def price(listing: Listing, units: int) -> str:
    """A price as printed."""
    return decimal_text(units, listing.price_decimals)


def size(listing: Listing, lots: int) -> str:
    """A size as it is traded: base asset on spot, contracts on futures."""
    return decimal_text(lots, listing.lot_decimals) if listing.market == "spot" else str(lots)


def multiplier(listing: Listing) -> str:
    """What a contract stands for: base on linear, quote on inverse and negative there."""
    if listing.contract_size is not None:
        return f"-{listing.contract_size}"
    return decimal_text(1, listing.lot_decimals)


def base_and_quote(listing: Listing, bar: Bar) -> tuple[str, str]:
    """The volume of a bar in either asset."""
    value = decimal_text(bar.value, listing.value_decimals)
    if listing.contract_size is not None:
        return value, str(bar.lots * listing.contract_size)
    return decimal_text(bar.lots, listing.lot_decimals), value


def book_size(listing: Listing, lots: int) -> str:
    """A size of the book in our words: base, but contracts on inverse."""
    return decimal_text(lots, listing.lot_decimals)


def mark_of(world: World, listing: Listing) -> Decimal:
    """What a position is valued at: the last price."""
    listed = world.catalog.get(listing.key)
    units = (
        listing.price if listed is None else world.market.last_price(listed, world.clock.now_ms())
    )
    return Decimal(units).scaleb(-listing.price_decimals)


def contracts_of(listing: Listing, bar: Bar) -> str | UnsetType:
    """The volume of a bar in contracts."""
    return UNSET if listing.market == "spot" else str(bar.lots)


def number(text: str) -> msgspec.Raw:
    """A JSON number of exactly these digits."""
    return msgspec.Raw(text.encode())
