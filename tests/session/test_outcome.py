"""What follows the end of a connection: full jitter from 1 s to 60 s, waits honoured, parking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.protocol import Reason
from common.session.outcome import PROVEN_S, Outcome, after

CHANCES = st.floats(min_value=0, max_value=1, exclude_max=True)


def lost(flowed_s: float = 0.0, reason: Reason = "transient", wait: float | None = None) -> Outcome:
    return Outcome("closed", reason, "1006", flowed_s, wait)


@given(st.integers(0, 10_000), CHANCES)
def test_a_delay_is_between_one_and_sixty_seconds(failures: int, chance: float) -> None:
    assert 1.0 <= after(lost(), failures, chance).delay_s <= 60.0


@given(st.integers(0, 50), CHANCES)
def test_delays_grow_with_failures_in_a_row(failures: int, chance: float) -> None:
    assert after(lost(), failures + 1, chance).delay_s >= after(lost(), failures, chance).delay_s


def test_the_jitter_is_full() -> None:
    low, high = after(lost(), 9, 0.0).delay_s, after(lost(), 9, 0.999999).delay_s
    assert low == 1.0
    assert high > 59.9


def test_only_a_minute_of_data_makes_a_fresh_start() -> None:
    failures = 0
    for _ in range(6):
        failures = after(lost(flowed_s=PROVEN_S - 1), failures, 0.5).failures
    assert failures == 6
    assert after(lost(flowed_s=PROVEN_S), failures, 0.5).failures == 1


@given(CHANCES, st.floats(min_value=0, max_value=3600))
def test_the_exchanges_own_wait_is_never_undercut(chance: float, wait_s: float) -> None:
    assert after(lost(reason="rate", wait=wait_s), 0, chance).delay_s >= wait_s
    assert after(lost(wait=wait_s), 0, chance).delay_s >= wait_s


def test_a_limit_without_a_stated_wait_is_waited_out_for_a_minute() -> None:
    assert after(lost(reason="rate"), 0, 0.0).delay_s >= 60.0


@pytest.mark.parametrize("reason", ["config", "unsupported", "auth"])
def test_what_reconnecting_cannot_mend_is_parked(reason: Reason) -> None:
    decision = after(lost(reason=reason), 0, 0.0)
    assert decision.parked
    assert decision.delay_s >= 900
