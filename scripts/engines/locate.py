"""Where the engines' programs are: the PATH, the system's own folders, or ``.engines``.

``.engines`` is a folder of the project (or where ``ENGINES_DIR`` says) into which the packages
were unpacked by a user without root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.children import PROJECT


class MissingEngineError(RuntimeError):
    """A program is nowhere; the message says how to get it."""


@dataclass(frozen=True)
class RabbitPrograms:
    """What a private broker is started with."""

    server: Path
    ctl: Path
    epmd: Path

    @property
    def path(self) -> str:
        """A PATH on which the Erlang of this very broker comes first."""
        return f"{self.epmd.parent}:{os.environ.get('PATH', os.defpath)}"


def engines_folder() -> Path:
    """Where engines are unpacked for a user without root."""
    return Path(os.environ.get("ENGINES_DIR") or PROJECT / ".engines").resolve()


def library_path() -> dict[str, str]:
    """What unpacked programs need to find the libraries unpacked with them."""
    libraries = sorted(map(str, (engines_folder() / "root").glob("usr/lib/*-linux-gnu*")))
    return {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}


def redis_program() -> Path | None:
    """``redis-server``, or None."""
    found = shutil.which("redis-server")
    unpacked = engines_folder() / "root/usr/bin/redis-server"
    for program in ([Path(found)] if found else []) + [unpacked]:
        if os.access(program, os.X_OK):
            return program
    return None


def rabbit_programs() -> RabbitPrograms | None:
    """The broker's own scripts with an Erlang beside them, or None.

    Debian's ``/usr/sbin/rabbitmq-server`` is a wrapper that switches user and folders; the scripts
    it calls are in the package's ``bin`` and work for anybody.
    """
    for bin_folder, erlang in _rabbit_places():
        server, ctl = bin_folder / "rabbitmq-server", bin_folder / "rabbitmqctl"
        epmd = erlang / "epmd"
        if all(os.access(program, os.X_OK) for program in (server, ctl, epmd)):
            return RabbitPrograms(server.resolve(), ctl.resolve(), epmd)
    return None


def _rabbit_places() -> Iterator[tuple[Path, Path]]:
    """Folders with the broker's scripts and with Erlang's, best first."""
    system_erlang = Path("/usr/lib/erlang/bin")
    epmd = shutil.which("epmd")
    erlang = Path(epmd).parent if epmd else system_erlang
    yield Path("/usr/lib/rabbitmq/bin"), system_erlang
    on_path = shutil.which("rabbitmq-server")
    if on_path and "/sbin/" not in on_path:
        yield Path(on_path).resolve().parent, erlang
    root = engines_folder() / "root"
    yield root / "usr/lib/rabbitmq/bin", root / "usr/lib/erlang/bin"


def missing() -> list[str]:
    """The names of the engines that this machine lacks."""
    found = {"redis-server": redis_program(), "rabbitmq-server": rabbit_programs()}
    return [name for name, program in found.items() if program is None]


def require_redis() -> Path:
    """The program.

    Raises:
        MissingEngineError: it is not here.
    """
    program = redis_program()
    if program is None:
        raise MissingEngineError(how_to_get("redis-server"))
    return program


def require_rabbit() -> RabbitPrograms:
    """The programs.

    Raises:
        MissingEngineError: they are not here.
    """
    programs = rabbit_programs()
    if programs is None:
        raise MissingEngineError(how_to_get("rabbitmq-server"))
    return programs


def how_to_get(names: str) -> str:
    """One message for all who need an engine that is nowhere."""
    return (
        f"{names} not found on PATH nor in {engines_folder()}.\n"
        "  On Debian or Ubuntu, with root or without:  python -m scripts.engines\n"
        "  With engines that run elsewhere:            set REDIS_URL and RABBIT_URL\n"
        "  With Docker, everything in containers:      docker compose up"
    )
