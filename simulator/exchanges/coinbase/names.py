"""Coinbase's names, digits, times and limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from common.model.streams import Market
from simulator.digits import decimal_text
from simulator.exchanges.protocol import SocketRules
from simulator.listing import Listed, Listing
from simulator.world import World

NAME = "coinbase"
MARKETS: tuple[Market, ...] = ("spot",)
SOCKET_HOST = "advanced-trade-ws.coinbase.com"
# Accounts have a host of their own; the other one serves them too.
USER_HOST = "advanced-trade-ws-user.coinbase.com"
REST_HOST = "api.coinbase.com"

# Who subscribes to nothing is sent away, and who has nothing to hear: heartbeats keep a socket.
# Handshakes are counted per address.
RULES = SocketRules(
    messages_per_s=100, streams=10_000, lifetime_s=24 * 3600.0, first_topic_s=5.0, idle_s=90.0,
    handshakes=8, handshakes_within_s=1.0,
)  # fmt: skip
# Requests of an address, over all its sockets: what is too much is refused and nothing more.
REQUESTS_PER_S = 8
# The same of requests that carry a token.
SIGNED_PER_S = 750

HEARTBEATS, TRADES, CANDLES = "heartbeats", "market_trades", "candles"
TICKER, TICKER_BATCH = "ticker", "ticker_batch"
USER = "user"
# The channels of products that are simulated; the real one has level2 and status beside them.
CHANNELS = (TRADES, CANDLES, TICKER, TICKER_BATCH)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def product_of(listing: Listing) -> str:
    """``BTC-USDT``."""
    return f"{listing.base}-{listing.quote}"


def alias_of(listing: Listing) -> str | None:
    """The second name of a book that is traded for dollars: ``BTC-USDC``, of ``BTC-USD``."""
    return f"{listing.base}-USDC" if listing.quote == "USD" else None


def find(world: World, product: str) -> Listed | None:
    """The listing of this name, be it its second one."""
    for listed in world.catalog.of("spot"):
        if product in (product_of(listed.listing), alias_of(listed.listing)):
            return listed
    return None


# --- digits ---------------------------------------------------------------------------------


def price(listing: Listing, units: int) -> str:
    """A price as printed, with the product's decimals everywhere."""
    return decimal_text(units, listing.price_decimals)


def size(listing: Listing, lots: int) -> str:
    """A size as printed, in the base asset."""
    return decimal_text(lots, listing.lot_decimals)


# --- times ----------------------------------------------------------------------------------


def stamp(time_ms: int, digits: int = 9) -> str:
    """RFC 3339 as Go prints it, without trailing zeros: ``2026-08-12T19:27:48.098821666Z``.

    Below the millisecond there are digits too, the same ones for the same time, as on the wire.
    """
    below = time_ms * 7919 % 10 ** (digits - 3)
    fraction = f".{time_ms % 1000:03}{below:0{digits - 3}}".rstrip("0").rstrip(".")
    return f"{_moment(time_ms):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def go_time(time_ms: int) -> str:
    """Go's other format, in heartbeats: ``2024-10-04 07:04:40.820 +0000 UTC m=+66987.000``."""
    seconds = time_ms / 1000 % 1e6
    return f"{_moment(time_ms):%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03} +0000 UTC m=+{seconds:.3f}"


def _moment(time_ms: int) -> datetime:
    return _EPOCH + timedelta(seconds=time_ms // 1000)
