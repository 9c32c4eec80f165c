"""An account's events on a real broker: durable, named by what they are, and in the order they were told."""

from __future__ import annotations

import json

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
from tests.publish.broker import backend, read
from tests.publish.test_pipeline import Outcomes, running

AT_MS = 1_700_000_000_123

NEW = ExecutionReport(
    exchange="binance",
    market="linear",
    account_id="acc.1",
    event_ms=AT_MS,
    symbol="BTCUSDT",
    order_id="9007199254740993",
    status="NEW",
    raw_status="NEW",
    side="BUY",
    price="1.10",
    quantity="2.0",
    cumulative_quantity="0",
    message_id="order:binance:linear:acc.1:BTCUSDT:9007199254740993:1.1@2:NEW:0",
)
FILL = Fill(
    exchange="binance",
    market="linear",
    account_id="acc.1",
    event_ms=AT_MS + 1,
    symbol="BTCUSDT",
    order_id="9007199254740993",
    trade_id="7",
    side="BUY",
    price="1.10",
    quantity="2.0",
    fee="0.002",
    fee_asset="BTC",
    maker=True,
    message_id="fill:binance:linear:acc.1:BTCUSDT:9007199254740993:7",
)
FILLED = msgspec.structs.replace(
    NEW, status="FILLED", event_ms=AT_MS + 1, cumulative_quantity="2.0", message_id="filled"
)
BALANCES = AccountPosition(
    exchange="binance",
    market="linear",
    account_id="acc.1",
    event_ms=AT_MS + 2,
    balances=(Balance("BTC", "2.0", "0"),),
    message_id="balances",
)
DELTA = BalanceUpdate(
    exchange="binance",
    market="linear",
    account_id="acc.1",
    event_ms=AT_MS + 3,
    asset="USDT",
    delta="-5",
    message_id="delta",
)
POSITION = PositionUpdate(
    exchange="binance",
    market="linear",
    account_id="acc.1",
    event_ms=AT_MS + 4,
    symbol="BTCUSDT",
    position_side="BOTH",
    quantity="-1",
    message_id="position",
)
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
    headers = {key: messages[1].headers[key] for key in messages[1].headers if key[:2] != "x-"}
    assert headers == {
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
