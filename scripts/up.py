"""The fleet against the real exchanges, with the settings of ``.env``: ``./scripts/up``.

Engines that the settings name are used, and waited for if need be. One that nobody names and that
does not answer at its default address is started there, privately, with data that stays in
``.data`` in the project's folder. All of it runs in the foreground; Ctrl-C drains the workers and
ends what was started.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from config.secret import SecretUrl
from config.settings import DEFAULT, EXIT_BAD_SETTINGS, BadSettings, Effective, load_effective
from scripts.children import GUARD, INTERRUPTS, PROJECT, Child, ChildError, listens, wait_until
from scripts.engines import MissingEngineError, RabbitServer, RedisServer
from scripts.engines.fetch import ensure
from scripts.quick.stack import FLEET_STOP_S

DATA = PROJECT / ".data"
DOTENV = PROJECT / ".env"
DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}
MANAGEMENT_PORT = 15672
FOR_EVER_S = float("inf")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 ended when asked, 1 something is missing, 2 bad settings."""
    parser = argparse.ArgumentParser(
        prog="./scripts/up",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    if not DOTENV.exists():
        shutil.copy(PROJECT / ".env.sample", DOTENV)
        say(f"There was no .env: copied from .env.sample to {DOTENV}")
    try:
        effective = load_effective(os.environ, DOTENV)
    except BadSettings as bad:
        for problem in bad.problems:
            say(f"bad setting: {problem}")
        return EXIT_BAD_SETTINGS
    INTERRUPTS.listen()
    try:
        return _run(effective)
    except (ChildError, MissingEngineError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        GUARD.close()


def say(text: str) -> None:
    """For the person at the terminal."""
    sys.stderr.write(text + "\n")


def _run(effective: Effective) -> int:
    settings = effective.settings
    with contextlib.ExitStack() as ends:
        engines: dict[str, str] = {}
        if _is_wanting("Redis", settings.redis_url, effective.sources["REDIS_URL"]):
            engines["REDIS_URL"] = _start_redis(ends)
        if _is_wanting("RabbitMQ", settings.rabbit_url, effective.sources["RABBIT_URL"]):
            engines["RABBIT_URL"] = _start_rabbit(ends)
        fleet = _start_fleet(engines)
        ends.callback(_stop_fleet, fleet)
        say(f"Health at http://127.0.0.1:{settings.health_port}/health; Ctrl-C ends it.")
        wait_until(lambda: fleet.exit_status is not None, FOR_EVER_S)
        say(f"The fleet ended with status {fleet.exit_status}.")
        return 1


def _is_wanting(engine: str, url: SecretUrl, source: str) -> bool:
    """Whether an engine has to be started: nobody named one, and none is at the usual place."""
    parts = urlsplit(url.reveal())
    answers = listens(parts.port or DEFAULT_PORTS[parts.scheme], parts.hostname or "localhost")
    if answers or source != DEFAULT:
        state = "" if answers else ", which does not answer: the fleet waits for it"
        say(f"{engine} at {url}{state}")
        return False
    return True


def _start_redis(ends: contextlib.ExitStack) -> str:
    ensure()
    server = RedisServer(durable=True, folder=DATA / "redis", port=DEFAULT_PORTS["redis"])
    ends.callback(server.close)
    server.start()
    say(f"Redis started at {server.url}, data in {server.folder}")
    return server.url


def _start_rabbit(ends: contextlib.ExitStack) -> str:
    ensure()
    management_port = None if listens(MANAGEMENT_PORT) else MANAGEMENT_PORT
    server = RabbitServer(
        folder=DATA / "rabbit",
        port=DEFAULT_PORTS["amqp"],
        management_port=management_port,
        metrics=True,
    )
    ends.callback(server.close)
    server.start()
    pages = f"http://127.0.0.1:{server.management_port}"
    say(f"RabbitMQ started at {server.url} (pages at {pages}), data in {server.folder}")
    return server.url


def _start_fleet(engines: dict[str, str]) -> Child:
    programs = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return Child(
        "fleet",
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", PROJECT / "supervisord.conf"],
        log=None,
        env={**os.environ, "PATH": programs, "PYTHONPATH": str(PROJECT), **engines},
        cwd=PROJECT,
    )


def _stop_fleet(fleet: Child) -> None:
    """Drain; a second Ctrl-C changes nothing, the end is bounded."""
    INTERRUPTS.ignore()
    fleet.stop(FLEET_STOP_S)


if __name__ == "__main__":
    sys.exit(main())
