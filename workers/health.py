"""``python -m workers.health``: the fleet's health server on ``HEALTH_PORT``.

It runs without Redis too, and says so. Exit status: 0 stopped, 1 the port is not to be had, 2 bad
settings.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from loguru import logger

from common.ops.server import PortTaken, make_app, serve
from config.settings import Settings, load_or_exit
from workers.process import run_until_stopped
from workers.watch import FleetWatch
from workers.watchdog import Watchdog

EXIT_NO_PORT = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m workers.health", description=__doc__)
    parser.parse_args(arguments)
    # This process is no price worker and shall not be called one in the log.
    settings = load_or_exit({"WORKER_NAME": f"health-{os.getpid()}", **os.environ})
    try:
        run_until_stopped(settings, lambda stop: _serve(settings, stop), (PortTaken,))
    except PortTaken as taken:
        sys.stderr.write(f"health server: {taken}\n")
        return EXIT_NO_PORT
    return 0


async def _serve(settings: Settings, stop: asyncio.Event) -> None:
    """Listen first, so that whoever asks gets an answer from the start."""
    watch = FleetWatch(settings)
    runner = await serve(make_app(watch), settings.health_host, settings.health_port)
    host, port = runner.addresses[0][:2]
    logger.bind(host=host, port=port).info("health server listens")
    stopped = asyncio.create_task(stop.wait())
    work = {asyncio.create_task(watch.run())}
    if settings.watchdog_app is not None:
        watchdog = Watchdog(settings.watchdog_app, settings.redis_prefix, watch.health)
        work.add(asyncio.create_task(watchdog.run()))
    try:
        done, _ = await asyncio.wait({stopped, *work}, return_when=asyncio.FIRST_COMPLETED)
        for task in done & work:
            await task
    finally:
        for task in (stopped, *work):
            task.cancel()
        await asyncio.wait({stopped, *work})
        await runner.cleanup()


if __name__ == "__main__":
    raise SystemExit(main())
