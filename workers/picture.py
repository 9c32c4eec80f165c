"""The fleet as Redis tells of it at one moment: its workers, what is wanted, what is wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from common.exchanges.registry import EXCHANGES
from common.fleet.account_record import AccountRecord
from common.fleet.members import Member
from common.fleet.plan import Plan
from common.fleet.sharding import Problem
from common.model.streams import Shard
from common.ops import health, records
from common.ops.health import Health, WantedShard
from common.ops.records import WorkerRecord


class Picture(Struct, frozen=True):
    """``problems`` are somebody's to mend, ``notes`` are only to be known."""

    records: tuple[WorkerRecord, ...] = ()
    wanted: tuple[WantedShard, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    accounts: Mapping[str, int] = {}

    def verdict(self, now_ms: int, ttl_s: float) -> Health:
        """What to think of it at ``now_ms`` (wall)."""
        return health.verdict(
            self.records, self.wanted, now_ms, ttl_s, self.problems, self.notes, self.accounts
        )


def picture(
    members: Sequence[Member],
    plan: Plan,
    from_settings: Collection[str],
    wanted: tuple[WantedShard, ...] | None = None,
    accounts: Iterable[AccountRecord] = (),
) -> Picture:
    """The picture of these members and this plan.

    ``from_settings`` are the patterns that the operator wrote; ``wanted`` what ``wanted_of`` made of
    the same plan before, if it did; ``accounts`` those that are to be streamed.
    """
    found, unreadable = _read(members)
    told = [f"{problem.subject}: {problem.detail}" for problem in plan.problems]
    faults = [_is_fault(problem, from_settings) for problem in plan.problems]
    broken = [text for text, fault in zip(told, faults, strict=True) if fault]
    return Picture(
        found,
        wanted_of(plan) if wanted is None else wanted,
        (*unreadable, *broken),
        tuple(text for text, fault in zip(told, faults, strict=True) if not fault),
        Counter(f"{account.exchange}:{account.market}" for account in accounts),
    )


def wanted_of(plan: Plan) -> tuple[WantedShard, ...]:
    """The shards of a plan as health wants them."""
    return tuple(map(_wanted, plan.shards, map(len, plan.shards.values())))


def _read(members: Sequence[Member]) -> tuple[tuple[WorkerRecord, ...], list[str]]:
    """The workers' records, and a reason for each that is none."""
    found, unreadable = [], []
    for member in members:
        try:
            found.append(records.decode(bytes(member.record)))
        except msgspec.DecodeError as error:
            unreadable.append(f"{member.worker_id}'s record cannot be read: {error}")
    return tuple(found), unreadable


def _is_fault(problem: Problem, from_settings: Collection[str]) -> bool:
    """Whether somebody has to act, rather than know.

    A halted symbol has nothing to say. What a command asked for was listed then: an exchange that
    delists it later leaves nothing to mend. A pattern of the settings may be a mistake in them.
    """
    if problem.kind == "not_trading":
        return False
    return problem.kind not in ("unknown_symbol", "no_match") or problem.subject in from_settings


def _wanted(shard: Shard, streams: int) -> WantedShard:
    rules = EXCHANGES[shard.exchange].markets[shard.market].channels[shard.channel]
    trade_driven = rules.cadence.kind == "trade-driven"
    return WantedShard(shard.key, streams, None if trade_driven else rules.cadence.stall_s)
