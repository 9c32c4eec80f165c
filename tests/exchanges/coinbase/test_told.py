"""Coinbase's account events: frames in, exact events out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.coinbase.rows import STATUSES
from common.exchanges.coinbase.told import Frame, told
from common.exchanges.private import Heard
from common.exchanges.protocol import Unreadable
from common.exchanges.told import OrderTold
from common.exchanges.wire import BROKEN

# The documents' own example, with fewer of the fields that are not read.
ORDER: dict[str, Any] = {
    "avg_price": "50000", "cancel_reason": "", "client_order_id": "mine-1",
    "completion_percentage": "100.00", "cumulative_quantity": "0.01", "filled_value": "500",
    "leaves_quantity": "0", "limit_price": "50000", "number_of_fills": "1", "order_id": "YYY",
    "order_side": "BUY", "order_type": "Limit", "outstanding_hold_amount": "0",
    "post_only": "false", "product_id": "BTC-USD", "product_type": "SPOT", "reject_reason": "",
    "retail_portfolio_id": "ZZZ", "status": "FILLED", "stop_price": "",
    "time_in_force": "GOOD_UNTIL_CANCELLED", "total_fees": "2", "total_value_after_fees": "502",
    "trigger_status": "INVALID_ORDER_TYPE", "creation_time": "2024-06-21T18:29:13.909347Z",
    "end_time": "0001-01-01T00:00:00Z", "start_time": "0001-01-01T00:00:00Z",
}  # fmt: skip
POSITIONS: dict[str, Any] = {
    "perpetual_futures_positions": [],
    "expiring_futures_positions": [
        {"product_id": "BIT-28JUN24-CDE", "side": "Long", "number_of_contracts": "1"}
    ],
}
OPEN = ORDER | {
    "status": "OPEN", "cumulative_quantity": "0", "leaves_quantity": "0.01", "avg_price": "0",
    "filled_value": "0", "number_of_fills": "0",
}  # fmt: skip


def frame(*orders: Any, kind: str = "update", **changes: Any) -> dict[str, Any]:
    return {
        "channel": "user",
        "client_id": "",
        "timestamp": "2023-02-09T20:33:57.609931463Z",
        "sequence_num": 7,
        "events": [{"type": kind, "orders": list(orders), "positions": POSITIONS}],
    } | changes


def heard(message: Any) -> Any:
    return told(msgspec.json.decode(json.dumps(message).encode(), type=Frame))


def order(row: dict[str, Any] = ORDER, **changes: Any) -> OrderTold:
    (said,) = heard(frame(row | changes))
    assert isinstance(said, OrderTold), said
    return said


def test_an_order_is_told_by_its_totals() -> None:
    assert order() == OrderTold(
        symbol="BTC-USD",
        order_id="YYY",
        status="FILLED",
        raw_status="FILLED",
        time_ms=1675974837609,
        seq=7,
        side="BUY",
        order_type="LIMIT",
        time_in_force="GTC",
        client_order_id="mine-1",
        price="50000",
        quantity="0.01",
        filled="0.01",
        filled_quote="500",
        average_price="50000",
        created_ms=1718994553909,
    )


def test_what_nothing_is_filled_of_has_no_average_price() -> None:
    said = order(OPEN)
    assert (said.status, said.quantity, said.filled) == ("NEW", "0.01", "0")
    assert (said.filled_quote, said.average_price) == ("0", UNSET)


def test_fields_that_may_be_missing_are_left_out() -> None:
    missing = ("limit_price", "stop_price", "filled_value", "post_only", "time_in_force")
    said = order({name: value for name, value in ORDER.items() if name not in missing})
    assert (said.price, said.stop_price, said.time_in_force) == (UNSET, UNSET, UNSET)
    assert said.filled_quote == "500.00", "it follows from the average price"


def test_a_part_filled_order_is_partially_filled() -> None:
    """The exchange has no such status: partial fills went untold because of it."""
    said = order(OPEN, cumulative_quantity="0.004", leaves_quantity="0.006", avg_price="50000")
    assert (said.status, said.raw_status) == ("PARTIALLY_FILLED", "OPEN")
    assert (said.quantity, said.filled) == ("0.010", "0.004"), "what is filled is not what is asked"


def test_an_end_leaves_nothing_and_so_does_not_tell_what_was_asked() -> None:
    said = order(status="CANCELLED", cumulative_quantity="0.004", cancel_reason="User requested")
    assert (said.status, said.quantity, said.filled) == ("CANCELED", UNSET, "0.004")
    assert said.reason == "User requested"


def test_what_is_left_of_a_market_order_may_be_of_either_asset() -> None:
    said = order(OPEN, order_type="Market", limit_price="", leaves_quantity="500")
    assert (said.quantity, said.price, said.order_type) == (UNSET, UNSET, "MARKET")


def test_an_order_that_has_traded_was_not_rejected() -> None:
    assert order(status="FAILED").status == "CANCELED"
    said = order(OPEN, status="FAILED", leaves_quantity="0", reject_reason="INSUFFICIENT_FUND")
    assert (said.status, said.reason) == ("REJECTED", "INSUFFICIENT_FUND")


@pytest.mark.parametrize(
    ("raw", "untouched", "traded"),
    [
        ("PENDING", "NEW", "PARTIALLY_FILLED"),
        ("QUEUED", "NEW", "PARTIALLY_FILLED"),
        ("OPEN", "NEW", "PARTIALLY_FILLED"),
        ("EDIT_QUEUED", "NEW", "PARTIALLY_FILLED"),
        ("CANCEL_QUEUED", "PENDING_CANCEL", "PENDING_CANCEL"),
        ("FILLED", "FILLED", "FILLED"),
        ("CANCELLED", "CANCELED", "CANCELED"),
        ("EXPIRED", "EXPIRED", "EXPIRED"),
        ("FAILED", "REJECTED", "CANCELED"),
        ("UNKNOWN_ORDER_STATUS", "UNKNOWN", "UNKNOWN"),
    ],
)
def test_every_documented_status_has_a_word(raw: str, untouched: str, traded: str) -> None:
    assert raw in STATUSES
    assert order(OPEN, status=raw).status == untouched
    assert order(status=raw).status == traded


def test_the_table_above_is_all_of_them() -> None:
    assert len(STATUSES) == 10


def test_an_undocumented_status_is_told_as_what_it_is() -> None:
    said = order(status="HALF_BAKED")
    assert (said.status, said.raw_status) == ("UNKNOWN", "HALF_BAKED")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("Limit", "LIMIT"), ("Stop Limit", "STOP_LIMIT"), ("UNKNOWN_ORDER_TYPE", UNSET)],
)
def test_order_types_are_written_as_in_rest(raw: str, expected: Any) -> None:
    assert order(order_type=raw).order_type == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("GOOD_UNTIL_CANCELLED", "GTC"),
        ("GOOD_UNTIL_DATE_TIME", "GTD"),
        ("IMMEDIATE_OR_CANCEL", "IOC"),
        ("FILL_OR_KILL", "FOK"),
        ("UNKNOWN_TIME_IN_FORCE", UNSET),
        ("UNTIL_TEA", "UNTIL_TEA"),
    ],
)
def test_times_in_force_are_in_our_words(raw: str, expected: Any) -> None:
    assert order(time_in_force=raw).time_in_force == expected


def test_a_stop_has_its_price() -> None:
    said = order(OPEN, order_type="Stop Limit", stop_price="49000")
    assert (said.price, said.stop_price) == ("50000", "49000")


def test_sides_are_told_as_they_are() -> None:
    assert order(order_side="SELL").side == "SELL"


def test_orders_of_futures_are_not_of_this_market() -> None:
    future = ORDER | {"product_id": "BIT-28JUN24-CDE", "product_type": "FUTURE"}
    untyped = {name: value for name, value in future.items() if name != "product_type"}
    spot = {name: value for name, value in ORDER.items() if name != "product_type"}
    said = heard(frame(future, untyped, spot))
    assert [one.symbol for one in said] == ["BTC-USD"]


def test_a_second_name_of_a_book_is_kept() -> None:
    assert order(product_id="BTC-USDC").symbol == "BTC-USDC"


def test_a_snapshot_may_hold_many_or_none() -> None:
    said = heard(frame(OPEN, OPEN | {"order_id": "Z"}, kind="snapshot"))
    assert [one.order_id for one in said] == ["YYY", "Z"]
    assert heard({"channel": "user", "sequence_num": 1, "events": []}) == []
    assert heard(frame(events=[{"type": "update", "orders": None}])) == []


def test_one_strange_order_costs_no_other() -> None:
    problem, said = heard(frame(ORDER | {"cumulative_quantity": None}, ORDER))
    assert isinstance(problem, Unreadable)
    assert (problem.kind, said.order_id) == ("wrong_shape", "YYY")


@pytest.mark.parametrize(
    "changes",
    [
        {"order_side": "UNKNOWN_ORDER_SIDE"},
        {"avg_price": "NaN"},
        {"creation_time": "yesterday"},
        {"leaves_quantity": "-1"},
        {"avg_price": "9" * 30 + "." + "9" * 30, "filled_value": "", "cumulative_quantity": "1." + "7" * 30},
    ],
)  # fmt: skip
def test_what_is_not_as_documented_is_not_guessed(changes: dict[str, str]) -> None:
    (problem,) = heard(frame(ORDER | changes))
    assert isinstance(problem, Unreadable)
    assert problem.kind == "wrong_shape"


def test_the_year_one_is_no_time_and_a_frame_needs_one() -> None:
    assert order(creation_time="0001-01-01T00:00:00Z").created_ms is UNSET
    (problem,) = heard(frame(ORDER, timestamp=""))
    assert isinstance(problem, Unreadable)


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    for text in (data, b'{"channel":"user","events":' + data + b"}"):
        try:
            message = msgspec.json.decode(text, type=Frame)
        except BROKEN:
            continue
        assert all(isinstance(one, Heard) for one in told(message))


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(sorted(ORDER)), _values)
def test_no_value_of_a_field_raises(name: str, value: Any) -> None:
    for one in heard(frame(ORDER | {name: value})):
        assert isinstance(one, OrderTold | Unreadable)
