"""Which confirms move a checkpoint, and how streams are let go of."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import cast

import pytest
from msgspec.structs import replace

from common.fleet.checkpoints import Checkpoints, Holder, Move, Taken, Written
from common.fleet.client import RedisAway
from common.model.checkpoints import Checkpoint
from common.model.events import Candle
from common.model.streams import Stream
from tests.recovery.bars import at, bar
from tests.support.virtual_time import virtual_time
from tests.support.waiting import until
from workers.progress import FLUSH_S, LEAVE_S, Progress

HOLDER = Holder("binance:spot:candle:0", 7)


def stream(symbol: str) -> Stream:
    return Stream("binance", "spot", "candle", symbol, "1m")


ONE = stream("BTCUSDT")


class Kept:
    """Redis: the last move of each stream; ``refuses``, ``forgets`` and ``away`` are for all or none.

    ``written`` counts the moves.
    """

    def __init__(self) -> None:
        self.moves: dict[Stream, Move] = {}
        self.written = 0
        self.refuses = self.forgets = self.away = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def take(self, holder: Holder, streams: Iterable[Stream]) -> Taken:
        return Taken(dict.fromkeys(streams))

    async def write(self, moves: Sequence[Move]) -> Written:
        if self.away:
            raise RedisAway
        self.written += len(moves)
        self.moves |= {move.stream: move for move in moves}
        await self.answers.wait()
        streams = tuple(move.stream for move in moves)
        return Written(streams if self.refuses else (), streams if self.forgets else ())


class Owner:
    def __init__(self) -> None:
        self.told: list[tuple[str, Collection[Stream]]] = []
        self.pending: tuple[Candle, ...] = ()

    def unsettled(self, stream: Stream) -> tuple[Candle, ...]:
        return self.pending

    def confirmed(self, candle: Candle) -> None:
        self.told.append(("confirmed", [candle.stream]))

    def undelivered(self, candle: Candle) -> None:
        self.told.append(("undelivered", [candle.stream]))

    def left(self, stream: Stream) -> None:
        self.told.append(("left", [stream]))

    def fenced(self, streams: Collection[Stream]) -> None:
        self.told.append(("fenced", streams))


def begun(*streams: Stream, doubted: float = 0) -> tuple[Progress, Kept, Owner]:
    """Streams that begin at minute 1."""
    kept, owner = Kept(), Owner()
    progress = Progress(cast("Checkpoints", kept))
    begins = dict.fromkeys(streams, Checkpoint(at(1)))
    progress.begin(HOLDER, owner, begins, dict.fromkeys(streams, at(doubted)))
    return progress, kept, owner


async def minute_after(progress: Progress, kept: Kept, *confirmed: Candle) -> float:
    """The minute of the checkpoint when these are confirmed."""
    for candle in confirmed:
        progress.outcome(candle, "confirmed")
    await progress.flush()
    return (kept.moves[ONE].checkpoint.next_ms - at(0)) / 60_000


async def test_only_confirms_move_a_checkpoint() -> None:
    progress, kept, owner = begun(ONE)
    progress.published(bar(1))
    assert await minute_after(progress, kept) == 1
    for outcome in ("returned", "refused"):
        progress.outcome(bar(1), outcome)
    progress.outcome("stream:BTCUSDT:live", "confirmed")
    assert await minute_after(progress, kept) == 1
    assert owner.told == [("undelivered", [ONE])], "what is refused is known at once"
    assert await minute_after(progress, kept, bar(1), bar(2)) == 3
    assert kept.moves[ONE] == Move(ONE, HOLDER, Checkpoint(at(3), bar(2)))
    assert owner.told[1:] == [("confirmed", [ONE])] * 2


async def test_a_repeated_confirm_of_what_is_older_takes_nothing_back() -> None:
    progress, kept, _ = begun(ONE)
    assert await minute_after(progress, kept, bar(1), bar(2), bar(1)) == 3


async def test_what_is_nobodys_moves_nothing() -> None:
    progress, kept, owner = begun(ONE)
    progress.published(bar(1))
    progress.drop(owner)
    progress.outcome(bar(1), "confirmed")
    progress.settled(ONE)
    await progress.flush()
    assert (kept.moves, owner.told) == ({}, [])


async def test_only_what_has_moved_is_written() -> None:
    two = stream("ETHUSDT")
    progress, kept, _ = begun(ONE, two)
    await progress.flush()
    assert kept.written == 2, "where they begin"
    await progress.flush()
    progress.outcome(bar(1), "confirmed")
    await progress.flush()
    assert kept.written == 3
    progress.settled(two)
    await progress.flush()
    assert kept.written == 4


async def test_what_is_still_to_be_compared_is_kept_as_far_as_it_has_arrived() -> None:
    progress, kept, owner = begun(ONE)
    owner.pending = (bar(0), bar(1), bar(2))
    await minute_after(progress, kept, bar(1))
    assert kept.moves[ONE].checkpoint.unsettled == (bar(0), bar(1))
    owner.pending = (bar(1),)
    progress.settled(ONE)
    await progress.flush()
    assert kept.moves[ONE].checkpoint.unsettled == (bar(1),)


async def test_what_was_let_go_of_keeps_what_is_to_be_compared_though_its_owner_forgets() -> None:
    progress, kept, owner = begun(ONE)
    progress.published(bar(1))
    owner.pending = (bar(0), bar(1))
    progress.leave(owner, [ONE])
    owner.pending = ()
    await minute_after(progress, kept, bar(1))
    assert kept.moves[ONE].leaves
    assert kept.moves[ONE].checkpoint.unsettled == (bar(0), bar(1))


async def test_a_correction_moves_nothing_on_even_of_what_has_to_come_once_more() -> None:
    """Minute 1 was returned; what REST says of minute 2 otherwise arrives before it."""
    progress, kept, _ = begun(ONE)
    assert await minute_after(progress, kept, replace(bar(2), revision=1)) == 1
    assert await minute_after(progress, kept, bar(1), bar(2)) == 3


async def test_the_next_empty_interval_repeats_the_close_of_a_correction() -> None:
    progress, kept, _ = begun(ONE)
    corrected = replace(bar(1, "2"), revision=1)
    assert await minute_after(progress, kept, bar(1), corrected) == 2
    assert kept.moves[ONE].checkpoint.last == corrected


async def test_what_is_doubted_counts_when_it_was_said_once_more() -> None:
    progress, kept, _ = begun(ONE, doubted=2.5)
    assert await minute_after(progress, kept, bar(1)) == 1
    assert await minute_after(progress, kept, replace(bar(1), revision=1)) == 2
    assert await minute_after(progress, kept, bar(2)) == 3


@virtual_time
async def test_what_is_let_go_of_unconfirmed_is_not_let_go_of_as_whole() -> None:
    """Its message may arrive yet: whoever comes next has to know."""
    progress, kept, owner = begun(ONE)
    progress.published(bar(1))
    progress.leave(owner, [ONE])
    await progress.flush()
    assert not kept.moves[ONE].leaves
    await asyncio.sleep(LEAVE_S)
    await progress.flush()
    assert (kept.moves[ONE].leaves, kept.moves[ONE].whole) == (True, False)
    assert owner.told == [("left", [ONE])]


async def test_what_is_let_go_of_when_all_is_confirmed_is_whole() -> None:
    progress, kept, owner = begun(ONE)
    progress.published(bar(1))
    progress.leave(owner, [ONE])
    assert await minute_after(progress, kept, bar(1)) == 2
    assert (kept.moves[ONE].leaves, kept.moves[ONE].whole) == (True, True)


async def test_what_is_anothers_is_told_all_at_once() -> None:
    """Dropped one by one, thousands of streams would hold up everything for half a minute."""
    streams = {stream(f"S{n}USDT") for n in range(100)}
    progress, kept, owner = begun(*streams)
    kept.refuses = True
    await progress.flush()
    assert owner.told == [("fenced", streams)]


async def test_what_is_being_let_go_of_is_not_taken_again_before_it_is_free() -> None:
    two = stream("ETHUSDT")
    progress, kept, owner = begun(ONE)
    progress.published(bar(1))
    progress.leave(owner, [ONE])
    await progress.flush()
    assert (await progress.take(HOLDER, [ONE, two])).checkpoints == {two: None}
    assert (await progress.take(HOLDER, [ONE])).checkpoints == {}
    await minute_after(progress, kept, bar(1))
    assert (await progress.take(HOLDER, [ONE])).checkpoints == {ONE: None}


async def test_nobody_lets_go_of_what_is_anothers() -> None:
    progress, kept, _ = begun(ONE)
    progress.leave(Owner(), [ONE])
    await progress.flush()
    assert not kept.moves[ONE].leaves


async def test_everything_held_is_put_back_when_redis_has_lost_some_of_it() -> None:
    two = stream("ETHUSDT")
    progress, kept, _ = begun(ONE, two)
    await progress.flush()
    kept.moves.clear()
    kept.forgets = True
    await minute_after(progress, kept, bar(1))
    assert set(kept.moves) == {ONE}
    kept.forgets = False
    await progress.flush()
    assert set(kept.moves) == {ONE, two}


async def test_what_could_not_be_written_is_written_the_next_time() -> None:
    progress, kept, _ = begun(ONE)
    progress.outcome(bar(1), "confirmed")
    kept.away = True
    with pytest.raises(RedisAway):
        await progress.flush()
    kept.away = False
    assert await minute_after(progress, kept) == 2


async def test_of_a_write_that_was_cancelled_nobody_knows_so_it_is_done_again() -> None:
    progress, kept, owner = begun(ONE)
    progress.leave(owner, [ONE])
    kept.answers.clear()
    writing = asyncio.create_task(progress.flush())
    await until(lambda: kept.written)
    writing.cancel()
    await asyncio.wait({writing})
    kept.answers.set()
    # It had been let go of the first time already.
    kept.refuses = True
    await progress.flush()
    assert kept.written == 2
    assert owner.told == []
    assert (await progress.take(HOLDER, [ONE])).checkpoints == {ONE: None}


async def test_what_is_confirmed_during_a_write_is_written_after_it() -> None:
    progress, kept, _ = begun(ONE)
    kept.answers.clear()
    writing = asyncio.create_task(progress.flush())
    await until(lambda: kept.written)
    progress.outcome(bar(1), "confirmed")
    kept.answers.set()
    await writing
    assert await minute_after(progress, kept) == 2


async def test_a_new_epoch_of_the_lease_is_written_and_the_old_ones_refusal_is_no_news() -> None:
    progress, kept, owner = begun(ONE)
    newer = Holder(HOLDER.shard, HOLDER.epoch + 1)
    kept.refuses = True
    kept.answers.clear()
    writing = asyncio.create_task(progress.flush())
    await until(lambda: kept.written)
    progress.holds(owner, newer)
    kept.answers.set()
    await writing
    assert owner.told == []
    kept.refuses = False
    await progress.flush()
    assert kept.moves[ONE].holder == newer
    progress.holds(owner, newer)
    await progress.flush()
    assert kept.written == 2, "the same is no news"


async def test_after_it_was_fenced_nothing_of_a_stream_moves() -> None:
    progress, kept, owner = begun(ONE)
    kept.refuses = True
    await progress.flush()
    progress.outcome(bar(1), "confirmed")
    await progress.flush()
    assert kept.written == 1
    assert owner.told == [("fenced", {ONE})]


@virtual_time
async def test_moves_are_written_once_a_second_and_a_redis_that_is_away_ends_nothing() -> None:
    progress, kept, _ = begun(ONE)
    running = asyncio.create_task(progress.run())
    kept.away = True
    await asyncio.sleep(3.5 * FLUSH_S)
    kept.away = False
    await asyncio.sleep(FLUSH_S)
    assert kept.written == 1
    progress.outcome(bar(1), "confirmed")
    await asyncio.sleep(FLUSH_S)
    assert kept.moves[ONE].checkpoint.next_ms == at(2)
    running.cancel()
    await asyncio.wait({running})
