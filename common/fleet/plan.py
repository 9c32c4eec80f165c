"""All that should be streamed, as shards, from the settings and from what is wanted.

Every worker makes the same plan from the same things in Redis and in the settings, so nobody has
to hand it out. ``make_plan`` is pure; ``Planner`` reads what it needs and makes a new plan only
when something has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from common.exchanges.place import Place
from common.exchanges.protocol import Topic
from common.exchanges.registry import EXCHANGES
from common.fleet.buckets import Buckets
from common.fleet.desired import Desired
from common.fleet.directory import Directory, MarketPlace
from common.fleet.placement import Workers, uncovered
from common.fleet.sharding import (
    Catalogs,
    Problem,
    Resolved,
    buckets_needed,
    capacity,
    resolve,
    shards_of,
    topics_of,
)
from common.model.streams import Pattern, Shard, Stream

Topics = Mapping[Place, Mapping[Topic, tuple[Stream, ...]]]


class Plan(Struct, frozen=True):
    """The shards there should be with their streams, and what cannot be served and why."""

    shards: Mapping[Shard, tuple[Stream, ...]] = {}
    problems: tuple[Problem, ...] = ()

    @property
    def weights(self) -> Mapping[Shard, int]:
        """What each shard counts in placement: its streams."""
        return {shard: max(1, len(streams)) for shard, streams in self.shards.items()}


def make_plan(resolved: Resolved, topics: Topics, counts: Mapping[Place, int]) -> Plan:
    """The plan for these topics, each place dealt into its count of buckets. Pure."""
    shards: dict[Shard, tuple[Stream, ...]] = {}
    for place in sorted(topics):
        shards.update(shards_of(place, topics[place], counts[place]))
    return Plan(shards, resolved.problems)


def no_worker(plan: Plan, members: Workers) -> list[Problem]:
    """The alarm that something is wanted and no live worker serves its channel. Pure."""
    return [
        Problem(channel, "no_worker", f"no live worker has the role all or {channel}")
        for channel in sorted(uncovered(plan.weights, members))
    ]


class Left(Struct, frozen=True):
    """Why a stream is streamed no more though nobody took it back."""

    state: Literal["halted", "delisted"]
    reason: str


def left(before: Iterable[Stream], plan: Plan, catalogs: Catalogs) -> Mapping[Stream, Left]:
    """What of ``before`` is not in the plan because its symbol does not trade any more. Pure.

    What is still traded was taken back by whoever wanted it, and is not told. Where the list is not
    known, nothing is.
    """
    planned = {stream for streams in plan.shards.values() for stream in streams}
    found = {}
    for stream in before:
        catalog = catalogs.get((stream.exchange, stream.market))
        if stream in planned or catalog is None:
            continue
        instrument = catalog.get(stream.symbol)
        place = f"{stream.exchange}:{stream.market}"
        if instrument is None:
            found[stream] = Left("delisted", f"{stream.symbol} is not listed on {place} any more")
        elif instrument.trading != "trading":
            state: Literal["halted", "delisted"]
            state = "halted" if instrument.trading == "halted" else "delisted"
            found[stream] = Left(state, f"{stream.symbol} is {instrument.trading} on {place}")
    return found


def needed_buckets(topics: Topics, agreed: Mapping[str, int]) -> Mapping[Place, int]:
    """The count of buckets each place needs, never below what was agreed. Pure."""
    return {
        place: buckets_needed(carried.keys(), capacity(place), agreed.get(place.key, 1))
        for place, carried in topics.items()
    }


class Planner:
    """Makes the plan for one process.

    ``enabled`` are the exchanges of the settings; None means all there are. Who only looks on (the
    health server) gives ``raises=False``: it reckons with the counts there will be, and writes none.
    """

    def __init__(
        self,
        patterns: Iterable[Pattern],
        desired: Desired,
        directory: Directory,
        buckets: Buckets,
        *,
        enabled: Collection[str] | None = None,
        raises: bool = True,
    ) -> None:
        self._patterns = frozenset(patterns)
        self._desired = desired
        self._directory = directory
        self._buckets = buckets
        self._enabled = frozenset(EXCHANGES if enabled is None else enabled)
        self._raises = raises
        self._inputs = _Inputs()
        self._plan = Plan()

    @property
    def latest(self) -> Plan:
        """The plan as last made."""
        return self._plan

    @property
    def markets(self) -> list[MarketPlace]:
        """The markets of the enabled exchanges, whose instruments a plan may need."""
        return [
            (exchange.name, market)
            for exchange in EXCHANGES.values()
            if exchange.name in self._enabled
            for market in exchange.markets
        ]

    async def plan(self) -> Plan:
        """The plan now: the same object as long as nothing has changed.

        Raises:
            RedisAway: ``latest`` is the best there is.
        """
        wants = await self._desired.all()
        catalogs = await self._directory.catalogs(self.markets)
        agreed = await self._buckets.agreed()
        patterns = self._patterns.union(want.pattern for want in wants)
        inputs = _Inputs(patterns, catalogs, agreed)
        if not inputs.same_as(self._inputs):
            # In a thread: the largest plans take seconds, and renewing leases must not wait.
            worked_out = await asyncio.to_thread(_work_out, inputs, self._enabled)
            counts = await self._agreed(worked_out.needed, agreed)
            self._plan = await asyncio.to_thread(
                make_plan, worked_out.resolved, worked_out.topics, counts
            )
            written = {place.key: count for place, count in counts.items() if self._raises}
            self._inputs = _Inputs(patterns, catalogs, {**agreed, **written})
        return self._plan

    async def _agreed(
        self, needed: Mapping[Place, int], agreed: Mapping[str, int]
    ) -> Mapping[Place, int]:
        above = {place: n for place, n in needed.items() if n > agreed.get(place.key, 0)}
        if not above or not self._raises:
            return needed
        return {**needed, **await self._buckets.agree_all(above)}


class _Inputs(Struct, frozen=True):
    """What a plan is made from."""

    patterns: frozenset[Pattern] = frozenset()
    catalogs: Catalogs = {}
    agreed: Mapping[str, int] = {}

    def same_as(self, other: _Inputs) -> bool:
        """Whether nothing changed. A list is replaced as a whole, so identity tells."""
        return (
            self.patterns == other.patterns
            and self.agreed == other.agreed
            and self.catalogs.keys() == other.catalogs.keys()
            and all(self.catalogs[place] is other.catalogs[place] for place in self.catalogs)
        )


class _WorkedOut(Struct, frozen=True):
    """A plan but for the counts that others have a say in."""

    resolved: Resolved
    topics: Topics
    needed: Mapping[Place, int]


def _work_out(inputs: _Inputs, enabled: Collection[str]) -> _WorkedOut:
    resolved = resolve(inputs.patterns, inputs.catalogs, enabled)
    topics = topics_of(resolved.streams)
    return _WorkedOut(resolved, topics, needed_buckets(topics, inputs.agreed))
