"""The fleet's worker processes: who they are by ``/proc``, and supervisord's hand on them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.children import Child, ChildError

PAGE_BYTES = resource.getpagesize()
# Longer than stopwaitsecs in supervisord.conf.
CTL_S = 70.0


class Workers:
    """The workers of a fleet under supervisord.

    Args:
        fleet: supervisord.
        conf: what it was started with.
        names: of the workers, as the schedule counts them.
    """

    def __init__(self, fleet: Child, conf: Path, names: Sequence[str]) -> None:
        self._fleet = fleet
        self._conf = conf
        self.names = names

    def pids(self) -> dict[str, int]:
        """The living ones, by their name (``price-0``)."""
        found = {}
        for pid in self._fleet.family.members():
            process = Path(f"/proc/{pid}")
            with contextlib.suppress(OSError):  # it ended while we looked
                command = (process / "cmdline").read_bytes()
                if b"workers.price" in command or b"workers.user" in command:
                    name = _variable(process, "WORKER_NAME")
                    if name in self.names:
                        found[name] = pid
        return found

    def signal(self, pid: int, number: signal.Signals) -> bool:
        """Whether it was there to get it."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def wake(self) -> None:
        """Nobody is left paused."""
        for pid in self.pids().values():
            self.signal(pid, signal.SIGCONT)

    async def control(self, verb: str, name: str) -> None:
        """``supervisorctl VERB`` on a worker; returns when it is done.

        Raises:
            ChildError: it was not.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "supervisor.supervisorctl", "-c", str(self._conf), verb, _group(name)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(CTL_S):
                told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise ChildError(f"supervisorctl {verb} {name}: {told.decode().strip()}")


def _group(name: str) -> str:
    """``price:price-0``, as supervisord calls a process of several."""
    return f"{name.partition('-')[0]}:{name}"


def rss_mb(pid: int) -> float:
    """The memory a process has in RAM; 0.0 if it is gone."""
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * PAGE_BYTES / 1e6
    return 0.0


def _variable(process: Path, name: str) -> str:
    """The value of a variable of its environment; empty if it has none."""
    for entry in (process / "environ").read_bytes().split(b"\0"):
        key, _, value = entry.partition(b"=")
        if key.decode() == name:
            return value.decode()
    return ""
