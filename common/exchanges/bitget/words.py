"""Bitget's words for orders, fills and positions, of both its account systems, in ours. Pure.

In hedge mode the classic system's orders say in ``side`` which position they are for, not whether
they buy: a long is closed by ``buy``. Fees are below zero in some places and above in others: what
they all mean is a cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.sizes import Amount
from common.exchanges.wire import MaybeSigned
from common.model.account import OrderStatus, PositionSide, Side
from common.model.decimals import absolute, negated, total

# Every documented status, of channels and REST; what is not here is told as UNKNOWN.
STATUSES: Mapping[str, OrderStatus] = {
    "init": "NEW",
    "new": "NEW",
    "live": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "cancelled": "CANCELED",  # spot and unified accounts
    "canceled": "CANCELED",  # futures
}
RawSide = Literal["buy", "sell"]
SIDES: Mapping[str, Side] = {"buy": "BUY", "sell": "SELL"}
_POSITIONS: Mapping[str, PositionSide] = {"long": "LONG", "short": "SHORT", "net": "BOTH"}
_MARGINS: Mapping[str, Literal["cross", "isolated"]] = {
    "crossed": "cross",
    "cross": "cross",
    "isolated": "isolated",
    "fixed": "isolated",
}
# The other mode is written ``hedge_mode``, in one place ``hedge-mode``; spot has none.
_ONE_WAY = "one_way_mode"
# What ``tradeSide`` begins with where the exchange itself ends a position: liquidation, whole or in
# part, and auto-deleveraging. (Netting and delivery have words of their own and are neither.)
_LIQUIDATIONS = ("burst_", "reduce_", "dte_sys_adl_")
# The same as a classic order's source, and as a unified order's kind of execution.
_LIQUIDATED = frozenset({"liquidation", "reduce", "market_risk"})
_MAKERS: Mapping[str, bool] = {"M": True, "maker": True, "T": False, "taker": False}


def status_of(raw: str) -> OrderStatus:
    """In our words."""
    return STATUSES.get(raw, "UNKNOWN")


def margin_of(raw: str) -> Literal["cross", "isolated"] | UnsetType:
    """In our words; an unknown one is left out."""
    return _MARGINS.get(raw, UNSET)


def maker_of(scope: str | None) -> bool | UnsetType:
    """Whether it was a maker's; left out where it is not said."""
    return _MAKERS.get(scope or "", UNSET)


def is_liquidation(trade_side: str, source: str = "") -> bool | UnsetType:
    """Whether the exchange made the order to end a position; left out where neither is said."""
    if not (trade_side or source):
        return UNSET
    return trade_side.startswith(_LIQUIDATIONS) or source in _LIQUIDATED


def reduce_only_of(raw: str) -> bool | UnsetType:
    """``yes`` on channels, ``YES`` in REST."""
    return {"yes": True, "no": False}.get(raw.lower(), UNSET)


def position_side_of(mode: str, side: str) -> PositionSide | UnsetType:
    """Of a position or a futures order; on spot there is neither mode nor side."""
    return "BOTH" if mode == _ONE_WAY else _POSITIONS.get(side, UNSET)


def order_side(mode: str, side: RawSide, position: str, trade_side: str) -> Side | UnsetType:
    """Which way a classic order trades; left out where hedge mode does not let that be known."""
    if mode in ("", _ONE_WAY):
        return SIDES[side]
    closes = trade_side == "close" or "_close_" in trade_side
    if position not in ("long", "short") or not (closes or trade_side == "open"):
        return UNSET
    return "SELL" if closes == (position == "long") else "BUY"


def fill_position(mode: str, side: RawSide, trade_side: str) -> PositionSide | UnsetType:
    """Which position a classic fill is of: it says which way it traded, and whether it opened."""
    if mode in ("", _ONE_WAY):
        return "BOTH" if mode else UNSET
    named = _POSITIONS.get(trade_side.rpartition("_")[2])
    if named is not None:
        return named
    if trade_side not in ("open", "close"):
        return UNSET
    return "LONG" if (side == "buy") == (trade_side == "open") else "SHORT"


def held(mode: str, side: str, quantity: str) -> str:
    """A position's size: with a sign where one position may be of either side."""
    if not quantity.strip("0."):
        return "0"
    return negated(quantity) if mode == _ONE_WAY and side == "short" else quantity


class Fee(Struct):
    """A part of what a trade cost: ``totalFee`` in the classic system, ``fee`` in the unified."""

    coin: str = field(name="feeCoin", default="")
    total: MaybeSigned | None = field(name="totalFee", default=None)
    fee: MaybeSigned | None = None


def fee_of(fees: Sequence[Fee]) -> tuple[Amount, Amount]:
    """What was paid and in what; left out where it was paid in several coins."""
    paid = [(each.coin, absolute(each.total or each.fee or "")) for each in fees]
    told = [(coin, amount) for coin, amount in paid if coin and amount]
    coins = {coin for coin, amount in told if amount.strip("0.")} or {coin for coin, _ in told}
    if len(coins) != 1:
        return UNSET, UNSET
    return total(amount for coin, amount in told if coin in coins), coins.pop()


def known(number: str | None) -> Amount:
    """A number that may be empty or null where there is none."""
    return number or UNSET


def given(number: str | None) -> Amount:
    """A number where zero means that there is none."""
    return number if number and number.strip("-0.") else UNSET
