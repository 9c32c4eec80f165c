"""A private RabbitMQ on loopback ports, for root and anybody else.

Erlang nodes find each other through ``epmd``, normally one daemon per machine that outlives its
brokers. Here it is a child like the others, on a port of its own, and ends with the broker.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

from scripts.children import Child, ChildError, free_port, listens, remove_folder, throwaway_folder
from scripts.engines import amqp
from scripts.engines.locate import library_path, require_rabbit

READY_S = 60.0
CTL_S = 60.0
CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
management_agent.disable_metrics_collector = {no_metrics}
disk_free_limit.absolute = 50MB
log.console.level = warning
log.file = false
log.console = true
"""
ERL_ARGS = (
    # Nodes talk on loopback only. The rest halves the start where waking a thread is dear (virtual
    # machines): booting reads thousands of files, each by way of a thread for input and output.
    "-kernel inet_dist_use_interface {127,0,0,1} +SDio 2 +sbwtdio long"
)


class RabbitServer:
    """One broker with ports, a cookie and data of its own; every confirmed message survives ``kill``.

    ``folder`` is kept when given, and thrown away at ``close`` otherwise. With ``metrics`` the
    management pages show rates; without, they only take commands, which costs less.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        port: int | None = None,
        management_port: int | None = None,
        metrics: bool = False,
    ) -> None:
        self._programs = require_rabbit()
        self._own_folder = folder is None
        self.folder = folder or throwaway_folder("rabbit")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.management_port = management_port or free_port()
        self._epmd_port, self._dist_port = free_port(), free_port()
        self._metrics = metrics
        self._epmd: Child | None = None
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """``amqp://guest:guest@127.0.0.1:PORT/``, the default vhost."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def vhost_url(self, vhost: str) -> str:
        """The same for another vhost."""
        return self.url + quote(vhost, safe="")

    @property
    def node(self) -> str:
        """The Erlang node's name; it names the folder of the data, so it does not hold the port."""
        return "private@localhost"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child is not None and self._child.exit_status is None

    def start(self) -> Self:
        """Start it, again on the same port and data, and wait until it serves AMQP."""
        if self.running:
            return self
        self._write_settings()
        self._start_epmd()
        self._child = Child(
            "rabbitmq-server",
            [self._programs.server],
            log=self.folder / "rabbit.log",
            env=self.environment(),
            cwd=self.folder,
        )
        self._child.wait_ready(lambda: amqp.accepts("127.0.0.1", self.port), READY_S)
        return self

    def environment(self) -> dict[str, str]:
        """What the broker and ``rabbitmqctl`` are run with: nothing of the machine's own broker."""
        folder = self.folder
        inherited = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        return {
            **inherited,
            **library_path(),
            "HOME": str(folder),  # the Erlang cookie lives here
            "PATH": self._programs.path,
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "rabbit.pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERL_ARGS,
        }

    def ctl(self, *args: str, timeout_s: float = CTL_S) -> str:
        """``rabbitmqctl ARGS``; returns what it printed. Takes a second or two.

        Raises:
            ChildError: it ended with a status other than 0.
        """
        done = subprocess.run(
            [self._programs.ctl, "-q", "-n", self.node, *args],
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise ChildError(f"rabbitmqctl {' '.join(args)}: {done.stderr or done.stdout}")
        return done.stdout

    @contextlib.contextmanager
    def vhost(self) -> Iterator[str]:
        """A throw-away vhost; gives its URL."""
        name = f"v-{uuid.uuid4().hex[:12]}"
        path = f"/api/vhosts/{name}"
        self.manage("PUT", path)
        self.manage(
            "PUT", f"/api/permissions/{name}/guest", b'{"configure":".*","write":".*","read":".*"}'
        )
        try:
            yield self.vhost_url(name)
        finally:
            if self.running:  # a broker that a test left dead takes its vhosts with it
                self.manage("DELETE", path)

    def _write_settings(self) -> None:
        settings = CONFIG.format(
            port=self.port,
            management_port=self.management_port,
            no_metrics="false" if self._metrics else "true",
        )
        (self.folder / "rabbitmq.conf").write_text(settings)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")

    def _start_epmd(self) -> None:
        if self._epmd is not None and self._epmd.exit_status is None:
            return
        self._epmd = Child(
            "epmd",
            [self._programs.epmd, "-address", "127.0.0.1", "-port", str(self._epmd_port)],
            log=self.folder / "epmd.log",
            env=self.environment(),
            cwd=self.folder,
        )
        self._epmd.wait_ready(lambda: listens(self._epmd_port), READY_S)

    def manage(self, method: str, path: str, body: bytes | None = None) -> None:
        """One request to the management API, as guest: quicker than ``ctl``.

        Raises:
            ChildError: it was refused.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.management_port, timeout=CTL_S)
        login = base64.b64encode(b"guest:guest").decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            if answer.status >= 300:
                raise ChildError(f"{method} {path}: {answer.status} {answer.read().decode()}")

    def stop(self) -> None:
        """A clean shutdown; the data stays for the next ``start``."""
        if self._child is not None:
            self._child.stop(grace_s=30)
            self._child = None

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def close(self) -> None:
        """End it and its epmd, and its folder unless that was given."""
        if self._own_folder:
            self.kill()  # nothing of it will be read again
        self.stop()
        if self._epmd is not None:
            self._epmd.stop()
            self._epmd = None
        if self._own_folder:
            remove_folder(self.folder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
