"""Binance's names, digits and limits: hosts, routes, symbols."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from common.model.streams import Market
from simulator.digits import decimal_text
from simulator.exchanges.protocol import SocketRules
from simulator.listing import Listing

NAME = "binance"

# Where accounts are subscribed on spot; a protocol of its own.
API_HOST = "ws-api.binance.com"
SOCKET_HOSTS: Mapping[str, Market] = {
    "stream.binance.com": "spot",
    "data-stream.binance.vision": "spot",
    "fstream.binance.com": "linear",
    "dstream.binance.com": "inverse",
}
REST_HOSTS: Mapping[str, Market] = {
    "api.binance.com": "spot",
    "api-gcp.binance.com": "spot",
    "api1.binance.com": "spot",
    "api2.binance.com": "spot",
    "api3.binance.com": "spot",
    "api4.binance.com": "spot",
    "data-api.binance.vision": "spot",
    "fapi.binance.com": "linear",
    "dapi.binance.com": "inverse",
}
HOSTS: Mapping[str, Market] = {**SOCKET_HOSTS, **REST_HOSTS, API_HOST: "spot"}

# Since 2026-04-23: a stream comes on its own route only. No route behaves like /public.
ROUTES = ("public", "market", "private")
_PUBLIC = ("bookTicker", "depth", "rpiDepth", "trade")

_DAY_S = 24 * 3600.0
_FUTURES = SocketRules(
    messages_per_s=10, streams=1024, ping_every_s=180, pong_within_s=600, lifetime_s=_DAY_S,
    handshakes=300, handshakes_within_s=300,
)  # fmt: skip
RULES: Mapping[Market, SocketRules] = {
    "spot": SocketRules(
        messages_per_s=5, streams=1024, ping_every_s=20, pong_within_s=60, lifetime_s=_DAY_S,
        handshakes=300, handshakes_within_s=300,
    ),
    "linear": _FUTURES,
    "inverse": _FUTURES,
}  # fmt: skip

# No limit of messages is documented here: every one has a weight instead.
API_RULES = SocketRules(
    messages_per_s=1_000_000, streams=1_000, ping_every_s=20, pong_within_s=60, lifetime_s=_DAY_S,
    handshakes=300, handshakes_within_s=300,
)  # fmt: skip

# Weight per minute and address. Both futures markets share one pool since 2026-06-30.
POOLS: Mapping[Market, tuple[str, int]] = {
    "spot": ("binance-spot", 6000),
    "linear": ("binance-futures", 2400),
    "inverse": ("binance-futures", 2400),
}
SYMBOL_TYPE: Mapping[Market, int] = {"linear": 1, "inverse": 2}


def route_of(topic: str) -> str:
    """The futures route that carries a stream."""
    name, _, kind = topic.partition("@")
    kind = name[1:] if name.startswith("!") else kind
    return "public" if kind.startswith(_PUBLIC) else "market"


def pair_of(listing: Listing) -> str:
    """``BTCUSDT``, whatever the expiry."""
    return f"{listing.base}{listing.quote}"


def symbol_of(listing: Listing) -> str:
    """``BTCUSDT``, ``BTCUSD_PERP``, ``BTCUSD_261225``."""
    if listing.expiry_ms is not None:
        day = datetime.fromtimestamp(listing.expiry_ms / 1000, UTC)
        return f"{pair_of(listing)}_{day:%y%m%d}"
    return f"{pair_of(listing)}_PERP" if listing.market == "inverse" else pair_of(listing)


def contract_type(listing: Listing) -> str:
    """What exchangeInfo and continuous klines call it."""
    return "PERPETUAL" if listing.kind == "perpetual" else "CURRENT_QUARTER"


def price(listing: Listing, units: int) -> str:
    """A price as printed: spot always has 8 decimals, futures their own."""
    return _padded(listing, units, listing.price_decimals)


def size(listing: Listing, lots: int) -> str:
    """A size as printed: base asset, or contracts on inverse."""
    return _padded(listing, lots, listing.lot_decimals)


def value(listing: Listing, units: int) -> str:
    """A value as printed: quote asset, or base asset on inverse."""
    return _padded(listing, units, listing.value_decimals)


def _padded(listing: Listing, number: int, decimals: int) -> str:
    if listing.market != "spot":
        return decimal_text(number, decimals)
    # Listings are made so that nothing exact needs more than 8.
    return decimal_text(number * 10 ** (8 - decimals), 8)
