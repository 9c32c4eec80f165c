"""What an address may spend at an exchange, shared by all processes on it; and bans, told to all.

Every REST call and every dial asks here first, in one call to Redis (``turns``). Several processes
on one address (``EGRESS``) are to the exchange one client, and to each other a queue.

While Redis is away each process goes on with its part of every budget: what is allowed divided by
the processes last seen on the address. A ban outlives that: whoever knows of it keeps it, and tells
Redis as soon as it is back.
"""

from __future__ import annotations

import asyncio
import random

import msgspec
from loguru import logger
from msgspec import Struct
from redis.asyncio import Redis

from common.clocks import machine_s, wall_ms
from common.exchanges.budget import Cost, Pause, Used
from common.exchanges.protocol import Exchange
from common.fleet.client import Argument, Lua, RedisAway, text
from common.fleet.keys import Keys
from common.fleet.turns import (
    BAN,
    HORIZON_S,
    LEARN,
    MICRO,
    TAKE,
    Alone,
    Turn,
    asked,
    each_us,
    most_ahead_us,
)

# What is not urgent, and has waited for so long, has become so. It has the nearest share of the queue
# alone: where more is asked for than there is, what always was urgent is served, and soon.
PATIENCE_S = 5.0
LEFT = 0.2
# A turn that is taken so late (the process was stopped) is lost.
LATE_S = 1.0
# What asks again does so a bit later than told: many may have been told the same.
AGAIN_JITTER = 0.25
# After a call that Redis did not answer, so long none is tried.
AWAY_S = 5.0


class Wait(Struct, frozen=True, rename="camel"):
    """A note on who waits: for what, since when, and whether streams wait for it."""

    who: str
    what: str
    since_ms: int
    urgent: bool


class Ban(Struct, frozen=True, rename="camel"):
    """Why an exchange refuses an address; ``who`` was told so, and when."""

    detail: str
    who: str
    since_ms: int


class _Known(Struct):
    """A ban as this process knows it. ``told``: Redis has it too."""

    ban: bytes
    until_s: float
    told: bool


class Budgets:
    """The budgets of one process's address (see ``common.exchanges.spending``).

    Args:
        egress: the address that exchanges see.
        who: this process, for people.
        horizon_s: it takes no turn that is further ahead.

    Attributes:
        sharers: processes on the address, as far as is known.
        counts: ``budget_waits``, ``budget_refusals`` (the queue was too long), ``bans``.
    """

    def __init__(
        self, redis: Redis, keys: Keys, egress: str, who: str, horizon_s: float = HORIZON_S
    ) -> None:
        self._keys = keys
        self._egress = egress
        self._who = who
        self._horizon_s = horizon_s
        self._take = Lua(redis, TAKE)
        self._learn = Lua(redis, LEARN)
        self._ban = Lua(redis, BAN)
        # By exchange, so there are as many as exchanges.
        self._bans: dict[str, _Known] = {}
        self._alone: Alone | None = None
        self._away_until_s = 0.0
        self._log = logger.bind(egress=egress)
        self.sharers = 1
        self.counts = {"budget_waits": 0, "budget_refusals": 0, "bans": 0}

    # --- spending -----------------------------------------------------------------------------

    async def spend(
        self, exchange: Exchange, cost: Cost, what: str, *, urgent: bool = True
    ) -> Pause | None:
        """See ``Spending``. Takes at most ``PATIENCE_S`` and the horizon.

        A cancelled wait leaves its turn unused.
        """
        begun_s, wait = machine_s(), Wait(self._who, what[:200], wall_ms(), urgent)
        owed, waited = cost, False
        while True:
            patience_s = 0.0 if urgent else PATIENCE_S - (machine_s() - begun_s)
            horizon_s = self._horizon_s * (1.0 if urgent else LEFT)
            turn = await self._turn(
                exchange, owed, wait, urgent=patience_s <= 0, horizon_s=horizon_s
            )
            if turn.kind == "banned":
                return Pause("banned", turn.detail, turn.wait_s)
            if turn.kind == "full":
                self.counts["budget_refusals"] += 1
                # The queue is to be shorter by then; all of those who were refused come again.
                wait_s = turn.wait_s - horizon_s * random.random()
                return Pause("full", f"{what}: too many wait", wait_s)
            if turn.wait_s <= 0:
                return None
            self.counts["budget_waits"] += not waited
            waited = True
            if turn.kind == "later":
                again_s = turn.wait_s * random.uniform(1, 1 + AGAIN_JITTER)
                await asyncio.sleep(min(again_s, patience_s))
            elif await _slept_until(machine_s() + turn.wait_s):
                owed = {}  # it is paid; only a ban can have come in between

    async def _turn(
        self, exchange: Exchange, cost: Cost, wait: Wait, *, urgent: bool, horizon_s: float
    ) -> Turn:
        name = exchange.name
        known = self._bans.get(name)
        if known is not None and not known.told:
            await self._tell(name, known)
        banned = self._banned(name)
        if banned is not None:
            return banned
        turn = await self._shared_turn(exchange, cost, wait, urgent=urgent, horizon_s=horizon_s)
        if turn is None:
            self._alone = self._alone or Alone()
            turn = self._alone.take(
                name, exchange.budgets, cost,
                urgent=urgent, sharers=max(1, self.sharers), now_s=machine_s(),
                horizon_s=horizon_s,
            )  # fmt: skip
        # Another request of this process may have been told meanwhile.
        banned = self._banned(name)
        if banned is None and self._bans.pop(name, None) is not None:
            self._log.bind(exchange=name).info("the ban is over")
        return banned or turn

    def _banned(self, exchange: str) -> Turn | None:
        """The ban that is in force, as far as this process knows."""
        known, now_s = self._bans.get(exchange), machine_s()
        if known is None or known.until_s <= now_s:
            return None
        return Turn("banned", known.until_s - now_s, _detail(known.ban))

    async def _shared_turn(
        self, exchange: Exchange, cost: Cost, wait: Wait, *, urgent: bool, horizon_s: float
    ) -> Turn | None:
        """What Redis answers; None while it is away."""
        if machine_s() < self._away_until_s:
            return None
        keys, address = self._keys, (exchange.name, self._egress)
        names = [keys.budget(*address), keys.ban(*address), keys.waits(*address)]
        note = msgspec.json.encode(wait)
        how: list[Argument] = [int(urgent), round(horizon_s * MICRO), note]
        try:
            kind, wait_us, ban = await self._take(names, [*how, *asked(exchange.budgets, cost)])
        except RedisAway as away:
            self._went(away)
            return None
        self._came_back()
        wait_s = int(wait_us) / MICRO
        if text(kind) == "banned":
            self._know(exchange.name, _Known(ban, machine_s() + wait_s, told=True))
        return msgspec.convert((text(kind), wait_s, _detail(ban)), Turn)

    # --- bans ---------------------------------------------------------------------------------

    async def ban(self, exchange: Exchange, wait_s: float, detail: str) -> None:
        """See ``Spending``. A shorter ban never ends a longer one."""
        self.counts["bans"] += 1
        ban = msgspec.json.encode(Ban(detail, self._who, wall_ms()))
        known = _Known(ban, machine_s() + wait_s, told=False)
        self._know(exchange.name, known)
        await self._tell(exchange.name, known)

    def _know(self, exchange: str, ban: _Known) -> None:
        before, now_s = self._bans.get(exchange), machine_s()
        if before is None or before.until_s <= now_s:
            wait_s = round(ban.until_s - now_s, 1)
            self._log.bind(exchange=exchange, wait_s=wait_s, reason=_detail(ban.ban)).warning(
                "the exchange refuses this address, nothing is asked of it"
            )
        if before is None or before.until_s < ban.until_s:
            self._bans[exchange] = ban

    async def _tell(self, exchange: str, known: _Known) -> None:
        """Write it down for the others; while Redis is away they will be told later."""
        left_ms = round((known.until_s - machine_s()) * 1000)
        if left_ms <= 0 or machine_s() < self._away_until_s:
            return
        try:
            await self._ban([self._keys.ban(exchange, self._egress)], [left_ms, known.ban])
        except RedisAway as away:
            self._went(away)
        else:
            known.told = True

    # --- what the exchange counts -------------------------------------------------------------

    async def learn(self, exchange: Exchange, used: Used) -> None:
        """See ``Spending``. Most answers say nothing new, and cost no call."""
        budget = exchange.budgets[used.budget]
        ahead_us = used.units * each_us(budget) - used.elapsed_s * MICRO
        if ahead_us <= 0 or machine_s() < self._away_until_s:
            return
        try:
            await self._learn(
                [self._keys.budget(exchange.name, self._egress)],
                [used.budget, round(ahead_us), most_ahead_us(budget)],
            )
        except RedisAway as away:
            self._went(away)

    # --- Redis away ---------------------------------------------------------------------------

    def _went(self, away: RedisAway) -> None:
        self._away_until_s = machine_s() + AWAY_S
        if self._alone is None:
            self._alone = Alone()
            self._log.bind(error=str(away), sharers=self.sharers).warning(
                "redis is away, keeping to this process's part of the budgets"
            )

    def _came_back(self) -> None:
        if self._alone is not None:
            self._alone = None
            self._log.info("redis is back, the budgets are shared")


async def _slept_until(turn_s: float) -> bool:
    """Whether it is still our turn: not long past."""
    await asyncio.sleep(turn_s - machine_s())
    return machine_s() - turn_s < LATE_S


def _detail(ban: bytes) -> str:
    try:
        return msgspec.json.decode(ban, type=Ban).detail
    except msgspec.DecodeError:
        return text(ban)
