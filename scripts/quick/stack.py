"""What the demo and a chaos run start: engines, the simulator, the fleet under supervisord.

Everything lives in one throw-away folder and on loopback ports of its own. The fleet gets a clean
environment, so nothing that a person has set for the real one leaks into the demo, and it runs in
that folder, so no ``.env`` is read.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from scripts.children import (
    INTERRUPTS,
    PROJECT,
    Child,
    free_port,
    kept_folder,
    remove_folder,
    throwaway_folder,
)
from scripts.engines import RabbitServer, RedisServer

SIMULATOR_READY_S = 30.0
# What supervisord.conf says.
WORKERS, USERS = 2, 1
# Longer than stopwaitsecs in supervisord.conf: the workers drain first.
FLEET_STOP_S = 60.0

# A market clock that all but stands where a recording began: a year of ours is 32 ms of it.
STANDING_SPEED = 1e-9

Say = Callable[[str], None]


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """What a started program sees: where programs are, and these settings; nothing else."""
    inherited = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
    environment = {name: os.environ[name] for name in inherited if name in os.environ}
    programs = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return {**environment, "PATH": programs, "PYTHONPATH": str(PROJECT), **settings}


class Stack:
    """A context manager over all that is started, and its end."""

    def __init__(self, say: Say, *, keep: bool = False, name: str = "fleet-demo") -> None:
        self._say = say
        self._keep = keep
        # What is to be kept is none of the guard's business.
        self.folder = kept_folder(name) if keep else throwaway_folder(name)
        self._ends = contextlib.ExitStack()
        self.fleet: Child | None = None
        self.health_port = 0
        self.simulator_url = ""

    def at_end(self, call: Callable[[], object]) -> None:
        """Do this before what was started so far is ended."""
        self._ends.callback(call)

    def start_redis(self, *, durable: bool = False) -> RedisServer:
        """A private Redis."""
        server = RedisServer(folder=self.folder / "redis", durable=durable)
        self._ends.callback(self._killed, server)
        server.start()
        self._say(f"Redis      127.0.0.1:{server.port}")
        return server

    def start_rabbit(self) -> RabbitServer:
        """A private RabbitMQ."""
        started_s = time.monotonic()
        server = RabbitServer(folder=self.folder / "rabbit")
        self._ends.callback(self._killed, server)
        server.start()
        took_s = time.monotonic() - started_s
        self._say(f"RabbitMQ   127.0.0.1:{server.port} (started in {took_s:.1f} s)")
        return server

    def start_simulator(self, clock: str, *, seed: int, recording: Path | None) -> str:
        """The exchanges; the URL that is the fleet's gateway."""
        port = free_port()
        options = ["--port", str(port), "--clock", clock, "--seed", str(seed)]
        if recording is not None:
            options += ["--replay", str(recording)]
        child = Child(
            "simulator",
            [sys.executable, "-m", "simulator", *options],
            log=self.folder / "simulator.log",
            env=clean_environment({}),
        )
        self._ends.callback(child.stop)
        self.simulator_url = f"http://127.0.0.1:{port}"
        child.wait_ready(lambda: _answers(f"{self.simulator_url}/truth/clock"), SIMULATOR_READY_S)
        self._say(f"Exchanges  127.0.0.1:{port} (simulated)")
        return self.simulator_url

    def recorded_settings(self) -> Mapping[str, str]:
        """What the fleet is told to stream of what the simulator plays from a recording."""
        with urllib.request.urlopen(f"{self.simulator_url}/truth/replay", timeout=5) as answer:  # noqa: S310
            told = json.load(answer)
        place = f"{told['exchange']}:{told['market']}"
        patterns = [f"{place}:candle:*:{interval}" for interval in told["intervals"]]
        return {
            "EXCHANGES": told["exchange"],
            "STREAMS": ",".join(patterns),
            # The fleet lives in the time of the recording: for it, what comes is not late.
            "MARKET_CLOCK": f"{STANDING_SPEED:g}@{told['beginsMs']}",
        }

    @property
    def conf(self) -> Path:
        """What supervisord and supervisorctl are started with."""
        return self.folder / "supervisord.conf"

    def start_fleet(
        self, settings: Mapping[str, str], *, workers: int = WORKERS, users: int = USERS
    ) -> Child:
        """The fleet, by the project's own supervisord.conf, with so many price and user workers."""
        self.health_port = free_port()
        conf = self.conf
        text = (PROJECT / "supervisord.conf").read_text()
        # The space keeps what was replaced from being replaced again.
        for there, wanted in ((WORKERS, workers), (USERS, users)):
            assert f"numprocs={there}\n" in text
            text = text.replace(f"numprocs={there}\n", f"numprocs={wanted} \n")
        conf.write_text(text)
        health = {"HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(self.health_port)}
        self.fleet = Child(
            "fleet",
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", conf],
            log=self.folder / "fleet.log",
            env=clean_environment({**settings, **health}),
            cwd=self.folder,
        )
        self._ends.callback(self.fleet.stop, FLEET_STOP_S)
        self._say(f"Fleet      127.0.0.1:{self.health_port}/health")
        return self.fleet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        INTERRUPTS.ignore()  # half an end would leave processes behind
        self._ends.close()
        if self._keep:
            self._say(f"Kept       {self.folder}")
        else:
            remove_folder(self.folder)

    def _killed(self, server: RedisServer | RabbitServer) -> None:
        server.kill()  # nothing of it will be read again
        server.close()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
        return bool(answer.status == 200)
    return False
