"""Commands that hold secrets, on a real broker: in order, by one consumer, kept nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from loguru import logger
from msgspec.structs import replace

from common.publish.commands import Commands, Request
from common.publish.letters import Reply
from common.publish.queues import ACCOUNT_REQUESTS, CommandQueue
from tests.publish.broker import backend, depth, read
from tests.publish.test_pipeline import running
from tests.support.waiting import until

pytestmark = pytest.mark.engines

QUEUE = "usersStreamAction"
CLOSE = {"command": "account.close", "accountId": "a1"}


class Handler:
    """Stands where accounts are opened; remembers in which order it was asked."""

    def __init__(self) -> None:
        self.served: list[Any] = []
        self.calls = 0
        self.error: Exception | None = None
        self.slow: set[Any] = set()

    async def serve(self, request: Request) -> Reply:
        self.calls += 1
        number = json.loads(request.body)["payload"].get("n")
        if number in self.slow:
            await asyncio.sleep(0.1)
        if self.error is not None:
            raise self.error
        self.served.append(number)
        return Reply({"state": "accepted", "n": number}, "accepted", followed=True)

    def failed(self, body: bytes, reason: str) -> Reply:
        return Reply({"state": "failed", "reason": reason}, "failed", reason)


@asynccontextmanager
async def serving(
    url: str, handler: Handler, queue: CommandQueue = ACCOUNT_REQUESTS, *, first: bool = True
) -> AsyncIterator[Commands]:
    async with running(url) as pipeline:
        commands = Commands(
            url,
            queue,
            handler,
            post=pipeline.post,
            retry_s=(0.05, 0.2),
            pause_s=(0.05, 0.1),
            standby_s=(0.05, 0.1),
        )
        await commands.start()
        try:
            if first:
                await until(lambda: commands.stats["consuming"])
            yield commands
        finally:
            await commands.close()


async def send(channel: AbstractChannel, payload: Any, **properties: Any) -> None:
    body = payload if isinstance(payload, bytes) else json.dumps({"payload": payload}).encode()
    gainium = await channel.get_exchange("gainium")
    await gainium.publish(aio_pika.Message(body, **properties), QUEUE)


async def test_commands_are_followed_one_after_the_other_as_they_came(rabbit_url: str) -> None:
    handler = Handler()
    handler.slow = {0, 2}
    async with serving(rabbit_url, handler), backend(rabbit_url) as channel:
        for number in range(6):
            await send(channel, {"n": number})
        await until(lambda: len(handler.served) == 6)
    assert handler.served == list(range(6))
    assert await depth(rabbit_url, QUEUE) == 0


async def test_while_redis_is_away_nothing_overtakes_what_waits(rabbit_url: str) -> None:
    handler = Handler()
    handler.error = TimeoutError("no answer")
    async with serving(rabbit_url, handler) as commands, backend(rabbit_url) as channel:
        for number in range(3):
            await send(channel, {"n": number})
        await until(lambda: int(commands.stats["requeued"]) >= 3)
        handler.error = None
        await until(lambda: len(handler.served) == 3)
    assert handler.served == [0, 1, 2]


async def test_one_worker_consumes_and_the_next_takes_over_when_it_goes(rabbit_url: str) -> None:
    first, second = Handler(), Handler()
    async with serving(rabbit_url, second, first=False) as waiting:
        async with backend(rabbit_url) as channel:
            await until(lambda: waiting.stats["consuming"])
            async with serving(rabbit_url, first, first=False) as standing_by:
                await send(channel, {"n": 1})
                await until(lambda: second.served == [1])
                await asyncio.sleep(0.3)
                assert not standing_by.stats["consuming"]
                await waiting.close()
                await until(lambda: standing_by.stats["consuming"])
                await send(channel, {"n": 2})
                await until(lambda: first.served == [2])
    assert second.served == [1]


async def test_a_command_that_nobody_could_deal_with_is_given_up_and_its_secret_with_it(
    rabbit_url: str,
) -> None:
    handler = Handler()
    handler.error = OSError("canary")
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level=0)
    queue = replace(ACCOUNT_REQUESTS, life_s=0.3)
    payload = CLOSE | {"secret": "canary"}
    try:
        async with serving(rabbit_url, handler, queue) as commands, backend(rabbit_url) as channel:
            replies = await channel.declare_queue(exclusive=True)
            await send(channel, payload, reply_to=replies.name, correlation_id="c-1")
            (answer,) = await read(channel, replies.name, 1)
            (dead,) = await read(channel, f"{QUEUE}.dead", 1)
            await until(lambda: commands.stats["failed"] == 1)
    finally:
        logger.remove(sink)
    reason = "could not be dealt with for 0.3 s"
    assert json.loads(answer.body) == {"response": {"state": "failed", "reason": reason}}
    assert json.loads(dead.body) == {"payload": CLOSE | {"secret": "***"}}
    assert dead.headers["reason"] == f"failed: {reason}"
    assert await depth(rabbit_url, QUEUE) == 0
    assert "commands wait" in "".join(lines)
    assert "canary" not in "".join(lines)


async def test_a_defect_is_told_by_its_place_and_never_by_its_text(rabbit_url: str) -> None:
    handler = Handler()
    handler.error = KeyError("canary")
    records: list[Any] = []
    sink = logger.add(lambda line: records.append(line.record), level=0)  # type: ignore[attr-defined]
    try:
        async with serving(rabbit_url, handler), backend(rabbit_url) as channel:
            await send(channel, CLOSE | {"key": "canary"})
            (dead,) = await read(channel, f"{QUEUE}.dead", 1)
            handler.error = None
            await send(channel, {"n": 1})
            await until(lambda: handler.served == [1])
    finally:
        logger.remove(sink)
    assert dead.headers["reason"] == "failed: KeyError"
    assert b"canary" not in dead.body
    (failed,) = [record for record in records if record["message"] == "command failed"]
    assert failed["extra"]["error"] == "KeyError"
    assert any(place.startswith("serve:") for place in failed["extra"]["where"])
    assert failed["exception"] is None
    assert "canary" not in repr([(record["message"], record["extra"]) for record in records])


async def test_the_older_backends_can_assert_the_queue_as_they_do(rabbit_url: str) -> None:
    async with serving(rabbit_url, Handler()), backend(rabbit_url) as channel:
        queue = await channel.declare_queue(QUEUE, durable=True)
        await queue.bind("gainium", QUEUE)
