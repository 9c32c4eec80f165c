"""RabbitMQ's state in one word: ok only if closed candles are taken and confirmed."""

from __future__ import annotations

import pytest

from workers.broker import RETURNED_TOLD_S, STALLED_S, Returns, rabbit_state

OK = {"connected": True, "blocked": False, "refusing": False, "durable_waiting_s": None}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"durable_waiting_s": STALLED_S}, "ok"),
        ({"durable_waiting_s": STALLED_S + 0.1}, "stalled"),
        ({"refusing": True}, "refusing"),
        ({"refusing": True, "durable_waiting_s": 60.0}, "refusing"),
        ({"blocked": True, "durable_waiting_s": 60.0}, "blocked"),
        ({"connected": False, "refusing": True, "blocked": True}, "away"),
    ],
)
def test_the_state_is_ok_only_if_closed_candles_are_confirmed(
    changes: dict[str, bool | float], state: str
) -> None:
    assert rabbit_state({**OK, **changes}) == state


def test_what_was_returned_is_told_until_it_is_over() -> None:
    returns = Returns()
    assert returns.recent(0, 10.0) == 0
    assert returns.recent(3, 20.0) == 3
    assert returns.recent(3, 21.0) == 3, "the next record still says so"
    assert returns.recent(5, 80.0) == 5, "the minute after"
    assert returns.recent(5, 80.0 + RETURNED_TOLD_S) == 5
    assert returns.recent(5, 81.0 + RETURNED_TOLD_S) == 0
    assert returns.recent(6, 82.0 + RETURNED_TOLD_S) == 1, "what is over is not told again"


def test_the_first_return_of_a_long_life_counts_alone() -> None:
    returns = Returns()
    assert returns.recent(2, 1000.0) == 2
    assert returns.recent(7, 5000.0) == 5
