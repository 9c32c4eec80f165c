"""Bitget's classic account system (v2): rows of orders and fills, pushed and asked for, told. Pure.

All sizes are in the base coin, on inverse markets too. The same name means two things:
``baseVolume`` is the last fill on the orders channel, and all that is filled so far in REST.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, field

from common.exchanges.bitget.words import (
    SIDES,
    Fee,
    RawSide,
    fee_of,
    fill_position,
    given,
    is_liquidation,
    known,
    maker_of,
    order_side,
    position_side_of,
    reduce_only_of,
    status_of,
)
from common.exchanges.sizes import Amount, of_base
from common.exchanges.told import FillTold, OrderTold
from common.exchanges.wire import MaybeMillisText, MaybeNumber, MaybeSigned, MillisText, Number
from common.model.decimals import absolute
from common.model.streams import Market

_Perhaps = MaybeNumber | None


# --- orders -------------------------------------------------------------------------------------


class OrderPush(Struct):
    """A row of the orders channel: the state, and the last fill where there is one."""

    symbol: str = field(name="instId")
    order_id: str = field(name="orderId")
    side: RawSide
    order_type: str = field(name="orderType")
    status: str
    updated: MillisText = field(name="uTime")
    created: MaybeMillisText = field(name="cTime", default="")
    client_id: str = field(name="clientOid", default="")
    force: str = ""
    price: _Perhaps = None
    size: _Perhaps = None
    new_size: _Perhaps = field(name="newSize", default=None)
    filled: _Perhaps = field(name="accBaseVolume", default=None)
    average: _Perhaps = field(name="priceAvg", default=None)
    position: str = field(name="posSide", default="")
    mode: str = field(name="posMode", default="")
    trade_side: str = field(name="tradeSide", default="")
    reduce_only: str = field(name="reduceOnly", default="")
    cancel_reason: str | None = field(name="cancelReason", default=None)
    trade_id: str | None = field(name="tradeId", default=None)
    last_price: _Perhaps = field(name="fillPrice", default=None)
    last_quantity: _Perhaps = field(name="baseVolume", default=None)
    filled_at: MaybeMillisText | None = field(name="fillTime", default=None)
    fee: MaybeSigned | None = field(name="fillFee", default=None)
    fee_coin: str | None = field(name="fillFeeCoin", default=None)
    scope: str | None = field(name="tradeScope", default=None)


def order_pushed(market: Market, row: OrderPush) -> tuple[FillTold | OrderTold, ...]:
    """The last fill, then the state it led to."""
    side = order_side(row.mode, row.side, row.position, row.trade_side)
    done = _done(row.filled, row.average)
    order = OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=status_of(row.status),
        raw_status=row.status,
        time_ms=int(row.updated),
        side=side,
        order_type=row.order_type.upper(),
        time_in_force=row.force.upper() or UNSET,
        client_order_id=row.client_id or UNSET,
        price=given(row.price),
        quantity=_asked(market, row.side, row.order_type, row.new_size or row.size),
        filled=known(row.filled),
        filled_quote=done,
        average_price=given(row.average),
        reduce_only=reduce_only_of(row.reduce_only),
        position_side=position_side_of(row.mode, row.position),
        liquidation=is_liquidation(row.trade_side),
        reason=row.cancel_reason or UNSET,
        created_ms=int(row.created) if row.created else UNSET,
    )
    fill = _last_fill(market, row, order)
    return (order,) if fill is None else (fill, order)


def _last_fill(market: Market, row: OrderPush, order: OrderTold) -> FillTold | None:
    """None where there is none, or it is not known which way it went (the fill channel says)."""
    price, quantity = given(row.last_price), given(row.last_quantity)
    if not row.trade_id or price is UNSET or quantity is UNSET or order.side is UNSET:
        return None
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=row.trade_id,
        side=order.side,
        price=price,
        time_ms=int(row.filled_at or row.updated),
        quantity=quantity,
        quote_quantity=_worth(market, quantity, price, None),
        client_order_id=order.client_order_id,
        fee=absolute(row.fee) if row.fee and row.fee_coin else UNSET,
        fee_asset=row.fee_coin if row.fee and row.fee_coin else UNSET,
        maker=maker_of(row.scope),
        position_side=order.position_side,
        liquidation=order.liquidation,
    )


class OrderRow(Struct):
    """An order in REST; spot leaves out ``price`` among the open ones, the detail has ``state``."""

    symbol: str
    order_id: str = field(name="orderId")
    side: RawSide
    order_type: str = field(name="orderType")
    filled: MaybeNumber = field(name="baseVolume")
    created: MillisText = field(name="cTime")
    updated: MaybeMillisText = field(name="uTime", default="")
    status: str = ""
    state: str = ""
    client_id: str = field(name="clientOid", default="")
    force: str = ""
    price: _Perhaps = None
    size: _Perhaps = None
    average: _Perhaps = field(name="priceAvg", default=None)
    filled_quote: _Perhaps = field(name="quoteVolume", default=None)
    position: str = field(name="posSide", default="")
    mode: str = field(name="posMode", default="")
    trade_side: str = field(name="tradeSide", default="")
    reduce_only: str = field(name="reduceOnly", default="")
    source: str | None = field(name="orderSource", default=None)
    cancel_reason: str | None = field(name="cancelReason", default=None)

    @property
    def key(self) -> tuple[str, ...]:
        """An order is one however often it is listed."""
        return (self.order_id,)

    @property
    def at_ms(self) -> int:
        """Histories list orders by when they were made."""
        return int(self.created)


def order_row(market: Market, row: OrderRow) -> OrderTold:
    """Where there is no ``price``, what is called the average is the limit."""
    status = row.status or row.state
    if not status:
        raise msgspec.ValidationError("an order without a status")
    listed = row.price is None
    nothing = not row.filled.strip("0.")
    quote = given(row.filled_quote)
    if quote is UNSET and not listed:
        quote = _done(row.filled, row.average)
    return OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=status_of(status),
        raw_status=status,
        time_ms=int(row.updated or row.created),
        side=order_side(row.mode, row.side, row.position, row.trade_side),
        order_type=row.order_type.upper(),
        time_in_force=row.force.upper() or UNSET,
        client_order_id=row.client_id or UNSET,
        price=given(row.average if listed else row.price),
        quantity=_asked(market, row.side, row.order_type, row.size),
        filled="0" if nothing else row.filled,
        filled_quote="0" if nothing else quote,
        average_price=UNSET if listed or nothing else given(row.average),
        reduce_only=reduce_only_of(row.reduce_only),
        position_side=position_side_of(row.mode, row.position),
        liquidation=is_liquidation(row.trade_side, row.source or ""),
        reason=row.cancel_reason or UNSET,
        created_ms=int(row.created),
    )


def _asked(market: Market, side: str, order_type: str, size: str | None) -> Amount:
    """A spot market buy is so much of the quote coin: it has no quantity before it is filled."""
    if market == "spot" and (side, order_type) == ("buy", "market"):
        return UNSET
    return given(size)


def _done(filled: str | None, average: str | None) -> Amount:
    """What the filled part was worth; not known on a cancel, which comes without an average."""
    if not filled:
        return UNSET
    return of_base(filled, average or "").quote if filled.strip("0.") else "0"


# --- fills --------------------------------------------------------------------------------------


class FillRow(Struct):
    """A fill, of the channel and of REST: spot has ``priceAvg`` and ``size``."""

    symbol: str
    order_id: str = field(name="orderId")
    trade_id: str = field(name="tradeId")
    side: RawSide
    created: MillisText = field(name="cTime")
    price: Number | None = None
    average: Number | None = field(name="priceAvg", default=None)
    quantity: Number | None = field(name="baseVolume", default=None)
    size: Number | None = None
    quote: _Perhaps = field(name="quoteVolume", default=None)
    fees: list[Fee] | Fee = field(name="feeDetail", default_factory=list)
    client_id: str = field(name="clientOid", default="")
    mode: str = field(name="posMode", default="")
    trade_side: str = field(name="tradeSide", default="")
    profit: MaybeSigned | None = None
    scope: str = field(name="tradeScope", default="")

    @property
    def key(self) -> tuple[str, ...]:
        """One order's trades are told apart by their ids."""
        return (self.order_id, self.trade_id)

    @property
    def at_ms(self) -> int:
        """When it traded."""
        return int(self.created)


def _worth(market: Market, quantity: str, price: str, told: str | None) -> Amount:
    """The same whoever tells of a trade: orders do not say what their last one was worth.

    On inverse the base is rounded, and only what is told where fills are told is exact.
    """
    return known(told) if market == "inverse" else of_base(quantity, price).quote


def fill_row(market: Market, row: FillRow) -> FillTold:
    """Here ``side`` is the way it traded, in hedge mode too."""
    price, quantity = row.price or row.average, row.quantity or row.size
    if price is None or quantity is None:
        raise msgspec.ValidationError("a fill without a price or a size")
    fee, fee_asset = fee_of(row.fees if isinstance(row.fees, list) else [row.fees])
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=row.trade_id,
        side=SIDES[row.side],
        price=price,
        time_ms=int(row.created),
        quantity=quantity,
        quote_quantity=_worth(market, quantity, price, row.quote),
        client_order_id=row.client_id or UNSET,
        fee=fee,
        fee_asset=fee_asset,
        maker=maker_of(row.scope),
        position_side=fill_position(row.mode, row.side, row.trade_side),
        realized_pnl=known(row.profit) if row.mode else UNSET,
        liquidation=is_liquidation(row.trade_side),
    )
