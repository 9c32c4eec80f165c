"""Tells ``WATCHDOG_APP`` of the fleet's health: at every change, and each minute while it is not ok.

One POST at a time, with a task and a time limit of its own, so that nothing here holds up the looks
at the fleet. What is told is always the verdict of that moment: nothing is queued, and a service that
was away hears how things are, not how they were. ``docs/watchdog.md`` has the body.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import msgspec
from loguru import logger
from msgspec import Struct

from common.clocks import machine_s, wall_ms
from common.ops import logs
from common.ops.health import Health, Status
from common.publish.connection import Backoff

SCHEMA = "fleet.health.v1"
LOOK_EVERY_S = 1.0
REPEAT_S = 60.0
# Everybody's minute need not be the same.
REPEAT_JITTER = 0.1
POST_S = 10.0
# Least and most between attempts while it cannot be told.
RETRY_S = (1.0, 60.0)
MOST_REASONS = 20


class Shards(Struct, frozen=True):
    """How many shards there should be, and how many flow."""

    wanted: int
    flowing: int


class HealthTold(Struct, frozen=True, rename="camel"):
    """The body. Times are wall time; ``was`` is what was told before, None if nothing was."""

    type: str
    fleet: str
    host: str
    status: Status
    was: Status | None
    since_ms: int
    sent_ms: int
    reasons: tuple[str, ...]
    reason_count: int
    shards: Shards
    workers: int


class Watchdog:
    """Tells until cancelled.

    Args:
        url: http or https.
        fleet: which one, where the service hears of several (``REDIS_PREFIX``).
        health: the verdict by now; answers at once.
    """

    def __init__(self, url: str, fleet: str, health: Callable[[], Health]) -> None:
        self._url = url
        self._fleet = fleet
        self._health = health
        self._host = socket.gethostname()
        # The path may be what lets us in.
        self._log = logger.bind(watchdog=urlsplit(url).netloc)
        self._backoff = Backoff(*RETRY_S)
        self._status: Status | None = None
        self._since_ms = 0
        self._told: Status | None = None
        self._repeat_s = 0.0
        self._retry_s = 0.0
        self._trouble: str | None = None

    async def run(self) -> None:
        """Look at the verdict, again and again, and tell what is due."""
        async with httpx.AsyncClient(timeout=POST_S) as http:
            while True:
                try:
                    await self._tell_if_due(http)
                except Exception as defect:  # noqa: BLE001 - must not end the health server
                    self._log.opt(exception=defect).error("telling the watchdog failed")
                    self._retry_s = machine_s() + self._backoff.next_s()
                await asyncio.sleep(LOOK_EVERY_S * random.uniform(0.5, 1.0))

    async def _tell_if_due(self, http: httpx.AsyncClient) -> None:
        health, now_s = self._health(), machine_s()
        if health.status != self._status:
            self._status, self._since_ms = health.status, wall_ms()
        changed = health.status != self._told
        repeated = not health.ok and now_s >= self._repeat_s
        if not (changed or repeated) or now_s < self._retry_s:
            return
        trouble = await self._post(http, health)
        self._note(trouble)
        if trouble is not None:
            self._retry_s = machine_s() + self._backoff.next_s()
            return
        self._told = health.status
        self._backoff.reset()
        self._repeat_s = machine_s() + REPEAT_S * random.uniform(1 - REPEAT_JITTER, 1)

    async def _post(self, http: httpx.AsyncClient, health: Health) -> str | None:
        """What kept it from being told; None if it was. What is answered is not read."""
        body = msgspec.json.encode(self._body(health))
        headers = {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(POST_S),
                http.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                return None if answer.is_success else f"HTTP {answer.status_code}"
        except (httpx.HTTPError, OSError) as error:
            return f"{type(error).__name__}: {error}"

    def _body(self, health: Health) -> HealthTold:
        return HealthTold(
            SCHEMA,
            self._fleet,
            self._host,
            health.status,
            self._told,
            self._since_ms,
            wall_ms(),
            tuple(logs.redacted(reason) for reason in health.reasons[:MOST_REASONS]),
            len(health.reasons),
            Shards(health.wanted, health.flowing),
            len(health.workers),
        )

    def _note(self, trouble: str | None) -> None:
        """Log when telling begins to fail and when it goes again, not every attempt."""
        if trouble is not None and self._trouble is None:
            self._log.bind(reason=logs.redacted(trouble)).warning("watchdog cannot be told")
        elif trouble is None and self._trouble is not None:
            self._log.info("watchdog is told again")
        self._trouble = trouble
