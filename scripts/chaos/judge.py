"""Deliveries against the truth, given what was done to the fleet. Pure; times are ms by the wall.

What is owed: every closed candle of a stream from the first one delivered on, or from the bar on
that ran when the fleet first said that the stream is live, if that was before the faults began; up
to those that ended ``LATE_S`` before the end, for what ended after that was not late yet. A wanted
stream owes all since the faults began at the latest, whenever the first of it came; a symbol listed later, since the fleet must have noticed.

The counts, and when each is not zero:

- missing: a candle that is owed never came as revision 0.
- wrong: its last word (the highest revision) is not the truth, two copies of one message differ and
  no correction follows, or a ``message_id`` is not what the body says.
- out of order: a candle of revision 0 came for the first time after a later one of its stream.
- duplicated: a message came again (not counting repeats that the consumer itself caused); unexplained,
  if none of the three causes of DESIGN P4 fits (``scripts.chaos.causes``).
- unsaid: a stream was behind without having said so. A candle that is owed came more than
  ``LATE_S`` after its end, or never, and at no time from its end until it was late did what the
  stream had said last tell that it is behind (stale, rejected, parked, or a gap that is not
  recovered). Only where RabbitMQ could not be spoken to when the candle became late, there is time
  until it could. A dead worker cannot speak either, but its successor must: as soon as there can be
  one (``scripts.chaos.causes.ownerless``). Candles that ended before
  the faults began, or before the stream was heard of, are history, and never late.

Corrections (revision 1 and up) are counted, and apart from them those that say no other than what
they correct: who takes a stream over may not know what was told before, and says the truth again.

A symbol that the exchange rejects owes nothing while the fleet says so: if its last word is
``rejected`` or ``parked``, and a fault had it rejected, its candles are owed up to when it stopped
being live, and no further.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from scripts.chaos.carried import Carried
from scripts.chaos.causes import Stretches, explained, mute, ownerless
from scripts.chaos.consumer import Delivery
from scripts.chaos.evidence import CLOSED, STATUS, Evidence, Verdict, asked_from, stream_of
from scripts.chaos.statements import Statements
from scripts.quick.compare import Body, agree, candle_id, difference

LATE_S = 20.0


def judge(evidence: Evidence) -> Verdict:
    """The verdict on a run."""
    verdict = Verdict()
    closed: dict[str, list[Delivery]] = defaultdict(list)
    said: dict[str, list[Body]] = defaultdict(list)
    for one in evidence.deliveries:
        if one.kind == CLOSED and not one.own:
            closed[stream_of(one.body)].append(one)
        elif one.kind == STATUS and one.body["channel"] == "candle":
            said[stream_of(one.body)].append(one.body)
    owed = asked_from(
        evidence.deliveries, evidence.owed_from_ms, evidence.clock, evidence.started_ms
    )
    verdict.streams = len(owed)
    gaps = ownerless(evidence.carried)
    quiet = sorted([*mute(evidence.carried), *gaps])
    for stream in sorted(owed):
        judged = _StreamJudge(stream, evidence, verdict, Statements(said[stream], quiet), gaps)
        judged.judge(closed[stream], owed[stream])
    return verdict


class _StreamJudge:
    """One stream."""

    def __init__(
        self,
        stream: str,
        evidence: Evidence,
        verdict: Verdict,
        statements: Statements,
        gaps: Stretches,
    ) -> None:
        self._gaps = gaps
        self._stream = stream
        self._evidence = evidence
        self._verdict = verdict
        self._said = statements
        self._rows = {row["startMs"]: row for row in evidence.truth.get(stream, ())}
        self._born_ms = 0.0
        # Copies that say something else than the first one: the candle's start, and what.
        self._otherwise: list[tuple[int, str]] = []

    def judge(self, copies: Sequence[Delivery], owed_from_ms: int) -> None:
        firsts = self._firsts(copies)
        self._check_order(firsts)
        words = [one for one in firsts if one.body["revision"] > 0]
        self._verdict.revised += len(words)
        self._count_alike(firsts)
        arrived = {one.body["startMs"]: one for one in firsts if one.body["revision"] == 0}
        self._check_words(arrived, words)
        self._check_bodies({one.body["startMs"] for one in words})
        settled_ms = self._evidence.ended_ms - LATE_S * 1000
        until_ms = self._owed_until_ms()
        self._born_ms = self._heard_of_ms(firsts)
        for start_ms, row in self._rows.items():
            ended_ms = self._wall_ms(row["endMs"])
            if row["endMs"] > owed_from_ms and ended_ms <= min(settled_ms, until_ms):
                self._check_owed(row, ended_ms, arrived.get(start_ms))

    def _firsts(self, copies: Sequence[Delivery]) -> list[Delivery]:
        """The first copy of each message, in the order of arrival; the others are judged."""
        by_id: dict[str, list[Delivery]] = {}
        new_ms = 0
        for one in copies:
            if one.message_id != candle_id(one.body):
                self._verdict.blame("wrong", f"{one.message_id}: the id of {candle_id(one.body)}")
            before = by_id.setdefault(one.message_id, [])
            if before:
                self._check_again(before, one, new_ms)
            else:
                new_ms = one.arrived_ms
            before.append(one)
        return [same[0] for same in by_id.values()]

    def _check_again(self, before: Sequence[Delivery], again: Delivery, new_ms: int) -> None:
        """``new_ms``: when something new was said last of the stream."""
        self._verdict.duplicated += 1
        name, at_s = again.message_id, self._at_s(again.arrived_ms)
        first, last = before[0], before[-1]
        if not agree(again.body, first.body):
            told = f"{again.origin} after {first.origin}: {difference(again.body, first.body)}"
            reason = f"{name} came at {at_s:.1f} s with another body, {told}"
            self._otherwise.append((again.body["startMs"], reason))
        evidence = self._evidence
        causes = (evidence.carried, evidence.owners, self._gaps)
        if explained(before, again, *causes, new_ms=new_ms) is None:
            after_s = (again.arrived_ms - last.arrived_ms) / 1000
            epochs = f"epoch {last.epoch} {last.origin}, then {again.epoch} {again.origin}"
            reason = f"{name} came again at {at_s:.1f} s, after {after_s:.1f} s ({epochs})"
            self._verdict.blame("duplicated_unexplained", reason)

    def _check_bodies(self, corrected: Collection[int]) -> None:
        """Two owners may infer a close differently: a correction has to follow, or it is wrong."""
        for start_ms, reason in self._otherwise:
            if start_ms in corrected:
                self._verdict.repeated_otherwise += 1
            else:
                self._verdict.blame("wrong", reason)

    def _check_order(self, firsts: Sequence[Delivery]) -> None:
        firsts = [one for one in firsts if one.body["revision"] == 0]
        begins_ms = firsts[0].body["startMs"] if firsts else 0
        # Since the beginning of the stream, and before it.
        last_ms = {True: 0, False: 0}
        for one in firsts:
            start_ms = one.body["startMs"]
            since = start_ms >= begins_ms or not self._is_lost_data(one)
            self._verdict.reached_back += not since
            if start_ms < last_ms[since]:
                at_s = self._at_s(one.arrived_ms)
                reason = f"{one.message_id} came at {at_s:.1f} s, after a later one"
                self._verdict.blame("out_of_order", reason)
            last_ms[since] = max(last_ms[since], start_ms)

    def _is_lost_data(self, one: Delivery) -> bool:
        """Whether Redis had lost the stream's beginning when it came: a look-back may go behind it."""
        return any(
            lost.fault.kind == "redis_wipe" and lost.from_ms <= one.arrived_ms
            for lost in self._evidence.carried
        )

    def _count_alike(self, firsts: Sequence[Delivery]) -> None:
        """Corrections that say no other than what they correct, as far as that came before them."""
        last: dict[int, Body] = {}
        for one in firsts:
            before, body = last.get(one.body["startMs"]), {**one.body, "revision": 0}
            self._verdict.revised_alike += before is not None and agree(body, before)
            last[one.body["startMs"]] = body

    def _check_words(
        self, arrived: Mapping[int, Delivery], corrections: Sequence[Delivery]
    ) -> None:
        """The last word on every candle that came at all."""
        words = dict(arrived)
        for one in corrections:
            before = words.get(one.body["startMs"])
            if before is None or before.body["revision"] < one.body["revision"]:
                words[one.body["startMs"]] = one
        for start_ms, one in words.items():
            row = self._rows.get(start_ms)
            body = {**one.body, "revision": 0}
            if row is None:
                self._verdict.blame("wrong", f"{one.message_id}: there is no such candle")
            elif not agree(body, row):
                when = f"{one.origin}, at {self._at_s(one.arrived_ms):.1f} s"
                told = f"{one.message_id} ({when}): {difference(body, row)}"
                self._verdict.blame("wrong", told)

    def _check_owed(self, row: Body, ended_ms: float, came: Delivery | None) -> None:
        verdict = self._verdict
        verdict.expected += 1
        arrived_ms = self._evidence.ended_ms if came is None else came.arrived_ms
        late_s = (arrived_ms - ended_ms) / 1000
        name, at_s = candle_id(row), self._at_s(ended_ms)
        if came is None:
            verdict.blame("missing", f"{name}, which ended at {at_s:.1f} s")
        else:
            verdict.delivered += 1
        if ended_ms < self._born_ms:
            return
        if came is not None and late_s > verdict.max_recovery_s:
            verdict.max_recovery_s = late_s
            verdict.slowest = f"{name} came {late_s:.1f} s late{self._after(ended_ms)}"
        was_late_ms = ended_ms + LATE_S * 1000
        if arrived_ms > was_late_ms and not self._said.so(ended_ms, was_late_ms, arrived_ms):
            how = "never came" if came is None else f"came {late_s:.1f} s late"
            verdict.blame("unsaid", f"{name}, which ended at {at_s:.1f} s, {how} without a word")

    def _heard_of_ms(self, firsts: Sequence[Delivery]) -> float:
        """When it was heard of for the first time, by the wall; not before the faults began."""
        heard_ms = [self._said.first_ms, *(one.arrived_ms for one in firsts[:1])]
        first_ms = min(filter(None, heard_ms), default=0)
        return max(first_ms, self._evidence.started_ms)

    def _owed_until_ms(self) -> float:
        """By the wall; for ever, but for what the exchange rejects."""
        stopped_ms = self._said.rejected_since_ms
        rejected = any(
            one.fault.kind == "reject" and one.symbol and self._stream.startswith(_symbol(one))
            for one in self._evidence.carried
        )
        if stopped_ms is None or not rejected:
            return float("inf")
        self._verdict.rejected += 1
        self._verdict.note("rejected", f"{self._stream}, since {self._at_s(stopped_ms):.1f} s")
        return stopped_ms

    def _after(self, ended_ms: float) -> str:
        """What had last been done, before the candle ended, to what its stream comes by."""
        place = ":".join(self._stream.split(":")[:2])
        before = [
            one
            for one in self._evidence.carried
            if one.from_ms <= ended_ms
            and (one.fault.family != "exchange" or one.fault.target == place)
        ]
        last = max(before, key=lambda one: one.to_ms, default=None)
        return "" if last is None else f", after {last.fault.kind} ({last.hit})"

    def _wall_ms(self, market_ms: int) -> float:
        clock = self._evidence.clock
        return clock.anchor_ms + (market_ms - clock.anchor_ms) / clock.speed

    def _at_s(self, wall_ms: float) -> float:
        return (wall_ms - self._evidence.started_ms) / 1000


def _symbol(one: Carried) -> str:
    assert one.symbol is not None
    exchange, market, symbol = one.symbol
    return f"{exchange}:{market}:candle:{symbol}:"
