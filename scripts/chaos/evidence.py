"""What a run has brought to light, and the verdict on it, as data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from common.clocks import MarketClock
from scripts.chaos.carried import Carried
from scripts.chaos.causes import Owners
from scripts.chaos.consumer import Delivery
from scripts.quick.compare import Body

CLOSED, STATUS = "candle.closed.v1", "stream.status.v1"
# What is kept of each kind of fault; a run in which all is lost shall not fill the memory.
MOST_REASONS = 1_000


class Evidence(Struct, frozen=True, kw_only=True):
    """What a run has brought to light.

    Attributes:
        deliveries: every message, in the order it came.
        truth: the true candles of every stream that is owed or delivered, from ``asked_from`` on.
        owed_from_ms: market time from which on a stream owes, whenever the first of it came; for
            every stream that is wanted.
        carried: the faults.
        owners: who owned what.
        started_ms, ended_ms: when the faults began, and when the run was over.
    """

    deliveries: Sequence[Delivery]
    truth: Mapping[str, Sequence[Body]]
    owed_from_ms: Mapping[str, int]
    carried: Sequence[Carried]
    owners: Owners
    clock: MarketClock
    started_ms: int
    ended_ms: int


@dataclass
class Verdict:
    """The counts, and the first reasons of each."""

    streams: int = 0
    expected: int = 0
    delivered: int = 0
    missing: int = 0
    wrong: int = 0
    out_of_order: int = 0
    duplicated: int = 0
    duplicated_unexplained: int = 0
    revised: int = 0
    revised_alike: int = 0
    repeated_otherwise: int = 0
    reached_back: int = 0
    unsaid: int = 0
    rejected: int = 0
    max_recovery_s: float = 0.0
    slowest: str = ""
    reasons: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def blame(self, kind: str, reason: str) -> None:
        """Count one fault."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.note(kind, reason)

    def note(self, kind: str, reason: str) -> None:
        """Keep a reason, if there are not too many already."""
        if len(self.reasons[kind]) < MOST_REASONS:
            self.reasons[kind].append(reason)

    @property
    def clean(self) -> bool:
        """Whether there is nothing to blame."""
        faults = (self.missing, self.wrong, self.out_of_order, self.duplicated_unexplained)
        return not (any(faults) or self.unsaid)


def stream_of(body: Body) -> str:
    """The key of the stream that a candle or a status belongs to."""
    place = f"{body['exchange']}:{body['market']}"
    return f"{place}:candle:{body['symbol']}:{body['interval']}"


def asked_from(
    deliveries: Iterable[Delivery], owed_from_ms: Mapping[str, int], clock: MarketClock,
    started_ms: int,
) -> dict[str, int]:  # fmt: skip
    """Market time from which on each stream owes; it owes each bar that ends after it."""
    from_ms = dict(owed_from_ms)
    for one in deliveries:
        if one.kind == CLOSED:
            at_ms = one.body["startMs"]
        elif _is_first_live(one, started_ms):
            at_ms = _market_ms(clock, one.body["eventMs"])
        else:
            continue
        stream = stream_of(one.body)
        from_ms[stream] = min(at_ms, from_ms.get(stream, at_ms))
    return from_ms


def _is_first_live(one: Delivery, started_ms: int) -> bool:
    body = one.body
    is_candle = one.kind == STATUS and body["channel"] == "candle"
    return bool(is_candle and body["state"] == "live" and body["eventMs"] <= started_ms)


def _market_ms(clock: MarketClock, wall_ms: int) -> int:
    return int(clock.anchor_ms + (wall_ms - clock.anchor_ms) * clock.speed)
