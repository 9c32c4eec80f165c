"""What arrived against what was true, one stream at a time. Pure.

Bodies are plain dictionaries, as read from the JSON of either side: nothing here knows the
product's types, so the product cannot agree with itself by mistake.

A stream owes every closed candle from its first delivery on, and from the moment on at which the
fleet said that all of it flows, whichever is earlier. Candles are judged in pieces as time goes by
and then forgotten, so that a demo may run for days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

Body = Mapping[str, Any]

# Reasons are for people: the first few tell the story, the counts tell the rest.
MOST_REASONS = 10
# Of the intervals that the demo asks for.
LONGEST_BAR_MS = 5 * 60_000


@dataclass
class Score:
    """Three counts that must be zero, and the first reasons for which they are not."""

    missing: int = 0
    duplicated: int = 0
    wrong: int = 0
    reasons: list[str] = field(default_factory=list)

    def blame(self, kind: str, reason: str) -> None:
        """Count one fault."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(f"{kind}: {reason}")

    @property
    def clean(self) -> bool:
        """Whether there is nothing to blame."""
        return not (self.missing or self.duplicated or self.wrong)


def candle_id(body: Body) -> str:
    """The ``message_id`` that a closed candle must have."""
    place = f"{body['exchange']}:{body['market']}:{body['symbol']}:{body['interval']}"
    return f"candle:{place}:{body['startMs']}:r{body['revision']}"


def difference(body: Body, truth: Body) -> str:
    """The fields in which two bodies differ, for people."""
    names = sorted(name for name in {*body, *truth} if not _same(body.get(name), truth.get(name)))
    shown = [f"{name} {body.get(name)!r} instead of {truth.get(name)!r}" for name in names]
    return ", ".join(shown)


def agree(body: Body, truth: Body) -> bool:
    """Whether they say the same: the same fields, and the same numbers however they are written."""
    return body.keys() == truth.keys() and all(_same(body[name], truth[name]) for name in truth)


def _same(one: Any, other: Any) -> bool:
    if one == other:
        return True
    try:
        return isinstance(one, str) and isinstance(other, str) and Decimal(one) == Decimal(other)
    except InvalidOperation:
        return False


class StreamCheck:
    """The closed candles of one stream, as they arrive, until they are judged."""

    def __init__(self, key: str, score: Score) -> None:
        self.key = key
        self._score = score
        self._waiting: dict[int, Body] = {}  # delivered, not judged yet, by startMs
        self._last_ms: int | None = None  # the newest startMs delivered
        self._next_ms: int | None = None  # the first startMs not judged yet
        self._missed: dict[int, None] = {}  # judged missing: may still come, too late

    def owed_from_ms(self, flowing_from_ms: int | None) -> int | None:
        """The truth from here on decides; None while nothing is owed yet."""
        if self._next_ms is not None:
            return self._next_ms
        from_ms = [min(self._waiting)] if self._waiting else []
        if flowing_from_ms is not None:  # the bar that is open at that moment is owed too
            from_ms.append(flowing_from_ms - LONGEST_BAR_MS)
        return min(from_ms, default=None)

    def arrived(self, message_id: str, body: Body) -> None:
        """A closed candle was delivered."""
        start_ms = body["startMs"]
        if message_id != candle_id(body):
            self._score.blame("wrong", f"{message_id} is not the id of {candle_id(body)}")
        before_judged = self._next_ms is not None and start_ms < self._next_ms
        if start_ms in self._waiting or (before_judged and start_ms not in self._missed):
            self._score.blame("duplicated", message_id)
            return
        if self._last_ms is not None and start_ms < self._last_ms:
            self._score.blame("wrong", f"{message_id} came after a later one")
        self._last_ms = max(start_ms, self._last_ms or 0)
        if before_judged:
            del self._missed[start_ms]  # too late to be right, and a duplicate the next time
        else:
            self._waiting[start_ms] = body

    def judge(self, truth: Sequence[Body], *, flowing_from_ms: int | None, settled_ms: int) -> None:
        """Hold what was delivered against the true candles from ``owed_from_ms`` on, oldest first.

        What ends after ``flowing_from_ms`` is owed even if nothing ever came (None: not known yet).
        What ended by ``settled_ms`` must have been delivered by now.
        """
        delivered_from_ms = min(self._waiting, default=None)
        for row in truth:
            if self._next_ms is None:
                delivered = delivered_from_ms is not None and row["startMs"] >= delivered_from_ms
                flowed = flowing_from_ms is not None and row["endMs"] > flowing_from_ms
                if not (delivered or flowed):
                    continue
            elif row["startMs"] < self._next_ms:
                continue
            if row["endMs"] > settled_ms:
                break
            self._judge_one(row)
            self._next_ms = row["endMs"]
        if self._next_ms is not None:
            self._never_true(before_ms=self._next_ms)

    def _judge_one(self, row: Body) -> None:
        body = self._waiting.pop(row["startMs"], None)
        if body is None:
            self._score.blame("missing", candle_id(row))
            self._missed[row["startMs"]] = None
            if len(self._missed) > MOST_REASONS:
                del self._missed[next(iter(self._missed))]
        elif not agree(body, row):
            self._score.blame("wrong", f"{candle_id(row)}: {difference(body, row)}")

    def _never_true(self, before_ms: int) -> None:
        """What waits for a truth that has passed it by was never true."""
        for start_ms in [start_ms for start_ms in self._waiting if start_ms < before_ms]:
            body = self._waiting.pop(start_ms)
            self._score.blame("wrong", f"{candle_id(body)}: there is no such candle")


@dataclass
class LatestCheck:
    """Values of which only the newest counts: never twice, never older than the one before."""

    score: Score
    _last: dict[str, tuple[str, int]] = field(default_factory=dict)

    def arrived(self, key: str, message_id: str, event_ms: int) -> None:
        """A ticker or an open candle of the stream ``key`` was delivered."""
        last_id, last_ms = self._last.get(key, ("", 0))
        if message_id == last_id:
            self.score.blame("duplicated", message_id)
        elif event_ms < last_ms:
            self.score.blame("wrong", f"{message_id} came after a newer one of {last_ms}")
        self._last[key] = (message_id, max(event_ms, last_ms))


def compare_recording(
    score: Score, kind: str, delivered: Mapping[str, Body], expected: Mapping[str, Body]
) -> None:
    """Hold what came of a recording against an independent reading of it, key by key."""
    for key, body in expected.items():
        if key not in delivered:
            score.blame("missing", f"{kind} {key}")
        elif delivered[key] != body:
            score.blame("wrong", f"{kind} {key}: {difference(delivered[key], body)}")
    for key in delivered.keys() - expected.keys():
        score.blame("wrong", f"{kind} {key} is not in the recording")


def total(scores: Iterable[Score]) -> Score:
    """The sum of several scores."""
    whole = Score()
    for score in scores:
        whole.missing += score.missing
        whole.duplicated += score.duplicated
        whole.wrong += score.wrong
        whole.reasons += score.reasons[: MOST_REASONS - len(whole.reasons)]
    return whole
