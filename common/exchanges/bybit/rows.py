"""What Bybit says of an account's orders and executions, row by row. Pure.

A row is the same on the socket and in REST, but for a few names. Quantities are in the base asset on
spot and linear; on inverse they count contracts of one quote unit, and what Bybit calls a value there
is in the base asset. An empty text stands for what does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from common.exchanges.sizes import Amount, Size, of_contracts
from common.exchanges.told import FillTold, OrderTold
from common.exchanges.wire import MaybeNumber, MaybeSigned, Millis, Number
from common.model.account import OrderStatus, PositionSide, Side
from common.model.instruments import Catalog
from common.model.streams import Market

# Every documented status; what is not here is told as UNKNOWN.
STATUSES: Mapping[str, OrderStatus] = {
    "Created": "NEW",  # accepted, not matched yet; the documents of 2026 have it no more
    "New": "NEW",
    "Untriggered": "NEW",  # a conditional order that waits
    "Triggered": "NEW",  # on its way from Untriggered to New
    "PartiallyFilled": "PARTIALLY_FILLED",
    "Filled": "FILLED",
    "Cancelled": "CANCELED",  # of a contract, perhaps with fills
    "PartiallyFilledCanceled": "CANCELED",  # the same, on spot
    "Deactivated": "CANCELED",  # before it was triggered
    "Rejected": "REJECTED",
}
# Executions by what they are: only some are trades, the others move money or positions.
EXECUTIONS: Mapping[str, Literal["fill", "other"]] = {
    "Trade": "fill",
    "BlockTrade": "fill",
    "AdlTrade": "fill",
    "BustTrade": "fill",
    "Funding": "other",
    "Delivery": "other",
    "Settle": "other",
    "MovePosition": "other",
    "FutureSpread": "other",
    "CorporateAction": "other",
}
# What the exchange did itself to end a position: liquidation and auto-deleveraging.
_LIQUIDATIONS = frozenset(
    {
        "CreateByLiq",
        "CreateByTakeOver_PassThrough",
        "CreateByAdl_PassThrough",
        "AdlTrade",
        "BustTrade",
    }
)
_SIDES: Mapping[str, Side] = {"Buy": "BUY", "Sell": "SELL"}
_ORDER_TYPES: Mapping[str, str] = {"Limit": "LIMIT", "Market": "MARKET"}
_TIMES_IN_FORCE: Mapping[str, str] = {"PostOnly": "POST_ONLY"}
POSITION_SIDES: tuple[PositionSide, ...] = ("BOTH", "LONG", "SHORT")
# Reasons that say nothing.
_NO_REASONS = ("", "EC_NoError", "UNKNOWN")

Index = Literal[0, 1, 2]
_Id = Annotated[str, Meta(min_length=1)]


# --- orders -------------------------------------------------------------------------------------


class OrderRow(Struct):
    """An order, on the socket and in REST."""

    symbol: str
    order_id: _Id = field(name="orderId")
    side: Literal["Buy", "Sell"]
    order_type: str = field(name="orderType")
    price: MaybeNumber
    quantity: MaybeNumber = field(name="qty")
    status: str = field(name="orderStatus")
    filled: MaybeNumber = field(name="cumExecQty")
    updated_ms: Millis = field(name="updatedTime")
    filled_value: MaybeNumber | None = field(name="cumExecValue", default=None)
    average_price: MaybeNumber | None = field(name="avgPrice", default=None)
    created_ms: Millis | Literal[""] = field(name="createdTime", default="")
    client_id: str = field(name="orderLinkId", default="")
    time_in_force: str = field(name="timeInForce", default="")
    trigger_price: MaybeNumber | None = field(name="triggerPrice", default=None)
    reduce_only: bool | UnsetType = field(name="reduceOnly", default=UNSET)
    position: Index | UnsetType = field(name="positionIdx", default=UNSET)
    market_unit: str = field(name="marketUnit", default="")
    create_type: str = field(name="createType", default="")
    cancel_type: str = field(name="cancelType", default="")
    reject_reason: str = field(name="rejectReason", default="")


def order_told(market: Market, row: OrderRow, catalog: Catalog) -> OrderTold:
    """How an order stands. Spot has neither a position side nor reduce-only orders."""
    # A market order's price is how far the exchange lets it slip: no limit of its owner's.
    price = UNSET if row.order_type == "Market" else given(row.price)
    asked = _asked(market, row, price, catalog)
    done = size_of(market, row.filled, row.filled_value)
    contract = market != "spot"
    return OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=STATUSES.get(row.status, "UNKNOWN"),
        raw_status=row.status,
        time_ms=row.updated_ms,
        side=_SIDES[row.side],
        order_type=_ORDER_TYPES.get(row.order_type, row.order_type),
        time_in_force=_TIMES_IN_FORCE.get(row.time_in_force, row.time_in_force) or UNSET,
        client_order_id=row.client_id or UNSET,
        price=price,
        stop_price=given(row.trigger_price),
        quantity=asked.base,
        contracts=asked.contracts,
        filled=done.base,
        filled_contracts=done.contracts,
        filled_quote=done.quote,
        average_price=given(row.average_price),
        reduce_only=row.reduce_only if contract else UNSET,
        position_side=_position_side(row.position) if contract else UNSET,
        liquidation=row.create_type in _LIQUIDATIONS if row.create_type else UNSET,
        reason=_reason(row.reject_reason) or _reason(row.cancel_type) or UNSET,
        created_ms=row.created_ms or UNSET,
    )


def _asked(market: Market, row: OrderRow, price: Amount, catalog: Catalog) -> Size:
    """What was ordered. A spot order by its worth has no quantity."""
    if market == "inverse":
        return of_contracts(row.quantity or "0", price or "", row.symbol, catalog)
    if market == "spot" and row.order_type == "Market" and _by_worth(row):
        return Size()
    return Size(row.quantity or UNSET)


def _by_worth(row: OrderRow) -> bool:
    """Whether a spot market order says how much to spend: as it says, else if it buys."""
    return row.market_unit == "quoteCoin" or (row.market_unit == "" and row.side == "Buy")


def size_of(market: Market, quantity: str, value: str | None) -> Size:
    """What has been done, as Bybit has reckoned it."""
    if market != "inverse":
        return Size(quantity or UNSET, value or UNSET)
    nothing = not quantity.strip("0.")
    # A contract is one unit of the quote asset: the count is what it was worth.
    return Size("0" if nothing else value or UNSET, quantity or UNSET, quantity or UNSET)


def _position_side(index: Index | UnsetType) -> PositionSide | UnsetType:
    return UNSET if index is UNSET else POSITION_SIDES[index]


# --- executions ---------------------------------------------------------------------------------


class FillRow(Struct):
    """An execution that is a trade."""

    symbol: str
    order_id: _Id = field(name="orderId")
    trade_id: _Id = field(name="execId")
    side: Literal["Buy", "Sell"]
    price: Number = field(name="execPrice")
    quantity: Number = field(name="execQty")
    time_ms: Millis = field(name="execTime")
    kind: str = field(name="execType")
    value: MaybeNumber = field(name="execValue", default="")
    fee: MaybeSigned = field(name="execFee", default="")
    fee_asset: str = field(name="feeCurrency", default="")
    maker: bool | UnsetType = field(name="isMaker", default=UNSET)
    client_id: str = field(name="orderLinkId", default="")
    create_type: str = field(name="createType", default="")
    realized_pnl: MaybeSigned = field(name="execPnl", default="")
    seq: int = 0


def fill_told(market: Market, row: FillRow, catalog: Catalog) -> FillTold:
    """One trade of an order. Fees are above zero where they were paid, as we have it."""
    size = size_of(market, row.quantity, row.value)
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=row.trade_id,
        side=_SIDES[row.side],
        price=row.price,
        time_ms=row.time_ms,
        seq=row.seq,
        quantity=size.base,
        contracts=size.contracts,
        quote_quantity=size.quote,
        client_order_id=row.client_id or UNSET,
        fee=row.fee or UNSET,
        fee_asset=(row.fee_asset or _fee_asset(market, row, catalog)) if row.fee else UNSET,
        maker=row.maker,
        realized_pnl=row.realized_pnl or UNSET,
        liquidation=row.kind in _LIQUIDATIONS or row.create_type in _LIQUIDATIONS,
    )


def _fee_asset(market: Market, row: FillRow, catalog: Catalog) -> str | UnsetType:
    """Where the row does not say it: what a contract settles in; on spot what the order receives.

    What a maker of spot earns is the other of the two.
    """
    instrument = catalog.get(row.symbol)
    if instrument is None:
        return UNSET
    if market != "spot":
        return instrument.settle
    earned = row.fee.startswith("-")
    return instrument.base if (row.side == "Buy") != earned else instrument.quote


# --- words --------------------------------------------------------------------------------------


def given(number: Amount | None) -> Amount:
    """A number where zero and empty mean that there is none."""
    return number if number and number.strip("-0.") else UNSET


def _reason(text: str) -> str:
    return "" if text in _NO_REASONS else text
