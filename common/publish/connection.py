"""A connection to RabbitMQ that comes back by itself.

One life of a connection is: dial, run what is to be run over it, and when that ends or the broker
goes, close and wait. The wait is jittered and grows from one second to thirty; only a connection
that held for a while starts it over. Everything that lived on the old connection is built anew, so
there is one way to begin and no half-recovered state.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn, TypeVar

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractConnection as Transport
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import AMQPError
from loguru import logger
from yarl import URL

from common.clocks import machine_s

# The library reports each attempt with a traceback; what matters of it is said here, once.
for _library in ("aiormq", "aio_pika"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)

CONNECT_TIMEOUT_S = 15.0
CLOSE_TIMEOUT_S = 3.0
# A dead peer is noticed after three of these (the library's grace).
HEARTBEAT_S = 15
# How soon a ``connection.blocked`` of the broker is seen.
BLOCKED_POLL_S = 0.25
# A connection that held this long was a good one.
SETTLED_S = 30.0


class NotReady(Exception):  # noqa: N818 - it says what the broker is
    """The broker is there but cannot be used yet; the text says why."""


T = TypeVar("T")
Life = Callable[[AbstractConnection], Awaitable[None]]


class Backoff:
    """How long to wait before the next attempt, in machine seconds: jittered, growing."""

    def __init__(self, first_s: float = 1.0, most_s: float = 30.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._attempt = 0

    def next_s(self) -> float:
        """The next wait."""
        # Past 2**10 any sane maximum is reached.
        self._attempt = min(self._attempt + 1, 10)
        return random.uniform(self._first_s, min(self._most_s, self._first_s * 2.0**self._attempt))

    def reset(self) -> None:
        """It went well: start over."""
        self._attempt = 0


class _Remembering(TransportFactory):
    """Keeps the stream writer: a broker that has stopped reading can only be left by abort."""

    def __init__(self, *, secure: bool) -> None:
        self._factory = TLSTransportFactory() if secure else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._factory.create(url, **kwargs)
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            # On Python's own loop this fails for what has closed itself after it had sent the rest.
            with suppress(AttributeError):
                self._writer.transport.abort()


class Link:
    """Runs ``life`` over one connection after the other until closed.

    ``life`` is given an open connection and returns, or raises, when it is of no more use; it is
    cancelled when the connection ends.
    """

    def __init__(
        self, url: str, life: Life, *, name: str, retry_s: tuple[float, float] = (1.0, 30.0)
    ) -> None:
        address = URL(url)
        if "heartbeat" not in address.query:
            address = address.update_query(heartbeat=str(HEARTBEAT_S))
        self._url = address.update_query(name=name)
        self._life = life
        self._backoff = Backoff(*retry_s)
        self._log = logger.bind(link=name)
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = None
        # How many connections came to be of use.
        self.ups = 0

    def start(self) -> None:
        """Begin to connect; returns at once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End the connection and its life."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait((task,))

    def up(self) -> None:
        """The life says that it is of use now."""
        self.ups += 1
        if self._trouble is not None or self.ups == 1:
            self._log.info("broker link up")
        self._trouble = None

    async def _run(self) -> None:
        while True:
            began_s = machine_s()
            try:
                await self._one_life()
            except (AMQPError, OSError, TimeoutError, NotReady) as error:
                trouble = f"{type(error).__name__}: {error}"
            except Exception as error:  # noqa: BLE001
                # A defect of ours must not leave the worker without a broker for good.
                self._log.opt(exception=error).error("broker link failed")
                trouble = f"{type(error).__name__}: {error}"
            if machine_s() - began_s >= SETTLED_S:
                self._backoff.reset()
            if self._trouble != trouble:
                self._trouble = trouble
                self._log.bind(reason=trouble).warning("broker link down")
            await asyncio.sleep(self._backoff.next_s())

    async def _one_life(self) -> NoReturn:
        async with connected(self._url) as connection:
            await self._live(connection)

    async def _live(self, connection: AbstractConnection) -> NoReturn:
        ended = transport_of(connection).closing
        life = asyncio.ensure_future(self._life(connection))
        try:
            await asyncio.wait((life, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            life.cancel()
            await asyncio.wait((life,))
        if not life.cancelled():
            # Why the life ended says more than that the connection did.
            life.result()
        raise ConnectionError(_why(ended))


@asynccontextmanager
async def connected(url: URL) -> AsyncIterator[AbstractConnection]:
    """An open connection, that is closed within seconds whatever the broker does.

    Raises:
        AMQPError, OSError: it does not open; a TimeoutError within ``CONNECT_TIMEOUT_S``.
    """
    connection = aio_pika.Connection(url)
    factory = _Remembering(secure=url.scheme == "amqps")
    connection.kwargs["transport_factory"] = factory
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connection.connect()
        yield connection
    finally:
        await _hang_up(connection, factory)


async def _hang_up(connection: AbstractConnection, factory: _Remembering) -> None:
    # Cancelled instead, the library would still wait until the broker has read everything.
    limit = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, factory.abort)
    try:
        await connection.close(ConnectionError)
    except (AMQPError, OSError) as error:
        logger.bind(reason=f"{type(error).__name__}: {error}").debug("broker link not closed well")
    finally:
        limit.cancel()
        factory.abort()


def _why(ended: asyncio.Future[None]) -> str:
    if not ended.done():
        ended.cancel()
        return "no longer of use"
    error = None if ended.cancelled() else ended.exception()
    return f"{type(error).__name__}: {error}" if error is not None else "closed"


def transport_of(connection: AbstractConnection) -> Transport:
    """The AMQP connection below aio-pika's."""
    if connection.transport is None:
        raise ConnectionError("not connected")
    return connection.transport.connection


async def within(limit_s: float, call: Awaitable[T]) -> T:
    """What ``call`` to the library returns.

    A limit of time that is given to the library is kept by ``asyncio.wait_for``, which on Python
    3.11 loses a cancellation that comes in the same moment as the end: who is told to stop then
    goes on, and who waits for that waits for ever.

    Raises:
        TimeoutError: it takes longer.
    """
    async with asyncio.timeout(limit_s):
        return await call


async def watch_blocked(transport: Transport, on_change: Callable[[bool], None]) -> None:
    """Tell when the broker stops taking messages (memory or disk alarm) and when it goes on."""
    while True:
        try:
            async with asyncio.timeout(0):
                await transport.ready()
        except TimeoutError:
            on_change(True)
            await transport.ready()
            on_change(False)
        await asyncio.sleep(BLOCKED_POLL_S)
