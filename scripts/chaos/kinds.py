"""The kinds of faults there are, as data: how often, how long, and how long they may be felt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from common.fleet.directory import LOOK_S as LIST_LOOK_S
from common.fleet.directory import MAX_AGE_S as LIST_AGE_S

# What a fault is done to. An ``exchange`` is one market of one exchange, ``net`` all ways to them,
# ``account`` what one of the exchanges tells of its accounts.
Family = Literal["exchange", "net", "worker", "rabbit", "redis", "account"]
Choice = str | int | float | bool

LEASE_TTL_S = 6.0
# What a stream without a checkpoint begins with, when Redis has lost its data.
LOOK_BACK_S = 300.0


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of fault. Machine seconds.

    Attributes:
        weight: how often it is drawn, against the others.
        lasts_s: least and most time until it is healed; (0, 0) is over at once.
        felt_s: how long after it is healed the fleet may need to notice and to be whole again. No
            fault begins so late that this would reach beyond the end.
        rest_s: how long its target is spared by others of its family afterwards.
        most: how often at most; None: as often as it is drawn.
        how: its parameters, one of each is drawn.
    """

    family: Family
    weight: int
    lasts_s: tuple[float, float] = (0.0, 0.0)
    felt_s: float = 20.0
    rest_s: float = 0.0
    most: int | None = None
    how: Mapping[str, tuple[Choice, ...]] = {}


def _exchange(weight: int, **rest: object) -> Kind:
    return Kind(family="exchange", weight=weight, **rest)  # type: ignore[arg-type]


def _refused(weight: int, status: int) -> Kind:
    how = {"status": (status,), "retry_after_s": (1, 2, 4)}
    return _exchange(weight, lasts_s=(3, 8), felt_s=40, how=how)


_SPOILS = ("not_json", "truncated", "unknown_type", "missing_field", "wrong_type", "binary")

# Without a word from the peer, a connection is probed after a minute.
_UNNOTICED_S = 110.0
# A listing is seen when the list of instruments is fetched again, and fetching it may fail.
LISTED_S = LIST_AGE_S + LIST_LOOK_S + 90.0
# Heartbeats of RabbitMQ's are missed for 45 s before a connection is given up.
_HEARTBEATS_S = 90.0

_ON_EXCHANGES: Mapping[str, Kind] = {
    "cut": _exchange(8),
    "close": _exchange(6, how={"code": (1000, 1001, 1008, 1011, 1012, 1013, 4000)}),
    "freeze": _exchange(2, felt_s=_UNNOTICED_S),
    "delay": _exchange(4, lasts_s=(4, 15), how={"ms": (200, 800, 2_500)}),
    "duplicate": _exchange(5, how={"frames": (1, 5, 40)}),
    "reorder": _exchange(5, how={"frames": (2, 6, 20)}),
    "garble": _exchange(8, how={"spoil": _SPOILS, "frames": (1, 3, 8), "insert": (True, False)}),
    "garble_huge": _exchange(1, most=1, how={"insert": (True,)}),
    "shutdown": _exchange(4, lasts_s=(1, 5)),
    "refuse_403": _refused(2, 403),
    "refuse_418": _refused(2, 418),
    "refuse_429": _refused(2, 429),
    "ban": _exchange(1, lasts_s=(4, 10), felt_s=40),
    "rest_429": _exchange(
        2, lasts_s=(3, 10), felt_s=40, how={"status": (429,), "retry_after_s": (1, 3)}
    ),
    "rest_5xx": _exchange(2, lasts_s=(3, 12), felt_s=40, how={"status": (500, 502, 503)}),
    "silence": _exchange(3, lasts_s=(4, 40), felt_s=40),
    "reject": _exchange(2, lasts_s=(8, 30), felt_s=40),
    "list": _exchange(2, felt_s=LISTED_S + 30, most=6),
}

_ON_THE_NET: Mapping[str, Kind] = {
    "net_cut": Kind(family="net", weight=2, rest_s=5),
    "net_freeze": Kind(family="net", weight=2, lasts_s=(1, 6), rest_s=5),
    "net_slow": Kind(
        family="net", weight=2, lasts_s=(3, 10), rest_s=2, how={"delay_s": (0.1, 0.4)}
    ),
    "net_half_open": Kind(family="net", weight=2, felt_s=_UNNOTICED_S),
}

_ON_WORKERS: Mapping[str, Kind] = {
    "kill": Kind(family="worker", weight=6, felt_s=40, rest_s=8),
    "pause_long": Kind(
        family="worker", weight=3, lasts_s=(2 * LEASE_TTL_S, 3.5 * LEASE_TTL_S), felt_s=40, rest_s=8
    ),
    "pause_short": Kind(family="worker", weight=3, lasts_s=(0.3, 2), rest_s=2),
    "restart": Kind(family="worker", weight=2, felt_s=45, rest_s=8),
}

_ON_RABBIT: Mapping[str, Kind] = {
    "rabbit_kill": Kind(family="rabbit", weight=2, lasts_s=(0, 4), felt_s=45, rest_s=20),
    "rabbit_restart": Kind(family="rabbit", weight=1, lasts_s=(0, 3), felt_s=45, rest_s=20),
    "rabbit_alarm": Kind(family="rabbit", weight=2, lasts_s=(2, 8), felt_s=30, rest_s=6),
    "rabbit_close": Kind(family="rabbit", weight=2, felt_s=30, rest_s=6),
    "rabbit_cut": Kind(family="rabbit", weight=2, felt_s=30, rest_s=6),
    "rabbit_freeze": Kind(family="rabbit", weight=2, lasts_s=(2, 8), felt_s=30, rest_s=5),
    "rabbit_half_open": Kind(
        family="rabbit", weight=1, lasts_s=(3, 10), felt_s=_HEARTBEATS_S, rest_s=10
    ),
    "rabbit_slow": Kind(
        family="rabbit", weight=1, lasts_s=(3, 10), rest_s=3, how={"delay_s": (0.05, 0.3)}
    ),
}

_ON_REDIS: Mapping[str, Kind] = {
    "redis_kill": Kind(family="redis", weight=2, lasts_s=(0, 8), felt_s=40, rest_s=8),
    "redis_wipe": Kind(family="redis", weight=1, lasts_s=(0, 2), felt_s=60, rest_s=20, most=1),
    "redis_cut": Kind(family="redis", weight=2, rest_s=4),
    "redis_freeze": Kind(family="redis", weight=1, lasts_s=(1, 7), felt_s=30, rest_s=5),
    "redis_half_open": Kind(family="redis", weight=1, lasts_s=(3, 8), felt_s=30, rest_s=6),
    "redis_slow": Kind(
        family="redis", weight=1, lasts_s=(3, 10), rest_s=2, how={"delay_s": (0.05, 0.2)}
    ),
}

# What an exchange fails to tell is found by the next comparison with REST.
_COMPARED_S = 45.0
# An account that is refused is parked by then, and new credentials come after that.
PARKED_S = (60.0, 75.0)


def _refused_account(**how: tuple[Choice, ...]) -> Kind:
    return Kind(family="account", weight=1, lasts_s=PARKED_S, felt_s=_COMPARED_S, most=2, how=how)


ON_ACCOUNTS: Mapping[str, Kind] = {
    "miss_events": Kind(family="account", weight=6, felt_s=_COMPARED_S, how={"events": (1, 4, 20)}),
    "repeat_events": Kind(family="account", weight=4, how={"events": (1, 5, 40)}),
    "reorder_events": Kind(
        family="account", weight=4, felt_s=_COMPARED_S, how={"events": (2, 6, 20)}
    ),
    "delay_events": Kind(
        family="account",
        weight=3,
        lasts_s=(3, 12),
        felt_s=_COMPARED_S,
        how={"ms": (200, 900, 2_500)},
    ),
    "silence_account": Kind(family="account", weight=3, felt_s=_COMPARED_S),
    "expire_access": Kind(
        family="account", weight=4, felt_s=_COMPARED_S, how={"told": (True, False)}
    ),
    # Behind alone: what happens keeps the market's time, and who has believed a clock that is ahead asks
    # only for what is later than that.
    "skew_clock": Kind(
        family="account", weight=1, lasts_s=(10, 25), felt_s=_COMPARED_S, how={"s": (-8, -35)}
    ),
    "revoke_key": _refused_account(),
    "take_permission": _refused_account(permission=("read",)),
    "take_address": _refused_account(),
}

# Those of candles alone.
KINDS: Mapping[str, Kind] = {
    **_ON_EXCHANGES,
    **_ON_THE_NET,
    **_ON_WORKERS,
    **_ON_RABBIT,
    **_ON_REDIS,
}

# What happens when everything happens at once.
AT_ONCE = ("net_cut", "kill", "rabbit_kill", "redis_kill", "rest_5xx", "refuse_429", "garble")

ALL_KINDS: Mapping[str, Kind] = {**KINDS, **ON_ACCOUNTS}
