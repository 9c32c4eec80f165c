"""The health server over a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from common.ops import server
from common.ops.health import Health, unknown, verdict
from common.ops.server import PortTaken, make_app, serve
from tests.ops.fleet import NOW_MS, TTL_S, WANTED, healthy


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class View:
    """What the server shows, as a test wants it."""

    def __init__(self) -> None:
        self.judge: Callable[[], Health] = lambda: verdict(healthy(), WANTED, NOW_MS, TTL_S)
        self.turning = True

    def health(self) -> Health:
        return self.judge()

    def alive(self) -> bool:
        return self.turning

    def metrics(self) -> bytes:
        return b"fleet_healthy 1.0\n"


@asynccontextmanager
async def serving(view: View) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    runner = await serve(make_app(view), "127.0.0.1", port)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client
    finally:
        await runner.cleanup()


PAGES = ("/health", "/readyz", "/livez", "/status", "/metrics")


@pytest.mark.parametrize("page", PAGES)
async def test_get_and_head_say_the_same(page: str) -> None:
    async with serving(View()) as client:
        got, head = await client.get(page), await client.head(page)
    assert got.status_code == head.status_code == 200
    assert got.headers["content-type"] == head.headers["content-type"]
    assert head.content == b""
    assert got.content.endswith(b"\n")


async def test_health_tells_every_worker_with_its_shards() -> None:
    async with serving(View()) as client:
        body = (await client.get("/health")).json()
    # what older probes read
    assert body["status"] == "ok"
    assert body["uptime"] >= 0
    assert body["timestamp"] > 1_700_000_000_000
    assert body["reasons"] == []
    assert body["shards"] == {"wanted": 2, "flowing": 2}
    one = body["workers"][0]
    assert (one["worker"], one["role"], one["state"]) == ("price-1", "all", "running")
    shard = one["shards"][0]
    assert (shard["shard"], shard["state"], shard["epoch"]) == ("binance:spot:candle:0", "live", 7)
    assert shard["lastFrameAgoS"] == 0.5


async def test_what_does_not_flow_is_503_with_the_reasons() -> None:
    view = View()
    view.judge = lambda: verdict(healthy()[:1], WANTED, NOW_MS, TTL_S)
    async with serving(view) as client:
        for page in ("/health", "/readyz"):
            answer = await client.get(page)
            assert answer.status_code == 503
            assert answer.json()["status"] == "degraded"
            assert answer.json()["reasons"] == ["binance:linear:ticker:0 has no owner"]
            assert (await client.head(page)).status_code == 503
        # for people: it is a report, and it could be made
        assert (await client.get("/status")).status_code == 200


async def test_redis_away_is_503_and_liveness_does_not_care() -> None:
    view = View()
    view.judge = lambda: unknown("Redis is away")
    async with serving(view) as client:
        for page in ("/health", "/readyz", "/status"):
            answer = await client.get(page)
            assert (answer.status_code, answer.json()["reasons"]) == (503, ["Redis is away"])
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200


async def test_a_loop_that_hangs_is_not_alive() -> None:
    view = View()
    view.turning = False
    async with serving(view) as client:
        assert (await client.get("/livez")).status_code == 503


@pytest.mark.parametrize("path", ["/", "/healthz", "/health/", "/favicon.ico"])
async def test_elsewhere_is_404_in_json(path: str) -> None:
    async with serving(View()) as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not Found"}


async def test_other_methods_are_refused() -> None:
    async with serving(View()) as client:
        answer = await client.post("/health", content=b"x" * 5000)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(",")) == {"GET", "HEAD"}


async def test_a_query_changes_nothing() -> None:
    async with serving(View()) as client:
        assert (await client.get("/health?verbose=1")).status_code == 200


async def test_no_answer_is_kept_by_anything_between() -> None:
    async with serving(View()) as client:
        assert (await client.get("/health")).headers["cache-control"] == "no-store"


async def test_a_page_that_fails_does_not_read_as_health() -> None:
    view = View()

    def broken() -> Health:
        raise RuntimeError("hunter2")

    view.judge = broken
    async with serving(view) as client:
        answer = await client.get("/health")
        assert (await client.get("/livez")).status_code == 200
    assert answer.status_code == 500
    assert answer.json()["status"] == "unknown"
    assert "hunter2" not in answer.text


async def test_a_request_that_takes_too_long_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(server, "REQUEST_S", 0.05)
    monkeypatch.setattr(server._Server, "health", endless)
    async with serving(View()) as client:
        answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unknown"


async def test_bytes_that_are_no_http_harm_nobody() -> None:
    async with serving(View()) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"\x16\x03\x01\x00\xff\r\n\r\n")
        async with asyncio.timeout(5):
            assert b"400" in await reader.readline()
        writer.close()
        assert (await client.get("/health")).status_code == 200


async def test_a_port_in_use_is_told_clearly() -> None:
    port = free_port()
    runner = await serve(make_app(View()), "127.0.0.1", port)
    try:
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port} is in use.*HEALTH_PORT"):
            await serve(make_app(View()), "127.0.0.1", port)
    finally:
        await runner.cleanup()


async def test_json_is_json() -> None:
    async with serving(View()) as client:
        for page in PAGES[:-1]:
            assert isinstance(json.loads((await client.get(page)).content), dict)
