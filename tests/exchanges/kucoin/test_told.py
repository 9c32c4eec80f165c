"""KuCoin's account events, of classic accounts: frames in, exact events out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from common.exchanges.kucoin.told import TOPICS, told
from common.exchanges.kucoin.words import STATUSES, is_ours
from common.exchanges.private import (
    BalancesTold,
    DeltaTold,
    FillTold,
    Heard,
    OrderTold,
    Position,
    PositionsTold,
)
from common.exchanges.protocol import Notice, Unreadable
from common.model.account import Balance, ExecutionReport
from common.model.instruments import Catalog, Instrument
from common.model.streams import Market
from common.recovery.orders import Orders
from common.recovery.reports import Account

NONE: Catalog = {}
LINEAR: Catalog = {
    "ETHUSDTM": Instrument(
        "kucoin", "linear", "ETHUSDTM", "perpetual", "ETH", "USDT", "USDT", "trading",
        contract_size="0.01", contract_unit="ETH",
    ),
    "XBTUSDTM": Instrument(
        "kucoin", "linear", "XBTUSDTM", "perpetual", "BTC", "USDT", "USDT", "trading",
        contract_size="0.001", contract_unit="BTC",
    ),
}  # fmt: skip
COIN: Catalog = {
    "XBTUSDM": Instrument(
        "kucoin", "inverse", "XBTUSDM", "perpetual", "BTC", "USD", "BTC", "trading",
        contract_size="1", contract_unit="USD",
    )
}  # fmt: skip

SPOT_ORDERS, BALANCES = TOPICS["spot"]
FUTURES_ORDERS, WALLET, POSITIONS = TOPICS["linear"]

SPOT: dict[str, Any] = {
    "symbol": "KCS-USDT", "orderType": "limit", "side": "sell",
    "orderId": "5efab07953bdea00089965fa", "liquidity": "taker", "type": "match",
    "feeType": "takerFee", "orderTime": 1593487482038606180, "size": "0.1", "filledSize": "0.04",
    "price": "0.938", "matchPrice": "0.96738", "matchSize": "0.04",
    "tradeId": "5efab07a4ee4c7000a82d6d9", "clientOid": "1593487481000313", "remainSize": "0.06",
    "status": "match", "originSize": "0.1", "ts": 1593487482038606180,
}  # fmt: skip
FUTURES: dict[str, Any] = {
    "symbol": "ETHUSDTM", "orderType": "market", "side": "buy", "canceledSize": "0",
    "orderId": "416204113500479490", "positionSide": "LONG", "liquidity": "taker",
    "marginMode": "ISOLATED", "type": "match", "feeType": "takerFee",
    "orderTime": "1772043995356345762", "size": "3", "filledSize": "2", "price": "0",
    "matchPrice": "2068.55", "matchSize": "2", "remainSize": "1", "tradeId": "1815302608109",
    "clientOid": "9f7a2be0-effe-45bd-bdc8-1614715a583a", "tradeType": "trade", "status": "match",
    "ts": 1772043995362000000,
}  # fmt: skip
BALANCE: dict[str, Any] = {
    "accountId": "548674591753", "currency": "USDT", "total": "21.133773386762",
    "available": "20.132773386762", "hold": "1.001", "availableChange": "-0.5005",
    "holdChange": "0.5005", "relationEvent": "trade.hold",
    "relationEventId": "354689988084000", "time": "1730269283892",
}  # fmt: skip
WALLET_NOW: dict[str, Any] = {
    "crossPosMargin": "0", "isolatedOrderMargin": "18.1188", "holdBalance": "0",
    "equity": "81.273621258", "version": "1337", "availableBalance": "26.144281178",
    "isolatedPosMargin": "36.80984008", "walletBalance": "81.072921258", "currency": "USDT",
    "isolatedUnPnl": "0.2007", "crossOrderMargin": "0", "timestamp": "1731916996764",
}  # fmt: skip
POSITION: dict[str, Any] = {
    "symbol": "XBTUSDTM", "realLeverage": 4.9685590767, "crossMode": False,
    "currentTimestamp": 1731924561514, "currentQty": 1, "isOpen": True, "markPrice": 91839.79,
    "markValue": 91.83979, "posMargin": 18.40492004, "avgEntryPrice": 91694.5,
    "liquidationPrice": 73853.0426625, "settleCurrency": "USDT",
    "changeReason": "positionChange", "realisedPnl": 0.07210716, "unrealisedPnl": 0.14529,
    "leverage": 4.9685590767, "marginMode": "ISOLATED", "positionSide": "BOTH",
}  # fmt: skip


def hear(
    market: Market, topic: str, data: Any, catalog: Catalog = NONE, subject: str = ""
) -> tuple[Heard, ...]:
    return tuple(told(market, topic, subject, Raw(json.dumps(data).encode()), catalog))


def spot(*without: str, **changes: Any) -> Any:
    row = {name: value for name, value in (SPOT | changes).items() if name not in without}
    return hear("spot", SPOT_ORDERS, row, subject="orderChange")


def futures(market: Market = "linear", catalog: Catalog = LINEAR, **changes: Any) -> Any:
    return hear(market, FUTURES_ORDERS, FUTURES | changes, catalog, "symbolOrderChange")


def balance(**changes: Any) -> tuple[Heard, ...]:
    return hear("spot", BALANCES, BALANCE | changes, subject="account.balance")


def position(
    market: Market = "linear", catalog: Catalog = LINEAR, **changes: Any
) -> tuple[Heard, ...]:
    topic = f"/contract/position:{(POSITION | changes)['symbol']}"
    return hear(market, topic, POSITION | changes, catalog, "position.change")


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
    [("trade", False), ("liquid", True), ("adl", True), ("settlement", False)],
)
def test_what_the_exchange_trades_to_end_a_position(kind: str, *, liquidation: bool) -> None:
    fill, order = futures(tradeType=kind)
    assert (fill.liquidation, order.liquidation) == (liquidation, liquidation)


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


# --- the rest -----------------------------------------------------------------------------------


def test_what_is_not_known_is_said() -> None:
    assert hear("spot", "/margin/position", {}) == (Unreadable("unknown_type", "/margin/position"),)
    for changes in ({"filledSize": None}, {"size": 3}, {"ts": "soon"}, {"orderId": 7}):
        (problem,) = spot(**changes)
        assert isinstance(problem, Unreadable), changes
        assert problem.kind == "wrong_shape"
    (broken,) = told("spot", SPOT_ORDERS, "", Raw(b'{"symbol"'), NONE)
    assert isinstance(broken, Unreadable)


@given(st.binary(max_size=60), st.sampled_from([(m, t) for m, ts in TOPICS.items() for t in ts]))
def test_no_bytes_raise(data: bytes, place: tuple[Market, str]) -> None:
    market, topic = place
    assert told(market, topic, "position.change", Raw(data), NONE)
    assert told(market, topic, "walletBalance.change", Raw(data), NONE)


@pytest.mark.parametrize(
    ("symbol", "market"),
    [
        ("SOLUSDTM", "linear"),
        ("SOLUSDCM", "linear"),
        ("SOLUSDM", "inverse"),
        # They expire: the month and the year are at the end.
        ("XBTUSDTMZ26", "linear"),
        ("XBTUSDCMH27", "linear"),
        ("XBTMZ26", "inverse"),
    ],
)
def test_a_contract_that_is_not_listed_is_told_to_its_market_only(
    symbol: str, market: Market
) -> None:
    for asked in ("linear", "inverse"):
        assert is_ours(asked, symbol, NONE) is (asked == market)
