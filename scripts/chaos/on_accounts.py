"""Faults of what an exchange tells of its accounts, and of who may ask, by the simulator's control."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiormq.exceptions import AMQPError

from common.clocks import machine_s
from scripts.chaos.carried import NOTHING, Carry, Hit
from scripts.chaos.schedule import Fault
from scripts.quick.accounts import Accounts
from scripts.quick.exchanges import Exchanges

# What the simulator calls them.
_NAMES: Mapping[str, str] = {
    "miss_events": "missEvents",
    "repeat_events": "repeatEvents",
    "reorder_events": "reorderEvents",
    "delay_events": "delayEvents",
    "silence_account": "silenceAccount",
    "expire_access": "expireAccess",
}
REFUSALS: Mapping[str, str] = {
    "revoke_key": "revokeKey",
    "take_permission": "takePermission",
    "take_address": "takeAddress",
}
# RabbitMQ may be down just when new credentials are given.
GIVEN_WITHIN_S = 90.0
AGAIN_S = 1.0


class OnAccounts:
    """On one account of the exchange; its clock goes wrong for all. ``carry`` has a way for each kind.

    Args:
        accounts: those of the run.
        speed: of the market's time, which exchanges' clocks show.
    """

    def __init__(self, exchanges: Exchanges, accounts: Accounts, speed: float) -> None:
        self._exchanges = exchanges
        self._accounts = accounts
        self._speed = speed
        # Refused now, by name.
        self._refused: set[str] = set()
        self.carry: Mapping[str, Carry] = {
            **dict.fromkeys(_NAMES, self._one),
            "delay_events": self._delay,
            "skew_clock": self._skew,
            **dict.fromkeys(REFUSALS, self._refuse),
        }

    async def _picked(self, fault: Fault) -> str | None:
        """One of the exchange's accounts; None if there is none that is not refused."""
        rows = await self._exchanges.accounts(_exchange(fault))
        names = sorted({row["account"] for row in rows} - self._refused)
        return names[int(fault.pick * len(names))] if names else None

    async def _trouble(self, fault: Fault, name: str | None, **body: Any) -> Hit:
        if name is None:
            return NOTHING
        where = {"exchange": _exchange(fault), "account": name}
        told = await self._exchanges.control("account/fault", {**where, **body})
        return Hit(f"account {name}", account=name) if told["hit"] else NOTHING

    async def _one(self, fault: Fault) -> Hit:
        name = await self._picked(fault)
        return await self._trouble(fault, name, kind=_NAMES[fault.kind], **fault.how)

    async def _delay(self, fault: Fault) -> Hit:
        name = await self._picked(fault)
        hit = await self._trouble(fault, name, kind="delayEvents", **fault.how)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._trouble(fault, name, kind="delayEvents", ms=0)
        return hit

    async def _skew(self, fault: Fault) -> Hit:
        body = {"kind": "skewClock", "exchange": _exchange(fault)}
        ms = round(int(fault.how["s"]) * 1000 * self._speed)
        await self._exchanges.control("account/fault", {**body, "ms": ms})
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._exchanges.control("account/fault", {**body, "ms": 0})
        return Hit(f"the clock of {body['exchange']}")

    async def _refuse(self, fault: Fault) -> Hit:
        """Its key is worth nothing any more; when its time is over, its owner gives another."""
        name = await self._picked(fault)
        if name is None:
            return NOTHING
        self._refused.add(name)
        try:
            await self._trouble(fault, name, kind=REFUSALS[fault.kind], **fault.how)
            await asyncio.sleep(fault.lasts_s)
        finally:
            row = await self._exchanges.control("account/key", {"account": name})
            await self._give(name, row)
            self._refused.discard(name)
        return Hit(f"account {name}", account=name, shown_ms=row["shownMs"])

    async def _give(self, name: str, row: Any) -> None:
        until_s = machine_s() + GIVEN_WITHIN_S
        while True:
            try:
                return await self._accounts.open_again(name, row)
            except (AMQPError, OSError, TimeoutError) as error:
                if machine_s() > until_s:
                    raise TimeoutError(f"no new credentials could be given: {error}") from None
            await asyncio.sleep(AGAIN_S)


def _exchange(fault: Fault) -> str:
    return fault.target.partition(":")[0]
