"""What accounts have said of themselves, against what was done to them. Pure; times are ms by the wall.

The counts, and when each is not zero:

- accountsUnsaid: a fill was told more than ``LATE_S`` after it happened, and the account had not said by
  then that it is behind (``stale``, ``gap``, ``parked``), although it could have.
- notParked: an account whose key was taken away was not said to be parked, for that reason, before its
  owner gave another, although the key was shown meanwhile, or the account was said to flow all the while.
- parkedForNothing: one was parked whose key nobody has touched.
- askedWhileParked: a key that was taken away was shown again after all that it opens was parked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from common.clocks import MarketClock
from scripts.chaos.carried import Carried
from scripts.chaos.causes import Stretches
from scripts.chaos.consumer import Delivery
from scripts.chaos.evidence import STATUS
from scripts.chaos.statements import Statements
from scripts.quick.account_verdict import AccountVerdict, Body, Told
from scripts.quick.accounts import Opened

# What no socket tells is found by the next comparison with REST but one.
LATE_S = 60.0
# Exchanges that tell all refusals in the same words leave it at the first of these.
CODES: Mapping[str, frozenset[str]] = {
    "revoke_key": frozenset({"key"}),
    "take_permission": frozenset({"key", "permission"}),
    "take_address": frozenset({"key", "address"}),
}
# What was asked when it was parked is answered by then.
UNDER_WAY_S = 3.0
# Until new credentials have come to whoever streams the account.
GIVEN_S = 30.0
# What was refused is known by all as long as Redis knows it: it could not be told, or was lost.
_AWAY = ("redis_kill", "redis_cut", "redis_freeze", "redis_half_open")


def words_of(deliveries: Sequence[Delivery]) -> Mapping[str, Sequence[Body]]:
    """The ``stream.*`` messages of every account."""
    said: defaultdict[str, list[Body]] = defaultdict(list)
    for one in deliveries:
        if one.kind == STATUS and one.body["channel"] == "account" and not one.own:
            said[one.body["symbol"]].append(one.body)
    return said


def judge_lateness(
    verdict: AccountVerdict, one: Opened, told: Sequence[Told], said: Sequence[Body],
    truth: Body, clock: MarketClock, quiet: Stretches,
) -> None:  # fmt: skip
    """Whether fills that came late were said to. ``quiet``: when nothing can be said, or arrives."""
    statements = Statements(said, quiet)
    happened_ms = {
        (fill["orderId"], fill["tradeId"]): fill["timeMs"]
        for fill in truth["fills"]
        if fill["market"] == one.market
    }
    for message in told:
        body = message.body
        if body["eventType"] != "fill":
            continue
        market_ms = happened_ms.pop((body["orderId"], body["tradeId"]), None)
        if market_ms is None:
            continue
        at_ms = clock.anchor_ms + (market_ms - clock.anchor_ms) / clock.speed
        late_ms = at_ms + LATE_S * 1000
        if message.arrived_ms > late_ms and not statements.so(at_ms, late_ms, message.arrived_ms):
            after_s = (message.arrived_ms - at_ms) / 1000
            reason = f"{message.message_id} came {after_s:.1f} s late without a word"
            verdict.blame("accounts_unsaid", _place(one), f"{one.account_id}: {reason}")


def judge_parking(
    verdict: AccountVerdict,
    opened: Collection[Opened],
    said: Mapping[str, Sequence[Body]],
    carried: Sequence[Carried],
) -> None:
    """Whether those whose keys were taken away were parked, they alone, and left alone."""
    refused = [one for one in carried if one.fault.kind in CODES and one.hit]
    for one in opened:
        ours = [fault for fault in refused if fault.account == one.name]
        for word in said.get(one.account_id, ()):
            if word["state"] == "parked" and not any(_covers(fault, word) for fault in ours):
                why = f"{word.get('code')}: {word.get('reason')}"
                verdict.blame("parked_for_nothing", _place(one), f"{one.account_id}: {why}")
    for fault in refused:
        markets = [one for one in opened if one.name == fault.account]
        words = [said.get(one.account_id, ()) for one in markets]
        parked_ms = [_parked_ms(fault, each) for each in words]
        # Whose key it was that was shown, nobody knows: those who were parked had shown it.
        shown = fault.shown_ms >= fault.from_ms and not any(parked_ms)
        for one, since_ms, each in zip(markets, parked_ms, words, strict=True):
            if since_ms is None and (shown or _flowed(fault, each)):
                lasted_s = (fault.to_ms - fault.from_ms) / 1000
                reason = f"{one.account_id}: no word of it within {lasted_s:.0f} s: {fault.fault}"
                verdict.blame("not_parked", _place(one), reason)
        known_ms = [ms for ms in parked_ms if ms is not None]
        if len(known_ms) == len(markets) > 0 and not _forgotten(fault, known_ms, carried):
            _judge_asked(verdict, fault, markets[0], max(known_ms))


def _parked_ms(fault: Carried, said: Sequence[Body]) -> int | None:
    """When it was said to be parked for that, before its owner gave another key."""
    return next((word["eventMs"] for word in said if _parks(fault, word)), None)


def _flowed(fault: Carried, said: Sequence[Body]) -> bool:
    """Whether it was said to flow for so long that it has to have been compared, and its key shown.

    Else nobody may have known that the key is worth nothing: under other faults none came to show it.
    """
    return Statements(said, ()).longest_flow_ms(fault.from_ms, fault.to_ms) >= LATE_S * 1000


def _judge_asked(verdict: AccountVerdict, fault: Carried, one: Opened, parked_ms: float) -> None:
    after_s = (fault.shown_ms - parked_ms) / 1000
    if after_s > UNDER_WAY_S:
        reason = f"{one.name}: its key was shown {after_s:.1f} s after that: {fault.fault}"
        verdict.blame("asked_while_parked", one.exchange, reason)


def _covers(fault: Carried, word: Body) -> bool:
    return bool(fault.from_ms <= word["eventMs"] <= fault.to_ms + GIVEN_S * 1000)


def _parks(fault: Carried, word: Body) -> bool:
    right = word["state"] == "parked" and word.get("code") in CODES[fault.fault.kind]
    return bool(right and fault.from_ms <= word["eventMs"] <= fault.to_ms)


def _forgotten(fault: Carried, parked_ms: Sequence[int], carried: Sequence[Carried]) -> bool:
    """Whether Redis could not be told of the refusal, or has lost its data since."""
    near_ms = UNDER_WAY_S * 1000
    told_ms = min(parked_ms) - near_ms, max(parked_ms) + near_ms
    since_ms = min(parked_ms), fault.to_ms
    return any(
        (one.fault.kind in _AWAY and one.from_ms <= told_ms[1] and told_ms[0] <= one.to_ms)
        or (
            one.fault.kind == "redis_wipe"
            and since_ms[0] <= one.to_ms
            and one.from_ms <= since_ms[1]
        )
        for one in carried
    )


def _place(one: Opened) -> str:
    return f"{one.exchange} {one.market}"
