"""Events in, messages out of a real broker: digit for digit, confirmed, in their class."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import aio_pika
import pytest
from loguru import logger

from common.model.streams import Stream
from common.publish.durable import Subject
from common.publish.messages import Outcome
from common.publish.pipeline import Pipeline
from scripts.engines import RabbitServer
from tests.publish.broker import backend, depth, own_headers, read
from tests.publish.examples import START_MS, candle, open_candle, ticker
from tests.support.waiting import until

pytestmark = pytest.mark.engines


@asynccontextmanager
async def running(url: str, **settings: Any) -> AsyncIterator[Pipeline]:
    settings.setdefault("retry_s", (0.05, 0.2))
    pipeline = Pipeline(url, **settings)
    await pipeline.start()
    try:
        await until(lambda: pipeline.stats["connected"], 20)
        yield pipeline
    finally:
        await pipeline.close()


class Outcomes:
    def __init__(self) -> None:
        self.all: list[tuple[Subject, Outcome]] = []

    def __call__(self, subject: Subject, outcome: Outcome) -> None:
        self.all.append((subject, outcome))


async def test_a_closed_candle_arrives_durable_named_and_untouched(rabbit_url: str) -> None:
    outcomes = Outcomes()
    async with running(rabbit_url, on_outcome=outcomes, app_id="fleet/1") as pipeline:
        pipeline.publish(candle(), epoch=7, origin="live")
        assert await pipeline.flush(10)
        assert outcomes.all == [(candle(), "confirmed")]
        async with backend(rabbit_url) as channel:
            (message,) = await read(channel, "candles", 1)
            (replayed,) = await read(channel, "candles.replay", 1)
    assert message.body == (
        b'{"exchange":"binance","market":"spot","symbol":"BTCUSDT","interval":"1m",'
        b'"startMs":1700000040000,"endMs":1700000100000,"open":"1.00","high":"2.00",'
        b'"low":"0.50","close":"1.50","volume":"10.000","quoteVolume":"15.0","trades":3,'
        b'"closed":true,"revision":0}'
    )
    assert message.exchange == "market"
    assert message.routing_key == "candle.closed.binance.spot.BTCUSDT.1m"
    assert message.message_id == "candle:binance:spot:BTCUSDT:1m:1700000040000:r0"
    assert message.type == "candle.closed.v1"
    assert message.content_type == "application/json"
    assert message.timestamp == datetime.fromtimestamp(1_700_000_100, UTC)
    assert message.app_id == "fleet/1"
    assert message.delivery_mode == 2
    assert own_headers(message) == {
        "exchange": "binance",
        "market": "spot",
        "symbol": "BTCUSDT",
        "epoch": 7,
        "origin": "live",
    }
    assert (replayed.body, replayed.message_id) == (message.body, message.message_id)


async def test_the_same_candle_is_the_same_message_whoever_sends_it_and_when(
    rabbit_url: str,
) -> None:
    for epoch, origin in ((7, "live"), (8, "backfill")):
        async with running(rabbit_url) as pipeline:
            pipeline.publish(candle(), epoch=epoch, origin=origin)
            assert await pipeline.flush(10)
    async with backend(rabbit_url) as channel:
        first, second = await read(channel, "candles", 2)
    assert (first.message_id, first.timestamp, first.body) == (
        second.message_id,
        second.timestamp,
        second.body,
    )
    assert (first.headers["epoch"], first.headers["origin"]) == (7, "live")
    assert (second.headers["epoch"], second.headers["origin"]) == (8, "backfill")


async def test_what_is_durable_is_flushed_while_newest_values_never_rest(rabbit_url: str) -> None:
    async with running(rabbit_url) as pipeline:

        async def stream() -> None:
            for event_ms in count(1):
                pipeline.publish(ticker(event_ms=event_ms), epoch=1, origin="live")
                await asyncio.sleep(0)

        streaming = asyncio.create_task(stream())
        for bar in range(20):
            pipeline.publish(candle(bar=bar), epoch=1, origin="live")
        assert await pipeline.flush(10, durable_only=True)
        assert pipeline.stats["confirmed_durable"] == 20
        streaming.cancel()


async def test_tickers_and_open_candles_arrive_transient(rabbit_url: str) -> None:
    outcomes = Outcomes()
    async with running(rabbit_url, on_outcome=outcomes) as pipeline, backend(rabbit_url) as channel:
        queue = await channel.declare_queue("mine", exclusive=True)
        await queue.bind("market", "candle.open.#")
        await queue.bind("market", "ticker.#")
        pipeline.publish(ticker("BTC.P", last="0.10"), epoch=1, origin="live")
        pipeline.publish(open_candle(at_ms=1500), epoch=1, origin="live")
        assert await pipeline.flush(10)
        a, b = await read(channel, "mine", 2)
    assert a.routing_key == "ticker.binance.spot.BTC%2EP"
    assert a.headers["symbol"] == "BTC.P"
    assert json.loads(a.body)["last"] == "0.10"
    assert (a.type, a.delivery_mode) == ("ticker.v1", 1)
    assert a.message_id.startswith(f"ticker:binance:spot:BTC.P:{START_MS}:")
    assert b.routing_key == "candle.open.binance.spot.BTCUSDT.1m"
    assert (b.type, b.delivery_mode) == ("candle.open.v1", 1)
    assert b.message_id.startswith(f"candle:binance:spot:BTCUSDT:1m:{START_MS}:open:")
    # Checkpoints hang on outcomes: what may be lost has none.
    assert outcomes.all == []


async def test_a_stream_says_what_state_it_is_in_and_nobody_need_listen(rabbit_url: str) -> None:
    outcomes = Outcomes()
    stream = Stream("binance", "linear", "candle", "BTCUSDT", "1m")
    async with running(rabbit_url, on_outcome=outcomes, now_ms=lambda: 1234) as pipeline:
        pipeline.status(stream, "live", epoch=3)
        assert await pipeline.flush(10)
        async with backend(rabbit_url) as channel:
            queue = await channel.declare_queue("mine", exclusive=True)
            await queue.bind("fleet", "stream.#")
            pipeline.status(stream, "gap", epoch=3, reason="cut", from_ms=60_000, to_ms=120_000)
            pipeline.status(stream, "live", epoch=3)
            gap, live = await read(channel, "mine", 2)
    assert json.loads(gap.body) == {
        "exchange": "binance",
        "market": "linear",
        "channel": "candle",
        "symbol": "BTCUSDT",
        "interval": "1m",
        "state": "gap",
        "epoch": 3,
        "eventMs": 1234,
        "reason": "cut",
        "fromMs": 60_000,
        "toMs": 120_000,
    }
    assert gap.routing_key == "stream.gap.binance.linear.candle.BTCUSDT.1m"
    assert (gap.type, gap.delivery_mode, gap.exchange) == ("stream.status.v1", 2, "fleet")
    assert gap.message_id == "stream:binance:linear:candle:BTCUSDT:1m:gap:e3:1234"
    assert "reason" not in json.loads(live.body)
    assert {outcome for _, outcome in outcomes.all} == {"confirmed"}


async def test_a_burst_is_confirmed_once_each_and_every_stream_stays_in_order(
    rabbit_url: str,
) -> None:
    outcomes = Outcomes()
    symbols = [f"S{index}" for index in range(100)]
    sent = [candle(symbol, bar) for bar in range(20) for symbol in symbols]
    async with running(rabbit_url, on_outcome=outcomes, durable_window=64) as pipeline:
        for event in sent:
            pipeline.publish(event, epoch=1, origin="live")
        assert await pipeline.flush(30)
        assert pipeline.stats["unconfirmed"] == 0
        assert pipeline.stats["confirmed_durable"] == len(sent)
        async with backend(rabbit_url) as channel:
            messages = await read(channel, "candles", len(sent))
    assert sorted(map(repr, outcomes.all)) == sorted(repr((event, "confirmed")) for event in sent)
    assert len({message.message_id for message in messages}) == len(sent)
    for symbol in symbols:
        bars = [
            json.loads(message.body)["startMs"]
            for message in messages
            if message.headers["symbol"] == symbol
        ]
        assert bars == sorted(bars)


async def test_one_turn_of_the_loop_is_one_write(rabbit_url: str) -> None:
    async with running(rabbit_url) as pipeline:
        transport = pipeline._publisher._transport
        assert transport is not None
        pieces: list[object] = []
        put = transport.write_queue.put_nowait

        def counting(piece: object) -> None:
            pieces.append(piece)
            put(piece)

        transport.write_queue.put_nowait = counting
        for index in range(50):
            pipeline.publish(candle(f"S{index}"), epoch=1, origin="live")
            pipeline.publish(ticker(f"S{index}"), epoch=1, origin="live")
        assert pieces == []
        await asyncio.sleep(0)
        assert len(pieces) == 1
        assert await pipeline.flush(10)


async def test_lingering_gathers_more_into_one_write(rabbit_url: str) -> None:
    async with running(rabbit_url, linger_s=0.05) as pipeline:
        for event_ms in range(5):
            pipeline.publish(ticker(event_ms=event_ms), epoch=1, origin="live")
            await asyncio.sleep(0)
        assert await pipeline.flush(10)
        assert (pipeline.stats["conflated"], pipeline.stats["confirmed"]) == (4, 1)


async def test_an_unroutable_durable_message_is_seen_and_not_counted_as_confirmed(
    rabbit_url: str,
) -> None:
    outcomes = Outcomes()
    errors: list[str] = []
    sink = logger.add(
        lambda line: errors.append(str(line)), level="ERROR", format="{message} {extra}"
    )
    try:
        async with running(rabbit_url, topology="exchanges", on_outcome=outcomes) as pipeline:
            for bar in range(3):
                pipeline.publish(candle(bar=bar), epoch=1, origin="live")
            pipeline.publish(ticker(), epoch=1, origin="live")
            assert await pipeline.flush(10)
            stats = pipeline.stats
    finally:
        logger.remove(sink)
    assert outcomes.all == [(candle(bar=bar), "returned") for bar in range(3)]
    assert (stats["returned"], stats["confirmed_durable"]) == (3, 0)
    assert stats["candles_returned"] == 3
    # Once per address, not per message; a ticker nobody wants is nobody's error.
    assert len(errors) == 1
    assert "durable message returned" in errors[0]
    assert "candle.closed.binance.spot.BTCUSDT.1m" in errors[0]


async def test_a_body_larger_than_a_frame_arrives_whole(rabbit_url: str) -> None:
    async with running(rabbit_url) as pipeline:
        big = "9" * 400_000
        pipeline.publish(candle(close=big), epoch=1, origin="live")
        pipeline.publish(candle(bar=1), epoch=1, origin="live")
        assert await pipeline.flush(10)
        async with backend(rabbit_url) as channel:
            first, second = await read(channel, "candles", 2)
    assert json.loads(first.body)["close"] == big
    assert json.loads(second.body)["close"] == "1.50"


async def test_a_symbol_amqp_has_no_room_for_is_refused_and_the_rest_lives_on(
    rabbit_url: str,
) -> None:
    outcomes = Outcomes()
    async with running(rabbit_url, on_outcome=outcomes) as pipeline:
        long = candle("X" * 240)
        pipeline.publish(long, epoch=1, origin="live")
        pipeline.publish(ticker("X" * 240), epoch=1, origin="live")
        pipeline.status(Stream("binance", "spot", "ticker", "X" * 240), "live", epoch=1)
        timeless = ticker("Y", event_ms=10**30)
        pipeline.publish(timeless, epoch=1, origin="live")
        pipeline.publish(candle(), epoch=1, origin="live")
        assert await pipeline.flush(10)
        assert pipeline.stats["refused"] == 4
    assert (long, "refused") in outcomes.all
    assert outcomes.all[-1] == (candle(), "confirmed")


async def test_an_open_state_does_not_leave_once_its_candle_has_closed(rabbit_url: str) -> None:
    async with running(rabbit_url) as pipeline, backend(rabbit_url) as channel:
        queue = await channel.declare_queue("mine", exclusive=True)
        await queue.bind("market", "candle.#")
        pipeline.publish(open_candle(at_ms=59_000), epoch=1, origin="live")
        pipeline.publish(candle(), epoch=1, origin="live")
        pipeline.publish(open_candle(at_ms=59_500), epoch=1, origin="live")
        pipeline.publish(open_candle(bar=1, at_ms=100), epoch=1, origin="live")
        assert await pipeline.flush(10)
        messages = await read(channel, "mine", 2)
        # The classes have a channel each, so their order against each other is the broker's.
        starts = {message.type: json.loads(message.body)["startMs"] for message in messages}
        assert starts == {"candle.closed.v1": START_MS, "candle.open.v1": START_MS + 60_000}
        assert (pipeline.stats["conflated"], pipeline.stats["outdated"]) == (1, 1)


async def test_before_the_broker_is_there_only_the_newest_values_wait_and_the_buffer_is_bounded() -> (
    None
):
    outcomes = Outcomes()
    # Nothing listens on port 1.
    pipeline = Pipeline(
        "amqp://guest:guest@127.0.0.1:1/",
        on_outcome=outcomes,
        durable_limit=10,
        streams_limit=5,
        retry_s=(0.05, 0.2),
    )
    await pipeline.start()
    try:
        for index in range(100):
            pipeline.publish(candle(bar=index), epoch=1, origin="live")
            pipeline.publish(ticker(f"S{index % 8}", event_ms=index), epoch=1, origin="live")
        assert not await pipeline.flush(0.2)
        stats = pipeline.stats
        assert (stats["unconfirmed"], stats["refused"]) == (10, 90)
        assert int(stats["latest_pending"] or 0) <= 5
        assert outcomes.all == [(candle(bar=bar), "refused") for bar in range(10, 100)]
        assert stats["connected"] is False
        assert stats["refusing"] is True
        assert stats["last_confirm_age_s"] is None
        assert stats["durable_waiting_s"] is None, "nothing is on its way"
    finally:
        await pipeline.close()


async def test_confirmed_tickers_do_not_hide_that_no_candle_is(rabbit_url: str) -> None:
    async with running(rabbit_url) as pipeline:
        pipeline.publish(ticker(event_ms=1), epoch=1, origin="live")
        assert await pipeline.flush(10)
        assert pipeline.stats["last_confirm_age_s"] is None
        pipeline.publish(candle(), epoch=1, origin="live")
        await until(lambda: pipeline.stats["last_confirm_age_s"] is not None)
        assert pipeline.stats["durable_waiting_s"] is None
        assert pipeline.stats["refusing"] is False


async def test_a_buffer_that_has_emptied_refuses_no_more_even_if_nothing_comes(
    rabbit_url: str,
) -> None:
    pipeline = Pipeline(rabbit_url, durable_limit=1, retry_s=(0.05, 0.2))
    pipeline.publish(candle(bar=0), epoch=1, origin="live")
    pipeline.publish(candle(bar=1), epoch=1, origin="live")
    assert pipeline.stats["refusing"] is True
    try:
        await pipeline.start()
        assert await pipeline.flush(20)
        assert pipeline.stats["refusing"] is False
    finally:
        await pipeline.close()


async def test_a_listener_that_fails_does_not_stop_the_confirms(rabbit_url: str) -> None:
    def on_outcome(_: Subject, __: Outcome) -> None:
        raise RuntimeError("a defect elsewhere")

    async with running(rabbit_url, on_outcome=on_outcome) as pipeline:
        pipeline.publish(candle(bar=0), epoch=1, origin="live")
        pipeline.publish(candle(bar=1), epoch=1, origin="live")
        assert await pipeline.flush(10)
        assert pipeline.stats["reconnects"] == 0


async def test_passive_waits_for_a_broker_that_is_not_ready_and_says_what_it_misses(
    rabbit_url: str,
) -> None:
    said: list[str] = []
    sink = logger.add(lambda line: said.append(str(line)), format="{message} {extra}")
    pipeline = Pipeline(rabbit_url, topology="passive", retry_s=(0.05, 0.2))
    try:
        await pipeline.start()
        pipeline.publish(candle(), epoch=1, origin="live")
        await until(
            lambda: any("missing on the broker: exchange 'market'" in line for line in said)
        )
        async with running(rabbit_url, topology="full"):
            assert await pipeline.flush(10)
    finally:
        logger.remove(sink)
        await pipeline.close()
    # Said once, however often it was tried.
    assert sum("missing on the broker: exchange 'market'" in line for line in said) == 1
    assert await depth(rabbit_url, "candles") == 1


async def test_a_topic_exchange_that_is_deleted_is_made_again_and_nothing_is_lost(
    rabbit_url: str, rabbit: RabbitServer
) -> None:
    outcomes = Outcomes()
    async with running(rabbit_url, on_outcome=outcomes) as pipeline:
        async with await aio_pika.connect(rabbit_url) as connection:
            channel = await connection.channel()
            await channel.exchange_delete("market")
        pipeline.publish(candle(), epoch=1, origin="live")
        assert await pipeline.flush(20)
        assert outcomes.all == [(candle(), "confirmed")]
        assert pipeline.stats["reconnects"] == 1
    assert await depth(rabbit_url, "candles") == 1


async def test_what_the_broker_refuses_is_sent_again_until_it_is_taken_and_nothing_overtakes_it(
    rabbit_url: str,
) -> None:
    outcomes = Outcomes()
    async with backend(rabbit_url) as channel:
        # An operator's own choice of overflow: the full queue refuses instead of dropping.
        refusing = {"x-max-length": 1, "x-overflow": "reject-publish"}
        queue = await channel.declare_queue("candles", durable=True, arguments=refusing)
        async with running(rabbit_url, on_outcome=outcomes) as pipeline:
            sent = [candle(bar=bar) for bar in range(3)]
            for event in sent:
                pipeline.publish(event, epoch=1, origin="live")
            taken: list[str | None] = []
            while len(taken) < len(sent):
                nacked = pipeline.stats["nacked"]
                if len(taken) < len(sent) - 1:
                    await until(lambda nacked=nacked: pipeline.stats["nacked"] != nacked)
                message = await queue.get(timeout=5)
                await message.ack()
                taken.append(message.message_id)
                await until(lambda: len(outcomes.all) > len(taken) or len(taken) == len(sent))
            assert await pipeline.flush(10)
    assert taken == [f"candle:binance:spot:BTCUSDT:1m:{event.start_ms}:r0" for event in sent]
    assert outcomes.all == [(event, "confirmed") for event in sent]
