"""Account events as older backends hear them on Redis, on the channel that is the account's id. Pure.

All markets share three shapes but Binance's futures, which have two of their own; backends branch on
``eventType`` and leave alone what they do not know. So ``fill`` and ``positionUpdate`` go out as ours.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from common.exchanges.seed import SeedWords
from common.model.account import (
    AccountEvent,
    AccountPosition,
    Balance,
    BalanceUpdate,
    ExecutionReport,
    Fill,
    PositionUpdate,
)
from common.model.decimals import EXACT, plain, product
from common.publish.compat import Message, message, rules_of
from common.publish.routes import encode

_Body = dict[str, Any]


class OnPaper(Struct, frozen=True):
    """An event of an account that is traded on paper."""

    event: AccountEvent


def account_message(said: AccountEvent | OnPaper) -> Message | None:
    """What is sent of an event; None for one that they have no words for.

    Raises:
        ArithmeticError: an amount in it is no number.
    """
    event = said.event if isinstance(said, OnPaper) else said
    seed = rules_of(event.exchange, event.market).seed
    if isinstance(said, OnPaper):
        # On paper all markets are alike, but that inverse counts contracts.
        sizes: Literal["base", "contracts"] = "contracts" if event.market == "inverse" else "base"
        seed = replace(seed, events="common", sizes=sizes, tells_ends=True)
    body = _futures(event, seed) if seed.events == "futures" else _common(event, seed)
    if body is not None:
        return message(event.account_id, body)
    if isinstance(event, Fill | PositionUpdate):
        named = replace(event, symbol=seed.symbol(event.symbol))
        return Message(event.account_id, encode(named).decode())
    return None


# --- the shapes that all share ------------------------------------------------------------------


def _common(event: AccountEvent, seed: SeedWords) -> _Body | None:
    match event:
        case ExecutionReport():
            return _report(event, seed)
        case AccountPosition():
            return _balances(event)
        case BalanceUpdate():
            return _delta(event)
        case _:
            return None


def _report(report: ExecutionReport, seed: SeedWords) -> _Body | None:
    status = _status(report, seed)
    if status is None:
        return None
    average, total = _or(report.average_price, "0"), _total(report, seed)
    client_order_id = _or(report.client_order_id, "")
    return {
        "eventType": "executionReport",
        "eventTime": report.event_ms,
        "creationTime": _ms(report.created_ms, report.event_ms),
        "orderTime": _ms(report.order_ms, report.event_ms),
        "symbol": seed.symbol(report.symbol),
        "orderId": report.order_id,
        # Of a cancelled order they read the second, of any other the first.
        "newClientOrderId": client_order_id,
        "originalClientOrderId": client_order_id,
        "orderStatus": status,
        "orderType": _order_type(report),
        "side": _or(report.side, ""),
        # They take it for what was paid, once something was.
        "price": _or(report.price, "0") if _is_zero(average) else average,
        "quantity": _size(seed, report.quantity, report.contracts),
        "totalTradeQuantity": total,
        "totalQuoteTradeQuantity": _worth(report, seed, average, total),
        "uniqueMessageId": report.message_id,
        "liquidation": report.liquidation is True,
    }


def _status(report: ExecutionReport, seed: SeedWords) -> str | None:
    """Theirs; None where nobody knows what it is."""
    if report.status == "UNKNOWN":
        return None
    if report.status in ("REJECTED", "EXPIRED") and not seed.tells_ends:
        return "CANCELED"
    return report.status


def _total(report: ExecutionReport, seed: SeedWords) -> str:
    return _size(seed, report.cumulative_quantity, report.cumulative_contracts)


def _worth(report: ExecutionReport, seed: SeedWords, average: str, total: str) -> str:
    """They divide it by the total to have the average price, whatever the total counts."""
    if seed.sizes == "base" and report.cumulative_quote is not UNSET:
        return report.cumulative_quote
    return product(average, total)


def _balances(position: AccountPosition) -> _Body | None:
    rows = [row for row in map(_balance, position.balances) if row is not None]
    if not rows:
        return None
    return {
        "eventType": "outboundAccountPosition",
        "eventTime": position.event_ms,
        "lastAccountUpdate": position.updated_ms,
        "balances": rows,
        "uniqueMessageId": position.message_id,
    }


def _balance(balance: Balance) -> _Body | None:
    """One asset; what is not told follows from the two others, None where it does not."""
    free, locked, total = balance.free, balance.locked, balance.total
    if free is UNSET:
        if total is UNSET or locked is UNSET:
            return None
        free = _less(total, locked)
    if locked is UNSET:
        locked = "0" if total is UNSET else _less(total, free)
    return {"asset": balance.asset, "free": free, "locked": locked}


def _delta(update: BalanceUpdate) -> _Body:
    return {
        "eventType": "balanceUpdate",
        "asset": update.asset,
        "balanceDelta": update.delta,
        "clearTime": _ms(update.cleared_ms, update.event_ms),
        "eventTime": update.event_ms,
        "uniqueMessageId": update.message_id,
    }


# --- Binance's futures --------------------------------------------------------------------------


def _futures(event: AccountEvent, seed: SeedWords) -> _Body | None:
    match event:
        case ExecutionReport():
            return _order_update(event, seed)
        case AccountPosition():
            rows = [row for row in map(_wallet, event.balances) if row is not None]
            return _account_update(event, balances=rows) if rows else None
        case PositionUpdate():
            return _account_update(event, positions=[_position(event, seed)])
        case _:
            # A change of the balance comes as the balance itself.
            return None


def _order_update(report: ExecutionReport, seed: SeedWords) -> _Body | None:
    status = _status(report, seed)
    if status is None:
        return None
    return {
        "eventType": "ORDER_TRADE_UPDATE",
        "eventTime": report.event_ms,
        "transactionTime": _ms(report.order_ms, report.event_ms),
        "orderTime": _ms(report.order_ms, report.event_ms),
        "symbol": seed.symbol(report.symbol),
        "orderId": report.order_id,
        "clientOrderId": _or(report.client_order_id, ""),
        "orderStatus": status,
        "orderType": _order_type(report),
        "side": _or(report.side, ""),
        "timeInForce": _or(report.time_in_force, ""),
        "price": _or(report.price, "0"),
        "averagePrice": _or(report.average_price, "0"),
        "stopPrice": _or(report.stop_price, "0"),
        "quantity": _size(seed, report.quantity, report.contracts),
        "totalTradeQuantity": _total(report, seed),
        "isReduceOnly": report.reduce_only is True,
        "positionSide": _or(report.position_side, "BOTH"),
        "uniqueMessageId": report.message_id,
        "liquidation": report.liquidation is True,
    }


def _account_update(
    event: AccountPosition | PositionUpdate,
    *,
    balances: list[_Body] | None = None,
    positions: list[_Body] | None = None,
) -> _Body:
    return {
        "eventType": "ACCOUNT_UPDATE",
        "eventTime": event.event_ms,
        "transactionTime": event.event_ms,
        "eventReasonType": "",
        "balances": balances or [],
        "positions": positions or [],
        "uniqueMessageId": event.message_id,
    }


def _wallet(balance: Balance) -> _Body | None:
    """What isolated positions hold of a wallet is not set apart."""
    wallet = _or(balance.total, _or(balance.free, ""))
    if not wallet:
        return None
    return {
        "asset": balance.asset,
        "walletBalance": wallet,
        "crossWalletBalance": wallet,
        "balanceChange": "0",
    }


def _position(position: PositionUpdate, seed: SeedWords) -> _Body:
    return {
        "symbol": seed.symbol(position.symbol),
        "positionAmount": _size(seed, position.quantity, position.contracts),
        "entryPrice": _or(position.entry_price, "0"),
        "accumulatedRealized": _or(position.realized_pnl, "0"),
        "unrealizedPnL": _or(position.unrealized_pnl, "0"),
        "marginType": _or(position.margin_type, "cross"),
        "isolatedWallet": _or(position.margin, "0"),
        "positionSide": position.position_side,
    }


# --- parts --------------------------------------------------------------------------------------


def _order_type(report: ExecutionReport) -> str:
    return _or(report.order_type, "MARKET" if report.price is UNSET else "LIMIT")


def _size(seed: SeedWords, base: str | UnsetType, contracts: str | UnsetType) -> str:
    amount = contracts if seed.sizes == "contracts" else base
    return _or(amount, "0")


def _or(value: str | UnsetType, other: str) -> str:
    return other if value is UNSET else value


def _ms(value: int | UnsetType, other: int) -> int:
    return other if value is UNSET else value


def _is_zero(number: str) -> bool:
    return not number.strip("-0.")


def _less(number: str, other: str) -> str:
    create = EXACT.create_decimal
    return plain(EXACT.subtract(create(number), create(other)))
