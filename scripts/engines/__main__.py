"""``python -m scripts.engines``: get the engines that this machine lacks, if any."""

from __future__ import annotations

import sys

from scripts.engines.fetch import ensure
from scripts.engines.locate import MissingEngineError


def main() -> int:
    """0 when both are here, 1 with a message when they cannot be had."""
    try:
        ensure()
    except MissingEngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
