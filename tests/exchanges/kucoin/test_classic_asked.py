"""What KuCoin's REST knows of a classic account: rows read, histories paged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.kucoin import classic_asked, ledger
from common.exchanges.kucoin.account import RULES
from common.exchanges.kucoin.asking import SPAN_MS
from common.exchanges.kucoin.classic_asked import order, since, snapshot
from common.exchanges.kucoin.rest import rest_failure
from common.exchanges.private import InquiryFailed, Known
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.account import Balance
from tests.exchanges.asking import Answer, answered, refused
from tests.exchanges.kucoin.answers import ACCOUNT, body
from tests.exchanges.kucoin.pushes import COIN, LINEAR, POSITION

ORDER: dict[str, Any] = {
    "id": "6717422bd51c29000775ea03", "clientOid": "5c52e11203aa677f33e493fb",
    "symbol": "BTC-USDT", "opType": "DEAL", "type": "limit", "side": "buy", "price": "70000",
    "size": "0.00002", "funds": "1.4", "dealSize": "0.00001", "dealFunds": "0.677176",
    "fee": "0.000677176", "feeCurrency": "USDT", "stp": None, "timeInForce": "GTC",
    "cancelExist": False, "tradeType": "TRADE", "inOrderBook": True, "active": True,
    "createdAt": 1729577515444, "lastUpdatedAt": 1729577515481,
}  # fmt: skip
FILL: dict[str, Any] = {
    "id": 19814995255305, "symbol": "BTC-USDT", "tradeId": 11029373945659392,
    "orderId": "6717422bd51c29000775ea03", "side": "buy", "liquidity": "taker",
    "price": "67717.6", "size": "0.00001", "funds": "0.677176", "fee": "0.000677176",
    "feeRate": "0.001", "feeCurrency": "USDT", "tradeType": "TRADE", "createdAt": 1729577515473,
}  # fmt: skip
FUTURES_ORDER: dict[str, Any] = {
    "id": "64507d02921f1c0001ff6892", "symbol": "XBTUSDTM", "type": "market", "side": "buy",
    "price": None, "size": 1, "value": "27.992", "dealValue": "27.992", "dealSize": 1,
    "stopPrice": None, "timeInForce": "GTC", "closeOrder": False, "clientOid": None,
    "isActive": False, "cancelExist": False, "createdAt": 1682996482000,
    "updatedAt": 1682996483062, "orderTime": 1682996482953900677, "settleCurrency": "USDT",
    "status": "done", "filledValue": "27.992", "filledSize": 1, "reduceOnly": False,
    "avgDealPrice": "27992",
}  # fmt: skip
FUTURES_FILL: dict[str, Any] = {
    "symbol": "XBTUSDTM", "tradeId": "1828954878212", "orderId": "64507d02921f1c0001ff6892",
    "side": "buy", "liquidity": "taker", "price": "27992", "size": 1, "value": "27.992",
    "fee": "0.05176506", "feeCurrency": "USDT", "tradeType": "trade",
    "tradeTime": 1682996483062000000, "createdAt": 1682996483427,
}  # fmt: skip
INVERSE_FILL: dict[str, Any] = {
    "symbol": "XBTUSDM", "tradeId": "5ce24c1f0c19fc3c58edc47c",
    "orderId": "5ce24c16b210233c36ee321d", "side": "sell", "liquidity": "maker",
    "price": "8302", "size": 10, "value": "0.001204529", "fee": "-0.0000012022",
    "feeCurrency": "XBT", "tradeType": "adl", "tradeTime": 1558334496000000000,
    "createdAt": 1558334496000,
}  # fmt: skip

LEDGER = "/api/v1/hf/accounts/ledgers"
# The ledger of an account that has not traded.
NO_ENTRIES = body([])


def found(*rows: Any, last_id: int | None = 7) -> bytes:
    return body({"items": rows, "lastId": last_id})


def page(*rows: Any, number: int = 1, of: int = 1) -> bytes:
    return body({"currentPage": number, "pageSize": 1000, "totalPage": of, "items": rows})


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def asked_for(requests: list[RestRequest]) -> list[str]:
    return [request.url.partition(".com")[2] for request in requests]


# --- spot ---------------------------------------------------------------------------------------


def test_a_spot_snapshot_is_the_balances_and_each_symbols_open_orders() -> None:
    rows = [
        {"currency": "BTC", "type": "main", "balance": "9", "available": "9", "holds": "0"},
        {"currency": "BTC", "type": "trade", "balance": "1.5", "available": "1", "holds": "0.5"},
    ]
    eth = ORDER | {"symbol": "ETH-USDT", "tradeType": "MARGIN_TRADE"}
    answers = [
        body(rows),
        body({"symbols": ["BTC-USDT", "ETH-USDT"]}),
        body([ORDER]),
        body([eth]),
    ]
    told, asked = answered(snapshot("spot", ACCOUNT, {}), answers)
    assert told == [
        BalancesTold(balances=(Balance("BTC", "1", "0.5", "1.5"),), time_ms=0, whole=True),
        OrderTold(
            symbol="BTC-USDT",
            order_id="6717422bd51c29000775ea03",
            status="PARTIALLY_FILLED",
            raw_status="open",
            time_ms=1729577515481,
            side="BUY",
            order_type="LIMIT",
            time_in_force="GTC",
            client_order_id="5c52e11203aa677f33e493fb",
            price="70000",
            quantity="0.00002",
            filled="0.00001",
            filled_quote="0.677176",
            created_ms=1729577515444,
        ),
    ]
    assert asked_for(asked) == [
        "/api/v1/accounts",
        "/api/v1/hf/orders/active/symbols",
        "/api/v1/hf/orders/active",
        "/api/v1/hf/orders/active",
    ]
    assert [dict(request.params) for request in asked] == [
        {"type": "trade"}, {}, {"symbol": "BTC-USDT"}, {"symbol": "ETH-USDT"},
    ]  # fmt: skip
    assert [request.cost["private"] for request in asked] == [5, 2, 2, 2]
    assert all(request.signed for request in asked)


@pytest.mark.parametrize("none", [{"symbols": []}, {"symbols": None}])
def test_nothing_may_be_open(none: dict[str, Any]) -> None:
    told, _ = answered(snapshot("spot", ACCOUNT, {}), [body([]), body(none)])
    assert told == [BalancesTold(balances=(), time_ms=0, whole=True)]


@pytest.mark.parametrize(
    ("changes", "status", "raw"),
    [
        ({"dealSize": "0"}, "NEW", "open"),
        ({}, "PARTIALLY_FILLED", "open"),
        ({"active": False, "dealSize": "0.00002"}, "FILLED", "filled"),
        ({"active": False, "cancelExist": True}, "CANCELED", "canceled"),
        ({"active": False, "cancelExist": True, "dealSize": "0.00002"}, "FILLED", "filled"),
        ({"active": False, "size": "0"}, "FILLED", "filled"),
        ({"active": False, "size": None, "cancelExist": True}, "CANCELED", "canceled"),
        ({"active": False}, "FILLED", "filled"),
        ({"active": False, "dealSize": "0"}, "UNKNOWN", "done"),
    ],
)
def test_how_an_order_stands(changes: dict[str, Any], status: str, raw: str) -> None:
    """A cancel that came too late cancels nothing; what ended without one was filled, if at all."""
    answers = [body(ORDER | changes), found(last_id=None)]
    (told,), _ = answered(order("spot", ACCOUNT, {}, "BTC-USDT", "1"), answers)
    assert isinstance(told, OrderTold)
    assert (told.status, told.raw_status) == (status, raw)


def test_a_fill_has_its_fee_here_and_its_number_as_text() -> None:
    known = Known(since_ms=1729577000000, until_ms=1729578000000, symbols={"BTC-USDT"})
    done = ORDER | {"active": False, "dealSize": "0.00002"}
    told, asked = answered(
        since("spot", ACCOUNT, {}, known), [NO_ENTRIES, found(FILL), found(done)]
    )
    assert told[0] == FillTold(
        symbol="BTC-USDT",
        order_id="6717422bd51c29000775ea03",
        trade_id="11029373945659392",
        side="BUY",
        price="67717.6",
        time_ms=1729577515473,
        quantity="0.00001",
        quote_quantity="0.677176",
        fee="0.000677176",
        fee_asset="USDT",
        maker=False,
    )
    assert isinstance(told[1], OrderTold)
    assert asked_for(asked) == [LEDGER, "/api/v1/hf/fills", "/api/v1/hf/orders/done"]
    stretch = {"startAt": "1729577000000", "endAt": "1729578000000"}
    assert all(
        dict(request.params) == {"symbol": "BTC-USDT", **stretch, "limit": "100"}
        for request in asked[1:]
    )


def entry(number: int, symbol: str = "", quote: str = '"') -> dict[str, Any]:
    about = f"{{'symbol':'{symbol}','orderId':'6717','tradeId':'1'}}" if symbol else ""
    return {"id": str(number), "bizType": "TRADE_EXCHANGE", "context": about.replace("'", quote)}


def test_the_ledger_tells_where_the_account_has_traded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was bought and sold again has left the balances as they were."""
    monkeypatch.setattr(ledger, "ROWS", 2)
    known = Known(since_ms=0, until_ms=10, symbols={"B-USDT"})
    # In the notation of today, of older pages, and of what is no trade.
    answers = [body([entry(9, "NEW-USDT"), entry(8, "A-USDT", "'")]), body([entry(7)])]
    told, asked = answered(since("spot", ACCOUNT, {}, known), [*answers, *[found()] * 6])
    assert told == []
    assert [request.params["symbol"] for request in asked[2::2]] == ["A-USDT", "B-USDT", "NEW-USDT"]
    assert asked_for(asked[:2]) == [LEDGER, LEDGER]
    assert dict(asked[1].params) == {
        "bizType": "TRADE_EXCHANGE", "startAt": "0", "endAt": "10", "limit": "2", "lastId": "8",
    }  # fmt: skip


def test_the_ledger_reaches_three_days_back_and_a_page_that_leads_nowhere_is_no_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "ROWS", 1)
    known = Known(since_ms=5, until_ms=SPAN_MS)
    full = body([entry(9, "A-USDT")])
    with pytest.raises(InquiryFailed, match="ledgers"):
        answered(since("spot", ACCOUNT, {}, known), [full, full])
    _, asked = answered(since("spot", ACCOUNT, {}, known), [NO_ENTRIES])
    assert int(asked[0].params["endAt"]) - int(asked[0].params["startAt"]) == 3 * 86_400_000


def test_on_spot_only_symbols_that_are_known_can_be_asked_for_and_the_rules_say_so() -> None:
    known = Known(since_ms=0, until_ms=10)
    told, asked = answered(since("spot", ACCOUNT, {}, known), [NO_ENTRIES])
    assert (told, asked_for(asked)) == ([], [LEDGER])
    _, asked = answered(
        since("linear", ACCOUNT, LINEAR, known), [page(), page(), body([]), body([])]
    )
    assert not any("symbol" in request.params for request in asked)
    assert [RULES[market].lists_all for market in ("spot", "linear", "inverse")] == [
        False, True, True,
    ]  # fmt: skip


def test_a_long_time_is_asked_week_by_week_and_symbol_by_symbol() -> None:
    known = Known(since_ms=5, until_ms=SPAN_MS + 6, symbols={"B-USDT", "A-USDT"})
    told, asked = answered(since("spot", ACCOUNT, {}, known), [NO_ENTRIES, *[found()] * 8])
    assert told == []
    del asked[0]
    assert [request.params["symbol"] for request in asked] == ["A-USDT"] * 4 + ["B-USDT"] * 4
    stretches = [(request.params["startAt"], request.params["endAt"]) for request in asked[:4:2]]
    assert stretches == [("5", str(SPAN_MS + 5)), (str(SPAN_MS + 5), str(SPAN_MS + 6))]


def test_a_full_page_goes_on_by_its_last_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classic_asked, "SPOT_ROWS", 2)
    known = Known(since_ms=0, until_ms=10, symbols={"BTC-USDT"})
    fills = [FILL | {"tradeId": number, "createdAt": number} for number in (3, 2, 1)]
    answers = [NO_ENTRIES, found(*fills[:2], last_id=22), found(fills[2], last_id=21), found()]
    told, asked = answered(since("spot", ACCOUNT, {}, known), answers)
    assert [fill.trade_id for fill in told if isinstance(fill, FillTold)] == ["1", "2", "3"]
    assert [request.params.get("lastId") for request in asked[1:]] == [None, "22", None]


@pytest.mark.parametrize("last_id", [0, None])
def test_a_page_that_names_no_last_id_is_the_last(
    monkeypatch: pytest.MonkeyPatch, last_id: int | None
) -> None:
    monkeypatch.setattr(classic_asked, "SPOT_ROWS", 1)
    known = Known(since_ms=0, until_ms=10, symbols={"BTC-USDT"})
    answers = [NO_ENTRIES, found(FILL, last_id=22), found(FILL, last_id=last_id), found()]
    told, _ = answered(since("spot", ACCOUNT, {}, known), answers)
    assert len(told) == 1


def test_a_full_page_that_leads_nowhere_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind it was not read: who took it for nothing would never ask for it again."""
    monkeypatch.setattr(classic_asked, "SPOT_ROWS", 1)
    known = Known(since_ms=0, until_ms=10, symbols={"BTC-USDT"})
    with pytest.raises(InquiryFailed, match="hf/fills") as failed:
        answered(since("spot", ACCOUNT, {}, known), [NO_ENTRIES, *[found(FILL, last_id=22)] * 2])
    assert failed.value.trouble == "transient"
    first = page(FUTURES_FILL, of=2)
    with pytest.raises(InquiryFailed, match="v1/fills"):
        answered(since("linear", ACCOUNT, LINEAR, known), [first, first])


GONE = [
    refused("HTTP 200 400100 Unsupported trading pair."),
    refused("HTTP 400 900001 symbol not exists"),
]


@pytest.mark.parametrize("gone", GONE)
def test_a_symbol_that_is_not_listed_any_more_costs_no_other(gone: InquiryFailed) -> None:
    known = Known(since_ms=0, until_ms=10, symbols={"A-USDT", "BTC-USDT"})
    answers: list[Answer] = [NO_ENTRIES, gone, found(FILL), found()]
    told, asked = answered(since("spot", ACCOUNT, {}, known), answers)
    assert [one.symbol for one in told if isinstance(one, FillTold)] == ["BTC-USDT"]
    assert [request.params["symbol"] for request in asked[1:]] == ["A-USDT", "BTC-USDT", "BTC-USDT"]
    assert answered(order("spot", ACCOUNT, {}, "A-USDT", "1"), [gone])[0] == []
    # On futures the order is asked by its id alone.
    answers = [body(FUTURES_ORDER), page(FUTURES_FILL), gone]
    told, _ = answered(order("linear", ACCOUNT, LINEAR, "XBTUSDTM", "1"), answers)
    assert [type(one) for one in told] == [FillTold, OrderTold]


def test_fills_of_margin_are_not_of_spot() -> None:
    known = Known(since_ms=0, until_ms=10, symbols={"BTC-USDT"})
    margin = {"tradeType": "MARGIN_TRADE"}
    answers = [NO_ENTRIES, found(FILL | margin), found(ORDER | margin)]
    assert answered(since("spot", ACCOUNT, {}, known), answers)[0] == []


def test_one_order_comes_with_its_fills() -> None:
    later = FILL | {"tradeId": 2, "createdAt": FILL["createdAt"] + 1}
    answers = [body(ORDER), found(later, FILL)]
    told, asked = answered(order("spot", ACCOUNT, {}, "BTC-USDT", "6717"), answers)
    assert [type(one) for one in told] == [FillTold, FillTold, OrderTold]
    assert [one.time_ms for one in told if isinstance(one, FillTold)] == [
        1729577515473,
        1729577515474,
    ]
    assert asked_for(asked) == ["/api/v1/hf/orders/6717", "/api/v1/hf/fills"]
    assert dict(asked[1].params) == {"symbol": "BTC-USDT", "orderId": "6717", "limit": "100"}


@pytest.mark.parametrize(
    "detail",
    [
        "HTTP 200 400100 The order does not exist.",
        "HTTP 400 400100 order not exist",
        "100001 error.getOrder.orderNotExist",
        "HTTP 200 400100 order_not_exist",
        "HTTP 404 400100 Order not found",
    ],
)
def test_an_order_may_be_forgotten_and_any_other_failure_is_one(detail: str) -> None:
    for market in ("spot", "linear"):
        asked = order(market, ACCOUNT, LINEAR, "XBTUSDTM", "1")  # type: ignore[arg-type]
        assert answered(asked, [refused(detail)])[0] == []
    assert answered(order("spot", ACCOUNT, {}, "BTC-USDT", "1"), [body(None)])[0] == []
    with pytest.raises(InquiryFailed):
        answered(order("spot", ACCOUNT, {}, "BTC-USDT", "1"), [refused("HTTP 500")])


@pytest.mark.parametrize(
    "said",
    [
        b"<html><head><title>404 Not Found</title></head></html>",
        b'{"code":"404000","msg":"Url Not Found"}',
        b'{"code":"404","msg":"Not Found"}',
        b'{"status":404,"error":"Not Found","path":"/api/v1/hf/orders/1"}',
        b'{"code":"400003","msg":"KC-API-KEY not exists"}',
    ],
)
def test_what_is_not_said_of_the_order_does_not_end_it(said: bytes) -> None:
    """Of a path that moved, or a gateway's page, every order would be taken for forgotten."""
    failure = rest_failure(404, {}, said)
    assert failure is not None
    for market in ("spot", "linear"):
        asked = order(market, ACCOUNT, LINEAR, "XBTUSDTM", "1")  # type: ignore[arg-type]
        with pytest.raises(InquiryFailed):
            answered(asked, [InquiryFailed(failure, "transient")])


# --- futures ------------------------------------------------------------------------------------


def test_a_futures_snapshot_is_wallets_positions_and_open_orders() -> None:
    wallet = {
        "accountEquity": 48.92, "unrealisedPNL": 0.5, "marginBalance": 48.42,
        "positionMargin": 0, "orderMargin": 0, "frozenFunds": 0, "availableBalance": 40.0,
        "currency": "USDT",
    }  # fmt: skip
    closed = POSITION | {"symbol": "ETHUSDTM", "currentQty": 0}
    other = POSITION | {"symbol": "XBTUSDM"}
    working = FUTURES_ORDER | {"isActive": True, "size": 3, "price": "30000", "type": "limit"}
    answers = [body(wallet), body([POSITION, closed, other]), page(working)]
    (balances, positions, told), asked = answered(snapshot("linear", ACCOUNT, LINEAR), answers)
    assert balances == BalancesTold(
        balances=(Balance("USDT", "40.0", "8.42", "48.42"),), time_ms=0, whole=True
    )
    assert isinstance(positions, PositionsTold)
    assert [position.symbol for position in positions.positions] == ["XBTUSDTM"]
    assert (positions.whole, positions.time_ms) == (True, POSITION["currentTimestamp"])
    assert isinstance(told, OrderTold)
    assert (told.status, told.contracts, told.quantity) == ("PARTIALLY_FILLED", "3", "0.003")
    assert asked_for(asked) == ["/api/v1/account-overview", "/api/v1/positions", "/api/v1/orders"]
    assert dict(asked[0].params) == {"currency": "USDT"}
    assert dict(asked[2].params) == {"status": "active", "pageSize": "1000", "currentPage": "1"}
    assert [request.cost["private"] for request in asked] == [5, 2, 2]


def test_wallets_are_asked_for_in_the_exchanges_words() -> None:
    wallet = {"currency": "XBT", "marginBalance": 5e-05, "availableBalance": 5e-05}
    answers = [body(wallet), body([]), page()]
    told, asked = answered(snapshot("inverse", ACCOUNT, COIN), answers)
    assert dict(asked[0].params) == {"currency": "XBT"}
    assert told[0] == BalancesTold(
        balances=(Balance("BTC", "0.00005", "0.00000", "0.00005"),), time_ms=0, whole=True
    )


def test_no_wallet_is_said_to_be_empty_while_no_contract_is_known() -> None:
    told, asked = answered(snapshot("linear", ACCOUNT, {}), [body([]), page()])
    assert [type(one) for one in told] == [PositionsTold]
    assert asked_for(asked) == ["/api/v1/positions", "/api/v1/orders"]


def test_an_order_of_futures_is_counted_in_contracts_and_worth_what_it_was() -> None:
    answers = [body(FUTURES_ORDER), page(FUTURES_FILL), body([FUTURES_FILL])]
    told, asked = answered(order("linear", ACCOUNT, LINEAR, "XBTUSDTM", "6450"), answers)
    assert told == [
        FillTold(
            symbol="XBTUSDTM",
            order_id="64507d02921f1c0001ff6892",
            trade_id="1828954878212",
            side="BUY",
            price="27992",
            time_ms=1682996483062,
            quantity="0.001",
            contracts="1",
            quote_quantity="27.992",
            fee="0.05176506",
            fee_asset="USDT",
            maker=False,
            liquidation=False,
        ),
        OrderTold(
            symbol="XBTUSDTM",
            order_id="64507d02921f1c0001ff6892",
            status="FILLED",
            raw_status="filled",
            time_ms=1682996483062,
            side="BUY",
            order_type="MARKET",
            time_in_force="GTC",
            quantity="0.001",
            contracts="1",
            filled="0.001",
            filled_contracts="1",
            filled_quote="27.992",
            average_price="27992",
            reduce_only=False,
            created_ms=1682996482953,
        ),
    ]
    assert asked_for(asked) == ["/api/v1/orders/6450", "/api/v1/fills", "/api/v1/recentFills"]


def test_what_a_trade_of_spot_was_worth_is_exact_however_the_row_has_rounded_it() -> None:
    known = Known(since_ms=0, until_ms=86_400_000, symbols={"BTC-USDT"})
    answers = [NO_ENTRIES, found(FILL | {"funds": "0.68"}), found()]
    (fill,), _ = answered(since("spot", ACCOUNT, {}, known), answers)
    assert isinstance(fill, FillTold)
    assert fill.quote_quantity == "0.677176"


def test_what_an_inverse_trade_was_worth_is_rounded_as_it_is_on_the_socket() -> None:
    """Which has nothing but its contracts and its price to tell it by."""
    known = Known(since_ms=1558334000000, until_ms=1558335000000)
    answers = [page(INVERSE_FILL, FUTURES_FILL), page(), body([]), body([])]
    (fill,), _ = answered(since("inverse", ACCOUNT, COIN, known), answers)
    assert isinstance(fill, FillTold)
    assert (fill.contracts, fill.quantity, fill.quote_quantity) == ("10", "0.00120453", "10")
    assert (fill.fee, fill.fee_asset, fill.maker) == ("-0.0000012022", "BTC", True)
    assert fill.liquidation


def test_a_closing_order_can_only_make_a_position_smaller() -> None:
    row = FUTURES_ORDER | {"closeOrder": True, "size": None, "filledSize": 0, "isActive": True}
    answers = [body(without(row, "filledValue")), page(), body([])]
    (told,), _ = answered(order("linear", ACCOUNT, LINEAR, "XBTUSDTM", "1"), answers)
    assert isinstance(told, OrderTold)
    assert (told.reduce_only, told.quantity, told.contracts) == (True, UNSET, UNSET)
    assert (told.filled, told.filled_quote, told.status) == ("0", "0", "NEW")


def test_what_the_slow_list_has_not_yet_is_taken_from_the_recent_one() -> None:
    known = Known(since_ms=1682996480000, until_ms=1682996490000)
    newer = FUTURES_FILL | {"tradeId": "2", "tradeTime": 1682996484000000000}
    older = FUTURES_FILL | {"tradeId": "0", "tradeTime": 1682996479999000000}
    stale = FUTURES_ORDER | {"isActive": True, "filledSize": 0}
    answers = [
        page(FUTURES_FILL), page(stale), body([newer, FUTURES_FILL, older]), body([FUTURES_ORDER]),
    ]  # fmt: skip
    told, asked = answered(since("linear", ACCOUNT, LINEAR, known), answers)
    fills = [one.trade_id for one in told if isinstance(one, FillTold)]
    orders = [one.status for one in told if isinstance(one, OrderTold)]
    assert (fills, orders) == (["1828954878212", "2"], ["FILLED"])
    assert asked_for(asked) == [
        "/api/v1/fills", "/api/v1/orders", "/api/v1/recentFills", "/api/v1/recentDoneOrders",
    ]  # fmt: skip
    assert asked[1].params["status"] == "done"


def test_numbered_pages_are_all_read() -> None:
    known = Known(since_ms=0, until_ms=1)
    fills = [FUTURES_FILL | {"tradeId": str(number)} for number in (1, 2)]
    answers = [page(fills[0], of=2), page(fills[1], number=2, of=2), page(), body([]), body([])]
    told, asked = answered(since("linear", ACCOUNT, LINEAR, known), answers)
    assert [one.trade_id for one in told if isinstance(one, FillTold)] == ["1", "2"]
    assert [request.params.get("currentPage") for request in asked[:3]] == ["1", "2", "1"]


def test_a_body_that_cannot_be_read_is_said() -> None:
    broken: list[bytes] = [b"", b"{}", b'{"data":{"items":[{}]}}']
    for bad in broken:
        with pytest.raises(msgspec.DecodeError):
            answered(snapshot("spot", ACCOUNT, {}), [bad])
        with pytest.raises(msgspec.DecodeError):
            answered(order("linear", ACCOUNT, {}, "XBTUSDTM", "1"), [bad])
