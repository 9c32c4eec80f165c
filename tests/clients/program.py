"""A client at work: a program that prints what it hears and reads as JSON, and all it has said."""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.clients.conftest import APART, PYTHON
from tests.clients.test_binance import PROGRAMS

Rows = dict[str, list[dict[str, Any]]]


class Program:
    """What it has said: of every kind, market and id all rows, as they came."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._news = asyncio.Event()
        self.said: dict[tuple[str, str], Rows] = defaultdict(lambda: defaultdict(list))

    async def read(self) -> None:
        """Take down what it says until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.startswith(b'{"kind"'):  # else a client's own chatter
                told = json.loads(line)
                self.said[told["kind"], told["market"]][told["id"]].append(told["row"])
                self._news.set()

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""
        return self._process.returncode is not None

    async def news(self) -> None:
        """Wait until it says something more."""
        self._news.clear()
        await self._news.wait()

    async def running(self) -> None:
        """Fail if it has ended."""
        if self.ended:
            assert self._process.stderr is not None
            errors = (await self._process.stderr.read()).decode()
            raise AssertionError(errors[-2500:])


@asynccontextmanager
async def program(
    name: str, home: Path, arguments: Sequence[str], *, apart: str = "", trusted: str = ""
) -> AsyncIterator[Program]:
    """One of the programs, ended with the block.

    Args:
        apart: the folder of packages that go before the rest.
        trusted: the file of the certificate that it trusts, of all there are.
    """
    env = {**os.environ, "CLIENTS_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    if apart:
        env["PYTHONPATH"] = str(APART / apart)
    if trusted:
        env |= {"SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), str(PROGRAMS / name), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**20, env=env,
    )  # fmt: skip
    it = Program(process)
    reader = asyncio.create_task(it.read())
    try:
        yield it
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reader
