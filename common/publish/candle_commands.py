"""Commands on ``candlesRequests``: read, wanted, answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from common.publish import requests
from common.publish.commands import Request
from common.publish.letters import Reply
from common.publish.requests import Answer, Malformed, Wanted

# Writes what is wanted where it lasts, and says how that went. The name says for whom.
Want = Callable[[Wanted, str], Awaitable[Answer]]


class CandleCommands:
    """What is done with them. ``want``: what is done with a request that is understood."""

    def __init__(self, want: Want) -> None:
        self._want = want

    async def serve(self, request: Request) -> Reply:
        """Make it wanted, durably, or say why not; raises what ``want`` does."""
        try:
            wanted = requests.read(request.body)
        except Malformed as error:
            answer = Answer("failed", str(error))
            return msgspec.structs.replace(_reply(answer), dead=f"malformed: {error}")
        if isinstance(wanted, Answer):
            return _reply(wanted)
        return _reply(_about(wanted, await self._want(wanted, request.requested_by)))

    def failed(self, body: bytes, reason: str) -> Reply:
        """What to say of a request that could not be dealt with."""
        answer = Answer("failed", reason)
        try:
            wanted = requests.read(body)
        except Malformed:
            return _reply(answer)
        return _reply(answer if isinstance(wanted, Answer) else _about(wanted, answer))


def _about(wanted: Wanted, answer: Answer) -> Answer:
    return msgspec.structs.replace(answer, stream=answer.stream or wanted.pattern.key)


def _reply(answer: Answer) -> Reply:
    return Reply(
        answer,
        answer.state,
        answer.reason,
        subject=answer.stream,
        followed=answer.state in ("accepted", "active"),
    )
