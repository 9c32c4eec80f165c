"""The fleet's metrics, as Prometheus reads them, made from the workers' records.

``METRICS`` is the single list of them; the reference page is made from it. Labels are only role,
exchange, market, channel, state and reason: never a symbol, a worker or an account. Every series
of a wanted place is there from the start, at 0, so that alerts on absence and ``rate()`` work.
A counter never falls: what a worker counted stays counted when it is gone (``Totals``).
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from common.ops.health import Health, WantedShard
from common.ops.records import ShardRecord, WorkerRecord

PREFIX = "fleet"
_PLACE = ("exchange", "market", "channel")
# Workers and shards that are gone, remembered so that one that comes back is not counted twice.
MOST_LIVES = 1_000
# Names that a faulty worker could make up.
MOST_SERIES = 1_000
_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")


class About(Struct, frozen=True):
    """One metric of the list."""

    name: str
    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    meaning: str

    @property
    def full_name(self) -> str:
        """As Prometheus shows it."""
        return f"{PREFIX}_{self.name}{'_total' if self.kind == 'counter' else ''}"


METRICS: tuple[About, ...] = (
    About("healthy", "gauge", (), "1 if everything that is wanted flows, else 0."),
    About("known", "gauge", (), "1 if the verdict is one on known facts, 0 if Redis is away."),
    About("reasons", "gauge", (), "How many reasons there are not to be healthy."),
    About("workers", "gauge", ("role", "state"), "Workers that have a record."),
    About("shards_wanted", "gauge", _PLACE, "Shards of the plan."),
    About("shards_owned", "gauge", _PLACE, "Shards that a worker says are its own."),
    About("shards", "gauge", (*_PLACE, "state"), "Owned shards by the state of their session."),
    About("shards_unfenced", "gauge", _PLACE, "Shards that stream on while Redis is away."),
    About("streams_wanted", "gauge", _PLACE, "Streams of the plan."),
    About("streams_live", "gauge", _PLACE, "Streams that flow."),
    About("streams_quiet", "gauge", _PLACE, "Acknowledged streams that nobody has traded yet."),
    About("streams_stale", "gauge", _PLACE, "Streams that have gone silent."),
    About("streams_rejected", "gauge", _PLACE, "Streams that the exchange refuses."),
    About(
        "accounts", "gauge", ("exchange", "market", "state"), "Owned accounts by how they stand."
    ),
    About(
        "account_troubles",
        "gauge",
        ("exchange", "market", "reason"),
        "Accounts that wait or are parked, by why.",
    ),
    About("frame_age_seconds", "gauge", _PLACE, "Age of the last frame of the quietest shard."),
    About("lag_seconds", "gauge", _PLACE, "Market time from an event to its arrival, the worst."),
    About("connects", "counter", _PLACE, "Connections that came about."),
    About("connection_ends", "counter", (*_PLACE, "reason"), "Connections that ended."),
    About("frames", "counter", _PLACE, "Frames received."),
    About("events", "counter", _PLACE, "Events read from frames."),
    About("unreadable", "counter", (*_PLACE, "reason"), "Frames that were skipped, by kind."),
)

_BY_NAME = {about.name: about for about in METRICS}
# Of a series: the metric's name and its label values.
_Series = tuple[str, tuple[str, ...]]


class Totals:
    """Counters of the whole fleet, kept rising while shards move and workers come and go.

    A record tells what a worker, or a worker's shard, has counted so far. What that is more than
    last time is added, as Prometheus would; who is gone keeps what it has added.
    """

    def __init__(self) -> None:
        self._sums: Counter[_Series] = Counter()
        self._seen: OrderedDict[tuple[object, ...], dict[_Series, int]] = OrderedDict()

    def add(self, records: Iterable[WorkerRecord]) -> None:
        """Take in what the records tell now."""
        present = 0
        for record in records:
            life = (record.worker_id, record.started_ms)
            self._grow(life, _worker_counts(record))
            for shard in record.shards:
                self._grow((*life, shard.shard), _shard_counts(shard))
            present += 1 + len(record.shards)
        while len(self._seen) > max(present, MOST_LIVES):
            self._seen.popitem(last=False)

    def series(self, name: str) -> Iterator[tuple[tuple[str, ...], int]]:
        """The series of one metric."""
        return ((labels, sum_) for (of, labels), sum_ in self._sums.items() if of == name)

    @property
    def names(self) -> set[str]:
        """All metrics that were counted."""
        return {name for name, _ in self._sums}

    def _grow(self, life: tuple[object, ...], counts: Mapping[_Series, int]) -> None:
        seen = self._seen.setdefault(life, {})
        self._seen.move_to_end(life)
        for series, count in counts.items():
            if series not in self._sums and len(self._sums) >= MOST_SERIES:
                continue
            before = seen.get(series, 0)
            # Less than before: the same worker took the shard again and counts anew.
            self._sums[series] += count - before if count >= before else count
            seen[series] = count


class Page(Collector):
    """One state of the fleet as metric families."""

    def __init__(self, health: Health, wanted: Sequence[WantedShard], totals: Totals) -> None:
        self._health = health
        self._wanted = wanted
        self._totals = totals

    def text(self) -> bytes:
        """The page in Prometheus' text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """All families; called by the library."""
        gauges = self._gauges()
        for about in METRICS:
            if about.kind == "gauge":
                yield _gauge(about, gauges.get(about.name, {}))
            else:
                zeros = dict.fromkeys(self._places(), 0) if about.labels == _PLACE else {}
                yield _counter(about, zeros | dict(self._totals.series(about.name)))
        for name in sorted(self._totals.names - _BY_NAME.keys()):
            about = About(name, "counter", ("role",), "Counted by the workers of a role.")
            yield _counter(about, dict(self._totals.series(name)))
        yield from self._worker_gauges()

    def _places(self) -> list[tuple[str, ...]]:
        return sorted({_place(shard.key) for shard in self._wanted})

    def _gauges(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """Every gauge's series. What is not known has none: absence is not zero."""
        health = self._health
        if health.status == "unknown":
            about_us = {"healthy": 0.0, "known": 0.0, "reasons": len(health.reasons)}
            return {name: {(): value} for name, value in about_us.items()}
        sums: dict[str, dict[tuple[str, ...], float]] = {
            about.name: dict.fromkeys(self._places(), 0) if about.labels == _PLACE else {}
            for about in METRICS
        }
        sums["healthy"][()] = int(health.ok)
        sums["known"][()] = 1.0
        sums["reasons"][()] = len(health.reasons)
        for wanted in self._wanted:
            _add(sums["shards_wanted"], _place(wanted.key), 1)
            _add(sums["streams_wanted"], _place(wanted.key), wanted.streams)
        for record in health.workers:
            _add(sums["workers"], (record.role, record.state), 1)
            for shard in record.shards:
                _add_shard(sums, shard)
            for accounts in record.accounts:
                place = tuple(accounts.place.split(":", 1))
                for state, count in accounts.states.items():
                    _add(sums["accounts"], (*place, state), count)
                for trouble, count in accounts.troubles.items():
                    _add(sums["account_troubles"], (*place, trouble), count)
        return sums

    def _worker_gauges(self) -> Iterator[Metric]:
        """What workers measure themselves: the sum over a role, or the worst of an age."""
        series: dict[str, dict[tuple[str, ...], float]] = {}
        for record in self._health.workers:
            for name, value in record.gauges.items():
                if not _METRIC_NAME.fullmatch(name) or name in _BY_NAME:
                    continue
                of_role = series.setdefault(f"worker_{name}", {})
                old = of_role.get((record.role,), 0.0)
                of_role[record.role,] = max(old, value) if name.endswith("_s") else old + value
        for name in sorted(series)[:MOST_SERIES]:
            full = re.sub(r"_s$", "_seconds", name)
            yield _gauge(About(full, "gauge", ("role",), "Told by the workers."), series[name])


def reference() -> str:
    """The list of metrics as a Markdown table."""
    rows = [
        f"| `{about.full_name}` | {about.kind} | {', '.join(about.labels) or '–'} | {about.meaning} |"
        for about in METRICS
    ]
    return "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _worker_counts(record: WorkerRecord) -> dict[_Series, int]:
    return {
        (f"worker_{name}", (record.role,)): count
        for name, count in record.counters.items()
        if _METRIC_NAME.fullmatch(name)
    }


def _shard_counts(shard: ShardRecord) -> dict[_Series, int]:
    place = _place(shard.shard)
    counts: dict[_Series, int] = {
        ("connects", place): shard.connects,
        ("frames", place): shard.frames,
        ("events", place): shard.events,
    }
    counts |= {("connection_ends", (*place, why)): n for why, n in shard.ends.items()}
    return counts | {("unreadable", (*place, kind)): n for kind, n in shard.unreadable.items()}


def _add_shard(sums: Mapping[str, dict[tuple[str, ...], float]], shard: ShardRecord) -> None:
    place = _place(shard.shard)
    _add(sums["shards_owned"], place, 1)
    _add(sums["shards"], (*place, shard.state), 1)
    _add(sums["shards_unfenced"], place, 0 if shard.fenced else 1)
    _add(sums["streams_live"], place, shard.live)
    _add(sums["streams_quiet"], place, shard.quiet)
    _add(sums["streams_stale"], place, max(shard.stale_count, len(shard.stale)))
    _add(sums["streams_rejected"], place, max(shard.rejected_count, len(shard.rejected)))
    oldest = sums["frame_age_seconds"].get(place, 0.0)
    sums["frame_age_seconds"][place] = max(oldest, shard.last_frame_age_s or 0.0)
    longest = sums["lag_seconds"].get(place)
    lag_s = (shard.lag_ms or 0) / 1000
    sums["lag_seconds"][place] = lag_s if longest is None else max(longest, lag_s)


def _add(series: dict[tuple[str, ...], float], labels: tuple[str, ...], number: float) -> None:
    series[labels] = series.get(labels, 0) + number


def _place(shard: str) -> tuple[str, ...]:
    """Exchange, market and channel of a shard's name."""
    words = shard.split(":")
    return (words[0], words[1], words[2]) if len(words) > 2 else ("", "", "")


def _gauge(about: About, series: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{about.name}", about.meaning, labels=about.labels)
    for labels, value in sorted(series.items()):
        family.add_metric(labels, value)
    return family


def _counter(about: About, series: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{about.name}", about.meaning, labels=about.labels)
    for labels, value in sorted(series.items()):
        family.add_metric(labels, value)
    return family
