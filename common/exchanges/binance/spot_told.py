"""Binance's account events on spot, in our words: an order with its trade, and what there is of assets.

State and fill come in one event (``executionReport``). Quantities are in the base asset. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.binance.words import OrderLetters, given, not_below_zero, reason_of, status_of
from common.exchanges.private import Heard
from common.exchanges.told import BalancesTold, DeltaTold, FillTold, OrderTold
from common.exchanges.wire import Millis, Number, Signed
from common.model.account import Balance


class Execution(OrderLetters, kw_only=True, tag_field="e", tag="executionReport"):
    """What happened to an order."""

    execution: str = field(name="x")
    stop_price: Number = field(name="P", default="0")
    original_client_id: str = field(name="C", default="")
    reason: str = field(name="r", default="NONE")
    created_ms: Millis | UnsetType = field(name="O", default=UNSET)
    filled_quote: Signed | UnsetType = field(name="Z", default=UNSET)
    last_quote: Number | UnsetType = field(name="Y", default=UNSET)
    execution_id: int = field(name="I", default=0)


def execution(event: Execution) -> Sequence[Heard]:
    """The fill, where there is one, and the state that it led to."""
    own_id = event.original_client_id or event.client_id
    order = OrderTold(
        symbol=event.symbol,
        order_id=str(event.order_id),
        status=status_of(event.status),
        raw_status=event.status,
        time_ms=event.time_ms,
        seq=event.execution_id,
        side=event.side,
        order_type=event.order_type,
        time_in_force=event.time_in_force,
        client_order_id=own_id,
        original_client_order_id=event.original_client_id or UNSET,
        price=given(event.price),
        stop_price=given(event.stop_price),
        # A market order by its worth has no quantity before it is filled.
        quantity=given(event.quantity),
        filled=event.filled,
        # Below zero: not known (very old orders).
        filled_quote=not_below_zero(event.filled_quote),
        reason=reason_of(event.reason),
        created_ms=event.created_ms,
    )
    if event.trade_id < 0 or not given(event.last_quantity):
        return (order,)
    fill = FillTold(
        symbol=event.symbol,
        order_id=order.order_id,
        trade_id=str(event.trade_id),
        side=event.side,
        price=event.last_price,
        quantity=event.last_quantity,
        time_ms=event.time_ms,
        seq=event.execution_id,
        quote_quantity=event.last_quote,
        client_order_id=own_id,
        fee=UNSET if event.fee is None else event.fee,
        fee_asset=event.fee_asset or UNSET,
        maker=event.maker,
    )
    return fill, order


class _SpotBalance(Struct):
    asset: str = field(name="a")
    free: Number = field(name="f")
    locked: Number = field(name="l")


class AccountPosition(Struct, tag_field="e", tag="outboundAccountPosition"):
    """The assets that may have changed, as they are."""

    updated_ms: Millis = field(name="u")
    balances: list[_SpotBalance] = field(name="B")


def account_position(event: AccountPosition) -> Sequence[Heard]:
    """Of the assets that are named."""
    balances = tuple(Balance(row.asset, row.free, row.locked) for row in event.balances)
    return (BalancesTold(balances=balances, time_ms=event.updated_ms),)


class Delta(Struct, tag_field="e", tag="balanceUpdate"):
    """An asset came or went."""

    event_ms: Millis = field(name="E")
    asset: str = field(name="a")
    delta: Signed = field(name="d")
    cleared_ms: Millis = field(name="T")


def delta(event: Delta) -> Sequence[Heard]:
    """By how much, for another reason than a trade."""
    return (
        DeltaTold(
            asset=event.asset,
            delta=event.delta,
            time_ms=event.event_ms,
            cleared_ms=event.cleared_ms,
        ),
    )
