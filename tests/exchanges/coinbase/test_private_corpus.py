"""Real messages of accounts through our code: each is understood, or refused for a reason given here.

The collection lies beside the project where it was developed; elsewhere these tests are skipped. Its
folder ``exchange`` is of another feed of the same company, with other keys and orders of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.coinbase.conversation import UserConversation
from common.exchanges.coinbase.inquiries import order, since, snapshot
from common.exchanges.private import Credentials, Known
from common.exchanges.protocol import Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold
from common.model.secret import Secret
from tests.exchanges.asking import answered
from tests.exchanges.corpus import CORPUS, Line, lines

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no collection of real messages at {CORPUS}"
)

ACCOUNT = Credentials(Secret("k"), Secret("s"), kind="es256")
KNOWN = Known(since_ms=0, until_ms=1_800_000_000_000)
NO_ORDERS, NO_FILLS = b'{"orders":[]}', b'{"fills":[]}'
CLOCK = b'{"epochMillis":"1800000000000"}'


def refused(channel: str, message: Any) -> str | None:
    """Why a line gives us nothing on purpose."""
    if channel == "rest_positions":
        return "positions of futures, a market that is not served"
    if "balance_summary" in message or message.get("channel") == "futures_balance_summary":
        return "the balance of futures, a market that is not served"
    if channel == "rest_orders" and any(
        set(row) == {"order_id"} for row in message.get("orders", ())
    ):
        return "a test's own invention: nothing but ids"
    if channel == "user_order" and not message["events"]:
        return "a frame without events"
    return None


def of(channel: str, *, ours: bool = True) -> list[Line]:
    found = list(lines("coinbase", "advanced", channel))
    assert found, channel
    return [line for line in found if (refused(channel, line.message) is None) == ours]


def texts(value: Any) -> set[str]:
    """All texts of a message."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return set().union(*map(texts, inner)) if value else set()
    return {value} if isinstance(value, str) else set()


def check_order(told: OrderTold, row: Any) -> None:
    assert (told.symbol, told.order_id) == (row["product_id"], row["order_id"])
    assert (told.raw_status, told.client_order_id) == (row["status"], row["client_order_id"])
    assert told.status != "UNKNOWN"
    assert told.side == row.get("side", row.get("order_side"))
    assert told.filled == row.get("filled_size", row.get("cumulative_quantity"))
    assert told.time_ms > 1_600_000_000_000
    for amount in (told.price, told.stop_price, told.average_price, told.quantity):
        assert amount is UNSET or amount in texts(row)


def test_every_frame_of_orders_is_understood() -> None:
    for line in of("user_order"):
        said = UserConversation().receive(line.raw, {}, 0).said
        rows = [row for event in line.message["events"] for row in event["orders"]]
        for one, row in zip(said, rows, strict=True):
            assert isinstance(one.what, OrderTold), line.source
            check_order(one.what, row)
            assert one.what.quantity == total_of(row), line.source


def total_of(row: Any) -> str:
    """In the collection one of the two is always nothing."""
    return str(max(row["cumulative_quantity"], row["leaves_quantity"]))


def test_every_list_of_orders_is_understood() -> None:
    seen = 0
    for line in of("rest_orders"):
        if "order" in line.message:
            told, _ = answered(order("spot", ACCOUNT, {}, "", "o"), [line.raw, NO_FILLS])
            rows = [line.message["order"]]
        else:
            told, _ = answered(since("spot", ACCOUNT, {}, KNOWN), [NO_FILLS, line.raw])
            rows = line.message["orders"]
        by_id = {one.order_id: one for one in told if isinstance(one, OrderTold)}
        assert len(by_id) == len(rows), line.source
        for row in rows:
            check_order(by_id[row["order_id"]], row)
            assert by_id[row["order_id"]].filled_quote == row["filled_value"]
            seen += 1
    assert seen >= 4


def test_every_list_of_fills_is_understood() -> None:
    seen = 0
    for line in of("rest_fills"):
        by_worth = any(row["size_in_quote"] for row in line.message["fills"])
        asked = [line.raw, NO_ORDERS]
        if by_worth:
            # The order that it belongs to is not in the collection.
            (row,) = line.message["fills"]
            told, _ = answered(since("spot", ACCOUNT, {}, KNOWN), [*asked, whole(row), line.raw])
        else:
            told, _ = answered(since("spot", ACCOUNT, {}, KNOWN), asked)
        fills = {one.trade_id: one for one in told if isinstance(one, FillTold)}
        for row in line.message["fills"]:
            fill = fills.pop(row["trade_id"])
            size = fill.quote_quantity if row["size_in_quote"] else fill.quantity
            assert (size, fill.price, fill.fee) == (row["size"], row["price"], row["commission"])
            assert (fill.side, fill.symbol) == (row["side"], row["product_id"])
            assert fill.fee_asset == row["product_id"].split("-")[1]
            seen += 1
        assert not fills
    assert seen >= 3


def whole(fill: Any) -> bytes:
    """An order that this fill alone has filled."""
    row = {
        "order_id": fill["order_id"], "product_id": fill["product_id"], "status": "FILLED",
        "side": fill["side"], "order_type": "MARKET", "filled_size": "0.000000220684505",
        "average_filled_price": fill["price"], "created_time": fill["trade_time"],
        "product_type": "SPOT",
    }  # fmt: skip
    return json.dumps({"order": row}).encode()


def test_every_list_of_balances_is_understood() -> None:
    for line in of("rest_balances"):
        (told,), _ = answered(
            snapshot("spot", ACCOUNT, {}), [line.raw, NO_ORDERS, NO_ORDERS, NO_ORDERS]
        )
        assert isinstance(told, BalancesTold)
        assert [(one.asset, one.free, one.locked) for one in told.balances] == [
            (row["currency"], row["available_balance"]["value"], row["hold"]["value"])
            for row in line.message["accounts"]
        ], line.source
        assert told.whole


def _frames(raw: bytes) -> Sequence[object]:
    return UserConversation().receive(raw, {}, 0).said


def _orders(raw: bytes) -> Sequence[object]:
    return answered(since("spot", ACCOUNT, {}, KNOWN), [NO_FILLS, raw])[0]


def _balances(raw: bytes) -> Sequence[object]:
    return answered(snapshot("spot", ACCOUNT, {}), [raw, NO_ORDERS, NO_ORDERS, NO_ORDERS])[0]


@pytest.mark.parametrize(
    ("channel", "read", "count"),
    [
        ("user_order", _frames, 1),
        ("user_balance", _frames, 1),
        ("rest_orders", _orders, 2),
        ("rest_balances", _balances, 1),
        ("rest_positions", _balances, 2),
    ],
)
def test_what_is_refused_gives_nothing(
    channel: str, read: Callable[[bytes], Sequence[object]], count: int
) -> None:
    found = of(channel, ours=False)
    assert len(found) == count
    for line in found:
        try:
            said = read(line.raw)
        except msgspec.DecodeError:
            continue
        assert all(isinstance(one.what, Unreadable) for one in said)  # type: ignore[attr-defined]
