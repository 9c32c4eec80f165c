"""The health server: ``/health``, ``/livez``, ``/readyz``, ``/status``, ``/metrics``; GET and HEAD.

It answers from what was read last, so no request waits for an engine, and every request is bounded.
200 on ``/health`` and ``/readyz`` means that everything wanted flows; 503 comes with the reasons.
``/livez`` says only that the loops of this process turn. Anything else is 404 or 405, in JSON.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
from aiohttp import web
from loguru import logger

from common.clocks import machine_s, wall_ms
from common.ops.health import Health
from common.ops.records import ShardRecord, WorkerRecord

REQUEST_S = 5.0
CLOSE_S = 2.0
KEEPALIVE_S = 30.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class View(Protocol):
    """What the server shows. Answers at once, from what is known."""

    def health(self) -> Health:
        """The verdict by now."""

    def alive(self) -> bool:
        """Whether the loops of this process turn. Never asks an engine."""

    def metrics(self) -> bytes:
        """The page for Prometheus."""


class PortTaken(Exception):  # noqa: N818 - it says what the port is
    """The address cannot be listened on; the message says why and what to do."""


def make_app(view: View) -> web.Application:
    """The application; ``serve`` gives it a port."""
    server = _Server(view, started_s=machine_s())
    app = web.Application(middlewares=[_bounded], client_max_size=1024)
    # aiohttp answers HEAD wherever GET is.
    app.router.add_get("/health", server.health)
    app.router.add_get("/readyz", server.ready)
    app.router.add_get("/livez", server.live)
    app.router.add_get("/status", server.status)
    app.router.add_get("/metrics", server.metrics)
    return app


async def serve(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Listen; the caller owns the runner and ends it with ``cleanup()``.

    Raises:
        PortTaken: the address is in use or not ours.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=CLOSE_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        in_use = error.errno == errno.EADDRINUSE
        why = "is in use by another program" if in_use else f"cannot be used: {error.strerror}"
        raise PortTaken(f"{host}:{port} {why}; set HEALTH_HOST and HEALTH_PORT") from error
    return runner


class _Server:
    """One method per address."""

    def __init__(self, view: View, started_s: float) -> None:
        self._view = view
        self._started_s = started_s

    async def health(self, _request: web.Request) -> web.Response:
        """Of every worker: role, shards, state and age of each, and why if it is not well."""
        health = self._view.health()
        now_ms = wall_ms()
        workers = [_worker(record, now_ms) for record in health.workers]
        return _json(self._verdict(health) | {"workers": workers}, ok=health.ok)

    async def ready(self, _request: web.Request) -> web.Response:
        """The verdict alone, for probes."""
        health = self._view.health()
        return _json(self._verdict(health), ok=health.ok)

    async def live(self, _request: web.Request) -> web.Response:
        """Whether this process is worth keeping."""
        alive = self._view.alive()
        return _json({"status": "ok" if alive else "stuck"}, ok=alive)

    async def status(self, _request: web.Request) -> web.Response:
        """Everything that is known, for people: 200 unless nothing is."""
        health = self._view.health()
        body = self._verdict(health) | {"workers": health.workers}
        return _json(body, ok=health.status != "unknown")

    async def metrics(self, _request: web.Request) -> web.Response:
        """For Prometheus."""
        return web.Response(body=self._view.metrics(), headers={"Content-Type": METRICS_TYPE})

    def _verdict(self, health: Health) -> dict[str, Any]:
        return {
            "status": health.status,
            "uptime": round(machine_s() - self._started_s, 1),
            "timestamp": wall_ms(),
            "reasons": health.reasons,
            "notes": health.notes,
            "shards": {"wanted": health.wanted, "flowing": health.flowing},
        }


def _worker(record: WorkerRecord, now_ms: int) -> dict[str, Any]:
    """A worker as ``/health`` shows it: who it is, and how each of its shards is."""
    since_s = max(0, now_ms - record.updated_ms) / 1000
    return {
        "worker": record.label,
        "role": record.role,
        "host": record.host,
        "pid": record.pid,
        "state": record.state,
        "redis": record.redis,
        "rabbit": record.rabbit,
        "uptime": round(max(0, now_ms - record.started_ms) / 1000, 1),
        "reportedAgoS": round(since_s, 1),
        "shards": [_shard(shard) for shard in record.shards],
    }


def _shard(shard: ShardRecord) -> dict[str, Any]:
    age_s = shard.last_frame_age_s
    return {
        "shard": shard.shard,
        "epoch": shard.epoch,
        "state": shard.state,
        "streams": shard.streams,
        "live": shard.live,
        "quiet": shard.quiet,
        "lastFrameAgoS": None if age_s is None else round(age_s, 1),
        "lagMs": shard.lag_ms,
        "fenced": shard.fenced,
        "reasons": shard.reasons,
    }


def _json(body: object, *, ok: bool) -> web.Response:
    return _answer(200 if ok else 503, body)


def _answer(status: int, body: object) -> web.Response:
    text = msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
    # Nothing between here and the reader may keep a verdict.
    headers = {"Cache-Control": "no-store"}
    return web.Response(status=status, body=text, content_type="application/json", headers=headers)


@web.middleware
async def _bounded(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every request ends in time, and every answer is of one form, errors too."""
    try:
        async with asyncio.timeout(REQUEST_S):
            return await handler(request)
    except web.HTTPException as refusal:
        answer = _answer(refusal.status, {"error": refusal.reason})
        if "Allow" in refusal.headers:
            answer.headers["Allow"] = refusal.headers["Allow"]
        return answer
    except TimeoutError:
        return _answer(503, {"status": "unknown", "reasons": [f"no answer in {REQUEST_S:g} s"]})
    except Exception:  # noqa: BLE001 - a fault in one page must not read as health
        logger.bind(path=request.path).exception("health page failed")
        return _answer(500, {"status": "unknown", "reasons": ["this page failed; see the log"]})
