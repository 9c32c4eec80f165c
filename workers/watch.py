"""The health server's eyes: what Redis says of workers and plan, read once a second.

The pages are made from what was read last, and the verdict by the time of the request, so that an
age grows between readings. What has not been read lately is not known.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from loguru import logger

from common.clocks import machine_s, wall_ms
from common.fleet.accounts import Accounts
from common.fleet.buckets import Buckets
from common.fleet.client import RedisAway, WrongRedis, check_policy, connect
from common.fleet.desired import Desired
from common.fleet.directory import Directory
from common.fleet.keys import Keys
from common.fleet.members import Members
from common.fleet.plan import Plan, Planner
from common.model.instruments import Instrument
from common.model.streams import Market
from common.ops import health, logs
from common.ops.health import Health, Status
from common.ops.metrics import Page, Totals
from config.settings import Settings
from workers.picture import Picture, picture

LOOK_EVERY_S = 1.0
# The longest wait between two looks while Redis is away.
AWAY_S = 3.0
# One look as a whole; the plan of a large fleet takes a second or two when it changes.
LOOK_S = 15.0
# A picture older than this is none.
KNOWN_S = 5.0
# The loop of looks is bounded by LOOK_S: slower than this, it hangs.
STUCK_S = 2 * LOOK_S


class FleetWatch:
    """Reads and judges. ``run`` looks until it is cancelled; everything else answers at once."""

    def __init__(self, settings: Settings) -> None:
        keys = Keys(settings.redis_prefix)
        self._ttl_s = settings.lease_ttl_s
        self._from_settings = frozenset(pattern.key for pattern in settings.streams)
        self._redis = connect(settings.redis_url.reveal())
        self._members = Members(self._redis, keys, settings.lease_ttl_s)
        self._planner = Planner(
            settings.streams,
            Desired(self._redis, keys),
            Directory(self._redis, keys, _fetch_nothing),
            Buckets(self._redis, keys),
            enabled=settings.exchanges,
            raises=False,
        )
        self._accounts = Accounts(self._redis, keys)
        self._enabled = settings.exchanges
        self._picture = Picture()
        self._plan: Plan | None = None
        self._policy_checked = False
        self._obstacle = "nothing has been read from Redis yet"
        self._looked_s: float | None = None
        self._turned_s = machine_s()
        self._totals = Totals()
        self._told: Status | None = None
        self._told_s = machine_s()

    async def run(self) -> None:
        """Look, again and again."""
        try:
            while True:
                seen = await self._look_in_time()
                self._turned_s = machine_s()
                self._tell()
                longest_s = LOOK_EVERY_S if seen else AWAY_S
                await asyncio.sleep(longest_s * random.uniform(0.5, 1.0))
        finally:
            await self._redis.aclose()

    def health(self) -> Health:
        """The verdict by now."""
        if self._looked_s is None:
            return health.unknown(self._obstacle)
        age_s = machine_s() - self._looked_s
        if self._obstacle or age_s > KNOWN_S:
            reason = self._obstacle or "reading Redis takes too long"
            return health.unknown(f"{reason}; last read {age_s:.1f} s ago", self._picture.records)
        return self._picture.verdict(wall_ms(), self._ttl_s)

    def alive(self) -> bool:
        """Whether the looks go on, whatever they see."""
        return machine_s() - self._turned_s < STUCK_S

    def metrics(self) -> bytes:
        """The page for Prometheus."""
        return Page(self.health(), self._picture.wanted, self._totals).text()

    async def _look_in_time(self) -> bool:
        """Whether there was something to see."""
        try:
            async with asyncio.timeout(LOOK_S):
                await self._look()
        except RedisAway as away:
            # What counted when Redis was last seen need not be so when it is back.
            self._policy_checked = False
            self._obstacle = logs.redacted(f"Redis is away: {away}")
        except WrongRedis as wrong:
            self._obstacle = f"Redis is refused: {wrong}"
            self._looked_s = None
        except TimeoutError:
            self._obstacle = f"reading Redis takes more than {LOOK_S:g} s"
        except Exception as defect:  # noqa: BLE001 - who tells of defects must outlive them
            logger.opt(exception=defect).error("looking at the fleet failed")
            self._obstacle = f"reading the fleet failed: {type(defect).__name__}; see the log"
        else:
            self._obstacle = ""
            self._looked_s = machine_s()
            return True
        return False

    async def _look(self) -> None:
        """Read workers and plan; nothing is kept of a look that fails half-way."""
        if not self._policy_checked:
            await check_policy(self._redis)
            self._policy_checked = True
        members = await self._members.all()
        plan = await self._planner.plan()
        wanted = self._picture.wanted if plan is self._plan else None
        accounts = [
            account
            for account in (await self._accounts.all()).values()
            if account.exchange in self._enabled
        ]
        self._picture = picture(members, plan, self._from_settings, wanted, accounts)
        self._plan = plan
        self._totals.add(self._picture.records)

    def _tell(self) -> None:
        """Log the verdict when it changes."""
        verdict = self.health()
        if verdict.status == self._told:
            return
        now_s = machine_s()
        line = logger.bind(
            status=verdict.status,
            was=self._told,
            for_s=round(now_s - self._told_s, 1),
            reasons=verdict.reasons[:5],
        )
        line.log("INFO" if verdict.ok else "WARNING", "fleet health changed")
        self._told, self._told_s = verdict.status, now_s


async def _fetch_nothing(exchange: str, market: Market) -> Sequence[Instrument]:
    raise RuntimeError("the health server only reads the lists that workers have fetched")
