"""KuCoin's balances and positions of classic accounts: frames in, exact events out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET, Raw

from common.exchanges.kucoin.told import told
from common.exchanges.private import Heard
from common.exchanges.protocol import Notice
from common.exchanges.told import BalancesTold, DeltaTold, Position, PositionsTold
from common.model.account import Balance
from tests.exchanges.kucoin.pushes import (
    COIN,
    NONE,
    POSITION,
    POSITIONS,
    WALLET,
    WALLET_NOW,
    balance,
    hear,
    position,
)

# --- balances -----------------------------------------------------------------------------------


def test_a_hold_is_a_balance_and_no_change_of_it() -> None:
    assert balance() == (
        BalancesTold(
            balances=(Balance("USDT", "20.132773386762", "1.001", "21.133773386762"),),
            time_ms=1730269283892,
        ),
    )


def test_what_is_paid_in_is_a_change_and_a_balance() -> None:
    delta, now = balance(relationEvent="trade.transfer", availableChange="7.5", holdChange="0")
    assert delta == DeltaTold(asset="USDT", delta="7.5", time_ms=1730269283892)
    assert isinstance(now, BalancesTold)


def test_a_trade_is_no_change_for_another_reason() -> None:
    (now,) = balance(relationEvent="trade.setted", availableChange="5", holdChange="0")
    assert isinstance(now, BalancesTold)


@pytest.mark.parametrize("event", ["main.deposit", "margin.hold", "isolated_BTC-USDT.transfer"])
def test_accounts_that_spot_does_not_trade_from_are_not_told(event: str) -> None:
    assert balance(relationEvent=event) == (
        Notice("other", f"a balance of another account: {event}"),
    )


def test_a_futures_wallet_is_what_there_is_and_what_is_free_of_it() -> None:
    heard = hear("linear", WALLET, WALLET_NOW, subject="walletBalance.change")
    assert heard == (
        BalancesTold(
            balances=(Balance("USDT", "26.144281178", "54.928640080", "81.072921258"),),
            time_ms=1731916996764,
        ),
    )


def test_what_is_locked_is_left_out_where_gains_are_free_too() -> None:
    row = WALLET_NOW | {"availableBalance": "90"}
    (heard,) = hear("linear", WALLET, row, subject="walletBalance.change")
    assert isinstance(heard, BalancesTold)
    assert heard.balances == (Balance("USDT", "90", UNSET, "81.072921258"),)


def test_wallets_of_the_other_futures_market_are_not_told() -> None:
    coin = WALLET_NOW | {"currency": "XBT"}
    assert hear("linear", WALLET, coin, subject="walletBalance.change") == ()
    assert hear("inverse", WALLET, WALLET_NOW, subject="walletBalance.change") == ()
    (heard,) = hear("inverse", WALLET, coin, subject="walletBalance.change")
    assert isinstance(heard, BalancesTold)
    assert heard.balances[0].asset == "BTC"


def test_the_older_parts_of_a_wallet_are_not_read() -> None:
    row = {"availableBalance": 5923, "holdBalance": 2312, "currency": "USDT", "timestamp": 1}
    assert hear("linear", WALLET, row, subject="availableBalance.change") == (
        Notice("other", "availableBalance.change"),
    )


# --- positions ----------------------------------------------------------------------------------


def test_a_position_is_counted_in_contracts_and_in_the_base_asset() -> None:
    assert position() == (
        PositionsTold(
            positions=(
                Position(
                    symbol="XBTUSDTM",
                    position_side="BOTH",
                    quantity="0.001",
                    contracts="1",
                    entry_price="91694.5",
                    mark_price="91839.79",
                    liquidation_price="73853.0426625",
                    unrealized_pnl="0.14529",
                    realized_pnl="0.07210716",
                    leverage="4.9685590767",
                    margin_type="isolated",
                    margin="18.40492004",
                ),
            ),
            time_ms=1731924561514,
        ),
    )


def the_only(heard: tuple[Heard, ...]) -> Position:
    (positions,) = heard
    assert isinstance(positions, PositionsTold)
    (only,) = positions.positions
    return only


def test_a_short_is_below_zero_unless_its_side_says_so() -> None:
    short = the_only(position("inverse", COIN, symbol="XBTUSDM", currentQty=-20))
    assert (short.contracts, short.quantity) == ("-20", "-0.00021812")
    short = the_only(position(currentQty=-20, positionSide="SHORT"))
    assert (short.contracts, short.quantity) == ("20", "0.020")


def test_a_closed_position_is_zero() -> None:
    closed = the_only(position(currentQty=0, isOpen=False, avgEntryPrice=0.0, liquidationPrice=0))
    assert (closed.quantity, closed.contracts) == ("0", "0")
    assert (closed.entry_price, closed.liquidation_price) == (UNSET, UNSET)


def test_gains_in_coin_are_written_out() -> None:
    data = json.dumps(POSITION | {"symbol": "XBTUSDM"}).replace("0.14529", "-4.975E-7").encode()
    only = the_only(tuple(told("inverse", POSITIONS, "position.change", Raw(data), COIN)))
    assert only.unrealized_pnl == "-0.0000004975"


@pytest.mark.parametrize(
    ("changes", "margin"),
    [
        ({"marginMode": "CROSS"}, "cross"),
        ({"marginMode": "", "crossMode": True}, "cross"),
        ({"marginMode": "", "crossMode": False}, "isolated"),
        ({"marginMode": "SOMETHING"}, UNSET),
    ],
)
def test_how_a_position_is_margined(changes: dict[str, Any], margin: Any) -> None:
    assert the_only(position(**changes)).margin_type == margin


def test_positions_of_the_other_futures_market_are_not_told() -> None:
    assert position("inverse", COIN) == ()


@pytest.mark.parametrize("reason", ["liquidation", "adl", "marginChange"])
def test_why_a_position_changed_makes_no_order_of_it(reason: str) -> None:
    """What the exchange trades to end it has orders and fills of its own."""
    (only,) = position(changeReason=reason)
    assert isinstance(only, PositionsTold)


def test_a_mark_price_is_no_news_of_the_account() -> None:
    """It names no symbol, nor which side of one."""
    row = {
        "markPrice": 7947.83, "unrealisedPnl": -0.00014735, "currentTimestamp": 1558087175068,
        "settleCurrency": "XBT", "changeReason": "markPriceChange",
    }  # fmt: skip
    assert hear("inverse", POSITIONS, row, COIN, "position.change") == (
        Notice("other", "the mark price of a position"),
    )


@pytest.mark.parametrize("subject", ["position.settlement", "position.adjustRiskLimit"])
def test_what_else_is_said_of_positions_is_not_read(subject: str) -> None:
    assert hear("linear", POSITIONS, {"fundingFee": -296}, NONE, subject) == (
        Notice("other", subject),
    )
