"""A backend of the older system: listens to Redis channels, with nothing of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis


class OlderBackend:
    """What it has heard, in order: channel and text."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def on(self, channel: str) -> list[str]:
        """What was said on a channel."""
        return [text for where, text in self.heard if where == channel]

    def bodies(self, channel: str) -> list[Any]:
        """The same, read."""
        return [json.loads(text) for text in self.on(channel)]


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[OlderBackend]:
    """Listen to everything from now on."""
    redis, backend = Redis.from_url(url), OlderBackend()
    pubsub = redis.pubsub()
    await pubsub.psubscribe("*")

    async def listen() -> None:
        async for message in pubsub.listen():
            if message["type"] == "pmessage":
                backend.heard.append((message["channel"].decode(), message["data"].decode()))

    task = asyncio.create_task(listen())
    try:
        yield backend
    finally:
        task.cancel()
        await asyncio.wait({task})
        await pubsub.aclose()
        await redis.aclose()
