"""The life cycle is a table: what it does not allow cannot happen."""

import pytest

from common.session.lifecycle import TABLE, IllegalTransition, Signal, State, advance


def walk(*signals: Signal) -> State:
    state = State.IDLE
    for signal in signals:
        state = advance(state, signal)
    return state


def test_live_is_reached_only_after_dial_login_subscribe_and_first_frame() -> None:
    path = (Signal.DIAL, Signal.OPENED, Signal.LOGGED_IN, Signal.HEARD)
    assert [walk(*path[:n]) for n in range(1, 5)] == [
        State.DIALING,
        State.LOGGING_IN,
        State.SUBSCRIBING,
        State.LIVE,
    ]
    for state, signals in TABLE.items():
        if Signal.HEARD in signals:
            assert state in (State.SUBSCRIBING, State.LIVE, State.STALE)


def test_silence_makes_stale_and_a_frame_makes_live_again() -> None:
    assert advance(State.LIVE, Signal.SILENT) is State.STALE
    assert advance(State.STALE, Signal.HEARD) is State.LIVE


def test_every_state_has_a_row_and_a_way_to_dialing() -> None:
    assert set(TABLE) == set(State)
    for start in State:
        reached, frontier = {start}, [start]
        while frontier:
            for state in TABLE[frontier.pop()].values():
                if state not in reached:
                    reached.add(state)
                    frontier.append(state)
        assert State.DIALING in reached, start


def test_what_the_table_does_not_allow_raises() -> None:
    with pytest.raises(IllegalTransition, match="heard while dialing"):
        advance(State.DIALING, Signal.HEARD)
