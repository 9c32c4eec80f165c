"""Whoever owns a stream, for however long, and whatever RabbitMQ does: all of it arrives, in order.

The promises of the durable class, seen from a consumer who drops what he knows by its id: every
closed candle once, in order, without holes, from the first checkpoint on, and REST has the last word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.model.events import Candle
from common.model.intervals import end_of, length_ms
from tests.recovery.bars import BEGIN_MS
from tests.recovery.exchange_model import Life, truth
from tests.recovery.test_any_order import STREAMS, check_running, plain, plans
from tests.workers.owner_model import Change, Owners, Story, Verdict

EXAMPLES = 30
VERDICTS: Sequence[Verdict] = ("confirmed", "returned", "unheard")


def without_sockets(lives: Sequence[Life], changes: Sequence[Change]) -> list[Life]:
    """A socket ends with its owner, and the next owner has one of its own."""
    for change in changes:
        back_ms = change.at_ms + change.away_ms
        parts = []
        for life in lives:
            parts.append(replace(life, to_ms=min(life.to_ms, change.at_ms)))
            parts.append(replace(life, from_ms=max(life.from_ms, back_ms)))
        lives = [life for life in parts if life.from_ms < life.to_ms]
    return list(lives)


@st.composite
def stories(draw: st.DrawFn, name: str, *, skewed: bool) -> Story:
    """Lives of owners over lives of sockets; times are drawn in thousandths of a bar."""
    plan = draw(plans(STREAMS[name], skewed=skewed))
    begins_ms = plan.lives[0].from_ms
    calm = 1000 * (plan.calm_ms - begins_ms) // (unit_ms := length_ms(plan.stream.interval) or 1)
    changes, at = [], 0
    for _ in range(draw(st.integers(0, 3))):
        at += draw(st.integers(20, max(21, calm // 2)))
        away = draw(st.integers(0, 2_500))
        if at + away < calm:
            moment_ms = begins_ms + at * unit_ms // 1000
            orderly, arrived = draw(st.booleans()), draw(st.booleans())
            changes.append(Change(moment_ms, away * unit_ms // 1000, orderly, arrived))
        at += away
    verdicts = st.tuples(st.integers(1, unit_ms), st.sampled_from(VERDICTS))
    lives = without_sockets(plan.lives, changes)
    if "built" not in name:  # the last trade may be out of reach, once the stream has begun
        trades = sorted([*plan.trades, (begins_ms - 1, draw(st.integers(1, 99)))])
        plan = replace(plan, trades=trades, bars_before=draw(st.sampled_from((3, 200))))
    return Story(
        replace(plan, lives=lives),
        changes,
        [*draw(st.lists(verdicts, max_size=5)), (10, "confirmed")],
        [*draw(st.lists(st.booleans(), max_size=5)), True],
        draw(st.integers(5, 1000)) * unit_ms // 1000,
    )


def told(story: Story) -> Owners:
    """Machine time stands still meanwhile: the exchange's is the model's own."""

    async def tell() -> Owners:
        run = Owners(story)
        run.go()
        run.keep()
        return run

    return asyncio.run(tell())


def known_by_id(run: Owners) -> list[Candle]:
    """What is left when repeats are dropped by their id."""
    first: dict[tuple[int, int], Candle] = {}
    for candle, _ in run.delivered:
        first.setdefault((candle.start_ms, candle.revision), candle)
    return list(first.values())


def check_complete(run: Owners) -> None:
    """Once each, in order, without holes, from the first checkpoint to the end."""
    first = [candle for candle in known_by_id(run) if candle.revision == 0]
    assert first, "nothing arrived"
    assert first[0].start_ms == run.begins_ms
    for one, other in pairwise(first):
        assert other.start_ms == one.end_ms
    interval = run.plan.stream.interval or ""
    slack_ms = 3 * length_ms(run.interval) + 20_000
    assert end_of(interval, first[-1].end_ms) > run.plan.until_ms - slack_ms


def check_corrections(run: Owners) -> None:
    """A correction comes after what it corrects."""
    arrived: set[tuple[int, int]] = set()
    for candle in known_by_id(run):
        if candle.revision:
            assert (candle.start_ms, candle.revision - 1) in arrived
        arrived.add((candle.start_ms, candle.revision))


def check_repeats(run: Owners) -> None:
    """What comes twice is the same, and comes for one of the causes that a consumer is told of."""
    first: dict[tuple[int, int], Candle] = {}
    for candle, _ in run.delivered:
        assert first.setdefault((candle.start_ms, candle.revision), candle) == candle
    story = run._story
    troubled = any(not change.orderly for change in story.changes) or any(
        verdict == "unheard" for _, verdict in story.verdicts
    )
    assert troubled or len(first) == len(run.delivered)


def the_truth(run: Owners) -> dict[int, tuple[object, ...]]:
    plan = run.plan
    bars = truth(plan, plan.stream.interval or "", BEGIN_MS, plan.until_ms)
    return {bar.start_ms: plain(bar) for bar in bars}


@pytest.mark.parametrize("name", STREAMS)
def test_whoever_owns_a_stream_what_arrives_is_the_truth(name: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(stories(name, skewed=False))
    def check(story: Story) -> None:
        run = told(story)
        check_complete(run)
        check_corrections(run)
        check_repeats(run)
        true = the_truth(run)
        assert all(plain(candle) == true[candle.start_ms] for candle, _ in run.delivered)
        if not story.changes:
            check_running(run)

    check()


@pytest.mark.parametrize("name", STREAMS)
def test_whoever_owns_a_stream_rest_has_the_last_word(name: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(stories(name, skewed=True))
    def check(story: Story) -> None:
        run = told(story)
        check_complete(run)
        check_corrections(run)
        true = the_truth(run)
        last: dict[int, Candle] = {}
        for candle in known_by_id(run):
            if candle.revision >= last.get(candle.start_ms, candle).revision:
                last[candle.start_ms] = candle
        pending_ms = run.plan.until_ms - 3 * length_ms(run.plan.stream.interval)
        for start_ms, candle in last.items():
            if start_ms < pending_ms:
                assert plain(candle) == true[start_ms]

    check()
