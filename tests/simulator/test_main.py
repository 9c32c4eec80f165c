"""The program: one line when it listens, and a clean end."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_ends_when_told_to(number: signal.Signals) -> None:
    process = await start("--speed", "30", "--seed", "9")
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            line = json.loads(await process.stdout.readline())
        assert line["clock"].startswith("30@")
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{line['port']}/truth/clock") as answer,
        ):
            told = await answer.json()
            assert (told["clock"], told["seed"]) == (line["clock"], 9)
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"ws://127.0.0.1:{line['port']}/stream.binance.com/ws") as socket,
        ):
            process.send_signal(number)
            assert (await socket.receive(10)).type is aiohttp.WSMsgType.CLOSE
        async with asyncio.timeout(15):
            assert await process.wait() == 0
        assert await process.stderr.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("recording", ["binance_linear", "binance_spot"])
async def test_a_replay_of_years_ago_listens_as_soon(recording: str) -> None:
    path = ROOT / "tests" / "simulator" / "recordings" / f"{recording}.jsonl"
    process = await start("--replay", str(path))
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert "port" in json.loads(await process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--speed", "0"), "speed"),
        (("--clock", "30"), "clock"),
        (("--replay", "/nowhere/at/all.jsonl"), "all.jsonl"),
    ],
)
async def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], why: str) -> None:
    process = await start(*arguments)
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert why in said.decode()


async def test_help_tells_about_control_and_truth() -> None:
    process = await start("--help")
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert process.returncode == 0
    for word in ("--replay", "/control/fault", "/truth/candles", "stream.binance.com"):
        assert word in said.decode()
