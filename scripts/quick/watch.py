"""The demo's own loop: listens before the fleet starts, shows what comes, ends with a verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from common.clocks import MarketClock, machine_s
from scripts.children import ENDING_SIGNALS, Child
from scripts.quick.account_verdict import AccountVerdict
from scripts.quick.accounts import Accounts
from scripts.quick.arrivals import Arrivals, listening
from scripts.quick.exchanges import Exchanges
from scripts.quick.judge import Judge, judge_recording
from scripts.quick.screen import Screen
from scripts.quick.stack import Stack

LOOK_S = 0.25
# One on each market of each exchange.
ACCOUNTS = 1
# Orders of all accounts together in a market minute.
ORDERS_PER_MIN = 30
# What was open when the trading ends is told within that, or by the next comparison with REST.
ACCOUNTS_SETTLED_S = 25.0
HEALTH_EVERY_S = 1.0
JUDGE_EVERY_S = 10.0
REQUEST_S = 5.0
# A recording waits until the fleet has subscribed to all of it, and is over when it is quiet.
RECORDING_STARTS_S = 90.0
RECORDING_QUIET_S = 3.0
RECORDING_ENDS_S = 30.0


@dataclass(frozen=True)
class Plan:
    """What the demo does."""

    clock: MarketClock
    rabbit_url: str
    fleet_settings: Mapping[str, str]
    seconds: float | None = None
    recording: Path | None = None


class Due:
    """Says yes when so much time has passed since it last did."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next_s = machine_s()

    def now(self) -> bool:
        """Whether it is time again."""
        if machine_s() < self._next_s:
            return False
        self._next_s = machine_s() + self._every_s
        return True


class Watch:
    """One run. ``problems`` says why it was no success, apart from what the scores say."""

    def __init__(self, stack: Stack, plan: Plan, screen: Screen) -> None:
        self._stack, self._plan, self._screen = stack, plan, screen
        self._stop = asyncio.Event()
        self._done_s: float | None = None  # since when the recording has been played
        self.arrivals = Arrivals(keep_bodies=plan.recording is not None)
        self.problems: list[str] = []
        self.accounts: AccountVerdict | None = None

    @property
    def recorded(self) -> bool:
        """Whether a recording was played instead of a market."""
        return self._plan.recording is not None

    async def run(self) -> None:
        """From before the fleet's start to the verdict; the fleet is left running."""
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            listening(self._plan.rabbit_url, self.arrivals) as connection,
        ):
            fleet = self._stack.start_fleet(self._plan.fleet_settings)
            health_url = f"http://127.0.0.1:{self._stack.health_port}/health"
            judge = Judge(http, self._stack.simulator_url, health_url, self._plan.clock)
            accounts = Accounts(
                Exchanges(http, self._stack.simulator_url),
                self._plan.rabbit_url,
                0 if self.recorded else ACCOUNTS,
            )
            await accounts.open()
            with self._screen:
                await self._watch(judge, fleet, accounts)
            if connection.is_closed:
                self.problems.append("the demo lost its own connection to RabbitMQ")
            await self._conclude(judge)
            if accounts.opened:
                await self._settle(accounts)

    async def _settle(self, accounts: Accounts) -> None:
        """What is open ends, and what was told of all accounts is held against the truth."""
        await accounts.settle()
        until_s = machine_s() + ACCOUNTS_SETTLED_S
        while True:
            self.accounts = await accounts.verdict(self.arrivals.accounts)
            if self.accounts.clean or machine_s() >= until_s:
                return
            await asyncio.sleep(LOOK_S)

    async def _watch(self, judge: Judge, fleet: Child, accounts: Accounts) -> None:
        health, verdict = Due(HEALTH_EVERY_S), Due(JUDGE_EVERY_S)
        trading = False
        started_s = machine_s()
        while not self._stop.is_set() and fleet.exit_status is None:
            lasted_s = machine_s() - started_s
            if self._plan.seconds is not None and lasted_s >= self._plan.seconds:
                return
            if self._plan.recording is not None:
                if await self._is_played(judge, lasted_s):
                    return
            elif verdict.now():
                await judge.judge(self.arrivals)
            if health.now():
                await judge.ask_health()
                if judge.up_ms is not None and not trading:
                    trading = True
                    await accounts.trade(ORDERS_PER_MIN)
            clock = self._plan.clock
            self._screen.show(self.arrivals, judge.health, clock.now_ms(), clock.speed)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._stop.wait()
        if fleet.exit_status is not None:
            self.problems.append(f"the fleet ended with status {fleet.exit_status}")

    async def _is_played(self, judge: Judge, lasted_s: float) -> bool:
        """Whether the recording is over and what came of it has arrived."""
        state = (await judge.truth("replay"))["state"]
        if state == "waiting" and lasted_s > RECORDING_STARTS_S:
            self.problems.append("the fleet did not subscribe to all of the recording")
            return True
        if state != "done":
            return False
        now_s = machine_s()
        self._done_s = self._done_s or now_s
        quiet_s = min(now_s - self._done_s, self.arrivals.age_s() or RECORDING_QUIET_S)
        return quiet_s >= RECORDING_QUIET_S or now_s - self._done_s > RECORDING_ENDS_S

    async def _conclude(self, judge: Judge) -> None:
        if self._plan.recording is not None:
            played: dict[str, Any] = await judge.truth("replay")
            if played["state"] != "done":
                self.problems.append(
                    f"the recording was not played to its end: {played['framesSent']} of "
                    f"{played['framesTotal']} frames"
                )
            place = (played["exchange"], played["market"])
            judge_recording(self.arrivals, self._plan.recording, *place)
            return
        await judge.judge(self.arrivals)
        if judge.up_ms is None:
            reasons = "; ".join(judge.health.get("reasons", [])[:3])
            self.problems.append(f"the fleet never said that all of it flows: {reasons}")
        for exchange, market in await judge.markets():
            place_counts = self.arrivals.place(exchange, market)
            if not place_counts.closed:
                self.problems.append(f"no candle closed on {exchange} {market}: run it longer")
            if not place_counts.tickers:
                self.problems.append(f"no ticker of {exchange} {market}")
