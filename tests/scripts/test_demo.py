"""The quick start itself, as a person runs it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aio_pika
import pytest

from common.exchanges.registry import EXCHANGES
from scripts.children import PROJECT
from scripts.demo import main
from scripts.engines import RabbitServer, RedisServer
from scripts.quick.recording import read_recording

pytestmark = pytest.mark.engines

RECORDING = PROJECT / "tests/simulator/recordings/binance_linear.jsonl"
MARKET = b'{"type": "topic", "durable": true}'


def demo(*arguments: str, folder: Path, **named: str) -> subprocess.Popen[str]:
    """The command that ``./scripts/demo`` ends in, with a place of its own for its files."""
    unset = ("REDIS_URL", "REDIS_HOST", "RABBIT_URL", "RABBIT_HOST")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.demo", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(folder)} | named,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def running_in(folder: Path) -> list[str]:
    """Processes that know of this folder: whatever the demo started does."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = environ.read_bytes()
            command = (environ.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if f"TMPDIR={folder}\0".encode() in text + b"\0":
            found.append(f"{environ.parent.name} {command}")
    return found


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


def test_candles_and_tickers_of_every_market_arrive_as_they_truly_are(tmp_path: Path) -> None:
    with demo("--seconds", "35", "--speed", "30", "--json", folder=tmp_path) as run:
        out, err = run.communicate(timeout=140)
    assert run.returncode == 0, err
    told = json.loads(out)
    assert (told["missing"], told["duplicated"], told["wrong"]) == (0, 0, 0)
    markets = {name: set(exchange.markets) for name, exchange in EXCHANGES.items()}
    assert {name: set(places) for name, places in told["exchanges"].items()} == markets
    places = [place for places in told["exchanges"].values() for place in places.values()]
    assert all(place["candlesClosed"] and place["tickers"] for place in places)
    for name in ("candlesClosed", "tickers"):
        assert told[name] == sum(place[name] for place in places)
    accounts = told["accounts"]
    assert accounts["accounts"] == len(places)
    assert accounts["orders"]
    assert accounts["fills"]
    no_faults = {
        "accounts",
        "orders",
        "fills",
        "ordersUnheard",
        "repeated",
        "accountsByPlace",
        "ordersBySymbol",
    }
    faults = accounts.keys() - no_faults
    assert {name: accounts[name] for name in faults} == dict.fromkeys(faults, 0)
    assert is_empty(tmp_path)
    assert running_in(tmp_path) == []


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 1.0])
def test_a_request_to_end_while_it_starts_leaves_nothing(tmp_path: Path, delay_s: float) -> None:
    with demo("--json", folder=tmp_path) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("Redis")
        time.sleep(delay_s)  # into the start of epmd, of the broker
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 1
    # How far it had come when it was told is the machine's affair.
    assert (out, err.splitlines()[-1]) == ("", "interrupted while starting")
    assert running_in(tmp_path) == []
    assert is_empty(tmp_path)


@pytest.mark.parametrize(
    "arguments", [["--speed", "0"], ["--seconds", "-1"], ["--replay", "nowhere"], ["--fast"]]
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert "usage: ./scripts/demo" in capsys.readouterr().err


def test_an_engine_that_is_named_and_does_not_answer_is_told(tmp_path: Path) -> None:
    with demo(folder=tmp_path, REDIS_URL="redis://:hunter2@127.0.0.1:1/0") as run:
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (1, "")
    assert "redis://:***@127.0.0.1:1/0" in err
    assert "hunter2" not in err


def test_a_vhost_in_which_a_fleet_lives_is_refused(
    tmp_path: Path, rabbit: RabbitServer, rabbit_url: str
) -> None:
    rabbit.manage("PUT", f"/api/exchanges/{rabbit_url.rpartition('/')[2]}/market", MARKET)
    with demo(folder=tmp_path, RABBIT_URL=rabbit_url) as run:
        _, err = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "a fleet lives there" in err


async def test_a_recording_goes_through_named_engines_and_leaves_them_as_they_were(
    tmp_path: Path, redis_server: RedisServer, redis_url: str, rabbit_url: str
) -> None:
    engines = {"REDIS_URL": redis_url, "RABBIT_URL": rabbit_url}
    run = demo("--replay", str(RECORDING), "--speed", "10", "--json", folder=tmp_path, **engines)
    out, err = await asyncio.to_thread(run.communicate, timeout=110)
    assert run.returncode == 0, err
    expected = read_recording(RECORDING.read_text().splitlines(), "binance", "linear")
    assert len(expected.closed) > 0
    told = json.loads(out)
    assert (told["closed"], told["open"]) == (len(expected.closed), len(expected.open))
    assert (told["missing"], told["duplicated"], told["wrong"]) == (0, 0, 0)
    assert redis_server.say("DBSIZE") == ":0"
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.declare_queue("candles", passive=True)
    assert is_empty(tmp_path)
