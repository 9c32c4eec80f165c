"""What the simulated exchanges count, and what they do with who goes over."""

from __future__ import annotations

import aiohttp
import pytest

from simulator import limits
from simulator.limits import Weights
from tests.support.simulator import simulator

HOUR_MS = 3_600_000


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    now = {"ms": 500 * HOUR_MS}
    monkeypatch.setattr(limits, "wall_ms", lambda: now["ms"])
    return now


def banned_for_s(weights: Weights) -> int:
    """Go on until the address is banned."""
    while True:
        status, _, wait_s = weights.charge("here", 10, 100)
        if status == 418:
            return wait_s


def test_who_goes_on_is_banned_and_each_time_for_twice_as_long(wall: dict[str, int]) -> None:
    weights = Weights()
    for ban_s in (120, 240, 480, 960):
        assert banned_for_s(weights) == ban_s
        status, _, left_s = weights.charge("here", 1, 100)
        assert (status, left_s) == (418, ban_s + 1)
        assert weights.charge("there", 1, 100)[0] == 200, "another address is none of it"
        wall["ms"] += ban_s * 1000
    for _ in range(20):
        wall["ms"] += banned_for_s(weights) * 1000
    assert banned_for_s(weights) == 3 * 86_400


def test_a_new_minute_begins_with_nothing_used(wall: dict[str, int]) -> None:
    weights = Weights()
    assert weights.charge("here", 100, 100) == (200, 100, 0)
    wall["ms"] += 20_000
    assert weights.charge("here", 1, 100) == (429, 101, 41)
    wall["ms"] += 40_000
    assert weights.charge("here", 1, 100) == (200, 1, 0)
    assert weights.peak == 101


async def test_control_tells_what_was_answered_and_the_most_that_was_used() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", handshakes=1)
        for _ in range(3):
            await exchange.rest("api.binance.com", "/api/v3/time")
        url = f"{exchange.ws_url}/stream.binance.com/ws"
        async with aiohttp.ClientSession() as http:
            async with http.ws_connect(url):
                pass
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(url)
            async with http.get(f"{exchange.url}/control/meters") as answer:
                told = await answer.json()
        assert told["answers"]["binance:rest"] == {"200": 3}
        assert told["answers"]["binance:socket"] == {"101": 1, "429": 1}
        assert told["peaks"]["binance-spot"] == 3
