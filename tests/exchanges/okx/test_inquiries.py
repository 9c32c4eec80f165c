"""What OKX's REST knows of an account: rows read, histories paged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.okx import inquiries
from common.exchanges.okx.inquiries import DAY_MS, HOUR_MS, ROWS, order, since, snapshot
from common.exchanges.okx.rest import rest_failure
from common.exchanges.private import Credentials, InquiryFailed, Known
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.account import Balance
from common.model.secret import Secret
from tests.exchanges.asking import answered, refused
from tests.exchanges.okx.test_told import (
    ACCOUNT as ACCOUNT_ROW,
)
from tests.exchanges.okx.test_told import (
    BALANCES,
    INVERSE,
    LINEAR,
    NONE,
    POSITION,
    SPOT,
    SWAP,
)

ACCOUNT = Credentials(Secret("k"), Secret("s"), Secret("p"))
NOW_MS = 1708587400000
FILL: dict[str, Any] = {
    "side": "buy", "fillSz": "0.00192834", "fillPx": "51858", "fillPxVol": "", "fillFwdPx": "",
    "fee": "-0.00000192834", "fillPnl": "0", "ordId": "680800019749904384", "feeRate": "-0.001",
    "instType": "SPOT", "fillPxUsd": "", "instId": "BTC-USDT", "clOrdId": "", "posSide": "net",
    "billId": "680800019754098688", "subType": "1", "tag": "", "fillTime": "1708587373361",
    "execType": "T", "tradeId": "744876980", "feeCcy": "BTC", "ts": "1708587373362",
}  # fmt: skip
ORDER: dict[str, Any] = {
    "accFillSz": "0.00192834", "avgPx": "51858", "cTime": "1708587373361", "cancelSource": "",
    "cancelSourceReason": "", "category": "normal", "clOrdId": "", "fee": "-0.00000192834",
    "feeCcy": "BTC", "fillPx": "51858", "fillSz": "0.00192834", "fillTime": "1708587373361",
    "instId": "BTC-USDT", "instType": "SPOT", "ordId": "680800019749904384", "ordType": "market",
    "posSide": "net", "px": "", "reduceOnly": "false", "side": "buy", "state": "filled",
    "sz": "100", "tdMode": "cash", "tgtCcy": "quote_ccy", "tradeId": "744876980",
    "uTime": "1708587373362",
}  # fmt: skip


def body(*rows: Any) -> bytes:
    return json.dumps({"code": "0", "msg": "", "data": rows}).encode()


def paths(asked: Sequence[RestRequest]) -> list[str]:
    assert all(request.signed and request.method == "GET" for request in asked)
    return [urlsplit(request.url).path.removeprefix("/api/v5") for request in asked]


def known(since_ms: int) -> Known:
    return Known(since_ms=since_ms, until_ms=NOW_MS)


# --- as it is now -------------------------------------------------------------------------------


def test_a_spot_snapshot_is_balances_and_open_orders() -> None:
    live = ORDER | {"ordType": "post_only", "state": "live", "accFillSz": "0", "avgPx": "",
                    "px": "13013.5", "sz": "0.001", "tgtCcy": ""}  # fmt: skip
    told, asked = answered(snapshot("spot", ACCOUNT, NONE), [body(ACCOUNT_ROW), body(live)])
    assert told == [
        BalancesTold(balances=BALANCES, time_ms=1705564223311, whole=True),
        OrderTold(
            symbol="BTC-USDT",
            order_id="680800019749904384",
            status="NEW",
            raw_status="live",
            time_ms=1708587373362,
            side="BUY",
            order_type="LIMIT",
            time_in_force="POST_ONLY",
            price="13013.5",
            quantity="0.001",
            filled="0",
            filled_quote="0",
            reduce_only=False,
            created_ms=1708587373361,
            liquidation=False,
        ),
    ]
    assert paths(asked) == ["/account/balance", "/trade/orders-pending"]
    assert dict(asked[1].params) == {"instType": "SPOT", "limit": "100"}


def test_contracts_of_both_types_are_asked_for_and_those_of_the_other_market_left_out() -> None:
    theirs = POSITION | {"instId": "BTC-USDT-SWAP"}
    closed = POSITION | {"instId": "ETH-USD-SWAP", "pos": "0", "uTime": "9999999999999"}
    told, asked = answered(
        snapshot("inverse", ACCOUNT, INVERSE),
        [
            body(ACCOUNT_ROW),
            body(POSITION, theirs, closed),
            body(SWAP | {"instId": "BTC-USD-SWAP"}, SWAP),
            body(),
        ],
    )
    _, positions, only = told
    assert isinstance(positions, PositionsTold)
    assert [one.symbol for one in positions.positions] == ["BTC-USD-SWAP"]
    assert (positions.whole, positions.time_ms) == (True, 1619507761462)
    assert isinstance(only, OrderTold)
    assert only.symbol == "BTC-USD-SWAP"
    assert paths(asked) == [
        "/account/balance",
        "/account/positions",
        *["/trade/orders-pending"] * 2,
    ]
    assert [request.params.get("instType") for request in asked[2:]] == ["SWAP", "FUTURES"]


def test_an_account_without_positions_has_none() -> None:
    empty = {"uTime": "1", "details": []}
    (balances, positions), _ = answered(
        snapshot("linear", ACCOUNT, LINEAR), [body(empty), body(), body(), body()]
    )
    assert balances == BalancesTold(balances=(), time_ms=1, whole=True)
    assert positions == PositionsTold(positions=(), time_ms=0, whole=True)


@pytest.mark.parametrize("rows", [(), (ACCOUNT_ROW, ACCOUNT_ROW)])
def test_an_answer_of_no_account_is_not_one_without_balances(rows: Sequence[Any]) -> None:
    with pytest.raises(msgspec.DecodeError):
        answered(snapshot("spot", ACCOUNT, NONE), [body(*rows)])


def test_accounts_of_modes_without_a_free_balance_have_their_equity() -> None:
    detail = {"ccy": "BTC", "cashBal": "1", "frozenBal": "", "availBal": "", "availEq": "0.5"}
    row = {"uTime": "1", "details": [detail]}
    (balances,), _ = answered(snapshot("spot", ACCOUNT, NONE), [body(row), body()])
    assert isinstance(balances, BalancesTold)
    assert balances.balances == (Balance("BTC", "0.5", UNSET, "1"),)


def test_one_strange_row_of_state_fails_the_answer() -> None:
    """What is left out would be taken for closed."""
    with pytest.raises(msgspec.DecodeError):
        answered(
            snapshot("spot", ACCOUNT, NONE), [body(ACCOUNT_ROW), body(ORDER, ORDER | {"sz": "x"})]
        )


# --- since then ---------------------------------------------------------------------------------


def test_fills_since_come_before_the_state_they_led_to() -> None:
    start_ms = NOW_MS - HOUR_MS
    told, asked = answered(
        since("spot", ACCOUNT, NONE, known(start_ms)), [body(FILL), body(ORDER | {"uTime": FILL["fillTime"]})]
    )  # fmt: skip
    fill, state = told
    assert fill == FillTold(
        symbol="BTC-USDT",
        order_id="680800019749904384",
        trade_id="744876980",
        side="BUY",
        price="51858",
        time_ms=1708587373361,
        seq=744876980,
        quantity="0.00192834",
        quote_quantity="99.99985572",
        fee="0.00000192834",
        fee_asset="BTC",
        maker=False,
        liquidation=False,
    )
    assert isinstance(state, OrderTold)
    assert (state.status, state.quantity, state.filled) == ("FILLED", UNSET, "0.00192834")
    assert paths(asked) == ["/trade/fills", "/trade/orders-history"]
    for request in asked:
        assert dict(request.params) == {
            "instType": "SPOT", "begin": str(start_ms), "limit": "100",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [
        (2 * DAY_MS, ["/trade/fills", "/trade/orders-history"]),
        (3 * DAY_MS, ["/trade/fills-history", "/trade/orders-history"]),
        (6 * DAY_MS, ["/trade/fills-history", "/trade/orders-history"]),
        (7 * DAY_MS, ["/trade/fills-history", "/trade/orders-history-archive"]),
    ],
)
def test_how_far_back_decides_which_history_is_asked(age_ms: int, expected: list[str]) -> None:
    told, asked = answered(since("spot", ACCOUNT, NONE, known(NOW_MS - age_ms)), [body()] * 2)
    assert (list(told), paths(asked)) == ([], expected)


def test_a_full_page_goes_on_behind_its_last_id_and_the_oldest_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inquiries, "ROWS", 2)
    fills = [
        FILL | {"billId": f"b{number}", "tradeId": str(number), "fillTime": str(NOW_MS + number)}
        for number in (3, 2, 1)
    ]
    orders = [ORDER | {"ordId": str(number), "uTime": str(NOW_MS + 10)} for number in (6, 5)]
    told, asked = answered(
        since("spot", ACCOUNT, NONE, known(NOW_MS - 1)),
        [body(*fills[:2]), body(*fills[2:]), body(*orders), body()],
    )
    assert [one.trade_id for one in told if isinstance(one, FillTold)] == ["1", "2", "3"]
    assert [one.order_id for one in told if isinstance(one, OrderTold)] == ["5", "6"]
    assert [request.params.get("after") for request in asked] == [None, "b2", None, "5"]
    assert {request.params["begin"] for request in asked} == {str(NOW_MS - 1)}


def test_a_page_holds_a_hundred() -> None:
    rows = [FILL | {"billId": str(number)} for number in range(ROWS)]
    told, asked = answered(since("spot", ACCOUNT, NONE, known(0)), [body(*rows), body(), body()])
    assert (len(told), asked[1].params["after"]) == (100, "99")


def test_a_full_page_that_comes_again_is_no_end() -> None:
    """What lies behind it was not read: who took it for nothing would never ask for it again."""
    page = body(*[FILL | {"billId": str(number)} for number in range(ROWS)])
    with pytest.raises(InquiryFailed, match="/trade/fills-history") as failed:
        answered(since("spot", ACCOUNT, NONE, known(0)), [page, page])
    assert failed.value.trouble == "transient"


def test_both_types_of_contracts_have_a_history_of_their_own() -> None:
    swap = FILL | {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "fillSz": "3", "posSide": "short"}
    dated = swap | {"instType": "FUTURES", "instId": "BTC-USDT-241227", "fillPnl": "-1.5"}
    theirs = swap | {"instId": "BTC-USD-SWAP"}
    told, asked = answered(
        since("linear", ACCOUNT, LINEAR, known(NOW_MS - 1)),
        [body(swap, theirs), body(), body(dated), body()],
    )
    first, second = told
    assert isinstance(first, FillTold)
    assert (first.contracts, first.quantity, first.position_side) == ("3", "0.03", "SHORT")
    assert isinstance(second, FillTold)
    # Of a contract that is not in the catalog only the count is known.
    assert (second.contracts, second.quantity, second.realized_pnl) == ("3", UNSET, "-1.5")
    assert [request.params["instType"] for request in asked] == ["SWAP"] * 2 + ["FUTURES"] * 2


def test_trades_of_a_liquidation_are_numbered_here() -> None:
    row = FILL | {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "tradeId": "-12", "execType": ""}
    rows = [row | {"subType": kind, "billId": kind} for kind in ("104", "127", "1", "112", "")]
    told, _ = answered(
        since("linear", ACCOUNT, LINEAR, known(NOW_MS - 1)), [body(*rows), *[body()] * 3]
    )
    fills = [one for one in told if isinstance(one, FillTold)]
    assert [fill.liquidation for fill in fills].count(UNSET) == 1
    assert sorted(fill.liquidation for fill in fills if fill.liquidation is not UNSET) == [
        False, False, True, True,
    ]  # fmt: skip
    assert {(fill.trade_id, fill.seq, fill.maker) for fill in fills} == {("-12", 12, UNSET)}


def test_trades_of_no_order_are_not_ours() -> None:
    told, _ = answered(
        since("spot", ACCOUNT, NONE, known(NOW_MS - 1)), [body(FILL | {"ordId": ""}), body()]
    )
    assert list(told) == []


def test_rebates_are_costs_below_zero() -> None:
    told, _ = answered(
        since("spot", ACCOUNT, NONE, known(NOW_MS - 1)), [body(FILL | {"fee": "0.01"}), body()]
    )
    (fill,) = told
    assert isinstance(fill, FillTold)
    assert (fill.fee, fill.fee_asset) == ("-0.01", "BTC")


# --- one order ----------------------------------------------------------------------------------


def test_one_order_comes_with_its_fills() -> None:
    told, asked = answered(
        order("spot", ACCOUNT, NONE, "BTC-USDT", ORDER["ordId"]), [body(ORDER), body(FILL)]
    )
    assert [type(one) for one in told] == [FillTold, OrderTold]
    assert paths(asked) == ["/trade/order", "/trade/fills"]
    assert dict(asked[0].params) == {"instId": "BTC-USDT", "ordId": ORDER["ordId"]}
    assert dict(asked[1].params) == {
        "instType": "SPOT", "instId": "BTC-USDT", "ordId": ORDER["ordId"], "limit": "100",
    }  # fmt: skip


def test_fills_of_more_than_three_days_ago_are_in_the_long_history() -> None:
    parts = [FILL | {"fillSz": "0.001", "billId": "1", "tradeId": "1"},
             FILL | {"fillSz": "0.00092834", "billId": "2", "tradeId": "2"}]  # fmt: skip
    told, asked = answered(
        order("spot", ACCOUNT, NONE, "BTC-USDT", "1"),
        [body(ORDER), body(parts[1]), body(*reversed(parts))],
    )
    assert paths(asked)[1:] == ["/trade/fills", "/trade/fills-history"]
    assert [one.trade_id for one in told if isinstance(one, FillTold)] == ["1", "2"]


def test_an_order_without_a_fill_has_none_to_ask_for() -> None:
    told, asked = answered(
        order("spot", ACCOUNT, NONE, "BTC-USDT", "1"),
        [body(SPOT | {"state": "canceled", "accFillSz": "0", "cancelSource": "1"})],
    )
    (state,) = told
    assert isinstance(state, OrderTold)
    assert (state.status, state.reason, len(asked)) == ("CANCELED", "1", 1)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"code":"51603","msg":"Order does not exist","data":[]}',
        b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}',
    ],
)
def test_an_order_may_be_forgotten(answer: bytes) -> None:
    failure = rest_failure(200, {}, answer)
    assert failure is not None
    asked = order("spot", ACCOUNT, NONE, "BTC-USDT", "1")
    assert list(answered(asked, [refused(failure.detail)])[0]) == []


def test_an_answer_without_an_order_is_of_one_that_is_forgotten() -> None:
    assert list(answered(order("spot", ACCOUNT, NONE, "BTC-USDT", "1"), [body()])[0]) == []


@pytest.mark.parametrize("detail", ["HTTP 500", "HTTP 429 50011 Too Many Requests", "HTTP 400 515"])
def test_any_other_failure_is_one(detail: str) -> None:
    with pytest.raises(InquiryFailed):
        answered(order("spot", ACCOUNT, NONE, "BTC-USDT", "1"), [refused(detail)])


def test_accounts_are_asked_about_where_they_are() -> None:
    there = Credentials(Secret("k"), Secret("s"), Secret("p"), region="my")
    asked = next(snapshot("spot", there, NONE))
    assert asked.url == "https://eea.okx.com/api/v5/account/balance"
