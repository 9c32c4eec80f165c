"""Which candles go on: every closed bar once and in order, no state older than what was said.

One gate per candle stream, kept by the shard over all its connections, so that a reconnect, a
rotation with two sockets open, or a repeated frame changes nothing. Pure.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from common.model.events import Candle

# open: a running bar. closed: the next closed bar. after_gap: a closed bar, but bars before it are
# missing. repeated, late: said before. conflicting: a bar that was closed differently before.
Verdict = Literal["open", "closed", "after_gap", "repeated", "late", "conflicting"]


class Gap(Struct, frozen=True):
    """Closed bars with ``from_ms <= start < to_ms`` are missing."""

    from_ms: int
    to_ms: int


class CandleGate:
    """The closing state of one candle stream.

    Attributes:
        last: the newest closed candle that went through; None before the first.
        gap: the last stretch that was skipped, for whoever fetches it.
    """

    __slots__ = ("gap", "last", "running_ms")

    def __init__(self) -> None:
        self.last: Candle | None = None
        self.gap: Gap | None = None
        self.running_ms = 0

    def take(self, candle: Candle) -> Verdict:
        """Judge the next candle of the stream, and remember it."""
        return self._closed(candle) if candle.closed else self._open(candle)

    def _open(self, candle: Candle) -> Verdict:
        if self.last is not None and candle.start_ms < self.last.end_ms:
            return "late"
        if candle.start_ms < self.running_ms:
            return "late"
        self.running_ms = candle.start_ms
        return "open"

    def _closed(self, candle: Candle) -> Verdict:
        last = self.last
        if last is None:
            self.last = candle
            return "closed"
        if candle.start_ms == last.start_ms:
            return "repeated" if candle == last else "conflicting"
        if candle.start_ms < last.start_ms:
            return "late"
        self.last = candle
        if candle.start_ms == last.end_ms:
            return "closed"
        self.gap = Gap(last.end_ms, candle.start_ms)
        return "after_gap"
