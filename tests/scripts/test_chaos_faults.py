"""A fault is told as carried out only if it has hit somebody, and hits whom it is told to have hit."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest

from scripts.chaos import on_processes
from scripts.chaos.carried import NOTHING, Carried, Hit, ended
from scripts.chaos.on_exchanges import OnExchanges
from scripts.chaos.on_processes import OnProcesses
from scripts.chaos.processes import Workers
from scripts.chaos.schedule import Fault
from scripts.quick.exchanges import Exchanges
from tests.support.simulator import simulator

# Of some exchanges each market has sockets of its own, of others a socket carries all.
SOCKETS = {
    "binance:spot": "stream.binance.com/ws",
    "okx:linear": "ws.okx.com/ws/v5/public",
    "bitget:inverse": "ws.bitget.com/v2/ws/public",
}
SHORT_S = 0.2


def fault(kind: str, target: str, **how: Any) -> Fault:
    return Fault(number=1, at_s=0, kind=kind, target=target, lasts_s=SHORT_S, pick=0.5, how=how)


@pytest.mark.parametrize("target", SOCKETS)
@pytest.mark.parametrize(("kind", "status"), [("refuse_403", 403), ("ban", 418)])
async def test_who_is_cut_and_refused_cannot_dial(kind: str, status: int, target: str) -> None:
    how = {} if kind == "ban" else {"status": status, "retry_after_s": 1}
    async with simulator() as exchange, aiohttp.ClientSession() as http:
        carry = OnExchanges(Exchanges(http, exchange.url)).carry[kind]
        url = f"{exchange.ws_url}/{SOCKETS[target]}"
        async with (
            asyncio.timeout(10),
            http.ws_connect(url) as socket,
            asyncio.TaskGroup() as group,
        ):
            hit = group.create_task(carry(fault(kind, target, **how)))
            await socket.receive()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(url)
        assert refused.value.status == status
        assert hit.result() == Hit(f"1 refused by {target.partition(':')[0]}")


async def test_what_refuses_nobody_has_hit_nobody() -> None:
    async with simulator() as exchange, aiohttp.ClientSession() as http:
        on = OnExchanges(Exchanges(http, exchange.url))
        rest = fault("rest_5xx", "binance:spot", status=503)
        assert await on.carry["rest_5xx"](rest) == NOTHING
        assert await on.carry["refuse_429"](fault("refuse_429", "okx:spot", status=429)) == NOTHING


async def test_a_process_that_is_gone_cannot_be_killed_or_paused(tmp_path: Path) -> None:
    class Gone(Workers):
        def pids(self) -> dict[str, int]:
            return {"price-0": 2**22 + 1}  # above the kernel's highest

    nothing: Any = Mock()
    on = OnProcesses(Gone(nothing, tmp_path, ["price-0"]), nothing, nothing)
    for kind in ("kill", "pause_long"):
        assert await on.carry[kind](fault(kind, "worker 0")) == NOTHING


def test_who_was_only_paused_has_to_live_on() -> None:
    def carried(kind: str, pid: int) -> Carried:
        return Carried(
            fault=fault(kind, "worker 0"), from_ms=0, to_ms=0, hit="it", pids=(pid,),
            killed=kind == "kill",
        )  # fmt: skip

    kinds = ("kill", "restart", "pause_long", "pause_short")
    assert ended(carried(kind, pid) for pid, kind in enumerate(kinds)) == [0, 1]


async def test_an_engine_goes_down_again_only_when_it_has_been_up_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One fault after the other: a broker that is stopped while it boots may never be whole again."""
    monkeypatch.setattr(on_processes, "BOOTED_S", SHORT_S)
    done: list[tuple[str, float]] = []

    def note(what: str) -> None:
        done.append((what, time.monotonic()))

    rabbit = Mock(kill=lambda: note("kill"), stop=lambda: note("stop"), start=lambda: note("up"))
    on = OnProcesses(Mock(), rabbit, Mock())
    kinds = ("rabbit_kill", "rabbit_restart")
    await asyncio.gather(*(on.carry[kind](fault(kind, "rabbit")) for kind in kinds))
    assert [what for what, _ in done] == ["kill", "up", "stop", "up"]
    assert done[2][1] - done[1][1] >= SHORT_S
