"""Rows of Bybit's orders, executions, coins and positions: on the socket and in REST nearly the same.

Everything is text. Sizes are in the base asset, on inverse in contracts of one USD; what is worth
something there is so in the base asset. What does not apply is an empty text. Sums in USD over a whole
account are left out: nothing here prices one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from common.model.streams import Market
from simulator.accounts.model import (
    ZERO,
    Balance,
    Fill,
    Order,
    Position,
    PositionSide,
    Status,
    rounded,
)
from simulator.accounts.positions import LEVERAGE, unrealized
from simulator.exchanges.bybit.accounts.ledger import Held, Ledger
from simulator.exchanges.bybit.names import symbol_of
from simulator.listing import Listing

Row = dict[str, Any]

_STATUSES: Mapping[Status, str] = {
    "NEW": "New",
    "PARTIALLY_FILLED": "PartiallyFilled",
    "FILLED": "Filled",
    "CANCELED": "Cancelled",
    "REJECTED": "Rejected",
    # There is no word for it: only the reason tells it from a cancel.
    "EXPIRED": "Cancelled",
}
_SIDES = {"BUY": "Buy", "SELL": "Sell"}
_INDEXES: Mapping[PositionSide, int] = {"BOTH": 0, "LONG": 1, "SHORT": 2}
# The first half of an id that is a UUID: contracts of both markets have ids of one kind.
_ORDERS: Mapping[Market, int] = {"linear": 0x1A, "inverse": 0x1B}
_TRADES: Mapping[Market, int] = {"linear": 0x2A, "inverse": 0x2B}
_SPOT_ORDERS, _SPOT_TRADES = 1_900_000_000_000_000_000, 2_100_000_000_000_000_000


# --- names and numbers ----------------------------------------------------------------------


def order_id(market: Market, number: int) -> str:
    """19 digits on spot, a UUID on the others."""
    if market == "spot":
        return str(_SPOT_ORDERS + number)
    return str(UUID(int=_ORDERS[market] << 120 | number))


def trade_id(market: Market, number: int) -> str:
    """The same of a trade."""
    if market == "spot":
        return str(_SPOT_TRADES + number)
    return str(UUID(int=_TRADES[market] << 120 | number))


def client_id(order: Order) -> str:
    """Its client's; the exchange's own orders have none."""
    return "" if order.liquidation else order.client_id


def contracts(listing: Listing, size: Decimal) -> Decimal:
    """A size as it counts them: inverse contracts are of one USD each."""
    return size if listing.contract_size is None else size * listing.contract_size


def plain(number: Decimal) -> str:
    """Without zeros at its end."""
    return f"{number.normalize():f}" if number else "0"


def _size(listing: Listing, size: Decimal) -> str:
    if listing.market == "spot":
        return plain(size)
    return f"{contracts(listing, size):.{listing.lot_decimals}f}"


def _price(listing: Listing, price: Decimal) -> str:
    return plain(price) if listing.market == "spot" else f"{price:.{listing.price_decimals}f}"


# --- orders ---------------------------------------------------------------------------------


def order_row(order: Order, ledger: Ledger) -> Row:
    """An order as it stands; ``ledger`` is as of the same time."""
    listing = order.listing
    left = order.left if order.open else ZERO
    fee_asset, fee = ledger.fee(order)
    return {
        "symbol": symbol_of(listing),
        "orderId": order_id(order.market, order.number),
        "orderLinkId": client_id(order),
        "blockTradeId": "",
        "side": _SIDES[order.side],
        "orderType": order.type.capitalize(),
        "price": _price(listing, _limit(order)),
        "qty": _size(listing, order.quantity),
        "isLeverage": "0" if order.market == "spot" else "",
        "positionIdx": _INDEXES[order.position_side],
        "orderStatus": _status(order),
        **_why(order),
        "avgPrice": plain(order.average_price) if order.filled else "",
        "leavesQty": _size(listing, left),
        "leavesValue": plain((order.price or ZERO) * left),
        "cumExecQty": _size(listing, order.filled),
        "cumExecValue": plain(rounded(order.value)),
        "cumExecFee": plain(fee),
        "cumFeeDetail": {fee_asset: plain(fee)} if fee_asset else {},
        "timeInForce": order.time_in_force if order.price else "IOC",
        "stopOrderType": "",
        "triggerPrice": "",
        "marketUnit": "baseCoin" if order.market == "spot" and not order.price else "",
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": order.liquidation,
        "smpType": "None",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
        **({} if order.market == "spot" else _of_contract(order)),
    }


def _of_contract(order: Order) -> Row:
    """Clients tell contracts from spot by there being a mode of take profit and stop loss."""
    return {"createType": _created_by(order.liquidation), "tpslMode": ""}


def _limit(order: Order) -> Decimal:
    """Its limit; of a market order on contracts how far it may slip: five per cent."""
    if order.price is not None or order.market == "spot":
        return order.price or ZERO
    units = order.listing.price * (105 if order.side == "BUY" else 95) // 100
    return Decimal(units).scaleb(-order.listing.price_decimals)


def _status(order: Order) -> str:
    if order.market == "spot" and order.filled and order.status in ("CANCELED", "EXPIRED"):
        return "PartiallyFilledCanceled"
    return _STATUSES[order.status]


def _why(order: Order) -> Row:
    canceled, rejected = "UNKNOWN", "EC_NoError"
    if order.status == "CANCELED":
        canceled = "CancelAllBeforeLiq" if order.reason == "liquidation" else "CancelByUser"
    elif order.status == "EXPIRED":
        rejected = "EC_NoImmediateQtyToFill"
    elif order.status == "REJECTED":
        rejected = order.reason if order.reason.startswith("EC_") else "EC_Others"
    return {"cancelType": canceled, "rejectReason": rejected}


def _created_by(liquidation: bool) -> str:
    """A position that is liquidated whole is taken over."""
    return "CreateByTakeOver_PassThrough" if liquidation else "CreateByUser"


# --- executions -----------------------------------------------------------------------------


def execution_row(fill: Fill, order: Order) -> Row:
    """A trade, given its order as it stood after it; inverse ones do not say what the fee is in."""
    listing, market = fill.listing, fill.listing.market
    return {
        "symbol": symbol_of(listing),
        "orderId": order_id(market, fill.order),
        "orderLinkId": client_id(order),
        "side": _SIDES[fill.side],
        "orderPrice": _price(listing, _limit(order)),
        "orderQty": _size(listing, order.quantity),
        "leavesQty": _size(listing, order.left),
        "orderType": order.type.capitalize(),
        "stopOrderType": "" if market == "spot" else "UNKNOWN",
        "execId": trade_id(market, fill.trade),
        "execPrice": _price(listing, fill.price),
        "execQty": _size(listing, fill.quantity),
        "execValue": plain(fill.value),
        "execFee": plain(fill.fee),
        "feeCurrency": "" if market == "inverse" else fill.fee_asset,
        "feeRate": plain((fill.fee / fill.value).quantize(Decimal("0.00001"))) if fill.value else "0",
        "execType": "BustTrade" if fill.liquidation else "Trade",
        "execTime": str(fill.time_ms),
        "isLeverage": "0",
        "isMaker": fill.maker,
        "marketUnit": "",
        "blockTradeId": "",
        "seq": fill.trade,
        **({} if market == "spot" else {"createType": _created_by(fill.liquidation)}),
    }  # fmt: skip


def closing(fill: Fill, position: Position | None) -> Row:
    """What only the socket says of a trade: how much it has closed, and what that has brought."""
    closed = ZERO
    if position is not None:
        signed = fill.quantity if fill.side == "BUY" else -fill.quantity
        before = position.size - signed
        closed = min(abs(before), abs(signed)) if before * signed < 0 else ZERO
    return {"closedSize": _size(fill.listing, closed), "execPnl": plain(fill.realized)}


# --- the wallet -----------------------------------------------------------------------------


def coin_row(balance: Balance, held: Held) -> Row:
    """One coin of the wallet."""
    total = plain(balance.total)
    return {
        "coin": balance.asset,
        "equity": total,
        "usdValue": "",
        "walletBalance": total,
        "locked": plain(held.locked),
        "borrowAmount": "0",
        "spotBorrow": "0",
        "accruedInterest": "0",
        "totalOrderIM": plain(held.order_margin),
        "totalPositionIM": plain(held.position_margin),
        "totalPositionMM": "0",
        "unrealisedPnl": "0",
        "cumRealisedPnl": "0",
        "bonus": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
    }


# --- positions ------------------------------------------------------------------------------


def position_row(position: Position, ledger: Ledger, mark: Decimal, now_ms: int) -> Row:
    """A position; its price has another name on the socket than in REST."""
    listing, size = position.listing, position.size
    updated = str(position.updated_ms or now_ms)
    return {
        "positionIdx": _INDEXES[position.side],
        "tradeMode": 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": symbol_of(listing),
        "side": ("Buy" if size > 0 else "Sell") if size else "",
        "size": _size(listing, abs(size)),
        "positionValue": plain(rounded(position.cost)) if size else "",
        "autoAddMargin": 0,
        "leverage": str(LEVERAGE),
        "positionBalance": plain(position.margin),
        "markPrice": _price(listing, mark),
        "positionIM": plain(position.margin),
        "positionMM": "0",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "unrealisedPnl": plain(unrealized(position, mark)) if size and mark else "",
        "curRealisedPnl": plain(position.realized),
        "cumRealisedPnl": plain(position.realized),
        "liqPrice": "",
        "bustPrice": "",
        "tpslMode": "Full",
        "positionStatus": "Normal",
        "adlRankIndicator": 2 if size else 0,
        "isReduceOnly": False,
        "createdTime": updated,
        "updatedTime": updated,
        "seq": ledger.last_trade(position),
    }


def entry(position: Position) -> str:
    """The price it was entered at."""
    return plain(position.entry_price)
