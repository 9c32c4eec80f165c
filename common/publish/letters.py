"""What becomes of commands, told: answers to who asked, and dead letters for a person to look at."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import msgspec
from aiormq.abc import DeliveredMessage
from loguru import logger
from msgspec import Struct

from common.publish import requests
from common.publish.messages import DEAD_EXCHANGE, Outcome
from common.publish.queues import CommandQueue
from common.publish.requests import ReplyTo
from common.publish.routes import Letter
from common.publish.seldom import Seldom

ANSWER = "command.answer.v1"
DEAD_COMMAND = "command.dead.v1"

# An answer is in the publisher's buffer at once; waiting longer would only hold up the next.
ANSWER_TIMEOUT_S = 5.0
DEAD_TIMEOUT_S = 15.0

Post = Callable[[Letter], Awaitable[Outcome]]

_encode = msgspec.json.Encoder().encode


class Reply(Struct, frozen=True):
    """What became of a command.

    Attributes:
        answer: what the requester is told, as JSON.
        state: one of the queue's ``states``.
        reason, subject: for the log; where messages hold secrets, nothing of them.
        followed: it was done, or need not be.
        dead: why the message is laid with the dead letters; empty: it is not.
    """

    answer: object
    state: str
    reason: str = ""
    subject: str = ""
    followed: bool = False
    dead: str = ""


class NotNow(Exception):  # noqa: N818 - it says when
    """The command is to be tried again; the text says why."""


class Letters:
    """Answers and dead letters of one queue. ``counts``: answers by state, and dead letters."""

    def __init__(self, queue: CommandQueue, post: Post, now_ms: Callable[[], int]) -> None:
        self._queue = queue
        self._post = post
        self._now_ms = now_ms
        self._complaints = Seldom()
        self.counts: dict[str, int] = dict.fromkeys((*queue.states, "dead"), 0)

    async def answer(self, message: DeliveredMessage, reply: Reply) -> None:
        """Tell who asked, if they wait for it."""
        self.counts[reply.state] += 1
        if not reply.followed and self._complaints.now(f"{reply.state} {reply.reason}"):
            logger.bind(state=reply.state, reason=reply.reason, stream=reply.subject).warning(
                "command not followed"
            )
        reply_to = _reply_to(message)
        if reply_to is None:
            return
        body = _encode({"response": reply.answer})
        letter = Letter(
            amqp_exchange="",
            routing_key=reply_to.queue,
            message_id=f"answer:{_digest((reply_to.correlation_id or '').encode() + body)}",
            kind=ANSWER,
            timestamp_s=self._now_ms() // 1000,
            body=body,
            correlation_id=reply_to.correlation_id,
        )
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._post(letter)
        except TimeoutError:
            logger.bind(stream=reply.subject).info("answer waits for the broker")
        except ValueError as error:
            # It may quote the address, which may be anything.
            reason = str(error) if self._queue.redact is None else type(error).__name__
            logger.bind(reason=reason).warning("answer has no address")

    async def bury(self, message: DeliveredMessage, reason: str) -> None:
        """Lay a message with the dead letters; returns when it is safe there.

        Raises:
            NotNow: it was not confirmed.
        """
        redact = self._queue.redact
        body = message.body if redact is None else redact(message.body)
        letter = Letter(
            amqp_exchange=DEAD_EXCHANGE,
            routing_key=self._queue.dead,
            message_id=f"dead:{_digest(body)}",
            kind=DEAD_COMMAND,
            content_type="application/octet-stream",
            timestamp_s=self._now_ms() // 1000,
            body=body,
            headers={
                "reason": reason[:500],
                "exchange": message.exchange or "",
                "routingKey": message.routing_key or "",
                "queue": self._queue.name,
            },
            mandatory=True,
        )
        try:
            async with asyncio.timeout(DEAD_TIMEOUT_S):
                outcome = await self._post(letter)
        except TimeoutError as error:
            raise NotNow("dead letter not confirmed in time") from error
        if outcome != "confirmed":
            raise NotNow(f"dead letter {outcome}")
        self.counts["dead"] += 1
        if self._complaints.now(reason):
            logger.bind(queue=self._queue.name, reason=reason[:200], bytes=len(body)).warning(
                "command dead-lettered"
            )


def _reply_to(message: DeliveredMessage) -> ReplyTo | None:
    properties = message.header.properties
    return requests.reply_address(message.body, properties.reply_to, properties.correlation_id)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
