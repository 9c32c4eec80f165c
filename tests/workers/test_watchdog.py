"""What ``WATCHDOG_APP`` is told, and that nothing it does or fails to do matters to the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web

from common.clocks import machine_s, wall_ms
from common.ops.health import Health
from scripts.children import free_port
from tests.support.waiting import until
from tests.workers.processes import running, terminate
from workers import watchdog
from workers.watchdog import MOST_REASONS, Watchdog

OK = Health("ok", (), (), 6, 6)


def degraded(*reasons: str) -> Health:
    return Health("degraded", reasons or ("price-0 has not reported for 4.2 s",), (), 6, 5)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(watchdog, "RETRY_S", (0.02, 0.1))


class Service:
    """Somebody's watchdog: keeps what it is told, answers as it is told to."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.attempts = 0
        self.status = 204
        self.hangs = False
        self.url = ""

    async def _take(self, request: web.Request) -> web.Response:
        self.attempts += 1
        assert request.content_type == "application/json"
        body = await request.json()
        if self.hangs:
            await asyncio.Event().wait()
        if self.status < 300:
            self.told.append(body)
        return web.Response(status=self.status, headers={"Location": self.url})

    @property
    def statuses(self) -> list[str]:
        return [told["status"] for told in self.told]


@asynccontextmanager
async def service(port: int = 0) -> AsyncIterator[Service]:
    it = Service()
    app = web.Application()
    app.router.add_post("/hook/s3cret", it._take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/s3cret"
    try:
        yield it
    finally:
        await runner.cleanup()


class Fleet:
    """What the health server thinks of it, told to the service."""

    def __init__(self) -> None:
        self.health = OK
        self.looks = 0

    def look(self) -> Health:
        self.looks += 1
        return self.health

    @asynccontextmanager
    async def telling(self, url: str) -> AsyncIterator[None]:
        task = asyncio.create_task(Watchdog(url, "fleet:", self.look).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()


async def test_every_change_is_told_once_with_what_it_was_before() -> None:
    fleet, began_ms = Fleet(), wall_ms()
    async with service() as it, fleet.telling(it.url):
        for number, health in enumerate((OK, degraded(), OK), 1):
            fleet.health = health
            await until(lambda count=number: len(it.told) == count)
            looks = fleet.looks
            await until(lambda seen=looks: fleet.looks > seen + 5)
    assert it.statuses == ["ok", "degraded", "ok"]
    assert [told["was"] for told in it.told] == [None, "ok", "degraded"]
    told = it.told[1]
    assert began_ms <= told["sinceMs"] <= told["sentMs"] <= wall_ms()
    assert isinstance(told.pop("host"), str)
    assert told.pop("sinceMs")
    assert told.pop("sentMs")
    assert told == {
        "type": "fleet.health.v1",
        "fleet": "fleet:",
        "status": "degraded",
        "was": "ok",
        "reasons": ["price-0 has not reported for 4.2 s"],
        "reasonCount": 1,
        "shards": {"wanted": 6, "flowing": 5},
        "workers": 0,
    }


async def test_what_is_not_ok_is_repeated_with_the_reasons_of_the_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "REPEAT_S", 0.1)
    fleet = Fleet()
    fleet.health = degraded("one")
    began_s = machine_s()
    async with service() as it, fleet.telling(it.url):
        await until(lambda: len(it.told) == 2)
        assert machine_s() - began_s >= 0.1 * (1 - watchdog.REPEAT_JITTER)
        fleet.health = degraded("two")
        await until(lambda: it.told[-1]["reasons"] == ["two"])
        fleet.health = OK
        await until(lambda: it.statuses[-1] == "ok")
        looks = fleet.looks
        await until(lambda: fleet.looks > looks + 30)
    assert it.statuses.count("ok") == 1
    degradeds = [told for told in it.told if told["status"] == "degraded"]
    assert len({told["sinceMs"] for told in degradeds}) == 1


@pytest.mark.parametrize("status", [302, 400, 503])
async def test_what_is_not_taken_is_told_again_as_it_is_then(status: int) -> None:
    fleet = Fleet()
    fleet.health = degraded()
    async with service() as it, fleet.telling(it.url):
        it.status = status
        await until(lambda: it.attempts >= 3)
        assert it.told == []
        fleet.health = OK
        it.status = 200
        await until(lambda: it.told)
    assert (it.statuses, it.told[0]["was"]) == (["ok"], None)


async def test_a_service_that_hangs_or_is_away_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "POST_S", 0.1)
    fleet, port = Fleet(), free_port()
    async with fleet.telling(f"http://127.0.0.1:{port}/hook/s3cret"):
        looks = fleet.looks
        await until(lambda: fleet.looks > looks + 3)
        async with service(port) as it:
            it.hangs = True
            await until(lambda: it.attempts >= 2)
            it.hangs = False
            await until(lambda: it.told)
        assert it.statuses == ["ok"]


async def test_reasons_are_bounded_and_hold_no_secret() -> None:
    fleet = Fleet()
    fleet.health = degraded(*["Redis is away: redis://u:hunter22@h refused"] * 31)
    async with service() as it, fleet.telling(it.url):
        await until(lambda: it.told)
    told = it.told[0]
    assert (len(told["reasons"]), told["reasonCount"]) == (MOST_REASONS, 31)
    assert "hunter22" not in str(told)


async def test_a_defect_is_logged_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, looked = Fleet(), fleet_that_fails_at_first()
    monkeypatch.setattr(fleet, "look", looked)
    async with service() as it, fleet.telling(it.url):
        await until(lambda: it.told)
        assert it.statuses == ["ok"]


def fleet_that_fails_at_first() -> Any:
    answers = iter([KeyError("no such thing")])

    def look() -> Health:
        for error in answers:
            raise error
        return OK

    return look


async def test_the_health_server_tells_it() -> None:
    """The whole way, as a process: without Redis the verdict is unknown, and says so."""
    async with service() as it:
        port = free_port()
        env = {
            "REDIS_URL": "redis://:hunter22@127.0.0.1:1/0",
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": str(port),
            "WATCHDOG_APP": it.url,
        }
        async with running("workers.health", env=env) as server:
            await until(lambda: it.told, timeout_s=20)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                answer = await client.get("/health")
            assert answer.status_code == 503
            assert await terminate(server) == 0
            assert "s3cret" not in "\n".join(server.text)
    told = it.told[0]
    assert (told["status"], told["was"]) == ("unknown", None)
    assert "hunter22" not in str(it.told)
