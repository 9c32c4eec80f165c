"""One account as the exchange has it and as it was told, both right: tests change either of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.quick.account_judge import judge_account
from scripts.quick.account_verdict import AccountVerdict, Told

T0 = 1_700_000_000_000
PLACE = {"exchange": "okx", "market": "linear", "accountId": "mine-linear"}

ORDER: Mapping[str, Any] = {
    "market": "linear", "order": 7, "orderId": "o7", "clientOrderId": "bot-7", "symbol": "BTC-USDT",
    "side": "SELL", "price": "100", "quantity": "2", "status": "FILLED", "cumulative": "2",
    "value": "201", "positionSide": "BOTH", "liquidation": False, "createdMs": T0,
    "updatedMs": T0 + 2_000,
}  # fmt: skip
FILL: Mapping[str, Any] = {
    "market": "linear", "order": 7, "orderId": "o7", "symbol": "BTC-USDT", "side": "SELL", "maker": True,
    "feeAsset": "USDT", "liquidation": False,
}  # fmt: skip
FILLS = (
    {**FILL, "tradeId": "t1", "price": "100", "quantity": "0.5", "value": "50", "fee": "0.01",
     "timeMs": T0 + 1_000},
    {**FILL, "tradeId": "t2", "price": "100.66666667", "quantity": "1.5", "value": "151.00000000",
     "fee": "0.03", "timeMs": T0 + 2_000},
)  # fmt: skip
BALANCE = {"wallet": "linear", "asset": "USDT", "total": "90", "free": "70", "locked": "20"}
POSITION = {"market": "linear", "symbol": "BTC-USDT", "side": "BOTH", "size": "-2", "value": "201"}


def truth(*, order: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The account; ``order``: what is different about its only one."""
    whole = {
        "account": "mine",
        "exchange": "okx",
        "orders": [{**ORDER, **(order or {})}],
        "fills": list(FILLS),
        "balances": [BALANCE],
        "positions": [POSITION],
    }
    return whole | changes


def report(status: str, total: str, **more: Any) -> dict[str, Any]:
    return {
        **PLACE, "eventType": "executionReport", "orderId": "o7", "symbol": "BTC-USDT",
        "side": "SELL", "price": "100", "quantity": "2", "newClientOrderId": "bot-7",
        "orderStatus": status, "totalTradeQuantity": total, "liquidation": False, "inferred": False,
        "eventTime": T0 + 2_000, **more,
    }  # fmt: skip


def fill(nth: int, **more: Any) -> dict[str, Any]:
    true = FILLS[nth]
    names = (
        "orderId",
        "tradeId",
        "symbol",
        "side",
        "price",
        "quantity",
        "fee",
        "feeAsset",
        "maker",
    )
    told = {name: true[name] for name in names}
    derived = {"quoteQuantity": true["value"], "eventTime": true["timeMs"]}
    return {**PLACE, "eventType": "fill", **derived, **told, **more}


def balances(*rows: Mapping[str, str]) -> dict[str, Any]:
    return {
        **PLACE, "eventType": "outboundAccountPosition", "whole": True,
        "balances": [{"asset": "USDT", "free": "70", "locked": "20", "total": "90"}, *rows],
    }  # fmt: skip


def position(quantity: str, symbol: str = "BTC-USDT", side: str = "BOTH") -> dict[str, Any]:
    return {
        **PLACE, "eventType": "positionUpdate", "symbol": symbol, "positionSide": side,
        "quantity": quantity,
    }  # fmt: skip


BODIES: Mapping[str, dict[str, Any]] = {
    "new": report("NEW", "0"),
    "fill 1": fill(0),
    "part": report(
        "PARTIALLY_FILLED", "0.5", averagePrice="100.0", totalQuoteTradeQuantity="50"
    ),
    "fill 2": fill(1),
    "end": report("FILLED", "2", averagePrice="100.5", totalQuoteTradeQuantity="201.00000000"),
    "balances": balances(),
    "position": position("-2"),
}  # fmt: skip


def told(*names: str, **changed: Any) -> list[Told]:
    """All there is to say, or only these, in this order; ``changed``: other bodies, by name."""
    bodies = {**BODIES, **{name.replace("_", " "): body for name, body in changed.items()}}
    return [Told(name, bodies[name]) for name in names or bodies]


def verdict(
    messages: Sequence[Told], about: Mapping[str, Any], market: str = "linear", **more: Any
) -> AccountVerdict:
    found = AccountVerdict()
    judge_account(found, messages, about, market, **more)
    return found


def counts(found: AccountVerdict) -> dict[str, int]:
    """What is wrong, by count."""
    return {name: sum(places.values()) for name, places in sorted(found.accounts_by_place.items())}
