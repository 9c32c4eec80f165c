"""Which faults happen when: by the seed alone, never at the end, and of every kind."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest

from scripts.chaos.__main__ import main
from scripts.chaos.causes import CAUSES, MUTE_S
from scripts.chaos.faults import Faults
from scripts.chaos.kinds import ALL_KINDS, AT_ONCE, KINDS
from scripts.chaos.on_accounts import OnAccounts
from scripts.chaos.schedule import SETTLED_S, Fault, make_schedule, quiet_s

PLACES = [(f"exchange-{index}", market) for index in range(4) for market in ("spot", "linear")]
TEN_MINUTES_S = 600.0


def schedule(seed: int = 1, duration_s: float = TEN_MINUTES_S) -> tuple[Fault, ...]:
    return make_schedule(seed, duration_s, PLACES, workers=3)


@pytest.mark.parametrize("duration_s", [90.0, TEN_MINUTES_S])
def test_the_same_seed_is_the_same_schedule_and_another_is_another(duration_s: float) -> None:
    assert schedule(7, duration_s) == schedule(7, duration_s)
    assert schedule(7, duration_s) != schedule(8, duration_s)


def test_the_order_in_which_places_are_told_makes_no_difference() -> None:
    assert make_schedule(1, 90.0, PLACES[::-1], 3) == make_schedule(1, 90.0, PLACES, 3)


@pytest.mark.parametrize("seed", range(1, 6))
def test_ten_minutes_have_two_hundred_faults_and_every_kind(seed: int) -> None:
    faults = schedule(seed)
    assert len(faults) >= 220
    assert {fault.kind for fault in faults} == set(KINDS)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("duration_s", [60.0, 90.0, 180.0, TEN_MINUTES_S])
def test_the_end_is_quiet_and_long_enough_to_recover(seed: int, duration_s: float) -> None:
    active_s = duration_s - quiet_s(duration_s)
    assert duration_s - active_s >= 45.0
    assert duration_s - active_s >= 0.2 * duration_s
    for fault in schedule(seed, duration_s):
        healed_s = fault.at_s + fault.lasts_s
        assert healed_s <= active_s
        assert healed_s + KINDS[fault.kind].felt_s <= duration_s - SETTLED_S


def test_a_run_that_is_all_quiet_has_no_faults() -> None:
    assert schedule(1, 40.0) == ()


@pytest.mark.parametrize("seed", range(1, 6))
def test_several_begin_together_and_once_everything_does(seed: int) -> None:
    together: dict[float, set[str]] = {}
    for fault in schedule(seed, 120.0):
        together.setdefault(fault.at_s, set()).add(fault.kind)
    assert any(kinds >= set(AT_ONCE) for kinds in together.values())
    assert sum(len(kinds) > 1 for kinds in together.values()) > 1


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_process_or_a_wire_suffers_one_thing_at_a_time(seed: int) -> None:
    by_target: dict[str, list[Fault]] = {}
    for fault in schedule(seed):
        if fault.family != "exchange":
            by_target.setdefault(fault.target, []).append(fault)
    assert by_target.keys() >= {"worker 0", "worker 1", "worker 2", "rabbit", "redis", "net"}
    for faults in by_target.values():
        for one, other in pairwise(faults):
            assert one.at_s + one.lasts_s <= other.at_s


@pytest.mark.parametrize("seed", range(1, 6))
def test_what_is_drawn_is_within_its_kind(seed: int) -> None:
    faults = schedule(seed)
    for fault in faults:
        rules = KINDS[fault.kind]
        least_s, most_s = rules.lasts_s
        assert least_s <= fault.lasts_s <= most_s
        assert 0 <= fault.pick <= 1
        assert fault.how.keys() == rules.how.keys()
        assert all(fault.how[name] in choices for name, choices in rules.how.items())
    for kind, rules in KINDS.items():
        if rules.most is not None:
            assert sum(fault.kind == kind for fault in faults) <= rules.most


def test_faults_are_numbered_in_the_order_in_which_they_happen() -> None:
    faults = schedule()
    assert [fault.number for fault in faults] == list(range(1, len(faults) + 1))
    assert all(one.at_s <= other.at_s for one, other in pairwise(faults))


def test_what_explains_duplicates_or_silence_are_kinds_there_are() -> None:
    assert set(KINDS) > set(CAUSES)
    assert set(KINDS) > set(MUTE_S)


def test_every_kind_can_be_carried_out() -> None:
    anything: Any = Mock()
    wires = dict.fromkeys(("net", "rabbit", "redis"), anything)
    on_accounts = OnAccounts(anything, anything, 20)
    assert set(Faults(anything, anything, anything, anything, wires, on_accounts).kinds) == set(
        ALL_KINDS
    )


def test_the_plan_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plan", "--minutes", "1.5", "--seed", "3"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) >= 25
    assert printed[0].startswith("#1 ")
    assert main(["--plan", "--minutes", "1.5", "--seed", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == printed


@pytest.mark.parametrize(
    "arguments",
    [["--minutes", "0"], ["--speed", "-1"], ["--workers", "0"], ["--streams", "*:*:ticker:*"]],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main([*arguments, "--plan"])
    assert refused.value.code == 2
    assert "usage: python -m scripts.chaos" in capsys.readouterr().err
