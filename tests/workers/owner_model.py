"""Owners of one stream, one after the other: the real ones, but for the wires.

The exchange is ``tests.recovery.exchange_model``; between it and a consumer work a shard, its feed and
its progress as in production. RabbitMQ and Redis are a queue and a dict here, that can do everything
the real ones can: refuse, return, take a message and lose the confirm; keep what is old.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from common.clocks import MarketClock
from common.fleet.checkpoints import FREE, UNSURE, Holder, Move, Taken, Written
from common.fleet.leases import Lease
from common.model.checkpoints import Checkpoint
from common.model.events import Candle, MarketEvent, Trade
from common.model.streams import Origin, Shard, Stream
from common.recovery.lane import CandleLane
from common.recovery.reading import CandleReader
from common.recovery.rest import Rest
from common.recovery.resuming import Reach
from common.recovery.steps import Hole, Step
from tests.recovery.exchange_model import Plan, Run
from tests.support.scripted import ScriptedExchange
from tests.support.spending import Unlimited
from workers.outlets import Outlets
from workers.owned import OwnedShard
from workers.progress import Progress

# What becomes of the message that is on its way. ``unheard``: it was taken, and the confirm was lost.
Verdict = Literal["confirmed", "returned", "unheard"]
CALM_LAG_MS = 50


@dataclass(frozen=True)
class Change:
    """The owner ends, and after a while the next one takes over.

    ``orderly``: it lets go of the stream, all of it confirmed. Otherwise it dies; ``arrived``: the
    message that was on its way had arrived.
    """

    at_ms: int
    away_ms: int
    orderly: bool
    arrived: bool


@dataclass
class Story:
    """What happens to the owners, until the plan's ``calm_ms``.

    ``verdicts``, each after so many ms, and ``room`` (False: a closed candle finds none) come in
    turn. Checkpoints are written every ``flush_ms``.
    """

    plan: Plan
    changes: Sequence[Change]
    verdicts: Sequence[tuple[int, Verdict]]
    room: Sequence[bool]
    flush_ms: int


def now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of what does not wait for anything."""
    try:
        coroutine.send(None)
    except StopIteration as returned:
        return returned.value
    raise AssertionError("it waits")


class Kept:
    """What Redis keeps (``common.fleet.checkpoints``), for one shard that is never wanted by two."""

    def __init__(self) -> None:
        self.holder: Holder | None = None
        self.checkpoint: Checkpoint | None = None

    async def take(self, holder: Holder, streams: Iterable[Stream]) -> Taken:
        (stream,) = streams
        doubtful = self.holder is not None and self.holder.shard != FREE
        self.holder = holder
        kept = {stream: self.checkpoint}
        return Taken(kept, frozenset(kept) if doubtful else frozenset(), age_s=math.inf)

    async def write(self, moves: Sequence[Move]) -> Written:
        (move,) = moves
        assert move.holder == self.holder, "nobody else writes"
        if self.checkpoint is not None:
            assert move.checkpoint.next_ms >= self.checkpoint.next_ms
        self.checkpoint = move.checkpoint
        if move.leaves:
            self.holder = Holder(FREE if move.whole else UNSURE, move.holder.epoch)
        return Written()


@dataclass
class Broker:
    """The way of one owner's closed candles to the consumer: one after the other.

    ``delivered``: what the consumer has got of all owners, each with the epoch.
    """

    run: Owners
    delivered: list[tuple[Candle, int]]
    progress: Progress | None = None
    queue: deque[tuple[Candle, int]] = field(default_factory=deque)
    cut: bool = False
    _way: count[int] = field(default_factory=count)

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> bool:
        assert isinstance(event, Candle)
        assert not self.cut, "an owner that is gone says nothing"
        if event.closed and not self.run.has_room():
            return False
        self.run.out.append((self.run.now_ms, Step(event, origin)))
        if event.closed:
            self.queue.append((event, epoch))
            if len(self.queue) == 1:
                self._send()
        return True

    def status(self, *_: object, **__: object) -> bool:
        return True

    def withdraw(self, stream: Stream) -> int:
        while len(self.queue) > 1:
            self.queue.pop()
        return 0

    @property
    def has_room(self) -> bool:
        return True

    def _send(self) -> None:
        lag_ms, verdict = self.run.verdict()
        self.run.at(self.run.now_ms + lag_ms, lambda: self._answer(verdict))

    def _answer(self, verdict: Verdict) -> None:
        if self.cut:
            return
        self.settle(verdict)
        if self.queue:
            self._send()

    def settle(self, verdict: Verdict) -> None:
        """The broker answers about the message that is on its way."""
        assert self.progress is not None
        if verdict != "returned":
            self.delivered.append(self.queue[0])
        if verdict == "unheard":
            return
        settled = list(self.queue) if verdict == "returned" else [self.queue[0]]
        for _ in settled:
            self.queue.popleft()
        waiting = len(self.queue)
        for candle, _ in settled:
            self.progress.outcome(candle, verdict)
        assert len(self.queue) == waiting, "nothing is published from within an outcome"


class Owners(Run):
    """A story, told. ``delivered`` is what a consumer got."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._kept = Kept()
        self._owned: OwnedShard | None = None
        self._broker: Broker | None = None
        self._epochs = count(1)
        self._verdicts = count()
        self._rooms = count()
        self.delivered: list[tuple[Candle, int]] = []
        super().__init__(story.plan)

    # --- their life ---------------------------------------------------------------------------

    def begin(self) -> None:
        self._take_over()
        for change in self._story.changes:
            self.at(change.at_ms, lambda change=change: self._end(change))
            self.at(change.at_ms + change.away_ms, self._take_over)
        self.at(self.now_ms + self._story.flush_ms, self._flush)

    def _take_over(self) -> None:
        stream = self.plan.stream
        shard = Shard(stream.exchange, stream.market, "candle", 0)
        exchange, clock = ScriptedExchange(), MarketClock(wall=lambda: self.now_ms)
        broker = Broker(self, self.delivered)
        self._progress = broker.progress = Progress(self._kept)  # type: ignore[arg-type]
        outlets = Outlets(broker, self._progress, None)  # type: ignore[arg-type]
        self._owned = OwnedShard(
            shard,
            Lease(shard.key, next(self._epochs), math.inf),
            outlets,
            self._progress,
            address=exchange.address,
            dial=exchange.dial,
            reader=CandleReader(Rest(None, Unlimited()), lambda exchange, market: {}, clock),
            reach=Reach(),
            clock=clock,
            catalog=dict,
        )
        self._broker = broker
        self._owned.want([stream])
        now(self._owned.take())

    def _end(self, change: Change) -> None:
        broker, owned = self._broker, self._owned
        assert broker is not None
        assert owned is not None
        if change.orderly:
            while broker.queue:
                broker.settle("confirmed")
            owned.let_go()
            now(self._progress.flush())
        elif broker.queue and change.arrived:
            self.delivered.append(broker.queue[0])
        broker.cut = True
        self._owned = self._broker = None

    def _flush(self) -> None:
        if self._owned is not None:
            now(self._progress.flush())
        self.at(self.now_ms + self._story.flush_ms, self._flush)

    def keep(self) -> Checkpoint:
        """Write what has moved; where the next owner would go on."""
        now(self._progress.flush())
        assert self._kept.checkpoint is not None
        return self._kept.checkpoint

    # --- what the broker does -----------------------------------------------------------------

    def verdict(self) -> tuple[int, Verdict]:
        if self.now_ms >= self.plan.calm_ms:
            return CALM_LAG_MS, "confirmed"
        return self._story.verdicts[next(self._verdicts) % len(self._story.verdicts)]

    def has_room(self) -> bool:
        if self.now_ms >= self.plan.calm_ms:
            return True
        return self._story.room[next(self._rooms) % len(self._story.room)]

    # --- what the exchange tells (``Run``) ------------------------------------------------------

    @property
    def lane(self) -> CandleLane | None:
        if self._owned is None:
            return None
        return next(iter(self._owned.feed.candle_lanes()), None)

    @property
    def _feed(self) -> Any:
        assert self._owned is not None, "without an owner there is no socket"
        return self._owned.feed

    def accepted(self) -> None:
        for topic in self.place.topics(self.plan.stream):
            self._feed.accepted(topic)

    def gone(self) -> None:
        if self._owned is not None:
            self._feed.ended("closed: 1006", parked=False)

    def heard(self, told: Candle | Trade) -> None:
        self._feed.event(told)

    def beat(self, heard_ms: int) -> None:
        self._feed.tick()

    def fetched(self, stretch: Hole, bars: Sequence[Candle]) -> None:
        self._feed.fetched(self.lane, stretch, bars)

    def compared(self, stretch: Hole, bars: Sequence[Candle]) -> None:
        assert self._owned is not None
        lane = self.lane
        assert lane is not None
        self._owned._compared(lane, stretch, bars)
