"""How far the candle streams of this worker have come: what RabbitMQ has confirmed, kept in Redis.

Confirms only mark what has moved; once a second everything that has is written in few calls. A
stream that is let go of is written a last time when all of it is confirmed, and is free then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from loguru import logger
from msgspec import Struct

from common.clocks import machine_s
from common.fleet.checkpoints import Checkpoints, Holder, Move, Taken
from common.fleet.client import keep_flushed
from common.model.checkpoints import Checkpoint
from common.model.events import Candle
from common.model.streams import Stream
from common.publish.durable import Subject
from common.publish.messages import Outcome

NOTHING_DOUBTED: Mapping[Stream, int] = {}
FLUSH_S = 1.0
# A stream that is let go of waits so long for its last confirms.
LEAVE_S = 5.0


class Owner(Protocol):
    """Who publishes a stream."""

    def unsettled(self, stream: Stream) -> tuple[Candle, ...]:
        """What of it is still to be compared with REST."""

    def confirmed(self, candle: Candle) -> None:
        """This of it has arrived."""

    def undelivered(self, candle: Candle) -> None:
        """This of it has not arrived: no queue wanted it."""

    def left(self, stream: Stream) -> None:
        """It is free, though not all of it was confirmed in time."""

    def fenced(self, streams: Collection[Stream]) -> None:
        """They are another's now."""


class _Tracked(Struct):
    """One stream that this worker holds."""

    holder: Holder
    owner: Owner
    checkpoint: Checkpoint
    published_ms: int
    # What ended by then counts only when it was said once more (see ``CandleLane``).
    doubted_ms: int = 0
    moved: bool = True
    leaves_by_s: float | None = None
    # What was still to be compared when it was let go of.
    left: tuple[Candle, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all that was published of it is confirmed."""
        return self.checkpoint.next_ms >= self.published_ms

    def may_leave(self, now_s: float) -> bool:
        """Whether it is let go of, and all of it confirmed or waited for long enough."""
        by_s = self.leaves_by_s
        return by_s is not None and (self.whole or now_s >= by_s)


class Progress:
    """The checkpoints that this worker moves.

    Args:
        checkpoints: of the fleet.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._tracked: dict[Stream, _Tracked] = {}
        self._writing = asyncio.Lock()

    # --- taking and letting go ----------------------------------------------------------------

    async def take(self, holder: Holder, streams: Iterable[Stream]) -> Taken:
        """Make streams the holder's; not those that are still being let go of here.

        Raises:
            RedisAway: it is not known which were taken; taking again is safe.
        """
        free = [stream for stream in streams if stream not in self._tracked]
        return await self._checkpoints.take(holder, free) if free else Taken()

    def begin(
        self,
        holder: Holder,
        owner: Owner,
        begins: Mapping[Stream, Checkpoint],
        doubted_ms: Mapping[Stream, int] = NOTHING_DOUBTED,
    ) -> None:
        """Streams that were taken are published from these checkpoints on.

        What of a stream ended by ``doubted_ms`` counts as confirmed when it was said once more.
        """
        for stream, checkpoint in begins.items():
            self._tracked[stream] = _Tracked(
                holder, owner, checkpoint, checkpoint.next_ms, doubted_ms.get(stream, 0)
            )

    def leave(self, owner: Owner, streams: Iterable[Stream]) -> None:
        """Nothing more of these is published; they are free when what was is confirmed.

        The owner still knows what of them is unsettled.
        """
        by_s = machine_s() + LEAVE_S
        for stream in streams:
            tracked = self._tracked.get(stream)
            if tracked is not None and tracked.owner is owner:
                tracked.left = owner.unsettled(stream)
                tracked.leaves_by_s, tracked.moved = by_s, True

    def drop(self, owner: Owner) -> None:
        """The owner's shard is given back or lost: what it held is for the next one to take."""
        gone = [stream for stream, tracked in self._tracked.items() if tracked.owner is owner]
        for stream in gone:
            del self._tracked[stream]

    def holds(self, owner: Owner, holder: Holder) -> None:
        """The owner's lease has another epoch now."""
        for tracked in self._tracked.values():
            if tracked.owner is owner and tracked.holder != holder:
                tracked.holder, tracked.moved = holder, True

    # --- what was published -------------------------------------------------------------------

    def published(self, candle: Candle) -> None:
        """A closed candle was handed to the pipeline."""
        tracked = self._tracked.get(candle.stream)
        if tracked is not None and not candle.revision:
            tracked.published_ms = max(tracked.published_ms, candle.end_ms)

    def outcome(self, subject: Subject, outcome: Outcome) -> None:
        """RabbitMQ has answered (``Pipeline.on_outcome``)."""
        if not isinstance(subject, Candle):
            return
        stream = subject.stream
        tracked = self._tracked.get(stream)
        if tracked is None:
            return
        if outcome == "confirmed":
            tracked.owner.confirmed(subject)
            _confirmed(tracked, subject)
        elif outcome == "returned":
            tracked.owner.undelivered(subject)

    def settled(self, stream: Stream) -> None:
        """What is to be compared with REST has become less."""
        tracked = self._tracked.get(stream)
        if tracked is not None:
            tracked.moved = True

    # --- writing ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what has moved, for ever."""
        await keep_flushed(self.flush, FLUSH_S, "checkpoints")

    async def flush(self) -> None:
        """Write what has moved.

        Raises:
            RedisAway: what was not written is written the next time.
        """
        async with self._writing:
            moves = self._moves()
            if not moves:
                return
            try:
                written = await self._checkpoints.write(moves)
            except BaseException:  # of a call that is cancelled nobody knows what it did
                self._moved(move.stream for move in moves)
                raise
            self._settle(moves, written.refused)
            if written.forgotten:
                self._forgotten(written.forgotten)

    def _moves(self) -> list[Move]:
        now_s = machine_s()
        moves = []
        for stream, tracked in self._tracked.items():
            if not tracked.moved:
                continue
            leaves = tracked.may_leave(now_s)
            # Until it may leave it is looked at again at every flush.
            tracked.moved = tracked.leaves_by_s is not None and not leaves
            kept = self._kept(stream, tracked)
            moves.append(Move(stream, tracked.holder, kept, leaves, tracked.whole))
        return moves

    def _kept(self, stream: Stream, tracked: _Tracked) -> Checkpoint:
        kept = tracked.checkpoint
        left = tracked.leaves_by_s is not None
        pending = tracked.left if left else tracked.owner.unsettled(stream)
        unsettled = tuple(candle for candle in pending if candle.end_ms <= kept.next_ms)
        return Checkpoint(kept.next_ms, kept.last, unsettled)

    def _moved(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            tracked = self._tracked.get(stream)
            if tracked is not None:
                tracked.moved = True

    def _settle(self, moves: Iterable[Move], refused: Iterable[Stream]) -> None:
        others = set(refused)
        fenced: defaultdict[Owner, set[Stream]] = defaultdict(set)
        for move in moves:
            tracked = self._tracked.get(move.stream)
            if tracked is None or tracked.holder != move.holder:
                continue
            if move.leaves:
                del self._tracked[move.stream]
                if not move.whole:
                    tracked.owner.left(move.stream)
            elif move.stream in others:
                del self._tracked[move.stream]
                fenced[tracked.owner].add(move.stream)
        for owner, streams in fenced.items():
            owner.fenced(streams)
        if others:
            logger.bind(streams=len(others), for_example=next(iter(others)).key).warning(
                "streams are another's now, let go of"
            )

    def _forgotten(self, streams: tuple[Stream, ...]) -> None:
        """Redis has lost what was kept: everything that is held here is put back."""
        known = [stream for stream in streams if stream in self._tracked]
        if known:
            logger.bind(streams=len(self._tracked)).warning(
                "redis has lost checkpoints, they are put back"
            )
            self._moved(self._tracked)


def _confirmed(tracked: _Tracked, candle: Candle) -> None:
    tracked.moved = True
    next_ms = tracked.checkpoint.next_ms
    if (candle.end_ms <= tracked.doubted_ms) == (candle.revision > 0):
        counts = candle.end_ms >= next_ms
    else:
        # A correction moves nothing on, but the next empty interval repeats its close.
        counts = candle.revision > 0 and candle.end_ms == next_ms
    if counts:
        tracked.checkpoint = Checkpoint(candle.end_ms, candle)
