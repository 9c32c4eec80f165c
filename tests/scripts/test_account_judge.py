"""What the judge of accounts holds against a delivery, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.quick.account_judge import AccountVerdict, Told, judge_account

ORDER: dict[str, Any] = {
    "market": "inverse", "order": 7, "orderId": "o7", "status": "FILLED", "cumulative": "100",
    "value": "0.16666666",
}  # fmt: skip
FILL: dict[str, Any] = {
    "market": "inverse", "order": 7, "tradeId": "t1", "price": "60000", "quantity": "100",
    "value": "0.16666666", "fee": "0.00003", "feeAsset": "BTC", "side": "BUY", "maker": True,
}  # fmt: skip
POSITION: dict[str, Any] = {
    "market": "inverse", "symbol": "BTCUSD", "side": "BOTH", "size": "100", "value": "0.16666666",
}  # fmt: skip


def truth(**order: Any) -> dict[str, Any]:
    changed = {**ORDER, **order}
    return {"account": "a", "orders": [changed], "fills": [FILL], "balances": [],
            "positions": [POSITION]}  # fmt: skip


def told(status: str, sizes: dict[str, tuple[str, str]]) -> list[Told]:
    """A report, a fill and a position; ``sizes`` are (name, amount) of each."""
    report = {"eventType": "executionReport", "orderId": "o7", "orderStatus": status}
    fill = {name: FILL[name] for name in ("price", "fee", "feeAsset", "side", "maker", "tradeId")}
    fill |= {"eventType": "fill", "orderId": "o7"}
    position = {"eventType": "positionUpdate", "symbol": "BTCUSD", "positionSide": "BOTH"}
    bodies = {"report": report, "fill": fill, "position": position}
    return [
        Told(kind, body | dict([sizes[kind]]) if kind in sizes else body)
        for kind, body in bodies.items()
    ]


CONTRACTS = {
    "report": ("cumulativeContracts", "100"),
    "fill": ("contracts", "100"),
    "position": ("contracts", "100"),
}
BASE = {
    "report": ("totalTradeQuantity", "0.16666666"),
    "fill": ("quantity", "0.16666666"),
    "position": ("quantity", "0.16666666"),
}


def verdict(messages: list[Told], about: dict[str, Any]) -> AccountVerdict:
    found = AccountVerdict()
    judge_account(found, messages, about, "inverse")
    return found


@pytest.mark.parametrize("sizes", [CONTRACTS, BASE])
def test_inverse_sizes_may_come_in_contracts_or_in_the_base_asset(
    sizes: dict[str, tuple[str, str]],
) -> None:
    assert verdict(told("FILLED", sizes), truth()).clean
    for kind, count in (
        ("report", "ends_wrong"),
        ("fill", "fills_wrong"),
        ("position", "positions_wrong"),
    ):
        name, _ = sizes[kind]
        wrong = verdict(told("FILLED", sizes | {kind: (name, "0.2")}), truth())
        assert getattr(wrong, count) == 1
        assert not wrong.clean


def test_another_end_is_wrong() -> None:
    assert verdict(told("CANCELED", BASE), truth()).ends_wrong == 1
    assert verdict(told("CANCELED", BASE), truth(status="CANCELED")).clean
