"""What Bitget's REST knows of an account: rows read, histories paged, in both systems' ways."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.bitget import asking, classic_asked, unified_asked
from common.exchanges.bitget.asking import DAY_MS
from common.exchanges.bitget.inquiries import order, since, snapshot
from common.exchanges.private import Credentials, InquiryFailed, Known
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, Position, PositionsTold, Told
from common.model.account import Balance
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import Answer, answered, refused

ACCOUNT = Credentials(Secret("k"), Secret("s"), Secret("p"))
CLASSIC = refused("HTTP 400 40084 You are in Classic Account mode", "mode")
NOW_MS = 1_700_000_000_000
KNOWN = Known(since_ms=NOW_MS - 60_000, until_ms=NOW_MS, symbols={"BTCUSDT"})

SPOT_ORDER: dict[str, Any] = {
    "userId": "1", "symbol": "BTCUSDT", "orderId": "11", "clientOid": "mine", "price": "25000.00",
    "size": "0.0002", "orderType": "limit", "side": "buy", "status": "partially_filled",
    "priceAvg": "24999", "baseVolume": "0.0001", "quoteVolume": "2.4999",
    "enterPointSource": "API", "feeDetail": "", "orderSource": "normal",
    "cTime": "1700719050198", "uTime": "1700719050300",
}  # fmt: skip
SPOT_FILL: dict[str, Any] = {
    "userId": "1", "symbol": "BTCUSDT", "orderId": "11", "tradeId": "5", "orderType": "limit",
    "side": "buy", "priceAvg": "24999", "size": "0.0001", "amount": "2.4999",
    "feeDetail": {"deduction": "no", "feeCoin": "BTC", "totalDeductionFee": "",
                  "totalFee": "-0.0000001"},
    "tradeScope": "maker", "cTime": "1700719050290", "uTime": "1700719050295",
}  # fmt: skip
FUTURES_ORDER: dict[str, Any] = {
    "symbol": "BLURUSDT", "size": "40", "orderId": "21", "clientOid": "mine", "baseVolume": "0",
    "fee": "0", "price": "0.15", "priceAvg": "", "status": "live", "side": "buy", "force": "gtc",
    "totalProfits": "", "posSide": "net", "marginCoin": "USDT", "presetStopLossPrice": "",
    "leverage": "10", "marginMode": "crossed", "tradeSide": "buy_single",
    "posMode": "one_way_mode", "orderType": "limit", "reduceOnly": "NO",
    "cTime": "1719535736339", "uTime": "1719535736393",
}  # fmt: skip
FUTURES_FILL: dict[str, Any] = {
    "tradeId": "9", "symbol": "ETHUSDT", "orderId": "21", "price": "1801.33",
    "baseVolume": "0.02", "feeDetail": [{"deduction": "no", "feeCoin": "USDT",
    "totalDeductionFee": "0", "totalFee": "-0.02161596"}], "side": "sell",
    "quoteVolume": "36.0266", "profit": "0.0252", "tradeSide": "open",
    "posMode": "one_way_mode", "tradeScope": "taker", "cTime": "1698730804882",
}  # fmt: skip
UNIFIED_ORDER: dict[str, Any] = {
    "orderId": "31", "clientOid": "mine", "category": "USDT-FUTURES", "symbol": "BTCUSDT",
    "orderType": "market", "side": "sell", "price": "0", "qty": "0.0001", "amount": "0",
    "cumExecQty": "0.0001", "cumExecValue": "10.7005", "avgPrice": "107005.4",
    "timeInForce": "gtc", "orderStatus": "filled", "posSide": "long", "holdMode": "hedge_mode",
    "reduceOnly": "NO", "feeDetail": [{"feeCoin": "USDT", "fee": "0.00642032"}],
    "createdTime": "1751020520442", "updatedTime": "1751020520457", "cancelReason": "",
    "execType": "normal", "stpMode": "none",
}  # fmt: skip
UNIFIED_FILL: dict[str, Any] = {
    "execId": "3", "execLinkId": "4", "orderId": "31", "clientOid": "mine",
    "category": "USDT-FUTURES", "symbol": "BTCUSDT", "orderType": "market", "side": "sell",
    "execPrice": "107005.4", "execQty": "0.0001", "execValue": "10.7005", "tradeScope": "taker",
    "feeDetail": [{"feeCoin": "USDT", "fee": "0.00642032"}], "createdTime": "1751020520457",
    "updatedTime": "1751020520460", "execPnl": "0.1",
}  # fmt: skip


def body(data: Any, time: int | str = 1700719076263) -> bytes:
    return json.dumps(
        {"code": "00000", "msg": "success", "requestTime": time, "data": data}
    ).encode()


def paths(asked: Any) -> list[str]:
    return [request.url.removeprefix("https://api.bitget.com/api/") for request in asked]


# --- the classic system -------------------------------------------------------------------------


def test_a_classic_spot_snapshot() -> None:
    coin = {"coin": "USDT", "available": "10", "limitAvailable": "0", "frozen": "2", "locked": "1",
            "uTime": "1699937566000"}  # fmt: skip
    listed = {name: value for name, value in SPOT_ORDER.items() if name != "price"}
    listed |= {"priceAvg": "25000", "status": "live", "baseVolume": "0", "quoteVolume": "0"}
    told, asked = answered(
        snapshot("spot", ACCOUNT, {}), [CLASSIC, body([coin]), body([listed], "1700719076264")]
    )
    assert told == [
        BalancesTold(balances=(Balance("USDT", "10", "3"),), time_ms=1700719076263, whole=True),
        # What is called the average of an open order is its limit: it was not filled at it.
        OrderTold(
            symbol="BTCUSDT",
            order_id="11",
            status="NEW",
            raw_status="live",
            time_ms=1700719050300,
            side="BUY",
            order_type="LIMIT",
            client_order_id="mine",
            price="25000",
            quantity="0.0002",
            filled="0",
            filled_quote="0",
            created_ms=1700719050198,
            liquidation=False,
        ),
    ]
    assert paths(asked) == [
        "v3/account/assets",
        "v2/spot/account/assets",
        "v2/spot/trade/unfilled-orders",
    ]
    assert all(request.signed and request.cost == {"requests": 1} for request in asked)


def test_a_classic_futures_snapshot_asks_for_both_kinds_of_open_orders() -> None:
    margin = {"marginCoin": "USDT", "locked": "0.3", "available": "10", "accountEquity": "10.3",
              "unrealizedPL": ""}  # fmt: skip
    position = {
        "marginCoin": "USDT", "symbol": "BTCUSDT", "holdSide": "long", "openDelegateSize": "0",
        "marginSize": "9.6", "available": "0.01", "locked": "0.09", "total": "0.01",
        "leverage": "20", "achievedProfits": "0", "openPriceAvg": "25000",
        "marginMode": "isolated", "posMode": "hedge_mode", "unrealizedPL": "1",
        "liquidationPrice": "24144.1", "markPrice": "25100", "breakEvenPrice": "24778.97",
    }  # fmt: skip
    none = position | {"symbol": "ETHUSDT", "total": "0"}
    live = body({"entrustedList": [FUTURES_ORDER], "endId": "21"})
    told, asked = answered(
        snapshot("linear", ACCOUNT, {}),
        [CLASSIC, body([margin]), body([position, none]), live, body({"entrustedList": None})],
    )
    balances, positions, found = told
    assert isinstance(balances, BalancesTold)
    assert balances.balances == (Balance("USDT", "10", "0.3"),)
    assert positions == PositionsTold(
        positions=(
            Position(
                symbol="BTCUSDT",
                position_side="LONG",
                quantity="0.01",
                entry_price="25000",
                break_even_price="24778.97",
                mark_price="25100",
                liquidation_price="24144.1",
                unrealized_pnl="1",
                realized_pnl="0",
                leverage="20",
                margin_type="isolated",
                margin="9.6",
            ),
        ),
        time_ms=1700719076263,
        whole=True,
    )
    assert isinstance(found, OrderTold)
    assert (found.price, found.average_price, found.reduce_only, found.position_side) == (
        "0.15",
        UNSET,
        False,
        "BOTH",
    )
    assert paths(asked)[1:] == [
        "v2/mix/account/accounts",
        "v2/mix/position/all-position",
        "v2/mix/order/orders-pending",
        "v2/mix/order/orders-pending",
    ]
    assert [request.params.get("status") for request in asked[3:]] == ["live", "partially_filled"]
    assert {request.params["productType"] for request in asked[1:]} == {"USDT-FUTURES"}


def test_classic_spot_fills_are_asked_for_each_symbol_that_is_known_or_had_an_order() -> None:
    other = SPOT_ORDER | {"symbol": "ETHUSDT", "orderId": "12"}
    told, asked = answered(
        since("spot", ACCOUNT, {}, KNOWN),
        [CLASSIC, body([SPOT_ORDER, other]), body([SPOT_FILL]), body([])],
    )
    assert [type(one) for one in told] == [FillTold, OrderTold, OrderTold]
    assert [request.params.get("symbol") for request in asked[1:]] == [None, "BTCUSDT", "ETHUSDT"]
    assert {request.params["startTime"] for request in asked[1:]} == {str(NOW_MS - 60_000)}
    assert {request.params["endTime"] for request in asked[1:]} == {str(NOW_MS)}
    fill = told[0]
    assert isinstance(fill, FillTold)
    assert (fill.fee, fill.fee_asset, fill.maker, fill.quote_quantity) == (
        "0.0000001",
        "BTC",
        True,
        "2.4999",
    )


def test_what_a_trade_was_worth_is_exact_however_the_row_has_rounded_it() -> None:
    """The orders channel, which tells it first, does not say it."""
    rounded = body([SPOT_FILL | {"amount": "2.5"}])
    (fill,), _ = answered(since("spot", ACCOUNT, {}, KNOWN), [CLASSIC, body([]), rounded])
    assert isinstance(fill, FillTold)
    assert fill.quote_quantity == "2.4999"


@pytest.mark.parametrize("code", ["40034", "40309"])
def test_a_symbol_that_is_not_listed_any_more_costs_no_other(code: str) -> None:
    gone = refused(f"HTTP 400 {code} Parameter AUSDT does not exist")
    known = Known(since_ms=NOW_MS - 60_000, until_ms=NOW_MS, symbols={"AUSDT", "BTCUSDT"})
    told, asked = answered(
        since("spot", ACCOUNT, {}, known), [CLASSIC, body([]), gone, body([SPOT_FILL])]
    )
    assert [one.symbol for one in told if isinstance(one, FillTold)] == ["BTCUSDT"]
    assert [request.params.get("symbol") for request in asked[2:]] == ["AUSDT", "BTCUSDT"]
    assert answered(order("linear", ACCOUNT, {}, "AUSDT", "1"), [CLASSIC, gone])[0] == []
    # Where no symbol is named it cannot be that.
    with pytest.raises(InquiryFailed):
        answered(since("linear", ACCOUNT, {}, KNOWN), [CLASSIC, gone])


def test_classic_futures_fills_need_no_symbol() -> None:
    told, asked = answered(
        since("inverse", ACCOUNT, {}, KNOWN),
        [CLASSIC, body({"entrustedList": None}), body({"fillList": [FUTURES_FILL]})],
    )
    assert [one.fee for one in told if isinstance(one, FillTold)] == ["0.02161596"]
    assert paths(asked)[1:] == ["v2/mix/order/orders-history", "v2/mix/order/fills"]
    assert "symbol" not in asked[-1].params
    assert asked[-1].params["productType"] == "COIN-FUTURES"


def test_full_pages_go_on_before_their_last(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (asking, classic_asked):
        monkeypatch.setattr(module, "ROWS", 2)
    rows = [SPOT_ORDER | {"orderId": str(number)} for number in (13, 12, 11)]
    told, asked = answered(
        snapshot("spot", ACCOUNT, {}), [CLASSIC, body([]), body(rows[:2]), body(rows[2:])]
    )
    assert [one.order_id for one in told if isinstance(one, OrderTold)] == ["13", "12", "11"]
    assert [request.params.get("idLessThan") for request in asked[2:]] == [None, "12"]
    # Futures say themselves where the page ends.
    pages = [{"fillList": [FUTURES_FILL | {"tradeId": str(n)} for n in (4, 3)], "endId": "3"}]
    pages.append({"fillList": [FUTURES_FILL], "endId": "9"})
    told, asked = answered(
        since("linear", ACCOUNT, {}, KNOWN),
        [CLASSIC, body({"entrustedList": []}), *map(body, pages)],
    )
    assert len(told) == 3
    assert [request.params.get("idLessThan") for request in asked[2:]] == [None, "3"]


class Exchange:
    """A classic futures account's fills, newest first, and what the exchange heeds of a request."""

    def __init__(self, *heeds: str) -> None:
        self._heeds = heeds
        self._fills = [FUTURES_FILL | {"tradeId": str(n), "cTime": str(NOW_MS - 90 + 10 * (n // 2))}
                       for n in (7, 6, 5, 4, 3, 2, 1)]  # fmt: skip

    def answer(self, request: RestRequest) -> bytes:
        if request.url.endswith("orders-history"):
            return body({"entrustedList": []})
        heard = {name: int(request.params.get(name, 0)) for name in self._heeds}
        last_id, end_ms = heard.get("idLessThan") or NOW_MS, heard.get("endTime") or NOW_MS
        rows = [row for row in self._fills
                if int(row["tradeId"]) < last_id and int(row["cTime"]) <= end_ms]  # fmt: skip
        page = rows[: int(request.params["limit"])]
        return body({"fillList": page, "endId": page[-1]["tradeId"] if page else None})

    def tell(self, inquiry: Generator[RestRequest, bytes, Sequence[Told]]) -> list[str]:
        """The trades that it has told of."""
        next(inquiry)
        request = inquiry.throw(CLASSIC)
        try:
            while True:
                request = inquiry.send(self.answer(request))
        except StopIteration as told:
            return [one.trade_id for one in told.value]


@pytest.mark.parametrize("heeds", [("idLessThan",), ("endTime",), ("idLessThan", "endTime")])
def test_all_pages_are_read_whichever_of_id_and_time_counts_for_more(
    heeds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the documents the time does, where both are given."""
    for module in (asking, classic_asked):
        monkeypatch.setattr(module, "ROWS", 3)
    told = Exchange(*heeds).tell(since("linear", ACCOUNT, {}, KNOWN))
    assert sorted(told) == ["1", "2", "3", "4", "5", "6", "7"]


def test_a_full_page_that_comes_again_and_again_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind it was not read: who took it for nothing would never ask for it again."""
    for module in (asking, classic_asked, unified_asked):
        monkeypatch.setattr(module, "ROWS", 3)
    with pytest.raises(InquiryFailed, match="mix/order/fills") as failed:
        Exchange().tell(since("linear", ACCOUNT, {}, KNOWN))
    assert failed.value.trouble == "transient"
    page = body({"list": [UNIFIED_ORDER] * 3, "cursor": "31"})
    with pytest.raises(InquiryFailed, match="trade/unfilled-orders"):
        answered(snapshot("spot", ACCOUNT, {}), [body({"assets": None}), page, page, page])


def test_a_long_time_is_asked_week_by_week_and_told_once() -> None:
    known = Known(since_ms=NOW_MS - 8 * DAY_MS, until_ms=NOW_MS)
    nothing, page = body({"entrustedList": []}), body({"fillList": [FUTURES_FILL]})
    told, asked = answered(
        since("linear", ACCOUNT, {}, known), [CLASSIC, nothing, page, nothing, page]
    )
    assert len(told) == 1
    spans = [(int(r.params["startTime"]), int(r.params["endTime"])) for r in asked[1:]]
    middle = NOW_MS - DAY_MS
    assert spans == [(NOW_MS - 8 * DAY_MS, middle)] * 2 + [(middle, NOW_MS)] * 2


def test_no_history_goes_back_further_than_ninety_days() -> None:
    pieces = asking.stretches(Known(since_ms=0, until_ms=NOW_MS))
    assert pieces[0][0] == NOW_MS - 90 * DAY_MS
    assert pieces[-1][1] == NOW_MS
    assert all(to_ms - from_ms <= 7 * DAY_MS for from_ms, to_ms in pieces)


def test_one_classic_order_comes_with_its_fills() -> None:
    told, asked = answered(
        order("spot", ACCOUNT, {}, "BTCUSDT", "11"),
        [CLASSIC, body([SPOT_ORDER]), body([SPOT_FILL])],
    )
    assert [type(one) for one in told] == [FillTold, OrderTold]
    assert paths(asked)[1:] == ["v2/spot/trade/orderInfo", "v2/spot/trade/fills"]
    assert {(r.params["symbol"], r.params["orderId"]) for r in asked[1:]} == {("BTCUSDT", "11")}


def test_a_classic_futures_order_says_state_for_status() -> None:
    row = {name: value for name, value in FUTURES_ORDER.items() if name != "status"}
    row |= {"state": "canceled", "cancelReason": "normal_cancel", "quoteVolume": ""}
    told, asked = answered(
        order("linear", ACCOUNT, {}, "BLURUSDT", "21"),
        [CLASSIC, body(row), body({"fillList": None, "endId": None})],
    )
    (found,) = told
    assert isinstance(found, OrderTold)
    assert (found.status, found.raw_status, found.reason) == (
        "CANCELED",
        "canceled",
        "normal_cancel",
    )
    assert asked[1].params == {
        "productType": "USDT-FUTURES",
        "symbol": "BLURUSDT",
        "orderId": "21",
    }


@pytest.mark.parametrize(
    ("source", "liquidation"), [("normal", False), ("liquidation", True), ("market_risk", True)]
)
def test_an_order_that_the_exchange_made_itself_says_so(source: str, *, liquidation: bool) -> None:
    row = FUTURES_ORDER | {"orderSource": source}
    told, _ = answered(
        order("linear", ACCOUNT, {}, "BLURUSDT", "21"), [CLASSIC, body(row), body(None)]
    )
    assert [one.liquidation for one in told if isinstance(one, OrderTold)] == [liquidation]


def test_an_order_without_a_status_is_not_read() -> None:
    row = {name: value for name, value in FUTURES_ORDER.items() if name != "status"}
    with pytest.raises(msgspec.DecodeError):
        answered(order("linear", ACCOUNT, {}, "BLURUSDT", "21"), [CLASSIC, body(row)])


# --- the unified system -------------------------------------------------------------------------


def test_a_unified_snapshot() -> None:
    asset = {"coin": "USDT", "equity": "6.1", "usdValue": "6.1", "balance": "6.2",
             "available": "5", "debt": "0", "locked": "1.2"}  # fmt: skip
    position = {
        "category": "USDT-FUTURES", "symbol": "BTCUSDT", "marginCoin": "USDT",
        "holdMode": "one_way_mode", "posSide": "short", "marginMode": "crossed",
        "available": "0.001", "frozen": "0", "total": "0.001", "leverage": "20",
        "curRealisedPnl": "0", "avgPrice": "107410.3", "positionStatus": "normal",
        "unrealisedPnl": "0.0047", "liquidationPrice": "0", "markPrice": "107415.3",
        "breakEvenPrice": "107539.2", "createdTime": "1750495670699",
        "updatedTime": "1750929883465",
    }  # fmt: skip
    told, asked = answered(
        snapshot("linear", ACCOUNT, {}),
        [body({"assets": [asset]}), body({"list": [position]}), body({"list": [], "cursor": None})],
    )
    assert told == [
        BalancesTold(
            balances=(Balance("USDT", "5", "1.2", "6.2"),), time_ms=1700719076263, whole=True
        ),
        PositionsTold(
            positions=(
                Position(
                    symbol="BTCUSDT",
                    position_side="BOTH",
                    quantity="-0.001",
                    entry_price="107410.3",
                    break_even_price="107539.2",
                    mark_price="107415.3",
                    unrealized_pnl="0.0047",
                    realized_pnl="0",
                    leverage="20",
                    margin_type="cross",
                ),
            ),
            time_ms=1700719076263,
            whole=True,
        ),
    ]
    assert paths(asked) == [
        "v3/account/assets",
        "v3/position/current-position",
        "v3/trade/unfilled-orders",
    ]
    assert [request.params.get("category") for request in asked] == [None, *["USDT-FUTURES"] * 2]


def test_unified_spot_has_no_positions_and_empty_lists_may_be_null() -> None:
    told, asked = answered(
        snapshot("spot", ACCOUNT, {}), [body({"assets": None}), body({"list": None})]
    )
    assert told == [BalancesTold(balances=(), time_ms=1700719076263, whole=True)]
    assert asked[-1].params["category"] == "SPOT"


def test_unified_histories_are_read_on_by_a_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (asking, unified_asked):
        monkeypatch.setattr(module, "ROWS", 1)
    told, asked = answered(
        since("linear", ACCOUNT, {}, KNOWN),
        [
            body({"list": [UNIFIED_ORDER], "cursor": "31"}),
            body({"list": None, "cursor": None}),
            body({"list": [UNIFIED_FILL], "cursor": ""}),
        ],
    )
    assert [type(one) for one in told] == [FillTold, OrderTold]
    assert [request.params.get("cursor") for request in asked] == [None, "31", None]
    assert paths(asked) == ["v3/trade/history-orders"] * 2 + ["v3/trade/fills"]
    fill, found = told
    assert isinstance(fill, FillTold)
    assert (fill.fee, fill.time_ms, fill.realized_pnl) == ("0.00642032", 1751020520457, "0.1")
    assert isinstance(found, OrderTold)
    assert (found.side, found.position_side, found.price) == ("SELL", "LONG", UNSET)


def test_one_unified_order_comes_with_its_fills() -> None:
    told, asked = answered(
        order("linear", ACCOUNT, {}, "BTCUSDT", "31"),
        [body(UNIFIED_ORDER), body({"list": [UNIFIED_FILL], "cursor": ""})],
    )
    assert [type(one) for one in told] == [FillTold, OrderTold]
    assert paths(asked) == ["v3/trade/order-info", "v3/trade/fills"]
    assert {request.params["orderId"] for request in asked} == {"31"}


def test_a_unified_order_of_another_market_is_not_told() -> None:
    assert answered(order("spot", ACCOUNT, {}, "BTCUSDT", "31"), [body(UNIFIED_ORDER)])[0] == []


# --- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["25204", "40109", "40768", "43001"])
@pytest.mark.parametrize("market", ["spot", "linear", "inverse"])
def test_an_order_may_be_forgotten(market: Market, code: str) -> None:
    gone = refused(f"HTTP 400 {code} Order does not exist")
    ends: list[list[Answer]] = [[gone], [CLASSIC, gone], [body(None)], [CLASSIC, body(None)]]
    for answers in ends:
        assert answered(order(market, ACCOUNT, {}, "X", "1"), answers)[0] == []


def test_any_other_failure_is_one() -> None:
    for answers in ([refused("HTTP 500")], [CLASSIC, refused("HTTP 500 40725 service error")]):
        with pytest.raises(InquiryFailed):
            answered(order("spot", ACCOUNT, {}, "X", "1"), answers)
        with pytest.raises(InquiryFailed):
            answered(snapshot("spot", ACCOUNT, {}), answers)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"requestTime":1,"data":{"assets":[{}]}}', b"\xff"])
def test_a_body_that_cannot_be_read_is_no_empty_account(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        answered(snapshot("spot", ACCOUNT, {}), [data])


def test_a_number_that_no_exchange_writes_is_not_read() -> None:
    row = FUTURES_ORDER | {"baseVolume": "1" * 30, "priceAvg": f"{'1' * 30}.{'1' * 30}"}
    with pytest.raises(msgspec.DecodeError):
        answered(order("linear", ACCOUNT, {}, "X", "21"), [CLASSIC, body(row)])
