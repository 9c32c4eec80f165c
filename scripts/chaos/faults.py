"""Carries faults out, each at its time, and heals it when its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from math import inf

import aiohttp
from loguru import logger

from common.clocks import machine_s, wall_ms
from scripts.chaos.carried import Carried, Carry
from scripts.chaos.on_accounts import OnAccounts
from scripts.chaos.on_exchanges import OnExchanges
from scripts.chaos.on_processes import OnProcesses
from scripts.chaos.on_wires import OnWires
from scripts.chaos.processes import Workers
from scripts.chaos.proxy import Proxy
from scripts.chaos.schedule import Fault
from scripts.children import ChildError
from scripts.engines import RabbitServer, RedisServer
from scripts.quick.exchanges import Exchanges

# More than any of them takes, healing included; what takes longer is a defect of this command.
FAULT_S = 180.0


class Faults:
    """Does what a schedule says.

    Attributes:
        carried: what has been done, in the order in which it was over.
        failed: faults that could not be carried out, and why.
        running: those that have begun and are not healed.
        begin_until_s: what has waited for its target until then is left out.
    """

    def __init__(
        self,
        exchanges: Exchanges,
        workers: Workers,
        rabbit: RabbitServer,
        redis: RedisServer,
        wires: Mapping[str, Proxy],
        on_accounts: OnAccounts,
    ) -> None:
        self._exchanges = exchanges
        self._workers = workers
        # A process or a wire suffers one thing at a time, however long the one before takes.
        self._taken: dict[str, asyncio.Lock] = {}
        self.carried: list[Carried] = []
        self.failed: list[str] = []
        self.running: dict[int, Fault] = {}
        self.begin_until_s = inf
        self._carry: Mapping[str, Carry] = {
            **OnExchanges(exchanges).carry,
            **OnWires(wires).carry,
            **OnProcesses(workers, rabbit, redis).carry,
            **on_accounts.carry,
        }

    @property
    def kinds(self) -> Collection[str]:
        """The kinds of faults that can be carried out."""
        return self._carry.keys()

    async def carry(self, fault: Fault) -> None:
        """Let one fault happen and heal; what became of it is in ``carried`` or ``failed``."""
        lock = asyncio.Lock()
        if fault.family not in ("exchange", "account"):
            lock = self._taken.setdefault(fault.target, lock)
        try:
            async with asyncio.timeout(FAULT_S), lock:
                if machine_s() > self.begin_until_s:
                    return
                self.running[fault.number] = fault
                from_ms = wall_ms()
                hit = await self._carry[fault.kind](fault)
        except (ChildError, OSError, TimeoutError, aiohttp.ClientError) as error:
            self.failed.append(f"{fault}: {type(error).__name__}: {error}")
            return
        finally:
            self.running.pop(fault.number, None)
        self.carried.append(
            Carried(
                fault=fault,
                from_ms=from_ms,
                to_ms=wall_ms(),
                hit=hit.what,
                pids=hit.pids,
                symbol=hit.symbol,
                killed=hit.killed,
                account=hit.account,
                shown_ms=hit.shown_ms,
            )
        )
        logger.bind(fault=str(fault), hit=hit.what).info("carried out")

    async def heal(self) -> None:
        """Everything behaves again, whatever was going on."""
        self._workers.wake()
        await self._exchanges.control("heal")
