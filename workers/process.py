"""What every process does: fast loop, one log, and a clean end on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import uvloop
from loguru import logger

from common.ops import logs
from config.settings import Settings

Main = Callable[[asyncio.Event], Awaitable[None]]


def run_until_stopped(settings: Settings, main: Main) -> None:
    """Run ``main`` with an event that is set when the process is asked to end."""
    logs.setup(
        level=settings.log_level,
        form=settings.log_format,
        secrets=settings.secrets,
        fields={"worker": settings.worker_name},
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_guarded(main))


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
