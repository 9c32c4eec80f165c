"""Binance's account events on futures, in our words: an order with its trade, and what has changed.

State and fill come in one event (``ORDER_TRADE_UPDATE``). USD-M's quantities are in the base asset,
COIN-M counts contracts. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.binance.words import (
    OrderLetters,
    done_of,
    given,
    is_liquidation,
    margin_of,
    reason_of,
    size_of,
    status_of,
)
from common.exchanges.private import Heard
from common.exchanges.sizes import Amount
from common.exchanges.told import BalancesTold, FillTold, OrderTold, Position, PositionsTold
from common.exchanges.wire import Millis, Number, Signed
from common.model.account import Balance, PositionSide
from common.model.instruments import Catalog
from common.model.streams import Market

# --- orders -------------------------------------------------------------------------------------

# What the exchange calls the type of its own orders here, and in REST nowhere.
_FORCED = "LIQUIDATION"


class _Order(OrderLetters, kw_only=True):
    average_price: Number = field(name="ap")
    reduce_only: bool = field(name="R", default=False)
    position_side: PositionSide = field(name="ps", default="BOTH")
    stop_price: Number = field(name="sp", default="0")
    realized_pnl: Signed | UnsetType = field(name="rp", default=UNSET)
    expiry_reason: str | int = field(name="er", default="0")


class OrderUpdate(Struct, tag_field="e", tag="ORDER_TRADE_UPDATE"):
    """What happened to an order."""

    order: _Order = field(name="o")


def order_update(market: Market, event: OrderUpdate, catalog: Catalog) -> Sequence[Heard]:
    """The fill, where there is one, and the state that it led to."""
    row = event.order
    order = _state(market, row, catalog)
    if not row.trade_id or not given(row.last_quantity):
        return (order,)
    return _fill(market, row, order, catalog), order


def _state(market: Market, row: _Order, catalog: Catalog) -> OrderTold:
    asked = size_of(market, row.symbol, row.quantity, row.price, catalog)
    done = done_of(market, row.symbol, row.filled, row.average_price, catalog)
    forced = row.order_type == _FORCED
    return OrderTold(
        symbol=row.symbol,
        order_id=str(row.order_id),
        status=status_of(row.status),
        raw_status=row.status,
        time_ms=row.time_ms,
        side=row.side,
        order_type=UNSET if forced else row.order_type,
        time_in_force=row.time_in_force,
        client_order_id=row.client_id,
        price=given(row.price),
        stop_price=given(row.stop_price),
        quantity=asked.base,
        contracts=asked.contracts,
        filled=done.base,
        filled_contracts=done.contracts,
        filled_quote=done.quote,
        average_price=given(row.average_price),
        reduce_only=row.reduce_only,
        position_side=row.position_side,
        liquidation=forced or is_liquidation(row.client_id),
        reason=reason_of(str(row.expiry_reason)),
    )


def _fill(market: Market, row: _Order, order: OrderTold, catalog: Catalog) -> FillTold:
    part = size_of(market, row.symbol, row.last_quantity, row.last_price, catalog)
    return FillTold(
        symbol=row.symbol,
        order_id=order.order_id,
        trade_id=str(row.trade_id),
        side=row.side,
        price=row.last_price,
        quantity=part.base,
        contracts=part.contracts,
        quote_quantity=part.quote,
        time_ms=row.time_ms,
        client_order_id=row.client_id,
        fee=UNSET if row.fee is None else row.fee,
        fee_asset=row.fee_asset or UNSET,
        maker=row.maker,
        position_side=row.position_side,
        realized_pnl=row.realized_pnl,
        liquidation=order.liquidation,
    )


# --- wallets and positions ----------------------------------------------------------------------


class _Wallet(Struct):
    asset: str = field(name="a")
    total: Signed = field(name="wb")


class _OpenPosition(Struct):
    symbol: str = field(name="s")
    amount: Signed = field(name="pa")
    entry_price: Number = field(name="ep")
    unrealized_pnl: Signed = field(name="up")
    margin_type: str = field(name="mt")
    margin: Signed = field(name="iw")
    position_side: PositionSide = field(name="ps")
    break_even_price: Number | UnsetType = field(name="bep", default=UNSET)


class _Changes(Struct):
    wallets: list[_Wallet] = field(name="B", default_factory=list)
    positions: list[_OpenPosition] = field(name="P", default_factory=list)


class AccountUpdate(Struct, tag_field="e", tag="ACCOUNT_UPDATE"):
    """Wallets and positions that have changed."""

    time_ms: Millis = field(name="T")
    changes: _Changes = field(name="a")


def account_update(market: Market, event: AccountUpdate, catalog: Catalog) -> Sequence[Heard]:
    """Only what has changed. What orders hold of a wallet is not told: neither free nor locked."""
    changes, told = event.changes, list[Heard]()
    if changes.wallets:
        balances = tuple(Balance(row.asset, total=row.total) for row in changes.wallets)
        told.append(BalancesTold(balances=balances, time_ms=event.time_ms))
    if changes.positions:
        rows = tuple(_position(market, row, catalog) for row in changes.positions)
        told.append(PositionsTold(positions=rows, time_ms=event.time_ms))
    return told


def _position(market: Market, row: _OpenPosition, catalog: Catalog) -> Position:
    quantity, contracts = _signed_size(market, row.symbol, row.amount, row.entry_price, catalog)
    return Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=quantity,
        contracts=contracts,
        entry_price=given(row.entry_price),
        break_even_price=row.break_even_price,
        unrealized_pnl=row.unrealized_pnl,
        margin_type=margin_of(row.margin_type),
        margin=row.margin,
    )


def _signed_size(
    market: Market, symbol: str, amount: str, price: str, catalog: Catalog
) -> tuple[Amount, Amount]:
    """A position's size in the base asset, and in contracts where it is counted so; with its sign."""
    if not amount.strip("-0."):
        return "0", "0" if market == "inverse" else UNSET
    size = size_of(market, symbol, amount, price, catalog)
    return size.base, size.contracts
