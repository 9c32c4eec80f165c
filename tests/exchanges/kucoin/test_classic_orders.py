"""KuCoin's orders of classic accounts: frames in, exact events out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from common.exchanges.kucoin.words import STATUSES
from common.exchanges.protocol import Unreadable
from common.exchanges.told import FillTold, OrderTold
from common.model.account import ExecutionReport
from common.recovery.orders import Orders
from common.recovery.reports import Account
from tests.exchanges.kucoin.pushes import COIN, LINEAR, NONE, SPOT_ORDERS, futures, hear, spot

# --- orders of spot -----------------------------------------------------------------------------


def test_a_match_is_a_fill_and_the_state_that_it_led_to() -> None:
    assert spot() == (
        FillTold(
            symbol="KCS-USDT",
            order_id="5efab07953bdea00089965fa",
            trade_id="5efab07a4ee4c7000a82d6d9",
            side="SELL",
            price="0.96738",
            quantity="0.04",
            quote_quantity="0.0386952",
            time_ms=1593487482038,
            seq=606180,
            client_order_id="1593487481000313",
            maker=False,
        ),
        OrderTold(
            symbol="KCS-USDT",
            order_id="5efab07953bdea00089965fa",
            status="PARTIALLY_FILLED",
            raw_status="match",
            time_ms=1593487482038,
            seq=606180,
            side="SELL",
            order_type="LIMIT",
            client_order_id="1593487481000313",
            price="0.938",
            quantity="0.1",
            filled="0.04",
            created_ms=1593487482038,
        ),
    )


def test_the_last_match_is_not_the_end_which_has_a_frame_of_its_own() -> None:
    (fill,) = spot(filledSize="0.1", remainSize="0")
    assert isinstance(fill, FillTold)
    (order,) = spot("matchPrice", type="filled", status="done", filledSize="0.1", remainSize="0")
    assert (order.status, order.filled, order.quantity) == ("FILLED", "0.1", "0.1")


def test_what_fills_were_worth_is_not_taken_from_the_limit() -> None:
    _, order = spot()
    assert (order.filled_quote, order.average_price) == (UNSET, UNSET)


def test_no_fee_is_told_so_none_is_said() -> None:
    fill, _ = spot()
    assert (fill.fee, fill.fee_asset) == (UNSET, UNSET)


def test_an_order_that_is_not_in_the_book_yet() -> None:
    received = {
        "clientOid": "5c52e11203aa677f33e493fc", "orderId": "6720da3fa30a360007f5f832",
        "orderTime": 1730206271588, "orderType": "market", "originSize": "0.00001", "side": "buy",
        "status": "new", "symbol": "BTC-USDT", "ts": 1730206271616000000, "type": "received",
    }  # fmt: skip
    assert hear("spot", SPOT_ORDERS, received) == (
        OrderTold(
            symbol="BTC-USDT",
            order_id="6720da3fa30a360007f5f832",
            status="NEW",
            raw_status="received",
            time_ms=1730206271616,
            side="BUY",
            order_type="MARKET",
            client_order_id="5c52e11203aa677f33e493fc",
            quantity="0.00001",
            created_ms=1730206271588,
        ),
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"type": "open", "filledSize": "0"}, "NEW"),
        ({"type": "open", "filledSize": "0.01"}, "PARTIALLY_FILLED"),
        ({"type": "update", "filledSize": "0.00", "size": "0.06"}, "NEW"),
        ({"type": "update", "filledSize": "0.04", "size": "0.06"}, "PARTIALLY_FILLED"),
        ({"type": "filled", "filledSize": "0.1"}, "FILLED"),
        ({"type": "canceled", "filledSize": "0", "status": "done"}, "CANCELED"),
    ],
)
def test_how_an_order_stands(changes: dict[str, Any], status: str) -> None:
    (order,) = spot(**changes)
    assert (order.status, order.raw_status) == (status, changes["type"])


def test_one_that_was_filled_in_part_and_canceled_is_canceled() -> None:
    """Not filled, though it is done and some of it was."""
    (order,) = spot(type="canceled", status="done", filledSize="0.04", remainSize="0")
    assert (order.status, order.filled, order.quantity) == ("CANCELED", "0.04", "0.1")


@pytest.mark.parametrize("raw", STATUSES)
def test_every_documented_status_has_a_word(raw: str) -> None:
    assert spot(type=raw)[-1].status != "UNKNOWN"


def test_an_undocumented_status_is_told_as_what_it_is() -> None:
    (order,) = spot(type="halfBaked")
    assert (order.status, order.raw_status) == ("UNKNOWN", "halfBaked")


def test_the_fee_tells_the_role_where_the_book_does_not() -> None:
    """Who trades with a hidden order is called a taker, whatever it pays."""
    assert spot(feeType="makerFee", liquidity="taker")[0].maker is True
    assert spot("feeType", liquidity="maker")[0].maker is True
    assert spot("feeType", "liquidity")[0].maker is UNSET


def test_a_market_order_by_its_worth_has_neither_quantity_nor_price() -> None:
    (order,) = spot(
        "size", "originSize", type="received", orderType="market", price="", originFunds="100"
    )
    assert (order.quantity, order.price) == (UNSET, UNSET)


def test_an_order_may_have_no_id_of_the_client() -> None:
    for fill, order in (spot("clientOid"), spot(clientOid=""), spot(clientOid=None)):
        assert (fill.client_order_id, order.client_order_id) == (UNSET, UNSET)


def test_an_order_with_less_than_its_end_needs_no_more() -> None:
    """A cancel of old: no type, no client's id, and the time of its making left out."""
    row = {
        "symbol": "KCS-USDT", "side": "buy", "orderId": "5efab07953bdea00089965d2",
        "type": "canceled", "size": "0.1", "filledSize": "0", "price": "0.937", "remainSize": "0",
        "status": "done", "ts": 1593487481893140844,
    }  # fmt: skip
    (order,) = hear("spot", "/spotMarket/tradeOrders", row)
    assert isinstance(order, OrderTold)
    assert (order.status, order.created_ms, order.order_type) == ("CANCELED", UNSET, UNSET)


@pytest.mark.parametrize("kind", ["limit", "market", "limit_stop"])
def test_a_type_is_told_as_what_it_is(kind: str) -> None:
    assert spot(orderType=kind)[-1].order_type == kind.upper()


def test_a_match_without_its_trade_is_a_state() -> None:
    (order,) = spot(matchSize="", matchPrice="")
    assert isinstance(order, OrderTold)
    (problem,) = spot(tradeId="")
    assert problem == Unreadable("wrong_shape", "a match without its trade")


def test_the_frames_of_an_order_fold_into_one_path() -> None:
    frames = [
        spot(type="received", status="new", ts=1),
        spot(type="open", filledSize="0", remainSize="0.1", ts=2),
        spot(tradeId="1", ts=3),
        spot(tradeId="2", matchSize="0.06", filledSize="0.1", remainSize="0", ts=4),
        spot(type="filled", status="done", filledSize="0.1", remainSize="0", ts=4),
    ]
    orders = Orders(Account("kucoin", "spot", "a"))
    reports = [
        (one.status, one.cumulative_quantity)
        for frame in frames
        for one in orders.take(frame)
        if isinstance(one, ExecutionReport)
    ]
    assert reports == [("NEW", "0"), ("PARTIALLY_FILLED", "0.04"), ("FILLED", "0.10")]


# --- orders of futures --------------------------------------------------------------------------


def test_futures_count_contracts() -> None:
    fill, order = futures()
    assert (fill.contracts, fill.quantity, fill.quote_quantity) == ("2", "0.02", "41.3710")
    assert (order.contracts, order.quantity) == ("3", "0.03")
    assert (order.filled_contracts, order.filled) == ("2", "0.02")
    assert (order.price, order.created_ms) == (UNSET, 1772043995356)
    assert (fill.position_side, order.position_side) == ("LONG", "LONG")
    assert (order.reduce_only, fill.liquidation, order.liquidation) == (UNSET, False, False)


def test_contracts_of_inverse_are_of_the_quote_asset() -> None:
    fill, order = futures("inverse", COIN, symbol="XBTUSDM", size="100", matchPrice="50000")
    assert (fill.contracts, fill.quote_quantity, fill.quantity) == ("2", "2", "0.00004000")
    assert (order.contracts, order.filled_contracts, order.filled) == ("100", "2", UNSET)


def test_contracts_of_an_unknown_size_are_told_as_contracts() -> None:
    fill, order = futures(symbol="NEWUSDTM")
    assert (fill.contracts, fill.quantity, order.filled) == ("2", UNSET, UNSET)


def test_an_order_of_the_other_futures_market_is_not_told() -> None:
    assert futures("inverse", COIN) == ()
    assert futures("linear", LINEAR, symbol="XBTUSDM") == ()
    assert futures("linear", NONE, symbol="XBTUSDCM") != ()


@pytest.mark.parametrize(
    ("kind", "liquidation"),
    [("trade", False), ("liquid", True), ("adl", True), ("settlement", False), ("", UNSET)],
)
def test_what_the_exchange_trades_to_end_a_position(kind: str, *, liquidation: Any) -> None:
    fill, order = futures(tradeType=kind)
    assert (fill.liquidation, order.liquidation) == (liquidation, liquidation)
