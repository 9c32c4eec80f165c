"""Waiting for what must become true, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(predicate: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Return as soon as ``predicate()`` is true; TimeoutError if it is not in time."""
    async with asyncio.timeout(timeout_s):
        while not predicate():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
