"""Fair shares: which free shards a worker may claim, and which of its own it gives back. Pure.

**Groups.** A worker whose role is one channel serves only that; the others serve all. For
each channel that both kinds serve, the water level is found at which all workers would carry the
same, and the shards of the channel are split along it: the first of them, in an order that all
processes agree on, belong to the specialists, the rest to the generalists. Every shard that
somebody may serve thus belongs to exactly one group, and every worker to one.

**The rule**, inside a group. The load of a worker is the weight of its shards (the number of
their streams, at least 1); ``fair`` is the weight of the group's shards through its workers.

- It may claim free shards as long as they fit below fair, its highest rendezvous score first. What
  fits nobody is the lightest worker's, one at a time.
- It gives back a shard s while load - weight(s) >= fair, its lowest score first: never below fair.
- If nothing is free and it is not over fair by a whole shard, a worker above fair gives one back if
  the lightest would carry less with it than the giver does now: what is left is evened out, by the
  heaviest of those who can.
- What is not its group's, or wanted by nobody any more, it gives back at once.

**It ends.** Let the wanted shards and the workers stand still. A shard outside its group is given
back once and never returns. Inside a group a shard s of weight w moves from worker i to worker j,
and L_j + w < L_i, whichever rule it moves by: either L_i - w >= fair > L_j; or L_i > fair, and j has
room for it below fair, or is the lightest. The sum of the squares of all loads changes by

    (L_i - w)^2 + (L_j + w)^2 - L_i^2 - L_j^2  =  -2w ((L_i - w) - L_j)  <  0

Loads are whole numbers, so the sum falls by at least one each time, and it cannot fall below zero.
(The giver is left with no less than the one that takes: it does not take s back.)

**Nothing stays free.** While a shard of a group is free, the loads of its workers add up to less
than the group's weight, so the lightest of them is below fair and may claim it. In the end every
shard has an owner, and who is above fair would carry no more than the lightest without any one of its
shards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from hashlib import blake2b
from typing import NamedTuple

from common.model.streams import SERVED, Channel, Role, Shard

Weights = Mapping[Shard, int]
Workers = Mapping[str, Role]
# Who has which shard, by Redis; the free ones are missing.
Holders = Mapping[Shard, str]


class Share(NamedTuple):
    """What a worker's group has to carry, through its workers."""

    shards: frozenset[Shard]
    weight: int
    workers: int

    def reaches(self, load: int) -> bool:
        """Whether ``load >= fair``; in whole numbers, so that all processes agree."""
        return load * self.workers >= self.weight

    def is_below(self, load: int) -> bool:
        """Whether ``fair < load``."""
        return self.weight < load * self.workers


def to_claim(
    me: str, mine: Collection[Shard], held: Holders, weights: Weights, members: Workers
) -> list[Shard]:
    """Free shards for ``me`` to claim now, in this order: wanted, not mine, and held by nobody.

    First those that fit below the fair share; only if none does, one that goes beyond it, and only
    if nobody is lighter. Ask again after claiming, until the answer is empty. ``members`` are the
    live workers that take shards, ``me`` included: who is not among them (a worker that is
    draining) claims nothing.
    """
    if me not in members:
        return []
    share = share_of(me, weights, members)
    free = share.shards.difference(mine, held)
    wanted = sorted(free, key=lambda shard: -score(me, shard))
    load = _load(share.shards.intersection(mine), weights)
    fitting = []
    for shard in wanted:
        if (load + weights[shard]) * share.workers <= share.weight:
            fitting.append(shard)
            load += weights[shard]
    if fitting or share.reaches(load):
        return fitting
    carried = _carried_beside(me, share, held, weights, members)
    others = map(sum, carried)
    return wanted[:1] if load <= min(others, default=load) else []


def to_give_back(
    me: str, mine: Collection[Shard], held: Holders, weights: Weights, members: Workers
) -> list[Shard]:
    """Shards for ``me`` to give back now, in this order. None if nobody counts ``me``."""
    if me not in members:
        return []
    share = share_of(me, weights, members)
    given = sorted(shard for shard in mine if shard not in share.shards)
    kept = sorted(share.shards.intersection(mine), key=lambda shard: score(me, shard))
    load = _load(kept, weights)
    for shard in kept:
        if share.reaches(load - weights[shard]):
            given.append(shard)
            load -= weights[shard]
    if given or share.shards.difference(mine, held) or not share.is_below(load):
        return given
    carried = _carried_beside(me, share, held, weights, members)
    lightest = min(map(sum, carried), default=load)
    heavier = (each for each in carried if sum(each) > load)
    if any(lightest + min(each) < sum(each) for each in heavier):
        return []
    return [shard for shard in kept if lightest + weights[shard] < load][:1]


def _carried_beside(
    me: str, share: Share, held: Holders, weights: Weights, members: Workers
) -> list[list[int]]:
    """What the others of the same group carry of it, shard by shard."""
    carried: dict[str, list[int]] = {
        worker: [] for worker, role in members.items() if role == members[me] and worker != me
    }
    for shard in share.shards.intersection(held):
        if held[shard] in carried:
            carried[held[shard]].append(weights[shard])
    return list(carried.values())


def uncovered(weights: Weights, members: Workers) -> frozenset[Channel]:
    """Channels that are wanted and that no worker serves."""
    served = {channel for role in members.values() for channel in SERVED[role]}
    return frozenset(shard.channel for shard in weights if shard.channel not in served)


def score(worker: str, shard: Shard) -> int:
    """How much a shard leans to a worker (rendezvous)."""
    name = f"{worker} {shard.key}".encode()
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big")


def share_of(me: str, weights: Weights, members: Workers) -> Share:
    """The share that ``me`` takes part in."""
    served = SERVED[members[me]]
    specialists = _specialists(members)
    generalists = len(members) - specialists.total()
    totals: Counter[Channel] = Counter()
    for shard, weight in weights.items():
        totals[shard.channel] += weight
    level = _level(totals, specialists, generalists)
    shards: set[Shard] = set()
    for channel in served:
        of_channel = frozenset(shard for shard in weights if shard.channel == channel)
        first = of_channel
        if generalists:
            first = _first(of_channel, weights, level * specialists[channel])
        shards |= first if len(served) == 1 else of_channel - first
    workers = specialists[served[0]] if len(served) == 1 else generalists
    return Share(frozenset(shards), _load(shards, weights), workers)


def _specialists(members: Workers) -> Counter[Channel]:
    """How many workers serve one channel and nothing else, by channel."""
    return Counter(SERVED[role][0] for role in members.values() if len(SERVED[role]) == 1)


def _level(
    totals: Mapping[Channel, int], specialists: Counter[Channel], generalists: int
) -> Fraction:
    """The load at which all workers stand equal, but for specialists short of work.

    Specialists whose whole channel does not fill them up to the level take all of it and are out
    of the reckoning; that raises the level for the others, so none comes back in. Without
    generalists there is nothing to level.
    """
    if not generalists:
        return Fraction(0)
    filling = dict(totals)
    while True:
        workers = generalists + sum(specialists[channel] for channel in filling)
        level = Fraction(sum(filling.values()), workers)
        short = [k for k, total in filling.items() if total < specialists[k] * level]
        if not short:
            return level
        for channel in short:
            del filling[channel]


def _first(shards: Iterable[Shard], weights: Weights, target: Fraction) -> frozenset[Shard]:
    """The specialists' part of a channel that generalists share: as near to ``target`` as it goes.

    At least one shard where there are specialists (``target`` is above zero): who was started for
    a channel shall not stand idle beside it.
    """
    if not target:
        return frozenset()
    first: list[Shard] = []
    load = 0
    for shard in sorted(shards, key=lambda shard: score("specialists", shard)):
        if first and 2 * load + weights[shard] > 2 * target:
            break
        first.append(shard)
        load += weights[shard]
    return frozenset(first)


def _load(shards: Iterable[Shard], weights: Weights) -> int:
    return sum(weights[shard] for shard in shards)
