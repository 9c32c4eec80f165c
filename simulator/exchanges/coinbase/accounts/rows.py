"""What Coinbase says of an account: its orders on the socket and in REST, its fills, its balances.

The same order has other names on the socket than in REST. Ids are UUIDs that follow from the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from simulator.accounts.account import Account
from simulator.accounts.model import ZERO, Balance, Fill, Order, Status, rounded
from simulator.exchanges.coinbase.names import product_of, stamp

Row = dict[str, Any]

NEVER = "0001-01-01T00:00:00Z"
_STATUSES: Mapping[Status, str] = {
    "NEW": "OPEN",
    "PARTIALLY_FILLED": "OPEN",
    "FILLED": "FILLED",
    "CANCELED": "CANCELLED",
    "EXPIRED": "EXPIRED",
    "REJECTED": "FAILED",
}
_TIMES_IN_FORCE = {
    "GTC": "GOOD_UNTIL_CANCELLED",
    "IOC": "IMMEDIATE_OR_CANCEL",
    "FOK": "FILL_OR_KILL",
}
_LIMITS = {"GTC": "limit_limit_gtc", "IOC": "sor_limit_ioc", "FOK": "limit_limit_fok"}


def uuid_of(kind: str, number: int | str) -> str:
    """The id of an account, a wallet, an order, a trade."""
    return str(uuid5(NAMESPACE_OID, f"coinbase:{kind}:{number}"))


def order_id(order: Order) -> str:
    """An order's."""
    return uuid_of("order", order.number)


def trade_id(fill: Fill) -> str:
    """A trade's."""
    return uuid_of("trade", fill.trade)


def portfolio_id(account: Account) -> str:
    """That of the portfolio a key is bound to: the account itself."""
    return uuid_of("portfolio", account.name)


def status_of(order: Order) -> str:
    """How it stands, in the exchange's word; what is filled is no part of it."""
    return _STATUSES[order.status]


def plain(number: Decimal) -> str:
    """Without zeros at its end."""
    return f"{number.normalize():f}" if number else "0"


def stamped(time_ms: int) -> str:
    """A time to the microsecond."""
    return stamp(time_ms, 6)


# --- orders ---------------------------------------------------------------------------------


def told_order(account: Account, order: Order, fills: Iterable[Fill]) -> Row:
    """An order as the ``user`` channel tells it, with the fills it has had so far."""
    count, fees = _sums(fills)
    return {
        "avg_price": plain(order.average_price),
        "cancel_reason": _why(order) if order.status in ("CANCELED", "EXPIRED") else "",
        "client_order_id": order.client_id,
        "completion_percentage": _share(order),
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": plain(order.filled),
        "filled_value": plain(rounded(order.value)),
        # What is left of an order that is over is nothing.
        "leaves_quantity": plain(order.left if order.open else ZERO),
        "limit_price": "" if order.price is None else plain(order.price),
        "number_of_fills": str(count),
        "order_id": order_id(order),
        "order_side": order.side,
        "order_type": order.type.title(),
        "outstanding_hold_amount": plain(order.held),
        "post_only": "false",
        "product_id": product_of(order.listing),
        "product_type": "SPOT",
        "reject_reason": _why(order) if order.status == "REJECTED" else "",
        "retail_portfolio_id": portfolio_id(account),
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": status_of(order),
        "stop_price": "",
        "time_in_force": _time_in_force(order),
        "total_fees": plain(fees),
        "total_value_after_fees": plain(_after_fees(order, fees)),
        "trigger_status": "INVALID_ORDER_TYPE",
        "creation_time": stamped(order.created_ms),
        "end_time": NEVER,
        "start_time": NEVER,
    }


def order_row(account: Account, order: Order, fills: Iterable[Fill]) -> Row:
    """An order as REST lists it. When it was canceled or has expired is not told."""
    fills = list(fills)
    count, fees = _sums(fills)
    return {
        "order_id": order_id(order),
        "product_id": product_of(order.listing),
        "user_id": uuid_of("user", account.name),
        "order_configuration": _configuration(order),
        "side": order.side,
        "client_order_id": order.client_id,
        "status": status_of(order),
        "time_in_force": _time_in_force(order),
        "created_time": stamped(order.created_ms),
        "completion_percentage": _share(order),
        "filled_size": plain(order.filled),
        "average_filled_price": plain(order.average_price),
        "fee": "",
        "number_of_fills": str(count),
        "filled_value": plain(rounded(order.value)),
        "pending_cancel": False,
        "size_in_quote": False,
        "total_fees": plain(fees),
        "size_inclusive_of_fees": False,
        "total_value_after_fees": plain(_after_fees(order, fees)),
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": order.type,
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": order.status == "FILLED",
        "product_type": "SPOT",
        "reject_message": _why(order) if order.status == "REJECTED" else "",
        "cancel_message": _why(order) if order.status in ("CANCELED", "EXPIRED") else "",
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": plain(order.held),
        "is_liquidation": False,
        "last_fill_time": stamped(fills[-1].time_ms) if fills else None,
        "edit_history": [],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": portfolio_id(account),
    }


def _configuration(order: Order) -> Row:
    """What was asked for, by the kind of order; a market order's size is in the base asset."""
    if order.price is None:
        return {"market_market_ioc": {"base_size": plain(order.quantity)}}
    terms: Row = {"base_size": plain(order.quantity), "limit_price": plain(order.price)}
    kind = _LIMITS.get(order.time_in_force, "limit_limit_gtc")
    return {kind: terms | {"post_only": False} if kind == "limit_limit_gtc" else terms}


def _time_in_force(order: Order) -> str:
    word = "IOC" if order.price is None else order.time_in_force
    return _TIMES_IN_FORCE.get(word, "UNKNOWN_TIME_IN_FORCE")


def _why(order: Order) -> str:
    """Why it ended; of what its owner has canceled the exchange says so."""
    return order.reason or ("User requested cancel" if order.status == "CANCELED" else "")


def _sums(fills: Iterable[Fill]) -> tuple[int, Decimal]:
    fees = [fill.fee for fill in fills]
    return len(fees), sum(fees, ZERO)


def _share(order: Order) -> str:
    return f"{order.filled * 100 / order.quantity:.2f}"


def _after_fees(order: Order, fees: Decimal) -> Decimal:
    """What it costs a buyer, or brings a seller, if the rest is filled at its limit."""
    rest = order.left * (order.price or ZERO) if order.open else ZERO
    return rounded(order.value + rest + (fees if order.side == "BUY" else -fees))


# --- fills and balances ---------------------------------------------------------------------


def fill_row(account: Account, fill: Fill) -> Row:
    """A trade of an order."""
    return {
        "entry_id": uuid_of("entry", fill.trade),
        "trade_id": trade_id(fill),
        "order_id": uuid_of("order", fill.order),
        "trade_time": stamped(fill.time_ms),
        "trade_type": "FILL",
        "price": plain(fill.price),
        "size": plain(fill.quantity),
        "commission": plain(fill.fee),
        "product_id": product_of(fill.listing),
        "sequence_timestamp": stamped(fill.time_ms),
        "liquidity_indicator": "MAKER" if fill.maker else "TAKER",
        "size_in_quote": False,
        "user_id": uuid_of("user", account.name),
        "side": fill.side,
        "retail_portfolio_id": portfolio_id(account),
    }


def wallet_id(account: Account, asset: str) -> str:
    """An asset's account, as the exchange calls it."""
    return uuid_of("wallet", f"{account.name}:{asset}")


def wallet_row(account: Account, balance: Balance) -> Row:
    """What there is of one asset."""
    asset = balance.asset
    return {
        "uuid": wallet_id(account, asset),
        "name": f"{asset} Wallet",
        "currency": asset,
        "available_balance": {"value": plain(balance.free), "currency": asset},
        "default": True,
        "active": True,
        "created_at": "2023-01-01T00:00:00Z",
        "updated_at": stamped(balance.updated_ms),
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if asset == "USD" else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": plain(balance.locked), "currency": asset},
        "retail_portfolio_id": portfolio_id(account),
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }
