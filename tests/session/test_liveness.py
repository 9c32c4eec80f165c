"""Silence and what it calls for, by cadence, with a clock in the test's hand."""

from common.session.liveness import Liveness


def make() -> Liveness:
    return Liveness(probe_s=60.0, stall_s=300.0, opened_s=0.0)


def steps(liveness: Liveness, *times_s: float) -> list[str]:
    return [liveness.step(now_s) for now_s in times_s]


def test_a_silent_peer_is_asked_for_a_sign_of_life_and_that_counts() -> None:
    liveness = make()
    assert steps(liveness, 59.9, 60.0) == ["fine", "probe"]
    liveness.frame(61.0)
    assert steps(liveness, 120.9, 121.0) == ["fine", "probe"]


def test_frames_prove_the_transport_and_only_events_prove_the_data() -> None:
    liveness = make()
    for now_s in range(0, 300, 10):
        liveness.frame(now_s)
    assert steps(liveness, 299.0, 300.0, 301.0) == ["fine", "ask_again", "fine"]
    liveness.frame(590.0)
    assert steps(liveness, 599.0, 600.0) == ["fine", "give_up"]


def test_an_event_resets_the_ladder() -> None:
    liveness = make()
    assert liveness.step(300.0) == "ask_again"
    liveness.frame(310.0)
    liveness.event(310.0)
    assert steps(liveness, 320.0) == ["fine"]
    liveness.frame(600.0)
    assert steps(liveness, 609.0, 610.0) == ["fine", "ask_again"]


def test_how_long_data_came() -> None:
    liveness = make()
    assert liveness.flowed_s == 0.0
    liveness.event(5.0)
    liveness.event(65.0)
    assert liveness.flowed_s == 60.0
