"""Which faults happen when: a pure function of the seed, so that a run can be had again.

Faults begin in the first part of a run; the last part is quiet, so that recovery can end. The times
are spread evenly with a jitter; now and then several begin together, and at least once everything
does. A run that is long enough sees every kind. What a fault picks (a socket, a symbol) is a share
of what there is when it happens: the schedule knows no world, and can be printed without one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from msgspec import Struct

from scripts.chaos.kinds import ALL_KINDS, AT_ONCE, KINDS, Choice, Family, Kind

# The quiet end, as a share of the run, and what it is at least.
QUIET_SHARE = 0.2
QUIET_AT_LEAST_S = 45.0
# Candles that ended so shortly before the end of a run are not asked for.
SETTLED_S = 15.0
# One moment of faults every so often; short runs have so many all the same.
EVERY_S = 2.7
MOMENTS_AT_LEAST = 20
# The share of the moments at which there is more than one fault, and how many more there are.
BURST_SHARE = 0.1
BURST = 2
# Everything happens at once so often, evenly spread.
AT_ONCE_EVERY_S = 240.0

Places = Sequence[tuple[str, str]]


class Fault(Struct, frozen=True, rename="camel", kw_only=True):
    """One fault, ``at_s`` after the start and healed ``lasts_s`` later (0: over at once).

    ``target`` is ``exchange:market``, ``worker 2``, or the family. ``pick`` in [0, 1) says which of
    the sockets or symbols there are then.
    """

    number: int
    at_s: float
    kind: str
    target: str
    lasts_s: float
    pick: float
    how: Mapping[str, Choice]

    @property
    def family(self) -> Family:
        """What it is done to."""
        return ALL_KINDS[self.kind].family

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        how = "".join(f" {name}={value}" for name, value in self.how.items())
        return f"#{self.number} {self.at_s:.1f} s {self.kind} {self.target}{lasts}{how}"


def quiet_s(duration_s: float) -> float:
    """How long the end of a run is without new faults."""
    return max(QUIET_AT_LEAST_S, QUIET_SHARE * duration_s)


def make_schedule(
    seed: int,
    duration_s: float,
    places: Places,
    workers: int,
    kinds: Mapping[str, Kind] = KINDS,
) -> tuple[Fault, ...]:
    """The faults of a run, in the order in which they happen.

    Args:
        seed: another seed is another schedule.
        duration_s: of the run, its quiet end included.
        places: exchange and market of what is streamed.
        workers: how many there are.
        kinds: what can happen.
    """
    return _Maker(Random(f"chaos {seed}"), duration_s, places, workers, kinds).make()


class _Maker:
    def __init__(
        self,
        rng: Random,
        duration_s: float,
        places: Places,
        workers: int,
        kinds: Mapping[str, Kind],
    ) -> None:
        self._rng = rng
        self._kinds = kinds
        self._active_s = duration_s - quiet_s(duration_s)
        self._end_s = duration_s - SETTLED_S
        self._places, self._workers = sorted(places), workers
        self._counts: Counter[str] = Counter()
        # Stretches in which a target is taken, the rest it is given included.
        self._taken: dict[str, list[tuple[float, float]]] = {}
        self._faults: list[Fault] = []

    def make(self) -> tuple[Fault, ...]:
        moments = self._moments()
        self._all_at_once()
        self._each_kind_once(moments)
        for at_s in moments:
            more = BURST if self._rng.random() < BURST_SHARE else 0
            for _ in range(1 + more):
                self._any(at_s)
        ordered = sorted(self._faults, key=lambda fault: (fault.at_s, fault.number))
        return tuple(_renumbered(number, fault) for number, fault in enumerate(ordered, start=1))

    def _moments(self) -> list[float]:
        count = max(int(self._active_s / EVERY_S), MOMENTS_AT_LEAST)
        slot_s = max(self._active_s, 0.0) / count
        return [round((slot + self._rng.random()) * slot_s, 2) for slot in range(count)]

    def _all_at_once(self) -> None:
        times = max(1, int(self._active_s / AT_ONCE_EVERY_S))
        for time in range(times):
            at_s = round(self._active_s * (time + self._rng.uniform(0.3, 0.5)) / times, 2)
            for kind in AT_ONCE:
                self._place(kind, at_s)

    def _each_kind_once(self, moments: Sequence[float]) -> None:
        """What is felt longest comes first: it has the fewest places to be."""
        for kind in sorted(self._kinds, key=lambda kind: -self._kinds[kind].felt_s):
            if not self._counts[kind]:
                for at_s in self._rng.sample(moments, len(moments)):
                    if self._place(kind, at_s):
                        break

    def _any(self, at_s: float) -> None:
        """A kind by its weight, of those that have room here."""
        left = {kind: rules.weight for kind, rules in self._kinds.items()}
        while left:
            kind = self._rng.choices(list(left), list(left.values()))[0]
            if self._place(kind, at_s):
                return
            del left[kind]

    def _place(self, kind: str, at_s: float) -> bool:
        """Let it happen, if there is time for it, and a target that is left alone then."""
        rules = self._kinds[kind]
        lasts_s = round(self._rng.uniform(*rules.lasts_s), 2)
        if rules.most is not None and self._counts[kind] >= rules.most:
            return False
        if at_s + lasts_s > self._active_s or at_s + lasts_s + rules.felt_s > self._end_s:
            return False
        until_s = at_s + lasts_s + rules.rest_s
        targets = [one for one in self._targets(rules.family) if self._free(one, at_s, until_s)]
        if not targets:
            return False
        target = self._rng.choice(targets)
        self._taken.setdefault(target, []).append((at_s, until_s))
        self._counts[kind] += 1
        self._faults.append(
            Fault(
                number=len(self._faults),
                at_s=at_s,
                kind=kind,
                target=target,
                lasts_s=lasts_s,
                pick=self._rng.randrange(10_000) / 10_000,
                how={name: self._rng.choice(choices) for name, choices in rules.how.items()},
            )
        )
        return True

    def _targets(self, family: Family) -> list[str]:
        match family:
            case "exchange" | "account":
                return [f"{exchange}:{market}" for exchange, market in self._places]
            case "worker":
                return [f"worker {index}" for index in range(self._workers)]
            case _:
                return [family]

    def _free(self, target: str, from_s: float, to_s: float) -> bool:
        """An exchange bears everything at once; of a process or a wire, one thing at a time."""
        if ":" in target:
            return True
        taken = self._taken.get(target, ())
        # Over at once is not free: what has no length would fit at the beginning of anything.
        return all(start != from_s and (to_s <= start or end <= from_s) for start, end in taken)


def _renumbered(number: int, fault: Fault) -> Fault:
    return Fault(
        number=number,
        at_s=fault.at_s,
        kind=fault.kind,
        target=fault.target,
        lasts_s=fault.lasts_s,
        pick=fault.pick,
        how=fault.how,
    )
