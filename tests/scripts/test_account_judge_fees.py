"""The judge of accounts: a trade without its fee is wrong where the exchange streams fees."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.quick.account_judge import judge_account
from scripts.quick.account_verdict import AccountVerdict, Told

ORDER = {
    "market": "spot", "order": 1, "orderId": "a1", "status": "FILLED", "cumulative": "2",
    "updatedMs": 9,
}  # fmt: skip
FILL = {
    "market": "spot", "order": 1, "tradeId": "t1", "side": "BUY", "price": "10", "quantity": "2",
    "fee": "0.02", "feeAsset": "USDT", "maker": True,
}  # fmt: skip
TRUTH = {"account": "mine", "orders": [ORDER], "fills": [FILL], "balances": [], "positions": []}
REPORT = {
    "eventType": "executionReport", "orderId": "a1", "orderStatus": "FILLED",
    "totalTradeQuantity": "2",
}  # fmt: skip
NEW = REPORT | {"orderStatus": "NEW", "totalTradeQuantity": "0"}
TRADE = {
    "eventType": "fill", "orderId": "a1", "tradeId": "t1", "side": "BUY", "price": "10.0",
    "quantity": "2",
}  # fmt: skip


@pytest.mark.parametrize(
    ("fee", "fees", "reasons"),
    [
        ({"fee": "0.020"}, True, []),
        ({}, True, ["fills_wrong: mine spot: trade t1: no fee"]),
        ({}, False, []),
        ({"fee": "0.03"}, False, ["fills_wrong: mine spot: trade t1: fee 0.03, and is 0.02"]),
    ],
)
def test_a_fee_is_judged_where_it_is_told_or_has_to_be(
    fee: dict[str, Any], fees: bool, reasons: list[str]
) -> None:
    verdict = AccountVerdict()
    told = [Told("0", NEW), Told("1", TRADE | fee), Told("2", REPORT)]
    judge_account(verdict, told, TRUTH, "spot", fees=fees)
    assert verdict.reasons == reasons
    assert verdict.clean is not bool(reasons)
