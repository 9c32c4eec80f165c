"""Bitget's words for orders and positions: the same in both its account systems."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.accounts.account import Account
from simulator.accounts.model import Fill, Order, Position, Status
from simulator.exchanges.bitget.names import INST_TYPES

PRODUCTS: Mapping[str, str] = {market: name for name, market in INST_TYPES.items()}

ONE_WAY, HEDGED = "one_way_mode", "hedge_mode"

# It has no word for an order that expires, or is rejected after it was taken.
_STATUSES: Mapping[Status, str] = {
    "NEW": "live",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
}
# Numbers count in each market; ids are unique in all of them.
_SERIES: Mapping[str, int] = {"spot": 1, "linear": 2, "inverse": 3}


def id_of(market: str, number: int) -> str:
    """19 digits, as the exchange's ids have."""
    return f"13{_SERIES[market]}{number:016d}"


def order_id(order: Order) -> str:
    """The id of an order."""
    return id_of(order.market, order.number)


def status_of(order: Order, canceled: str) -> str:
    """How it stands; ``canceled`` is how that is written there."""
    return _STATUSES.get(order.status, canceled)


def cancel_reason(order: Order) -> str:
    """Why it was ended; nothing of one that was not."""
    if order.open or order.status == "FILLED":
        return ""
    return order.reason.lower() or "normal_cancel"


def mode_of(account: Account, market: str) -> str:
    """Whether longs and shorts are kept apart; spot has no such thing."""
    if market == "spot":
        return ""
    return HEDGED if account.hedged else ONE_WAY


def side_of(one: Order | Fill) -> str:
    """The way it trades."""
    return one.side.lower()


def hold_side(one: Order | Fill) -> str:
    """The position it is for, in hedge mode."""
    return "" if one.position_side == "BOTH" else one.position_side.lower()


def opens(one: Order | Fill) -> bool:
    """Whether it makes its position bigger, in hedge mode."""
    return (one.side == "BUY") == (one.position_side == "LONG")


def trade_side(one: Order | Fill) -> str:
    """Whether it opens or closes, or who it was that closed."""
    if one.listing.market == "spot":
        return ""
    if one.position_side == "BOTH":
        return f"{'burst_' if one.liquidation else ''}{side_of(one)}_single"
    if one.liquidation:
        return f"burst_close_{hold_side(one)}"
    return "open" if opens(one) else "close"


def position_side(position: Position, closed_by: Fill | None = None) -> str:
    """``long`` or ``short``; of one that is closed, what it was."""
    if position.side != "BOTH":
        return position.side.lower()
    if position.size:
        return "long" if position.size > 0 else "short"
    return "short" if closed_by is not None and closed_by.side == "BUY" else "long"
