"""What Binance's REST answers about an account: rows of orders, fills, balances and positions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fill, Order, Position, rounded
from simulator.accounts.positions import LEVERAGE, unrealized
from simulator.exchanges.binance.accounts.events import (
    NOTHING,
    alias,
    amount,
    client_id,
    plain,
    price,
    size,
)
from simulator.exchanges.binance.names import pair_of, symbol_of

Row = dict[str, Any]


def order_row(order: Order) -> Row:
    """An order as it stands."""
    listing = order.listing
    row: Row = {
        "symbol": symbol_of(listing),
        "orderId": order.number,
        "clientOrderId": client_id(order),
        "price": price(listing, order.price),
        "origQty": size(listing, order.quantity),
        "executedQty": size(listing, order.filled),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": price(listing, NOTHING),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }
    if order.market == "spot":
        return row | {
            "orderListId": -1,
            "cummulativeQuoteQty": amount(order.value),
            "icebergQty": amount(NOTHING),
            "isWorking": True,
            "workingTime": order.created_ms,
            "origQuoteOrderQty": amount(NOTHING),
            "selfTradePreventionMode": "NONE",
        }
    inverse = order.market == "inverse"
    return row | {
        **({"pair": pair_of(listing)} if inverse else {}),
        "avgPrice": plain(order.average_price),
        "cumBase" if inverse else "cumQuote": plain(rounded(order.value)),
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "positionSide": order.position_side,
        "origType": order.type,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
    }


def fill_row(fill: Fill) -> Row:
    """A trade of an order."""
    listing = fill.listing
    row: Row = {
        "symbol": symbol_of(listing),
        "id": fill.trade,
        "orderId": fill.order,
        "price": price(listing, fill.price),
        "qty": size(listing, fill.quantity),
        "commission": amount(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.time_ms,
    }
    if listing.market == "spot":
        return row | {
            "orderListId": -1,
            "quoteQty": amount(fill.value),
            "isBuyer": fill.side == "BUY",
            "isMaker": fill.maker,
            "isBestMatch": True,
        }
    inverse = listing.market == "inverse"
    return row | {
        **({"pair": pair_of(listing), "marginAsset": listing.settle} if inverse else {}),
        "baseQty" if inverse else "quoteQty": plain(fill.value),
        "side": fill.side,
        "buyer": fill.side == "BUY",
        "maker": fill.maker,
        "positionSide": fill.position_side,
        "realizedPnl": amount(fill.realized),
    }


def spot_account(balances: list[Balance], *, omit_zero: bool) -> Row:
    """``/api/v3/account``."""
    return {
        "makerCommission": 2,
        "takerCommission": 5,
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "accountType": "SPOT",
        "updateTime": max((one.updated_ms for one in balances), default=0),
        "balances": [
            {"asset": one.asset, "free": amount(one.free), "locked": amount(one.locked)}
            for one in balances
            if one.total or not omit_zero
        ],
        "permissions": ["SPOT"],
    }


def wallet_row(account: Account, balance: Balance) -> Row:
    """A row of a futures wallet."""
    return {
        "accountAlias": alias(account),
        "asset": balance.asset,
        "balance": amount(balance.total),
        "crossWalletBalance": amount(balance.total),
        "crossUnPnl": amount(NOTHING),
        "availableBalance": amount(max(balance.free, NOTHING)),
        "maxWithdrawAmount": amount(max(balance.free, NOTHING)),
        "updateTime": balance.updated_ms,
    }


def income_row(fill: Fill) -> Row:
    """What a trade has cost."""
    return {
        "symbol": symbol_of(fill.listing),
        "incomeType": "COMMISSION",
        "income": amount(-fill.fee),
        "asset": fill.fee_asset,
        "info": str(fill.trade),
        "time": fill.time_ms,
        "tranId": fill.trade,
        "tradeId": str(fill.trade),
    }


def position_row(position: Position, mark: Decimal) -> Row:
    """A position. USD-M says neither leverage nor margin type here, COIN-M both."""
    listing = position.listing
    row: Row = {
        "symbol": symbol_of(listing),
        "positionSide": position.side,
        "positionAmt": size(listing, position.size),
        "entryPrice": plain(position.entry_price),
        "breakEvenPrice": plain(position.entry_price),
        "markPrice": plain(mark),
        "unRealizedProfit": amount(unrealized(position, mark)),
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "updateTime": position.updated_ms,
    }
    if listing.market == "inverse":
        return row | {"leverage": str(LEVERAGE), "marginType": "cross", "isAutoAddMargin": "false"}
    return row | {
        "notional": plain(position.size * mark),
        "marginAsset": listing.settle,
        "initialMargin": amount(position.margin),
    }
