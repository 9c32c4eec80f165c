"""Binance's account events on spot: frames in, exact events out."""

from __future__ import annotations

import json

import pytest
from msgspec import UNSET

from common.exchanges.binance.told import told
from common.exchanges.binance.words import STATUSES
from common.exchanges.told import BalancesTold, DeltaTold, FillTold, OrderTold
from common.model.account import Balance
from tests.exchanges.binance.events import NONE, spot


def test_a_trade_is_a_fill_and_the_state_that_it_led_to() -> None:
    assert spot() == (
        FillTold(
            symbol="ETHUSDT",
            order_id="9223372036854775807",
            trade_id="98765432",
            side="BUY",
            price="2499.50000000",
            quantity="0.40000000",
            quote_quantity="999.80000000",
            time_ms=1709654401000,
            seq=8641984,
            client_order_id="mine",
            fee="0.00040000",
            fee_asset="ETH",
            maker=True,
        ),
        OrderTold(
            symbol="ETHUSDT",
            order_id="9223372036854775807",
            status="PARTIALLY_FILLED",
            raw_status="PARTIALLY_FILLED",
            time_ms=1709654401000,
            seq=8641984,
            side="BUY",
            order_type="LIMIT",
            time_in_force="GTC",
            client_order_id="mine",
            price="2500.00000000",
            quantity="1.00000000",
            filled="0.60000000",
            filled_quote="1499.70000000",
            created_ms=1709654400000,
        ),
    )


def test_a_cancel_names_the_order_not_the_request() -> None:
    (order,) = spot(x="CANCELED", X="CANCELED", C="mine", c="cancel-1", t=-1, l="0", n="0", N=None)
    assert (order.client_order_id, order.original_client_order_id) == ("mine", "mine")
    assert order.status == "CANCELED"


def test_a_market_order_by_its_worth_has_no_quantity_and_no_price_yet() -> None:
    (order,) = spot(x="NEW", X="NEW", o="MARKET", q="0.0", p="0.0", z="0", Z="0", l="0", t=-1)
    assert (order.quantity, order.price) == (UNSET, UNSET)


def test_an_end_that_is_told_as_a_trade_of_nothing_is_no_fill() -> None:
    (order,) = spot(X="EXPIRED", l="0.00000000", t=-1, L="0.00000000")
    assert order.status == "EXPIRED"


def test_an_amount_below_zero_is_not_known() -> None:
    _, order = spot(Z="-1.00000000")
    assert order.filled_quote is UNSET


@pytest.mark.parametrize("raw", STATUSES)
def test_every_documented_status_has_a_word(raw: str) -> None:
    assert spot(X=raw)[-1].status != "UNKNOWN"


def test_an_undocumented_status_is_told_as_what_it_is() -> None:
    order = spot(X="HALF_BAKED")[-1]
    assert (order.status, order.raw_status) == ("UNKNOWN", "HALF_BAKED")


def test_balances_are_what_they_are_and_deltas_what_they_change() -> None:
    position = {
        "e": "outboundAccountPosition", "E": 1564034571105, "u": 1564034571073,
        "B": [{"a": "ETH", "f": "10000.000000", "l": "0.000000"}],
    }  # fmt: skip
    assert told("spot", json.dumps(position).encode(), NONE) == (
        BalancesTold(balances=(Balance("ETH", "10000.000000", "0.000000"),), time_ms=1564034571073),
    )
    delta = {
        "e": "balanceUpdate",
        "E": 1573200697110,
        "a": "BTC",
        "d": "-100.0",
        "T": 1573200697068,
    }
    assert told("spot", json.dumps(delta).encode(), NONE) == (
        DeltaTold(asset="BTC", delta="-100.0", time_ms=1573200697110, cleared_ms=1573200697068),
    )
