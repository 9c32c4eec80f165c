"""Processes that this command started, and their certain end.

Every child is the leader of a session of its own, so what it starts in turn (the broker's virtual
machine, the supervisor's workers) belongs to the same session and can be found and ended with it,
and Ctrl-C in the terminal reaches only the command, which ends its children in the right order.
The first child also starts a *guard*: a small process that waits for this one to disappear, by
whatever death, and then ends what is left of the sessions and removes their folders.

Everything here is synchronous: it serves commands and tests, with any event loop or none.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
POLL_S = 0.02
KILL_GRACE_S = 5.0

_PORTS_GIVEN: set[int] = set()
_SESSIONS_STARTED: list[int] = []


class ChildError(RuntimeError):
    """A child ended early or did not become ready; the message holds the end of its log."""


def session_members(sid: int) -> list[int]:
    """The living processes of a session (zombies do not count)."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended while we looked
            state, _ppid, _pgrp, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == sid and state not in "ZX":
                members.append(int(stat.parent.name))
    return members


def signal_session(sid: int, signum: int) -> None:
    """Send a signal to every process of a session."""
    for pid in session_members(sid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def end_session(sid: int, grace_s: float) -> None:
    """SIGTERM to the leader, then, when the grace is over, SIGKILL to all that remain."""
    if sid in session_members(sid):  # not merely a number that was ours once
        with contextlib.suppress(ProcessLookupError):
            os.kill(sid, signal.SIGTERM)
    if not wait_until(lambda: not session_members(sid), grace_s):
        signal_session(sid, signal.SIGKILL)
        wait_until(lambda: not session_members(sid), KILL_GRACE_S)


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def free_port() -> int:
    """A loopback port nobody listens on, below the range of ports that connections go out from.

    Inside that range, a client that keeps dialling while its server is down may be given the very
    port it dials as its own, connect to itself, and keep the server from coming back.
    """
    for _ in range(200):
        port = random.randint(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            if port not in _PORTS_GIVEN:
                _PORTS_GIVEN.add(port)
                return port
    raise ChildError("no free port found between 20000 and 32000 on 127.0.0.1")


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
        return True
    return False


def left_behind() -> list[str]:
    """Processes and ports of this command that should be gone by now and are not."""
    left = [f"process {pid}" for sid in _SESSIONS_STARTED for pid in session_members(sid)]
    return left + [f"port {port}" for port in sorted(_PORTS_GIVEN) if listens(port)]


def kept_folder(name: str) -> Path:
    """A fresh private folder."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-"))


def throwaway_folder(name: str) -> Path:
    """A fresh private folder; the guard removes it should this process not get to it."""
    folder = kept_folder(name)
    GUARD.tell(f"folder {folder}")
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder and all in it; what is already gone is no fault."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # a process was still writing: once more, and aloud this time
        shutil.rmtree(folder)


class Guard:
    """The process that outlives us by a moment when we die without tidying up."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._pid = 0

    def tell(self, line: str) -> None:
        """Hand over a session (``session PID``) or a folder (``folder PATH``) to look after."""
        if self._process is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scripts.guard"],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Let it do its last round now, and wait for its end."""
        if self._process is not None and self._pid == os.getpid():
            self._process.communicate(timeout=2 * KILL_GRACE_S + 5)
            self._process = None


GUARD = Guard()


class Child:
    """One started process with the session it leads; output goes to a file, or where ours goes."""

    def __init__(
        self,
        name: str,
        args: Sequence[str | Path],
        *,
        log: Path | None,
        env: Mapping[str, str] | None = None,
        cwd: Path = PROJECT,
    ) -> None:
        self.name = name
        self._log = log
        with contextlib.ExitStack() as files:
            output = None if log is None else files.enter_context(log.open("ab"))
            self._process = subprocess.Popen(
                [str(arg) for arg in args],
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                start_new_session=True,
            )
        _SESSIONS_STARTED.append(self.pid)
        GUARD.tell(f"session {self.pid}")

    @property
    def pid(self) -> int:
        """The leader's process id, which is also the session's."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until it answers.

        Raises:
            ChildError: it ended, or the time is over.
        """
        if wait_until(lambda: self.exit_status is not None or ready(), timeout_s):
            if self.exit_status is None:
                return
            raise ChildError(f"{self.name} ended with status {self.exit_status}:\n{self.tail()}")
        raise ChildError(f"{self.name} was not ready after {timeout_s:g} s:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The end of what it said."""
        if self._log is None or not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, grace_s: float = 10.0) -> int | None:
        """End it politely, then by force; returns the leader's exit status."""
        self._end(lambda: end_session(self.pid, grace_s))
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL, at once, to it and everything it started."""
        self._end(lambda: signal_session(self.pid, signal.SIGKILL))

    def _end(self, end: Callable[[], None]) -> None:
        end()
        self._process.wait(timeout=KILL_GRACE_S)
        if not wait_until(lambda: not session_members(self.pid), KILL_GRACE_S):
            raise ChildError(f"{self.name}: processes remain: {session_members(self.pid)}")
        GUARD.tell(f"ended {self.pid}")
