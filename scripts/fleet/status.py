"""``status``: every worker and every shard, and what keeps the fleet from being well."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from common.clocks import wall_ms
from common.ops.health import Health, WantedShard
from common.ops.records import ShardRecord, WorkerRecord
from config.settings import Settings
from scripts.fleet.command import Command, as_json, of_fleet
from scripts.fleet.seen import look
from scripts.fleet.text import table
from workers.picture import Picture, picture

WORKERS = (
    "worker", "role", "host", "pid", "state", "redis", "rabbit", "shards", "streams", "reported",
)  # fmt: skip
SHARDS = (
    "shard", "owner", "epoch", "state", "streams", "live", "quiet", "behind", "last frame", "why",
)  # fmt: skip
ACCOUNTS = ("accounts of", "owner", "owned", "live", "others", "why", "longest")


async def _told(asked: Namespace, settings: Settings) -> str:
    """The fleet as its workers reported it, as text or as JSON.

    Raises:
        RedisAway: it cannot be asked.
    """
    seen = await look(settings)
    from_settings = frozenset(pattern.key for pattern in settings.streams)
    now_ms = wall_ms()
    found = picture(seen.members, seen.plan, from_settings, accounts=seen.accounts)
    health = found.verdict(now_ms, settings.lease_ttl_s)
    if asked.json:
        wanted = [{"shard": shard.key, "streams": shard.streams} for shard in found.wanted]
        return as_json({"health": health, "wanted": wanted})
    workers = [_worker(record, now_ms) for record in found.records]
    return "\n".join(
        (
            table(WORKERS, workers) if workers else "no worker\n",
            table(SHARDS, _shards(found)),
            *((table(ACCOUNTS, accounts),) if (accounts := list(_accounts(found))) else ()),
            _verdict(health),
        )
    )


def _worker(record: WorkerRecord, now_ms: int) -> tuple[str, ...]:
    age_s = max(0, now_ms - record.updated_ms) / 1000
    return (
        record.label,
        record.role,
        record.host,
        str(record.pid),
        record.state,
        record.redis,
        record.rabbit,
        str(len(record.shards)),
        str(sum(shard.streams for shard in record.shards)),
        f"{age_s:.1f} s ago",
    )


def _shards(found: Picture) -> Iterator[tuple[str, ...]]:
    """Wanted and owned ones alike: what is only one of the two stands out."""
    wanted = {shard.key: shard for shard in found.wanted}
    owners: dict[str, list[tuple[str, ShardRecord]]] = {key: [] for key in wanted}
    for record in found.records:
        for shard in record.shards:
            owners.setdefault(shard.shard, []).append((record.label, shard))
    for key, owned in sorted(owners.items()):
        yield from (_owned(label, shard, wanted.get(key)) for label, shard in owned)
        if not owned:
            yield (key, "nobody", "", "", str(wanted[key].streams), "", "", "", "", "no owner")


def _accounts(found: Picture) -> Iterator[tuple[str, ...]]:
    """How the accounts of each market stand at each owner; none is named."""
    for record in found.records:
        for one in record.accounts:
            others = {state: count for state, count in one.states.items() if state != "live"}
            yield (
                one.place,
                record.label,
                str(one.owned),
                str(one.states.get("live", 0)),
                ", ".join(f"{count} {state}" for state, count in sorted(others.items())),
                ", ".join(f"{count} {why}" for why, count in sorted(one.troubles.items())),
                f"{one.oldest_s:.0f} s" if one.oldest_s else "",
            )


def _owned(owner: str, shard: ShardRecord, wanted: WantedShard | None) -> tuple[str, ...]:
    age = "none yet" if shard.last_frame_age_s is None else f"{shard.last_frame_age_s:.1f} s ago"
    why = [
        *([] if shard.fenced else ["unfenced"]),
        *([] if wanted is not None else ["not wanted"]),
        *([f"{shard.rejected_count} rejected"] if shard.rejected_count else []),
        *([f"{shard.stale_count} stale"] if shard.stale_count else []),
        *shard.reasons[:1],
    ]
    numbers = (shard.streams, shard.live, shard.quiet, shard.behind)
    return (
        shard.shard,
        owner,
        str(shard.epoch),
        shard.state,
        *map(str, numbers),
        age,
        "; ".join(why),
    )


def _verdict(health: Health) -> str:
    lines = [f"{health.status}: {health.flowing} of {health.wanted} shards flow"]
    lines += [f"- {reason}" for reason in health.reasons]
    lines += [f"note: {note}" for note in health.notes]
    return "\n".join(lines) + "\n"


COMMAND = Command(
    "status",
    "every worker and shard as last reported, and what keeps the fleet from being well",
    of_fleet(_told),
)
