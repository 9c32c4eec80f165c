"""What KuCoin's REST answers about a classic account: rows of orders, fills and balances."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fact, Fill, Order, rounded
from simulator.exchanges.kucoin.accounts.pushes import margins
from simulator.exchanges.kucoin.accounts.words import (
    NOTHING,
    Fields,
    client_id,
    contracts,
    digits,
    order_id,
    order_of_fill,
    plain,
    settled_in,
    trade_id,
)
from simulator.exchanges.kucoin.names import asset, symbol_of


def _fees(fills: Iterable[Fill]) -> tuple[Decimal, str]:
    """All that was paid, and in what."""
    listed = list(fills)
    return sum((fill.fee for fill in listed), NOTHING), listed[0].fee_asset if listed else ""


# --- spot -----------------------------------------------------------------------------------


def spot_order(order: Order, fills: Iterable[Fill]) -> Fields:
    """An order of spot."""
    listing, price = order.listing, order.price or NOTHING
    fee, fee_asset = _fees(fills)
    funds = rounded(price * order.quantity)
    left = order.left if order.open else NOTHING
    canceled = NOTHING if order.open else order.left
    return {
        "id": order_id(order),
        "clientOid": client_id(order),
        "symbol": symbol_of(listing),
        "opType": "DEAL",
        "type": order.type.lower(),
        "side": order.side.lower(),
        "price": plain(price),
        "size": plain(order.quantity),
        "funds": plain(funds),
        "dealSize": plain(order.filled),
        "dealFunds": plain(rounded(order.value)),
        "remainSize": plain(left),
        "remainFunds": plain(rounded(price * left)),
        "cancelledSize": plain(canceled),
        "cancelledFunds": plain(rounded(price * canceled)),
        "fee": plain(fee),
        "feeCurrency": fee_asset or listing.quote,
        "stp": None,
        "timeInForce": order.time_in_force,
        "postOnly": False,
        "hidden": False,
        "iceberg": False,
        "visibleSize": "0",
        "cancelAfter": 0,
        "channel": "API",
        "remark": None,
        "tags": None,
        "cancelExist": bool(canceled),
        "tradeType": "TRADE",
        "inOrderBook": order.open and order.price is not None,
        "active": order.open,
        "tax": "0",
        "createdAt": order.created_ms,
        "lastUpdatedAt": order.updated_ms,
    }


def spot_fill(fill: Fill, order: Order) -> Fields:
    """A trade of spot; its ids are numbers here."""
    return {
        "id": fill.trade,
        "symbol": symbol_of(fill.listing),
        "tradeId": trade_id(fill),
        "orderId": order_of_fill(fill),
        "counterOrderId": f"{fill.trade:024x}",
        "side": fill.side.lower(),
        "liquidity": "maker" if fill.maker else "taker",
        "forceTaker": False,
        "price": plain(fill.price),
        "size": plain(fill.quantity),
        "funds": plain(fill.value),
        "fee": plain(fill.fee),
        "feeRate": "0.0002" if fill.maker else "0.0005",
        "feeCurrency": fill.fee_asset,
        "stop": "",
        "tradeType": "TRADE",
        "taxRate": "0",
        "tax": "0",
        "type": order.type.lower(),
        "createdAt": fill.time_ms,
    }


def ledger_entries(fact: Fact) -> list[Fields]:
    """What moved on spot: of a trade what was paid and what was got, of a transfer the one coin.

    The fee is told beside the amount that it was taken from.
    """
    fill = fact.fill
    if fill is None:
        balance = fact.balances[0]
        return [_entry(fact, 0, balance, fact.delta, NOTHING, "TRANSFER", "")]
    about = {
        "symbol": symbol_of(fill.listing),
        "orderId": order_of_fill(fill),
        "tradeId": str(trade_id(fill)),
    }
    context = msgspec.json.encode(about).decode()
    sign = 1 if fill.side == "BUY" else -1
    moved = {fill.listing.base: sign * fill.quantity, fill.listing.quote: -sign * fill.value}
    return [
        _entry(fact, nth, balance, moved[balance.asset] - fee, fee, "TRADE_EXCHANGE", context)
        for nth, balance in enumerate(fact.balances)
        for fee in [fill.fee if balance.asset == fill.fee_asset else NOTHING]
    ]


def _entry(
    fact: Fact, nth: int, balance: Balance, moved: Decimal, fee: Decimal, kind: str, context: str
) -> Fields:
    return {
        "id": str(fact.number * 2 - nth),
        "currency": balance.asset,
        "amount": plain(abs(moved)),
        "fee": plain(fee),
        "tax": "0",
        "balance": plain(balance.total),
        "accountType": "TRADE_HF",
        "bizType": kind,
        "direction": "in" if moved > 0 else "out",
        "createdAt": str(fact.time_ms),
        "context": context,
    }


def spot_balance(balance: Balance, number: int) -> Fields:
    """A currency of the account that spot trades from."""
    return {
        "id": f"{number:024x}",
        "currency": balance.asset,
        "type": "trade",
        "balance": plain(balance.total),
        "available": plain(balance.free),
        "holds": plain(balance.locked),
    }


# --- futures --------------------------------------------------------------------------------


def futures_order(order: Order) -> Fields:
    """An order of either futures market."""
    listing = order.listing
    price = None if order.price is None else plain(order.price)
    value = plain(rounded(order.value))
    filled = contracts(listing, order.filled)
    return {
        "id": order_id(order),
        "symbol": symbol_of(listing),
        "type": order.type.lower(),
        "side": order.side.lower(),
        "price": price,
        "size": contracts(listing, order.quantity),
        "value": value,
        "dealValue": value,
        "dealSize": filled,
        "stp": "",
        "stop": "",
        "stopPriceType": "",
        "stopTriggered": False,
        "stopPrice": None,
        "timeInForce": order.time_in_force,
        "postOnly": False,
        "hidden": False,
        "iceberg": False,
        "leverage": "20",
        "forceHold": False,
        "closeOrder": False,
        "visibleSize": None,
        "clientOid": client_id(order),
        "remark": None,
        "tags": None,
        "isActive": order.open,
        "cancelExist": not order.open and bool(order.left),
        "createdAt": order.created_ms,
        "updatedAt": order.updated_ms,
        "endAt": None if order.open else order.updated_ms,
        "orderTime": order.created_ms * 1_000_000,
        "settleCurrency": settled_in(listing),
        "marginMode": "CROSS",
        "positionSide": order.position_side,
        "avgDealPrice": plain(order.average_price),
        "status": "open" if order.open else "done",
        "filledSize": filled,
        "filledValue": value,
        "reduceOnly": order.reduce_only,
    }


def futures_fill(fill: Fill, order: Order) -> Fields:
    """A trade of either futures market."""
    coin = settled_in(fill.listing)
    return {
        "symbol": symbol_of(fill.listing),
        "tradeId": str(trade_id(fill)),
        "orderId": order_of_fill(fill),
        "side": fill.side.lower(),
        "liquidity": "maker" if fill.maker else "taker",
        "forceTaker": False,
        "price": plain(fill.price),
        "size": contracts(fill.listing, fill.quantity),
        "value": plain(fill.value),
        "openFeePay": plain(fill.fee),
        "closeFeePay": "0",
        "stop": "",
        "feeRate": "0.0002" if fill.maker else "0.0005",
        "fixFee": "0",
        "feeCurrency": coin,
        "subTradeType": None,
        "marginMode": "CROSS",
        "positionSide": fill.position_side,
        "displayType": order.type.lower(),
        "fee": plain(fill.fee),
        "settleCurrency": coin,
        "orderType": order.type.lower(),
        "tradeType": "liquid" if fill.liquidation else "trade",
        "tradeTime": fill.time_ms * 1_000_000,
        "createdAt": fill.time_ms,
    }


def overview(account: Account, balance: Balance) -> Fields:
    """A wallet of the futures; all numbers are JSON's."""
    held, margin, gain = margins(account, balance.asset)
    return {
        "accountEquity": digits(balance.total + gain),
        "unrealisedPNL": digits(gain),
        "marginBalance": digits(balance.total),
        "positionMargin": digits(margin),
        "orderMargin": digits(held),
        "frozenFunds": 0,
        "availableBalance": digits(balance.free),
        "currency": asset(balance.asset),
        "riskRatio": digits(rounded(margin / balance.total) if balance.total else NOTHING),
        "maxWithdrawAmount": digits(max(balance.free, NOTHING)),
    }
