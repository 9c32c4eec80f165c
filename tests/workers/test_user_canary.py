"""A canary: no secret of any account is found anywhere, whatever goes wrong, with every line logged."""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp
import pytest
import redis.asyncio

from common.exchanges.registry import PRIVATE
from scripts.children import free_port
from tests.support.waiting import until
from tests.workers.accounts import KEY, Accounts, accounts
from tests.workers.processes import running

pytestmark = pytest.mark.engines

# Shorter texts could be anywhere by chance.
SHORTEST = 8


def secrets_of(row: dict[str, Any]) -> set[str]:
    """What nobody may see of an account: each line of a key in PEM as well."""
    values = [row["key"], row["secret"], row.get("passphrase") or ""]
    lines = [line for value in values for line in str(value).splitlines()]
    return {text for text in (*values, *lines) if len(text) >= SHORTEST and "-----" not in text}


async def dumped(url: str) -> str:
    """Everything in Redis."""
    async with redis.asyncio.Redis.from_url(url) as client:
        parts = []
        async for name in client.scan_iter("*"):
            parts += [name, await client.dump(name) or b""]
    return b"\n".join(parts).decode(errors="replace")


async def pages(port: int) -> str:
    """Everything that the health server tells."""
    texts = []
    async with aiohttp.ClientSession() as http:
        for path in ("health", "livez", "readyz", "status", "metrics"):
            async with http.get(f"http://127.0.0.1:{port}/{path}") as answer:
                texts.append(await answer.text())
    return "\n".join(texts)


async def opened(it: Accounts) -> list[tuple[str, dict[str, Any]]]:
    """Two accounts of each exchange: one that lives, and one whose key is revoked."""
    rows = []
    for exchange, private in PRIVATE.items():
        told = await it.exchange.control("accounts", exchange=exchange, count=2)
        live, revoked = told["accounts"]
        await it.exchange.control(
            "account/fault", kind="revokeKey", exchange=exchange, account=revoked["account"]
        )
        market = next(iter(private.markets))
        for row in (live, revoked):
            await it.open(row, exchange, market)
            rows.append((exchange, row))
    return rows


async def test_no_secret_is_found_anywhere(redis_url: str, rabbit_url: str) -> None:
    async with accounts(redis_url, rabbit_url, LOG_LEVEL="DEBUG", LOG_FORMAT="json") as it:
        worker = await it.worker("user-0")
        port = free_port()
        env = {**it.env, "HEALTH_PORT": str(port), "HEALTH_HOST": "127.0.0.1"}
        async with running("workers.health", env=env) as health:
            await health.said("health server listens")
            rows = await opened(it)
            for number, (_, row) in enumerate(rows):
                if number % 2 == 0:
                    await it.live(row["account"], limit_s=60.0)
                else:
                    await until(lambda name=row["account"]: "parked" in it.states(name), 60.0)
            await it.exchange.control(
                "account/fault", kind="skewClock", exchange="binance", ms=90_000
            )
            for exchange in PRIVATE:
                await it.exchange.control("fault", kind="cut", where={"exchange": exchange})
                await it.exchange.control(
                    "fault",
                    kind="refuse",
                    on="rest",
                    where={"exchange": exchange},
                    status=500,
                    for_s=1,
                )
            for _, row in rows[::2]:
                await until(lambda name=row["account"]: "stale" in it.states(name), 60.0)
            told = await pages(port)
            seen = {
                "a page": told,
                "redis": await dumped(redis_url),
                "a message": json.dumps([message.body for message in it.heard.messages]),
                "a status": json.dumps([message.body for message in it.fleet.messages]),
                "a line of the worker": "\n".join(worker.text),
                "a line of the health server": "\n".join(health.text),
            }
    assert any(line.get("level") == "DEBUG" for line in worker.lines), "all lines are there"
    assert "***" in seen["a line of the worker"], (
        "what libraries say of frames and headers is masked"
    )
    for where, text in seen.items():
        for exchange, row in rows:
            for secret in secrets_of(row):
                assert secret not in text, f"a secret of {exchange} is in {where}"
        assert KEY not in text, f"the key of all credentials is in {where}"
    # What libraries say of frames is for who looks for a defect, and is not logged otherwise.
    logged = "\n".join(
        json.dumps(line) for line in worker.lines if line.get("level") not in ("DEBUG", "TRACE")
    )
    for _, row in rows:
        assert not re.search(rf"\b{row['account']}\b", logged), "no account is named in a log"
