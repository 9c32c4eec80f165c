"""``python -m workers.user``: streams the orders, fills, balances and positions of accounts to RabbitMQ.

Exit status: 0 stopped, 2 bad settings or a Redis that will never do, anything else is a defect.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from common.fleet.client import WrongRedis
from config.settings import EXIT_BAD_SETTINGS, load_or_exit
from workers.process import run_until_stopped
from workers.users import UserWorker


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m workers.user", description=__doc__)
    parser.parse_args(arguments)
    settings = load_or_exit()
    try:
        run_until_stopped(settings, lambda stop: UserWorker(settings).run(stop), (WrongRedis,))
    except WrongRedis as wrong:
        sys.stderr.write(f"Redis is refused: {wrong}\n")
        return EXIT_BAD_SETTINGS
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
