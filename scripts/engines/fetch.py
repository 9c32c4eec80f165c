"""Gets the engines that this machine lacks: installed as root on Debian, else unpacked."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

from scripts.children import PROJECT
from scripts.engines.locate import MissingEngineError, engines_folder, how_to_get, missing

APT = PROJECT / "scripts/apt.sh"


def ensure() -> None:
    """Have both engines when it returns; says on stderr what it does.

    Raises:
        MissingEngineError: this machine cannot have them; the message says what can be done.
    """
    if not missing():
        return
    folder = engines_folder()
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another command may be at it: then it is done after
        names = missing()
        if names:
            _say(f"Getting {' and '.join(names)}")
            _get(names)
    finally:
        os.close(lock)
    still = missing()
    if still:
        raise MissingEngineError(how_to_get(" and ".join(still)))


def _get(names: list[str]) -> None:
    if os.geteuid() == 0 and _apt("install", *names):
        return
    if not _apt("unpack", str(engines_folder() / "root"), *names):
        _say("that did not work")


def _apt(*args: str) -> bool:
    return subprocess.run([APT, *args], stdin=subprocess.DEVNULL, check=False).returncode == 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
