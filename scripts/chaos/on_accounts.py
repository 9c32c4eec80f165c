"""Faults of what an exchange tells of its accounts, by the simulator's control."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from scripts.chaos.carried import NOTHING, Carry, Hit
from scripts.chaos.schedule import Fault
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


class OnAccounts:
    """On one account of the exchange; its clock goes wrong for all. ``carry`` has a way for each kind."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self.carry: Mapping[str, Carry] = {
            **dict.fromkeys(_NAMES, self._one),
            "delay_events": self._delay,
            "skew_clock": self._skew,
        }

    async def _trouble(self, fault: Fault, **more: Any) -> Hit:
        """One of the exchange's accounts is hit, or (of its clock) all."""
        exchange = fault.target.partition(":")[0]
        body = {"exchange": exchange, **fault.how, **more}
        if body["kind"] != "skewClock":
            names = sorted(one["account"] for one in await self._exchanges.accounts(exchange))
            if not names:
                return NOTHING
            body["account"] = names[int(fault.pick * len(names))]
        told = await self._exchanges.control("account/fault", body)
        return Hit(f"{len(told['hit'])} accounts of {exchange}") if told["hit"] else NOTHING

    async def _one(self, fault: Fault) -> Hit:
        return await self._trouble(fault, kind=_NAMES[fault.kind])

    async def _delay(self, fault: Fault) -> Hit:
        hit = await self._trouble(fault, kind="delayEvents")
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._trouble(fault, kind="delayEvents", ms=0)
        return hit

    async def _skew(self, fault: Fault) -> Hit:
        hit = await self._trouble(fault, kind="skewClock")
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._trouble(fault, kind="skewClock", ms=0)
        return hit
