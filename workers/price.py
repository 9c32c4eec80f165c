"""``python -m workers.price``: streams candles and tickers of the shards it owns to RabbitMQ.

Exit status: 0 stopped, 2 bad settings or a Redis that will never do, anything else is a defect.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from common.fleet.client import WrongRedis
from common.model.streams import ROLES, Role
from config.settings import EXIT_BAD_SETTINGS, Settings, load_or_exit
from workers.prices import PriceWorker
from workers.process import run_until_stopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m workers.price", description=__doc__)
    parser.add_argument(
        "--role",
        choices=ROLES,
        help="what to stream; wins over PRICEROLE (default: all)",
    )
    role: Role | None = parser.parse_args(arguments).role
    settings = load_or_exit()
    return _run(settings, role or settings.price_role)


def _run(settings: Settings, role: Role) -> int:
    try:
        run_until_stopped(
            settings, lambda stop: PriceWorker(settings, role).run(stop), (WrongRedis,)
        )
    except WrongRedis as wrong:
        sys.stderr.write(f"Redis is refused: {wrong}\n")
        return EXIT_BAD_SETTINGS
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
