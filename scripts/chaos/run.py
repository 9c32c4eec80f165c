"""One chaos run: from before the fleet's start to what has come to light."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from msgspec import Struct

from common.clocks import MarketClock, machine_s, wall_ms
from common.model.streams import Pattern
from scripts.chaos.accounts import judge_accounts
from scripts.chaos.carried import ended
from scripts.chaos.consumer import Consumer
from scripts.chaos.evidence import CLOSED, Evidence, asked_from, stream_of
from scripts.chaos.faults import Faults
from scripts.chaos.on_accounts import OnAccounts
from scripts.chaos.processes import Workers
from scripts.chaos.proxy import proxies
from scripts.chaos.sampler import Sampler
from scripts.chaos.schedule import Fault, quiet_s
from scripts.chaos.screen import Picture, Screen
from scripts.chaos.truth import owed, truth, wanted_of
from scripts.children import ENDING_SIGNALS, Child, ChildError
from scripts.engines import RabbitServer, RedisServer
from scripts.quick.account_verdict import AccountVerdict, Body
from scripts.quick.accounts import Accounts, Opened
from scripts.quick.exchanges import Exchanges
from scripts.quick.stack import FLEET_STOP_S, Stack

LOOK_S = 0.25
# Orders of all accounts together in a market minute.
ORDERS_PER_MIN = 60
# How often a live account is compared with REST: what no socket tells has to be found within the quiet.
RECONCILE_S = 20.0
REQUEST_S = 10.0
CONSUMER_READY_S = 30.0
# Until everything flows for the first time: longer, and there is nothing to be disturbed.
FLOWS_S = 120.0
# KuCoin lets thirty connect in a minute.
LET_IN_S = 240.0
# What the faults that have begun last may take to be healed when the quiet begins.
HEALED_S = 60.0


class Plan(Struct, frozen=True, kw_only=True):
    """What a run does."""

    clock: MarketClock
    settings: Mapping[str, str]
    patterns: Sequence[Pattern]
    schedule: Sequence[Fault]
    duration_s: float
    workers: int
    users: int
    accounts: int

    @property
    def user_targets(self) -> frozenset[str]:
        """The workers that serve accounts, as faults call them."""
        return frozenset(f"worker {self.workers + index}" for index in range(self.users))


class ChaosRun:
    """One run. ``problems`` says what went wrong beyond what the judge can see."""

    def __init__(
        self, stack: Stack, redis: RedisServer, rabbit: RabbitServer, plan: Plan, screen: Screen
    ) -> None:
        self._stack, self._redis, self._rabbit = stack, redis, rabbit
        self._plan = plan
        self._screen = screen
        self._stop = asyncio.Event()
        self._consumer = Consumer(rabbit.url)
        self._repeats = Counter[str]()
        self._seen = 0
        self._flowing: set[str] = set()
        self._began_s = 0.0
        self.account_verdict: AccountVerdict | None = None
        self.opened: Sequence[Opened] = ()
        self.truths: Mapping[str, Body] = {}
        self.faults: Faults | None = None
        self.sampler: Sampler | None = None
        self.problems: list[str] = []

    async def run(self) -> Evidence:
        """Everything, the fleet's end included."""
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        ports = (_port_of(self._stack.simulator_url), self._rabbit.port, self._redis.port)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            proxies(*ports) as (net, rabbit_wire, redis_wire),
            _running(self._consumer.run()),
        ):
            await self._consumer.ready(CONSUMER_READY_S)
            exchanges = Exchanges(http, self._stack.simulator_url)
            settings = {
                **self._plan.settings,
                "REDIS_URL": f"redis://127.0.0.1:{redis_wire.port}/0",
                "RABBIT_URL": f"amqp://guest:guest@127.0.0.1:{rabbit_wire.port}/",
                "EXCHANGE_GATEWAY": f"http://127.0.0.1:{net.port}",
            }
            plan = self._plan
            fleet = self._stack.start_fleet(settings, workers=plan.workers, users=plan.users)
            names = [f"price-{i}" for i in range(plan.workers)]
            names += [f"user-{i}" for i in range(plan.users)]
            workers = Workers(fleet, self._stack.conf, names)
            accounts = Accounts(exchanges, self._rabbit.url, plan.accounts)
            await accounts.open()
            wires = {"net": net, "rabbit": rabbit_wire, "redis": redis_wire}
            health_url = f"http://127.0.0.1:{self._stack.health_port}/health"
            on_accounts = OnAccounts(exchanges, accounts, plan.clock.speed)
            faults = Faults(exchanges, workers, self._rabbit, self._redis, wires, on_accounts)
            self.faults = faults
            sampler = self.sampler = Sampler(http, health_url, workers)
            with self._screen:
                async with _running(sampler.run()):
                    started_ms = await self._disturb(fleet, exchanges, faults, sampler, accounts)
                evidence = await self._evidence(exchanges, faults, sampler, started_ms)
                if accounts.opened:
                    self.opened, self.truths = accounts.opened, await accounts.truths()
                    self.account_verdict = judge_accounts(
                        evidence, self.opened, self.truths, plan.user_targets
                    )
            await self._stop_fleet(fleet)
            return evidence

    async def _stop_fleet(self, fleet: Child) -> None:
        """Its wires go with this block, and a fleet is not to be stopped without engines."""
        try:
            await asyncio.to_thread(fleet.stop, FLEET_STOP_S)
        except ChildError as error:
            self.problems.append(str(error))

    # --- the run ------------------------------------------------------------------------------

    async def _disturb(
        self,
        fleet: Child,
        exchanges: Exchanges,
        faults: Faults,
        sampler: Sampler,
        accounts: Accounts,
    ) -> int:
        """From the fleet's start to the end of the quiet; when the faults began."""
        wanted = await self._wanted(exchanges)
        self._began_s = machine_s()
        until_s = self._began_s + FLOWS_S + (LET_IN_S if accounts.opened else 0.0)
        while not (sampler.well and self._all_flow(wanted)):
            if not await self._look("starting", fleet, until_s):
                break
        self._began_s = started_s = machine_s()
        started_ms = wall_ms()
        if self._stop.is_set() or fleet.exit_status is not None:
            return started_ms
        if machine_s() >= until_s:
            silent = sorted(wanted - self._flowing)
            self.problems.append(f"not everything flowed within {FLOWS_S:g} s: {silent[:5]}")
            return started_ms
        await accounts.trade(ORDERS_PER_MIN)
        quiet_at_s = started_s + self._plan.duration_s - quiet_s(self._plan.duration_s)
        faults.begin_until_s = quiet_at_s
        async with _running(self._carry_out(faults, started_s)) as carrying:
            while await self._look("disturbing", fleet, quiet_at_s):
                pass
            # What has begun is healed first: an engine that is starting is not left half-way.
            while faults.running and not carrying.done():
                if not await self._look("healing", fleet, quiet_at_s + HEALED_S):
                    break
        await faults.heal()
        await accounts.settle()
        while await self._look("quiet", fleet, started_s + self._plan.duration_s):
            pass
        if accounts.opened:
            await self._let_in(fleet, sampler)
        return started_ms

    async def _let_in(self, fleet: Child, sampler: Sampler) -> None:
        """Accounts come back as fast as the exchanges' limits let them, and are compared once more."""
        until_s = machine_s() + LET_IN_S
        while sampler.shut_out and await self._look("letting in", fleet, until_s):
            pass
        if sampler.shut_out and not self._stop.is_set():
            told = "; ".join(sampler.shut_out)
            self.problems.append(f"accounts not live at the end: {told}")
        compared_s = machine_s() + 2 * RECONCILE_S
        while await self._look("comparing", fleet, compared_s):
            pass

    async def _carry_out(self, faults: Faults, started_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            for fault in self._plan.schedule:
                await asyncio.sleep(started_s + fault.at_s - machine_s())
                group.create_task(faults.carry(fault))

    async def _look(self, phase: str, fleet: Child, until_s: float) -> bool:
        """Show how things are, and wait a moment; whether to go on."""
        self._count()
        self._screen.show(self._picture(phase, until_s))
        left_s = until_s - machine_s()
        if left_s <= 0 or self._stop.is_set():
            return False
        if fleet.exit_status is not None:
            self.problems.append(f"the fleet ended with status {fleet.exit_status}")
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK_S, left_s)):
                await self._stop.wait()
        return True

    def _count(self) -> None:
        for one in self._consumer.deliveries[self._seen :]:
            if one.kind == CLOSED and not one.own:
                self._repeats[one.message_id] += 1
                self._flowing.add(stream_of(one.body))
        self._seen = len(self._consumer.deliveries)

    def _all_flow(self, wanted: Iterable[str]) -> bool:
        return self._flowing.issuperset(wanted)

    async def _wanted(self, exchanges: Exchanges) -> set[str]:
        rows = await exchanges.symbols()
        return {stream for row in rows for stream in wanted_of(self._plan.patterns, row)}

    # --- the end ------------------------------------------------------------------------------

    async def _evidence(
        self, exchanges: Exchanges, faults: Faults, sampler: Sampler, started_ms: int
    ) -> Evidence:
        ended_ms = wall_ms()
        if self._stop.is_set():
            self.problems.append("interrupted")
        if not self._consumer.connected:
            self.problems.append(f"the consumer is not connected: {self._consumer.trouble}")
        self.problems += [f"unreadable: {what}" for what in self._consumer.unreadable]
        self.problems += [f"not carried out: {what}" for what in faults.failed]
        self.problems += sampler.ended_by_themselves(ended(faults.carried))
        clock, deliveries = self._plan.clock, tuple(self._consumer.deliveries)
        owed_from_ms = await owed(self._plan.patterns, clock, exchanges, started_ms)
        from_ms = asked_from(deliveries, owed_from_ms, clock, started_ms)
        return Evidence(
            deliveries=deliveries,
            truth=await truth(exchanges, from_ms, clock.now_ms()),
            owed_from_ms=owed_from_ms,
            carried=tuple(faults.carried),
            owners=sampler.owners,
            clock=clock,
            started_ms=started_ms,
            ended_ms=ended_ms,
        )

    def _picture(self, phase: str, until_s: float) -> Picture:
        assert self.faults is not None
        assert self.sampler is not None
        health, carried = self.sampler.health, self.faults.carried
        running = sorted(self.faults.running.values(), key=lambda fault: fault.number)
        return Picture(
            phase=phase,
            elapsed_s=machine_s() - self._began_s,
            left_s=until_s - machine_s(),
            planned=len(self._plan.schedule),
            carried=len(carried),
            failed=len(self.faults.failed),
            running=tuple(f"{fault.family} {fault.kind} {fault.target}" for fault in running),
            by_family=Counter(one.fault.family for one in carried),
            candles=len(self._repeats),
            repeats=self._repeats.total() - len(self._repeats),
            health=str(health.get("status", "no answer yet")),
            reasons=tuple(map(str, health.get("reasons", ()))),
            rss_mb=self.sampler.max_rss_mb,
        )


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A task that lives no longer than the block; if it fails, so does the block."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work)
            yield task
            task.cancel()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) > 1:
            raise
        raise failures.exceptions[0] from None


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2])
