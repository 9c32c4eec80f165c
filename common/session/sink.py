"""Who hears what a connection has to say."""

from __future__ import annotations

from typing import Protocol

from common.exchanges.protocol import Refusal, Told, Topic, Unreadable


class Sink(Protocol):
    """Who hears what a connection has to say. Called in order, and must not block."""

    def event(self, event: Told) -> Topic | None:
        """Something of a market; returns the topic it came by, None if no wanted stream needs it."""

    def accepted(self, topic: Topic) -> None:
        """The exchange accepted this topic: from now on its silence means something."""

    def unreadable(self, problem: Unreadable) -> None:
        """A frame, or a part of one, was skipped."""

    def refused(self, refusal: Refusal) -> None:
        """The exchange refused something that will be asked again, or nothing of ours."""

    def ended(self, reason: str, *, parked: bool) -> None:
        """No connection carries the topics now."""

    def rejected(self, topic: Topic, reason: str) -> None:
        """The exchange refuses this topic."""

    def silent(self, topic: Topic) -> None:
        """The exchange accepted this topic, and nothing came."""
