"""What a worker says about itself: written to Redis each tick, read by health, metrics and people.

The words are the fleet's own (DESIGN §2); everything is bounded, whatever goes wrong in a shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

WorkerState = Literal["starting", "running", "draining"]
RedisState = Literal["ok", "away"]
# stalled: taken, but not confirmed. refusing: the buffer is full, closed candles find no room.
RabbitState = Literal["ok", "away", "blocked", "stalled", "refusing"]
# The words of the session's life cycle.
SessionState = Literal[
    "idle",
    "dialing",
    "logging_in",
    "subscribing",
    "live",
    "stale",
    "closing",
    "backing_off",
    "parked",
]

# How many names and reasons a record carries; the counts beside them are complete.
MOST_NAMED = 10
_LONGEST_NAME = 200


class ShardRecord(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One shard as its owner sees it.

    ``live`` counts the streams that are (acknowledged, heard, not stale), ``quiet`` those that were
    acknowledged and may be silent until somebody trades. ``last_frame_age_s`` is None before the
    first frame. ``rejected`` and ``stale`` name some of the streams that are, their ``_count`` says
    how many there are. ``lag_ms`` is the market time from the exchange's stamp on the last event to
    its arrival: a way that is long, or clocks that differ. ``behind`` counts the candle streams
    that wait for closed candles fetched by REST, ``behind_ms`` is the longest stretch that one of them
    still has to fetch (market time). ``ends`` counts ended connections by reason, ``unreadable``
    frames that were skipped by kind.
    """

    shard: str
    epoch: int
    state: SessionState
    streams: int
    live: int
    since_ms: int
    quiet: int = 0
    last_frame_age_s: float | None = None
    lag_ms: int | None = None
    reasons: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    rejected_count: int = 0
    stale: tuple[str, ...] = ()
    stale_count: int = 0
    fenced: bool = True
    connects: int = 0
    last_outcome: str | None = None
    frames: int = 0
    events: int = 0
    behind: int = 0
    behind_ms: int = 0
    ends: Mapping[str, int] = {}
    unreadable: Mapping[str, int] = {}


class AccountsRecord(Struct, frozen=True, rename="camel"):
    """The accounts of one market as their owner sees them; none of them is named.

    ``states`` counts them by how they stand (``opening``, ``reconciling``, ``live``, ``waiting``,
    ``parked``), ``troubles`` those that wait or are parked by why. ``oldest_s``: for how long the one
    has not been live that has not been for the longest.
    """

    place: str
    owned: int
    states: Mapping[str, int]
    troubles: Mapping[str, int] = {}
    oldest_s: float = 0.0


class WorkerRecord(Struct, frozen=True, rename="camel"):
    """One worker.

    ``counters`` only grow during a worker's life, ``gauges`` are values of the moment; both are
    named in snake_case with the unit at the end (``published``, ``confirm_age_s``). ``returned``
    counts the closed candles, or account events, that RabbitMQ lately found no queue for.
    """

    worker_id: str
    role: str
    host: str
    pid: int
    started_ms: int
    updated_ms: int
    state: WorkerState
    redis: RedisState
    rabbit: RabbitState
    shards: tuple[ShardRecord, ...] = ()
    accounts: tuple[AccountsRecord, ...] = ()
    counters: Mapping[str, int] = {}
    gauges: Mapping[str, float] = {}
    name: str = ""
    returned: int = 0

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.worker_id


def named(names: Iterable[str]) -> tuple[str, ...]:
    """As many of the names as a record carries, each no longer than it should be."""
    return tuple(name[:_LONGEST_NAME] for name, _ in zip(names, range(MOST_NAMED), strict=False))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(WorkerRecord)


def encode(record: WorkerRecord) -> bytes:
    """A record as it is stored."""
    return _encoder.encode(record)


def decode(body: bytes) -> WorkerRecord:
    """A stored record.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decoder.decode(body)
