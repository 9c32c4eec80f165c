"""What there is to say about an account, as records. Amounts are exact decimals, times market ms.

Sizes are in the base asset; on inverse markets they are contracts. ``value`` is what a size is worth:
in the quote asset, on inverse in the base asset. What an order or a position is worth is not rounded, so
that averages are right; money that moves is, to eight decimals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from msgspec import Struct

from common.model.streams import Market
from simulator.listing import Listing

Side = Literal["BUY", "SELL"]
PositionSide = Literal["LONG", "SHORT", "BOTH"]
OrderType = Literal["LIMIT", "MARKET"]
Status = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED"]
Kind = Literal["placed", "filled", "canceled", "rejected", "expired", "deposit", "withdrawal"]

OPEN: frozenset[Status] = frozenset({"NEW", "PARTIALLY_FILLED"})
ZERO = Decimal(0)
# The smallest part of any asset.
UNIT = Decimal(1).scaleb(-8)
# What was divided and added up again is itself to so many decimals.
_EXACT = Decimal(1).scaleb(-16)


class Order(Struct, frozen=True, kw_only=True):
    """An order as it stands; every change of it is another record.

    Attributes:
        price: the limit; None for a market order.
        value: of what is filled so far.
        held: of the wallet, until it is filled or over.
    """

    number: int
    client_id: str
    listing: Listing
    side: Side
    type: OrderType
    quantity: Decimal
    created_ms: int
    updated_ms: int
    price: Decimal | None = None
    time_in_force: str = "GTC"
    status: Status = "NEW"
    filled: Decimal = ZERO
    value: Decimal = ZERO
    held: Decimal = ZERO
    reduce_only: bool = False
    position_side: PositionSide = "BOTH"
    liquidation: bool = False
    reason: str = ""

    @property
    def open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status in OPEN

    @property
    def left(self) -> Decimal:
        """What is not filled."""
        return self.quantity - self.filled

    @property
    def market(self) -> Market:
        """Where it is."""
        return self.listing.market

    @property
    def average_price(self) -> Decimal:
        """What was paid so far, to eight decimals; 0 where nothing is filled."""
        if not self.value:
            return ZERO
        if self.listing.contract_size is not None:
            return (self.filled * self.listing.contract_size / self.value).quantize(UNIT)
        return (self.value / self.filled).quantize(UNIT)


class Fill(Struct, frozen=True, kw_only=True):
    """One trade of an order. ``fee`` is positive where it was paid."""

    trade: int
    order: int
    client_id: str
    listing: Listing
    side: Side
    price: Decimal
    quantity: Decimal
    value: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    time_ms: int
    realized: Decimal = ZERO
    position_side: PositionSide = "BOTH"
    liquidation: bool = False


class Balance(Struct, frozen=True):
    """What a wallet has of an asset. ``locked`` is held by orders and, as margin, by positions."""

    asset: str
    total: Decimal = ZERO
    locked: Decimal = ZERO
    updated_ms: int = 0

    @property
    def free(self) -> Decimal:
        """What can be used."""
        return self.total - self.locked


class Position(Struct, frozen=True, kw_only=True):
    """A position. ``size`` has its sign (below zero: short); ``cost`` is what it was entered at."""

    listing: Listing
    side: PositionSide
    size: Decimal = ZERO
    cost: Decimal = ZERO
    margin: Decimal = ZERO
    realized: Decimal = ZERO
    updated_ms: int = 0

    @property
    def entry_price(self) -> Decimal:
        """The average price it was entered at, to eight decimals; 0 where there is none."""
        if not self.cost:
            return ZERO
        if self.listing.contract_size is not None:
            return (abs(self.size) * self.listing.contract_size / self.cost).quantize(UNIT)
        return (self.cost / abs(self.size)).quantize(UNIT)


class Fact(Struct, frozen=True, kw_only=True):
    """One thing that happened: what changed, as it stands after it.

    Attributes:
        number: counts the facts of the account, from 1.
        delta: of a deposit or withdrawal, with its sign.
    """

    number: int
    time_ms: int
    market: Market
    kind: Kind
    order: Order | None = None
    fill: Fill | None = None
    balances: tuple[Balance, ...] = ()
    positions: tuple[Position, ...] = ()
    delta: Decimal = ZERO


@dataclass(slots=True)
class Numbers:
    """The ids that an exchange gives out, by market."""

    orders: dict[Market, int] = field(default_factory=dict)
    trades: dict[Market, int] = field(default_factory=dict)

    def order(self, market: Market) -> int:
        """The next order's."""
        self.orders[market] = self.orders.get(market, 1_000_000) + 1
        return self.orders[market]

    def trade(self, market: Market) -> int:
        """The next trade's."""
        self.trades[market] = self.trades.get(market, 5_000_000) + 1
        return self.trades[market]


class Rates(Struct, frozen=True):
    """What trading costs, as parts of the value."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0005")


def value_of(listing: Listing, price: Decimal, size: Decimal) -> Decimal:
    """What so much is worth at a price, not rounded."""
    if listing.contract_size is None:
        return price * size
    return size * listing.contract_size / price


def hovers_at(listing: Listing) -> Decimal:
    """The price it hovers about."""
    return Decimal(listing.price).scaleb(-listing.price_decimals)


def rounded(value: Decimal) -> Decimal:
    """As money moves: to eight decimals, down."""
    return value.quantize(_EXACT).quantize(UNIT, ROUND_DOWN)
