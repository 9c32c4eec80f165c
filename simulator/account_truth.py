"""The truth about an account, in the exchange's own names, ids and states: what must have been told of it.

Sizes are in the base asset, on inverse in its contracts; ``value`` (of a position: what it was entered at)
in the quote asset, on inverse in the base: there it is the size where an exchange counts no contracts.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.model import Fill, Order, rounded
from simulator.exchanges.protocol import PrivateSide, Traded
from simulator.listing import Listed, Listing

_Paths = dict[tuple[Market, int], list[dict[str, Any]]]


def account_truth(exchange: Traded, account: Account) -> dict[str, Any]:
    """Everything that ever happened to an account, and how it stands."""
    paths: _Paths = defaultdict(list)
    private = _private(exchange)
    for fact in account.log:
        if fact.order is not None:
            state = {
                "status": private.status(fact.order.status),
                "cumulative": _text(private.size(fact.order.listing, fact.order.filled)),
                "timeMs": fact.time_ms,
            }
            paths[fact.market, fact.order.number].append(state)
    return {
        "account": account.name,
        "exchange": account.exchange,
        "facts": len(account.log),
        "orders": [
            order_truth(exchange, account, order) | {"path": paths[order.market, order.number]}
            for order in account.orders.values()
        ],
        "fills": [
            _fill(exchange, account, fact.fill) for fact in account.log if fact.fill is not None
        ],
        "balances": [
            {
                "wallet": wallet,
                "asset": balance.asset,
                "total": _text(balance.total),
                "free": _text(balance.free),
                "locked": _text(balance.locked),
            }
            for wallet, balance in account.wallets
        ],
        "positions": [
            {
                "market": position.listing.market,
                "symbol": _symbol(exchange, position.listing),
                "side": position.side,
                "size": _text(private.size(position.listing, position.size)),
                "value": _text(rounded(position.cost)),
                "entryPrice": _text(position.entry_price),
            }
            for position in account.positions.values()
        ],
    }  # fmt: skip


def order_truth(exchange: Traded, account: Account, order: Order) -> dict[str, Any]:
    """An order as it stands. ``order`` is its number for control, ``orderId`` the exchange's id."""
    private = _private(exchange)
    return {
        "account": account.name,
        "market": order.market,
        "symbol": _symbol(exchange, order.listing),
        "order": order.number,
        "orderId": private.order_id(order),
        "clientOrderId": private.client_id(order),
        "side": order.side,
        "type": order.type,
        "price": None if order.price is None else _text(order.price),
        "quantity": _text(private.size(order.listing, order.quantity)),
        "status": private.status(order.status),
        "cumulative": _text(private.size(order.listing, order.filled)),
        "value": _text(rounded(order.value)),
        "averagePrice": _text(order.average_price),
        "positionSide": order.position_side,
        "liquidation": order.liquidation,
        "createdMs": order.created_ms,
        "updatedMs": order.updated_ms,
    }


def _fill(exchange: Traded, account: Account, fill: Fill) -> dict[str, Any]:
    order = account.orders[fill.listing.market, fill.order]
    private = _private(exchange)
    return {
        "market": fill.listing.market,
        "symbol": _symbol(exchange, fill.listing),
        "order": fill.order,
        "orderId": private.order_id(order),
        "tradeId": private.trade_id(fill),
        "side": fill.side,
        "price": _text(fill.price),
        "quantity": _text(private.size(fill.listing, fill.quantity)),
        "value": _text(fill.value),
        "fee": _text(fill.fee),
        "feeAsset": fill.fee_asset,
        "maker": fill.maker,
        "realized": _text(fill.realized),
        "liquidation": fill.liquidation,
        "timeMs": fill.time_ms,
    }


def _private(exchange: Traded) -> PrivateSide:
    assert exchange.private is not None
    return exchange.private


def _symbol(exchange: Traded, listing: Listing) -> str:
    return exchange.symbol(Listed(listing, 0))


def _text(number: Decimal) -> str:
    return f"{number:f}"
