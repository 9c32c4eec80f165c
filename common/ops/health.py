"""The verdict on a fleet. Pure: records, plan and time in, verdict out.

It is ``ok`` only if every wanted shard has exactly one owner that has reported lately and says that
every stream of it is live, heard within its cadence; if every worker runs, fenced, with both
engines; and if the plan itself is known and without a problem. Everything else has a reason that
names who, what and for how long. What is not known is not ok.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from common.model.streams import ROLES, SERVED
from common.ops.records import RabbitState, ShardRecord, WorkerRecord

# ok: all of it flows. starting: nothing is wrong but that workers are not up yet. degraded: not
# everything flows. unknown: the verdict itself cannot be had.
Status = Literal["ok", "starting", "degraded", "unknown"]

# Workers report three times per lease: two reports may be late before it is told.
_FRESH_SHARE_OF_TTL = 2 / 3
# A worker whose clock is ahead by more would look fresh for ever.
_CLOCK_AHEAD_MS = 5_000
MOST_REASONS = 100

NO_ACCOUNTS: Mapping[str, int] = {}


class WantedShard(Struct, frozen=True):
    """A shard of the plan.

    ``silence_s`` is how long it may be silent, None where silence is legal (the session then tells
    by other means, and says ``stale``).
    """

    key: str
    streams: int
    silence_s: float | None = None

    @property
    def channel(self) -> str:
        """The third word of ``exchange:market:channel:index``."""
        return self.key.split(":")[2]


class Health(Struct, frozen=True, rename="camel"):
    """The verdict. ``reasons`` is empty exactly if ``status`` is ok; ``notes`` change nothing."""

    status: Status
    reasons: tuple[str, ...]
    workers: tuple[WorkerRecord, ...]
    wanted: int = 0
    flowing: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that is wanted flows."""
        return self.status == "ok"


def unknown(reason: str, workers: Sequence[WorkerRecord] = ()) -> Health:
    """The verdict where there can be none."""
    return Health("unknown", (reason,), tuple(workers))


def verdict(
    records: Sequence[WorkerRecord],
    plan_shards: Sequence[WantedShard],
    now_ms: int,
    ttl_s: float,
    problems: Sequence[str] = (),
    notes: Sequence[str] = (),
    accounts: Mapping[str, int] = NO_ACCOUNTS,
) -> Health:
    """The verdict on these workers, given what is wanted and what is wrong with the plan.

    ``accounts``: how many are wanted of each market (``binance:spot``).
    """
    late = [_lateness(record, now_ms, ttl_s) for record in records]
    fresh = [record for record, reason in zip(records, late, strict=True) if reason is None]
    starting = [f"{record.label} is starting" for record in fresh if record.state == "starting"]
    faults = [reason for reason in late if reason is not None]
    faults += [reason for record in fresh for reason in _engines(record)]
    faults += list(problems)
    faults += list(_coverage(fresh, plan_shards)) if fresh or late else ["no worker has reported"]
    if not plan_shards and not problems and not accounts:
        faults.append("nothing is wanted: the plan has no shard")
    parked, faulty = account_reasons(fresh, accounts)
    faults += faulty
    owners = _owners(fresh)
    flowing = 0
    for wanted in plan_shards:
        reasons = list(_shard(wanted, owners.get(wanted.key, ()), now_ms))
        flowing += not reasons
        faults += reasons
    status: Status = "starting" if starting else "ok"
    if faults and not _only_starting(fresh, late):
        status = "degraded"
    elif faults:
        status = "starting"
    bounded = _bounded([*starting, *faults])
    told = _bounded([*notes, *parked])
    return Health(status, bounded, tuple(records), len(plan_shards), flowing, told)


def _only_starting(fresh: Sequence[WorkerRecord], late: Sequence[str | None]) -> bool:
    """Whether there are workers, and all of them are on their way up."""
    up = all(record.state == "starting" for record in fresh)
    return bool(fresh) and up and not any(late)


def _lateness(record: WorkerRecord, now_ms: int, ttl_s: float) -> str | None:
    age_ms = now_ms - record.updated_ms
    if age_ms < -_CLOCK_AHEAD_MS:
        return f"{record.label}'s clock is {-age_ms / 1000:.1f} s ahead of this one"
    if age_ms > ttl_s * 1000 * _FRESH_SHARE_OF_TTL:
        return f"{record.label} has not reported for {age_ms / 1000:.1f} s"
    return None


_MEANS: Mapping[RabbitState, str] = {
    "stalled": ": what must arrive is not confirmed",
    "refusing": " closed candles: the buffer is full",
}


def _engines(record: WorkerRecord) -> Iterator[str]:
    if record.redis != "ok":
        yield f"{record.label}: Redis is {record.redis}"
    if record.rabbit != "ok":
        yield f"{record.label}: RabbitMQ is {record.rabbit}{_MEANS.get(record.rabbit, '')}"
    if record.returned:
        were = "was" if record.returned == 1 else "were"
        thing = "account event" if record.role == "user" else "closed candle"
        events = f"{_count(record.returned, thing)} {were} returned by RabbitMQ"
        yield f"{record.label}: {events}: no queue is bound"


def _coverage(fresh: Sequence[WorkerRecord], wanted: Sequence[WantedShard]) -> Iterator[str]:
    """Channels that no worker of the fleet would take on: nobody is late, nobody will come."""
    there = {record.role for record in fresh}
    channels = sorted({shard.channel for shard in wanted})
    for channel in channels:
        if there.isdisjoint(role for role in ROLES if channel in SERVED[role]):
            shards = sum(shard.channel == channel for shard in wanted)
            yield f"no worker serves channel {channel}, wanted by {_count(shards, 'shard')}"


_Owners = Mapping[str, Sequence[tuple[WorkerRecord, ShardRecord]]]


def _owners(fresh: Sequence[WorkerRecord]) -> _Owners:
    owners: dict[str, list[tuple[WorkerRecord, ShardRecord]]] = {}
    for record in fresh:
        for shard in record.shards:
            owners.setdefault(shard.shard, []).append((record, shard))
    return owners


def _shard(
    wanted: WantedShard, owners: Sequence[tuple[WorkerRecord, ShardRecord]], now_ms: int
) -> Iterator[str]:
    """What keeps a wanted shard from flowing."""
    key = wanted.key
    if not owners:
        yield f"{key} has no owner"
        return
    if len(owners) > 1:
        rivals = " and ".join(f"{worker.label} (epoch {own.epoch})" for worker, own in owners)
        yield f"{key} is claimed by {rivals}"
    worker, own = max(owners, key=lambda owner: owner[1].epoch)
    if not own.fenced:
        yield f"{key} streams unfenced on {worker.label}"
    because = f" ({own.reasons[0]})" if own.reasons else ""
    # By the owner's last report, which is fresh: what came since then is in the next one.
    age_s = own.last_frame_age_s
    heard = "no frame yet" if age_s is None else f"no frame for {age_s:.0f} s"
    silent = wanted.silence_s is not None and (age_s is None or age_s > wanted.silence_s)
    if own.state == "stale" or (own.state == "live" and silent):
        yield f"{key} stale: {heard}{because}"
    elif own.state != "live":
        for_s = max(0, now_ms - own.since_ms) / 1000
        yield f"{key} is {own.state} on {worker.label} for {for_s:.0f} s{because}"
    yield from _streams(wanted, own)


def _streams(wanted: WantedShard, own: ShardRecord) -> Iterator[str]:
    """Streams of a shard that do not flow although its connection may."""
    key = wanted.key
    rejected = max(own.rejected_count, len(own.rejected))
    stale = max(own.stale_count, len(own.stale))
    for word, count, names in (
        ("rejected by the exchange", rejected, own.rejected),
        ("stale", stale, own.stale),
    ):
        if count:
            some = f": {', '.join(names[:3])}" if names else ""
            yield f"{key}: {_count(count, 'stream')} {word}{some}{', …' if count > 3 else ''}"
    if own.state != "live":
        return
    if own.live + own.quiet + rejected + stale < own.streams:
        yield f"{key}: {own.live} of {_count(own.streams, 'stream')} live"
    if own.streams < wanted.streams:
        yield f"{key}: its owner carries {own.streams} of {_count(wanted.streams, 'wanted stream')}"


def account_reasons(
    fresh: Sequence[WorkerRecord], wanted: Mapping[str, int]
) -> tuple[list[str], list[str]]:
    """What is to be known of accounts, and what is wrong with them; none is named.

    A parked account waits for its owner to mend its key: the fleet does all it can.
    """
    notes, faults = [], []
    if wanted and all(record.role != "user" for record in fresh):
        return [], [f"no worker serves accounts, {sum(wanted.values())} are wanted"]
    for place in sorted(wanted):
        reports = [one for record in fresh for one in record.accounts if one.place == place]
        states, troubles = Counter[str](), Counter[str]()
        for one in reports:
            states.update(one.states)
            troubles.update(one.troubles)
        why = ", ".join(f"{word} {count}" for word, count in sorted(troubles.items()))
        because = f" ({why})" if why else ""
        if states["parked"]:
            notes.append(f"{place}: {_count(states['parked'], 'account')} parked{because}")
        missing = wanted[place] - states["live"] - states["parked"]
        if missing > 0:
            owned = sum(one.owned for one in reports)
            oldest_s = max((one.oldest_s for one in reports), default=0.0)
            faults.append(
                f"{place}: {missing} of {_count(wanted[place], 'account')} not live{because}; "
                f"{owned} owned, the oldest waits for {oldest_s:.0f} s"
            )
    return notes, faults


def _bounded(reasons: Sequence[str]) -> tuple[str, ...]:
    if len(reasons) <= MOST_REASONS:
        return tuple(reasons)
    return (*reasons[:MOST_REASONS], f"and {len(reasons) - MOST_REASONS} more")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
