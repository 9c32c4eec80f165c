"""Bitget's private pushes, of both account systems: frames in, exact events out."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.bitget.describe import INST_TYPES
from common.exchanges.bitget.told import told
from common.exchanges.bitget.words import STATUSES
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, Position, PositionsTold
from common.model.account import Balance
from common.model.instruments import Catalog, Instrument
from common.model.streams import Market

NONE: Catalog = {}
SPOT_ORDER: dict[str, Any] = {
    "instId": "BTCUSDT", "orderId": "1", "clientOid": "mine", "size": "8.0000",
    "newSize": "500.0000", "notional": "8.000000", "orderType": "market", "force": "gtc",
    "side": "buy", "fillPrice": "26256.0", "tradeId": "9", "baseVolume": "0.0003",
    "fillTime": "1695797773286", "fillFee": "-0.00000018", "fillFeeCoin": "BTC", "tradeScope": "T",
    "accBaseVolume": "0.0005", "priceAvg": "26256.0", "status": "partially_filled",
    "cTime": "1695797773257", "uTime": "1695797773326",
    "feeDetail": [{"feeCoin": "BTC", "fee": "-0.00000018"}], "enterPointSource": "WEB",
}  # fmt: skip
FUTURES_ORDER: dict[str, Any] = {
    "accBaseVolume": "0.01", "cTime": "1695718781129", "clientOid": "mine",
    "feeDetail": [{"feeCoin": "USDT", "fee": "-0.162003"}], "fillFee": "-0.162003",
    "fillFeeCoin": "USDT", "fillNotionalUsd": "270.005", "fillPrice": "27000.5",
    "baseVolume": "0.01", "fillTime": "1695718781140", "force": "gtc", "instId": "BTCUSDT",
    "leverage": "20", "marginCoin": "USDT", "marginMode": "crossed", "notionalUsd": "270",
    "orderId": "1", "orderType": "limit", "pnl": "0", "posMode": "hedge_mode", "posSide": "long",
    "price": "27001", "priceAvg": "27000.5", "reduceOnly": "no", "side": "buy", "size": "0.02",
    "enterPointSource": "WEB", "status": "partially_filled", "tradeScope": "M",
    "tradeId": "1111111111", "tradeSide": "open", "uTime": "1695718781146",
}  # fmt: skip
FUTURES_FILL: dict[str, Any] = {
    "orderId": "111", "tradeId": "222", "symbol": "BTCUSDT", "side": "buy",
    "orderType": "market", "posMode": "one_way_mode", "price": "51000.5", "baseVolume": "0.01",
    "quoteVolume": "510.005", "profit": "-1.5", "tradeSide": "open", "tradeScope": "taker",
    "feeDetail": [{"feeCoin": "USDT", "deduction": "no", "totalDeductionFee": "0",
                   "totalFee": "-0.183717"}],
    "cTime": "1703577336606", "uTime": "1703577336606",
}  # fmt: skip
SPOT_FILL: dict[str, Any] = {
    "orderId": "1169142457356959747", "tradeId": "1169142457636958209", "symbol": "LTCUSDT",
    "orderType": "market", "side": "buy", "priceAvg": "81.069", "size": "0.074",
    "amount": "5.999106", "tradeScope": "taker",
    "feeDetail": [{"feeCoin": "LTC", "deduction": "no", "totalDeductionFee": "0",
                   "totalFee": "0.000074"}],
    "cTime": "1714471204194", "uTime": "1714471204194",
}  # fmt: skip
POSITION: dict[str, Any] = {
    "posId": "1", "instId": "ETHUSDT", "marginCoin": "USDT", "marginSize": "9.5",
    "marginMode": "crossed", "holdSide": "short", "posMode": "hedge_mode", "total": "0.1",
    "available": "0.1", "frozen": "0", "openPriceAvg": "1900", "leverage": 20,
    "achievedProfits": "0", "unrealizedPL": "-0.4", "unrealizedPLR": "0",
    "liquidationPrice": "5788.108475905242", "keepMarginRate": "0.005",
    "marginRate": "0.004416374196", "cTime": "1695649246169", "breakEvenPrice": "24778.97",
    "totalFee": "1.45", "deductedFee": "0.388", "uTime": "1695711602568", "autoMargin": "off",
}  # fmt: skip
UNIFIED_ORDER: dict[str, Any] = {
    "category": "usdt-futures", "symbol": "BTCUSDT", "orderId": "77", "clientOid": "mine",
    "price": "", "qty": "0.001", "amount": "1000", "holdMode": "hedge_mode", "holdSide": "long",
    "delegateType": "normal", "tradeSide": "open", "orderType": "market", "timeInForce": "gtc",
    "side": "buy", "marginMode": "crossed", "marginCoin": "USDT", "reduceOnly": "no",
    "cumExecQty": "0.001", "cumExecValue": "83.1315", "avgPrice": "83131.5", "totalProfit": "0",
    "orderStatus": "filled", "cancelReason": "", "leverage": "20",
    "feeDetail": [{"feeCoin": "USDT", "fee": "0.0332526"}], "createdTime": "1742367838101",
    "updatedTime": "1742367838115", "stpMode": "none",
}  # fmt: skip
UNIFIED_FILL: dict[str, Any] = {
    "symbol": "BTCUSDT", "orderType": "market", "updatedTime": "1736378720623", "side": "buy",
    "orderId": "1288888888888888888", "execPnl": "0",
    "feeDetail": [{"feeCoin": "USDT", "fee": "0.569958"}], "execTime": "1736378720620",
    "tradeScope": "taker", "tradeSide": "open", "execId": "1288888888888888887",
    "execLinkId": "1288888888888888888", "execPrice": "94993", "holdSide": "long",
    "execValue": "949.93", "category": "usdt-futures", "execQty": "0.01",
    "clientOid": "1288888888888888889", "isRPI": "no",
}  # fmt: skip
UNIFIED_POSITION: dict[str, Any] = {
    "symbol": "BTCUSDT", "leverage": "20", "available": "0", "liqPrice": "",
    "marginMode": "crossed", "unrealisedPnl": "0", "markPrice": "94987.1",
    "createdTime": "1736378720620", "avgPrice": "0", "totalFundingFee": "0",
    "updatedTime": "1736378720620", "marginCoin": "USDT", "frozen": "0", "marginSize": "0",
    "curRealisedPnl": "0", "size": "0", "positionStatus": "ended", "posSide": "long",
    "holdMode": "hedge_mode",
}  # fmt: skip


def pushed(arg: dict[str, str], rows: Any, time_ms: Any = 1695718781206) -> bytes:
    return json.dumps({"action": "snapshot", "arg": arg, "data": rows, "ts": time_ms}).encode()


def classic(market: Market, channel: str, *rows: dict[str, Any]) -> Any:
    arg = {"instType": INST_TYPES[market], "channel": channel, "instId": "default"}
    return list(told(market, pushed(arg, rows), NONE))


def unified(market: Market, topic: str, *rows: dict[str, Any], catalog: Catalog = NONE) -> Any:
    return list(told(market, pushed({"instType": "UTA", "topic": topic}, rows), catalog))


# --- the classic system -------------------------------------------------------------------------


def test_a_spot_order_tells_the_fill_and_the_state_it_led_to() -> None:
    assert classic("spot", "orders", SPOT_ORDER) == [
        FillTold(
            symbol="BTCUSDT",
            order_id="1",
            trade_id="9",
            side="BUY",
            price="26256.0",
            time_ms=1695797773286,
            quantity="0.0003",
            quote_quantity="7.87680",
            client_order_id="mine",
            fee="0.00000018",
            fee_asset="BTC",
            maker=False,
        ),
        # A market buy is so much of the quote coin: it has no quantity before it is filled.
        OrderTold(
            symbol="BTCUSDT",
            order_id="1",
            status="PARTIALLY_FILLED",
            raw_status="partially_filled",
            time_ms=1695797773326,
            side="BUY",
            order_type="MARKET",
            time_in_force="GTC",
            client_order_id="mine",
            filled="0.0005",
            filled_quote="13.12800",
            average_price="26256.0",
            created_ms=1695797773257,
        ),
    ]


def test_a_futures_order_tells_its_size_not_its_last_fill() -> None:
    fill, order = classic("linear", "orders", FUTURES_ORDER)
    assert order == OrderTold(
        symbol="BTCUSDT",
        order_id="1",
        status="PARTIALLY_FILLED",
        raw_status="partially_filled",
        time_ms=1695718781146,
        side="BUY",
        order_type="LIMIT",
        time_in_force="GTC",
        client_order_id="mine",
        price="27001",
        quantity="0.02",
        filled="0.01",
        filled_quote="270.005",
        average_price="27000.5",
        reduce_only=False,
        position_side="LONG",
        created_ms=1695718781129,
        liquidation=False,
    )
    assert (fill.quantity, fill.maker, fill.position_side) == ("0.01", True, "LONG")
    assert (fill.fee, fill.fee_asset, fill.time_ms) == ("0.162003", "USDT", 1695718781140)


@pytest.mark.parametrize(
    ("side", "trade_side", "position", "expected"),
    [
        ("buy", "open", "long", "BUY"),
        ("buy", "close", "long", "SELL"),
        ("sell", "open", "short", "SELL"),
        ("sell", "close", "short", "BUY"),
        ("buy", "burst_close_long", "long", "SELL"),
        ("sell", "dte_sys_adl_close_short", "short", "BUY"),
    ],
)
def test_in_hedge_mode_an_orders_side_is_its_positions(
    side: str, trade_side: str, position: str, expected: str
) -> None:
    changes = {"side": side, "tradeSide": trade_side, "posSide": position}
    for mode in ("hedge_mode", "hedge-mode"):
        fill, order = classic("linear", "orders", FUTURES_ORDER | changes | {"posMode": mode})
        assert (fill.side, order.side) == (expected, expected)


def test_a_side_that_cannot_be_known_is_left_out_and_the_fill_left_to_its_channel() -> None:
    (order,) = classic("linear", "orders", FUTURES_ORDER | {"tradeSide": "sideways"})
    assert order.side is UNSET
    third = {"posMode": "third_mode", "posSide": "net"}
    (order,) = classic("linear", "orders", FUTURES_ORDER | third)
    assert (order.side, order.position_side) == (UNSET, "BOTH")


def test_in_one_way_mode_a_side_is_a_side() -> None:
    changes = {"posMode": "one_way_mode", "posSide": "net", "tradeSide": "sell_single"}
    fill, order = classic("linear", "orders", FUTURES_ORDER | changes | {"side": "sell"})
    assert (fill.side, order.side) == ("SELL", "SELL")
    assert (fill.position_side, order.position_side) == ("BOTH", "BOTH")


@pytest.mark.parametrize(
    ("trade_side", "liquidation"),
    [
        ("open", False),
        ("burst_close_long", True),
        ("reduce_close_long", True),
        ("dte_sys_adl_close_long", True),
        ("offset_close_long", False),
        ("delivery_close_long", False),
        ("", UNSET),
    ],
)
def test_what_the_exchange_ends_itself_is_said(trade_side: str, *, liquidation: Any) -> None:
    said = classic("linear", "orders", FUTURES_ORDER | {"tradeSide": trade_side})
    said += classic("linear", "fill", FUTURES_FILL | {"tradeSide": trade_side})
    assert {one.liquidation for one in said} == {liquidation}


def test_a_cancel_comes_without_an_average_and_is_no_fill() -> None:
    left = ("priceAvg", "fillPrice", "tradeId", "baseVolume", "fillTime", "fillFee", "tradeScope")
    row = {name: value for name, value in FUTURES_ORDER.items() if name not in left}
    row |= {"status": "canceled", "cancelReason": "normal_cancel"}
    (order,) = classic("linear", "orders", row)
    assert (order.status, order.reason, order.filled) == ("CANCELED", "normal_cancel", "0.01")
    assert (order.average_price, order.filled_quote) == (UNSET, UNSET)
    (order,) = classic("linear", "orders", row | {"accBaseVolume": "0", "price": "0"})
    assert (order.filled, order.filled_quote, order.price) == ("0", "0", UNSET)


@pytest.mark.parametrize("raw", STATUSES)
def test_every_documented_status_has_a_word(raw: str) -> None:
    assert classic("spot", "orders", SPOT_ORDER | {"status": raw})[-1].status == STATUSES[raw]
    assert unified("linear", "order", UNIFIED_ORDER | {"orderStatus": raw})[-1].status != "UNKNOWN"


def test_an_undocumented_status_is_told_as_what_it_is() -> None:
    order = classic("spot", "orders", SPOT_ORDER | {"status": "half_baked"})[-1]
    assert (order.status, order.raw_status) == ("UNKNOWN", "half_baked")
    order = unified("linear", "order", UNIFIED_ORDER | {"orderStatus": "Filled"})[-1]
    assert (order.status, order.raw_status) == ("UNKNOWN", "Filled")


def test_fees_are_costs_whatever_their_sign() -> None:
    (spot,) = classic("spot", "fill", SPOT_FILL)
    (futures,) = classic("linear", "fill", FUTURES_FILL)
    assert (spot.fee, spot.fee_asset) == ("0.000074", "LTC")
    assert (futures.fee, futures.fee_asset) == ("0.183717", "USDT")
    assert classic("spot", "fill", SPOT_FILL | {"feeDetail": []})[0].fee is UNSET


def test_a_fee_in_two_coins_is_not_added_up() -> None:
    def paid(*fees: tuple[str, str]) -> tuple[Any, Any]:
        detail = [{"feeCoin": coin, "totalFee": amount} for coin, amount in fees]
        (fill,) = classic("linear", "fill", FUTURES_FILL | {"feeDetail": detail})
        return fill.fee, fill.fee_asset

    assert paid(("USDT", "-0.1"), ("USDT", "-0.02")) == ("0.12", "USDT")
    assert paid(("USDT", "0"), ("BGB", "-0.02")) == ("0.02", "BGB")
    assert paid(("USDT", "-0.1"), ("BGB", "-0.02")) == (UNSET, UNSET)


def test_the_fill_channel_says_which_way_it_traded_in_hedge_mode_too() -> None:
    hedge = FUTURES_FILL | {"posMode": "hedge_mode"}
    sides = {
        (side, trade_side): (fill.side, fill.position_side)
        for side in ("buy", "sell")
        for trade_side in ("open", "close")
        for fill in classic("linear", "fill", hedge | {"side": side, "tradeSide": trade_side})
    }
    assert sides == {
        ("buy", "open"): ("BUY", "LONG"),
        ("sell", "close"): ("SELL", "LONG"),
        ("sell", "open"): ("SELL", "SHORT"),
        ("buy", "close"): ("BUY", "SHORT"),
    }
    (fill,) = classic("linear", "fill", FUTURES_FILL)
    assert (fill.position_side, fill.realized_pnl) == ("BOTH", "-1.5")


def test_spot_and_futures_fills_name_the_same_things_otherwise() -> None:
    (spot,) = classic("spot", "fill", SPOT_FILL)
    assert (spot.price, spot.quantity, spot.quote_quantity) == ("81.069", "0.074", "5.999106")
    assert (spot.order_id, spot.trade_id) == ("1169142457356959747", "1169142457636958209")
    assert (spot.realized_pnl, spot.position_side) == (UNSET, UNSET)
    (futures,) = classic("linear", "fill", FUTURES_FILL)
    assert (futures.price, futures.quantity, futures.quote_quantity) == (
        "51000.5",
        "0.01",
        "510.005",
    )


def test_inverse_sizes_are_in_the_base_coin_too() -> None:
    fill, order = classic("inverse", "orders", FUTURES_ORDER | {"instId": "BTCUSD"})
    assert (fill.quantity, fill.contracts, order.quantity) == ("0.01", UNSET, "0.02")
    # What it is worth would come of a rounded size, and is told exactly where fills are told.
    assert fill.quote_quantity is UNSET


def test_balances_are_what_can_be_used_and_what_is_held() -> None:
    coin = {"coin": "USDT", "available": "19.1430952856087", "frozen": "7", "locked": "0.5",
            "limitAvailable": "0", "uTime": "1701931970487"}  # fmt: skip
    assert classic("spot", "account", coin) == [
        BalancesTold(balances=(Balance("USDT", "19.1430952856087", "7.5"),), time_ms=1695718781206)
    ]
    margin = {"marginCoin": "USDT", "frozen": "5.36581500", "available": "26.14309528",
              "equity": "26.14309528", "usdtEquity": "26.143095285166"}  # fmt: skip
    assert classic("linear", "account", margin) == [
        BalancesTold(
            balances=(Balance("USDT", "26.14309528", "5.36581500"),), time_ms=1695718781206
        )
    ]


def test_positions_are_the_whole_list() -> None:
    assert classic("linear", "positions", POSITION) == [
        PositionsTold(
            positions=(
                Position(
                    symbol="ETHUSDT",
                    position_side="SHORT",
                    quantity="0.1",
                    entry_price="1900",
                    break_even_price="24778.97",
                    liquidation_price="5788.108475905242",
                    unrealized_pnl="-0.4",
                    realized_pnl="0",
                    leverage="20",
                    margin_type="cross",
                    margin="9.5",
                ),
            ),
            time_ms=1695718781206,
            whole=True,
        )
    ]
    assert classic("linear", "positions") == [
        PositionsTold(positions=(), time_ms=1695718781206, whole=True)
    ]


def test_a_position_that_may_be_of_either_side_has_a_sign() -> None:
    (said,) = classic("linear", "positions", POSITION | {"posMode": "one_way_mode"})
    assert (said.positions[0].position_side, said.positions[0].quantity) == ("BOTH", "-0.1")


def test_one_strange_order_costs_no_other_but_a_strange_position_costs_the_list() -> None:
    strange, order = classic("spot", "orders", {"orderId": 7}, SPOT_ORDER | {"tradeId": ""})
    assert (strange.kind, order.order_id) == ("wrong_shape", "1")
    (said,) = classic("linear", "positions", POSITION, POSITION | {"holdSide": "net?"})
    assert said.kind == "wrong_shape"


# --- the unified system -------------------------------------------------------------------------


def test_a_unified_order_holds_totals_only() -> None:
    assert unified("linear", "order", UNIFIED_ORDER) == [
        OrderTold(
            symbol="BTCUSDT",
            order_id="77",
            status="FILLED",
            raw_status="filled",
            time_ms=1742367838115,
            side="BUY",
            order_type="MARKET",
            time_in_force="GTC",
            client_order_id="mine",
            quantity="0.001",
            filled="0.001",
            filled_quote="83.1315",
            average_price="83131.5",
            reduce_only=False,
            position_side="LONG",
            created_ms=1742367838101,
            liquidation=False,
        )
    ]


def test_a_unified_fill() -> None:
    assert unified("linear", "fill", UNIFIED_FILL) == [
        FillTold(
            symbol="BTCUSDT",
            order_id="1288888888888888888",
            trade_id="1288888888888888887",
            side="BUY",
            price="94993",
            time_ms=1736378720620,
            quantity="0.01",
            quote_quantity="949.93",
            client_order_id="1288888888888888889",
            fee="0.569958",
            fee_asset="USDT",
            maker=False,
            position_side="LONG",
            realized_pnl="0",
            liquidation=False,
        )
    ]


def test_a_long_is_closed_by_selling_in_the_unified_system() -> None:
    close = {"side": "sell", "tradeSide": "close"}
    (order,) = unified("linear", "order", UNIFIED_ORDER | close)
    (fill,) = unified("linear", "fill", UNIFIED_FILL | close)
    assert (order.side, order.position_side) == ("SELL", "LONG")
    assert (fill.side, fill.position_side) == ("SELL", "LONG")


@pytest.mark.parametrize(
    ("execution", "liquidation"),
    [
        ("normal", False),
        ("offset", False),
        ("delivery", False),
        ("reduce", True),
        ("liquidation", True),
        (None, False),
    ],
)
def test_a_unified_order_says_how_it_was_executed(
    execution: str | None, *, liquidation: bool
) -> None:
    (order,) = unified("linear", "order", UNIFIED_ORDER | {"execType": execution})
    assert order.liquidation is liquidation
    (fill,) = unified("linear", "fill", UNIFIED_FILL | {"tradeSide": "burst_sell_single"})
    assert (fill.liquidation, fill.position_side) == (True, "BOTH")


def test_each_market_is_told_its_own_of_what_one_subscription_carries() -> None:
    rows = [UNIFIED_ORDER | {"category": name} for name in ("spot", "usdt-futures", "COIN-FUTURES")]
    rows.append(UNIFIED_ORDER | {"category": "usdc-futures"})
    for market in get_args(Market):
        assert len(unified(market, "order", *rows)) == 1
    assert unified("spot", "fill", UNIFIED_FILL) == []
    assert unified("linear", "fill", UNIFIED_FILL | {"category": "margin"}) == []


def test_a_unified_spot_market_buy_is_of_the_quote_coin() -> None:
    row = UNIFIED_ORDER | {"category": "spot", "qty": "1000", "holdMode": "one_way_mode"}
    (order,) = unified("spot", "order", row)
    assert (order.quantity, order.position_side) == (UNSET, UNSET)


def test_unified_balances_serve_every_market() -> None:
    usdt = {"debts": "0", "balance": "354411.45536458", "available": "344282.65536458",
            "borrow": "0", "locked": "10128.8", "equity": "344282.65536458", "coin": "USDT",
            "usdValue": "343866.07335159"}  # fmt: skip
    for market in get_args(Market):
        assert unified(market, "account", {"totalEquity": "1", "coin": [usdt]}) == [
            BalancesTold(
                balances=(Balance("USDT", "344282.65536458", "10128.8", "354411.45536458"),),
                time_ms=1695718781206,
            )
        ]


def test_a_unified_position_says_when_it_has_ended() -> None:
    (said,) = unified("linear", "position", UNIFIED_POSITION | {"size": "0.3"})
    (position,) = said.positions
    assert (position.symbol, position.position_side, position.quantity) == ("BTCUSDT", "LONG", "0")
    assert not said.whole


def test_whose_a_unified_position_is_follows_from_the_catalog_or_the_margin() -> None:
    coin = UNIFIED_POSITION | {"symbol": "BTCUSD", "marginCoin": "BTC"}
    usdc = UNIFIED_POSITION | {"symbol": "BTCPERP", "marginCoin": "USDC"}
    nobody = UNIFIED_POSITION | {"symbol": "NEWUSDT", "marginCoin": ""}
    rows = (UNIFIED_POSITION, coin, usdc, nobody)
    known: Catalog = {
        "NEWUSDT": Instrument(
            "bitget", "linear", "NEWUSDT", "perpetual", "NEW", "USDT", "USDT", "trading"
        )
    }

    def symbols(market: Market, catalog: Catalog = NONE) -> list[str]:
        said = unified(market, "position", *rows, catalog=catalog)
        return [each.symbol for one in said for each in one.positions]

    assert symbols("linear") == ["BTCUSDT"]
    assert symbols("linear", known) == ["BTCUSDT", "NEWUSDT"]
    assert symbols("inverse") == ["BTCUSD"]
    # Spot has the same names, and no positions.
    assert symbols("spot", {"BTCUSDT": known["NEWUSDT"]}) == []


# --- the rest -----------------------------------------------------------------------------------


def test_what_comes_by_another_channel_is_a_notice() -> None:
    assert classic("linear", "positions-history", {"posId": "1"}) == [
        Notice("other", "positions-history")
    ]
    fast = pushed({"instType": "UTA", "topic": "fast-fill"}, UNIFIED_FILL)
    assert told("linear", fast, NONE) == (Notice("other", "fast-fill"),)


def test_what_is_of_another_product_is_not_ours() -> None:
    arg = {"instType": "USDC-FUTURES", "channel": "orders", "instId": "default"}
    assert told("linear", pushed(arg, [FUTURES_ORDER]), NONE) == (
        Notice("other", "of another product: USDC-FUTURES"),
    )


def test_what_is_not_known_is_said() -> None:
    assert classic("spot", "somethingNew", {}) == [Unreadable("unknown_type", "somethingNew")]
    (problem,) = told("spot", b'{"arg":{"instType":"SPOT"},"data":[]}', NONE)
    assert isinstance(problem, Unreadable)
    assert problem.kind == "wrong_shape"


_texts = st.sampled_from([*SPOT_ORDER, *UNIFIED_ORDER, *POSITION, "coin", "", "1e9", "1" * 60])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=8,
)


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    for market in get_args(Market):
        assert told(market, data, NONE)


@given(
    st.sampled_from(["orders", "fill", "account", "positions", "order", "position"]),
    st.sampled_from([SPOT_ORDER, FUTURES_ORDER, SPOT_FILL, POSITION, UNIFIED_ORDER, UNIFIED_FILL]),
    st.dictionaries(st.sampled_from([*FUTURES_ORDER, *UNIFIED_ORDER]), _values, max_size=3),
)
def test_no_row_raises(channel: str, row: dict[str, Any], changes: dict[str, Any]) -> None:
    for market in get_args(Market):
        for said in (
            classic(market, channel, row | changes),
            unified(market, channel, row | changes),
        ):
            assert isinstance(said, list)
