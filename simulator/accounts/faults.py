"""What can go wrong with accounts on demand, beside the faults of sockets.

Each names an account, or all of an exchange's where it names none. Faults of events (miss, repeat,
reorder, delay) hit what is pushed, never the truth nor what REST tells.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from simulator.accounts.keys import Permission

_Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class _AccountFault(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True
):
    exchange: str
    account: str | None = None


class MissEvents(_AccountFault, frozen=True, tag="missEvents", kw_only=True):
    """The next events are never sent."""

    events: _Count = 1


class RepeatEvents(_AccountFault, frozen=True, tag="repeatEvents", kw_only=True):
    """The next events are sent twice."""

    events: _Count = 1


class ReorderEvents(_AccountFault, frozen=True, tag="reorderEvents", kw_only=True):
    """The next events are swapped in pairs; the last one may wait for another, or for ``heal``."""

    events: _Count = 2


class DelayEvents(_AccountFault, frozen=True, tag="delayEvents", kw_only=True):
    """Every event is sent this much later (machine time), in its order; 0: as they happen."""

    ms: Annotated[int, Meta(ge=0, le=600_000)]


class SilenceAccount(_AccountFault, frozen=True, tag="silenceAccount"):
    """Who listens now hears no event any more, though all else on the socket goes on."""


class ExpireAccess(_AccountFault, frozen=True, tag="expireAccess", kw_only=True):
    """The listen key, token or subscription of the account ends; ``told``: with its own event."""

    told: bool = False


class RevokeKey(_AccountFault, frozen=True, tag="revokeKey"):
    """The key is deleted. No heal brings it back."""


class TakePermission(_AccountFault, frozen=True, tag="takePermission", kw_only=True):
    """The key may not do this until ``heal``."""

    permission: Permission = "read"


class TakeAddress(_AccountFault, frozen=True, tag="takeAddress"):
    """The key may not be used from here until ``heal``."""


class SkewClock(_AccountFault, frozen=True, tag="skewClock", kw_only=True):
    """The exchange's clock is ahead by so much (behind: below zero), until ``heal``."""

    ms: Annotated[int, Meta(ge=-86_400_000, le=86_400_000)]


EventFault = MissEvents | RepeatEvents | ReorderEvents | DelayEvents
OneAccountsFault = (
    EventFault | SilenceAccount | ExpireAccess | RevokeKey | TakePermission | TakeAddress
)
AccountFault = OneAccountsFault | SkewClock
