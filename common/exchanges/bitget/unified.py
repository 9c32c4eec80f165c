"""Bitget's unified account system (v3): rows of its private topics and of its REST, told. Pure.

One account trades everything: rows name their category, positions do not. Order rows hold totals
only, fills come by themselves. Sizes are in the base coin; ``side`` is the way an order trades.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Struct, field

from common.exchanges.bitget.describe import INST_TYPES
from common.exchanges.bitget.words import (
    SIDES,
    Fee,
    RawSide,
    fee_of,
    given,
    held,
    is_liquidation,
    known,
    maker_of,
    margin_of,
    position_side_of,
    reduce_only_of,
    status_of,
)
from common.exchanges.told import FillTold, OrderTold, Position
from common.exchanges.wire import MaybeNumber, MaybeSigned, MillisText, Number, Signed
from common.model.account import Balance
from common.model.instruments import Catalog
from common.model.streams import Market

_Perhaps = MaybeNumber | None

# Whose margin is whose, where a symbol is not (yet) in the catalog: USDC is a product type that is
# not one of our markets, and other coins are margin of inverse contracts.
_MARGINED: Mapping[str, Market | None] = {"USDT": "linear", "USDC": None, "": None}


def is_ours(market: Market, category: str) -> bool:
    """Channels write categories small, REST large."""
    return category.lower() == INST_TYPES[market].lower()


class OrderRow(Struct):
    """An order, of the topic (``holdSide``) and of REST (``posSide``)."""

    category: str
    symbol: str
    order_id: str = field(name="orderId")
    side: RawSide
    order_type: str = field(name="orderType")
    status: str = field(name="orderStatus")
    filled: MaybeNumber = field(name="cumExecQty")
    updated: MillisText = field(name="updatedTime")
    created: MillisText = field(name="createdTime")
    client_id: str = field(name="clientOid", default="")
    force: str = field(name="timeInForce", default="")
    price: _Perhaps = None
    quantity: _Perhaps = field(name="qty", default=None)
    filled_quote: _Perhaps = field(name="cumExecValue", default=None)
    average: _Perhaps = field(name="avgPrice", default=None)
    mode: str = field(name="holdMode", default="")
    hold_side: str = field(name="holdSide", default="")
    position: str = field(name="posSide", default="")
    trade_side: str | None = field(name="tradeSide", default=None)
    execution: str | None = field(name="execType", default=None)
    reduce_only: str = field(name="reduceOnly", default="")
    cancel_reason: str | None = field(name="cancelReason", default=None)

    @property
    def key(self) -> tuple[str, ...]:
        """An order is one however often it is listed."""
        return (self.order_id,)

    @property
    def at_ms(self) -> int:
        """Histories list orders by when they were made."""
        return int(self.created)


def order_row(row: OrderRow) -> OrderTold:
    """A spot market buy is so much of the quote coin: it has no quantity before it is filled."""
    by_worth = (row.category.lower(), row.side, row.order_type) == ("spot", "buy", "market")
    position_side = position_side_of(row.mode, row.hold_side or row.position)
    return OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=status_of(row.status),
        raw_status=row.status,
        time_ms=int(row.updated),
        side=SIDES[row.side],
        order_type=row.order_type.upper(),
        time_in_force=row.force.upper() or UNSET,
        client_order_id=row.client_id or UNSET,
        price=given(row.price),
        quantity=UNSET if by_worth else given(row.quantity),
        filled=known(row.filled),
        filled_quote=known(row.filled_quote),
        average_price=given(row.average),
        reduce_only=reduce_only_of(row.reduce_only),
        position_side=UNSET if row.category.lower() == "spot" else position_side,
        liquidation=is_liquidation(row.trade_side or "", row.execution or ""),
        reason=row.cancel_reason or UNSET,
        created_ms=int(row.created),
    )


class FillRow(Struct):
    """A fill, of the topic (``execTime``) and of REST (``createdTime``)."""

    category: str
    symbol: str
    order_id: str = field(name="orderId")
    trade_id: str = field(name="execId")
    side: RawSide
    price: Number = field(name="execPrice")
    quantity: Number = field(name="execQty")
    executed: MillisText | None = field(name="execTime", default=None)
    created: MillisText | None = field(name="createdTime", default=None)
    quote: _Perhaps = field(name="execValue", default=None)
    client_id: str = field(name="clientOid", default="")
    fees: list[Fee] | None = field(name="feeDetail", default=None)
    hold_side: str = field(name="holdSide", default="")
    position: str = field(name="posSide", default="")
    trade_side: str | None = field(name="tradeSide", default=None)
    profit: MaybeSigned | None = field(name="execPnl", default=None)
    scope: str = field(name="tradeScope", default="")

    @property
    def key(self) -> tuple[str, ...]:
        """One order's trades are told apart by their ids."""
        return (self.order_id, self.trade_id)

    @property
    def at_ms(self) -> int:
        """When it traded."""
        return int(self.executed or self.created or 0)


def fill_row(row: FillRow) -> FillTold:
    """Fees are above zero here where they were paid."""
    time = row.executed or row.created
    if time is None:
        raise msgspec.ValidationError("a fill without a time")
    fee, fee_asset = fee_of(row.fees or [])
    spot = row.category.lower() == "spot"
    trade_side = row.trade_side or ""
    # Only one-way mode has a ``tradeSide`` of this end: it is not said in any other way.
    position = "net" if trade_side.endswith("_single") else row.hold_side or row.position
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=row.trade_id,
        side=SIDES[row.side],
        price=row.price,
        time_ms=int(time),
        quantity=row.quantity,
        quote_quantity=known(row.quote),
        client_order_id=row.client_id or UNSET,
        fee=fee,
        fee_asset=fee_asset,
        maker=maker_of(row.scope),
        position_side=UNSET if spot else position_side_of("", position),
        realized_pnl=UNSET if spot else known(row.profit),
        liquidation=is_liquidation(trade_side),
    )


class AssetRow(Struct):
    """A coin, on the topic and in REST. What was lent makes ``balance`` more than there is."""

    coin: str
    balance: Signed
    available: Signed
    locked: Signed


def asset_row(row: AssetRow) -> Balance:
    """As it is now; ``balance`` is without what open positions have gained."""
    return Balance(row.coin, row.available, row.locked, row.balance)


class PositionRow(Struct):
    """A position: ``size`` and ``liqPrice`` on the topic, other names and a category in REST."""

    symbol: str
    mode: str = field(name="holdMode")
    side: str = field(name="posSide")
    updated: MillisText = field(name="updatedTime")
    category: str = ""
    margin_coin: str = field(name="marginCoin", default="")
    status: str = field(name="positionStatus", default="")
    size: Number | None = None
    quantity: Number | None = field(name="total", default=None)
    entry: _Perhaps = field(name="avgPrice", default=None)
    break_even: _Perhaps = field(name="breakEvenPrice", default=None)
    mark: _Perhaps = field(name="markPrice", default=None)
    liq_price: MaybeSigned | None = field(name="liqPrice", default=None)
    liquidation: MaybeSigned | None = field(name="liquidationPrice", default=None)
    unrealized: MaybeSigned | None = field(name="unrealisedPnl", default=None)
    realized: MaybeSigned | None = field(name="curRealisedPnl", default=None)
    leverage: int | str = ""
    margin_mode: str = field(name="marginMode", default="")
    margin: MaybeSigned | None = field(name="marginSize", default=None)


def is_position_of(market: Market, row: PositionRow, catalog: Catalog) -> bool:
    """A position does not name its category on the topic; spot has none, but the same symbols."""
    if market == "spot" or row.category:
        return market != "spot" and is_ours(market, row.category)
    return row.symbol in catalog or _MARGINED.get(row.margin_coin, "inverse") == market


def position_row(row: PositionRow) -> Position:
    """As it is now; one that has ended is none."""
    position_side = position_side_of(row.mode, row.side)
    quantity = "0" if row.status == "ended" else row.size or row.quantity
    if quantity is None or position_side is UNSET:
        raise msgspec.ValidationError("a position without a size or a side")
    return Position(
        symbol=row.symbol,
        position_side=position_side,
        quantity=held(row.mode, row.side, quantity),
        entry_price=given(row.entry),
        break_even_price=given(row.break_even),
        mark_price=given(row.mark),
        liquidation_price=given(row.liq_price or row.liquidation),
        unrealized_pnl=known(row.unrealized),
        realized_pnl=known(row.realized),
        leverage=str(row.leverage) or UNSET,
        margin_type=margin_of(row.margin_mode),
        margin=known(row.margin),
    )
