"""An account's events on a real broker: durable, named by what they are, and in the order they were told."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from loguru import logger

from common.model.account import (
    AccountEvent,
    AccountPosition,
    Balance,
    BalanceUpdate,
    ExecutionReport,
    Fill,
    PositionUpdate,
)
from common.publish.pipeline import Pipeline
from common.publish.routes import lane_of
from tests.publish.broker import backend, own_headers, read
from tests.publish.test_pipeline import Outcomes, running

AT_MS = 1_700_000_000_123

WHERE: dict[str, Any] = {"exchange": "binance", "market": "linear", "account_id": "acc.1"}
ORDER: dict[str, Any] = WHERE | {
    "symbol": "BTCUSDT", "order_id": "9007199254740993",
    "side": "BUY", "price": "1.10", "quantity": "2.0",
}  # fmt: skip
NEW = ExecutionReport(
    **ORDER, event_ms=AT_MS, status="NEW", raw_status="NEW", cumulative_quantity="0",
    message_id="order:binance:linear:acc.1:BTCUSDT:9007199254740993:1.1@2:NEW:0",
)  # fmt: skip
FILL = Fill(
    **ORDER, event_ms=AT_MS + 1, trade_id="7", fee="0.002", fee_asset="BTC", maker=True,
    message_id="fill:binance:linear:acc.1:BTCUSDT:9007199254740993:7",
)  # fmt: skip
FILLED = msgspec.structs.replace(
    NEW, status="FILLED", event_ms=AT_MS + 1, cumulative_quantity="2.0", message_id="filled"
)
BALANCES = AccountPosition(
    **WHERE, event_ms=AT_MS + 2, balances=(Balance("BTC", "2.0", "0"),), message_id="balances"
)
DELTA = BalanceUpdate(
    **WHERE, event_ms=AT_MS + 3, asset="USDT", delta="-5", message_id="delta"
)  # fmt: skip
POSITION = PositionUpdate(
    **WHERE, event_ms=AT_MS + 4, symbol="BTCUSDT", position_side="BOTH", quantity="-1",
    message_id="position",
)  # fmt: skip
ALL: tuple[AccountEvent, ...] = (NEW, FILL, FILLED, BALANCES, DELTA, POSITION)


@pytest.mark.engines
async def test_what_happens_to_an_account_arrives_durable_and_in_order(rabbit_url: str) -> None:
    outcomes = Outcomes()
    async with running(rabbit_url, on_outcome=outcomes) as pipeline:
        for event in ALL:
            assert pipeline.publish_account(event, epoch=7, origin="live")
        assert await pipeline.flush(10)
        async with backend(rabbit_url) as channel:
            messages = await read(channel, "account-events", len(ALL))
    assert [message.message_id for message in messages] == [event.message_id for event in ALL]
    assert [(message.routing_key, message.type) for message in messages] == [
        ("order.binance.linear.acc%2E1", "order.v1"),
        ("fill.binance.linear.acc%2E1", "fill.v1"),
        ("order.binance.linear.acc%2E1", "order.v1"),
        ("balance.binance.linear.acc%2E1", "balance.position.v1"),
        ("balance.binance.linear.acc%2E1", "balance.update.v1"),
        ("position.binance.linear.acc%2E1", "position.v1"),
    ]
    assert {message.delivery_mode for message in messages} == {2}
    assert sorted(outcomes.all, key=lambda each: ALL.index(each[0])) == [
        (event, "confirmed") for event in ALL
    ]
    body = json.loads(messages[0].body)
    assert body["eventType"] == "executionReport"
    assert body["orderId"] == "9007199254740993"
    assert body["orderStatus"] == "NEW"
    assert body["totalTradeQuantity"] == "0"
    assert body["uniqueMessageId"] == NEW.message_id
    assert own_headers(messages[1]) == {
        "exchange": "binance",
        "market": "linear",
        "account": "acc.1",
        "epoch": 7,
        "origin": "live",
    }


def test_all_that_is_said_of_an_account_is_one_lane() -> None:
    lanes = {lane_of("account", f"{word}.binance.spot.a1") for word in ("order", "fill", "balance")}
    assert lanes == {("account", "binance.spot.a1")}
    assert lane_of("account", "order.binance.spot.a2") not in lanes
    assert lane_of("market", "ticker.binance.spot.X") == ("market", "ticker.binance.spot.X")


async def test_what_cannot_be_written_is_refused_and_names_no_account() -> None:
    outcomes = Outcomes()
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message} {extra}")
    try:
        pipeline = Pipeline("amqp://nobody@127.0.0.1:1/", on_outcome=outcomes)
        event = msgspec.structs.replace(NEW, account_id="a" * 300)
        assert pipeline.publish_account(event, epoch=1, origin="live")
    finally:
        logger.remove(sink)
    assert outcomes.all == [(event, "refused")]
    assert any("message cannot be written" in line for line in lines)
    assert not any("aaaa" in line for line in lines)
