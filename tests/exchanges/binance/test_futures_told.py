"""Binance's account events on futures: frames in, exact events out."""

from __future__ import annotations

import json

import pytest
from msgspec import UNSET

from common.exchanges.binance.told import told
from common.exchanges.told import BalancesTold, FillTold, Position, PositionsTold
from common.model.account import Balance
from tests.exchanges.binance.events import COIN, FUTURES, NONE, futures


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


def test_a_liquidation_is_no_type_of_order() -> None:
    """In REST the same order is a limit order that nobody placed."""
    fill, order = futures(c="anything", o="LIQUIDATION")
    assert (fill.liquidation, order.liquidation, order.order_type) == (True, True, UNSET)


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
