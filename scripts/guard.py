"""Ends what a command leaves behind when it is killed (``python -m scripts.guard``; see children).

It reads lines on stdin: ``started SID MARK``, ``ended SID``, ``folder PATH``. When stdin closes,
the command is gone, by whatever death: families not reported as ended are ended, folders removed.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from scripts.children import Family, remove_folder

GRACE_S = 5.0


def main() -> None:
    """Wait for the command's end, then tidy up after it."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    families: dict[str, Family] = {}
    folders: list[Path] = []
    for line in sys.stdin:
        verb, _, what = line.strip().partition(" ")
        if verb == "started":
            sid, _, mark = what.partition(" ")
            families[sid] = Family(int(sid), mark)
        elif verb == "ended":
            families.pop(what, None)  # told twice is no fault
        elif verb == "folder":
            folders.append(Path(what))
    for family in reversed(families.values()):  # what started last uses what started first
        family.end(GRACE_S)
    for folder in folders:
        if folder.exists():
            remove_folder(folder)


if __name__ == "__main__":
    main()
