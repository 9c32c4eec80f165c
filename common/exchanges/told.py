"""What exchanges tell of accounts, in words that all of them share: orders, fills, balances, positions. Pure.

It is what one frame or row says, and no more; what became of an account is folded from it
(``common.recovery.book``).
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from common.exchanges.sizes import Contract
from common.model.account import Balance, OrderStatus, PositionSide, Side


class Totals(Struct, frozen=True, kw_only=True):
    """What all fills of an order come to, where no fill is ever told.

    Attributes:
        size: as the order counts it: in contracts (``by_contracts``), else in the base asset.
        worth: the sum of price times size.
        fee: what was paid for all of them, in ``fee_asset``.
        contract: what one contract is, where that is known.
    """

    size: str
    worth: str
    fee: str = "0"
    fee_asset: str | UnsetType = UNSET
    by_contracts: bool = False
    contract: Contract | None = None


class OrderTold(Struct, frozen=True, kw_only=True):
    """How an order stands, as far as this frame or row says it; see ``ExecutionReport`` for units.

    Attributes:
        filled: so far, in all.
        totals: where no fill is ever told; then fills are made of what these have grown by.
        seq: orders what happened in the same millisecond, where the exchange numbers it.
    """

    symbol: str
    order_id: str
    status: OrderStatus
    raw_status: str
    time_ms: int
    seq: int = 0
    side: Side | UnsetType = UNSET
    order_type: str | UnsetType = UNSET
    time_in_force: str | UnsetType = UNSET
    client_order_id: str | UnsetType = UNSET
    original_client_order_id: str | UnsetType = UNSET
    price: str | UnsetType = UNSET
    stop_price: str | UnsetType = UNSET
    quantity: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    filled: str | UnsetType = UNSET
    filled_contracts: str | UnsetType = UNSET
    filled_quote: str | UnsetType = UNSET
    average_price: str | UnsetType = UNSET
    reduce_only: bool | UnsetType = UNSET
    position_side: PositionSide | UnsetType = UNSET
    liquidation: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    created_ms: int | UnsetType = UNSET
    totals: Totals | UnsetType = UNSET


class FillTold(Struct, frozen=True, kw_only=True):
    """One trade of an order; see ``Fill`` for units and signs.

    ``quantity`` is left out where a contract's size is not known (yet); ``contracts`` is there then.
    """

    symbol: str
    order_id: str
    trade_id: str
    side: Side
    price: str
    time_ms: int
    seq: int = 0
    quantity: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    quote_quantity: str | UnsetType = UNSET
    client_order_id: str | UnsetType = UNSET
    fee: str | UnsetType = UNSET
    fee_asset: str | UnsetType = UNSET
    maker: bool | UnsetType = UNSET
    position_side: PositionSide | UnsetType = UNSET
    realized_pnl: str | UnsetType = UNSET
    liquidation: bool | UnsetType = UNSET


class BalancesTold(Struct, frozen=True, kw_only=True):
    """Balances as they are; ``whole``: what is not named is none."""

    balances: tuple[Balance, ...]
    time_ms: int
    whole: bool = False


class DeltaTold(Struct, frozen=True, kw_only=True):
    """A balance changed by so much, for another reason than a trade."""

    asset: str
    delta: str
    time_ms: int
    cleared_ms: int | UnsetType = UNSET


class Position(Struct, frozen=True, kw_only=True):
    """One position; see ``PositionUpdate`` for units.

    ``position_id`` where an account can have several of one symbol and side: it tells them apart.
    """

    symbol: str
    position_side: PositionSide
    position_id: str | UnsetType = UNSET
    quantity: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    entry_price: str | UnsetType = UNSET
    break_even_price: str | UnsetType = UNSET
    mark_price: str | UnsetType = UNSET
    liquidation_price: str | UnsetType = UNSET
    unrealized_pnl: str | UnsetType = UNSET
    realized_pnl: str | UnsetType = UNSET
    leverage: str | UnsetType = UNSET
    margin_type: Literal["cross", "isolated"] | UnsetType = UNSET
    margin: str | UnsetType = UNSET


class PositionsTold(Struct, frozen=True, kw_only=True):
    """Positions as they are; ``whole``: what is not named is closed."""

    positions: tuple[Position, ...]
    time_ms: int
    whole: bool = False


Told = OrderTold | FillTold | BalancesTold | DeltaTold | PositionsTold
