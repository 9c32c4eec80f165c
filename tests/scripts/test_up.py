"""The fleet by ``./scripts/up``, from a fresh copy of the project, against the simulator."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.children import PROJECT, Child, free_port, listens, wait_until

pytestmark = pytest.mark.engines

NEEDED = ("config", "common", "workers", "scripts", "supervisord.conf", ".env.sample")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as cloned: without an environment, engines or ``.env``."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in NEEDED:
        source = PROJECT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    args = [sys.executable, "-m", "simulator", "--port", str(port)]
    child = Child("simulator", args, log=tmp_path / "simulator.log")
    child.wait_ready(lambda: listens(port), timeout_s=30)
    yield f"http://127.0.0.1:{port}"
    child.stop()


def up(copy: Path, **settings: str) -> subprocess.Popen[str]:
    log = (copy / "up.log").open("w")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.up"],
            env=os.environ | {"PYTHONPATH": str(copy)} | settings,
            cwd="/",
            stdout=log,
            stderr=log,
            text=True,
        )


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_it_runs_until_asked_and_drains(
    copy: Path, simulator: str, redis_url: str, rabbit_url: str
) -> None:
    port = free_port()
    run = up(
        copy,
        REDIS_URL=redis_url,
        RABBIT_URL=rabbit_url,
        EXCHANGE_GATEWAY=simulator,
        HEALTH_PORT=str(port),
        LEASE_TTL_S="3",
    )
    with run:
        flows = wait_until(lambda: status_of(f"http://127.0.0.1:{port}/health") == 200, 45)
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) == 0
    told = (copy / "up.log").read_text()
    assert flows, told
    assert (copy / ".env").read_text() == (copy / ".env.sample").read_text()
    assert "copied from .env.sample" in told
    assert (
        told.count("asked to stop") == 4
    )  # two price workers, a user worker and the health server
    assert not listens(port)
    assert not (copy / "supervisor.sock").exists()


def test_bad_settings_are_named_before_anything_starts(copy: Path) -> None:
    (copy / ".env").write_text("HEALTH_PORT=many\nLEASE_TTL_S=0\n")
    with up(copy) as run:
        assert run.wait(timeout=30) == 2
    told = (copy / "up.log").read_text()
    assert "bad setting: HEALTH_PORT" in told
    assert "bad setting: LEASE_TTL_S" in told
