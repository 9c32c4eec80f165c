"""What Coinbase's REST knows of an account: rows read, lists paged."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.coinbase.inquiries import order, since, snapshot
from common.exchanges.private import Credentials, InquiryFailed, Known
from common.exchanges.told import BalancesTold, FillTold, OrderTold
from common.model.account import Balance, ExecutionReport, Fill
from common.model.decimals import same, total
from common.model.secret import Secret
from common.recovery.orders import Orders
from common.recovery.reports import Account
from tests.exchanges.asking import answered, refused
from tests.exchanges.coinbase.test_told import ORDER as WS_ORDER
from tests.exchanges.coinbase.test_told import frame, heard

ACCOUNT = Credentials(Secret("k"), Secret("s"), kind="es256")
URL = "https://api.coinbase.com/api/v3/brokerage"
ORDER: dict[str, Any] = {
    "order_id": "o-1", "product_id": "BTC-USD",
    "order_configuration": {
        "limit_limit_gtc": {"base_size": "0.01", "limit_price": "45000.00", "post_only": False}
    },
    "side": "BUY", "client_order_id": "mine", "status": "OPEN",
    "time_in_force": "GOOD_UNTIL_CANCELLED", "created_time": "2024-01-15T10:00:00Z",
    "filled_size": "0.005", "average_filled_price": "45000", "fee": "", "number_of_fills": "1",
    "filled_value": "225", "size_in_quote": False, "total_fees": "1.14", "order_type": "LIMIT",
    "reject_reason": "REJECT_REASON_UNSPECIFIED", "product_type": "SPOT", "reject_message": "",
    "cancel_message": "", "is_liquidation": False, "last_fill_time": "2024-01-15T10:30:00.5Z",
}  # fmt: skip
FILL: dict[str, Any] = {
    "entry_id": "e-1", "trade_id": "t-1", "order_id": "o-1", "trade_time": "2024-01-15T10:30:00Z",
    "trade_type": "FILL", "price": "45000", "size": "0.005", "commission": "1.14",
    "product_id": "BTC-USD", "sequence_timestamp": "2024-01-15T10:30:00.123456Z",
    "liquidity_indicator": "MAKER", "size_in_quote": False, "side": "BUY",
}  # fmt: skip
NEVER_TRADED = {"cumulative_quantity": "0", "filled_value": "0", "avg_price": "0"}
CREATED_MS = 1705312800000
FILLED_MS = CREATED_MS + 30 * 60_000
# A market order by its worth, as it was seen: 6.36 USDT, of which two fills.
BY_WORTH = ORDER | {
    "order_id": "o-2", "product_id": "BTC-USDT", "status": "FILLED", "order_type": "MARKET",
    "order_configuration": {"market_market_ioc": {"quote_size": "6.36"}},
    "time_in_force": "IMMEDIATE_OR_CANCEL", "filled_size": "0.000297920684505",
    "average_filled_price": "21220.6399999973697697", "filled_value": "6.3220675944333996",
    "number_of_fills": "2", "size_in_quote": True, "cancel_message": "Internal error",
    "created_time": "2023-01-18T01:37:37.975552Z", "last_fill_time": "2023-01-18T01:37:38.1Z",
}  # fmt: skip
SMALL = FILL | {
    "trade_id": "t-2", "order_id": "o-2", "trade_time": "2023-01-18T01:37:38.091377090Z",
    "price": "21220.64", "size": "0.0046830664333996", "commission": "0.0000280983986004",
    "product_id": "BTC-USDT", "liquidity_indicator": "UNKNOWN_LIQUIDITY_INDICATOR",
    "size_in_quote": True,
}  # fmt: skip
LARGE = SMALL | {
    "trade_id": "t-3", "trade_time": "2023-01-18T01:37:38.06Z", "size": "6.317384528",
}  # fmt: skip
MONEY = {
    "currency": "BTC", "available_balance": {"value": "1.23456789", "currency": "BTC"},
    "hold": {"value": "0.00500000", "currency": "BTC"}, "type": "CRYPTO",
    "updated_at": "2024-01-15T10:30:00Z",
}  # fmt: skip


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def orders(*rows: Any, cursor: str = "") -> bytes:
    return body({"orders": rows, "sequence": "0", "has_next": bool(cursor), "cursor": cursor})


def fills(*rows: Any, cursor: str = "") -> bytes:
    return body({"fills": rows, "cursor": cursor})


def accounts(*rows: Any, cursor: str = "") -> bytes:
    return body({"accounts": rows, "has_next": bool(cursor), "cursor": cursor, "size": len(rows)})


def path(request: Any) -> str:
    assert request.url.startswith(URL)
    return str(request.url.removeprefix(URL))


# --- snapshots ----------------------------------------------------------------------------------


def test_a_snapshot_is_balances_and_orders_that_have_not_ended() -> None:
    pending = ORDER | {"order_id": "o-9", "status": "PENDING", "filled_size": "0"}
    told, asked = answered(
        snapshot("spot", ACCOUNT, {}), [accounts(MONEY), orders(ORDER), orders(pending), orders()]
    )
    balances, one, other = told
    assert balances == BalancesTold(
        balances=(Balance("BTC", "1.23456789", "0.00500000"),), time_ms=FILLED_MS, whole=True
    )
    assert one == OrderTold(
        symbol="BTC-USD",
        order_id="o-1",
        status="PARTIALLY_FILLED",
        raw_status="OPEN",
        time_ms=FILLED_MS + 500,
        side="BUY",
        order_type="LIMIT",
        time_in_force="GTC",
        client_order_id="mine",
        price="45000.00",
        quantity="0.01",
        filled="0.005",
        filled_quote="225",
        average_price="45000",
        created_ms=CREATED_MS,
        liquidation=False,
    )
    assert isinstance(other, OrderTold)
    assert (other.order_id, other.status) == ("o-9", "NEW")
    assert [path(request) for request in asked] == ["/accounts", *["/orders/historical/batch"] * 3]
    assert [request.params.get("order_status") for request in asked[1:]] == [
        "OPEN",
        "PENDING",
        "QUEUED",
    ], "one at a time: OPEN leaves the others out, and may not go with them"
    assert {request.params["limit"] for request in asked[1:]} == {"1000"}
    assert all(request.signed and request.cost == {"private": 1} for request in asked)


def test_pages_are_asked_for_until_there_is_no_more() -> None:
    more = MONEY | {"currency": "ETH"}
    (balances, *_), asked = answered(
        snapshot("spot", ACCOUNT, {}),
        [accounts(MONEY, cursor="next"), accounts(more), orders(), orders(), orders()],
    )
    assert isinstance(balances, BalancesTold)
    assert [one.asset for one in balances.balances] == ["BTC", "ETH"]
    assert dict(asked[1].params) == {"limit": "250", "cursor": "next"}


def test_a_mark_that_does_not_move_is_not_followed_for_ever() -> None:
    page = fills(FILL, cursor="same")
    told, _ = answered(order("spot", ACCOUNT, {}, "BTC-USD", "o-1"), [ONE, page, page])
    assert len(told) == 3


def test_a_full_page_whose_mark_does_not_move_is_no_end() -> None:
    """What lies behind it was not read: who took it for nothing would never ask for it again."""
    page = fills(*[FILL] * 250, cursor="same")
    with pytest.raises(InquiryFailed, match="historical/fills") as failed:
        answered(since("spot", ACCOUNT, {}, KNOWN), [page, page])
    assert failed.value.trouble == "transient"


def test_assets_of_several_accounts_are_added_up_and_vaults_left_out() -> None:
    rows = (
        MONEY,
        MONEY | {"type": "ACCOUNT_TYPE_CRYPTO", "hold": {"value": "1"}},
        MONEY | {"type": "ACCOUNT_TYPE_VAULT"},
        MONEY | {"currency": "EUR", "type": "FIAT", "updated_at": None},
        MONEY | {"type": "PERP_FUTURES"},
    )
    (balances, *_), _ = answered(
        snapshot("spot", ACCOUNT, {}), [accounts(*rows), orders(), orders(), orders()]
    )
    assert isinstance(balances, BalancesTold)
    assert balances.balances == (
        Balance("BTC", "2.46913578", "1.00500000"),
        Balance("EUR", "1.23456789", "0.00500000"),
    )


def test_orders_of_futures_are_left_out_though_they_were_not_asked_for() -> None:
    future = ORDER | {"product_id": "BIT-28JUN24-CDE", "product_type": "FUTURE"}
    told, asked = answered(
        snapshot("spot", ACCOUNT, {}), [accounts(), orders(future), orders(), orders()]
    )
    assert len(told) == 1
    assert {request.params["product_type"] for request in asked[1:]} == {"SPOT"}


@pytest.mark.parametrize(
    ("kind", "terms", "expected"),
    [
        ("limit_limit_gtc", {"base_size": "1", "limit_price": "2"}, ("1", "2", UNSET)),
        ("market_market_ioc", {"quote_size": "6.36"}, (UNSET, UNSET, UNSET)),
        ("market_market_ioc", {"base_size": "1"}, ("1", UNSET, UNSET)),
        (
            "stop_limit_stop_limit_gtc",
            {"base_size": "1", "limit_price": "2", "stop_price": "3"},
            ("1", "2", "3"),
        ),
        (
            "trigger_bracket_gtc",
            {"base_size": "1", "limit_price": "2", "stop_trigger_price": "3"},
            ("1", "2", "3"),
        ),
    ],
)
def test_terms_are_those_of_the_order_placed(kind: str, terms: Any, expected: Any) -> None:
    row = ORDER | {"order_configuration": {kind: terms}}
    (_, said), _ = answered(
        snapshot("spot", ACCOUNT, {}), [accounts(), orders(row), orders(), orders()]
    )
    assert isinstance(said, OrderTold)
    assert (said.quantity, said.price, said.stop_price) == expected


def test_an_edited_order_stands_as_of_its_edit() -> None:
    edit = {"price": "45001", "replace_accept_timestamp": "2024-01-15T11:00:00Z"}
    row = ORDER | {"edit_history": [edit], "last_fill_time": None, "order_configuration": None}
    (_, said), _ = answered(
        snapshot("spot", ACCOUNT, {}), [accounts(), orders(row), orders(), orders()]
    )
    assert isinstance(said, OrderTold)
    assert (said.time_ms, said.quantity) == (CREATED_MS + 3_600_000, UNSET)


# --- what happened since ------------------------------------------------------------------------

KNOWN = Known(since_ms=CREATED_MS - 1, until_ms=CREATED_MS + 7_200_000)


def test_fills_come_before_the_state_that_they_led_to() -> None:
    told, asked = answered(since("spot", ACCOUNT, {}, KNOWN), [fills(FILL), orders(ORDER)])
    fill, state = told
    assert fill == FillTold(
        symbol="BTC-USD",
        order_id="o-1",
        trade_id="t-1",
        side="BUY",
        price="45000",
        time_ms=FILLED_MS,
        quantity="0.005",
        quote_quantity="225.000",
        fee="1.14",
        fee_asset="USD",
        maker=True,
    )
    assert isinstance(state, OrderTold)
    start = "2024-01-15T09:59:59.999Z"
    assert dict(asked[0].params) == {"start_sequence_timestamp": start, "limit": "250"}
    assert dict(asked[1].params) == {"start_date": start, "limit": "250", "product_type": "SPOT"}


def test_all_pages_of_fills_and_orders_are_read() -> None:
    other = FILL | {"trade_id": "t-9", "order_id": "o-9"}
    told, asked = answered(
        since("spot", ACCOUNT, {}, KNOWN),
        [
            fills(FILL, cursor="f"),
            fills(other),
            orders(ORDER, cursor="o"),
            orders(ORDER | {"order_id": "o-8"}),
        ],
    )
    assert len(told) == 4
    assert [request.params.get("cursor") for request in asked] == [None, "f", None, "o"]
    assert (
        asked[1].params["start_sequence_timestamp"] == asked[0].params["start_sequence_timestamp"]
    )


def test_a_liquidation_is_told_as_one_where_the_row_says_whether_it_is() -> None:
    unsaid = {name: value for name, value in ORDER.items() if name != "is_liquidation"}
    rows = orders(ORDER | {"is_liquidation": True}, unsaid | {"order_id": "o-2"})
    told, _ = answered(since("spot", ACCOUNT, {}, KNOWN), [fills(), rows])
    assert [one.liquidation for one in told if isinstance(one, OrderTold)] == [True, UNSET]


def test_a_product_that_is_not_listed_any_more_fails_nothing() -> None:
    """No request names one, so none can be refused for it."""
    known = Known(since_ms=CREATED_MS - 1, until_ms=FILLED_MS, symbols={"GONE-USD"})
    _, happened = answered(since("spot", ACCOUNT, {}, known), [fills(), orders()])
    _, one = answered(order("spot", ACCOUNT, {}, "GONE-USD", "o-1"), [ONE, fills(FILL)])
    for request in (*happened, *one):
        assert "GONE-USD" not in f"{request.url} {dict(request.params)}"


def test_fees_are_in_the_asset_that_prices_are_in_and_may_be_earned() -> None:
    """They came without an asset once."""
    rebate = FILL | {"product_id": "ETH-EUR", "commission": "-0.2", "liquidity_indicator": "TAKER"}
    unsaid = FILL | {"trade_id": "t-5", "commission": ""}
    told, _ = answered(since("spot", ACCOUNT, {}, KNOWN), [fills(rebate, unsaid), orders()])
    one, other = told
    assert isinstance(one, FillTold)
    assert isinstance(other, FillTold)
    assert (one.fee, one.fee_asset, one.maker) == ("-0.2", "EUR", False)
    assert (other.fee, other.fee_asset) == (UNSET, UNSET)


def test_entries_that_are_no_trades_or_of_futures_are_left_out() -> None:
    rows = (
        FILL | {"trade_type": "REVERSAL"},
        FILL | {"trade_type": "CORRECTION"},
        FILL | {"product_id": "BIT-28JUN24-CDE"},
        FILL | {"trade_type": "SYNTHETIC"},
    )
    told, _ = answered(since("spot", ACCOUNT, {}, KNOWN), [fills(*rows), orders()])
    assert len(told) == 1


def test_an_end_without_a_time_is_of_the_last_that_is_told_whenever_it_is_asked_for() -> None:
    ended = ORDER | {"status": "CANCELLED", "cancel_message": "User requested cancel"}
    later = msgspec.structs.replace(KNOWN, until_ms=KNOWN.until_ms + 3_600_000)
    for known in (KNOWN, later):
        (state,), _ = answered(since("spot", ACCOUNT, {}, known), [fills(), orders(ended)])
        assert isinstance(state, OrderTold)
        assert (state.status, state.time_ms) == ("CANCELED", FILLED_MS + 500)
        assert state.reason == "User requested cancel"


def test_an_order_that_never_traded_ended_no_earlier_than_it_was_created_or_edited() -> None:
    never = ORDER | {"status": "EXPIRED", "filled_size": "0", "last_fill_time": None}
    edits = {"edit_history": [{"replace_accept_timestamp": "2024-01-15T10:00:07Z"}]}
    rows = orders(never, never | edits | {"order_id": "o-2"})
    told, _ = answered(since("spot", ACCOUNT, {}, KNOWN), [fills(), rows])
    assert [one.time_ms for one in told if isinstance(one, OrderTold)] == [
        CREATED_MS,
        CREATED_MS + 7_000,
    ]


def test_a_rejection_is_of_the_same_time_on_the_socket_and_in_rest() -> None:
    created = {"creation_time": ORDER["created_time"]}
    (pushed,) = heard(frame(WS_ORDER | NEVER_TRADED | created | {"status": "FAILED"}))
    failed = ORDER | {"status": "FAILED", "filled_size": "0", "last_fill_time": None}
    (listed,), _ = answered(since("spot", ACCOUNT, {}, KNOWN), [fills(), orders(failed)])
    assert isinstance(pushed, OrderTold)
    assert isinstance(listed, OrderTold)
    assert (pushed.status, listed.status) == ("REJECTED", "REJECTED")
    assert pushed.time_ms == listed.time_ms == CREATED_MS


# --- fills that are counted in the quote asset --------------------------------------------------


def quantities(told: Any) -> list[str]:
    return [one.quantity for one in told if isinstance(one, FillTold)]


def test_fills_by_worth_add_up_to_what_the_order_says() -> None:
    """Read as a quantity in the base asset, each would be 21,220 times too much."""
    told, asked = answered(
        since("spot", ACCOUNT, {}, KNOWN), [fills(SMALL, LARGE), orders(BY_WORTH)]
    )
    assert len(asked) == 2
    large, small, state = told
    assert isinstance(large, FillTold)
    assert isinstance(small, FillTold)
    assert isinstance(state, OrderTold)
    assert (large.quote_quantity, small.quote_quantity) == ("6.317384528", "0.0046830664333996")
    assert large.quantity is not UNSET
    assert large.quantity.startswith("0.0002977")
    assert same(total(quantities(told)), "0.000297920684505")
    assert (state.quantity, state.filled) == (UNSET, "0.000297920684505")
    assert state.reason is UNSET, "it is filled, whatever the message says"
    assert (small.maker, small.fee_asset) == (UNSET, "USDT")


def test_fills_by_worth_of_an_older_order_are_asked_for_together() -> None:
    told, asked = answered(
        since("spot", ACCOUNT, {}, KNOWN),
        [fills(SMALL), orders(), body({"order": BY_WORTH}), fills(SMALL, LARGE)],
    )
    assert same(total(quantities(told)), "0.000297920684505")
    assert path(asked[2]) == "/orders/historical/o-2"
    assert asked[3].params["order_ids"] == "o-2"


def test_while_some_are_missing_none_by_worth_is_told() -> None:
    told, _ = answered(
        order("spot", ACCOUNT, {}, "BTC-USDT", "o-2"), [body({"order": BY_WORTH}), fills(SMALL)]
    )
    assert [type(one) for one in told] == [OrderTold]


def test_an_order_by_worth_that_was_seen_before_it_was_whole_is_filled_at_once() -> None:
    """A fill that was told is not told otherwise: what rounding makes together would never be reached."""
    first = SMALL | {"trade_id": "1", "price": "61234.57", "size": "33.33"}
    second = LARGE | {"trade_id": "2", "price": "61237.11", "size": "66.67",
                      "trade_time": "2023-01-18T01:37:39Z"}  # fmt: skip
    partly = BY_WORTH | {"status": "OPEN", "filled_size": "0.0005443"}
    whole = BY_WORTH | {"filled_size": "0.00163302"}
    orders_ = Orders(Account("coinbase", "spot", "a"))
    for row, rows in ((partly, (first,)), (whole, (second, first))):
        told, _ = answered(
            order("spot", ACCOUNT, {}, "BTC-USDT", "o-2"), [body({"order": row}), fills(*rows)]
        )
        events = orders_.take([one for one in told if isinstance(one, OrderTold | FillTold)])
    assert [event.trade_id for event in events if isinstance(event, Fill)] == ["1", "2"]
    *_, last = events
    assert isinstance(last, ExecutionReport)
    assert last.cumulative_quantity is not UNSET
    assert (last.status, same(last.cumulative_quantity, "0.00163302")) == ("FILLED", True)
    assert not orders_.owed


def test_fills_by_worth_that_add_up_are_told_before_the_order_has_ended() -> None:
    row = BY_WORTH | {"status": "OPEN", "filled_size": "0.0002977"}
    told, _ = answered(
        order("spot", ACCOUNT, {}, "BTC-USDT", "o-2"), [body({"order": row}), fills(LARGE)]
    )
    assert [type(one) for one in told] == [FillTold, OrderTold]


def test_what_the_stream_owes_is_settled_by_asking_for_the_order() -> None:
    """Frames tell totals only: the fills are fetched, and have to add up to the last digit."""
    folded = Orders(Account("coinbase", "spot", "a"))
    streamed = WS_ORDER | {
        "order_id": "o-2", "product_id": "BTC-USDT", "order_type": "Market",
        "cumulative_quantity": BY_WORTH["filled_size"], "avg_price": "21220.64",
    }  # fmt: skip
    assert folded.take(heard(frame(streamed))) == []
    assert [each.about.order_id for each in folded.owed] == ["o-2"]
    told, _ = answered(
        order("spot", ACCOUNT, {}, "BTC-USDT", "o-2"),
        [body({"order": BY_WORTH}), fills(SMALL, LARGE)],
    )
    new, *_, last = folded.take([one for one in told if isinstance(one, OrderTold | FillTold)])
    assert isinstance(new, ExecutionReport)
    assert isinstance(last, ExecutionReport)
    assert (new.status, last.status) == ("NEW", "FILLED")
    assert last.cumulative_quantity is not UNSET
    assert same(last.cumulative_quantity, BY_WORTH["filled_size"])
    assert not folded.owed


# --- one order ----------------------------------------------------------------------------------

ONE = body({"order": ORDER})


def test_one_order_comes_with_its_fills() -> None:
    told, asked = answered(order("spot", ACCOUNT, {}, "BTC-USD", "o-1"), [ONE, fills(FILL)])
    assert [type(one) for one in told] == [FillTold, OrderTold]
    assert [path(request) for request in asked] == [
        "/orders/historical/o-1",
        "/orders/historical/fills",
    ]
    assert dict(asked[1].params) == {"order_ids": "o-1", "limit": "250"}


def test_one_order_that_ended_has_the_time_that_the_list_has_of_it() -> None:
    ended = ORDER | {"status": "EXPIRED"}
    (_, alone), asked = answered(
        order("spot", ACCOUNT, {}, "BTC-USD", "o-1"), [body({"order": ended}), fills(FILL)]
    )
    (listed,), _ = answered(since("spot", ACCOUNT, {}, KNOWN), [fills(), orders(ended)])
    assert alone == listed
    assert len(asked) == 2


def test_an_id_is_one_part_of_the_path() -> None:
    _, asked = answered(
        order("spot", ACCOUNT, {}, "BTC-USD", "a/../b"), [refused("HTTP 404 NOT_FOUND")]
    )
    assert path(asked[0]) == "/orders/historical/a%2F..%2Fb"


def test_an_order_may_be_unknown_and_any_other_failure_is_one() -> None:
    asked = order("spot", ACCOUNT, {}, "BTC-USD", "o-1")
    assert answered(asked, [refused("HTTP 404 NOT_FOUND order not found")])[0] == []
    with pytest.raises(InquiryFailed):
        answered(order("spot", ACCOUNT, {}, "BTC-USD", "o-1"), [refused("HTTP 404")])


@pytest.mark.parametrize(
    "answers",
    [
        [b"\xff"],
        [b"{}"],
        [orders({"order_id": "1234"})],
        [body({"order": ORDER}), fills(FILL | {"size": "-1"})],
        [body({"order": ORDER}), fills(FILL | {"size_in_quote": True, "price": "0"})],
        [body({"order": ORDER}), fills(FILL | {"trade_time": "noon"})],
    ],
)
def test_a_body_that_cannot_be_read_is_no_answer(answers: list[bytes]) -> None:
    with pytest.raises(msgspec.DecodeError):
        answered(order("spot", ACCOUNT, {}, "BTC-USD", "o-1"), answers)
