"""Binance's account events: frames in, exact events out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.binance.told import STATUSES, told
from common.exchanges.private import (
    BalancesTold,
    DeltaTold,
    Denied,
    FillTold,
    OrderTold,
    Position,
    PositionsTold,
)
from common.exchanges.protocol import Notice, Unreadable
from common.model.account import Balance
from common.model.instruments import Catalog, Instrument

NONE: Catalog = {}
COIN: Catalog = {
    "BTCUSD_PERP": Instrument(
        "binance", "inverse", "BTCUSD_PERP", "perpetual", "BTC", "USD", "BTC", "trading",
        contract_size="100", contract_unit="USD",
    )
}  # fmt: skip

SPOT: dict[str, Any] = {
    "e": "executionReport", "E": 1709654401001, "s": "ETHUSDT", "c": "mine", "S": "BUY",
    "o": "LIMIT", "f": "GTC", "q": "1.00000000", "p": "2500.00000000", "P": "0.00000000",
    "F": "0.00000000", "g": -1, "C": "", "x": "TRADE", "X": "PARTIALLY_FILLED", "r": "NONE",
    "i": 9223372036854775807, "l": "0.40000000", "z": "0.60000000", "L": "2499.50000000",
    "n": "0.00040000", "N": "ETH", "T": 1709654401000, "t": 98765432, "I": 8641984, "w": True,
    "m": True, "M": False, "O": 1709654400000, "Z": "1499.70000000", "Y": "999.80000000",
    "Q": "0.00000000", "V": "NONE",
}  # fmt: skip
FUTURES: dict[str, Any] = {
    "s": "BTCUSDT", "c": "TEST", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.002",
    "p": "7100.50", "ap": "7100.50", "sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED",
    "i": 8886774, "l": "0.001", "z": "0.001", "L": "7100.50", "N": "USDT", "n": "0.01000000",
    "T": 1568879465650, "t": 12345678, "b": "0", "a": "0", "m": True, "R": False,
    "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "LONG", "cp": False, "rp": "12.34", "er": "0",
}  # fmt: skip


def spot(**changes: Any) -> Any:
    return told("spot", json.dumps(SPOT | changes).encode(), NONE)


def futures(market: Any = "linear", catalog: Catalog = NONE, **changes: Any) -> Any:
    event = {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 2, "o": FUTURES | changes}
    return told(market, json.dumps(event).encode(), catalog)


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


def test_a_futures_fill_tells_its_fee_side_and_gain() -> None:
    fill, order = futures()
    assert (fill.fee, fill.fee_asset, fill.maker, fill.position_side) == (
        "0.01000000", "USDT", True, "LONG",
    )  # fmt: skip
    assert (fill.quantity, fill.quote_quantity, fill.contracts) == ("0.001", "7.10050", UNSET)
    assert (fill.realized_pnl, order.reduce_only, order.average_price) == (
        "12.34",
        False,
        "7100.50",
    )
    assert (order.filled, order.filled_quote) == ("0.001", "7.10050")


def test_a_fee_need_not_be_told() -> None:
    row = {name: value for name, value in FUTURES.items() if name not in ("n", "N")}
    event = {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 2, "o": row}
    fill = told("linear", json.dumps(event).encode(), NONE)[0]
    assert isinstance(fill, FillTold)
    assert (fill.fee, fill.fee_asset) == (UNSET, UNSET)


def test_inverse_counts_contracts_of_the_quote_asset() -> None:
    fill, order = futures(
        "inverse", COIN, s="BTCUSD_PERP", q="12", l="3", z="5", L="30000", ap="31000"
    )
    assert (fill.contracts, fill.quote_quantity, fill.quantity) == ("3", "300", "0.01000000")
    assert (order.contracts, order.filled_contracts, order.filled_quote) == ("12", "5", "500")
    assert order.filled == "0.01612903"


def test_contracts_of_an_unknown_size_are_told_as_contracts() -> None:
    fill, order = futures("inverse", NONE, s="NEWUSD_PERP")
    assert (fill.contracts, fill.quantity, order.filled) == ("0.001", UNSET, UNSET)


@pytest.mark.parametrize(
    ("client_id", "liquidation"),
    [
        ("autoclose-1", True),
        ("adl_autoclose", True),
        ("settlement_autoclose-1", False),
        ("me", False),
    ],
)
def test_orders_that_the_exchange_makes_itself_to_end_a_position(
    client_id: str, *, liquidation: bool
) -> None:
    fill, order = futures(c=client_id)
    assert (fill.liquidation, order.liquidation) == (liquidation, liquidation)


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


def test_futures_tell_the_wallet_and_the_positions_that_changed() -> None:
    event = {
        "e": "ACCOUNT_UPDATE", "E": 9, "T": 1564745798938,
        "a": {"m": "ORDER", "B": [{"a": "USDT", "wb": "122624.1", "cw": "100.1", "bc": "50.1"}],
              "P": [{"s": "BTCUSDT", "pa": "-20", "ep": "6563.665", "bep": "6563.6", "cr": "0",
                     "up": "-2850.2", "mt": "isolated", "iw": "13200.7", "ps": "BOTH"}]},
    }  # fmt: skip
    assert told("linear", json.dumps(event).encode(), NONE) == [
        BalancesTold(balances=(Balance("USDT", total="122624.1"),), time_ms=1564745798938),
        PositionsTold(
            positions=(
                Position(
                    symbol="BTCUSDT",
                    position_side="BOTH",
                    quantity="-20",
                    entry_price="6563.665",
                    break_even_price="6563.6",
                    unrealized_pnl="-2850.2",
                    margin_type="isolated",
                    margin="13200.7",
                ),
            ),
            time_ms=1564745798938,
        ),
    ]


@pytest.mark.parametrize(
    "event",
    [
        {"e": "listenKeyExpired", "E": "1736996475556", "listenKey": "WsCMN0"},
        {"e": "eventStreamTerminated", "E": 1728973001334},
    ],
)
def test_what_was_opened_can_run_out(event: dict[str, Any]) -> None:
    (denied,) = told("linear", json.dumps(event).encode(), NONE)
    assert isinstance(denied, Denied)
    assert denied.trouble == "expired"
    assert "WsCMN0" not in denied.detail


def test_the_same_fill_told_twice_is_taken_from_the_event_with_its_fee() -> None:
    assert told("linear", b'{"e":"TRADE_LITE","E":1,"s":"X"}', NONE) == (
        Notice("other", "TRADE_LITE"),
    )


def test_what_is_not_known_is_said() -> None:
    assert told("spot", b'{"e":"somethingNew"}', NONE) == (
        Unreadable("unknown_type", "somethingNew"),
    )
    (problem,) = spot(z=None)
    assert problem.kind == "wrong_shape"


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    for market in ("spot", "linear", "inverse"):
        assert told(market, data, NONE)
