"""The worker's own small rules: how often it ticks, and what it tells of a refused fetch."""

from __future__ import annotations

from unittest.mock import AsyncMock

import pytest
from msgspec.structs import replace

from common.clocks import machine_s
from common.exchanges.protocol import RestFailure
from common.fleet.client import connect
from common.fleet.directory import FetchFailed
from common.fleet.keys import Keys
from common.fleet.members import Members
from common.ops import records
from common.recovery.rest import RestError
from config.settings import load
from tests.fleet.test_members import member
from tests.support.virtual_time import virtual_time
from workers import worker
from workers.prices import PriceWorker
from workers.worker import WOKEN_S


def make() -> PriceWorker:
    return PriceWorker(load({"REDIS_URL": "redis://127.0.0.1:1/0"}, None), "all")


@virtual_time
async def test_commands_wake_it_but_many_of_them_are_one_tick() -> None:
    it = make()
    began_s = machine_s()
    it._wake.set()
    await it._pause(5.0)
    assert machine_s() - began_s == pytest.approx(WOKEN_S)
    await it._pause(5.0)
    assert machine_s() - began_s == pytest.approx(WOKEN_S + 5.0), "woken once, not for ever"


async def test_how_long_an_exchange_said_to_wait_reaches_the_fleet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = RestError(RestFailure("rate", "HTTP 418 banned", 1800.0))
    monkeypatch.setattr(worker, "fetch_instruments", AsyncMock(side_effect=error))
    with pytest.raises(FetchFailed, match="HTTP 418 banned") as failed:
        await make()._fetch("binance", "spot")
    assert failed.value.retry_after_s == 1800.0


@pytest.mark.engines
async def test_a_tick_tells_the_address_and_counts_who_shares_it(redis_url: str) -> None:
    redis = connect(redis_url)
    others = Members(redis, Keys(), ttl_s=30)
    for name, egress in (("a", "here"), ("b", "here"), ("c", "there")):
        await others.write(replace(member(name), egress=egress))
    it = PriceWorker(load({"REDIS_URL": redis_url, "EGRESS": "here", "STREAMS": ""}, None), "all")
    await it._tick(claiming=False)
    assert it._budgets.sharers == 3
    (mine,) = [one for one in await others.all() if one.worker_id == it._id]
    assert mine.egress == "here"
    counters = records.decode(mine.record).counters
    assert {"budget_waits", "budget_refusals", "bans"} <= counters.keys()
    await it._redis.aclose()
    await redis.aclose()
