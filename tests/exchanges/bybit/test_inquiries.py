"""What Bybit's REST knows of an account: rows read, lists paged, weeks asked one by one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.bybit.inquiries import SPAN_MS, order, since, snapshot
from common.exchanges.private import Credentials, InquiryFailed, Known
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.account import Balance
from common.model.instruments import Catalog
from common.model.secret import Secret
from tests.exchanges.asking import answered, refused
from tests.exchanges.bybit.test_told import COIN, FILL, INVERSE, ORDER, POSITION

ACCOUNT = Credentials(Secret("k"), Secret("s"))
NOW_MS = 1762199200000
OPEN = {**ORDER, "orderId": "open", "orderStatus": "New", "cancelType": "UNKNOWN"}
WALLET = {"accountType": "UNIFIED", "coin": [COIN]}
# A position of REST: its price has another name than on the socket.
HELD = {**POSITION, "avgPrice": "3641.075", "positionBalance": "1.2"}
del HELD["entryPrice"], HELD["category"]
INFO = {"unifiedMarginStatus": 6, "marginMode": "ISOLATED_MARGIN"}


def answer(result: Any) -> bytes:
    return json.dumps(
        {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": NOW_MS}
    ).encode()


def rows(*found: Any, cursor: str | None = "") -> bytes:
    return answer({"list": found, "nextPageCursor": cursor, "category": "linear"})


EMPTY = rows()


# --- now ----------------------------------------------------------------------------------------


def test_a_spot_snapshot_is_balances_and_open_orders() -> None:
    told, asked = answered(snapshot("spot", ACCOUNT, {}), [rows(WALLET), rows(OPEN)])
    balances, opened = told
    assert balances == BalancesTold(
        balances=(Balance("USDT", "98.5", "2", "100.5"),), time_ms=NOW_MS, whole=True
    )
    assert isinstance(opened, OrderTold)
    assert (opened.order_id, opened.status, opened.reason) == ("open", "NEW", UNSET)
    assert [(request.url.rpartition("/v5/")[2], dict(request.params)) for request in asked] == [
        ("account/wallet-balance", {"accountType": "UNIFIED"}),
        ("order/realtime", {"category": "spot", "openOnly": "0", "limit": "50"}),
    ]
    assert all(request.signed for request in asked)
    assert [dict(request.cost) for request in asked] == [{"requests": 1}] * 2


def test_a_linear_snapshot_asks_by_all_that_contracts_settle_in() -> None:
    """Each list has to be asked for by it; the catalog may know more than the usual two."""
    catalog: Catalog = {"BTCXYZ": msgspec.structs.replace(INVERSE, settle="XYZ")}
    answers = [rows(WALLET), answer(INFO), *([EMPTY] * 6)]
    _, asked = answered(snapshot("linear", ACCOUNT, catalog), answers)
    settled = [(r.url.rpartition("/v5/")[2], r.params.get("settleCoin")) for r in asked]
    assert settled[1:] == [
        ("account/info", None),
        *(("position/list", coin) for coin in ("USDC", "USDT", "XYZ")),
        *(("order/realtime", coin) for coin in ("USDC", "USDT", "XYZ")),
    ]


def test_positions_have_the_accounts_margin_mode_and_what_is_closed_is_left_out() -> None:
    closed = {**HELD, "symbol": "LTCUSDT", "side": "", "size": "0"}
    answers = [rows(WALLET), answer(INFO), EMPTY, rows(HELD, closed), EMPTY, EMPTY]
    (_, positions), _ = answered(snapshot("linear", ACCOUNT, {}), answers)
    assert isinstance(positions, PositionsTold)
    assert (positions.whole, positions.time_ms) == (True, NOW_MS)
    (held,) = positions.positions
    assert (held.quantity, held.entry_price, held.margin) == ("-0.01", "3641.075", "1.2")
    assert held.margin_type == "isolated"


def test_no_position_at_all_is_told_as_of_now() -> None:
    (_, positions), asked = answered(
        snapshot("inverse", ACCOUNT, {}), [rows(WALLET), answer(INFO), EMPTY, EMPTY]
    )
    assert positions == PositionsTold(positions=(), time_ms=NOW_MS, whole=True)
    assert all("settleCoin" not in request.params for request in asked)


def test_lists_are_followed_by_their_cursor() -> None:
    """As it is given; a full last page names a next one, which is empty."""
    pages = [
        rows(OPEN, {**OPEN, "orderId": "2"}, cursor="page_token%3D1%26"),
        rows({**OPEN, "orderId": "3"}, cursor="page_token%3D2%26"),
        rows(cursor="page_token%3D3%26"),
    ]
    told, asked = answered(snapshot("spot", ACCOUNT, {}), [rows(WALLET), *pages])
    assert [one.order_id for one in told if isinstance(one, OrderTold)] == ["open", "2", "3"]
    assert [request.params.get("cursor") for request in asked[1:]] == [
        None,
        "page_token%3D1%26",
        "page_token%3D2%26",
    ]


def test_a_cursor_that_leads_nowhere_is_followed_once() -> None:
    same = rows(OPEN, cursor="same")
    _, asked = answered(snapshot("spot", ACCOUNT, {}), [rows(WALLET), same, same])
    assert len(asked) == 3


def test_a_full_page_that_leads_nowhere_is_no_end() -> None:
    """What lies behind it was not read: who took it for nothing would never ask for it again."""
    known = Known(since_ms=NOW_MS - 1000, until_ms=NOW_MS)
    for answers in (
        [rows(*[FILL] * 100, cursor="same")] * 2,
        [EMPTY, *[rows(*[ORDER] * 50, cursor="same")] * 2],
    ):
        with pytest.raises(InquiryFailed, match="leads to itself") as failed:
            answered(since("linear", ACCOUNT, {}, known), answers)
        assert failed.value.trouble == "transient"


@pytest.mark.parametrize(
    "row",
    [
        {**OPEN, "qty": "1e5"},
        {name: value for name, value in OPEN.items() if name != "orderStatus"},
        {**OPEN, "symbol": "BTCUSD", "qty": "1" * 30, "price": "1." + "1" * 30},
    ],
)
def test_a_row_that_cannot_be_read_is_no_answer(row: dict[str, Any]) -> None:
    """A list that lost a row would be taken for the whole."""
    catalog: Catalog = {"BTCUSD": msgspec.structs.replace(INVERSE, contract_size="1." + "1" * 60)}
    answers = [rows(WALLET), answer(INFO), EMPTY, rows(row)]
    with pytest.raises(msgspec.DecodeError):
        answered(snapshot("inverse", ACCOUNT, catalog), answers)


# --- since then ---------------------------------------------------------------------------------


def test_fills_since_come_before_the_state_they_led_to() -> None:
    at = {"updatedTime": FILL["execTime"], "orderId": FILL["orderId"], "orderStatus": "Filled"}
    known = Known(since_ms=1746270400000, until_ms=1746270500000)
    told, asked = answered(
        since("linear", ACCOUNT, {}, known), [rows(FILL), rows({**ORDER, **at}, ORDER)]
    )
    assert [type(one) for one in told] == [OrderTold, FillTold, OrderTold]
    stretch = {"startTime": "1746270400000", "endTime": "1746270499999"}
    assert [(request.url.rpartition("/v5/")[2], dict(request.params)) for request in asked] == [
        ("execution/list", {"category": "linear", **stretch, "limit": "100"}),
        ("order/history", {"category": "linear", **stretch, "limit": "50"}),
    ]


def test_what_is_newest_first_is_told_oldest_first() -> None:
    """Rows of one millisecond are told apart by their sequence."""
    found = [
        {**FILL, "execId": name, "execTime": time, "seq": seq}
        for name, time, seq in (("c", "30", 1), ("b", "20", 9), ("a", "20", 8))
    ]
    known = Known(since_ms=10, until_ms=40)
    told, _ = answered(since("linear", ACCOUNT, {}, known), [rows(*found), EMPTY])
    assert [one.trade_id for one in told if isinstance(one, FillTold)] == ["a", "b", "c"]


def test_what_is_no_trade_is_left_out() -> None:
    found = [{**FILL, "execType": "Funding", "orderType": "UNKNOWN"}, {**FILL, "execType": "New"}]
    known = Known(since_ms=10, until_ms=40)
    told, _ = answered(since("linear", ACCOUNT, {}, known), [rows(*found, FILL), EMPTY])
    assert len(told) == 1


def test_a_long_time_is_asked_week_by_week_and_never_twice() -> None:
    known = Known(since_ms=5, until_ms=5 + 2 * SPAN_MS + 1)
    _, asked = answered(since("spot", ACCOUNT, {}, known), [EMPTY] * 6)
    stretches = [
        (int(request.params["startTime"]), int(request.params["endTime"]))
        for request in asked
        if request.url.endswith("execution/list")
    ]
    assert stretches == [
        (5, 4 + SPAN_MS),
        (5 + SPAN_MS, 4 + 2 * SPAN_MS),
        (5 + 2 * SPAN_MS, 5 + 2 * SPAN_MS),
    ]


def test_pages_keep_to_their_stretch() -> None:
    known = Known(since_ms=10, until_ms=40)
    first = rows({**FILL, "execTime": "30"}, cursor="2%3A1")
    second = rows({**FILL, "execTime": "20", "execId": "older"})
    told, asked = answered(since("linear", ACCOUNT, {}, known), [first, second, EMPTY])
    assert [one.time_ms for one in told] == [20, 30]
    assert dict(asked[1].params) == {**asked[0].params, "cursor": "2%3A1"}


def test_nothing_is_asked_where_no_time_has_passed() -> None:
    assert answered(since("spot", ACCOUNT, {}, Known(since_ms=5, until_ms=5)), []) == ([], [])


# --- one order ----------------------------------------------------------------------------------


def test_one_order_comes_with_its_fills() -> None:
    ended = {**ORDER, "orderStatus": "Filled"}
    older = {**FILL, "execId": "older", "execTime": "1746270400000"}
    told, asked = answered(
        order("linear", ACCOUNT, {}, "BTCUSDT", "abc"), [rows(ended), rows(FILL, older)]
    )
    assert [type(one) for one in told] == [FillTold, FillTold, OrderTold]
    assert [one.trade_id for one in told if isinstance(one, FillTold)] == ["older", FILL["execId"]]
    assert [request.url.rpartition("/v5/")[2] for request in asked] == [
        "order/realtime",
        "execution/list",
    ]
    for request in asked:
        assert dict(request.params).items() >= {"symbol": "BTCUSDT", "orderId": "abc"}.items()


def test_what_ended_long_ago_is_in_the_history() -> None:
    told, asked = answered(
        order("linear", ACCOUNT, {}, "BTCUSDT", "abc"), [EMPTY, rows(ORDER), EMPTY]
    )
    assert [type(one) for one in told] == [OrderTold]
    assert asked[1].url.endswith("/v5/order/history")


@pytest.mark.parametrize("code", ["110001", "170213"])
def test_an_order_may_be_forgotten(code: str) -> None:
    """Bybit knows what was canceled without a fill for a day."""
    gone = refused(f"HTTP 200 {code} Order does not exist.")
    for answers in ([EMPTY, EMPTY], [gone, gone]):
        told, _ = answered(order("spot", ACCOUNT, {}, "BTCUSDT", "1"), answers)
        assert told == []


@pytest.mark.parametrize("words", ["params error: symbol invalid", "Not supported symbols"])
def test_an_order_of_a_symbol_that_is_not_listed_any_more_is_forgotten(words: str) -> None:
    """Nothing else is asked by symbol."""
    gone = refused(f"HTTP 200 10001 {words}", "config")
    assert answered(order("linear", ACCOUNT, {}, "GONEUSDT", "1"), [gone, gone])[0] == []


def test_any_other_failure_is_one() -> None:
    with pytest.raises(InquiryFailed):
        answered(order("spot", ACCOUNT, {}, "B", "1"), [refused("HTTP 200 10001 orderId invalid")])
    with pytest.raises(InquiryFailed):
        answered(order("spot", ACCOUNT, {}, "BTCUSDT", "1"), [refused("HTTP 200 10016 error")])
    with pytest.raises(InquiryFailed):
        answered(order("spot", ACCOUNT, {}, "B", "1"), [refused("HTTP 500 order 1100011")])
