"""Account events in the shapes of older backends' contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from common.model.account import (
    AccountEvent,
    AccountPosition,
    Balance,
    BalanceUpdate,
    ExecutionReport,
    Fill,
    PositionUpdate,
)
from common.model.streams import Market
from common.publish.compat_account import OnPaper, account_message

WHERE: dict[str, Any] = {"exchange": "binance", "market": "spot", "account_id": "u-1"}
REPORT = ExecutionReport(
    **WHERE, event_ms=30, symbol="BTCUSDT", order_id="17", status="PARTIALLY_FILLED",
    raw_status="PARTIALLY_FILLED", side="BUY", order_type="LIMIT", time_in_force="GTC",
    client_order_id="D-BO-1", price="100", quantity="2", cumulative_quantity="0.5",
    cumulative_quote="49.5", average_price="99", created_ms=10, order_ms=20, message_id="m-1",
)  # fmt: skip


def told(event: AccountEvent | OnPaper) -> Any:
    message = account_message(event)
    assert message is not None
    assert message.channel == "u-1"
    return json.loads(message.text)


def at(event: Any, exchange: str, market: Market, **more: Any) -> Any:
    return replace(event, exchange=exchange, market=market, **more)


# --- the shapes that all share ------------------------------------------------------------------


def test_a_report() -> None:
    assert told(REPORT) == {
        "eventType": "executionReport",
        "eventTime": 30,
        "creationTime": 10,
        "orderTime": 20,
        "symbol": "BTCUSDT",
        "orderId": "17",
        "newClientOrderId": "D-BO-1",
        "originalClientOrderId": "D-BO-1",
        "orderStatus": "PARTIALLY_FILLED",
        "orderType": "LIMIT",
        "side": "BUY",
        "price": "99",
        "quantity": "2",
        "totalTradeQuantity": "0.5",
        "totalQuoteTradeQuantity": "49.5",
        "uniqueMessageId": "m-1",
        "liquidation": False,
    }


def test_an_order_of_which_nothing_is_filled_has_its_limit_as_price() -> None:
    new = replace(REPORT, status="NEW", cumulative_quantity="0", cumulative_quote="0")
    for average in (UNSET, "0", "0.00"):
        body = told(replace(new, average_price=average))
        assert (body["price"], body["totalTradeQuantity"]) == ("100", "0")
        assert not float(body["totalQuoteTradeQuantity"])


def test_what_an_exchange_does_not_tell_has_a_place_all_the_same() -> None:
    bare = ExecutionReport(
        **WHERE, event_ms=30, symbol="BTCUSDT", order_id="17", status="NEW", raw_status="NEW"
    )
    body = told(bare)
    assert body.keys() == told(REPORT).keys()
    assert body["liquidation"] is False
    assert told(replace(bare, liquidation=True))["liquidation"] is True
    assert (body["creationTime"], body["orderTime"]) == (30, 30)
    assert (body["newClientOrderId"], body["orderType"], body["price"]) == ("", "MARKET", "0")


def test_a_cancel_is_found_by_the_id_of_the_order() -> None:
    body = told(replace(REPORT, status="CANCELED", original_client_order_id="the request's"))
    assert body["originalClientOrderId"] == "D-BO-1"


@pytest.mark.parametrize("status", ["REJECTED", "EXPIRED"])
def test_ends_that_backends_know_of_one_exchange_only(status: Any) -> None:
    assert told(replace(REPORT, status=status))["orderStatus"] == status
    assert told(at(REPORT, "bybit", "spot", status=status))["orderStatus"] == "CANCELED"


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_a_status_that_nobody_knows_is_not_guessed(market: Market) -> None:
    assert account_message(at(REPORT, "binance", market, status="UNKNOWN")) is None


@pytest.mark.parametrize(
    ("exchange", "market", "symbol", "theirs"),
    [
        ("okx", "linear", "BTC-USDT-SWAP", "BTC-USDT"),
        ("okx", "inverse", "BTC-USD-SWAP", "BTC-USD"),
        ("kucoin", "linear", "XBTUSDTM", "BTCUSDT"),
    ],
)
def test_where_they_count_contracts_the_worth_is_of_contracts_too(
    exchange: str, market: Market, symbol: str, theirs: str
) -> None:
    body = told(
        at(REPORT, exchange, market, symbol=symbol, contracts="200", cumulative_contracts="50")
    )
    assert body["symbol"] == theirs
    assert (body["quantity"], body["totalTradeQuantity"]) == ("200", "50")
    # They divide one by the other.
    assert float(body["totalQuoteTradeQuantity"]) / 50 == 99


def test_where_they_count_the_base_asset_contracts_are_left_out() -> None:
    body = told(at(REPORT, "bybit", "inverse", contracts="200", cumulative_contracts="50"))
    assert (body["quantity"], body["totalTradeQuantity"]) == ("2", "0.5")
    assert body["totalQuoteTradeQuantity"] == "49.5"


def test_balances() -> None:
    position = AccountPosition(
        **WHERE,
        event_ms=30,
        updated_ms=20,
        message_id="m-2",
        balances=(
            Balance("BTC", free="1.5", locked="0.5"),
            Balance("ETH", free="3", total="3.25"),
            Balance("SOL", locked="1", total="4.0"),
            Balance("XRP", free="7"),
            Balance("ADA", total="9"),
        ),
    )
    assert told(position) == {
        "eventType": "outboundAccountPosition",
        "eventTime": 30,
        "lastAccountUpdate": 20,
        "balances": [
            {"asset": "BTC", "free": "1.5", "locked": "0.5"},
            {"asset": "ETH", "free": "3", "locked": "0.25"},
            {"asset": "SOL", "free": "3.0", "locked": "1"},
            {"asset": "XRP", "free": "7", "locked": "0"},
        ],
        "uniqueMessageId": "m-2",
    }
    nothing = replace(position, balances=(Balance("ADA", total="9"),))
    assert account_message(nothing) is None, "neither free nor locked is known"


def test_a_change_of_a_balance() -> None:
    update = BalanceUpdate(**WHERE, event_ms=30, asset="BTC", delta="-1", message_id="m-3")
    assert told(update) == {
        "eventType": "balanceUpdate",
        "asset": "BTC",
        "balanceDelta": "-1",
        "clearTime": 30,
        "eventTime": 30,
        "uniqueMessageId": "m-3",
    }
    assert told(replace(update, cleared_ms=25))["clearTime"] == 25
    assert account_message(at(update, "binance", "linear")) is None


def test_ours_that_they_do_not_know_come_under_names_they_leave_alone() -> None:
    okx: dict[str, Any] = WHERE | {"exchange": "okx", "market": "linear"}
    fill = Fill(
        **okx, event_ms=30, symbol="BTC-USDT-SWAP", order_id="17", trade_id="5", side="BUY",
        price="99", fee="0.1", fee_asset="USDT",
    )  # fmt: skip
    position = PositionUpdate(
        **okx, event_ms=30, symbol="BTC-USDT-SWAP", position_side="BOTH", quantity="1"
    )
    for event, name in ((fill, "fill"), (position, "positionUpdate")):
        body = told(event)
        assert (body["eventType"], body["symbol"]) == (name, "BTC-USDT")
        message = account_message(event)
        assert message is not None
        # They look for these words in the text before they read it.
        assert "executionReport" not in message.text
        assert "ORDER_TRADE_UPDATE" not in message.text
    assert told(fill)["feeAsset"] == "USDT"


# --- Binance's futures --------------------------------------------------------------------------


def test_an_order_of_futures() -> None:
    report = at(REPORT, "binance", "linear", position_side="LONG", reduce_only=True)
    assert told(report) == {
        "eventType": "ORDER_TRADE_UPDATE",
        "eventTime": 30,
        "transactionTime": 20,
        "orderTime": 20,
        "symbol": "BTCUSDT",
        "orderId": "17",
        "clientOrderId": "D-BO-1",
        "orderStatus": "PARTIALLY_FILLED",
        "orderType": "LIMIT",
        "side": "BUY",
        "timeInForce": "GTC",
        "price": "100",
        "averagePrice": "99",
        "stopPrice": "0",
        "quantity": "2",
        "totalTradeQuantity": "0.5",
        "isReduceOnly": True,
        "positionSide": "LONG",
        "uniqueMessageId": "m-1",
        "liquidation": False,
    }


def test_inverse_futures_count_contracts() -> None:
    report = at(REPORT, "binance", "inverse", contracts="20", cumulative_contracts="5")
    assert (told(report)["quantity"], told(report)["totalTradeQuantity"]) == ("20", "5")


def test_a_wallet_of_futures() -> None:
    position = AccountPosition(
        **WHERE | {"market": "linear"},
        event_ms=30,
        message_id="m-4",
        balances=(Balance("USDT", free="7", total="10"), Balance("BNB", total="2"), Balance("X")),
    )
    body = told(position)
    assert (body["eventType"], body["positions"]) == ("ACCOUNT_UPDATE", [])
    assert body["balances"] == [
        {
            "asset": asset,
            "walletBalance": held,
            "crossWalletBalance": held,
            "balanceChange": "0",
        }
        for asset, held in (("USDT", "10"), ("BNB", "2"))
    ]
    assert account_message(replace(position, balances=(Balance("X"),))) is None


def test_a_position_of_futures() -> None:
    position = PositionUpdate(
        **WHERE | {"market": "inverse"}, event_ms=30, symbol="BTCUSD_PERP", position_side="BOTH",
        quantity="-0.01", contracts="-6", entry_price="60000", unrealized_pnl="1.5",
        margin_type="isolated", margin="0.001", message_id="m-5",
    )  # fmt: skip
    body = told(position)
    assert (body["eventType"], body["balances"]) == ("ACCOUNT_UPDATE", [])
    assert body["positions"] == [
        {
            "symbol": "BTCUSD_PERP",
            "positionAmount": "-6",
            "entryPrice": "60000",
            "accumulatedRealized": "0",
            "unrealizedPnL": "1.5",
            "marginType": "isolated",
            "isolatedWallet": "0.001",
            "positionSide": "BOTH",
        }
    ]


def test_an_amount_that_is_no_number_is_no_message() -> None:
    broken = at(REPORT, "okx", "linear", average_price="?", cumulative_contracts="1")
    with pytest.raises(ArithmeticError):
        account_message(broken)


# --- on paper -----------------------------------------------------------------------------------


def test_on_paper_all_markets_are_alike() -> None:
    report = at(REPORT, "binance", "linear", status="EXPIRED")
    body = told(OnPaper(report))
    assert (body["eventType"], body["orderStatus"]) == ("executionReport", "EXPIRED")
    assert told(OnPaper(at(REPORT, "okx", "linear")))["quantity"] == "2"


def test_on_paper_inverse_counts_contracts() -> None:
    report = at(
        REPORT, "bybit", "inverse", contracts="20", cumulative_contracts="5", quantity=UNSET,
        cumulative_quantity="0.05",
    )  # fmt: skip
    body = told(OnPaper(report))
    assert (body["quantity"], body["totalTradeQuantity"]) == ("20", "5")
    assert body["totalQuoteTradeQuantity"] == "495"
