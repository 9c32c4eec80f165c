"""What a duplicate may come from (DESIGN P4), and when RabbitMQ cannot be spoken to. Pure.

Three causes only: an owner that died or lost an engine between a confirm and its checkpoint, an
owner that was cut off while another took over, and a publish whose confirm was lost. Each kind of
fault that can bring one about is a line of ``CAUSES``; the other kinds explain nothing. A duplicate
is explained if one fault fits in every respect:

- *when, one of the earlier copies*: not earlier than ``reach_s`` before the fault (what was confirmed
  longer ago has long been checkpointed), nor later than shortly after it was healed, or, where
  RabbitMQ held then what it was sent, after it let go of it;
- *when, the copy that came again*: after the fault began, at most ``after_s`` after it was healed, or
  after whoever was hit could have a successor (``ownerless``); later only if nothing new has been said
  since the earlier copy: the next owner goes on where that one was, as late as it can;
- *whose*: where a worker was hit, it owned the stream when it published the earlier copy, or, where
  it was only paused, it published the later one when it woke. Who owned a stream under an epoch is
  sampled from the fleet's records; an epoch too short-lived to be seen is not held against it;
- *by another owner*: a copy under the same epoch can only be a publish whose confirm was lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Literal, Protocol

from msgspec import Struct

from scripts.chaos.carried import Carried
from scripts.chaos.kinds import LEASE_TTL_S, LOOK_BACK_S

# Exchange, market and epoch to the processes that were seen to own streams there under it.
Owners = Mapping[tuple[str, str, int], frozenset[int]]
# From when to when, by the wall in ms.
Stretches = Sequence[tuple[float, float]]

# From a death until its leases have run out and were claimed, by a worker that had to start first.
_SUCCEEDS_S = LEASE_TTL_S + 9.0
# That, the longest wait between attempts to connect, and backfilling.
RECOVERY_S = 60.0
# Until a message has gone through a busy broker that writes it to disk, and the consumer is back.
ARRIVES_S = 10.0
# Three heartbeats of RabbitMQ's, after which a dead connection is given up.
HEARTBEATS_S = 45.0
# From an outage's end until workers are connected and what waited has left.
RECONNECTED_S = 35.0


class Copy(Protocol):
    """A message as it came: of a candle, or of an account."""

    @property
    def body(self) -> Mapping[str, Any]:
        """What it says."""

    @property
    def epoch(self) -> int:
        """Of the owner that sent it."""

    @property
    def arrived_ms(self) -> int:
        """When it came, by the wall."""


class Cause(Struct, frozen=True):
    """How a kind of fault makes duplicates.

    ``lingers_s``: it is felt so long after it was healed. ``repeats_s``: what is published so long after
    may have to be published again.
    """

    why: Literal["owner died", "owner cut off", "engine lost", "confirm lost"]
    reach_s: float = 10.0
    after_s: float = RECOVERY_S
    lingers_s: float = 0.0
    repeats_s: float = 0.0

    @property
    def by_another(self) -> bool:
        """Whether the second copy is another owner's."""
        return self.why != "confirm lost"


# Counted from when it could have a successor.
_OWNER_DIED = Cause("owner died", after_s=RECOVERY_S - _SUCCEEDS_S)
_CONFIRM_LOST = Cause("confirm lost", reach_s=5.0)
# Until the next owner lives long enough to publish from the checkpoint that was not moved.
_ENGINE_LOST = Cause("engine lost", after_s=1.5 * RECOVERY_S)

CAUSES: Mapping[str, Cause] = {
    "kill": _OWNER_DIED,
    "restart": _OWNER_DIED,  # only if it had to be killed
    "pause_long": Cause("owner cut off"),
    "rabbit_kill": _CONFIRM_LOST,
    "rabbit_restart": _CONFIRM_LOST,
    "rabbit_close": _CONFIRM_LOST,
    "rabbit_cut": _CONFIRM_LOST,
    "rabbit_half_open": Cause("confirm lost", reach_s=5.0, after_s=RECOVERY_S + HEARTBEATS_S),
    "redis_kill": _ENGINE_LOST,
    "redis_cut": _ENGINE_LOST,
    "redis_freeze": _ENGINE_LOST,
    # The wires that were half open stay so: each is found out by a call that is not answered.
    "redis_half_open": Cause("engine lost", after_s=1.5 * RECOVERY_S, lingers_s=15.0),
    # Without checkpoints, a bounded look-back is published again: by as many owners as it takes until
    # one of them keeps it long enough to say it once more, which is when it counts (decision 0008).
    "redis_wipe": Cause(
        "engine lost",
        reach_s=LOOK_BACK_S + RECOVERY_S,
        after_s=3 * RECOVERY_S,
        repeats_s=RECOVERY_S,
    ),
}

# As long as these last nobody can claim a lease.
_NO_CLAIMS = ("redis_kill", "redis_cut", "redis_freeze", "redis_half_open", "redis_wipe")
# From an outage of Redis until a tick has found out that it is back, and claimed.
_ENGINE_BACK_S = 12.0

# As long as these last, what is sent is kept, and arrives afterwards.
HOLDS = ("rabbit_alarm", "rabbit_freeze")

# As long as these last, and so long after, nothing that is said arrives.
MUTE_S: Mapping[str, float] = {
    "rabbit_kill": RECONNECTED_S,
    "rabbit_restart": RECONNECTED_S,
    "rabbit_alarm": ARRIVES_S,
    "rabbit_close": RECONNECTED_S,
    "rabbit_cut": RECONNECTED_S,
    "rabbit_freeze": ARRIVES_S,
    "rabbit_half_open": RECONNECTED_S + HEARTBEATS_S,
}


def explained(
    before: Sequence[Copy],
    again: Copy,
    carried: Sequence[Carried],
    owners: Owners,
    gaps: Stretches,
    *,
    new_ms: float = inf,
) -> str | None:
    """The cause of a duplicate, for people; None if there is none. ``before``: its earlier copies.

    Of one of them a checkpoint or a confirm was lost; there may have been others before it. ``gaps``:
    see ``ownerless``. ``new_ms``: when something new was said last of the stream.
    """
    for one in carried:
        cause = CAUSES.get(one.fault.kind)
        if cause is None or not one.hit:
            continue
        arrived_by_ms = _arrived_by_ms(one, cause, carried)
        suspects = (copy for copy in before if copy.arrived_ms <= arrived_by_ms)
        over_ms = _succeeded_ms(one, cause, gaps) + cause.after_s * 1000
        if cause.by_another and new_ms <= before[-1].arrived_ms + cause.reach_s * 1000:
            over_ms = inf
        if not one.from_ms <= again.arrived_ms <= over_ms:
            continue
        if any(_fits(cause, one, copy, again, owners) for copy in suspects):
            return f"{cause.why}: {one.fault}"
    return None


def _fits(cause: Cause, one: Carried, before: Copy, again: Copy, owners: Owners) -> bool:
    if one.fault.kind == "restart" and not one.killed:
        return False
    if cause.by_another and before.epoch == again.epoch:
        return False
    if before.arrived_ms < one.from_ms - cause.reach_s * 1000:
        return False
    if not one.pids or _may_have_owned(one.pids, before, owners):
        return True
    woke = cause.why == "owner cut off" and again.arrived_ms >= one.to_ms
    return woke and _may_have_owned(one.pids, again, owners)


def _succeeded_ms(one: Carried, cause: Cause, gaps: Stretches) -> float:
    """When the fault was over, and whoever was hit by it could have a successor that lives."""
    if cause.why not in ("owner died", "engine lost"):
        return one.to_ms
    return max((to for at, to in gaps if at <= one.to_ms <= to), default=one.to_ms)


def _arrived_by_ms(one: Carried, cause: Cause, carried: Sequence[Carried]) -> float:
    """When all has arrived that was published under a fault."""
    by_ms = one.to_ms + (ARRIVES_S + cause.lingers_s + cause.repeats_s) * 1000
    held = (o for o in carried if o.fault.kind in HOLDS and o.from_ms <= by_ms <= o.to_ms)
    return max((other.to_ms + ARRIVES_S * 1000 for other in held), default=by_ms)


def _may_have_owned(pids: Sequence[int], copy: Copy, owners: Owners) -> bool:
    known = owners.get((copy.body["exchange"], copy.body["market"], copy.epoch))
    return known is None or bool(known.intersection(pids))


def mute(carried: Sequence[Carried]) -> list[tuple[float, float]]:
    """The stretches, by the wall in ms, in which nothing that is said arrives; none overlap."""
    stretches = sorted(
        (one.from_ms, one.to_ms + MUTE_S[one.fault.kind] * 1000)
        for one in carried
        if one.fault.kind in MUTE_S
    )
    return _joined(stretches)


def ownerless(carried: Sequence[Carried]) -> list[tuple[float, float]]:
    """The stretches in which a worker was dead and nobody could have succeeded it yet.

    A successor claims when the dead worker's leases have run out (it may have to start first); where
    it cannot, as soon as Redis can be spoken to again; and it may die itself.
    """
    outages = sorted(
        (one.from_ms, one.to_ms + (_ENGINE_BACK_S + CAUSES[one.fault.kind].lingers_s) * 1000)
        for one in carried
        if one.fault.kind in _NO_CLAIMS
    )
    deaths = sorted(
        (one.from_ms, one.to_ms + _SUCCEEDS_S * 1000)
        for one in carried
        if one.killed or one.fault.kind == "restart"
    )
    stretches = []
    for died_ms, succeeded_ms in _joined(deaths):
        until_ms = succeeded_ms
        for from_ms, to_ms in outages:
            if from_ms <= until_ms and to_ms > died_ms:
                until_ms = max(until_ms, to_ms)
        stretches.append((died_ms, until_ms))
    return _joined(stretches)


def _joined(stretches: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for from_ms, to_ms in stretches:
        if joined and from_ms <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_ms))
        else:
            joined.append((from_ms, to_ms))
    return joined
