"""Where one topic stands, and what is remembered of it. Pure."""

from __future__ import annotations

from collections.abc import MutableMapping
from enum import StrEnum

from msgspec import Struct

from common.exchanges.protocol import Topic


class TopicState(StrEnum):
    """Where a topic stands."""

    WANTED = "wanted"
    ASKED = "asked"
    ACKED = "acked"
    LIVE = "live"
    REJECTED = "rejected"


class TopicStatus(Struct):
    """A topic's state since ``since_s``, and why it is not live where there is a reason.

    ``silence_s`` is the longest it may say nothing; ``silent`` that it has said nothing longer.
    """

    state: TopicState
    since_s: float
    silence_s: float
    silent: bool = False
    heard_s: float = 0.0
    reason: str = ""
    tries: int = 0
    asked: bool = False


class Rejection(Struct, frozen=True):
    """A topic that an exchange refused for good, at a machine time."""

    at_s: float
    reason: str


Rejections = MutableMapping[Topic, Rejection]


def is_silent(status: TopicStatus, now_s: float) -> bool:
    """Whether an accepted topic has said nothing for longer than it may; rarer at each try."""
    if status.state is TopicState.ACKED:
        return now_s - status.since_s >= status.silence_s * 2.0 ** min(status.tries, 5)
    return status.state is TopicState.LIVE and now_s - status.heard_s >= status.silence_s
