"""Processes that this command started, and their certain end.

Every child is the leader of a session of its own, so Ctrl-C in the terminal reaches only the
command, which ends its children in the right order. With a child goes all it started in turn (the
broker's virtual machine, the supervisor's workers): its family.
The first child also starts a *guard*: a small process that waits for this one to disappear, by
whatever death, and then ends what is left of the families and removes their folders.

Everything here is synchronous: it serves commands and tests, with any event loop or none.
"""

from __future__ import annotations

import atexit
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
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
POLL_S = 0.02
KILL_GRACE_S = 5.0
MARK = "STARTED_AS"
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PORTS_GIVEN: set[int] = set()
_STARTED: list[Family] = []


class ChildError(RuntimeError):
    """A child ended early or did not become ready; the message holds the end of its log."""


class Family(NamedTuple):
    """A child with all it started: who is in its session, or carries its mark.

    The mark is a variable of the environment; it tells of those that left the session, as daemons
    and some of Erlang's helpers do.
    """

    sid: int
    mark: str

    def members(self) -> list[int]:
        """Its living processes (zombies do not count)."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended while we looked, or is not ours to see
                state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
                if state not in "ZX" and (int(session) == self.sid or self._marks(stat.parent)):
                    found.append(int(stat.parent.name))
        return found

    def kill(self) -> bool:
        """SIGKILL to all, and to whom they were just starting; whether they are gone."""

        def none_left() -> bool:
            members = self.members()
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not members

        return wait_until(none_left, KILL_GRACE_S)

    def end(self, grace_s: float) -> bool:
        """SIGTERM to the leader, and when the grace is over ``kill``; whether they are gone."""
        if self.sid in self.members():  # not merely a number that was ours once
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.sid, signal.SIGTERM)
        return wait_until(lambda: not self.members(), grace_s) or self.kill()

    def _marks(self, process: Path) -> bool:
        return f"{MARK}={self.mark}\0".encode() in (process / "environ").read_bytes()


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


class Interrupts:
    """Ends a command by ``KeyboardInterrupt`` when it is asked to end, but never amid a start.

    A process is either not started, or known to us and to the guard: a request to end that comes in
    between waits until it is.
    """

    def __init__(self) -> None:
        self._starting = False
        self._asked = False

    def listen(self) -> None:
        """From here on Ctrl-C, SIGTERM and SIGHUP mean the same."""
        for number in ENDING_SIGNALS:
            signal.signal(number, self._end)

    def ignore(self) -> None:
        """From here on they mean nothing: what is going on is the end, and is bounded."""
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """What is done in here is done whole."""
        self._starting = True
        try:
            yield
        finally:
            self._starting = False
            if self._asked:
                self._asked = False
                raise KeyboardInterrupt

    def _end(self, *_: object) -> None:
        if not self._starting:
            raise KeyboardInterrupt
        self._asked = True


INTERRUPTS = Interrupts()

# The path of a Unix socket has room for a hundred characters, and supervisord adds to its own.
LONGEST_PARENT = 50


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
        return True
    return False


def left_behind() -> list[str]:
    """Processes and ports of this command that should be gone by now and are not."""
    left = [f"process {pid}" for family in _STARTED for pid in family.members()]
    return left + [f"port {port}" for port in sorted(_PORTS_GIVEN) if listens(port)]


def kept_folder(name: str) -> Path:
    """A fresh private folder, of a name short enough for the sockets in it."""
    usual = tempfile.gettempdir()
    parent = usual if len(usual) <= LONGEST_PARENT else "/tmp"  # noqa: S108 - mkdtemp makes it safe
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))


def throwaway_folder(name: str) -> Path:
    """A fresh private folder; the guard removes it should this process not get to it."""
    with INTERRUPTS.starting():
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
        """Hand over a family (``started SID MARK``) or a folder (``folder PATH``)."""
        if self._process is None or self._pid != os.getpid():
            self._pid = os.getpid()
            atexit.register(self.close)
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
        with contextlib.ExitStack() as files, INTERRUPTS.starting():
            output = None if log is None else files.enter_context(log.open("ab"))
            mark = uuid.uuid4().hex
            self._process = subprocess.Popen(
                [str(arg) for arg in args],
                cwd=cwd,
                env={**(os.environ if env is None else env), MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                start_new_session=True,
            )
            self.family = Family(self._process.pid, mark)
            _STARTED.append(self.family)
            GUARD.tell(f"started {self.family.sid} {mark}")

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
        self._ended(self.family.end(grace_s))
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL, at once, to it and everything it started."""
        self._ended(self.family.kill())

    def _ended(self, gone: bool) -> None:
        if not gone:
            raise ChildError(f"{self.name}: processes remain: {self.family.members()}")
        self._process.wait(timeout=KILL_GRACE_S)
        GUARD.tell(f"ended {self.pid}")
