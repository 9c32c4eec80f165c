"""The unified account system (v3): rows of its private topics and of its REST.

Topics write categories small and REST large, and the two have other names for some of the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fact, Fill, Order, Position
from simulator.accounts.positions import LEVERAGE, unrealized
from simulator.exchanges.bitget.accounts import amounts, words
from simulator.exchanges.bitget.accounts.amounts import plain
from simulator.exchanges.bitget.names import symbol_of
from simulator.listing import Listing

Row = dict[str, Any]


# --- orders and fills ---------------------------------------------------------------------------


def _order(account: Account, order: Order, fees: Decimal) -> Row:
    amount = plain(amounts.asked_worth(order)) if amounts.by_worth(order) else "0"
    return {
        "orderId": words.order_id(order),
        "clientOid": order.client_id,
        "symbol": symbol_of(order.listing),
        "orderType": order.type.lower(),
        "side": words.side_of(order),
        "price": plain(order.price) if order.price else "",
        "qty": amount if amounts.by_worth(order) else plain(amounts.asked(order)),
        "amount": amount,
        "cumExecQty": plain(amounts.done(order)),
        "cumExecValue": plain(amounts.done_worth(order)),
        "avgPrice": plain(order.average_price),
        "timeInForce": order.time_in_force.lower(),
        "orderStatus": words.status_of(order, "cancelled"),
        "holdMode": words.mode_of(account, order.market),
        "feeDetail": [{"feeCoin": amounts.fee_coin(order), "fee": plain(fees)}],
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
        "cancelReason": words.cancel_reason(order),
        "stpMode": "none",
    }


def order_push(account: Account, fact: Fact, order: Order) -> Row:
    """A row of the ``order`` topic: what is filled in all, and nothing of the last fill."""
    futures = order.market != "spot"
    return {
        "category": words.PRODUCTS[order.market].lower(),
        **_order(account, order, amounts.fees_until(account, order, fact)),
        "holdSide": words.hold_side(order),
        "tradeSide": words.trade_side(order),
        "delegateType": "normal",
        "reduceOnly": "yes" if order.reduce_only else "no",
        "marginMode": "crossed" if futures else "",
        "marginCoin": order.listing.settle if futures else "",
        "leverage": str(LEVERAGE) if futures else "",
        "totalProfit": "0",
    }


def order_row(account: Account, order: Order) -> Row:
    """An order in REST."""
    return {
        "category": words.PRODUCTS[order.market],
        **_order(account, order, amounts.fees_until(account, order)),
        "posSide": words.hold_side(order),
        "reduceOnly": "YES" if order.reduce_only else "NO",
        "execType": "liquidation" if order.liquidation else "normal",
        "tpTriggerBy": None,
        "slTriggerBy": None,
        "takeProfit": None,
        "stopLoss": None,
    }


def _fill(account: Account, fill: Fill) -> Row:
    order = account.orders[fill.listing.market, fill.order]
    return {
        "execId": words.id_of(fill.listing.market, fill.trade),
        "execLinkId": words.id_of(fill.listing.market, fill.trade),
        "orderId": words.order_id(order),
        "clientOid": fill.client_id,
        "symbol": symbol_of(fill.listing),
        "orderType": order.type.lower(),
        "side": words.side_of(fill),
        "execPrice": plain(fill.price),
        "execQty": plain(amounts.traded(fill)),
        "execValue": plain(amounts.traded_worth(fill)),
        "tradeScope": "maker" if fill.maker else "taker",
        "tradeSide": words.trade_side(fill),
        "feeDetail": [{"feeCoin": fill.fee_asset, "fee": plain(fill.fee)}],
        "execPnl": plain(fill.realized),
        "updatedTime": str(fill.time_ms),
        "isRPI": "no",
    }


def fill_push(account: Account, fill: Fill) -> Row:
    """A row of the ``fill`` topic."""
    return {
        "category": words.PRODUCTS[fill.listing.market].lower(),
        **_fill(account, fill),
        "holdSide": words.hold_side(fill),
        "execTime": str(fill.time_ms),
    }


def fill_row(account: Account, fill: Fill) -> Row:
    """A fill in REST."""
    return {
        "category": words.PRODUCTS[fill.listing.market],
        **_fill(account, fill),
        "posSide": words.hold_side(fill),
        "createdTime": str(fill.time_ms),
    }


# --- balances and positions ---------------------------------------------------------------------


def coin(balance: Balance) -> Row:
    """A coin, but for what debts are called."""
    return {
        "coin": balance.asset,
        "equity": plain(balance.total),
        "usdValue": "0",
        "balance": plain(balance.total),
        "available": plain(balance.free),
        "locked": plain(balance.locked),
    }


def account_push(balances: Sequence[Balance]) -> Row:
    """The one row of the ``account`` topic: the coins that have changed, after a subscribe all."""
    return {
        "totalEquity": "0",
        "effEquity": "0",
        "unrealisedPnL": "0",
        "mmr": "0",
        "imr": "0",
        "mgnRatio": "0",
        "positionMgnRatio": "0",
        "coin": [coin(one) | {"debts": "0", "borrow": "0", "bonus": "0"} for one in balances],
    }


def assets(balances: Sequence[Balance]) -> Row:
    """``/account/assets``: coins that are zero are not listed."""
    return {
        "accountEquity": "0",
        "usdtEquity": "0",
        "btcEquity": "0",
        "unrealisedPnl": "0",
        "usdtUnrealisedPnl": "0",
        "btcUnrealizedPnl": "0",
        "effEquity": "0",
        "mmr": "0",
        "imr": "0",
        "mgnRatio": "0",
        "positionMgnRatio": "0",
        "assets": [coin(one) | {"debt": "0"} for one in balances if one.total],
    }


def _position(account: Account, position: Position, mark: Decimal, was: str) -> Row:
    listing: Listing = position.listing
    return {
        "symbol": symbol_of(listing),
        "marginCoin": listing.settle,
        "holdMode": words.mode_of(account, listing.market),
        "posSide": was,
        "marginMode": "crossed",
        "available": plain(amounts.held(position)),
        "frozen": "0",
        "leverage": str(LEVERAGE),
        "avgPrice": plain(position.entry_price),
        "breakEvenPrice": plain(position.entry_price) if position.size else "",
        "markPrice": plain(mark),
        "unrealisedPnl": plain(unrealized(position, mark)),
        "curRealisedPnl": plain(position.realized),
        "positionStatus": "normal" if position.size else "ended",
        "createdTime": str(position.updated_ms),
        "updatedTime": str(position.updated_ms),
    }


def position_push(
    account: Account, position: Position, mark: Decimal, by: Fill | None = None
) -> Row:
    """A row of the ``position`` topic, which names no category; ``by`` is what changed it."""
    return {
        **_position(account, position, mark, words.position_side(position, by)),
        "size": plain(amounts.held(position)),
        "marginSize": plain(position.margin),
        "liqPrice": "",
        "totalFundingFee": "0",
    }


def position_row(account: Account, position: Position, mark: Decimal) -> Row:
    """A position in REST."""
    return {
        "category": words.PRODUCTS[position.listing.market],
        **_position(account, position, mark, words.position_side(position)),
        "total": plain(amounts.held(position)),
        "positionBalance": plain(position.margin),
        "liquidationPrice": "0",
        "mmr": "0.004",
        "totalFunding": "0",
    }
