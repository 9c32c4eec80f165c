"""The rows of Binance's REST on accounts, in our words: orders, fills, balances, positions. Pure."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.binance.words import (
    done_of,
    given,
    is_liquidation,
    margin_of,
    not_below_zero,
    size_of,
    status_of,
)
from common.exchanges.sizes import Size
from common.exchanges.told import BalancesTold, FillTold, OrderTold, Position, PositionsTold
from common.exchanges.wire import Millis, Number, Signed, decoded
from common.model.account import Balance, PositionSide, Side
from common.model.decimals import absolute
from common.model.instruments import Catalog
from common.model.streams import Market

# --- orders -------------------------------------------------------------------------------------


class _Order(Struct):
    symbol: str
    order_id: int | str = field(name="orderId")
    client_id: str = field(name="clientOrderId")
    price: Number
    quantity: Number = field(name="origQty")
    filled: Number = field(name="executedQty")
    status: str
    time_in_force: str = field(name="timeInForce")
    order_type: str = field(name="type")
    side: Side
    updated_ms: Millis = field(name="updateTime")
    created_ms: Millis | UnsetType = field(name="time", default=UNSET)
    stop_price: Number = field(name="stopPrice", default="0")
    filled_quote: Signed | UnsetType = field(name="cummulativeQuoteQty", default=UNSET)
    average_price: Number = field(name="avgPrice", default="0")
    reduce_only: bool | UnsetType = field(name="reduceOnly", default=UNSET)
    position_side: PositionSide | UnsetType = field(name="positionSide", default=UNSET)


ORDER = msgspec.json.Decoder(_Order)
ORDERS = msgspec.json.Decoder(list[_Order])


def order_told(market: Market, row: _Order, catalog: Catalog) -> OrderTold:
    """An order as it stands."""
    asked = size_of(market, row.symbol, row.quantity, row.price, catalog)
    done = done_of(market, row.symbol, row.filled, row.average_price, catalog)
    quote = row.filled_quote if market == "spot" and given(row.filled) else done.quote
    return OrderTold(
        symbol=row.symbol,
        order_id=str(row.order_id),
        status=status_of(row.status),
        raw_status=row.status,
        time_ms=row.updated_ms,
        side=row.side,
        order_type=row.order_type,
        time_in_force=row.time_in_force,
        client_order_id=row.client_id,
        price=given(row.price),
        stop_price=given(row.stop_price),
        quantity=given(asked.base) if market == "spot" else asked.base,
        contracts=asked.contracts,
        filled=done.base,
        filled_contracts=done.contracts,
        filled_quote=not_below_zero(quote),
        average_price=given(row.average_price),
        reduce_only=row.reduce_only,
        position_side=row.position_side,
        # On spot its owner may have called it anything.
        liquidation=UNSET if market == "spot" else is_liquidation(row.client_id),
        created_ms=row.created_ms,
    )


# --- fills --------------------------------------------------------------------------------------


class _Trade(Struct):
    symbol: str
    trade_id: int = field(name="id")
    order_id: int | str = field(name="orderId")
    price: Number
    quantity: Number = field(name="qty")
    fee: Signed = field(name="commission")
    fee_asset: str = field(name="commissionAsset")
    time_ms: Millis = field(name="time")
    quote_quantity: Number | UnsetType = field(name="quoteQty", default=UNSET)
    is_buyer: bool | UnsetType = field(name="isBuyer", default=UNSET)
    is_maker: bool | UnsetType = field(name="isMaker", default=UNSET)
    side: Side | UnsetType = UNSET
    maker: bool | UnsetType = UNSET
    position_side: PositionSide | UnsetType = field(name="positionSide", default=UNSET)
    realized_pnl: Signed | UnsetType = field(name="realizedPnl", default=UNSET)


TRADES = msgspec.json.Decoder(list[_Trade])


def fill_told(market: Market, row: _Trade, catalog: Catalog) -> FillTold:
    """One trade of an order."""
    if market == "spot":
        size = Size(row.quantity, row.quote_quantity)
    else:
        size = size_of(market, row.symbol, row.quantity, row.price, catalog)
    side: Side = "BUY" if row.is_buyer else "SELL"
    return FillTold(
        symbol=row.symbol,
        order_id=str(row.order_id),
        trade_id=str(row.trade_id),
        side=side if row.side is UNSET else row.side,
        price=row.price,
        time_ms=row.time_ms,
        quantity=size.base,
        contracts=size.contracts,
        quote_quantity=size.quote,
        # The documents have what was paid below zero on futures, recordings above.
        fee=row.fee if market == "spot" else absolute(row.fee),
        fee_asset=row.fee_asset,
        maker=row.is_maker if row.maker is UNSET else row.maker,
        position_side=row.position_side,
        realized_pnl=row.realized_pnl,
    )


# --- balances and positions ---------------------------------------------------------------------


class _SpotBalance(Struct):
    asset: str
    free: Number
    locked: Number


class _Account(Struct):
    balances: list[_SpotBalance]
    updated_ms: Millis = field(name="updateTime", default=0)


class _Wallet(Struct):
    asset: str
    total: Signed = field(name="balance")
    free: Signed = field(name="availableBalance")
    updated_ms: Millis = field(name="updateTime", default=0)


class _Position(Struct):
    symbol: str
    amount: Signed = field(name="positionAmt")
    entry_price: Number = field(name="entryPrice")
    unrealized_pnl: Signed = field(name="unRealizedProfit")
    position_side: PositionSide = field(name="positionSide")
    mark_price: Number | UnsetType = field(name="markPrice", default=UNSET)
    break_even_price: Number | UnsetType = field(name="breakEvenPrice", default=UNSET)
    liquidation_price: Number = field(name="liquidationPrice", default="0")
    leverage: Number | UnsetType = UNSET
    margin_type: str = field(name="marginType", default="")
    margin: Signed | UnsetType = field(name="isolatedMargin", default=UNSET)
    updated_ms: Millis = field(name="updateTime", default=0)


_account = msgspec.json.Decoder(_Account)
_wallets = msgspec.json.Decoder(list[_Wallet])
_positions = msgspec.json.Decoder(list[_Position])


def balances_told(market: Market, body: bytes) -> BalancesTold:
    """Of futures only what can be used and what there is: what orders hold is not told."""
    if market == "spot":
        account = decoded(_account, body)
        rows = tuple(Balance(row.asset, row.free, row.locked) for row in account.balances)
        return BalancesTold(balances=rows, time_ms=account.updated_ms, whole=True)
    wallets = decoded(_wallets, body)
    rows = tuple(Balance(row.asset, row.free, total=row.total) for row in wallets)
    newest_ms = max((row.updated_ms for row in wallets), default=0)
    return BalancesTold(balances=rows, time_ms=newest_ms, whole=True)


def positions_told(market: Market, body: bytes, catalog: Catalog) -> PositionsTold:
    """All positions that are open."""
    rows = [row for row in decoded(_positions, body) if row.amount.strip("-0.")]
    newest_ms = max((row.updated_ms for row in rows), default=0)
    positions = tuple(_position(market, row, catalog) for row in rows)
    return PositionsTold(positions=positions, time_ms=newest_ms, whole=True)


def _position(market: Market, row: _Position, catalog: Catalog) -> Position:
    size = size_of(market, row.symbol, row.amount, row.entry_price, catalog)
    return Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=size.base,
        contracts=size.contracts,
        entry_price=given(row.entry_price),
        break_even_price=row.break_even_price,
        mark_price=row.mark_price,
        liquidation_price=given(row.liquidation_price),
        unrealized_pnl=row.unrealized_pnl,
        leverage=row.leverage,
        margin_type=margin_of(row.margin_type),
        margin=row.margin,
    )
