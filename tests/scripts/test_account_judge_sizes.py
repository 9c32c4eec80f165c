"""The judge of accounts: on inverse markets, sizes come in contracts or in the base asset."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.quick.account_verdict import Told
from tests.scripts.told_accounts import counts, verdict

ORDER: dict[str, Any] = {
    "market": "inverse", "order": 7, "orderId": "o7", "status": "FILLED", "cumulative": "100",
    "quantity": "100", "value": "0.16666666", "updatedMs": 9,
}  # fmt: skip
FILL: dict[str, Any] = {
    "market": "inverse", "order": 7, "tradeId": "t1", "price": "600", "quantity": "100",
    "value": "0.16666666", "fee": "0.00003", "feeAsset": "BTC", "side": "BUY", "maker": True,
}  # fmt: skip
POSITION: dict[str, Any] = {
    "market": "inverse", "symbol": "BTCUSD", "side": "BOTH", "size": "-100", "value": "0.16666666",
}  # fmt: skip
TRUTH = {
    "account": "a", "orders": [ORDER], "fills": [FILL], "balances": [], "positions": [POSITION],
}  # fmt: skip
CONTRACTS = {
    "report": ("cumulativeContracts", "100"),
    "fill": ("contracts", "100"),
    "position": ("contracts", "-100"),
}
BASE = {
    "report": ("totalTradeQuantity", "0.16666666"),
    "fill": ("quantity", "0.16666666"),
    "position": ("quantity", "-0.16666666"),
}


def told(sizes: dict[str, tuple[str, str]], **said: str) -> list[Told]:
    """Reports, a fill and a position; ``sizes`` are (name, amount) of each."""
    name, _ = sizes["report"]
    words = {"eventType": "executionReport", "orderId": "o7"}
    trade = {name: FILL[name] for name in ("price", "fee", "feeAsset", "side", "maker", "tradeId")}
    bodies: dict[str, dict[str, Any]] = {
        "new": {**words, "orderStatus": "NEW", name: "0"},
        "fill": {**trade, "eventType": "fill", "orderId": "o7"},
        "report": {**words, "orderStatus": "FILLED", **said},
        "position": {"eventType": "positionUpdate", "symbol": "BTCUSD", "positionSide": "BOTH"},
    }
    return [
        Told(kind, body | dict([sizes[kind]]) if kind in sizes else body)
        for kind, body in bodies.items()
    ]


@pytest.mark.parametrize("sizes", [CONTRACTS, BASE])
def test_inverse_sizes_may_come_in_contracts_or_in_the_base_asset(
    sizes: dict[str, tuple[str, str]],
) -> None:
    assert verdict(told(sizes), TRUTH, "inverse").reasons == []
    for kind, count in (
        ("report", "endsWrong"),
        ("fill", "fillsWrong"),
        ("position", "positionsWrong"),
    ):
        name, _ = sizes[kind]
        wrong = verdict(told(sizes | {kind: (name, "0.1")}), TRUTH, "inverse")
        assert counts(wrong)[count] == 1


@pytest.mark.parametrize("sizes", [CONTRACTS, BASE])
@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"averagePrice": "600"}, {}),
        ({"averagePrice": "601"}, {"averagesWrong": 1}),
        ({"totalQuoteTradeQuantity": "100"}, {}),
        ({"totalQuoteTradeQuantity": "101"}, {"averagesWrong": 1}),
    ],
)
def test_an_inverse_average_weighs_contracts(
    sizes: dict[str, tuple[str, str]], said: dict[str, str], wrong: dict[str, int]
) -> None:
    assert counts(verdict(told(sizes, **said), TRUTH, "inverse")) == wrong
