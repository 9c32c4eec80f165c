"""What Binance's REST knows of an account: rows read, histories paged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from common.exchanges.binance import inquiries
from common.exchanges.binance.inquiries import DAY_MS, ROWS, order, since, snapshot
from common.exchanges.private import Credentials, InquiryFailed, Known
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.account import Balance
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import answered, refused
from tests.exchanges.binance.events import COIN

ACCOUNT = Credentials(Secret("k"), Secret("s"))
ORDER: dict[str, Any] = {
    "symbol": "LTCBTC", "orderId": 1, "orderListId": -1, "clientOrderId": "mine", "price": "0.1",
    "origQty": "1.0", "executedQty": "0.4", "cummulativeQuoteQty": "0.04",
    "status": "PARTIALLY_FILLED", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY",
    "stopPrice": "0.0", "icebergQty": "0.0", "time": 1499827319559, "updateTime": 1499827319600,
    "isWorking": True,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "symbol": "BNBBTC", "id": 28457, "orderId": 100234, "price": "4.00000100", "qty": "12.00000000",
    "quoteQty": "48.000012", "commission": "10.10000000", "commissionAsset": "BNB",
    "time": 1499865549590, "isBuyer": True, "isMaker": False,
}  # fmt: skip
FUTURES_TRADE: dict[str, Any] = {
    "buyer": False, "commission": "-0.07819010", "commissionAsset": "USDT", "id": 698759,
    "maker": False, "orderId": 25851813, "price": "7819.01", "qty": "0.002", "quoteQty": "15.63802",
    "realizedPnl": "-0.91539999", "side": "SELL", "positionSide": "SHORT", "symbol": "BTCUSDT",
    "time": 1569514978020,
}  # fmt: skip


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_on_spot_the_name_of_an_order_is_its_owners_alone() -> None:
    rows = [body({"balances": []}), body([ORDER | {"clientOrderId": "autoclose-1"}])]
    (_, told), _ = answered(snapshot("spot", ACCOUNT, {}), rows)
    assert isinstance(told, OrderTold)
    assert (told.client_order_id, told.liquidation) == ("autoclose-1", UNSET)


def test_a_spot_snapshot_is_balances_and_open_orders() -> None:
    account = {"balances": [{"asset": "BTC", "free": "1.0", "locked": "0.5"}], "updateTime": 9}
    told, asked = answered(snapshot("spot", ACCOUNT, {}), [body(account), body([ORDER])])
    assert told == [
        BalancesTold(balances=(Balance("BTC", "1.0", "0.5"),), time_ms=9, whole=True),
        OrderTold(
            symbol="LTCBTC",
            order_id="1",
            status="PARTIALLY_FILLED",
            raw_status="PARTIALLY_FILLED",
            time_ms=1499827319600,
            side="BUY",
            order_type="LIMIT",
            time_in_force="GTC",
            client_order_id="mine",
            price="0.1",
            quantity="1.0",
            filled="0.4",
            filled_quote="0.04",
            created_ms=1499827319559,
        ),
    ]
    assert all(request.signed for request in asked)
    assert [dict(request.cost) for request in asked] == [{"spot": 20}, {"spot": 80}]


def test_a_futures_snapshot_leaves_out_what_is_closed() -> None:
    position = {
        "symbol": "BTCUSD_PERP", "positionAmt": "-3", "entryPrice": "30000", "markPrice": "31000",
        "unRealizedProfit": "-0.0003", "liquidationPrice": "0", "leverage": "10",
        "marginType": "cross", "isolatedMargin": "0.0", "positionSide": "BOTH", "updateTime": 5,
    }  # fmt: skip
    closed = position | {"symbol": "ETHUSD_PERP", "positionAmt": "0"}
    wallet = {"asset": "BTC", "balance": "1.5", "availableBalance": "1.2", "updateTime": 4}
    (balances, positions), _ = answered(
        snapshot("inverse", ACCOUNT, COIN), [body([wallet]), body([position, closed]), b"[]"]
    )
    assert isinstance(balances, BalancesTold)
    assert balances.balances == (Balance("BTC", "1.2", total="1.5"),)
    assert isinstance(positions, PositionsTold)
    (only,) = positions.positions
    assert (only.contracts, only.quantity, only.margin_type) == ("-3", "-0.01000000", "cross")
    assert (positions.whole, only.liquidation_price) == (True, UNSET)


def test_fills_since_come_before_the_state_they_led_to() -> None:
    known = Known(since_ms=1499827000000, until_ms=1499828000000, symbols={"LTCBTC"})
    trade = TRADE | {"symbol": "LTCBTC", "orderId": 1, "time": ORDER["updateTime"]}
    told, asked = answered(since("spot", ACCOUNT, {}, known), [body([trade]), body([ORDER])])
    assert [type(one) for one in told] == [FillTold, OrderTold]
    assert dict(asked[0].params) == {
        "symbol": "LTCBTC",
        "startTime": "1499827000000",
        "endTime": "1499827999999",
        "limit": "1000",
    }


def test_fees_are_costs_whatever_their_sign() -> None:
    known = Known(since_ms=1569514900000, until_ms=1569515000000, symbols={"BTCUSDT"})
    (fill,), _ = answered(
        since("linear", ACCOUNT, {}, known), [b"[]", body([FUTURES_TRADE]), b"[]"]
    )
    assert isinstance(fill, FillTold)
    assert (fill.fee, fill.side, fill.position_side) == ("0.07819010", "SELL", "SHORT")


def test_a_trade_nobody_knows_of_is_found_by_its_fee(monkeypatch: pytest.MonkeyPatch) -> None:
    """On futures trades are listed by symbol, and fees are not."""
    monkeypatch.setattr(inquiries, "ROWS", 2)
    known = Known(since_ms=1569514900000, until_ms=1569515000000)
    fees = [
        {"symbol": "BTCUSDT", "incomeType": "COMMISSION", "income": "-0.1", "time": 1569514960000},
        {"symbol": "ETHUSDT", "incomeType": "COMMISSION", "income": "-0.1", "time": 1569514970000},
    ]
    told, asked = answered(
        since("linear", ACCOUNT, {}, known),
        [body(fees), body(fees[1:]), body([FUTURES_TRADE]), b"[]", b"[]", b"[]"],
    )
    assert [type(one) for one in told] == [FillTold]
    assert dict(asked[0].params) == {
        "incomeType": "COMMISSION",
        "startTime": "1569514900000",
        "endTime": "1569514999999",
        "limit": "2",
    }
    assert asked[1].params["startTime"] == "1569514970000"
    assert [each.params["symbol"] for each in asked[2:]] == [
        "BTCUSDT",
        "BTCUSDT",
        "ETHUSDT",
        "ETHUSDT",
    ]


def test_a_long_time_is_asked_day_by_day_and_a_full_answer_goes_on_by_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inquiries, "ROWS", 2)
    known = Known(since_ms=0, until_ms=DAY_MS + 10, symbols={"BNBBTC"})
    trades = [TRADE | {"id": number, "time": number} for number in range(1, 4)]
    told, asked = answered(
        since("spot", ACCOUNT, {}, known),
        [body(trades[:2]), body(trades[2:]), b"[]", b"[]", b"[]"],
    )
    assert [one.trade_id for one in told if isinstance(one, FillTold)] == ["1", "2", "3"]
    assert dict(asked[1].params) == {"symbol": "BNBBTC", "limit": "2", "fromId": "3"}
    starts = [request.params.get("startTime") for request in asked]
    assert starts == ["0", None, str(DAY_MS), "0", str(DAY_MS)]


def test_what_lies_behind_the_stretch_ends_it() -> None:
    """Pages by id know no end: a day that is full may run into the next."""
    rows = [TRADE | {"id": number, "time": DAY_MS - 1} for number in range(ROWS)]
    later = [TRADE | {"id": ROWS, "time": DAY_MS}] * ROWS
    known = Known(since_ms=0, until_ms=DAY_MS, symbols={"BNBBTC"})
    told, _ = answered(since("spot", ACCOUNT, {}, known), [body(rows), body(later), b"[]"])
    assert len(told) == ROWS


def test_one_order_comes_with_its_fills() -> None:
    told, asked = answered(
        order("spot", ACCOUNT, {}, "BNBBTC", "100234"), [body(ORDER), body([TRADE])]
    )
    assert [type(one) for one in told] == [FillTold, OrderTold]
    assert {request.params["orderId"] for request in asked} == {"100234"}


@pytest.mark.parametrize("market", ["spot", "inverse"])
def test_all_trades_of_an_order_are_asked_for_however_many(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an id to begin with the latest are told, 50 on COIN-M where nobody says how many."""
    monkeypatch.setattr(inquiries, "ROWS", 2)
    rows = [(TRADE if market == "spot" else FUTURES_TRADE) | {"id": number} for number in (4, 5, 6)]
    told, asked = answered(
        order(market, ACCOUNT, {}, "BNBBTC", "100234"),
        [body(ORDER), body(rows[1:]), body(rows[:2]), body(rows[2:])],
    )
    assert [one.trade_id for one in told if isinstance(one, FillTold)] == ["4", "5", "6"]
    own = {"symbol": "BNBBTC", "orderId": "100234", "limit": "2"}
    assert [dict(each.params) for each in asked[1:]] == [
        own,
        own | {"fromId": "0"},
        own | {"fromId": "6"},
    ]


def test_a_full_page_that_comes_again_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind it was not read: who took it for nothing would never ask for it again."""
    monkeypatch.setattr(inquiries, "ROWS", 2)
    known = Known(since_ms=0, until_ms=DAY_MS, symbols={"BNBBTC"})
    trades = body([TRADE | {"id": number, "time": number} for number in (1, 2)])
    orders = body([ORDER | {"orderId": number, "time": number} for number in (1, 2)])
    with pytest.raises(InquiryFailed, match="myTrades"):
        answered(since("spot", ACCOUNT, {}, known), [trades, trades])
    with pytest.raises(InquiryFailed, match="allOrders"):
        answered(since("spot", ACCOUNT, {}, known), [b"[]", orders, orders])
    with pytest.raises(InquiryFailed, match="myTrades"):
        answered(order("spot", ACCOUNT, {}, "BNBBTC", "1"), [body(ORDER), *[trades] * 3])
    fees = body([{"symbol": "BTCUSDT", "time": 5}, {"symbol": "BTCUSDT", "time": 5}])
    with pytest.raises(InquiryFailed, match="income") as failed:
        answered(since("linear", ACCOUNT, {}, Known(since_ms=5, until_ms=9)), [fees])
    assert failed.value.trouble == "transient"


def test_a_symbol_that_is_not_listed_any_more_costs_no_other() -> None:
    known = Known(since_ms=0, until_ms=DAY_MS, symbols={"BNBBTC", "GONEBTC"})
    gone = refused("HTTP 400 -1121 Invalid symbol.")
    told, asked = answered(
        since("spot", ACCOUNT, {}, known), [body([TRADE | {"time": 5}]), b"[]", gone]
    )
    assert [one.symbol for one in told if isinstance(one, FillTold)] == ["BNBBTC"]
    assert [each.params["symbol"] for each in asked] == ["BNBBTC", "BNBBTC", "GONEBTC"]
    assert answered(order("spot", ACCOUNT, {}, "GONEBTC", "1"), [gone])[0] == []
    with pytest.raises(InquiryFailed):
        answered(since("spot", ACCOUNT, {}, known), [refused("HTTP 400 -1127 Too long.")])


def test_an_order_may_be_forgotten_and_any_other_failure_is_one() -> None:
    asked = order("spot", ACCOUNT, {}, "BNBBTC", "1")
    assert answered(asked, [refused("HTTP 400 -2013 Order does not exist.")])[0] == []
    with pytest.raises(InquiryFailed):
        answered(order("spot", ACCOUNT, {}, "BNBBTC", "1"), [refused("HTTP 500")])
