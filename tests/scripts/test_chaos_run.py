"""What a chaos run wants of the fleet, and what it sees of its processes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest

from common.model.streams import parse_pattern
from scripts.chaos import run as chaos_run
from scripts.chaos.processes import Workers, rss_mb
from scripts.chaos.sampler import Sampler
from scripts.chaos.truth import wanted_of
from scripts.children import Child
from tests.support.waiting import until

SPOT = {"exchange": "binance", "market": "spot", "symbol": "BTCUSDT", "trading": True}
# Called as supervisord calls a worker, and waits until it is killed.
WORKER = ["-c", "import sys; sys.stdin.close(); import time; time.sleep(600)", "workers.price"]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*:*:candle:*:1m", True),
        ("binance:spot:candle:BTC*:1m", True),
        ("binance:linear:candle:*:1m", False),
        ("okx:*:candle:*:1m", False),
        ("*:*:candle:ETH*:1m", False),
    ],
)
def test_a_stream_is_wanted_if_a_pattern_covers_it(pattern: str, wanted: bool) -> None:
    streams = {"binance:spot:candle:BTCUSDT:1m"} if wanted else set()
    assert wanted_of([parse_pattern(pattern)], SPOT) == streams


def test_of_a_symbol_that_does_not_trade_nothing_is_wanted() -> None:
    assert wanted_of([parse_pattern("*:*:candle:*:1m")], {**SPOT, "trading": False}) == set()


@pytest.mark.parametrize(
    ("health", "shut_out"),
    [
        ({}, ["the fleet is None"]),
        ({"status": "no answer", "reasons": ["x"]}, ["the fleet is no answer"]),
        ({"status": "ok", "reasons": [], "notes": []}, []),
        ({"status": "degraded", "reasons": ["okx spot: stale"], "notes": ["a symbol rests"]}, []),
        (
            {"status": "degraded", "reasons": ["okx spot: 2 of 9 accounts not live; …"]},
            ["okx spot: 2 of 9 accounts not live; …"],
        ),
        (
            {"status": "ok", "reasons": [], "notes": ["okx spot: 1 account parked (key 1)"]},
            ["okx spot: 1 account parked (key 1)"],
        ),
    ],
)
def test_accounts_are_back_when_none_is_out_or_parked(
    health: dict[str, Any], shut_out: list[str]
) -> None:
    nothing: Any = Mock()
    sampler = Sampler(nothing, "", nothing)
    sampler.health = health
    assert sampler.shut_out == shut_out


class Fleet:
    """Children of a child, as workers are supervisord's."""

    def __init__(self, child: Child) -> None:
        self.family = child.family


async def test_a_worker_that_ends_without_our_doing_is_told(tmp_path: Path) -> None:
    child = Child("worker", [sys.executable, *WORKER], log=None, env={"WORKER_NAME": "price-0"})
    fleet: Any = Fleet(child)
    workers = Workers(fleet, tmp_path / "none.conf", ["price-0"])
    async with aiohttp.ClientSession() as http:
        sampler = Sampler(http, "http://127.0.0.1:1/health", workers)
        await until(lambda: workers.pids() == {"price-0": child.pid})
        await sampler.look()
        assert sampler.ended_by_themselves([]) == []
        assert sampler.max_rss_mb == pytest.approx(rss_mb(child.pid), rel=0.5)
        assert sampler.health["status"] == "no answer"
        await asyncio.to_thread(child.kill)
        await sampler.look()
    assert sampler.ended_by_themselves([child.pid]) == []
    assert sampler.ended_by_themselves([]) == [f"price-0 (process {child.pid}) ended by itself"]


async def test_accounts_that_never_come_back_are_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing: Any = Mock()
    run = chaos_run.ChaosRun(nothing, nothing, nothing, nothing, nothing)
    sampler = Sampler(nothing, "", nothing)

    async def look(phase: str, _fleet: Any, _until_s: float) -> bool:
        """The time is over at the second look; the second time they come back before it."""
        looked.append(phase)
        if back:
            sampler.health = {"status": "ok"}
        return phase == "letting in" and len(looked) < 2

    monkeypatch.setattr(run, "_look", look)
    sampler.health = {"status": "degraded", "reasons": ["okx spot: 2 of 9 accounts not live"]}
    looked: list[str] = []
    back = False
    await run._let_in(nothing, sampler)
    assert looked == ["letting in", "letting in", "comparing"]
    assert run.problems == ["accounts not live at the end: okx spot: 2 of 9 accounts not live"]
    run.problems.clear()
    looked.clear()
    back = True
    await run._let_in(nothing, sampler)
    assert looked == ["letting in", "comparing"]
    assert run.problems == []
