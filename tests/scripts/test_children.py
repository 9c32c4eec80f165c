"""Processes end with all they started, even when the one that started them is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.children import (
    PROJECT,
    Child,
    ChildError,
    Family,
    free_port,
    listens,
    wait_until,
)

# A leader that ignores the polite request, with a child that knows nothing of it.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""
# A command that starts something in a folder of its own, says so, and waits for its death.
COMMAND = """
import sys, time
from scripts.children import Child, throwaway_folder
folder = throwaway_folder("guarded")
child = Child("sleeper", ["sleep", "600"], log=folder / "log")
print(*child.family, folder, flush=True)
time.sleep(600)
"""


def stubborn(tmp_path: Path) -> Child:
    child = Child("stubborn", [sys.executable, "-c", STUBBORN], log=tmp_path / "log")
    child.wait_ready(lambda: "ready" in child.tail(), timeout_s=10)
    return child


def test_stop_ends_the_whole_session_by_force_if_need_be(tmp_path: Path) -> None:
    child = stubborn(tmp_path)
    assert len(child.family.members()) == 2
    assert child.stop(grace_s=0.2) == -signal.SIGKILL
    assert child.family.members() == []


def test_kill_ends_the_whole_session_at_once(tmp_path: Path) -> None:
    child = stubborn(tmp_path)
    child.kill()
    assert child.family.members() == []


def test_kill_catches_what_is_being_started_meanwhile(tmp_path: Path) -> None:
    script = "while :; do (sleep 600 &) ; echo ready; done"
    child = Child("breeder", ["sh", "-c", script], log=tmp_path / "log")
    child.wait_ready(lambda: "ready" in child.tail(), timeout_s=10)
    child.kill()
    assert child.family.members() == []


def test_a_daemon_that_left_the_session_is_ended_with_the_family(tmp_path: Path) -> None:
    child = Child("parent", ["setsid", "--fork", "sleep", "600"], log=tmp_path / "log")
    assert wait_until(lambda: child.exit_status == 0 and len(child.family.members()) == 1, 10)
    child.kill()
    assert child.family.members() == []


def test_a_child_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    script = "print('the reason'); raise SystemExit(3)"
    child = Child("brief", [sys.executable, "-c", script], log=tmp_path / "log")
    with pytest.raises(ChildError, match=r"brief ended with status 3:\nthe reason"):
        child.wait_ready(lambda: False, timeout_s=10)


def test_a_child_that_never_gets_ready_is_told(tmp_path: Path) -> None:
    child = Child("slow", ["sleep", "600"], log=tmp_path / "log")
    with pytest.raises(ChildError, match=r"slow was not ready after 0\.1 s"):
        child.wait_ready(lambda: False, timeout_s=0.1)
    child.kill()


def test_the_guard_ends_what_a_killed_command_leaves() -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    with command, command.stdout as output:
        sid, mark, folder = output.readline().split()
        family = Family(int(sid), mark)
        assert family.members() == [family.sid]
        command.kill()
    assert wait_until(lambda: not family.members(), 10)
    assert wait_until(lambda: not Path(folder).exists(), 10)


def test_ports_are_free_below_the_outgoing_range_and_given_once() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(1024 < port < first_outgoing and not listens(port) for port in ports)
