"""The health server as a process: what it refuses, how it answers without Redis, how it ends."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from msgspec import Raw
from redis.asyncio import Redis

from common.clocks import wall_ms
from common.fleet.client import RedisAway, connect
from common.fleet.directory import Directory
from common.fleet.keys import Keys
from common.fleet.members import Member, Members
from common.model.instruments import Instrument
from common.model.streams import Market
from common.ops import records
from common.ops.records import ShardRecord, WorkerRecord
from scripts.engines import RedisServer
from tests.workers.processes import ROOT, Process, running, terminate

SHARD = "binance:spot:ticker:0"
STREAMS = "binance:spot:ticker:BTCUSDT"
TTL_S = 3.0

# Ends the process at once, with a status of its own, should it touch the network.
NO_SOCKETS = """
import os, sys
sys.addaudithook(lambda event, _: event.startswith("socket.") and os._exit(99))
from workers.health import main
sys.exit(main([]))
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def serving(redis_url: str) -> AsyncIterator[tuple[Process, httpx.AsyncClient]]:
    port = free_port()
    env = {
        "REDIS_URL": redis_url,
        "HEALTH_HOST": "127.0.0.1",
        "HEALTH_PORT": str(port),
        "STREAMS": STREAMS,
        "LEASE_TTL_S": f"{TTL_S:g}",
    }
    async with (
        running("workers.health", env=env) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as client,
    ):
        await server.said("health server listens")
        yield server, client


async def answer_with(
    client: httpx.AsyncClient, status: int, word: str = "", timeout_s: float = 20
) -> httpx.Response:
    """The first answer of ``/health`` with that status and that word in it."""
    async with asyncio.timeout(timeout_s):
        while True:
            answer = await client.get("/health")
            if answer.status_code == status and word in answer.text:
                return answer
            await asyncio.sleep(0.05)


# --- what it refuses --------------------------------------------------------------------------


def test_wrong_settings_end_it_with_2_before_any_socket() -> None:
    refused = subprocess.run(
        [sys.executable, "-c", NO_SOCKETS],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HEALTH_PORT": "many", "REDIS_URL": "http://x"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "HEALTH_PORT" in refused.stderr
    assert "REDIS_URL" in refused.stderr
    assert len(refused.stderr.splitlines()) == 2


def test_that_check_would_see_a_socket() -> None:
    seen = subprocess.run(
        [sys.executable, "-c", NO_SOCKETS],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HEALTH_PORT": str(free_port()), "EGRESS": "here"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert seen.returncode == 99


async def test_help_is_there() -> None:
    async with running("workers.health", "--help", env={}) as server:
        assert await server.ended() == 0
        assert "HEALTH_PORT" in "\n".join(server.text)


async def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = {"HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(port)}
        async with running("workers.health", env=env) as server:
            assert await server.ended() == 1
            assert f"127.0.0.1:{port} is in use" in "\n".join(server.text)


# --- without Redis ----------------------------------------------------------------------------


async def test_without_redis_it_answers_and_stops_when_asked() -> None:
    async with serving("redis://127.0.0.1:1/0") as (server, client):
        answer = await answer_with(client, 503, "Redis is away")
        assert answer.json()["status"] == "unknown"
        assert (await client.head("/health")).status_code == 503
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
        assert "fleet_known 0.0" in (await client.get("/metrics")).text
        assert await terminate(server) == 0


# --- with a fleet -----------------------------------------------------------------------------


class Reporter:
    """A worker that only says what it is told to say, as often as workers do."""

    def __init__(self, redis: Redis, shards: tuple[ShardRecord, ...]) -> None:
        self._members = Members(redis, Keys(), TTL_S)
        self.shards = shards
        self.body: bytes | None = None

    async def report(self) -> None:
        now_ms = wall_ms()
        record = WorkerRecord(
            worker_id="price-1:aa",
            name="price-1",
            role="all",
            host="vm",
            pid=1,
            started_ms=now_ms - 1000,
            updated_ms=now_ms,
            state="running",
            redis="ok",
            rabbit="ok",
            shards=self.shards,
        )
        body = records.encode(record) if self.body is None else self.body
        await self._members.write(
            Member("price-1:aa", "all", "vm", 1, now_ms, now_ms, "running", record=Raw(body))
        )

    async def run(self) -> None:
        while True:
            with suppress(RedisAway):  # the next report is soon
                await self.report()
            await asyncio.sleep(0.3)


@asynccontextmanager
async def reporting(redis_url: str) -> AsyncIterator[Reporter]:
    """A fleet of one that carries what is wanted."""
    redis = connect(redis_url)
    live = ShardRecord(SHARD, 7, "live", 1, 1, wall_ms(), last_frame_age_s=0.2)
    reporter = Reporter(redis, (live,))
    assert await Directory(redis, Keys(), _listing).refresh("binance", "spot")
    task = asyncio.create_task(reporter.run())
    try:
        yield reporter
    finally:
        task.cancel()
        await asyncio.wait({task})
        await redis.aclose()


async def _listing(exchange: str, market: Market) -> list[Instrument]:
    return [Instrument(exchange, market, "BTCUSDT", "spot", "BTC", "USDT", "USDT", "trading")]


@pytest.mark.engines
async def test_it_tells_the_story_of_the_fleet(redis_url: str) -> None:
    async with serving(redis_url) as (server, client):
        await answer_with(client, 503, "no worker has reported")
        async with reporting(redis_url) as reporter:
            body = (await answer_with(client, 200)).json()
            assert body["status"] == "ok"
            assert body["workers"][0]["worker"] == "price-1"
            assert body["workers"][0]["shards"][0]["shard"] == SHARD
            metrics = (await client.get("/metrics")).text
            place = '{channel="ticker",exchange="binance",market="spot"}'
            assert f"fleet_streams_live{place} 1.0" in metrics

            shard = reporter.shards[0]
            reporter.shards = ()
            await answer_with(client, 503, f"{SHARD} has no owner")
            reporter.shards = (shard,)
            await answer_with(client, 200)
            reporter.body = b'{"nonsense":1}'
            await answer_with(client, 503, "price-1:aa's record cannot be read")
        # nobody reports any more: the record runs out, and the health server notices
        await answer_with(client, 503, "no worker has reported", timeout_s=3 * TTL_S)
        assert await terminate(server) == 0


@pytest.mark.engines
async def test_redis_may_go_and_come_back(own_redis: RedisServer) -> None:
    async with serving(own_redis.url) as (_, client), reporting(own_redis.url):
        await answer_with(client, 200)
        await asyncio.to_thread(own_redis.kill)
        away = await answer_with(client, 503, "Redis is away")
        assert "last read" in away.json()["reasons"][0]
        assert (await client.get("/livez")).status_code == 200
        await asyncio.to_thread(own_redis.start)
        await answer_with(client, 200)


@pytest.mark.engines
async def test_a_redis_that_drops_keys_is_told(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            async with serving(redis_url) as (_, client):
                answer = await answer_with(client, 503, "noeviction")
                assert answer.json()["status"] == "unknown"
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
