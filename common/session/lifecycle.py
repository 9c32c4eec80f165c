"""The life cycle of a session, as a table. Imports nothing of ours.

    idle → dialing → logging_in → subscribing → live ⇄ stale → closing → backing_off → … → parked

A session is ``live`` only after dial, login, subscribe, ack and first frame. Every change of state
goes through ``advance``: what the table does not allow is a bug of ours and raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a session stands."""

    IDLE = "idle"
    DIALING = "dialing"
    LOGGING_IN = "logging_in"
    SUBSCRIBING = "subscribing"
    LIVE = "live"
    STALE = "stale"
    CLOSING = "closing"
    BACKING_OFF = "backing_off"
    PARKED = "parked"


class Signal(StrEnum):
    """What happens to it."""

    DIAL = "dial"
    OPENED = "opened"
    LOGGED_IN = "logged_in"
    HEARD = "heard"
    SILENT = "silent"
    CLOSE = "close"
    FAILED = "failed"
    PARK = "park"
    ENDED = "ended"


_UP = {Signal.CLOSE: State.CLOSING, Signal.FAILED: State.BACKING_OFF, Signal.PARK: State.PARKED}

TABLE: Mapping[State, Mapping[Signal, State]] = {
    State.IDLE: {Signal.DIAL: State.DIALING, Signal.CLOSE: State.CLOSING},
    State.DIALING: {Signal.OPENED: State.LOGGING_IN, **_UP},
    # Where there is nothing to log in to, this state is passed through at once.
    State.LOGGING_IN: {Signal.LOGGED_IN: State.SUBSCRIBING, **_UP},
    State.SUBSCRIBING: {Signal.HEARD: State.LIVE, Signal.SILENT: State.STALE, **_UP},
    State.LIVE: {Signal.HEARD: State.LIVE, Signal.SILENT: State.STALE, **_UP},
    State.STALE: {Signal.HEARD: State.LIVE, Signal.SILENT: State.STALE, **_UP},
    State.CLOSING: {Signal.ENDED: State.IDLE},
    State.BACKING_OFF: {Signal.DIAL: State.DIALING, Signal.CLOSE: State.CLOSING},
    State.PARKED: {Signal.DIAL: State.DIALING, Signal.CLOSE: State.CLOSING},
}


class IllegalTransition(Exception):  # noqa: N818 - it names what happened
    """A signal the table does not allow in that state."""


def advance(state: State, signal: Signal) -> State:
    """The state that follows.

    Raises:
        IllegalTransition: the table has no such arrow.
    """
    try:
        return TABLE[state][signal]
    except KeyError:
        raise IllegalTransition(f"{signal} while {state}") from None
