"""What the fleet's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(ask: Callable[[], Awaitable[T]], timeout_s: float = 10.0) -> T:
    """Ask until the answer is true, and give it; TimeoutError if it is not in time."""
    async with asyncio.timeout(timeout_s):
        while True:
            if answer := await ask():
                return answer
            await asyncio.sleep(0.01)
