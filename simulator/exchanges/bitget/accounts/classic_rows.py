"""The classic account system (v2): rows of its private channels and of its REST.

The same name means two things: ``baseVolume`` is the last fill on the orders channel, and all that is
filled in REST. In hedge mode an order's ``side`` is that of its position, a fill's the way it traded.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fact, Fill, Order, Position
from simulator.accounts.positions import LEVERAGE, unrealized
from simulator.exchanges.bitget.accounts import amounts, words
from simulator.exchanges.bitget.accounts.amounts import plain
from simulator.exchanges.bitget.names import symbol_of

Row = dict[str, Any]


# --- orders -------------------------------------------------------------------------------------


def _side(order: Order) -> str:
    if order.position_side == "BOTH":
        return words.side_of(order)
    return "buy" if order.position_side == "LONG" else "sell"


def _size(order: Order) -> str:
    """A market buy on spot is for so much of the quote coin."""
    return plain(amounts.asked_worth(order) if amounts.by_worth(order) else amounts.asked(order))


def _status(order: Order) -> str:
    return words.status_of(order, "cancelled" if order.market == "spot" else "canceled")


def _order(order: Order) -> Row:
    return {
        "orderId": words.order_id(order),
        "clientOid": order.client_id,
        "size": _size(order),
        "orderType": order.type.lower(),
        "force": order.time_in_force.lower(),
        "side": _side(order),
        "enterPointSource": "API",
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def _of_futures(account: Account, order: Order) -> Row:
    return {
        "posSide": words.hold_side(order) or "net",
        "posMode": words.mode_of(account, order.market),
        "tradeSide": words.trade_side(order),
        "marginMode": "crossed",
        "marginCoin": order.listing.settle,
        "leverage": str(LEVERAGE),
    }


def order_push(account: Account, fact: Fact, order: Order) -> Row:
    """A row of the ``orders`` channel: the state, and the last fill where this was one.

    A cancel comes without an average.
    """
    fees = -amounts.fees_until(account, order, fact)
    row: Row = {
        "instId": symbol_of(order.listing),
        **_order(order),
        "price": plain(order.price) if order.price else "0",
        "accBaseVolume": plain(amounts.done(order)),
        "status": _status(order),
        "feeDetail": [{"feeCoin": amounts.fee_coin(order), "fee": plain(fees)}],
    }
    if order.market == "spot":
        row |= {"newSize": _size(order), "notional": plain(amounts.asked_worth(order))}
    else:
        row |= _of_futures(account, order)
        row |= {"reduceOnly": "yes" if order.reduce_only else "no", "pnl": "0"}
    if order.open or order.status == "FILLED":
        row["priceAvg"] = plain(order.average_price)
    else:
        row["cancelReason"] = words.cancel_reason(order)
    return row | _last(fact.fill) if fact.fill is not None else row


def _last(fill: Fill) -> Row:
    return {
        "tradeId": words.id_of(fill.listing.market, fill.trade),
        "fillPrice": plain(fill.price),
        "baseVolume": plain(amounts.traded(fill)),
        "fillTime": str(fill.time_ms),
        "fillFee": plain(-fill.fee),
        "fillFeeCoin": fill.fee_asset,
        "fillNotionalUsd": plain(amounts.traded_worth(fill)),
        "tradeScope": "M" if fill.maker else "T",
    }


def order_row(account: Account, order: Order, *, listed: bool = False) -> Row:
    """An order in REST. Spot's open ones (``listed``) have their limit for an average."""
    row: Row = {
        "symbol": symbol_of(order.listing),
        **_order(order),
        "baseVolume": plain(amounts.done(order)),
        "quoteVolume": plain(amounts.done_worth(order)),
        "status": _status(order),
        "orderSource": "liquidation" if order.liquidation else "normal",
        "priceAvg": plain(order.average_price),
    }
    if order.market == "spot":
        limit = plain(order.price) if order.price else "0"
        return row | ({"priceAvg": limit} if listed else {"price": limit, "feeDetail": ""})
    return row | {
        **_of_futures(account, order),
        "price": plain(order.price) if order.price else "",
        "priceAvg": plain(order.average_price) if order.filled else "",
        "fee": plain(-amounts.fees_until(account, order)),
        "reduceOnly": "YES" if order.reduce_only else "NO",
        "cancelReason": words.cancel_reason(order),
        "totalProfits": "",
    }


def order_detail(account: Account, order: Order) -> Row:
    """One order of futures, which has a ``state`` for a status."""
    row = order_row(account, order)
    row["state"] = row.pop("status")
    return row


# --- fills --------------------------------------------------------------------------------------


def _fill(account: Account, fill: Fill) -> Row:
    order = account.orders[fill.listing.market, fill.order]
    return {
        "orderId": words.order_id(order),
        "tradeId": words.id_of(fill.listing.market, fill.trade),
        "symbol": symbol_of(fill.listing),
        "orderType": order.type.lower(),
        "side": words.side_of(fill),
        "tradeScope": "maker" if fill.maker else "taker",
        "cTime": str(fill.time_ms),
        "uTime": str(fill.time_ms),
    }


def _fee(fill: Fill, fee: Decimal) -> Row:
    return {
        "feeCoin": fill.fee_asset,
        "deduction": "no",
        "totalDeductionFee": "0",
        "totalFee": plain(fee),
    }


def fill_row(account: Account, fill: Fill, *, pushed: bool = False) -> Row:
    """A fill, of the channel and of REST. A fee is below zero, but on spot's channel."""
    row = _fill(account, fill)
    if fill.listing.market == "spot":
        return row | {
            "priceAvg": plain(fill.price),
            "size": plain(fill.quantity),
            "amount": plain(fill.value),
            "feeDetail": [_fee(fill, fill.fee)] if pushed else _fee(fill, -fill.fee),
        }
    return row | {
        "price": plain(fill.price),
        "baseVolume": plain(amounts.traded(fill)),
        "quoteVolume": plain(amounts.traded_worth(fill)),
        "profit": plain(fill.realized),
        "tradeSide": words.trade_side(fill),
        "posMode": words.mode_of(account, fill.listing.market),
        "feeDetail": [_fee(fill, -fill.fee)],
    }


# --- balances and positions ---------------------------------------------------------------------


def coin(balance: Balance) -> Row:
    """A coin of the spot account."""
    return {
        "coin": balance.asset,
        "available": plain(balance.free),
        "frozen": plain(balance.locked),
        "locked": "0",
        "limitAvailable": "0",
        "uTime": str(balance.updated_ms),
    }


def margin(balance: Balance, *, pushed: bool = False) -> Row:
    """A coin of a futures account, on the channel and in REST."""
    row: Row = {
        "marginCoin": balance.asset,
        "available": plain(balance.free),
        "maxTransferOut": plain(balance.free),
        "usdtEquity": "0",
    }
    if pushed:
        return row | {
            "frozen": plain(balance.locked),
            "maxOpenPosAvailable": plain(balance.free),
            "equity": plain(balance.total),
        }
    return row | {
        "locked": plain(balance.locked),
        "crossedMaxAvailable": plain(balance.free),
        "isolatedMaxAvailable": plain(balance.free),
        "accountEquity": plain(balance.total),
        "btcEquity": "0",
        "crossedRiskRate": "0",
        "unrealizedPL": "",
        "coupon": "0",
    }


def position(account: Account, held: Position, mark: Decimal, *, pushed: bool = False) -> Row:
    """A position, on the channel and in REST: other names for some of the same."""
    listing, size = held.listing, plain(amounts.held(held))
    row: Row = {
        "instId" if pushed else "symbol": symbol_of(listing),
        "marginCoin": listing.settle,
        "marginSize": plain(held.margin),
        "marginMode": "crossed",
        "holdSide": words.position_side(held),
        "posMode": words.mode_of(account, listing.market),
        "total": size,
        "available": size,
        "openPriceAvg": plain(held.entry_price),
        "breakEvenPrice": plain(held.entry_price),
        "achievedProfits": plain(held.realized),
        "unrealizedPL": plain(unrealized(held, mark)),
        "liquidationPrice": "0",
        "keepMarginRate": "0.004",
        "autoMargin": "off",
        "cTime": str(held.updated_ms),
        "uTime": str(held.updated_ms),
    }
    if pushed:
        return row | {"posId": f"{listing.key}:{held.side}", "frozen": "0", "leverage": LEVERAGE}
    return row | {"markPrice": plain(mark), "locked": "0", "leverage": str(LEVERAGE)}
