"""Bybit's private pushes: frames in, exact events out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.bybit.rows import EXECUTIONS, STATUSES
from common.exchanges.bybit.told import told
from common.exchanges.private import Heard
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, Position, PositionsTold
from common.model.account import TERMINAL, Balance
from common.model.instruments import Catalog, Instrument
from common.model.streams import MARKETS, Market

ORDER = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "orderId": "abcdef123456",
    "orderLinkId": "client-1",
    "side": "Buy",
    "orderType": "Limit",
    "price": "30000",
    "qty": "0.010",
    "timeInForce": "GTC",
    "orderStatus": "Cancelled",
    "cancelType": "CancelByUser",
    "rejectReason": "EC_NoError",
    "leavesQty": "0.000",
    "cumExecQty": "0",
    "cumExecValue": "0",
    "avgPrice": "",
    "positionIdx": 0,
    "reduceOnly": False,
    "stopOrderType": "",
    "triggerPrice": "",
    "createType": "CreateByUser",
    "createdTime": "1700000000000",
    "updatedTime": "1700000005000",
}
FILL = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "execFee": "26.3725275",
    "execId": "0ab1bdf7-4219-438b-b30a-32ec863018f7",
    "execPrice": "95900.1",
    "execQty": "0.5",
    "execType": "Trade",
    "execValue": "47950.05",
    "leavesQty": "0",
    "orderId": "9aac161b-8ed6-450d-9cab-c5cc67c21784",
    "orderLinkId": "",
    "orderPrice": "94942.5",
    "orderQty": "0.5",
    "orderType": "Market",
    "side": "Sell",
    "execTime": "1746270400353",
    "isMaker": False,
    "seq": 140612148849382,
    "execPnl": "0.05",
    "createType": "CreateByUser",
    "feeCurrency": "USDT",
}
POSITION = {
    "positionIdx": 0,
    "tradeMode": 0,
    "symbol": "ETHUSDT",
    "category": "linear",
    "side": "Sell",
    "size": "0.01",
    "entryPrice": "3641.075",
    "leverage": "30",
    "positionValue": "36.42075",
    "markPrice": "3641.33",
    "unrealisedPnl": "-0.00255",
    "curRealisedPnl": "0.0094814",
    "cumRealisedPnl": "-25.06579337",
    "liqPrice": "51764.83003276",
    "updatedTime": "1762199125472",
    "seq": 325852190774,
}
COIN = {
    "coin": "USDT",
    "equity": "101",
    "walletBalance": "100.5",
    "locked": "2",
    "totalOrderIM": "10",
    "totalPositionIM": "20.25",
    "bonus": "0",
}
INVERSE = Instrument(
    exchange="bybit",
    market="inverse",
    symbol="BTCUSD",
    kind="perpetual",
    base="BTC",
    quote="USD",
    settle="BTC",
    trading="trading",
    contract_size="1",
    contract_unit="USD",
)
SPOT = Instrument(
    exchange="bybit",
    market="spot",
    symbol="BTCUSDT",
    kind="spot",
    base="BTC",
    quote="USDT",
    settle="USDT",
    trading="trading",
)


def push(topic: str, *rows: Mapping[str, Any]) -> bytes:
    frame = {"topic": topic, "id": "1", "creationTime": 1700000007000, "data": rows}
    return json.dumps(frame).encode()


def of_order(market: Market = "linear", catalog: Catalog | None = None, **fields: Any) -> OrderTold:
    (event,) = told(market, push("order", {**ORDER, "category": market, **fields}), catalog or {})
    assert isinstance(event, OrderTold)
    return event


def of_fill(market: Market = "linear", catalog: Catalog | None = None, **fields: Any) -> FillTold:
    (event,) = told(
        market, push("execution", {**FILL, "category": market, **fields}), catalog or {}
    )
    assert isinstance(event, FillTold)
    return event


def of_position(market: Market = "linear", **fields: Any) -> Position:
    (event,) = told(market, push("position", {**POSITION, "category": market, **fields}), {})
    assert isinstance(event, PositionsTold)
    (position,) = event.positions
    return position


# --- orders -------------------------------------------------------------------------------------


def test_an_order() -> None:
    assert told("linear", push("order", ORDER), {}) == [
        OrderTold(
            symbol="BTCUSDT",
            order_id="abcdef123456",
            status="CANCELED",
            raw_status="Cancelled",
            time_ms=1700000005000,
            side="BUY",
            order_type="LIMIT",
            time_in_force="GTC",
            client_order_id="client-1",
            price="30000",
            quantity="0.010",
            filled="0",
            filled_quote="0",
            reduce_only=False,
            position_side="BOTH",
            reason="CancelByUser",
            created_ms=1700000000000,
            liquidation=False,
        )
    ]


def test_every_documented_status_is_told_and_no_other_becomes_canceled() -> None:
    documented = {
        "New": "NEW",
        "PartiallyFilled": "PARTIALLY_FILLED",
        "Untriggered": "NEW",
        "Triggered": "NEW",
        "Rejected": "REJECTED",
        "PartiallyFilledCanceled": "CANCELED",
        "Filled": "FILLED",
        "Cancelled": "CANCELED",
        "Deactivated": "CANCELED",
    }
    assert {raw: of_order(orderStatus=raw).status for raw in documented} == documented
    assert set(STATUSES) == {*documented, "Created"}
    strange = of_order(orderStatus="Active")
    assert (strange.status, strange.raw_status) == ("UNKNOWN", "Active")
    assert strange.status not in TERMINAL


@pytest.mark.parametrize("status", ["Cancelled", "PartiallyFilledCanceled"])
def test_an_order_that_was_canceled_after_fills_keeps_them(status: str) -> None:
    order = of_order(orderStatus=status, cumExecQty="0.004", cumExecValue="119.6", avgPrice="29900")
    assert (order.status, order.filled, order.filled_quote) == ("CANCELED", "0.004", "119.6")
    assert order.average_price == "29900"


def test_a_market_order_by_its_worth_has_no_quantity() -> None:
    """``qty`` is what is to be spent."""
    market_buy = {"orderType": "Market", "price": "0", "qty": "500"}
    assert of_order("spot", **market_buy, marketUnit="quoteCoin").quantity is UNSET
    assert of_order("spot", **market_buy, marketUnit="").quantity is UNSET
    assert of_order("spot", **market_buy, marketUnit="baseCoin").quantity == "500"
    assert of_order("spot", **market_buy, marketUnit="", side="Sell").quantity == "500"
    assert of_order("spot", qty="500").quantity == "500"
    assert of_order("linear", **market_buy).quantity == "500"


def test_a_market_order_has_no_limit_only_an_average() -> None:
    """Its ``price`` is how far the exchange lets it slip."""
    order = of_order(orderType="Market", price="94942.5", avgPrice="95900.1")
    assert (order.price, order.average_price) == (UNSET, "95900.1")


def test_inverse_counts_contracts_and_tells_the_base() -> None:
    """What is a value elsewhere is the base there, and the count is what it is worth."""
    fields = {
        "symbol": "BTCUSD",
        "price": "50000",
        "qty": "300",
        "orderStatus": "PartiallyFilled",
        "cumExecQty": "100",
        "cumExecValue": "0.00200401",
        "avgPrice": "49900",
    }
    order = of_order("inverse", {"BTCUSD": INVERSE}, **fields)
    assert (order.quantity, order.contracts) == ("0.00600000", "300")
    assert (order.filled, order.filled_contracts) == ("0.00200401", "100")
    assert (order.filled_quote, order.average_price) == ("100", "49900")
    unknown = of_order("inverse", {}, **fields)
    assert (unknown.quantity, unknown.contracts) == (UNSET, "300")
    assert unknown.filled == "0.00200401"
    new = of_order("inverse", {}, cumExecQty="0", cumExecValue="")
    assert (new.filled, new.filled_contracts, new.filled_quote) == ("0", "0", "0")


def test_what_does_not_apply_is_left_out() -> None:
    order = of_order(price="", avgPrice=None, triggerPrice="0.00", orderLinkId="", cancelType="")
    assert order.price is UNSET
    assert order.average_price is UNSET
    assert order.stop_price is UNSET
    assert order.client_order_id is UNSET
    assert order.reason is UNSET
    assert order.original_client_order_id is UNSET
    spot = of_order("spot")
    assert (spot.reduce_only, spot.position_side) == (UNSET, UNSET)


@pytest.mark.parametrize(("index", "side"), [(0, "BOTH"), (1, "LONG"), (2, "SHORT")])
def test_hedged_sides(index: int, side: str) -> None:
    assert of_order(positionIdx=index).position_side == side


def test_conditional_orders_tell_their_trigger() -> None:
    order = of_order(
        orderStatus="Untriggered", triggerPrice="48000.00", reduceOnly=True, orderType="Market"
    )
    assert (order.status, order.stop_price, order.reduce_only) == ("NEW", "48000.00", True)


@pytest.mark.parametrize(
    ("create_type", "liquidation"),
    [
        ("CreateByLiq", True),
        ("CreateByTakeOver_PassThrough", True),
        ("CreateByAdl_PassThrough", True),
        ("CreateByUser", False),
        ("CreateByStopLoss", False),
        ("CreateByMmRateClose", False),
    ],
)
def test_liquidations(create_type: str, *, liquidation: bool) -> None:
    assert of_order(createType=create_type).liquidation is liquidation
    assert of_fill(createType=create_type).liquidation is liquidation


def test_who_does_not_say_what_made_an_order_does_not_say_that_it_is_no_liquidation() -> None:
    assert of_order(createType="").liquidation is UNSET
    # What a trade was for is always said.
    assert of_fill(createType="").liquidation is False


def test_post_only_stays_a_limit_order_and_says_why_it_was_rejected() -> None:
    order = of_order(
        timeInForce="PostOnly", rejectReason="EC_PostOnlyWillTakeLiquidity", cancelType="UNKNOWN"
    )
    assert (order.order_type, order.time_in_force) == ("LIMIT", "POST_ONLY")
    assert order.reason == "EC_PostOnlyWillTakeLiquidity"


# --- fills --------------------------------------------------------------------------------------


def test_a_fill() -> None:
    assert told("linear", push("execution", FILL), {}) == [
        FillTold(
            symbol="BTCUSDT",
            order_id="9aac161b-8ed6-450d-9cab-c5cc67c21784",
            trade_id="0ab1bdf7-4219-438b-b30a-32ec863018f7",
            side="SELL",
            price="95900.1",
            time_ms=1746270400353,
            seq=140612148849382,
            quantity="0.5",
            quote_quantity="47950.05",
            fee="26.3725275",
            fee_asset="USDT",
            maker=False,
            realized_pnl="0.05",
            liquidation=False,
        )
    ]


def test_what_is_earned_is_below_zero() -> None:
    assert of_fill(execFee="-0.0021", isMaker=True).fee == "-0.0021"


def test_a_fee_without_its_asset() -> None:
    """Of a contract: what it settles in. On spot: what is received; a rebate is of the other."""
    spot: Catalog = {"BTCUSDT": SPOT}
    inverse: Catalog = {"BTCUSD": INVERSE}
    assert of_fill("inverse", inverse, symbol="BTCUSD", feeCurrency="").fee_asset == "BTC"
    assert of_fill("spot", spot, side="Buy", feeCurrency="").fee_asset == "BTC"
    assert of_fill("spot", spot, side="Sell", feeCurrency="").fee_asset == "USDT"
    assert of_fill("spot", spot, side="Buy", feeCurrency="", execFee="-1").fee_asset == "USDT"
    assert of_fill("spot", spot, side="Buy", feeCurrency="MNT").fee_asset == "MNT"
    assert of_fill("spot", {}, feeCurrency="").fee_asset is UNSET
    unpaid = of_fill("spot", spot, feeCurrency="", execFee="")
    assert (unpaid.fee, unpaid.fee_asset) == (UNSET, UNSET)


def test_an_inverse_fill() -> None:
    fill = of_fill("inverse", execQty="100", execValue="0.00200401", execPrice="49900")
    assert (fill.quantity, fill.contracts) == ("0.00200401", "100")
    assert fill.quote_quantity == "100"


def test_only_trades_are_fills() -> None:
    """A funding fee is no trade; what is not documented is told aloud."""
    fills = {"Trade", "BlockTrade", "AdlTrade", "BustTrade"}
    heard = {
        kind: told("linear", push("execution", {**FILL, "execType": kind}), {})[0]
        for kind in EXECUTIONS
    }
    assert {kind for kind, said in heard.items() if isinstance(said, FillTold)} == fills
    assert heard["Funding"] == Notice("other", "execution Funding")
    assert {k for k, said in heard.items() if getattr(said, "liquidation", False)} == {
        "AdlTrade",
        "BustTrade",
    }
    strange = told("linear", push("execution", {**FILL, "execType": "UNKNOWN"}), {})
    assert strange == [Unreadable("unknown_type", "execution UNKNOWN")]


def test_a_batch_is_told_in_the_order_it_happened() -> None:
    rows = [
        {**FILL, "execId": name, "execTime": time, "seq": seq}
        for name, time, seq in (("c", "3", 9), ("b", "2", 8), ("a", "2", 7))
    ]
    said = told("linear", push("execution", *rows), {})
    assert [fill.trade_id for fill in said if isinstance(fill, FillTold)] == ["a", "b", "c"]


# --- positions ----------------------------------------------------------------------------------


def test_a_position() -> None:
    assert told("linear", push("position", POSITION), {}) == [
        PositionsTold(
            positions=(
                Position(
                    symbol="ETHUSDT",
                    position_side="BOTH",
                    quantity="-0.01",
                    entry_price="3641.075",
                    mark_price="3641.33",
                    liquidation_price="51764.83003276",
                    unrealized_pnl="-0.00255",
                    realized_pnl="0.0094814",
                    leverage="30",
                ),
            ),
            time_ms=1762199125472,
        )
    ]


def test_hedged_positions_have_no_sign() -> None:
    short = of_position(positionIdx=2)
    assert (short.position_side, short.quantity) == ("SHORT", "0.01")


def test_an_inverse_position() -> None:
    short = of_position("inverse", size="300", positionValue="0.01092319")
    assert (short.quantity, short.contracts) == ("-0.01092319", "-300")


@pytest.mark.parametrize("market", ["linear", "inverse"])
def test_a_closed_position_is_zero(market: Market) -> None:
    """It has no side, and its prices say nothing."""
    closed = of_position(
        market, side="", size="0", entryPrice="", positionValue="0", leverage="", liqPrice=""
    )
    assert closed.quantity == "0"
    assert closed.contracts == ("0" if market == "inverse" else UNSET)
    assert (closed.entry_price, closed.leverage, closed.liquidation_price) == (UNSET,) * 3


# --- balances -----------------------------------------------------------------------------------


def wallet(market: Market, *coins: Mapping[str, Any], **fields: Any) -> list[Heard]:
    return list(
        told(market, push("wallet", {"accountType": "UNIFIED", **fields, "coin": coins}), {})
    )


def test_balances() -> None:
    """What contracts hold as margin can be used for nothing else there; on spot only orders hold."""
    (spot,) = wallet("spot", COIN)
    (linear,) = wallet("linear", COIN)
    assert spot == BalancesTold(
        balances=(Balance("USDT", "98.5", "2", "100.5"),), time_ms=1700000007000
    )
    assert linear == BalancesTold(
        balances=(Balance("USDT", "68.25", "2", "100.5"),), time_ms=1700000007000
    )


def test_what_is_free_is_left_out_where_it_is_not_told() -> None:
    """Portfolio margin tells none of a coin's; more margin than coins is covered by others."""
    for fields in ({"totalOrderIM": ""}, {"totalPositionIM": "500"}):
        (linear,) = wallet("linear", {**COIN, **fields})
        assert isinstance(linear, BalancesTold)
        assert linear.balances == (Balance("USDT", UNSET, "2", "100.5"),)
    (spot,) = wallet("spot", {"coin": "BREAK", "walletBalance": "201.34882644"})
    assert isinstance(spot, BalancesTold)
    assert spot.balances == (Balance("BREAK", total="201.34882644"),)


@pytest.mark.parametrize("kind", ["CONTRACT", "FUND", "SPOT"])
def test_wallets_that_nothing_is_traded_with_are_not_told(kind: str) -> None:
    assert [wallet(market, COIN, accountType=kind) for market in MARKETS] == [[], [], []]


# --- what the socket carries besides ------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(("topic", "row"), [("order", ORDER), ("execution", FILL)])
def test_only_the_markets_own_rows_are_told(
    market: Market, topic: str, row: Mapping[str, Any]
) -> None:
    """Spot and linear even share their symbols. An option's row may be of any shape."""
    rows = [{**row, "category": each} for each in MARKETS]
    said = told(market, push(topic, *rows, {"category": "option", "orderId": 1}), {})
    assert len(said) == 1
    assert not isinstance(said[0], Unreadable)


def test_topics_of_one_market_are_read_too() -> None:
    assert told("linear", push("order.linear", ORDER), {}) == told(
        "linear", push("order", ORDER), {}
    )
    (strange,) = told("linear", push("order.spot", ORDER), {})
    assert strange == Unreadable("unknown_type", "topic order.spot")


def test_one_strange_row_costs_no_other() -> None:
    said = told("linear", push("order", {**ORDER, "qty": "1e5"}, ORDER), {})
    assert [type(each) for each in said] == [Unreadable, OrderTold]


@pytest.mark.parametrize("missing", ["orderId", "orderStatus", "cumExecQty", "updatedTime", "side"])
def test_state_is_never_guessed(missing: str) -> None:
    row = {name: value for name, value in ORDER.items() if name != missing}
    (said,) = told("linear", push("order", row), {})
    assert isinstance(said, Unreadable)


@pytest.mark.parametrize(
    ("topic", "row", "name"),
    [("order", ORDER, "orderId"), ("execution", FILL, "orderId"), ("execution", FILL, "execId")],
)
def test_nothing_goes_by_an_empty_id(topic: str, row: Mapping[str, Any], name: str) -> None:
    (said,) = told("linear", push(topic, {**row, name: ""}), {})
    assert isinstance(said, Unreadable)


@given(st.binary() | st.sampled_from(["order", "execution", "position", "wallet"]).map(push))
def test_no_bytes_raise(frame: bytes) -> None:
    assert all(isinstance(each, Heard) for each in told("linear", frame, {}))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("topic", "row"),
    [
        ("order", ORDER),
        ("execution", FILL),
        ("position", POSITION),
        ("wallet", {"accountType": "UNIFIED", "coin": [COIN]}),
    ],
)
@given(data=st.data())
def test_no_field_raises(topic: str, row: Mapping[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(row)))
    frame = push(topic, {**row, name: data.draw(_JSON)})
    assert all(isinstance(each, Heard) for each in told("linear", frame, {}))
