"""Ends what a command leaves behind when it is killed (``python -m scripts.guard``; see children).

It reads lines on stdin: ``session PID``, ``ended PID``, ``folder PATH``. When stdin closes, the
command is gone, by whatever death: sessions not reported as ended are ended, folders removed.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from scripts.children import end_session, remove_folder

GRACE_S = 5.0


def main() -> None:
    """Wait for the command's end, then tidy up after it."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    sessions: list[int] = []
    folders: list[Path] = []
    for line in sys.stdin:
        verb, _, what = line.strip().partition(" ")
        if verb == "session":
            sessions.append(int(what))
        elif verb == "ended":
            sessions.remove(int(what))
        elif verb == "folder":
            folders.append(Path(what))
    for sid in reversed(sessions):  # what was started last uses what was started first
        end_session(sid, GRACE_S)
    for folder in folders:
        if folder.exists():
            remove_folder(folder)


if __name__ == "__main__":
    main()
