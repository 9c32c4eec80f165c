"""Who bounds a wait by ``asyncio.wait_for``.

On Python 3.11 it loses a cancellation that comes in the same turn of the loop as the end of what is
waited for: the task goes on as if nobody had told it to end, and who waits for its end waits for
ever. ``asyncio.timeout`` does not. A library does it wherever it is given a limit of time, so ours
is put around the call instead.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(str(ROOT / name) for name in ("common", "workers", "scripts", "tests"))


def losing_cancellations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of our tasks that wait so from now on; what a library does in its own is its own."""
    found: list[str] = []
    wait_for = asyncio.wait_for

    async def watched(awaitable: Any, timeout: float | None) -> Any:
        task = asyncio.current_task()
        code = getattr(task.get_coro(), "cr_code", None) if task is not None else None
        if timeout is not None and code is not None and code.co_filename.startswith(OURS):
            found.append(code.co_qualname)
        return await wait_for(awaitable, timeout)

    monkeypatch.setattr(asyncio, "wait_for", watched)
    return found
