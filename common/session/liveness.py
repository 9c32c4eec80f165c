"""Whether a connection is alive: by what it says, relative to its channel's cadence. Pure.

Two clocks run beside each other. Any frame proves the transport; only events prove the data. The
rungs of one connection are: ask the peer for a sign of life, ask for the topics again, give up.
What follows (a new connection, in the end another process) is the runner's and the fleet's.
"""

from __future__ import annotations

from typing import Literal

# fine: nothing to do. probe: ping the peer. ask_again: subscribe anew. give_up: end the connection.
Step = Literal["fine", "probe", "ask_again", "give_up"]


class Liveness:
    """The silence of one open connection. All times are machine seconds.

    Attributes:
        stall_s: without any event for this long something is wrong: the shortest silence that a
            wanted topic may keep.
        first_event_s, last_event_s: None before the first event.
        last_frame_s: when the last frame (or answered ping) came; None before the first.
    """

    def __init__(self, probe_s: float, stall_s: float, opened_s: float) -> None:
        self._probe_s = probe_s
        self.stall_s = stall_s
        self._opened_s = opened_s
        self._asked_again = False
        self.first_event_s: float | None = None
        self.last_event_s: float | None = None
        self.last_frame_s: float | None = None

    def frame(self, now_s: float) -> None:
        """A frame came, or a ping was answered."""
        self.last_frame_s = now_s

    def event(self, now_s: float) -> None:
        """An event of a wanted stream came."""
        self.last_event_s = now_s
        self._asked_again = False
        if self.first_event_s is None:
            self.first_event_s = now_s

    def step(self, now_s: float) -> Step:
        """What the silence so far calls for. Each ``ask_again`` is said once per silence."""
        silent_s = self.without_event_s(now_s)
        if silent_s >= 2 * self.stall_s:
            return "give_up"
        if silent_s >= self.stall_s and not self._asked_again:
            self._asked_again = True
            return "ask_again"
        last_s = self._opened_s if self.last_frame_s is None else self.last_frame_s
        return "probe" if now_s - last_s >= self._probe_s else "fine"

    def without_event_s(self, now_s: float) -> float:
        """How long no event has come, since the last one or since it opened."""
        return now_s - (self._opened_s if self.last_event_s is None else self.last_event_s)

    @property
    def flowed_s(self) -> float:
        """How long data came, from the first event to the last."""
        if self.first_event_s is None or self.last_event_s is None:
            return 0.0
        return self.last_event_s - self.first_event_s
