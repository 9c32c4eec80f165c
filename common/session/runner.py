"""Keeps one connection alive for as long as it is wanted: reconnect, rotate, park.

The only place that decides what follows an ``Outcome``. Single flight: at most one connection is
being dialled, and a planned end is make-before-break: the successor flows before the old one goes.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping

from loguru import logger

from common.clocks import machine_s
from common.exchanges.place import Place
from common.exchanges.protocol import Topic
from common.model.instruments import Catalog
from common.session.address import Address
from common.session.connection import Connection
from common.session.lifecycle import Signal, State, advance
from common.session.outcome import ELSEWHERE_AFTER, Decision, Outcome, after
from common.session.sink import Sink
from common.session.topics import Rejection
from common.session.transport import Dial

# How long a successor may take to flow before the old connection is kept and another is tried.
SUCCESSION_S = 60.0
# An expired connection is left for its successor in a moment of its own: many expire together.
ROTATION_JITTER_S = 5.0

ROTATED = Outcome("rotated", "benign", "a successor took over")
NOT_READY = Outcome("stalled", "transient", "the successor did not carry everything in time")


class Session:
    """One shard's connection, over all its lives.

    Args:
        name: the shard, for logs.
        address: tells each connection where to dial.
        chance: draws in [0, 1) for jitter.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        address: Address,
        dial: Dial,
        catalog: Callable[[], Catalog],
        sink: Sink,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._place = place
        self._address = address
        self._dial = dial
        self._catalog = catalog
        self._sink = sink
        self._chance = chance
        self._topics: Mapping[Topic, float] = {}
        self._rejections: dict[Topic, Rejection] = {}
        self._failures = 0
        # Lives in a row that were open and told nothing.
        self.deaf = 0
        self._log = logger.bind(shard=name)
        # The connection that speaks for the session, and the one being opened to succeed it.
        self.connection: Connection | None = None
        self._successor: Connection | None = None
        self._resting: tuple[State, float] | None = None
        self.dials = 0
        self.ends: Counter[str] = Counter()
        self.last_outcome: Outcome | None = None
        self._past_frames = 0

    def want(self, topics: Mapping[Topic, float]) -> None:
        """Make this the wanted set of topics, now and after every reconnect.

        Each comes with the longest it may be silent, in machine seconds.
        """
        self._topics = dict(topics)
        for connection in (self.connection, self._successor):
            if connection is not None:
                connection.want(self._topics)

    @property
    def state(self) -> State:
        """Where the session stands: its connection's state, or how it waits for the next."""
        if self._resting is not None:
            return self._resting[0]
        return State.IDLE if self.connection is None else self.connection.state

    @property
    def resting(self) -> bool:
        """Whether it waits between two connections."""
        return self._resting is not None

    @property
    def hopeless(self) -> bool:
        """Whether this process has tried long enough: another one may hear what we do not."""
        return self.deaf >= ELSEWHERE_AFTER

    @property
    def trade_driven(self) -> bool:
        """Whether a single stream of it may be silent for as long as nobody trades."""
        return self._place.rules.cadence.kind == "trade-driven"

    @property
    def since_s(self) -> float:
        """Machine time since when it stands there."""
        if self._resting is not None:
            return self._resting[1]
        return machine_s() if self.connection is None else self.connection.since_s

    @property
    def frames(self) -> int:
        """Frames received, over all lives."""
        now = self.connection.frames if self.connection else 0
        return self._past_frames + now

    async def run(self) -> None:
        """Stay connected until cancelled; the socket is closed then."""
        async with asyncio.TaskGroup() as group:
            life = self._start(group)
            self._adopt(life.connection)
            while True:
                await self._wait_for_end(group, life)
                if not life.task.done():
                    life = await self._succeed(group, life)
                    continue
                await self._rest(life.task.result())
                life = self._start(group)
                self._adopt(life.connection)

    async def _wait_for_end(self, group: asyncio.TaskGroup, life: _Life) -> None:
        """Return when the connection has ended, or should be succeeded."""
        expiring = group.create_task(life.connection.expiring.wait())
        try:
            await asyncio.wait({life.task, expiring}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            expiring.cancel()

    async def _succeed(self, group: asyncio.TaskGroup, old: _Life) -> _Life:
        """Open a successor beside the old connection; whichever of them speaks from now on."""
        self._log.info("connection expires, opening its successor")
        jitter_s = self._chance() * ROTATION_JITTER_S
        if (await asyncio.wait({old.task}, timeout=jitter_s))[0]:
            return old
        new = self._start(group)
        self._successor = new.connection
        ready = group.create_task(new.connection.ready.wait())
        try:
            await asyncio.wait(
                {new.task, old.task, ready},
                timeout=SUCCESSION_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            ready.cancel()
            self._successor = None
        if old.task.done():
            self._decide(old.task.result())
            self._adopt(new.connection)
            self._tell_uncarried(new.connection)
            return new
        if new.connection.ready.is_set() and not new.task.done():
            self._adopt(new.connection)
            await old.end(ROTATED)
            self._tell_uncarried(new.connection)
            self._log.info("successor took over")
            return new
        await new.end(NOT_READY)
        decision = self._decide(new.task.result())
        await asyncio.wait({old.task}, timeout=decision.delay_s)
        return old

    def _tell_uncarried(self, successor: Connection) -> None:
        """The old connection is gone: what its successor does not carry yet, nobody hears."""
        for topic in successor.subscriptions.uncarried:
            self._sink.silent(topic)

    def _adopt(self, connection: Connection) -> None:
        if self.connection is not None:
            self._past_frames += self.connection.frames
        self.connection = connection

    def _start(self, group: asyncio.TaskGroup) -> _Life:
        connection = Connection(
            self._place,
            self._address,
            self._dial,
            self._catalog,
            self._sink,
            self._rejections,
            self._chance,
        )
        connection.want(self._topics)
        self.dials += 1
        return _Life(connection, group.create_task(connection.run()))

    async def _rest(self, outcome: Outcome) -> None:
        decision = self._decide(outcome)
        self._sink.ended(f"{outcome.cause}: {outcome.detail}", parked=decision.parked)
        before = self.connection.state if self.connection else State.DIALING
        signal = Signal.PARK if decision.parked else Signal.FAILED
        self._resting = (advance(before, signal), machine_s())
        try:
            await asyncio.sleep(decision.delay_s)
        finally:
            self._resting = None

    def _decide(self, outcome: Outcome) -> Decision:
        decision = after(outcome, self._failures, self._chance(), self.deaf)
        self._failures, self.deaf = decision.failures, decision.deaf
        self.last_outcome = outcome
        self.ends[outcome.cause] += 1
        self._log.bind(
            cause=outcome.cause,
            reason=outcome.reason,
            detail=outcome.detail,
            failures=self._failures,
            parked=decision.parked,
            delay_s=round(decision.delay_s, 1),
        ).warning("connection ended")
        return decision


class _Life:
    """A connection and the task that runs it."""

    def __init__(self, connection: Connection, task: asyncio.Task[Outcome]) -> None:
        self.connection = connection
        self.task = task

    async def end(self, cause: Outcome) -> None:
        """Close the socket and wait until the task is over: ``run`` returns by itself."""
        await self.connection.stop(cause)
        await asyncio.wait({self.task})
