"""The health server's eyes: what they cannot see is not known, and nothing they see ends them."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import pytest

from common.fleet.client import RedisAway
from common.fleet.plan import Plan
from common.fleet.sharding import Problem, ProblemKind
from config.settings import load
from tests.support.waiting import until
from workers import watch
from workers.watch import FleetWatch


def make() -> FleetWatch:
    return FleetWatch(load({"REDIS_URL": "redis://127.0.0.1:1/0"}, None))


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(watch, "AWAY_S", 0.01)


async def test_before_the_first_look_nothing_is_known() -> None:
    health = make().health()
    assert (health.status, health.reasons) == ("unknown", ("nothing has been read from Redis yet",))


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (RedisAway("ConnectionError: amqp://u:hunter22@h refused"), "Redis is away: Conn"),
        (KeyError("hunter22"), "reading the fleet failed: KeyError"),
    ],
)
async def test_a_look_that_fails_is_told_and_followed_by_the_next(
    failure: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = True

    async def look(_: FleetWatch) -> None:
        if failing:
            raise failure

    monkeypatch.setattr(FleetWatch, "_look", look)
    eyes = make()
    looking = asyncio.create_task(eyes.run())
    try:
        await until(lambda: reason in eyes.health().reasons[0])
        assert eyes.health().status == "unknown"
        assert "hunter22" not in eyes.health().reasons[0]
        failing = False
        await until(lambda: eyes.health().status != "unknown")
    finally:
        looking.cancel()
        await asyncio.wait({looking})


ASKED = "binance:spot:candle:GONEUSDT:1m"


@pytest.mark.parametrize(
    ("subject", "kind", "is_fault"),
    [
        ("*:*:ticker:*", "no_match", True),
        ("binance:spot:ticker:TYPO", "unknown_symbol", True),
        (ASKED, "unknown_symbol", False),
        ("binance:spot:ticker:ZZZ*", "no_match", False),
        ("binance:spot:ticker:TYPO", "not_trading", False),
        (ASKED, "unsupported", True),
        (ASKED, "no_instruments", True),
    ],
)
async def test_what_was_asked_for_and_then_delisted_is_told_but_is_nobodys_fault(
    subject: str, kind: ProblemKind, is_fault: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes = FleetWatch(
        load(
            {
                "REDIS_URL": "redis://127.0.0.1:1/0",
                "STREAMS": "*:*:ticker:*,binance:spot:ticker:TYPO",
            },
            None,
        )
    )
    eyes._policy_checked = True
    plan = Plan(problems=(Problem(subject, kind, "why"),))
    monkeypatch.setattr(eyes._members, "all", AsyncMock(return_value=[]))
    monkeypatch.setattr(eyes._planner, "plan", AsyncMock(return_value=plan))
    monkeypatch.setattr(eyes._accounts, "all", AsyncMock(return_value={}))
    assert await eyes._look_in_time()
    health = eyes.health()
    assert (f"{subject}: why" in health.reasons) is is_fault
    assert (f"{subject}: why" in health.notes) is not is_fault


async def test_a_look_that_hangs_is_ended_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: FleetWatch) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(FleetWatch, "_look", look)
    monkeypatch.setattr(watch, "LOOK_S", 0.02)
    eyes = make()
    looking = asyncio.create_task(eyes.run())
    try:
        await until(lambda: "takes more than" in eyes.health().reasons[0])
        assert eyes.alive()
    finally:
        looking.cancel()
        await asyncio.wait({looking})


async def test_a_picture_that_has_grown_old_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: FleetWatch) -> None:
        return

    monkeypatch.setattr(FleetWatch, "_look", look)
    eyes = make()
    await eyes._look_in_time()
    assert eyes.health().status != "unknown"
    monkeypatch.setattr(watch, "KNOWN_S", 0.0)
    await asyncio.sleep(0)
    assert eyes.health().status == "unknown"


async def test_eyes_that_no_longer_move_are_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    eyes = make()
    assert eyes.alive()
    monkeypatch.setattr(watch, "STUCK_S", 0.0)
    assert not eyes.alive()
