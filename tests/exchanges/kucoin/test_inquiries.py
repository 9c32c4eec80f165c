"""What KuCoin's REST knows of an account: in which way it is asked, and all of the unified way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.kucoin import unified_asked
from common.exchanges.kucoin.asking import SPAN_MS
from common.exchanges.kucoin.inquiries import order, since, snapshot
from common.exchanges.private import InquiryFailed, Known
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.account import Balance
from tests.exchanges.asking import answered, refused
from tests.exchanges.kucoin.answers import ACCOUNT, body
from tests.exchanges.kucoin.pushes import COIN, LINEAR

ORDER: dict[str, Any] = {
    "orderId": "426328635071352832", "symbol": "ETH-USDT", "orderType": "LIMIT", "side": "BUY",
    "size": "0.001", "price": "1000", "timeInForce": "GTC", "orderTime": 1774457869404794617,
    "cancelAfter": None, "reduceOnly": False, "triggerPrice": "", "filledSize": "0",
    "avgPrice": "0", "fee": "0", "feeCurrency": "USDT", "updatedTime": 1774457869469028819,
    "cancelReason": "", "cancelSize": "0", "clientOid": "708987d5", "sizeUnit": "BASECCY",
    "status": 2,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "symbol": "ETH-USDT", "orderId": "426328635071352832", "orderType": "LIMIT", "side": "BUY",
    "fillType": "NORMAL", "tradeId": "20408356621008896", "size": "0.001", "value": "1",
    "price": "1000", "executionTime": 1774457869469000000, "fee": "0.001", "feeCurrency": "USDT",
    "liquidityRole": "MAKER", "tax": "0",
}  # fmt: skip
POSITION: dict[str, Any] = {
    "symbol": "ETHUSDTM", "id": "30000000000084351", "marginMode": "CROSS", "size": "2",
    "entryPrice": "0.093795", "positionValue": "18.298", "markPrice": "0.09149", "leverage": "3",
    "unrealizedPnL": "-0.461", "realizedPnL": "-0.01122489",
    "initialMargin": "6.0993333327234", "updateTime": 1774469753178000000,
}  # fmt: skip
FUTURES: dict[str, Any] = {"symbol": "ETHUSDTM", "sizeUnit": "UNIT", "size": "3", "status": 4}


def mode(name: str) -> bytes:
    return body({"selfAccountMode": name, "unifiedSubAccount": [], "classicSubAccount": []})


UNIFIED, CLASSIC = mode("UNIFIED"), mode("CLASSIC")
WALLET = body(
    {
        "accountType": "UNIFIED",
        "ts": 1764731696945,
        "accounts": [
            {
                "currencies": [
                    {
                        "currency": "USDT",
                        "equity": "98",
                        "hold": "1.5",
                        "balance": "97.5",
                        "available": "96",
                        "liability": "0",
                    }
                ]
            }
        ],
    }
)


def found(*rows: Any, last_id: int | None = 7) -> bytes:
    return body({"items": rows, "lastId": last_id, "tradeType": "SPOT"})


def page(*rows: Any, of: int = 1) -> bytes:
    return body({"items": rows, "totalPage": of, "pageNumber": 1, "tradeType": "SPOT"})


def paths(requests: list[RestRequest]) -> list[str]:
    return [request.url for request in requests]


# --- which way ----------------------------------------------------------------------------------


def test_the_mode_is_asked_first_and_the_classic_way_gone_where_it_is_classic() -> None:
    told, asked = answered(
        snapshot("spot", ACCOUNT, {}), [CLASSIC, body([]), body({"symbols": []})]
    )
    assert [type(one) for one in told] == [BalancesTold]
    assert paths(asked)[:2] == [
        "https://api.kucoin.com/api/ua/v2/account/mode",
        "https://api.kucoin.com/api/v1/accounts",
    ]
    known = Known(since_ms=0, until_ms=1, symbols=())
    assert answered(since("spot", ACCOUNT, {}, known), [CLASSIC, body([])])[0] == []
    forgotten = [CLASSIC, refused("order_not_exist")]
    assert answered(order("linear", ACCOUNT, {}, "XBTUSDTM", "1"), forgotten)[0] == []


@pytest.mark.parametrize("name", ["", "NOVEL"])
def test_an_account_of_another_mode_is_not_asked(name: str) -> None:
    with pytest.raises(InquiryFailed) as failed:
        answered(snapshot("spot", ACCOUNT, {}), [mode(name)])
    assert failed.value.trouble == "mode"


# --- the unified way ----------------------------------------------------------------------------


def test_a_spot_snapshot_is_the_wallet_and_the_open_orders_of_all_symbols() -> None:
    told, asked = answered(snapshot("spot", ACCOUNT, {}), [UNIFIED, WALLET, page(ORDER)])
    assert told == [
        BalancesTold(
            balances=(Balance("USDT", "96", "1.5", "97.5"),), time_ms=1764731696945, whole=True
        ),
        OrderTold(
            symbol="ETH-USDT",
            order_id="426328635071352832",
            status="NEW",
            raw_status="2",
            time_ms=1774457869469,
            seq=28819,
            side="BUY",
            order_type="LIMIT",
            time_in_force="GTC",
            client_order_id="708987d5",
            price="1000",
            quantity="0.001",
            filled="0",
            filled_quote="0",
            reduce_only=False,
            created_ms=1774457869404,
        ),
    ]
    host = "https://api.kucoin.com/api/ua/v2/unified"
    assert paths(asked[1:]) == [f"{host}/account/balance", f"{host}/order/open-list"]
    assert dict(asked[2].params) == {"tradeType": "SPOT", "pageNumber": "1", "pageSize": "200"}
    assert [request.cost["private"] for request in asked] == [30, 5, 4]
    assert all(request.signed for request in asked)


def test_a_futures_snapshot_is_of_one_of_the_two_markets() -> None:
    coin = POSITION | {"symbol": "XBTUSDM"}
    closed = POSITION | {"symbol": "XBTUSDTM", "size": "0"}
    rows = [ORDER | FUTURES, ORDER | FUTURES | {"symbol": "XBTUSDM"}]
    answers = [UNIFIED, WALLET, body([POSITION, coin, closed]), page(*rows)]
    (_, positions, told), asked = answered(snapshot("linear", ACCOUNT, LINEAR), answers)
    assert isinstance(positions, PositionsTold)
    (only,) = positions.positions
    assert (only.symbol, only.contracts, only.quantity) == ("ETHUSDTM", "2", "0.02")
    assert (only.margin_type, only.unrealized_pnl, only.margin) == (
        "cross",
        "-0.461",
        "6.0993333327234",
    )
    assert (positions.whole, positions.time_ms) == (True, 1774469753178)
    assert isinstance(told, OrderTold)
    assert (told.symbol, told.contracts, told.status) == ("ETHUSDTM", "3", "PARTIALLY_FILLED")
    assert asked[3].params["tradeType"] == "FUTURES"
    assert all(request.url.startswith("https://api.kucoin.com/") for request in asked)
    (_, positions, told), _ = answered(snapshot("inverse", ACCOUNT, COIN), answers)
    assert isinstance(told, OrderTold)
    assert told.symbol == "XBTUSDM"


def test_numbered_pages_are_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unified_asked, "ROWS", 1)
    other = POSITION | {"symbol": "XBTUSDTM"}
    answers = [
        UNIFIED, WALLET, body([POSITION]), body([other]), body([other]),
        page(ORDER | FUTURES, of=2), page(ORDER | FUTURES | {"orderId": "2"}, of=2),
    ]  # fmt: skip
    told, asked = answered(snapshot("linear", ACCOUNT, LINEAR), answers)
    positions = told[1]
    assert isinstance(positions, PositionsTold)
    assert [each.symbol for each in positions.positions] == ["ETHUSDTM", "XBTUSDTM"]
    assert [one.order_id for one in told if isinstance(one, OrderTold)] == [
        "426328635071352832",
        "2",
    ]
    assert [request.params["pageNumber"] for request in asked[2:]] == ["1", "2", "3", "1", "2"]


def test_fills_since_come_before_the_state_they_led_to() -> None:
    known = Known(since_ms=1774457000000, until_ms=1774458000000)
    done = ORDER | {"status": 3, "filledSize": "0.001", "avgPrice": "1000"}
    told, asked = answered(since("spot", ACCOUNT, {}, known), [UNIFIED, found(TRADE), found(done)])
    assert told[0] == FillTold(
        symbol="ETH-USDT",
        order_id="426328635071352832",
        trade_id="20408356621008896",
        side="BUY",
        price="1000",
        time_ms=1774457869469,
        quantity="0.001",
        quote_quantity="1.000",
        fee="0.001",
        fee_asset="USDT",
        maker=True,
    )
    assert isinstance(told[1], OrderTold)
    assert (told[1].status, told[1].filled_quote) == ("FILLED", "1.000")
    assert [path.rpartition("/")[2] for path in paths(asked)[1:]] == ["execution", "history"]
    assert dict(asked[1].params) == {
        "tradeType": "SPOT",
        "startAt": "1774457000000",
        "endAt": "1774458000000",
        "pageSize": "200",
    }


def test_a_long_time_is_asked_week_by_week_and_a_full_page_goes_on_by_its_last_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unified_asked, "ROWS", 1)
    known = Known(since_ms=0, until_ms=SPAN_MS + 1)
    trades = [TRADE | {"tradeId": number} for number in (2, 1)]
    answers = [
        UNIFIED, found(trades[0], last_id=22), found(trades[1], last_id=None), found(),
        found(), found(),
    ]  # fmt: skip
    told, asked = answered(since("spot", ACCOUNT, {}, known), answers)
    assert sorted(one.trade_id for one in told if isinstance(one, FillTold)) == ["1", "2"]
    assert [request.params.get("lastId") for request in asked[1:]] == [
        None, "22", None, None, None,
    ]  # fmt: skip
    assert [request.params["startAt"] for request in asked[1:]] == ["0"] * 3 + [str(SPAN_MS)] * 2


def test_a_full_page_that_leads_nowhere_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind it was not read: who took it for nothing would never ask for it again."""
    monkeypatch.setattr(unified_asked, "ROWS", 1)
    known = Known(since_ms=0, until_ms=1)
    with pytest.raises(InquiryFailed, match="order/execution") as failed:
        answered(since("spot", ACCOUNT, {}, known), [UNIFIED, *[found(TRADE, last_id=22)] * 2])
    assert failed.value.trouble == "transient"
    with pytest.raises(InquiryFailed, match="order/open-list"):
        answered(snapshot("spot", ACCOUNT, {}), [UNIFIED, WALLET, *[page(ORDER, of=2)] * 2])


def test_one_order_comes_with_its_fills_alone() -> None:
    done = ORDER | {"status": 3, "filledSize": "0.001"}
    other = TRADE | {"orderId": "1", "tradeId": "1"}
    answers = [UNIFIED, body(done), found(TRADE, other)]
    told, asked = answered(order("spot", ACCOUNT, {}, "ETH-USDT", ORDER["orderId"]), answers)
    assert [type(one) for one in told] == [FillTold, OrderTold]
    product = {"tradeType": "SPOT", "symbol": "ETH-USDT"}
    assert dict(asked[1].params) == {**product, "orderId": ORDER["orderId"]}
    assert (asked[2].params["startAt"], asked[2].params["endAt"]) == (
        "1774457869404",
        str(1774457869469 + 60_000),
    )


def test_an_order_may_be_forgotten_and_any_other_failure_is_one() -> None:
    for nothing in (
        refused("HTTP 200 400100 The order does not exist."),
        refused("HTTP 200 400100 Unsupported trading pair."),
        body(None),
    ):
        asked = order("spot", ACCOUNT, {}, "ETH-USDT", "1")
        assert answered(asked, [UNIFIED, nothing])[0] == []
    with pytest.raises(InquiryFailed):
        answered(order("spot", ACCOUNT, {}, "ETH-USDT", "1"), [UNIFIED, refused("HTTP 500")])


def test_an_order_that_does_not_say_when_it_was_made() -> None:
    row = {name: value for name, value in ORDER.items() if name != "orderTime"}
    (told,), asked = answered(
        order("spot", ACCOUNT, {}, "ETH-USDT", "1"), [UNIFIED, body(row), found()]
    )
    assert isinstance(told, OrderTold)
    assert told.created_ms is UNSET
    assert asked[2].params["startAt"] == str(told.time_ms)


@pytest.mark.parametrize("bad", [b"", b"{}", b'{"data":{"items":[{}]}}', b'{"data":[1]}'])
def test_a_body_that_cannot_be_read_is_said(bad: bytes) -> None:
    known = Known(since_ms=0, until_ms=1)
    for asked in (snapshot("linear", ACCOUNT, {}), since("spot", ACCOUNT, {}, known)):
        with pytest.raises(msgspec.DecodeError):
            answered(asked, [UNIFIED, bad])
