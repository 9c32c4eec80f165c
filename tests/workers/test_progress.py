"""Which confirms move a checkpoint, and how streams are let go of."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import cast

from msgspec.structs import replace

from common.fleet.checkpoints import Checkpoints, Holder, Move, Written
from common.model.checkpoints import Checkpoint
from common.model.events import Candle
from common.model.streams import Stream
from tests.recovery.bars import at, bar
from tests.support.virtual_time import virtual_time
from workers.progress import LEAVE_S, Progress

HOLDER = Holder("binance:spot:candle:0", 7)


def stream(symbol: str) -> Stream:
    return Stream("binance", "spot", "candle", symbol, "1m")


ONE = stream("BTCUSDT")


class Kept:
    """Redis, as far as it is written to: the last move of each stream; ``refuses`` all or none."""

    def __init__(self) -> None:
        self.moves: dict[Stream, Move] = {}
        self.refuses = False

    async def write(self, moves: Sequence[Move]) -> Written:
        self.moves |= {move.stream: move for move in moves}
        return Written(refused=tuple(move.stream for move in moves) if self.refuses else ())


class Owner:
    def __init__(self) -> None:
        self.told: list[tuple[str, Collection[Stream]]] = []

    def unsettled(self, stream: Stream) -> tuple[Candle, ...]:
        return ()

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
