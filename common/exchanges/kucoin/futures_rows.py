"""Rows of KuCoin's signed REST on futures: an order, a fill, a balance or a position in an answer. Pure.

Numbers are JSON's, and sizes are contracts. The worth of an order (``value``) is in the coin that the
contract settles in: quote on linear, base on inverse. That of a fill follows from its price, as it does
on the socket, which does not tell it: one trade is worth the same to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType

from common.exchanges.kucoin.classic_holdings import PositionRow, position_of, wallet_of
from common.exchanges.kucoin.units import digits
from common.exchanges.kucoin.words import (
    SIDES,
    RawSide,
    asset_of,
    given,
    is_liquidation,
    is_ours,
    maker_of,
    millis,
    size_of,
    standing_of,
)
from common.exchanges.sizes import Size
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.exchanges.wire import MaybeNumber, Millis, Number, Signed
from common.model.account import PositionSide
from common.model.instruments import Catalog
from common.model.streams import Market


class FuturesOrder(Struct, rename="camel"):
    """An order of either futures market."""

    id: str
    symbol: str
    type: str
    side: RawSide
    filled_size: Decimal
    is_active: bool
    cancel_exist: bool
    created_at: Millis
    updated_at: Millis
    size: Decimal | None = None
    price: MaybeNumber | None = None
    filled_value: Number | UnsetType = UNSET
    avg_deal_price: MaybeNumber | None = None
    client_oid: str | None = None
    time_in_force: str | None = None
    stop_price: MaybeNumber | None = None
    reduce_only: bool | UnsetType = UNSET
    close_order: bool = False
    position_side: PositionSide | UnsetType = UNSET
    order_time: int | None = None


def futures_order(market: Market, row: FuturesOrder, catalog: Catalog) -> OrderTold:
    """In our words.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    size = "" if row.size is None else digits(row.size)
    filled = digits(row.filled_size)
    status, word = standing_of(row.is_active, row.cancel_exist, size, filled)
    asked = size_of(market, row.symbol, size, row.price or "", catalog)
    done = _worth(market, row.symbol, filled, row.filled_value, catalog)
    return OrderTold(
        symbol=row.symbol,
        order_id=row.id,
        status=status,
        raw_status=word,
        time_ms=row.updated_at,
        side=SIDES[row.side],
        order_type=row.type.upper(),
        time_in_force=row.time_in_force or UNSET,
        client_order_id=row.client_oid or UNSET,
        price=given(row.price),
        stop_price=given(row.stop_price),
        quantity=asked.base,
        contracts=asked.contracts,
        filled=done.base,
        filled_contracts=done.contracts,
        filled_quote=done.quote,
        average_price=given(row.avg_deal_price),
        # An order that closes a position can only make it smaller.
        reduce_only=True if row.close_order else row.reduce_only,
        position_side=row.position_side,
        created_ms=millis(row.order_time) if row.order_time else row.created_at,
    )


class FuturesFill(Struct, rename="camel"):
    """A fill of either futures market; ``tradeTime`` is in nanoseconds."""

    symbol: str
    trade_id: str | int
    order_id: str
    side: RawSide
    price: Number
    size: Decimal
    trade_time: int
    created_at: Millis
    fee: Signed | UnsetType = UNSET
    fee_currency: str | None = None
    liquidity: str = ""
    trade_type: str = ""
    position_side: PositionSide | UnsetType = UNSET


def futures_fill(market: Market, row: FuturesFill, catalog: Catalog) -> FillTold:
    """In our words.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    size = size_of(market, row.symbol, digits(row.size), row.price, catalog)
    time_ms = millis(row.trade_time)
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=str(row.trade_id),
        side=SIDES[row.side],
        price=row.price,
        time_ms=row.created_at if time_ms is UNSET else time_ms,
        quantity=size.base,
        contracts=size.contracts,
        quote_quantity=size.quote,
        fee=row.fee,
        fee_asset=asset_of(row.fee_currency) if row.fee_currency else UNSET,
        maker=maker_of(row.liquidity),
        position_side=row.position_side,
        liquidation=is_liquidation(row.trade_type),
    )


class Overview(Struct, rename="camel"):
    """A futures wallet."""

    currency: str
    margin_balance: Decimal
    available_balance: Decimal


def futures_balances(rows: Iterable[Overview]) -> BalancesTold:
    """All wallets that the market settles in.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    balances = tuple(
        wallet_of(row.currency, digits(row.margin_balance), digits(row.available_balance))
        for row in rows
    )
    return BalancesTold(balances=balances, time_ms=0, whole=True)


def futures_positions(
    market: Market, rows: Iterable[PositionRow], catalog: Catalog
) -> PositionsTold:
    """The open positions of one of the two markets.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    ours = [row for row in rows if row.current_qty and is_ours(market, row.symbol, catalog)]
    newest_ms = max((row.current_timestamp for row in ours), default=0)
    positions = tuple(position_of(row, catalog) for row in ours)
    return PositionsTold(positions=positions, time_ms=newest_ms, whole=True)


def _worth(
    market: Market, symbol: str, contracts: str, value: Number | UnsetType, catalog: Catalog
) -> Size:
    """So many contracts, traded for that much of what they settle in."""
    if not given(contracts):
        return Size("0", "0", contracts)
    size = size_of(market, symbol, contracts, "", catalog)
    if market == "linear":
        return Size(size.base, value, contracts)
    return Size(value, size.quote, contracts)
