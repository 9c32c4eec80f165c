"""Faults of processes: workers that are killed, paused, restarted; engines that go and come back."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

from common.clocks import machine_s
from scripts.chaos.carried import NOTHING, Carry, Hit
from scripts.chaos.processes import Workers
from scripts.chaos.schedule import Fault
from scripts.engines import RabbitServer, RedisServer

# A process that supervisord is just starting again is waited for.
WORKER_S = 10.0
LOOK_S = 0.1
# supervisord gives a worker so long to stop, and then kills it (stopwaitsecs).
STOP_WAIT_S = 50.0
# A RabbitMQ that is stopped in the moment in which it has come up may never find its streams again.
BOOTED_S = 5.0
# RabbitMQ's own share of the memory, as it is without an alarm.
WATERMARK = "0.4"


class OnProcesses:
    """By signals, supervisord, and the engines' own commands. ``carry`` has a way for each kind."""

    def __init__(self, workers: Workers, rabbit: RabbitServer, redis: RedisServer) -> None:
        self._workers = workers
        self._rabbit, self._redis = rabbit, redis
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._booted_s: defaultdict[str, float] = defaultdict(float)
        self.carry: Mapping[str, Carry] = {
            "kill": self._kill,
            "pause_long": self._pause,
            "pause_short": self._pause,
            "restart": self._restart,
            "rabbit_kill": partial(self._engine, rabbit, rabbit.kill),
            "rabbit_restart": partial(self._engine, rabbit, rabbit.stop),
            "rabbit_alarm": self._alarm,
            "rabbit_close": self._close_connections,
            "redis_kill": partial(self._engine, redis, redis.kill),
            "redis_wipe": self._wipe,
        }

    async def _worker(self, fault: Fault) -> tuple[str, int]:
        """Its name and process.

        Raises:
            TimeoutError: supervisord has not started it again in time.
        """
        name = self._workers.names[int(fault.target.removeprefix("worker "))]
        until_s = machine_s() + WORKER_S
        while True:
            pid = self._workers.pids().get(name)
            if pid is not None:
                return name, pid
            if machine_s() > until_s:
                raise TimeoutError(f"{name} does not run")
            await asyncio.sleep(LOOK_S)

    async def _kill(self, fault: Fault) -> Hit:
        name, pid = await self._worker(fault)
        if not self._workers.signal(pid, signal.SIGKILL):
            return NOTHING
        return Hit(f"{name} (process {pid})", pids=(pid,), killed=True)

    async def _pause(self, fault: Fault) -> Hit:
        name, pid = await self._worker(fault)
        if not self._workers.signal(pid, signal.SIGSTOP):
            return NOTHING
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            self._workers.signal(pid, signal.SIGCONT)
        return Hit(f"{name} (process {pid})", pids=(pid,))

    async def _restart(self, fault: Fault) -> Hit:
        name, pid = await self._worker(fault)
        began_s = machine_s()
        await self._workers.control("stop", name)
        took_s = machine_s() - began_s
        await self._workers.control("start", name)
        what = f"{name} (process {pid}), which stopped in {took_s:.1f} s"
        return Hit(what, pids=(pid,), killed=took_s >= STOP_WAIT_S)

    # --- engines ---

    async def _engine(
        self, engine: RabbitServer | RedisServer, end: Callable[[], None], fault: Fault
    ) -> Hit:
        name = fault.family
        async with self._turns[name]:
            await asyncio.sleep(max(0.0, self._booted_s[name] - machine_s()))
            await asyncio.to_thread(end)
            try:
                await asyncio.sleep(fault.lasts_s)
            finally:
                await asyncio.to_thread(engine.start)
                self._booted_s[name] = machine_s() + BOOTED_S
        return Hit(name)

    async def _wipe(self, fault: Fault) -> Hit:
        def end() -> None:
            self._redis.kill()
            self._redis.wipe()

        return await self._engine(self._redis, end, fault)

    async def _alarm(self, fault: Fault) -> Hit:
        set_to = "set_vm_memory_high_watermark"
        await asyncio.to_thread(self._rabbit.ctl, set_to, "absolute", "1MB")
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await asyncio.to_thread(self._rabbit.ctl, set_to, WATERMARK)
        return Hit("rabbit")

    async def _close_connections(self, _: Fault) -> Hit:
        await asyncio.to_thread(self._rabbit.ctl, "close_all_connections", "chaos")
        return Hit("rabbit")
