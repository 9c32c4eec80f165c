"""What is traded, as data: neutral facts that every exchange spells its own way.

A ``Listing`` never changes and is compared by identity, so that results can be kept by it. What
changes (when it was listed, when it stopped) is its ``Listed`` entry in the ``Catalog``.
Prices are integers in units of the last printed decimal, sizes integers in lots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from common.model.instruments import Kind
from common.model.streams import Market

# More symbols than any test needs; a control client cannot fill the memory.
MAX_LISTED = 5_000


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Listing:
    """One tradable thing.

    Attributes:
        price: where its price hovers, in units of ``10**-price_decimals``.
        tick: the step of its price, in the same units.
        lot_decimals: a lot is ``10**-lot_decimals`` of the base asset, or one contract.
        trades_per_100min: how busy it is; below 100 some minutes have no trade.
        typical_lots: the usual size of a trade.
        contract_size: quote units per contract (inverse only).
        halted: listed, but not trading.
    """

    market: Market
    base: str
    quote: str
    kind: Kind
    price_decimals: int
    price: int
    lot_decimals: int
    trades_per_100min: int
    typical_lots: int
    tick: int = 1
    contract_size: int | None = None
    expiry_ms: int | None = None
    halted: bool = False

    @property
    def key(self) -> str:
        """Its neutral name, the same whatever an exchange calls it: what the seed is mixed with."""
        return f"{self.market}:{self.base}/{self.quote}:{self.kind}"

    @property
    def settle(self) -> str:
        """The asset profits are paid in."""
        return self.base if self.market == "inverse" else self.quote

    @property
    def value_decimals(self) -> int:
        """Decimals of a trade's value: quote asset, or base asset on inverse (8, rounded down)."""
        return 8 if self.market == "inverse" else self.price_decimals + self.lot_decimals


@dataclass(frozen=True, slots=True)
class Listed:
    """A listing and its life: it trades from ``begins_ms`` until ``ends_ms`` (None: open end)."""

    listing: Listing
    begins_ms: int
    ends_ms: int | None = None

    @property
    def trading(self) -> bool:
        """Whether it trades today (it may have stopped since)."""
        return not self.listing.halted and self.ends_ms is None


class Catalog:
    """What is listed now, by market and neutral key."""

    def __init__(self, entries: Iterable[Listed]) -> None:
        self._entries = {entry.listing.key: entry for entry in entries}

    def __iter__(self) -> Iterator[Listed]:
        return iter(tuple(self._entries.values()))

    def of(self, market: Market) -> list[Listed]:
        """Everything listed on one market, in the order it was listed."""
        return [entry for entry in self._entries.values() if entry.listing.market == market]

    def get(self, key: str) -> Listed | None:
        """The entry of this neutral key."""
        return self._entries.get(key)

    def add(self, entry: Listed) -> None:
        """List something new.

        Raises:
            ValueError: it is listed already, or the catalog is full.
        """
        if entry.listing.key in self._entries:
            raise ValueError(f"{entry.listing.key} is listed already")
        if len(self._entries) >= MAX_LISTED:
            raise ValueError(f"no more than {MAX_LISTED} listings")
        self._entries[entry.listing.key] = entry

    def halt(self, entry: Listed, at_ms: int) -> None:
        """No trade from ``at_ms`` on; it stays listed."""
        self._entries[entry.listing.key] = replace(entry, ends_ms=at_ms)

    def remove(self, entry: Listed) -> None:
        """Take it off the list altogether."""
        del self._entries[entry.listing.key]


def _spot(
    base: str, quote: str, price: int, decimals: int, *, lot_decimals: int = 2,
    trades_per_100min: int = 0, typical_lots: int = 1, halted: bool = False,
) -> Listing:  # fmt: skip
    return Listing(
        market="spot", kind="spot", base=base, quote=quote, price=price, price_decimals=decimals,
        lot_decimals=lot_decimals, trades_per_100min=trades_per_100min,
        typical_lots=typical_lots, halted=halted,
    )  # fmt: skip


def _linear(
    base: str, price: int, decimals: int, *, lot_decimals: int = 0, tick: int = 1,
    trades_per_100min: int = 0, typical_lots: int = 1, halted: bool = False,
) -> Listing:  # fmt: skip
    return Listing(
        market="linear", kind="perpetual", base=base, quote="USDT", price=price,
        price_decimals=decimals, tick=tick, lot_decimals=lot_decimals,
        trades_per_100min=trades_per_100min, typical_lots=typical_lots, halted=halted,
    )  # fmt: skip


def _inverse(base: str, price: int, decimals: int, contract_size: int, busy: int) -> Listing:
    return Listing(
        market="inverse", kind="perpetual", base=base, quote="USD", price=price,
        price_decimals=decimals, lot_decimals=0, trades_per_100min=busy, typical_lots=20,
        contract_size=contract_size,
    )  # fmt: skip


LISTINGS: tuple[Listing, ...] = (
    _spot("BTC", "USDT", 64_117_67, 2, lot_decimals=5, trades_per_100min=2400, typical_lots=4_000),
    _spot("ETH", "USDT", 3_105_42, 2, lot_decimals=4, trades_per_100min=1600, typical_lots=5_000),
    _spot("SOL", "USDT", 148_25, 2, lot_decimals=3, trades_per_100min=1000, typical_lots=6_000),
    _spot("BNB", "BTC", 9_124, 6, lot_decimals=2, trades_per_100min=400, typical_lots=40),
    _spot("QUIET", "USDT", 4_312, 4, lot_decimals=1, trades_per_100min=35, typical_lots=900),
    _spot("币安人生", "USDT", 1_873, 4, lot_decimals=1, trades_per_100min=300, typical_lots=20_000),
    _spot("LUNC", "BTC", 120, 8, lot_decimals=0, halted=True),
    _linear("BTC", 64_120_30, 2, lot_decimals=3, tick=10, trades_per_100min=2400, typical_lots=60),
    _linear("ETH", 3_106_10, 2, lot_decimals=3, trades_per_100min=1600, typical_lots=900),
    _linear("1000PEPE", 112_345, 7, trades_per_100min=900, typical_lots=40_000),
    _linear("QUIET", 4_309, 4, trades_per_100min=35, typical_lots=90),
    _linear("SRM", 5_120, 4, halted=True),
    _inverse("BTC", 64_118_4, 1, 100, 1600),
    _inverse("ETH", 3_105_80, 2, 10, 1000),
)

# (listing it follows, how much dearer in ten thousandths, how busy)
_QUARTERLIES = (("linear:BTC/USDT:perpetual", 85, 200), ("inverse:BTC/USD:perpetual", 92, 150))


def listings_at(now_ms: int) -> list[Listing]:
    """Everything there is to trade, the quarterly contracts of that time included."""
    by_key = {listing.key: listing for listing in LISTINGS}
    expiry_ms = next_quarter_ms(now_ms)
    quarterlies = [
        replace(
            by_key[key],
            kind="delivery",
            price=by_key[key].price * (10_000 + dearer) // 10_000 // by_key[key].tick
            * by_key[key].tick,
            trades_per_100min=busy,
            expiry_ms=expiry_ms,
        )
        for key, dearer, busy in _QUARTERLIES
    ]  # fmt: skip
    return [*LISTINGS, *quarterlies]


def next_quarter_ms(now_ms: int) -> int:
    """The last Friday 08:00 UTC of a quarter, at least 30 days from now."""
    earliest = datetime.fromtimestamp(now_ms / 1000, UTC) + timedelta(days=30)
    year, month = earliest.year, (earliest.month + 2) // 3 * 3
    while True:
        first_after = datetime(year + month // 12, month % 12 + 1, 1, 8, tzinfo=UTC)
        friday = first_after - timedelta(days=(first_after.weekday() - 5) % 7 + 1)
        if friday >= earliest:
            return int(friday.timestamp()) * 1000
        year, month = (year, month + 3) if month < 12 else (year + 1, 3)
