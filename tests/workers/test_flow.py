"""One life of an account: what is heard is told beside what REST is asked, and all of it to its end."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from msgspec.structs import replace

from common.clocks import machine_s
from common.exchanges.private import Credentials, InquiryFailed
from common.exchanges.protocol import RestFailure, Unreadable
from common.exchanges.registry import EXCHANGES, PRIVATE
from common.exchanges.told import OrderTold, Told
from common.fleet.account_record import AccountRecord
from common.model.secret import Secret
from common.recovery.book import HELD
from common.session.line import Line, LineEnded
from common.session.outcome import Outcome
from common.session.venue import Venue
from tests.support.virtual_time import virtual_time
from workers.account import AccountLife
from workers.chores import SOON_S, Chores

RECORD = AccountRecord("a1", "binance", "spot", "", "")
VENUE = Venue(EXCHANGES["binance"], PRIVATE["binance"], "spot")
FUTURES = Venue(EXCHANGES["binance"], PRIVATE["binance"], "linear")
CREDENTIALS = Credentials(Secret("k" * 8), Secret("s" * 8))
CUT = Outcome("closed", "transient", "1006")
ORDER = OrderTold(symbol="BTCUSDT", order_id="1", status="NEW", raw_status="NEW", time_ms=1)


class Teller:
    """Takes ``takes_s`` to tell something, and ``asks_s`` to compare."""

    owed_in_s = None

    def __init__(self, takes_s: float = 0.0, asks_s: float = 0.0) -> None:
        self.telling = asyncio.Lock()
        self.told: list[Told] = []
        self.compared_s: list[float] = []
        self.failure: InquiryFailed | None = None
        self._takes_s, self._asks_s = takes_s, asks_s

    async def take(self, told: list[Told]) -> None:
        async with self.telling:
            await asyncio.sleep(self._takes_s)
            self.told += told

    async def reconcile(self, *, entire: bool) -> None:
        assert not entire
        await asyncio.sleep(self._asks_s)
        if self.failure is not None:
            raise self.failure
        self.compared_s.append(machine_s())


def flow(teller: Teller, line: Line, reconcile_s: float = 600.0) -> asyncio.Task[None]:
    means: Any = SimpleNamespace(venue=lambda _: VENUE, breaker=None)
    life = AccountLife(RECORD, means, SimpleNamespace())  # type: ignore[arg-type]
    of_ours: Any = teller
    chores = Chores(VENUE, of_ours, "wss://socket", CREDENTIALS, reconcile_s, lambda: 1)
    return asyncio.create_task(life._flow(of_ours, line, chores))


@virtual_time
async def test_what_is_heard_does_not_wait_for_an_answer_of_rest() -> None:
    teller, line = Teller(asks_s=100.0), Line("a1")
    task = flow(teller, line, reconcile_s=10.0)
    await asyncio.sleep(15.0)
    assert teller.compared_s == []
    line.put(ORDER)
    await asyncio.sleep(0.1)
    assert teller.told == [ORDER]
    line.end(CUT)
    with pytest.raises(LineEnded):
        await task


@pytest.mark.parametrize(
    ("pieces", "kept", "lost"),
    [
        ({}, RECORD, False),
        ({}, None, True),
        ({}, replace(RECORD, restored=True), True),
        ({HELD: b"[]"}, None, False),
    ],
    ids=["new", "not put back yet", "put back already", "known"],
)
async def test_an_account_of_which_nothing_is_kept_may_have_been_lost_since_it_was_read(
    pieces: dict[str, bytes], kept: AccountRecord | None, *, lost: bool
) -> None:
    means: Any = SimpleNamespace(
        venue=lambda _: VENUE,
        breaker=None,
        ledgers=SimpleNamespace(take=AsyncMock(return_value=pieces)),
        accounts=SimpleNamespace(one=AsyncMock(return_value=kept)),
    )
    speaker: Any = SimpleNamespace(keep=AsyncMock(), epoch=1)
    life = AccountLife(RECORD, means, speaker)
    await life._load()
    assert life._record.restored is lost


@virtual_time
async def test_what_is_being_told_when_the_life_ends_is_told_to_its_end() -> None:
    teller, line = Teller(takes_s=5.0), Line("a1")
    teller.failure = InquiryFailed(RestFailure("auth", "-2015"), "key")
    began_s = machine_s()
    task = flow(teller, line, reconcile_s=2.0)
    line.put(ORDER)
    with pytest.raises(InquiryFailed):
        await task
    assert teller.told == [ORDER]
    assert machine_s() - began_s == pytest.approx(5.0)


@virtual_time
async def test_what_was_not_understood_while_rest_was_asked_is_asked_for_after_that() -> None:
    teller, line = Teller(asks_s=60.0), Line("a1")
    task = flow(teller, line, reconcile_s=100.0)
    await asyncio.sleep(130.0)
    assert teller.compared_s == [], "it is being compared"
    line.put(Unreadable("wrong_shape", ""))
    await asyncio.sleep(60.0 + SOON_S + 60.0)
    assert len(teller.compared_s) == 2
    line.end(CUT)
    with pytest.raises(LineEnded):
        await task


@pytest.mark.parametrize(
    ("crowd", "every_s"), [(1, 30.0), (30, 30.0), (1000, 1000.0), (9000, 1500.0)]
)
@virtual_time
async def test_where_the_socket_cannot_be_asked_its_access_is_proved_by_rest(
    crowd: int, every_s: float
) -> None:
    asked_s: list[float] = []

    async def ask(inquiry: Any) -> None:
        assert next(inquiry).method == "PUT"
        asked_s.append(machine_s())

    teller: Any = SimpleNamespace(owed_in_s=None, ask=ask)
    chores = Chores(FUTURES, teller, "wss://socket", CREDENTIALS, 1e9, lambda: crowd)
    began_s, task = machine_s(), asyncio.create_task(chores.run())
    await asyncio.sleep(10 * every_s)
    task.cancel()
    waits_s = [after - before for before, after in pairwise([began_s, *asked_s])]
    assert len(waits_s) >= 10
    assert all(0.8 * every_s <= wait_s <= every_s + 0.1 for wait_s in waits_s)
