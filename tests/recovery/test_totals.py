"""Fills that are made of totals: one for each growth, the same whoever hears it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.sizes import Contract
from common.exchanges.told import FillTold, OrderTold, Totals
from common.model.account import ExecutionReport, Fill
from common.recovery.order import Order
from common.recovery.orders import Orders
from common.recovery.reports import Account
from common.recovery.totals import NOTHING, fill_between

ME = Account("binance", "spot", "acc")
T0 = 1_700_000_000_000


def state(
    status: Any, size: str = "0", worth: str = "0", fee: str = "0", at: int = 0, **more: Any
) -> OrderTold:
    totals = Totals(size=size, worth=worth, fee=fee, fee_asset="BTC")
    fields: dict[str, Any] = {
        "symbol": "BTCUSDT", "order_id": "7", "status": status, "raw_status": status,
        "time_ms": T0 + at, "side": "BUY", "order_type": "LIMIT", "price": "60000", "quantity": "1",
        "filled": size, "created_ms": T0, "totals": totals,
    }  # fmt: skip
    return OrderTold(**fields | more)


def path(said: list[ExecutionReport | Fill]) -> list[tuple[Any, ...]]:
    return [
        (one.status, one.cumulative_quantity)
        if isinstance(one, ExecutionReport)
        else (one.trade_id, one.quantity, one.price, one.fee)
        for one in said
    ]


def made(told: OrderTold, before: Totals = NOTHING) -> FillTold:
    fill = fill_between(before, told)
    assert fill is not None
    return fill


def test_every_growth_is_a_fill_of_its_own_price_and_fee() -> None:
    orders = Orders(ME)
    said = orders.take([state("NEW")])
    said += orders.take([state("PARTIALLY_FILLED", "0.4", "24000", "0.0004", 1)])
    said += orders.take([state("PARTIALLY_FILLED", "0.4", "24000", "0.0004", 1)])
    said += orders.take([state("FILLED", "1", "59400", "0.0009", 2)])
    assert path(said) == [
        ("NEW", "0"),
        ("7-0.4", "0.4", "60000", "0.0004"),
        ("PARTIALLY_FILLED", "0.4"),
        ("7-1", "0.6", "59000", "0.0005"),
        ("FILLED", "1.0"),
    ]
    assert orders.owed == []


def test_a_late_word_changes_nothing() -> None:
    orders = Orders(ME)
    orders.take([state("PARTIALLY_FILLED", "0.4", "24000", at=2)])
    assert orders.take([state("NEW", at=1)]) == []
    assert orders.take([state("PARTIALLY_FILLED", "0.2", "12000", at=1)]) == []


def test_who_takes_over_goes_on_where_the_last_one_was() -> None:
    orders = Orders(ME)
    orders.take([state("PARTIALLY_FILLED", "0.4", "24000", "0.0004", 1)])
    kept = [
        msgspec.json.decode(msgspec.json.encode(order), type=Order)
        for order in orders.changes().values()
    ]
    said = Orders(ME, kept).take([state("CANCELED", "0.7", "42000", "0.0007", 2)])
    assert path(said) == [
        ("7-0.7", "0.3", "60000", "0.0003"),
        ("PARTIALLY_FILLED", "0.7"),
        ("CANCELED", "0.7"),
    ]


def test_what_binary_sums_have_rounded_is_no_part_of_a_price() -> None:
    before = Totals(size="0.1", worth="6411.767")
    fill = made(state("FILLED", "0.30000000000000004", "19235.301000000003"), before)
    assert fill.price == "64117.67"
    assert fill.quantity == "0.20000000000000004"


def test_contracts_are_in_the_base_asset_at_the_price_of_the_fill() -> None:
    contract = Contract("100", in_base=False)
    totals = Totals(size="40", worth="2560000", by_contracts=True, contract=contract)
    counted = {"filled": UNSET, "filled_contracts": "40", "totals": totals}
    fill = made(state("FILLED", **counted))
    assert (fill.contracts, fill.quantity, fill.quote_quantity) == ("40", "0.06250000", "4000")
    unknown = msgspec.structs.replace(totals, contract=None)
    fill = made(state("FILLED", **counted | {"totals": unknown}))
    assert (fill.contracts, fill.quantity, fill.price) == ("40", UNSET, "64000")


@pytest.mark.parametrize(
    ("more", "price"),
    [({"average_price": "59900"}, "59900"), ({}, "60000"), ({"price": UNSET}, "0")],
)
def test_without_a_worth_it_is_the_average_or_the_limit(more: dict[str, Any], price: str) -> None:
    assert made(state("FILLED", "1", "0", **more)).price == price


def test_where_fills_are_told_none_is_made() -> None:
    assert fill_between(NOTHING, state("FILLED", "1", "60000", totals=UNSET)) is None


@given(st.lists(st.integers(min_value=0, max_value=10), max_size=12))
def test_however_it_is_told_fills_add_up_and_totals_never_fall(tenths: list[int]) -> None:
    orders = Orders(ME)
    said: list[ExecutionReport | Fill] = []
    for at, tenth in enumerate(tenths):
        size, status = f"{tenth / 10:.1f}", "FILLED" if tenth == 10 else "PARTIALLY_FILLED"
        said += orders.take([state(status, size, str(tenth * 6000), at=at)])
    fills = [one for one in said if isinstance(one, Fill)]
    assert sum(round(float(str(one.quantity)) * 10) for one in fills) == max(tenths, default=0)
    assert len({one.trade_id for one in fills}) == len(fills)
    totals = [
        float(str(one.cumulative_quantity)) for one in said if isinstance(one, ExecutionReport)
    ]
    assert totals == sorted(totals)
