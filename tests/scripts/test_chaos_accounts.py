"""How the accounts of a chaos run are judged: by what was done to them, and by what they have said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from common.clocks import MarketClock
from scripts.chaos.account_causes import disturbed, explains, felt_by_accounts, felt_s
from scripts.chaos.account_words import LATE_S, UNDER_WAY_S
from scripts.chaos.accounts import judge_accounts
from scripts.chaos.carried import Carried
from scripts.chaos.consumer import Delivery
from scripts.chaos.evidence import STATUS, Evidence
from scripts.chaos.kinds import ALL_KINDS
from scripts.chaos.schedule import Fault
from scripts.quick.account_verdict import AccountVerdict, Told
from scripts.quick.accounts import Opened
from tests.scripts.told_accounts import BODIES, FILLS, ORDER, T0, counts, truth

SPEED = 20
# Both clocks agree here; the market's runs faster.
CLOCK = MarketClock(speed=SPEED, anchor_ms=T0)
USERS = frozenset({"worker 3", "worker 4"})
MINE = Opened("mine-linear", "mine", "okx", "linear")


def carried(
    kind: str,
    from_s: float,
    to_s: float | None = None,
    *,
    target: str = "",
    hit: str = "it",
    account: str = "",
    shown_s: float = 0.0,
    **how: Any,
) -> Carried:
    family = ALL_KINDS[kind].family
    usual = {"account": "okx:linear", "exchange": "okx:linear", "worker": "worker 3"}
    fault = Fault(
        number=1, at_s=from_s, kind=kind, target=target or usual.get(family, family), lasts_s=0,
        pick=0.5, how=how,
    )  # fmt: skip
    return Carried(
        fault=fault, from_ms=wall(from_s), to_ms=wall(from_s if to_s is None else to_s), hit=hit,
        killed=kind == "kill", account=account, shown_ms=wall(shown_s),
    )  # fmt: skip


def wall(at_s: float) -> int:
    return T0 + int(at_s * 1000)


def delivered(name: str, body: Mapping[str, Any], at_s: float, kind: str = "order.v1") -> Delivery:
    return Delivery(
        kind=kind, message_id=name, body=dict(body), epoch=1, origin="live", arrived_ms=wall(at_s),
        redelivered=False, own=False,
    )  # fmt: skip


def said(state: str, at_s: float, code: str = "") -> Delivery:
    body = {
        "exchange": "okx", "market": "linear", "channel": "account", "symbol": MINE.account_id,
        "state": state, "eventMs": wall(at_s), "epoch": 1, "code": code,
    }  # fmt: skip
    return delivered(f"{state} {at_s}", body, at_s, STATUS)


def judged(
    *words: Delivery,
    faults: tuple[Carried, ...] = (),
    late_s: float = 0.0,
    end: Mapping[str, Any] = BODIES["end"],
    **about: Any,
) -> AccountVerdict:
    """One account of which all was told, ``late_s`` after it happened."""
    happened_s = {f"fill {nth}": (FILLS[nth - 1]["timeMs"] - T0) / 1000 / SPEED for nth in (1, 2)}
    told = [
        delivered(name, body, happened_s.get(name, 0.0) + late_s)
        for name, body in {**BODIES, "end": end}.items()
    ]
    evidence = Evidence(
        deliveries=[*told, *words], truth={}, owed_from_ms={}, carried=faults, owners={}, clock=CLOCK,
        started_ms=T0, ended_ms=wall(300),
    )  # fmt: skip
    return judge_accounts(evidence, [MINE], {"mine": truth(**about)}, USERS)


# --- what was done --------------------------------------------------------------------------


def test_only_what_accounts_come_by_is_felt_by_them() -> None:
    felt = [
        carried("kill", 1),
        carried("redis_kill", 1),
        carried("rabbit_kill", 1),
        carried("net_cut", 1),
        carried("rest_5xx", 1),
        carried("miss_events", 1),
    ]
    others = [
        carried("kill", 1, target="worker 2"),
        carried("silence", 1),
        carried("list", 1),
        carried("cut", 1, hit=""),
    ]
    assert felt_by_accounts([*felt, *others], USERS) == felt


@pytest.mark.parametrize(
    ("fault", "exchange", "name", "is_disturbed"),
    [
        (carried("kill", 10, 11), "okx", "mine", True),
        (carried("cut", 10, 11), "okx", "mine", True),
        (carried("cut", 10, 11), "bybit", "mine", False),
        (carried("miss_events", 10, 11, account="mine"), "okx", "mine", True),
        (carried("miss_events", 10, 11, account="other"), "okx", "mine", False),
        (carried("skew_clock", 10, 11, s=-8), "okx", "mine", True),
        (carried("skew_clock", 10, 11, s=-8), "bybit", "mine", False),
    ],
)
def test_an_account_is_disturbed_by_what_hit_it_as_long_as_that_is_felt(
    fault: Carried, exchange: str, name: str, is_disturbed: bool
) -> None:
    stretch = (T0 + 10_000 * SPEED, T0 + (11 + felt_s(fault)) * 1000 * SPEED)
    assert disturbed([fault], exchange, name, CLOCK) == ([stretch] if is_disturbed else [])


@pytest.mark.parametrize(
    ("fault", "epochs", "has_cause"),
    [
        (carried("kill", 10), (1, 2), True),
        (carried("kill", 10), (1, 1), False),
        (carried("rabbit_cut", 10), (1, 1), True),
        (carried("redis_kill", 10), (1, 2), True),
        (carried("pause_long", 9, 21), (1, 2), True),
        (carried("pause_short", 9, 11), (1, 2), False),
        (carried("kill", 200), (1, 2), False),
        (carried("rest_5xx", 10), (1, 2), False),
        (None, (1, 2), False),
    ],
)
def test_what_comes_again_has_one_of_three_causes(
    fault: Carried | None, epochs: tuple[int, int], has_cause: bool
) -> None:
    place = {"exchange": "okx", "market": "linear"}
    first, again = (
        Told("m", place, wall(at_s), epoch) for at_s, epoch in zip((9.5, 25), epochs, strict=True)
    )
    assert explains([] if fault is None else [fault])([first], again) is has_cause


@pytest.mark.parametrize(
    ("states", "has_cause"),
    [
        ([(12, "stale")], True),
        ([(12, "stale"), (295, "live")], True),
        ([(12, "stale"), (150, "live")], False),
        ([(12, "live")], False),
        ([], False),
    ],
)
def test_what_was_lost_is_told_again_until_the_account_is_live_again(
    states: list[tuple[float, str]], has_cause: bool
) -> None:
    """The exchange lets it in as late as it likes, and until then it says that it is behind."""
    place = {"exchange": "okx", "market": "linear"}
    said = [{"eventMs": wall(at_s), "state": state} for at_s, state in states]
    first, again = Told("m", place, wall(9.5), 1), Told("m", place, wall(300), 2)
    assert explains([carried("redis_wipe", 10)], said)([first], again) is has_cause
    assert not explains([carried("rest_5xx", 10)], said)([first], again)


def test_what_nobody_is_told_of_is_felt_until_it_is_probed() -> None:
    assert felt_s(carried("silence_account", 1)) > felt_s(carried("cut", 1)) > 0


@pytest.mark.parametrize(("unheard", "missing"), [(0, 0), (1, 0), (2, 1), (4, 1)])
def test_something_is_always_going_on_and_excuses_not_all_orders(
    unheard: int, missing: int
) -> None:
    one = Opened("b-spot", "b", "binance", "spot")
    place = {"exchange": "binance", "market": "spot", "accountId": one.account_id}
    orders = [
        {"market": "spot", "order": nth, "orderId": f"o{nth}", "status": "CANCELED", "cumulative": "0",
         "createdMs": T0, "updatedMs": T0 + 1_000}
        for nth in range(4)
    ]  # fmt: skip
    told = [
        delivered(f"{status} {order['orderId']}", {
            **place, "eventType": "executionReport", "orderId": order["orderId"],
            "orderStatus": status, "totalTradeQuantity": "0", "eventTime": T0,
        }, 1.0)
        for order in orders[unheard:]
        for status in ("NEW", "CANCELED")
    ]  # fmt: skip
    evidence = Evidence(
        deliveries=told, truth={}, owed_from_ms={}, carried=[carried("kill", 0)], owners={},
        clock=CLOCK, started_ms=T0, ended_ms=wall(300),
    )  # fmt: skip
    about = {"account": "b", "exchange": "binance", "orders": orders, "fills": [], "balances": [],
             "positions": []}  # fmt: skip
    found = judge_accounts(evidence, [one], {"b": about}, USERS)
    assert (found.orders_unheard, found.orders_missing) == (unheard, missing)


@pytest.mark.parametrize(
    ("early_s", "skews", "wrong"),
    [
        (1.9, (), 0),
        (2.1, (), 1),
        (9.9, (carried("skew_clock", 0, 9, s=-8),), 0),
        (10.1, (carried("skew_clock", 0, 9, s=-8),), 1),
        (9.9, (carried("skew_clock", 0, 9, s=-8, target="bybit:spot"),), 1),
    ],
)
def test_an_end_may_be_inferred_as_early_as_the_exchanges_clock_was_off(
    early_s: float, skews: tuple[Carried, ...], wrong: int
) -> None:
    at_ms = ORDER["updatedMs"] - int(early_s * 1000 * SPEED)
    end = {**BODIES["end"], "inferred": True, "eventTime": at_ms}
    assert judged(faults=skews, end=end).ends_wrong == wrong


# --- what was said --------------------------------------------------------------------------


def test_a_fill_that_comes_in_time_needs_no_word() -> None:
    assert judged(late_s=LATE_S - 1).clean


@pytest.mark.parametrize(
    ("words", "unsaid"),
    [
        ((), 2),
        ((said("live", 0.0),), 2),
        ((said("stale", 5.0),), 0),
        ((said("gap", 5.0),), 0),
        ((said("stale", 5.0), said("live", 6.0)), 0),
        ((said("stale", LATE_S + 2),), 2),
        ((said("gap", LATE_S + 20), said("recovered", LATE_S + 21)), 2),
    ],
)
def test_who_is_behind_has_to_say_so_in_time(words: tuple[Delivery, ...], unsaid: int) -> None:
    found = judged(*words, late_s=LATE_S + 30)
    assert counts(found) == ({"accountsUnsaid": unsaid} if unsaid else {})


def test_while_rabbit_is_away_nobody_can_say_anything() -> None:
    outage = carried("rabbit_kill", LATE_S - 5, LATE_S)
    assert judged(late_s=LATE_S + 30, faults=(outage,)).clean


REVOKED = carried("revoke_key", 10, 80, account="mine", shown_s=40)


def test_whose_key_is_revoked_is_parked_and_left_alone() -> None:
    assert judged(said("parked", 40, "key"), faults=(REVOKED,)).clean


@pytest.mark.parametrize(
    "words",
    [
        (),
        (said("stale", 40, "key"),),
        (said("parked", 40, "transient"),),
        (said("parked", 40, "permission"),),
        (said("parked", 81, "key"),),
    ],
)
def test_whose_key_is_revoked_is_said_to_be_parked_for_that_before_another_is_given(
    words: tuple[Delivery, ...],
) -> None:
    assert counts(judged(*words, faults=(REVOKED,))) == {"notParked": 1}


@pytest.mark.parametrize(
    ("words", "shown_s", "blamed"),
    [
        # It was never let near the exchange, and said so.
        ((said("live", 0), said("stale", 12), said("gap", 40)), 9, False),
        ((said("live", 0), said("stale", 12), said("gap", 40)), 11, True),
        # It should have been compared, and was not.
        ((said("live", 0),), 9, True),
        ((said("gap", 0), said("live", 15), said("stale", 76)), 9, True),
        ((said("gap", 0), said("live", 15), said("stale", 70)), 9, False),
    ],
)
def test_whose_key_nobody_could_show_cannot_be_known_to_be_refused(
    words: tuple[Delivery, ...], shown_s: float, blamed: bool
) -> None:
    fault = carried("revoke_key", 10, 80, account="mine", shown_s=shown_s)
    assert counts(judged(*words, faults=(fault,))) == ({"notParked": 1} if blamed else {})


@pytest.mark.parametrize(
    ("kind", "code"),
    [("take_permission", "permission"), ("take_address", "address"), ("take_permission", "key")],
)
def test_each_refusal_has_its_code(kind: str, code: str) -> None:
    fault = carried(kind, 10, 80, account="mine", shown_s=40)
    assert judged(said("parked", 40, code), faults=(fault,)).clean
    assert counts(judged(said("parked", 40, "mode"), faults=(fault,))) == {"notParked": 1}


@pytest.mark.parametrize(
    "fault", [None, carried("skew_clock", 10, 30, s=-8), carried("rest_5xx", 10, 30)]
)
def test_nobody_is_parked_for_anything_else(fault: Carried | None) -> None:
    found = judged(said("parked", 20, "clock"), faults=() if fault is None else (fault,))
    assert counts(found) == {"parkedForNothing": 1}
    others = carried("revoke_key", 10, 80, account="other")
    assert judged(said("parked", 20, "key"), faults=(others,)).parked_for_nothing == 1


def test_a_key_that_was_refused_is_not_shown_again() -> None:
    parked_s = 40.0
    for after_s, asked in ((UNDER_WAY_S - 1, 0), (UNDER_WAY_S + 1, 1)):
        fault = carried("revoke_key", 10, 80, account="mine", shown_s=parked_s + after_s)
        found = judged(said("parked", parked_s, "key"), faults=(fault,))
        assert counts(found) == ({"askedWhileParked": asked} if asked else {})


@pytest.mark.parametrize(
    ("kind", "at_s", "forgotten"),
    [
        ("redis_wipe", 60, True),
        ("redis_wipe", 81, False),
        ("redis_wipe", 20, False),
        ("redis_kill", 40, True),
        ("redis_cut", 39, True),
        ("redis_kill", 60, False),
        ("rabbit_kill", 40, False),
    ],
)
def test_what_was_refused_may_be_forgotten_with_redis(
    kind: str, at_s: float, forgotten: bool
) -> None:
    fault = carried("revoke_key", 10, 80, account="mine", shown_s=70)
    found = judged(said("parked", 40, "key"), faults=(fault, carried(kind, at_s)))
    assert counts(found) == ({} if forgotten else {"askedWhileParked": 1})


def test_what_happens_while_it_is_parked_is_owed() -> None:
    lost = {**FILLS[1], "tradeId": "t3", "timeMs": T0 + 30_000 * SPEED}
    found = judged(said("parked", 40, "key"), faults=(REVOKED,), fills=[*FILLS, lost])
    assert found.fills_missing == 1
