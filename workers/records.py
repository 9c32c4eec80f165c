"""What this worker says about itself, read off what it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import isinf

from msgspec import Struct

from common.clocks import machine_s, wall_ms
from common.model.streams import Role
from common.ops.records import (
    MOST_NAMED,
    AccountsRecord,
    RedisState,
    ShardRecord,
    WorkerRecord,
    WorkerState,
    named,
)
from common.session.topics import TopicState, TopicStatus
from workers.broker import Stats, rabbit_state
from workers.owned import OwnedShard
from workers.shards import Shards

# What became of candles: what a feed counts beside skipped frames and refusals.
_VERDICTS = frozenset(
    {
        "open",
        "closed",
        "filled",
        "backfill",
        "held",
        "lost",
        "repeated",
        "late",
        "conflicting",
        "settled",
        "unsettled",
        "revised",
    }
)
# What the pipeline tells that goes up and down; everything else it counts only grows.
_LEVELS = frozenset(
    {
        "unconfirmed",
        "latest_pending",
        "latest_unconfirmed",
        "last_confirm_age_s",
        "durable_waiting_s",
    }
)

# How a stream may stand. One that is heard by one topic is live though another is quiet.
_WORST_FIRST = ("rejected", "stale", "pending", "live", "quiet")


class Identity(Struct, frozen=True):
    """Which worker this is, for its whole life."""

    worker_id: str
    name: str
    role: Role
    host: str
    pid: int
    started_ms: int


def worker_record(
    who: Identity,
    state: WorkerState,
    redis: RedisState,
    stats: Stats,
    returned: int,
    *,
    shards: tuple[ShardRecord, ...] = (),
    accounts: tuple[AccountsRecord, ...] = (),
    counts: Mapping[str, int],
) -> WorkerRecord:
    """The worker as health and people see it. ``stats`` are the pipeline's, ``counts`` its kind's."""
    numbers = {name: number for name, number in stats.items() if type(number) in (int, float)}
    known = {name: number for name, number in numbers.items() if number is not None}
    return WorkerRecord(
        worker_id=who.worker_id,
        name=who.name,
        role=who.role,
        host=who.host,
        pid=who.pid,
        started_ms=who.started_ms,
        updated_ms=wall_ms(),
        state=state,
        redis=redis,
        rabbit=rabbit_state(stats),
        shards=shards,
        accounts=accounts,
        counters={
            **{name: int(number) for name, number in known.items() if name not in _LEVELS},
            **counts,
        },
        gauges={name: number for name, number in known.items() if name in _LEVELS},
        returned=returned,
    )


def shard_record(owned: OwnedShard) -> ShardRecord:
    """One owned shard, as health and people see it."""
    now_s = machine_s()
    session, feed = owned.session, owned.feed
    connection = session.connection
    topics = connection.subscriptions.topics if connection else {}
    # While a session rests, what its last connection knew of its topics says nothing about now.
    groups = _groups(owned, topics) if not session.resting else {}
    rejected, stale = groups.get("rejected", []), groups.get("stale", [])
    heard_s = connection.last_frame_s if connection else None
    holes = [lane.missing for lane in feed.candle_lanes() if lane.missing is not None]
    return ShardRecord(
        shard=owned.shard.key,
        epoch=owned.lease.epoch,
        state=session.state.value,
        streams=feed.streams,
        live=len(groups.get("live", ())),
        quiet=len(groups.get("quiet", ())),
        since_ms=wall_ms() - int((now_s - session.since_s) * 1000),
        last_frame_age_s=None if heard_s is None else round(now_s - heard_s, 3),
        lag_ms=feed.lag_ms,
        reasons=_reasons(owned, topics),
        rejected=named(rejected),
        rejected_count=len(rejected),
        stale=named(stale),
        stale_count=len(stale),
        fenced=owned.lease.fenced(now_s),
        connects=session.dials,
        last_outcome=_last_outcome(owned),
        frames=session.frames,
        events=owned.voice.events,
        behind=len(holes),
        behind_ms=max((hole.to_ms - hole.from_ms for hole in holes), default=0),
        ends=dict(session.ends),
        unreadable={k: n for k, n in feed.counts.items() if k not in _VERDICTS},
    )


def verdict_counts(shards: Shards[OwnedShard]) -> dict[str, int]:
    """What became of all candles here: ``candles_closed``, ``candles_late``, and so on."""
    counts = Counter(shards.past)
    for owned in shards.owned.values():
        counts.update(owned.feed.counts)
    return {f"candles_{word}": counts[word] for word in sorted(_VERDICTS)}


def _groups(owned: OwnedShard, topics: dict[str, TopicStatus]) -> dict[str, list[str]]:
    """The streams of the shard by how they stand: one of many topics as the worst of them."""
    silence_is_legal = owned.session.trade_driven
    words: dict[str, str] = {}
    for topic, status in topics.items():
        word = _word(status, silence_is_legal=silence_is_legal)
        for stream in owned.feed.streams_of(topic):
            # An array speaks for all its symbols, but only those it named have been heard.
            heard = word != "live" or owned.feed.is_live(stream)
            told = (word if heard else "quiet", words.get(stream.key, "quiet"))
            words[stream.key] = min(told, key=_WORST_FIRST.index)
    groups: dict[str, list[str]] = {}
    for key, word in words.items():
        groups.setdefault(word, []).append(key)
    return groups


def _word(status: TopicStatus, *, silence_is_legal: bool) -> str:
    if status.state is TopicState.LIVE:
        return "live"
    if status.state is TopicState.REJECTED:
        return "rejected"
    if status.silent:
        return "stale"
    if status.state is TopicState.ACKED and (silence_is_legal or isinf(status.silence_s)):
        return "quiet"
    return "pending"


def _reasons(owned: OwnedShard, topics: dict[str, TopicStatus]) -> tuple[str, ...]:
    reasons = dict.fromkeys(status.reason for status in topics.values() if status.reason)
    outcome = _last_outcome(owned)
    if owned.session.resting and outcome is not None:
        reasons = {outcome: None, **reasons}
    return named(list(reasons)[:MOST_NAMED])


def _last_outcome(owned: OwnedShard) -> str | None:
    outcome = owned.session.last_outcome
    return None if outcome is None else f"{outcome.cause}: {outcome.detail}"
