"""What every process does: fast loop, one log, and a clean end on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable

import uvloop
from loguru import logger

from common.ops import logs
from config.settings import Settings

Main = Callable[[asyncio.Event], Awaitable[None]]


# A crash is restarted at once by whoever watches over us; this keeps a lasting one from storming.
CRASH_PAUSE_S = (1.0, 3.0)


def run_until_stopped(
    settings: Settings, main: Main, expected: tuple[type[Exception], ...] = ()
) -> None:
    """Run ``main`` with an event that is set when the process is asked to end.

    Raises:
        SystemExit: with 1, after a pause, for an error that is not ``expected``.
    """
    logs.setup(
        level=settings.log_level,
        form=settings.log_format,
        secrets=settings.secrets,
        fields={"worker": settings.worker_name},
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_guarded(main))
    except expected:
        raise
    except Exception as error:  # noqa: BLE001 - the last owner of every error
        logger.opt(exception=error).critical("worker crashed")
        time.sleep(random.uniform(*CRASH_PAUSE_S))
        raise SystemExit(1) from None


async def _guarded(main: Main) -> None:
    loop = asyncio.get_running_loop()
    logs.watch_loop(loop)
    stop = asyncio.Event()

    def asked(name: str) -> None:
        if not stop.is_set():
            logger.bind(signal=name).info("asked to stop")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number.name)
    await main(stop)
    logger.info("stopped")
