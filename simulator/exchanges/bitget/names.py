"""Bitget's names, digits and limits: hosts, product types, symbols, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from common.model.streams import Market
from simulator.digits import decimal_text
from simulator.exchanges.protocol import SocketRules
from simulator.listing import Listing
from simulator.market import Bar
from simulator.trades import value_of

NAME = "bitget"

SOCKET_HOST = "ws.bitget.com"
REST_HOST = "api.bitget.com"
SOCKET_PATH = "/v2/ws/public"

INST_TYPES: Mapping[str, Market] = {
    "SPOT": "spot",
    "USDT-FUTURES": "linear",
    "COIN-FUTURES": "inverse",
}
# Product types that exist there and list nothing here.
EMPTY_TYPES = ("USDC-FUTURES", "SUSDT-FUTURES", "SCOIN-FUTURES", "SUSDC-FUTURES")

RULES = SocketRules(
    messages_per_s=10, streams=1000, lifetime_s=24 * 3600.0, handshakes=300,
    handshakes_within_s=300, quiet_s=120.0, first_topic_s=30.0,
)  # fmt: skip
SUBSCRIBES_PER_HOUR = 240
MESSAGE_BYTES = 4096
CONNECTIONS = 100

# What a channel (or a granularity) is called, and our interval. The plain names from 6 hours on,
# which count from UTC+8, are not simulated: they are refused.
FROM_UTC = {"6Hutc": "6h", "12Hutc": "12h", "1Dutc": "1d", "3Dutc": "3d", "1Wutc": "1w",
            "1Mutc": "1M"}  # fmt: skip
CHANNELS: Mapping[str, str] = {
    "1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1H": "1h", "4H": "4h", **FROM_UTC,
}  # fmt: skip
GRANULARITIES: Mapping[str, Mapping[str, str]] = {
    "spot": {
        "1min": "1m", "5min": "5m", "15min": "15m", "30min": "30m", "1h": "1h",
        "4h": "4h", **FROM_UTC,
    },
    "mix": {**CHANNELS, "3m": "3m", "2H": "2h"},
}  # fmt: skip

# Futures' letters of the months.
_MONTHS = "FGHJKMNQUVXZ"


def symbol_of(listing: Listing) -> str:
    """``BTCUSDT``, ``BTCUSD``; dated ones end in the month's letter and the year: ``BTCUSDZ26``."""
    symbol = f"{listing.base}{listing.quote}"
    if listing.expiry_ms is None:
        return symbol
    day = datetime.fromtimestamp(listing.expiry_ms / 1000, UTC)
    return f"{symbol}{_MONTHS[day.month - 1]}{day:%y}"


def price(listing: Listing, units: int) -> str:
    """A price as printed."""
    return decimal_text(units, listing.price_decimals)


def size_decimals(listing: Listing) -> int:
    """Decimals of a size: it is in the base coin everywhere, of a value in it on inverse."""
    return listing.lot_decimals if listing.contract_size is None else listing.value_decimals


def size(listing: Listing, at_price: int, lots: int) -> str:
    """A size of the book as printed."""
    if listing.contract_size is not None:
        lots = value_of(listing, at_price, lots)
    return decimal_text(lots, size_decimals(listing))


def volumes(listing: Listing, bar: Bar) -> tuple[str, str]:
    """What was traded, in base and in quote."""
    if listing.contract_size is None:
        base = decimal_text(bar.lots, listing.lot_decimals)
        return base, decimal_text(bar.value, listing.value_decimals)
    base = decimal_text(bar.value, listing.value_decimals)
    return base, decimal_text(bar.lots * listing.contract_size, 0)
