"""Worker processes as an operator runs them, for tests that kill them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Process:
    """One running program, its log lines as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []
        self.text: list[str] = []
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        return self._process.pid

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            async with self._changed:
                self.text.append(line)
                if line.startswith("{"):
                    self.lines.append(json.loads(line))
                self._changed.notify_all()

    async def said(self, event: str, timeout_s: float = 20.0, **fields: Any) -> dict[str, Any]:
        """The first log line of that event and those fields, as soon as it is there."""

        def found() -> dict[str, Any] | None:
            wanted = {"event": event, **fields}
            return next((x for x in self.lines if wanted.items() <= x.items()), None)

        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(found)
        line = found()
        assert line is not None
        return line

    async def ended(self, timeout_s: float = 30.0) -> int:
        """The exit status."""
        async with asyncio.timeout(timeout_s):
            status = await self._process.wait()
            await self._reader
            return status

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()


@asynccontextmanager
async def running(module: str, *arguments: str, env: Mapping[str, str]) -> AsyncIterator[Process]:
    """``python -m module`` with these settings and no ``.env``; killed at the end if it lives."""
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=ROOT,
        env={**inherited, "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1", **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    process = Process(started)
    try:
        yield process
    finally:
        await process.kill()


async def terminate(process: Process) -> int:
    """Ask it to stop; its exit status."""
    process.signal(signal.SIGTERM)
    return await process.ended()
