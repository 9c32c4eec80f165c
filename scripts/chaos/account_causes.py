"""What a fault may do to accounts: that they are not heard, or that a message comes again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from common.clocks import MarketClock
from scripts.chaos.carried import Carried
from scripts.chaos.causes import CAUSES, Owners, Stretches, explained, ownerless
from scripts.chaos.statements import FLOWS
from scripts.quick.account_judge import Explains
from scripts.quick.account_verdict import Body, Told

# Of an exchange's own faults, those after which an account may not be heard; the others are candles'.
_UNHEARD = frozenset({
    "cut", "close", "freeze", "delay", "garble", "garble_huge", "shutdown", "refuse_403", "refuse_418",
    "refuse_429", "ban", "rest_429", "rest_5xx",
})  # fmt: skip
# So long after it is over a fault is felt by accounts; where nobody is told of it, until they are probed.
_FELT_S = 30.0
_PROBED_S = 75.0
_UNNOTICED = frozenset(
    {"freeze", "net_half_open", "silence_account", "expire_access", "miss_events"}
)
# What was said shortly before, and is confirmed and kept by then.
_KEPT_S = 15.0
# A copy's owner is not asked for: anybody's death explains it.
_ANYBODY: Owners = {}


def felt_by_accounts(carried: Sequence[Carried], users: Collection[str]) -> list[Carried]:
    """The faults that were done to what accounts come by. ``users``: the workers that serve them."""
    return [
        one
        for one in carried
        if one.hit
        and (one.fault.family != "exchange" or one.fault.kind in _UNHEARD)
        and (one.fault.family != "worker" or one.fault.target in users)
    ]


def disturbed(
    felt: Sequence[Carried], exchange: str, name: str, clock: MarketClock
) -> list[tuple[float, float]]:
    """When an account may not have been heard, by the market's time."""

    def market_ms(wall_ms: float) -> float:
        return clock.anchor_ms + (wall_ms - clock.anchor_ms) * clock.speed

    return [
        (market_ms(one.from_ms), market_ms(one.to_ms + felt_s(one) * 1000))
        for one in felt
        if _hits(one, exchange, name)
    ]


def felt_s(one: Carried) -> float:
    """How long an account may go on not being heard when a fault is over."""
    return _PROBED_S if one.fault.kind in _UNNOTICED else _FELT_S


def _hits(one: Carried, exchange: str, name: str) -> bool:
    if one.fault.family not in ("exchange", "account"):
        return True
    return one.fault.target.partition(":")[0] == exchange and one.account in ("", name)


def explains(felt: Sequence[Carried], said: Sequence[Body] = ()) -> Explains:
    """The three causes of DESIGN P4 (``scripts.chaos.causes``), whoever owned the account.

    What was lost with an owner or an engine is told again when the account can be compared: as late as the
    exchange lets it in, and until then it says that it is not live (``said``, its own words).
    """
    gaps: Stretches = ownerless(felt)
    losses = [one for one in felt if one.hit and one.fault.kind in CAUSES]

    def has_cause(before: Sequence[Told], again: Told) -> bool:
        if explained(before, again, felt, _ANYBODY, gaps) is not None:
            return True
        return any(
            any(copy.arrived_ms <= one.to_ms + _KEPT_S * 1000 for copy in before)
            and _is_not_live_since(one, again.arrived_ms, said)
            for one in losses
        )

    return has_cause


def _is_not_live_since(loss: Carried, at_ms: float, said: Sequence[Body]) -> bool:
    """Whether an account has said that it is behind after a loss, and was not live again until then."""
    since = [word for word in said if loss.from_ms <= word["eventMs"] <= at_ms]
    behind_ms = [word["eventMs"] for word in since if word["state"] not in FLOWS]
    live_ms = [word["eventMs"] for word in since if word["state"] == "live"]
    if not behind_ms:
        return False
    again_ms = next((ms for ms in live_ms if ms >= behind_ms[0]), at_ms)
    return at_ms <= again_ms + _KEPT_S * 1000
