"""How a chaos run is judged: every planted fault is found, and what has a cause is explained."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from common.clocks import MarketClock
from scripts.chaos.carried import Carried
from scripts.chaos.consumer import Delivery
from scripts.chaos.evidence import CLOSED, STATUS, Evidence, Verdict
from scripts.chaos.judge import LATE_S, judge
from scripts.chaos.kinds import KINDS
from scripts.chaos.schedule import Fault
from scripts.chaos.statements import Statements
from scripts.quick.compare import Body, candle_id
from tests.scripts.bars import T0, bar

# Both clocks agree at T0; the market's runs 20 times faster.
SPEED = 20
CLOCK = MarketClock(speed=SPEED, anchor_ms=T0)
MINUTE_S = 60 / SPEED
STREAM = "binance:spot:candle:BTCUSDT:1m"
BARS = 40
# Those at the end that are not asked for yet.
YOUNG = 7
OWNER, OTHER = 101, 102
EPOCHS = {1: OWNER, 2: OTHER}


def end_s(minute: int) -> float:
    """When a bar ends, in machine seconds from the start."""
    return (minute + 1) * MINUTE_S


class Run:
    """One stream under faults, told in seconds from the start; nothing in it is wrong."""

    def __init__(self, *, without: tuple[int, ...] = ()) -> None:
        self.deliveries: list[Delivery] = []
        self.carried: list[Carried] = []
        self.owners = {("binance", "spot", epoch): frozenset([p]) for epoch, p in EPOCHS.items()}
        self.truth: dict[str, list[Body]] = {STREAM: [bar(minute) for minute in range(BARS)]}
        self.owed_from_ms = {STREAM: T0}
        self.said("live", 0.0)
        for minute in range(BARS):
            if minute not in without:
                self.came(minute, end_s(minute) + 0.2)

    def came(
        self,
        minute: int,
        at_s: float,
        *,
        epoch: int = 1,
        own: bool = False,
        message_id: str | None = None,
        **changes: Any,
    ) -> Run:
        body = bar(minute, **changes)
        self._add(CLOSED, message_id or candle_id(body), body, at_s, epoch, own=own)
        return self

    def said(self, state: str, at_s: float, **changes: Any) -> Run:
        body = {
            "exchange": "binance",
            "market": "spot",
            "channel": "candle",
            "symbol": "BTCUSDT",
            "interval": "1m",
            "state": state,
            "eventMs": T0 + int(at_s * 1000),
        }
        self._add(STATUS, f"stream:{STREAM}:{state}:{at_s}", body | changes, at_s, 1)
        return self

    def _add(
        self, kind: str, message_id: str, body: Body, at_s: float, epoch: int, *, own: bool = False
    ) -> None:
        delivery = Delivery(
            kind=kind,
            message_id=message_id,
            body=dict(body),
            epoch=epoch,
            origin="live",
            arrived_ms=T0 + int(at_s * 1000),
            redelivered=own,
            own=own,
        )
        self.deliveries.append(delivery)
        self.deliveries.sort(key=lambda one: one.arrived_ms)

    def fault(
        self,
        kind: str,
        from_s: float,
        to_s: float | None = None,
        *,
        pid: int = OWNER,
        killed: bool | None = None,
        symbol: tuple[str, str, str] | None = None,
    ) -> Run:
        is_worker = KINDS[kind].family == "worker"
        fault = Fault(
            number=len(self.carried) + 1,
            at_s=from_s,
            kind=kind,
            target="worker 0" if is_worker else KINDS[kind].family,
            lasts_s=0.0,
            pick=0.5,
            how={},
        )
        self.carried.append(
            Carried(
                fault=fault,
                from_ms=T0 + int(from_s * 1000),
                to_ms=T0 + int((from_s if to_s is None else to_s) * 1000),
                hit="it",
                pids=(pid,) if is_worker else (),
                symbol=symbol,
                killed=kind == "kill" if killed is None else killed,
            )
        )
        return self

    def judge(self) -> Verdict:
        evidence = Evidence(
            deliveries=self.deliveries,
            truth=self.truth,
            owed_from_ms=self.owed_from_ms,
            carried=self.carried,
            owners=self.owners,
            clock=CLOCK,
            started_ms=T0,
            ended_ms=T0 + int(BARS * MINUTE_S * 1000),
        )
        return judge(evidence)


# --- what is owed -----------------------------------------------------------------------------


def test_a_run_in_which_all_came_is_clean() -> None:
    verdict = Run().judge()
    assert verdict.clean
    assert (verdict.streams, verdict.duplicated, verdict.revised) == (1, 0, 0)
    # What ended in the last fifteen seconds, five bars, is not asked for.
    assert verdict.expected == verdict.delivered == BARS - YOUNG
    assert verdict.max_recovery_s == pytest.approx(0.2)


def test_a_candle_that_never_came_is_missing() -> None:
    verdict = Run(without=(7,)).judge()
    assert (verdict.missing, verdict.clean) == (1, False)
    assert verdict.expected - verdict.delivered == 1
    assert candle_id(bar(7)) in verdict.reasons["missing"][0]


def test_what_ended_just_now_is_not_missing_yet() -> None:
    assert Run(without=tuple(range(BARS - YOUNG, BARS))).judge().clean
    assert Run(without=tuple(range(BARS - YOUNG - 1, BARS))).judge().missing == 1


def test_the_bar_that_ran_when_the_stream_first_was_live_is_owed() -> None:
    run = Run(without=(0, 1, 2))
    run.said("live", 0.0)
    assert run.judge().missing == 3


def test_what_ended_before_the_stream_was_live_is_not_owed() -> None:
    run = Run(without=(0, 1, 2))
    run.deliveries = [one for one in run.deliveries if one.kind == CLOSED]
    run.owed_from_ms = {}
    assert run.judge().missing == 0


def test_a_wanted_stream_of_which_nothing_came_is_missing_all() -> None:
    run = Run(without=tuple(range(BARS)))
    run.deliveries.clear()
    assert run.judge().missing == BARS - YOUNG


def test_what_comes_first_too_late_forgives_nothing_before_it() -> None:
    run = Run(without=(0, 1, 2))
    run.deliveries = [one for one in run.deliveries if one.kind == CLOSED]
    assert run.judge().missing == 3


def test_a_correction_without_the_candle_it_corrects_leaves_it_missing() -> None:
    verdict = Run(without=(7,)).came(7, 30.0, revision=1).judge()
    assert verdict.missing == 1


# --- content and order ------------------------------------------------------------------------


def test_another_number_than_the_truth_is_wrong() -> None:
    verdict = Run(without=(7,)).came(7, end_s(7), close="1.00").judge()
    assert verdict.wrong == 1
    assert "close '1.00' instead of '107.10'" in verdict.reasons["wrong"][0]


def test_a_number_written_otherwise_is_the_same() -> None:
    assert Run(without=(7,)).came(7, end_s(7), close="107.1000").judge().clean


def test_the_highest_revision_is_the_last_word() -> None:
    run = Run(without=(7,)).came(7, end_s(7), close="1.00").came(7, end_s(7) + 2, revision=1)
    verdict = run.judge()
    assert (verdict.clean, verdict.revised, verdict.revised_alike) == (True, 1, 0)


def test_a_correction_that_says_nothing_new_is_counted() -> None:
    verdict = Run().came(7, end_s(7) + 2, revision=1).judge()
    assert (verdict.clean, verdict.revised, verdict.revised_alike) == (True, 1, 1)


def test_a_correction_that_is_not_the_truth_is_wrong() -> None:
    assert Run().came(7, end_s(7) + 2, revision=1, close="1.00").judge().wrong == 1


def test_a_candle_that_never_was_is_wrong() -> None:
    run = Run()
    run.truth[STREAM] = run.truth[STREAM][:-1]
    assert run.judge().wrong == 1


def test_an_id_that_is_not_the_candles_is_wrong() -> None:
    verdict = Run(without=(7,)).came(7, end_s(7), message_id="candle:7").judge()
    assert verdict.wrong == 1


def test_a_candle_after_a_later_one_is_out_of_order() -> None:
    verdict = Run(without=(7,)).came(7, end_s(8) + 1).judge()
    assert (verdict.out_of_order, verdict.missing, verdict.clean) == (1, 0, False)


def test_what_lies_before_the_beginning_may_follow_when_redis_has_lost_it() -> None:
    """Nobody knows then where the stream began: the look-back goes as far as it goes."""

    def back(*minutes: int) -> Run:
        run = Run()
        run.truth[STREAM] = [bar(minute) for minute in range(-5, BARS)]
        for minute in minutes:
            run.came(minute, end_s(20))
        return run

    assert back(-3, -2).judge().out_of_order == 2
    wiped = back(-3, -2).fault("redis_wipe", end_s(18), end_s(19)).judge()
    assert (wiped.out_of_order, wiped.reached_back) == (0, 2)
    assert back(-2, -3).fault("redis_wipe", end_s(18), end_s(19)).judge().out_of_order == 1


def test_a_correction_may_come_after_later_candles() -> None:
    assert Run().came(7, end_s(9), revision=1).judge().clean


# --- duplicates -------------------------------------------------------------------------------


def test_a_duplicate_without_a_fault_is_unexplained() -> None:
    verdict = Run().came(7, end_s(7) + 1).judge()
    assert (verdict.duplicated, verdict.duplicated_unexplained, verdict.clean) == (1, 1, False)


def test_a_repeat_that_the_consumer_caused_itself_is_none() -> None:
    assert Run().came(7, end_s(7) + 1, own=True).judge().duplicated == 0


def test_two_bodies_under_one_id_are_wrong_whatever_explains_the_duplicate() -> None:
    run = Run().fault("kill", end_s(7) + 0.3).came(7, end_s(7) + 6, epoch=2, close="1.00")
    verdict = run.judge()
    assert (verdict.wrong, verdict.duplicated_unexplained) == (1, 0)


@pytest.mark.parametrize(
    "kind",
    ["kill", "pause_long", "redis_kill", "redis_wipe", "redis_half_open", "redis_freeze"],
)
def test_another_owner_may_say_again_what_was_not_checkpointed(kind: str) -> None:
    run = Run().fault(kind, end_s(7) + 0.3, end_s(7) + 4).came(7, end_s(7) + 9, epoch=2)
    verdict = run.judge()
    assert (verdict.duplicated, verdict.duplicated_unexplained) == (1, 0)


@pytest.mark.parametrize(("goes_on", "unexplained"), [(False, 0), (True, 1)])
def test_the_next_owner_goes_on_where_the_one_before_was_however_late(
    goes_on: bool, unexplained: int
) -> None:
    """Other faults may keep it from that for minutes; who has gone on has nothing to say again."""
    run = Run(without=tuple(range(8, BARS))).fault("kill", end_s(7) + 0.3)
    if goes_on:
        run.came(8, end_s(BARS - 2), epoch=2)
    run.came(7, end_s(BARS - 1) - 1, epoch=2)
    for minute in range(8 + goes_on, BARS):
        run.came(minute, end_s(BARS - 1), epoch=2)
    assert run.judge().duplicated_unexplained == unexplained


@pytest.mark.parametrize("kind", ["rabbit_kill", "rabbit_restart", "rabbit_close", "rabbit_cut"])
def test_the_same_owner_may_say_again_what_was_not_confirmed(kind: str) -> None:
    run = Run().fault(kind, end_s(7) + 0.3, end_s(7) + 4).came(7, end_s(7) + 9)
    assert run.judge().duplicated_unexplained == 0


@pytest.mark.parametrize("kind", ["kill", "pause_long", "redis_kill", "redis_wipe"])
def test_the_same_owner_has_no_other_excuse(kind: str) -> None:
    run = Run().fault(kind, end_s(7) + 0.3, end_s(7) + 4).came(7, end_s(7) + 9)
    assert run.judge().duplicated_unexplained == 1


@pytest.mark.parametrize(
    "kind",
    [
        "cut",
        "garble",
        "duplicate",
        "net_cut",
        "net_freeze",
        "pause_short",
        "restart",
        "rabbit_alarm",
    ],
)
def test_faults_that_lose_no_checkpoint_and_no_confirm_explain_nothing(kind: str) -> None:
    run = Run().fault(kind, end_s(7) + 0.3, end_s(7) + 4).came(7, end_s(7) + 9, epoch=2)
    assert run.judge().duplicated_unexplained == 1


def test_what_an_owner_sent_before_it_was_cut_off_comes_when_the_broker_reads_again() -> None:
    late = Run(without=(7,)).fault("redis_cut", end_s(7) - 1, end_s(7) + 1)
    late.came(7, end_s(7) + 15).came(7, end_s(7) + 16, epoch=2)
    assert late.judge().duplicated_unexplained == 1
    late.fault("rabbit_alarm", end_s(7) - 0.5, end_s(7) + 14)
    assert late.judge().duplicated_unexplained == 0


def test_a_stop_that_ended_in_a_kill_explains_as_a_kill_does() -> None:
    run = Run().fault("restart", end_s(7) + 0.3, killed=True).came(7, end_s(7) + 9, epoch=2)
    assert run.judge().duplicated_unexplained == 0


def test_two_bodies_under_one_id_are_told_apart_where_a_correction_follows() -> None:
    run = Run().fault("kill", end_s(7) + 0.3).came(7, end_s(7) + 6, epoch=2, close="1.00")
    verdict = run.came(7, end_s(7) + 6.1, epoch=2, revision=1).judge()
    assert (verdict.wrong, verdict.repeated_otherwise, verdict.clean) == (0, 1, True)


def test_the_death_of_a_worker_that_did_not_own_the_stream_explains_nothing() -> None:
    run = Run().fault("kill", end_s(7) + 0.3, pid=OTHER).came(7, end_s(7) + 9, epoch=2)
    assert run.judge().duplicated_unexplained == 1


def test_an_owner_that_nobody_saw_may_be_the_one_that_died() -> None:
    run = Run().fault("kill", end_s(7) + 0.3, pid=OTHER).came(7, end_s(7) + 9, epoch=2)
    run.owners = {}
    assert run.judge().duplicated_unexplained == 0


def test_a_paused_owner_that_wakes_may_say_what_its_successor_has_said() -> None:
    run = Run().fault("pause_long", end_s(6), end_s(9), pid=OTHER)
    assert run.came(7, end_s(9) + 0.1, epoch=2).judge().duplicated_unexplained == 0


@pytest.mark.parametrize(("kind", "unexplained"), [("rabbit_alarm", 0), ("rabbit_slow", 1)])
def test_what_the_paused_owner_sent_may_have_been_held_by_rabbitmq(
    kind: str, unexplained: int
) -> None:
    run = Run(without=(7,)).fault("pause_long", end_s(4), end_s(7)).came(7, end_s(7) + 14)
    run.fault(kind, end_s(7) + 2, end_s(7) + 13).came(7, end_s(7) + 14.2, epoch=2)
    assert run.judge().duplicated_unexplained == unexplained


def test_a_fault_that_hit_nobody_explains_nothing() -> None:
    run = Run().fault("kill", end_s(7) + 0.3).came(7, end_s(7) + 6, epoch=2)
    run.carried = [msgspec.structs.replace(run.carried[0], hit="", pids=())]
    assert run.judge().duplicated_unexplained == 1


def test_what_a_paused_owner_said_before_it_woke_is_not_explained_by_its_pause() -> None:
    run = Run().fault("pause_long", end_s(7) + 1, end_s(9), pid=OTHER)
    assert run.came(7, end_s(7) + 2, epoch=2).judge().duplicated_unexplained == 1


def test_each_of_several_owners_that_died_explains_one_copy() -> None:
    run = Run().fault("kill", end_s(7) + 0.3).came(7, end_s(7) + 6, epoch=2)
    run.fault("kill", end_s(7) + 6.5, pid=OTHER).came(7, end_s(7) + 12, epoch=3)
    assert run.judge().duplicated_unexplained == 0


def test_an_owner_that_died_long_after_it_had_said_so_explains_no_copy() -> None:
    run = Run().fault("kill", end_s(7) + 0.3).came(7, end_s(7) + 6, epoch=2)
    run.fault("kill", end_s(7) + 70, pid=OTHER).came(7, end_s(7) + 75, epoch=3)
    verdict = run.judge()
    assert (verdict.duplicated, verdict.duplicated_unexplained) == (2, 1)


def test_what_was_confirmed_long_before_the_fault_has_no_excuse() -> None:
    run = Run().fault("kill", end_s(7) + 30).came(7, end_s(7) + 35, epoch=2)
    assert run.judge().duplicated_unexplained == 1


def test_only_checkpoints_that_are_lost_excuse_what_was_confirmed_long_before() -> None:
    run = Run().fault("redis_wipe", end_s(7) + 30).came(7, end_s(7) + 35, epoch=2)
    assert run.judge().duplicated_unexplained == 0


def test_a_death_excuses_until_there_could_be_a_successor() -> None:
    """Whoever came next died as well, before it could say anything."""
    run = Run().fault("kill", end_s(7) + 0.3).came(7, end_s(7) + 70, epoch=9)
    assert run.judge().duplicated_unexplained == 1
    run.fault("kill", end_s(7) + 12, pid=OTHER)
    assert run.judge().duplicated_unexplained == 0


def test_a_lost_checkpoint_excuses_until_somebody_lives_who_could_move_it() -> None:
    run = Run().fault("redis_kill", end_s(7) + 0.3).came(7, end_s(7) + 100, epoch=9)
    assert run.judge().duplicated_unexplained == 1
    run.fault("kill", end_s(7) + 0.2, pid=OTHER)
    assert run.judge().duplicated_unexplained == 0


def test_what_was_looked_back_at_may_be_said_again_until_somebody_has_said_it_twice() -> None:
    """It counts only then: of an owner that hands over before, the next one says it once more."""
    run = Run().fault("redis_wipe", end_s(7) - 30).came(7, end_s(7) + 9, epoch=2)
    assert run.judge().duplicated_unexplained == 0
    run = Run().fault("redis_wipe", end_s(7) - 90).came(7, end_s(7) + 9, epoch=2)
    assert run.judge().duplicated_unexplained == 1


def test_a_duplicate_before_the_fault_or_long_after_it_has_no_excuse() -> None:
    early = Run().fault("kill", end_s(7) + 5).came(7, end_s(7) + 4, epoch=2)
    assert early.judge().duplicated_unexplained == 1
    late = Run().fault("kill", end_s(7) + 0.3).came(7, end_s(7) + 70, epoch=2)
    assert late.judge().duplicated_unexplained == 1


# --- behind without a word --------------------------------------------------------------------

LATE = end_s(7) + LATE_S + 5


def late() -> Run:
    run = Run(without=tuple(range(7, BARS)))
    for minute in range(7, BARS):
        run.came(minute, max(LATE, end_s(minute) + 0.2))
    return run


def test_what_comes_late_without_a_word_is_unsaid() -> None:
    verdict = late().judge()
    assert (verdict.unsaid > 0, verdict.missing, verdict.clean) == (True, 0, False)
    assert verdict.max_recovery_s == pytest.approx(LATE_S + 5)
    assert candle_id(bar(7)) in verdict.slowest


def test_history_is_not_late() -> None:
    run = Run()
    run.truth[STREAM] = [bar(minute) for minute in range(-30, BARS)]
    for minute in range(-30, 0):
        run.came(minute, 0.1)
    run.deliveries.sort(key=lambda one: one.body.get("startMs", 0))
    verdict = run.judge()
    assert (verdict.unsaid, verdict.missing) == (0, 0)
    assert verdict.expected == BARS - YOUNG + 30
    assert verdict.max_recovery_s == pytest.approx(0.2)


def test_what_comes_a_little_late_needs_no_word() -> None:
    run = Run(without=(7, 8))
    assert run.came(7, end_s(8) + 2).came(8, end_s(8) + 2.1).judge().clean


@pytest.mark.parametrize("state", ["gap", "stale", "parked", "rejected"])
def test_a_word_between_the_end_and_when_it_is_late_is_enough(state: str) -> None:
    assert late().said(state, end_s(7) + LATE_S - 1).judge().unsaid == 0


@pytest.mark.parametrize("state", ["gap", "stale", "parked", "rejected"])
def test_a_word_that_comes_with_the_candle_is_none(state: str) -> None:
    assert late().said(state, LATE - 1).judge().unsaid > 0


@pytest.mark.parametrize("state", ["live", "recovered"])
def test_to_say_that_it_flows_while_it_is_behind_is_no_word(state: str) -> None:
    assert late().said(state, end_s(8) + 10).judge().unsaid > 0


def test_a_gap_lasts_until_it_is_recovered_whatever_flows() -> None:
    assert late().said("gap", end_s(4)).said("live", end_s(5)).judge().unsaid == 0
    recovered = late().said("gap", end_s(4)).said("recovered", end_s(5)).said("live", end_s(6))
    assert recovered.judge().unsaid > 0


def test_who_could_not_speak_when_it_was_late_has_to_speak_as_soon_as_it_can() -> None:
    def away() -> Run:
        run = Run(without=tuple(range(7, BARS)))
        for minute in range(7, BARS):
            run.came(minute, max(end_s(7) + 60, end_s(minute) + 0.2))
        return run.fault("rabbit_alarm", end_s(7) - 1, end_s(7) + 30)

    assert away().judge().unsaid > 0
    assert away().said("gap", end_s(7) + 45).judge().unsaid > 0
    assert away().said("gap", end_s(7) + 33).judge().unsaid == 0


@pytest.mark.parametrize("state", ["gap", "stale", "parked", "rejected"])
def test_who_has_said_before_that_it_is_behind_need_not_say_it_again(state: str) -> None:
    assert late().said(state, end_s(5)).judge().unsaid == 0


def test_what_was_said_in_time_may_be_taken_back_as_the_candle_comes() -> None:
    """Though nothing else could be said between."""
    said = [{"eventMs": 1_000, "state": "gap"}, {"eventMs": 39_900, "state": "recovered"}]
    mute = [(10_000.0, 40_000.0)]
    assert Statements(said, mute).so(5_000, 25_000, 40_050)
    assert not Statements(said[1:], mute).so(5_000, 25_000, 40_050)


def test_a_gap_that_was_open_when_the_candle_ended_was_said_though_it_flowed_and_ends_before() -> (
    None
):
    said = [
        {"eventMs": 1_000, "state": "gap"},
        {"eventMs": 2_000, "state": "live"},
        {"eventMs": 24_000, "state": "recovered"},
    ]
    assert Statements(said, ()).so(5_000, 25_000, 25_500)
    assert not Statements(said, ()).so(24_500, 44_500, 45_000)


@pytest.mark.parametrize("state", ["live", "recovered"])
def test_who_has_said_that_it_flows_has_said_nothing(state: str) -> None:
    assert late().said(state, end_s(5)).judge().unsaid > 0


def test_a_word_of_another_stream_is_no_word() -> None:
    assert late().said("gap", end_s(8) + 1, symbol="ETHUSDT").judge().unsaid > 0


def test_what_is_missing_without_a_word_is_both() -> None:
    verdict = Run(without=(7,)).judge()
    assert (verdict.missing, verdict.unsaid) == (1, 1)


def test_nobody_can_speak_while_rabbitmq_is_away() -> None:
    assert late().fault("rabbit_kill", end_s(7) - 1, end_s(7) + 4).judge().unsaid == 0


def test_an_outage_that_was_over_long_before_is_no_excuse() -> None:
    run = Run(without=tuple(range(20, BARS)))
    for minute in range(20, BARS):
        run.came(minute, max(end_s(20) + LATE_S + 5, end_s(minute) + 0.2))
    assert run.fault("rabbit_kill", 0.0, 4.0).judge().unsaid > 0


def test_a_dead_worker_has_no_successor_before_its_leases_have_run_out() -> None:
    """It has to speak as soon as there can be one."""
    assert late().fault("kill", end_s(7) + 1).said("gap", LATE - 1).judge().unsaid > 0
    died = late().fault("kill", end_s(7) + LATE_S - 9)
    assert died.said("gap", LATE - 1).judge().unsaid == 0


def test_a_successor_may_die_itself() -> None:
    deaths = late().fault("kill", end_s(7) + 1).fault("kill", end_s(7) + LATE_S - 9, pid=OTHER)
    assert deaths.said("gap", LATE - 1).judge().unsaid == 0


def test_a_dead_worker_has_no_successor_while_redis_is_away() -> None:
    gone = end_s(7) + 9, end_s(7) + 14
    died = late().fault("kill", end_s(7) + 1).fault("redis_freeze", *gone)
    assert died.said("gap", LATE - 1).judge().unsaid == 0
    assert late().fault("redis_freeze", *gone).said("gap", LATE - 1).judge().unsaid > 0


def test_a_worker_that_died_when_redis_was_back_has_a_successor() -> None:
    run = late().fault("redis_freeze", end_s(2), end_s(2) + 1).fault("kill", end_s(7) + 1)
    assert run.said("gap", LATE - 1).judge().unsaid > 0


def test_redis_is_not_needed_to_speak() -> None:
    assert late().fault("redis_kill", end_s(7) - 1, end_s(7) + 4).judge().unsaid > 0


# --- rejected symbols -------------------------------------------------------------------------

BTCUSDT = ("binance", "spot", "BTCUSDT")


def test_a_symbol_that_is_rejected_to_the_end_owes_nothing_from_then_on() -> None:
    run = Run(without=tuple(range(10, BARS))).fault("reject", end_s(9), symbol=BTCUSDT)
    verdict = run.said("stale", end_s(9) + 1).said("rejected", end_s(9) + 3).judge()
    assert (verdict.clean, verdict.rejected, verdict.expected) == (True, 1, 10)


def test_what_closed_before_it_stopped_is_owed_all_the_same() -> None:
    run = Run(without=tuple(range(9, BARS))).fault("reject", end_s(9), symbol=BTCUSDT)
    verdict = run.said("stale", end_s(9) + 1).said("rejected", end_s(9) + 3).judge()
    assert verdict.missing == 1


def test_a_rejected_symbol_that_lives_again_owes_what_it_missed() -> None:
    run = Run(without=tuple(range(10, 15))).fault("reject", end_s(9), symbol=BTCUSDT)
    run.said("rejected", end_s(9) + 1).said("live", end_s(15))
    assert run.judge().missing == 5


def test_nobody_is_rejected_without_having_been() -> None:
    run = Run(without=tuple(range(10, BARS))).said("rejected", end_s(9) + 1)
    verdict = run.judge()
    assert (verdict.missing, verdict.rejected) == (BARS - YOUNG - 10, 0)
