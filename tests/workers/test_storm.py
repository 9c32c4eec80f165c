"""Eight processes on one address against the simulator's true limits of Binance, in short.

``python -m benchmarks.storm`` is the long form, with real workers. Here the parts of a process that
ask the exchange (budgets, REST, dials) are run eight times beside each other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest

from common.exchanges.place import Place
from common.exchanges.registry import EXCHANGES
from common.fleet.budgets import Budgets
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.recovery.rest import Rest
from common.session.address import Addresses
from common.session.opening import open_socket
from common.session.outcome import Outcome
from common.session.transport import dial
from tests.support.simulator import RunningSimulator, simulator

pytestmark = pytest.mark.engines

BINANCE = EXCHANGES["binance"]
PROCESSES = 8
PLACE = Place("binance", "spot", "candle")
# More connections than an address may open in five minutes, and more lists than it may ask for in
# one: 20 x 600 is twice the weight of a minute.
DIALS, LISTS = 45, 75
RAGE_S = 4.0


class Process(NamedTuple):
    """What asks the exchange, of one process."""

    rest: Rest
    addresses: Addresses

    async def dial(self, done: Counter[str]) -> None:
        """Open a connection and leave it open for a moment."""
        address, dialling = self.addresses.of(PLACE), self.addresses.dialling(PLACE.protocol, dial)
        socket = await open_socket(address, dialling)
        if isinstance(socket, Outcome):
            done["not opened"] += 1
            return
        done["opened"] += 1
        await socket.close()

    async def list(self, done: Counter[str]) -> None:
        """Ask for the symbols, again and again."""
        request = BINANCE.instruments_requests("spot")[0]
        for _ in range(LISTS):
            answer = await self.rest.answer(BINANCE, request)
            done["read" if isinstance(answer, bytes) else "not read"] += 1


@asynccontextmanager
async def processes(
    exchange: RunningSimulator, redis_url: str, *, shared: bool
) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        made = []
        for number in range(PROCESSES):
            redis = connect(redis_url)
            stack.push_async_callback(redis.aclose)
            egress = "one" if shared else f"one-of-{number}"
            budgets = Budgets(redis, Keys("storm:"), egress, f"p{number}")
            rest = Rest(exchange.url, budgets)
            stack.push_async_callback(rest.close)
            made.append(Process(rest, Addresses(exchange.url, rest.answer, budgets)))
        yield made


async def storm(
    redis_url: str,
    what: Callable[[Process, Counter[str]], Awaitable[None]],
    each: int,
    *,
    shared: bool,
) -> tuple[Counter[str], dict[str, Any]]:
    """All processes at once, for a while; what became of it, and what the simulator counted."""
    done: Counter[str] = Counter()
    async with simulator() as exchange, processes(exchange, redis_url, shared=shared) as made:
        tasks = [asyncio.ensure_future(what(one, done)) for one in made for _ in range(each)]
        await asyncio.wait(tasks, timeout=RAGE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return done, exchange.server.world.meters.told()


@pytest.mark.parametrize("shared", [True, False])
async def test_dials_of_eight_processes_stay_within_three_hundred(
    redis_url: str, shared: bool
) -> None:
    done, counted = await storm(redis_url, Process.dial, DIALS, shared=shared)
    refused = counted["answers"]["binance:socket"]["429"]
    budget = BINANCE.budgets["connections"]
    if shared:
        assert refused == 0
        assert budget.burst <= done["opened"] <= budget.burst + budget.per_s * (RAGE_S + 1)
    else:
        assert refused > 0, "the storm is one"


@pytest.mark.parametrize("shared", [True, False])
async def test_weight_of_eight_processes_stays_within_a_minute(
    redis_url: str, shared: bool
) -> None:
    done, counted = await storm(redis_url, Process.list, 1, shared=shared)
    budget, weight = BINANCE.budgets["spot"], 20 * done["read"]
    most = budget.burst + budget.per_s * (RAGE_S + 1)
    if shared:
        assert set(counted["answers"]["binance:rest"]) == {"200"}
        assert budget.burst <= weight <= most
    else:
        assert weight > most, "nobody holds them back"
