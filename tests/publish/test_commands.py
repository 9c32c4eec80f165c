"""Commands on a real broker: each answered, malformed ones kept, none lost, none fatal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from common.model.streams import Pattern
from common.publish.candle_commands import CandleCommands
from common.publish.commands import Commands
from common.publish.queues import CANDLE_REQUESTS
from common.publish.requests import Answer, Wanted
from tests.publish.broker import backend, depth, read
from tests.publish.test_pipeline import running
from tests.support.limits import losing_cancellations
from tests.support.waiting import until

pytestmark = pytest.mark.engines

ASKED = {"symbol": "BTCUSDT", "exchange": "binanceUsdm", "interval": "1m"}
WANTED = Wanted(Pattern("binance", "linear", "candle", "BTCUSDT", "1m"))


class RedisIsAwayError(Exception):
    """What the fleet raises when Redis cannot be reached."""


class Desired:
    """Stands where the fleet's desired streams are written."""

    def __init__(self) -> None:
        self.wanted: list[tuple[Wanted, str]] = []
        self.answer = Answer("accepted")
        self.error: Exception | None = None
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def want(self, wanted: Wanted, requested_by: str) -> Answer:
        self.calls += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.wanted.append((wanted, requested_by))
        return self.answer


@asynccontextmanager
async def serving(url: str, desired: Desired, **settings: Any) -> AsyncIterator[Commands]:
    async with running(url) as pipeline:
        settings = {"retry_s": (0.05, 0.2), "pause_s": (0.05, 0.1)} | settings
        commands = Commands(
            url,
            CANDLE_REQUESTS,
            CandleCommands(desired.want),
            post=pipeline.post,
            transient=(RedisIsAwayError,),
            **settings,
        )
        await commands.start()
        try:
            await until(lambda: commands.stats["consuming"])
            yield commands
        finally:
            await commands.close()


async def ask(channel: AbstractChannel, body: bytes | dict[str, Any], **properties: Any) -> None:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    gainium = await channel.get_exchange("gainium")
    await gainium.publish(aio_pika.Message(body, **properties), "candlesRequests")


async def call(channel: AbstractChannel, payload: dict[str, Any]) -> dict[str, Any]:
    """As the older backends do: a reply queue per call, named in the properties and the body."""
    replies = await channel.declare_queue(exclusive=True, auto_delete=True)
    body = {"payload": payload, "replyTo": replies.name, "correlationId": "c-1"}
    await ask(channel, body, reply_to=replies.name, correlation_id="c-1")
    (message,) = await read(channel, replies.name, 1)
    assert message.correlation_id == "c-1"
    assert message.type == "command.answer.v1"
    answer: dict[str, Any] = json.loads(message.body)
    assert set(answer) == {"response"}
    return answer["response"]  # type: ignore[no-any-return]


async def test_a_request_as_the_older_backends_send_it_is_wanted_and_acked(rabbit_url: str) -> None:
    desired = Desired()
    async with serving(rabbit_url, desired) as commands, backend(rabbit_url) as channel:
        await ask(channel, {"payload": ASKED})
        await ask(channel, {"payload": ASKED}, app_id="indicators")
        await until(lambda: commands.stats["accepted"] == 2)
        assert desired.wanted == [(WANTED, "candlesRequests"), (WANTED, "indicators")]
    # What is acked does not come again.
    assert await depth(rabbit_url, "candlesRequests") == 0


@pytest.mark.parametrize("state", ["accepted", "active", "unsupported", "disabled", "failed"])
async def test_every_answer_reaches_who_asked(rabbit_url: str, state: Any) -> None:
    desired = Desired()
    desired.answer = Answer(state, reason="because")
    async with serving(rabbit_url, desired) as commands, backend(rabbit_url) as channel:
        answer = await call(channel, ASKED)
        assert commands.stats[state] == 1
    assert answer == {
        "state": state,
        "reason": "because",
        "stream": "binance:linear:candle:BTCUSDT:1m",
    }


async def test_what_does_not_exist_is_answered_without_asking_further(rabbit_url: str) -> None:
    desired = Desired()
    async with serving(rabbit_url, desired), backend(rabbit_url) as channel:
        answer = await call(channel, {**ASKED, "exchange": "mtgox"})
    assert answer == {"state": "unsupported", "reason": "exchange 'mtgox' is not served"}
    assert desired.calls == 0


async def test_an_answer_may_be_asked_for_in_the_body_alone_and_by_direct_reply_to(
    rabbit_url: str,
) -> None:
    async with serving(rabbit_url, Desired()), backend(rabbit_url) as channel:
        replies = await channel.declare_queue(exclusive=True)
        await ask(channel, {"payload": ASKED, "replyTo": replies.name, "correlationId": "in-body"})
        (message,) = await read(channel, replies.name, 1)
        assert message.correlation_id == "in-body"

        direct: asyncio.Queue[Any] = asyncio.Queue()
        pseudo = await channel.get_queue("amq.rabbitmq.reply-to", ensure=False)
        await pseudo.consume(direct.put, no_ack=True)
        gainium = await channel.get_exchange("gainium")
        asked = aio_pika.Message(
            json.dumps({"payload": ASKED}).encode(),
            reply_to="amq.rabbitmq.reply-to",
            correlation_id="direct",
        )
        await gainium.publish(asked, "candlesRequests")
        async with asyncio.timeout(10):
            answer = await direct.get()
        assert answer.correlation_id == "direct"
        assert json.loads(answer.body)["response"]["state"] == "accepted"


async def test_a_requester_that_left_no_usable_address_harms_nobody(rabbit_url: str) -> None:
    async with serving(rabbit_url, Desired()) as commands, backend(rabbit_url) as channel:
        await ask(channel, {"payload": ASKED, "replyTo": "gone"})
        await ask(channel, {"payload": ASKED, "replyTo": "x" * 300})
        await ask(channel, {"payload": ASKED, "replyTo": "gone", "correlationId": "x" * 300})
        await until(lambda: commands.stats["accepted"] == 3)
        assert (await call(channel, ASKED))["state"] == "accepted"


async def test_a_malformed_message_is_kept_with_the_reason_and_the_next_is_served(
    rabbit_url: str,
) -> None:
    desired = Desired()
    bodies = [b"", b"{not json", b"\xff\xfe\x00", b"[1]", b'{"payload":{"symbol":"BTCUSDT"}}']
    async with serving(rabbit_url, desired) as commands, backend(rabbit_url) as channel:
        for body in bodies:
            await ask(channel, body)
        await ask(channel, {"payload": ASKED})
        await until(lambda: desired.wanted)
        await until(lambda: commands.stats["dead"] == len(bodies))
        messages = await read(channel, "candlesRequests.dead", len(bodies))
    assert sorted(message.body for message in messages) == sorted(bodies)
    for message in messages:
        assert str(message.headers["reason"]).startswith("malformed: ")
        assert message.headers["exchange"] == "gainium"
        assert message.headers["routingKey"] == "candlesRequests"
        assert message.delivery_mode == 2
    (shapeless,) = (message for message in messages if message.body == bodies[-1])
    assert "exchange" in str(shapeless.headers["reason"])
    assert await depth(rabbit_url, "candlesRequests") == 0


async def test_who_sends_nonsense_and_waits_is_told(rabbit_url: str) -> None:
    async with serving(rabbit_url, Desired()), backend(rabbit_url) as channel:
        answer = await call(channel, {"symbol": "BTCUSDT", "interval": "1m"})
    assert answer["state"] == "failed"
    assert "exchange" in answer["reason"]


async def test_while_redis_is_away_a_request_waits_and_is_tried_at_a_walk(rabbit_url: str) -> None:
    desired = Desired()
    desired.error = RedisIsAwayError("no route")
    async with (
        serving(rabbit_url, desired, pause_s=(0.1, 0.2)) as commands,
        backend(rabbit_url) as channel,
    ):
        began_s = asyncio.get_running_loop().time()
        await ask(channel, {"payload": ASKED})
        await until(lambda: int(commands.stats["requeued"]) >= 3)
        elapsed_s = asyncio.get_running_loop().time() - began_s
        assert desired.calls <= elapsed_s / 0.1 + 1
        assert commands.stats["dead"] == 0
        desired.error = None
        await until(lambda: desired.wanted == [(WANTED, "candlesRequests")])
        await until(lambda: commands.stats["accepted"] == 1)
    assert await depth(rabbit_url, "candlesRequests") == 0


async def test_a_message_that_sets_off_a_defect_is_kept_and_does_not_come_back(
    rabbit_url: str,
) -> None:
    desired = Desired()
    desired.error = KeyError("a bug")
    async with serving(rabbit_url, desired) as commands, backend(rabbit_url) as channel:
        answer = await call(channel, ASKED)
        assert (answer["state"], answer["reason"]) == ("failed", "internal error")
        (message,) = await read(channel, "candlesRequests.dead", 1)
        assert message.headers["reason"] == "failed: KeyError: 'a bug'"
        desired.error = None
        assert (await call(channel, ASKED))["state"] == "accepted"
        assert commands.stats["dead"] == 1
    assert desired.calls == 2


async def test_nothing_is_acked_before_it_is_written(rabbit_url: str) -> None:
    desired = Desired()
    desired.gate.clear()
    async with backend(rabbit_url) as channel:
        async with running(rabbit_url) as pipeline:
            commands = Commands(
                rabbit_url, CANDLE_REQUESTS, CandleCommands(desired.want), post=pipeline.post
            )
            await commands.start()
            await until(lambda: commands.stats["consuming"])
            await ask(channel, {"payload": ASKED})
            await until(lambda: desired.calls == 1)
            # The process dies in the middle of the work.
            for running_task in list(commands._running):
                running_task.cancel()
            await commands.close()
            assert desired.wanted == []
        desired.gate.set()
        async with serving(rabbit_url, desired):
            await until(lambda: desired.wanted == [(WANTED, "candlesRequests")])


async def test_a_stopping_worker_finishes_what_it_has_begun(rabbit_url: str) -> None:
    desired = Desired()
    desired.gate.clear()
    async with serving(rabbit_url, desired) as commands, backend(rabbit_url) as channel:
        await ask(channel, {"payload": ASKED})
        await until(lambda: desired.calls == 1)
        closing = asyncio.create_task(commands.close())
        await asyncio.sleep(0)
        desired.gate.set()
        await closing
    assert desired.wanted == [(WANTED, "candlesRequests")]
    assert await depth(rabbit_url, "candlesRequests") == 0


async def test_no_more_are_taken_on_than_the_prefetch(rabbit_url: str) -> None:
    desired = Desired()
    desired.gate.clear()
    async with (
        serving(rabbit_url, desired, prefetch=2) as commands,
        backend(rabbit_url) as channel,
    ):
        for _ in range(5):
            await ask(channel, {"payload": ASKED})
        await until(lambda: desired.calls == 2)
        assert len(commands._running) == 2
        desired.gate.set()
        await until(lambda: commands.stats["accepted"] == 5)


async def test_a_queue_that_is_deleted_is_made_again_and_consumed(rabbit_url: str) -> None:
    desired = Desired()
    async with serving(rabbit_url, desired) as commands, backend(rabbit_url) as channel:
        await channel.queue_delete("candlesRequests")
        await until(lambda: not commands.stats["consuming"])
        await until(lambda: commands.stats["consuming"])
        await ask(channel, {"payload": ASKED})
        await until(lambda: desired.wanted)
        assert commands.stats["accepted"] == 1


async def test_being_told_to_end_is_never_lost(
    rabbit_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the declarations to the goodbye no limit of time is left to the library."""
    lost = losing_cancellations(monkeypatch)
    async with serving(rabbit_url, Desired()):
        async with serving(rabbit_url, Desired(), topology="passive"):
            pass
    assert lost == []
