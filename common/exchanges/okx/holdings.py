"""OKX's rows of what an account has, alike on the socket and in REST: balances and positions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Struct, field

from common.exchanges.okx.rows import POSITION_SIDES, given, size_of
from common.exchanges.told import BalancesTold, Position
from common.exchanges.wire import (
    MaybeNumber,
    MaybeSigned,
    MillisText,
    Signed,
)
from common.model.account import Balance
from common.model.decimals import absolute
from common.model.instruments import Catalog
from common.model.streams import Market

_MARGINS: Mapping[str, Literal["cross", "isolated"]] = {
    "cross": "cross",
    "isolated": "isolated",
}


# --- balances -----------------------------------------------------------------------------------


class _Asset(Struct):
    name: str = field(name="ccy")
    total: MaybeSigned = field(name="cashBal")
    locked: MaybeSigned = field(name="frozenBal")
    # Of the two, accounts of some modes have only the second.
    free: MaybeSigned = field(name="availBal", default="")
    free_equity: MaybeSigned = field(name="availEq", default="")


class AccountRow(Struct):
    """The balances of an account, which all its markets share."""

    updated_ms: MillisText = field(name="uTime")
    assets: list[_Asset] = field(name="details")


def balances_told(row: AccountRow, *, whole: bool) -> BalancesTold:
    """``total`` is what has been booked: it changes by bookings, not with prices."""
    return BalancesTold(
        balances=tuple(_balance(asset) for asset in row.assets),
        time_ms=int(row.updated_ms),
        whole=whole,
    )


def _balance(row: _Asset) -> Balance:
    free = row.free or row.free_equity
    return Balance(row.name, free or UNSET, row.locked or UNSET, row.total or UNSET)


# --- positions ----------------------------------------------------------------------------------


class PositionRow(Struct):
    """A position, in contracts; those of both sides are above zero, a net one has its sign."""

    kind: str = field(name="instType")
    symbol: str = field(name="instId")
    contracts: Signed = field(name="pos")
    side: Literal["net", "long", "short"] = field(name="posSide")
    updated_ms: MillisText = field(name="uTime")
    position_id: str = field(name="posId", default="")
    entry_price: MaybeNumber = field(name="avgPx", default="")
    break_even_price: MaybeSigned = field(name="bePx", default="")
    mark_price: MaybeNumber = field(name="markPx", default="")
    liquidation_price: MaybeSigned = field(name="liqPx", default="")
    unrealized_pnl: MaybeSigned = field(name="upl", default="")
    realized_pnl: MaybeSigned = field(name="realizedPnl", default="")
    leverage: MaybeNumber = field(name="lever", default="")
    margin_mode: str = field(name="mgnMode", default="")
    margin: MaybeSigned = ""


def is_open(row: PositionRow) -> bool:
    """Margin that was moved to a position opens none."""
    return given(row.contracts) is not UNSET


def position(market: Market, row: PositionRow, catalog: Catalog) -> Position:
    """The position as it is. Of an instrument there may be a cross and an isolated one at once.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    contracts = row.contracts if row.side == "net" else absolute(row.contracts)
    size = size_of(market, row.symbol, contracts, row.entry_price, catalog)
    return Position(
        symbol=row.symbol,
        position_side=POSITION_SIDES[row.side],
        position_id=row.position_id or UNSET,
        quantity=size.base if is_open(row) else "0",
        contracts=size.contracts,
        entry_price=given(row.entry_price),
        break_even_price=given(row.break_even_price),
        mark_price=given(row.mark_price),
        liquidation_price=given(row.liquidation_price),
        unrealized_pnl=row.unrealized_pnl or UNSET,
        realized_pnl=row.realized_pnl or UNSET,
        leverage=row.leverage or UNSET,
        margin_type=_MARGINS.get(row.margin_mode, UNSET),
        margin=row.margin or UNSET,
    )
