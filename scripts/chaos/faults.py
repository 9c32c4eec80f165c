"""Carries faults out, and heals each when its time is over."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from math import inf
from typing import Any

import aiohttp
from loguru import logger

from common.clocks import machine_s, wall_ms
from scripts.chaos.carried import NOTHING, Carried, Hit
from scripts.chaos.exchanges import Exchanges
from scripts.chaos.processes import Workers
from scripts.chaos.proxy import Proxy
from scripts.chaos.schedule import Fault
from scripts.children import ChildError
from scripts.engines import RabbitServer, RedisServer

# A process that supervisord is just starting again is waited for.
WORKER_S = 10.0
LOOK_S = 0.1
# supervisord gives a worker so long to stop, and then kills it (stopwaitsecs).
STOP_WAIT_S = 50.0
# More than any of them takes, healing included; what takes longer is a defect of this command.
FAULT_S = 180.0
# RabbitMQ's own share of the memory, as it is without an alarm.
WATERMARK = "0.4"

Carry = Callable[[Fault], Awaitable[Hit]]


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
    ) -> None:
        self._exchanges = exchanges
        self._workers = workers
        self._rabbit, self._redis = rabbit, redis
        self._wires = wires
        # A process or a wire suffers one thing at a time, however long the one before takes.
        self._taken: dict[str, asyncio.Lock] = {}
        self.carried: list[Carried] = []
        self.failed: list[str] = []
        self.running: dict[int, Fault] = {}
        self.begin_until_s = inf
        self._carry: Mapping[str, Carry] = {
            **dict.fromkeys(_SOCKET_FAULTS, self._on_socket),
            "shutdown": self._shutdown,
            "delay": self._delay,
            **{f"refuse_{status}": self._refuse for status in (403, 418, 429)},
            "ban": self._ban,
            "rest_429": self._refuse_rest,
            "rest_5xx": self._refuse_rest,
            "silence": self._silence,
            "reject": self._reject,
            "list": self._list,
            "net_half_open": self._net_half_open,
            **{f"{wire}_cut": partial(self._cut, wire) for wire in wires},
            **{f"{wire}_freeze": self._wire(wire, lambda p, _: p.frozen()) for wire in wires},
            **{f"{wire}_slow": self._wire(wire, _slow) for wire in wires},
            **{
                f"{wire}_half_open": self._wire(wire, lambda p, _: p.half_open())
                for wire in ("rabbit", "redis")
            },
            "kill": self._kill,
            "pause_long": self._pause,
            "pause_short": self._pause,
            "restart": self._restart,
            "rabbit_kill": partial(self._engine, self._rabbit, self._rabbit.kill),
            "rabbit_restart": partial(self._engine, self._rabbit, self._rabbit.stop),
            "rabbit_alarm": self._alarm,
            "rabbit_close": self._close_connections,
            "redis_kill": partial(self._engine, self._redis, self._redis.kill),
            "redis_wipe": self._wipe,
        }

    async def carry(self, fault: Fault) -> None:
        """Let one fault happen and heal; what became of it is in ``carried`` or ``failed``."""
        lock = asyncio.Lock()
        if fault.family != "exchange":
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
            )
        )
        logger.bind(fault=str(fault), hit=hit.what).info("carried out")

    async def heal(self) -> None:
        """Everything behaves again, whatever was going on."""
        self._workers.wake()
        await self._exchanges.control("heal")

    # --- exchanges ----------------------------------------------------------------------------

    async def _hit(self, fault: Fault, body: Mapping[str, Any]) -> Hit:
        """A fault of the simulator's, on one socket of the place."""
        socket = await self._exchanges.socket(_place(fault), fault.pick)
        if socket is None:
            return NOTHING
        told = await self._exchanges.control("fault", {**body, "where": {"connection": socket.id}})
        return Hit(socket.name if told["hit"] else "")

    async def _on_socket(self, fault: Fault) -> Hit:
        return await self._hit(fault, {**_SOCKET_FAULTS[fault.kind], **fault.how})

    async def _shutdown(self, fault: Fault) -> Hit:
        return await self._hit(fault, {"kind": "shutdown", "after_s": fault.lasts_s})

    async def _delay(self, fault: Fault) -> Hit:
        socket = await self._exchanges.socket(_place(fault), fault.pick)
        if socket is None:
            return NOTHING
        body = {"kind": "delay", "where": {"connection": socket.id}}
        await self._exchanges.control("fault", {**body, **fault.how})
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._exchanges.control("fault", {**body, "ms": 0})
        return Hit(socket.name)

    async def _rule(self, fault: Fault, body: Mapping[str, Any]) -> None:
        exchange, market = _place(fault)
        where = {"exchange": exchange, "market": market}
        rule = {"where": where, "for_s": max(fault.lasts_s, 1.0), **body}
        await self._exchanges.control("fault", rule)

    async def _refuse(self, fault: Fault) -> Hit:
        """Refused, and cut, so that somebody has to dial."""
        await self._rule(fault, {"kind": "refuse", "on": "socket", **fault.how})
        hit = await self._hit(fault, {"kind": "cut"})
        await asyncio.sleep(fault.lasts_s)
        return hit

    async def _ban(self, fault: Fault) -> Hit:
        where = {"exchange": _place(fault)[0]}
        await self._rule(fault, {"kind": "ban", "where": where})
        hit = await self._hit(fault, {"kind": "cut"})
        await asyncio.sleep(fault.lasts_s)
        return hit

    async def _refuse_rest(self, fault: Fault) -> Hit:
        where = {"exchange": _place(fault)[0]}
        await self._rule(fault, {"kind": "refuse", "on": "rest", "where": where, **fault.how})
        await asyncio.sleep(fault.lasts_s)
        return Hit(f"REST of {fault.target}")

    async def _silence(self, fault: Fault) -> Hit:
        return await self._about_symbol(fault, cut=False)

    async def _reject(self, fault: Fault) -> Hit:
        """Only who subscribes anew is rejected: the socket is cut."""
        return await self._about_symbol(fault, cut=True)

    async def _about_symbol(self, fault: Fault, *, cut: bool) -> Hit:
        exchange, market = _place(fault)
        symbol = await self._exchanges.symbol((exchange, market), fault.pick)
        if symbol is None:
            return NOTHING
        rule = {"kind": fault.kind, "exchange": exchange, "market": market, "symbol": symbol}
        await self._exchanges.control("fault", rule)
        try:
            if cut:
                await self._hit(fault, {"kind": "cut"})
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._exchanges.control("heal", rule)
        return Hit(f"{symbol} of {fault.target}", symbol=(exchange, market, symbol))

    async def _list(self, fault: Fault) -> Hit:
        exchange, market = _place(fault)
        name = f"NEW{fault.number}"
        quote = "USD" if market == "inverse" else "USDT"
        listing = {"exchange": exchange, "market": market, "base": name, "quote": quote}
        told = await self._exchanges.control("symbol", {"action": "list", **listing})
        symbol = told["symbol"]
        return Hit(f"{symbol} on {fault.target}", symbol=(exchange, market, symbol))

    # --- wires --------------------------------------------------------------------------------

    async def _cut(self, wire: str, _: Fault) -> Hit:
        return _connections(wire, self._wires[wire].cut())

    async def _net_half_open(self, fault: Fault) -> Hit:
        return _connections("net", self._wires["net"].half_open_one(fault.pick))

    def _wire(
        self, wire: str, begin: Callable[[Proxy, Fault], AbstractContextManager[int]]
    ) -> Carry:
        async def carry(fault: Fault) -> Hit:
            with begin(self._wires[wire], fault) as hit:
                await asyncio.sleep(fault.lasts_s)
            return _connections(wire, hit)

        return carry

    # --- workers ------------------------------------------------------------------------------

    async def _worker(self, fault: Fault) -> tuple[str, int]:
        """Its name and process.

        Raises:
            TimeoutError: supervisord has not started it again in time.
        """
        name = f"price-{fault.target.removeprefix('worker ')}"
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
        killed = self._workers.signal(pid, signal.SIGKILL)
        return Hit(f"{name} (process {pid})", pids=(pid,), killed=killed)

    async def _pause(self, fault: Fault) -> Hit:
        name, pid = await self._worker(fault)
        self._workers.signal(pid, signal.SIGSTOP)
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

    # --- engines ------------------------------------------------------------------------------

    async def _engine(
        self, engine: RabbitServer | RedisServer, end: Callable[[], None], fault: Fault
    ) -> Hit:
        await asyncio.to_thread(end)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await asyncio.to_thread(engine.start)
        return Hit(fault.family)

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


# What the simulator calls what is done to one socket; the rest comes from the schedule.
_SOCKET_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "cut": {"kind": "cut"},
    "close": {"kind": "close"},
    "freeze": {"kind": "freeze"},
    "duplicate": {"kind": "duplicate"},
    "reorder": {"kind": "reorder"},
    "garble": {"kind": "garble"},
    "garble_huge": {"kind": "garble", "spoil": "huge"},
}


def _place(fault: Fault) -> tuple[str, str]:
    exchange, _, market = fault.target.partition(":")
    return exchange, market


def _slow(proxy: Proxy, fault: Fault) -> AbstractContextManager[int]:
    return proxy.slow(float(fault.how["delay_s"]))


def _connections(wire: str, count: int) -> Hit:
    return Hit(f"{count} connections to {wire}" if count else "")
