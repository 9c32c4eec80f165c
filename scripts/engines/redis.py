"""A private Redis on a loopback port."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Self

from scripts.children import Child, ChildError, free_port, remove_folder, throwaway_folder
from scripts.engines.locate import library_path, require_redis

READY_S = 15.0


class RedisServer:
    """One Redis with a port and data of its own.

    ``durable`` keeps every write through ``kill`` and ``start`` (append-only file); without it a
    restart comes up empty. ``folder`` is kept when given, and thrown away at ``close`` otherwise.
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        folder: Path | None = None,
        port: int | None = None,
        maxmemory_policy: str = "noeviction",
    ) -> None:
        self._program = require_redis()
        self._own_folder = folder is None
        self.folder = folder or throwaway_folder("redis")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self._durable = durable
        self._maxmemory_policy = maxmemory_policy
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:PORT/0``."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child is not None and self._child.exit_status is None

    def start(self) -> Self:
        """Start it, again on the same port and data, and wait until it answers PING."""
        if self.running:
            return self
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.folder,
            "save": "",
            "appendonly": "yes" if self._durable else "no",
            # A killed process loses nothing: written before the reply, only fsync comes later.
            "appendfsync": "everysec",
            "maxmemory-policy": self._maxmemory_policy,
            "databases": 16,
        }
        args = [str(part) for name, value in settings.items() for part in (f"--{name}", value)]
        self._child = Child(
            "redis-server",
            [self._program, *args],
            log=self.folder / "redis.log",
            env={**os.environ, **library_path()},
        )
        self._child.wait_ready(lambda: self.say("PING") == "+PONG", READY_S)
        return self

    def say(self, *command: str) -> str:
        """One command over the wire; the first line of the answer, or "" when it cannot be asked.

        Raises:
            ChildError: Redis answered with an error other than that it is still loading.
        """
        words = [word.encode() for word in command]
        request = b"*%d\r\n" % len(words)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection,
        ):
            connection.sendall(request)
            line = connection.makefile("rb").readline().decode().strip()
            if line.startswith("-") and not line.startswith("-LOADING"):
                raise ChildError(f"redis-server answered {command[0]} with {line}")
            return line
        return ""

    def flush(self) -> None:
        """Forget all data, in every database."""
        if self.say("FLUSHALL") != "+OK":
            raise ChildError(f"redis-server at {self.url} did not flush")

    def stop(self) -> None:
        """A clean shutdown; the data stays for the next ``start`` if it is durable."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def wipe(self) -> None:
        """Lose the data, as a replaced disk would; only while it is down."""
        assert not self.running, "wipe a server that is down"
        remove_folder(self.folder)
        self.folder.mkdir()

    def close(self) -> None:
        """End it, and its folder unless that was given."""
        if self._own_folder:
            self.kill()  # nothing of it will be read again
        self.stop()
        if self._own_folder:
            remove_folder(self.folder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
