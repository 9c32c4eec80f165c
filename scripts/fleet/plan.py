"""``plan``: what is to be streamed, in which shards, by whom, and what stands in the way."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from common.fleet.members import Member, takers
from common.fleet.placement import Weights, Workers, to_claim, to_give_back
from common.fleet.plan import Plan, no_worker
from common.fleet.sharding import Problem
from common.model.streams import ROLES, SERVED, Role, Shard
from common.ops.records import WorkerRecord
from config.settings import Settings
from scripts.fleet.command import Command, as_json, of_fleet
from scripts.fleet.seen import look
from scripts.fleet.text import table
from workers.picture import picture

PLACES = ("exchange", "market", "channel", "streams", "shards")
SHARDS = ("shard", "streams", "served by role", "owner", "will be")
PROBLEMS = ("problem", "of", "detail")
NOBODY = "nobody"


class Line(Struct, frozen=True, rename="camel"):
    """One shard of the plan: who may serve it, who does, and who will when all stands still."""

    shard: str
    streams: int
    roles: tuple[Role, ...]
    owner: str | None
    will_be: str | None

    def row(self) -> tuple[str, ...]:
        """For people."""
        owner, will_be = self.owner or NOBODY, self.will_be or NOBODY
        return (self.shard, str(self.streams), " ".join(self.roles), owner, will_be)


async def _told(asked: Namespace, settings: Settings) -> str:
    """The plan, as text or as JSON.

    Raises:
        RedisAway: it cannot be asked.
    """
    seen = await look(settings)
    found = picture(seen.members, seen.plan, ())
    owners = _owners(found.records, seen.plan)
    will_be = foreseen(owners, seen.plan.weights, takers(seen.members))
    names = _names(found.records, seen.members)
    alarms = no_worker(seen.plan, takers(seen.members))
    shards = [
        Line(
            shard.key,
            len(streams),
            tuple(role for role in ROLES if shard.channel in SERVED[role]),
            names.get(owners.get(shard, "")),
            names.get(will_be.get(shard, "")),
        )
        for shard, streams in seen.plan.shards.items()
    ]
    if asked.json:
        return as_json({"shards": shards, "problems": [*alarms, *seen.plan.problems]})
    rows = [line.row() for line in shards]
    parts = [table(PLACES, _places(seen.plan)), table(SHARDS, rows)]
    return "\n".join([*parts, _problems(alarms, seen.plan.problems)])


def foreseen(
    owners: Mapping[Shard, str], weights: Weights, workers: Workers
) -> Mapping[Shard, str]:
    """Who owns what when all workers have come to rest, if nothing else changes. Pure.

    ``owners`` and ``workers`` are by worker id. A shard that nobody may serve is left out.
    """
    held = {shard: me for shard, me in owners.items() if shard in weights and me in workers}
    moved = True
    while moved:
        moved = False
        for me in workers:
            mine = [shard for shard, owner in held.items() if owner == me]
            given = to_give_back(me, mine, held, weights, workers)
            taken = [] if given else to_claim(me, mine, held, weights, workers)
            held = {shard: owner for shard, owner in held.items() if shard not in given}
            held |= dict.fromkeys(taken, me)
            moved |= bool(given or taken)
    return held


def _owners(found: Sequence[WorkerRecord], plan: Plan) -> Mapping[Shard, str]:
    """By what workers say is theirs; of two, the one with the higher epoch."""
    wanted = {shard.key: shard for shard in plan.shards}
    claims = sorted(
        (shard.epoch, shard.shard, record.worker_id) for record in found for shard in record.shards
    )
    return {wanted[key]: worker for _, key, worker in claims if key in wanted}


def _names(found: Sequence[WorkerRecord], members: Sequence[Member]) -> Mapping[str, str]:
    ids = {member.worker_id: member.worker_id for member in members}
    return ids | {record.worker_id: record.label for record in found}


def _places(plan: Plan) -> list[tuple[str, ...]]:
    streams: Counter[tuple[str, ...]] = Counter()
    shards: Counter[tuple[str, ...]] = Counter()
    for shard, carried in plan.shards.items():
        place = (shard.exchange, shard.market, shard.channel)
        streams[place] += len(carried)
        shards[place] += 1
    return [(*place, str(streams[place]), str(shards[place])) for place in sorted(streams)]


def _problems(alarms: Sequence[Problem], problems: Sequence[Problem]) -> str:
    lines = [f"ALARM: {alarm.subject} is wanted, and {alarm.detail}\n" for alarm in alarms]
    if problems:
        rows = [(problem.kind, problem.subject, problem.detail) for problem in problems]
        lines.append(table(PROBLEMS, rows))
    return "".join(lines) or "no problem\n"


COMMAND = Command(
    "plan",
    "what is to be streamed, in which shards, by whom, and what stands in the way",
    of_fleet(_told),
)
