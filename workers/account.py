"""One account while this worker owns it: open → reconcile → live, again and again, or parked.

However it comes to be behind (a lost socket, a dead owner, a frame that was not understood), it is made
whole by the same step: what REST knows since the last time all was told (``workers.teller``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Literal

import msgspec
from loguru import logger

from common.clocks import machine_s
from common.exchanges.private import Credentials, Heard, InquiryFailed, Opened, Trouble
from common.exchanges.protocol import Unreadable
from common.exchanges.told import FillTold, OrderTold, Told
from common.fleet.account_record import AccountRecord
from common.fleet.breaker import TRIPS
from common.fleet.client import RedisAway
from common.fleet.ledgers import Superseded
from common.fleet.patience import MOST_S
from common.fleet.vault import CannotOpen
from common.recovery.book import HELD, Book
from common.recovery.reports import Account
from common.session.line import Line, LineEnded
from common.session.outcome import Outcome
from workers.chores import Chores
from workers.ending import Ended, Pauses, ended_by
from workers.means import Means
from workers.speaker import Speaker, Undelivered
from workers.teller import Teller

State = Literal["opening", "reconciling", "live", "waiting", "parked"]

# Longer than anybody waits for a turn.
OPENED_WITHIN_S = 2 * MOST_S
# The socket sees to it that there is a word or an end; this only bounds the wait.
SILENT_S = 3600.0
END_S = 10.0

UNDELIVERED = Outcome("asked", "transient", "no queue takes its events")


class AccountLife:
    """The lives of one account, one after another, for ever.

    Args:
        record: which account, and with what.
        means: what it is streamed with.
        speaker: how it speaks.

    Attributes:
        state: how it stands.
        since_s: since when it has not been live, in machine seconds.
        trouble: why it waits or is parked.
    """

    def __init__(self, record: AccountRecord, means: Means, speaker: Speaker) -> None:
        self._record = record
        self._means = means
        self._speaker = speaker
        self._venue = means.venue(record)
        self._rules = self._venue.private.markets[record.market]
        self._pauses = Pauses(record, means.breaker)
        self._teller: Teller | None = None
        self._opened_s: float | None = None
        self._line: Line | None = None
        # Since when something may be missing, as it was said; None: nothing is.
        self._behind_ms: int | None = None
        self.state: State = "opening"
        self.since_s = machine_s()
        self.trouble: Trouble | None = None

    def undelivered(self) -> None:
        """No queue took an event: this life ends, and the next one begins where that was not told yet."""
        if self._line is not None:
            self._line.end(UNDELIVERED)

    async def run(self) -> None:
        """Stay open until cancelled, or until a newer owner has it."""
        while True:
            self.state, self._opened_s = "opening", None
            try:
                await self._live()
            except Superseded:
                return
            except (Ended, LineEnded, InquiryFailed, RedisAway, Undelivered) as error:
                await self._rest(ended_by(error))

    # --- one life -----------------------------------------------------------------------------

    async def _live(self) -> None:
        await self._pauses.look()
        credentials = self._credentials()
        if self._teller is None or self._speaker.is_undelivered:
            book = await self._load()
            self._speaker.begin(self._record.ledger, book.everything)
            self._teller = Teller(self._record, credentials, book, self._means, self._speaker)
        teller, market = self._teller, self._record.market
        self._tell_gap(teller)
        await self._wait_for_catalog()
        async with self._means.gate(self._record):
            url = await teller.ask(self._venue.private.open(market, credentials))
            line = self._means.sockets.join(self._venue, url, self._record.account_id, credentials)
            try:
                told = await self._until_opened(line)
                self._opened_s = machine_s()
                await self._catch_up(teller)
            except BaseException:
                self._means.sockets.leave(line)
                raise
        self._line = line
        try:
            await teller.take(told)
            await self._flow(teller, line, self._chores(teller, url, credentials))
        finally:
            self._means.sockets.leave(line)

    def _chores(self, teller: Teller, url: str, credentials: Credentials) -> Chores:
        means, venue = self._means, self._venue
        crowd = partial(means.sockets.accounts, venue)
        return Chores(venue, teller, url, credentials, means.reconcile_s, crowd)

    def _credentials(self) -> Credentials:
        """Opened here, and nowhere else."""
        try:
            return self._means.vault.open(self._record.account_id, self._record.sealed)
        except CannotOpen as cannot:
            raise Ended("config", f"credentials: {cannot}") from None

    async def _load(self) -> Book:
        record = self._record
        apart = self._rules.fills_apart
        account = Account(record.exchange, record.market, record.account_id, fills_apart=apart)
        # What was confirmed in the life before is known in this one.
        await self._speaker.keep()
        pieces = await self._means.ledgers.take(record.ledger, self._speaker.epoch)
        if HELD not in pieces and await self._was_lost():
            self._record = msgspec.structs.replace(record, restored=True)
        try:
            return Book(account, pieces)
        except msgspec.DecodeError as error:
            logger.bind(reason=str(error)[:200]).error("an account's ledger is not readable")
            return Book(account)

    async def _was_lost(self) -> bool:
        """Whether Redis has lost the account since we read of it, and with it what it held.

        Put back already, or not yet.
        """
        kept = await self._means.accounts.one(self._record.account_id)
        return kept is None or kept.restored

    async def _wait_for_catalog(self) -> None:
        """Sizes are counted in contracts whose size the instrument list tells."""
        while not self._means.listings.known(self._record.exchange, self._record.market):  # noqa: ASYNC110
            await asyncio.sleep(1.0)

    async def _until_opened(self, line: Line) -> list[Told]:
        """What was told before it was said to be open."""
        told: list[Told] = []
        while True:
            # The socket counts from when the account is joined; before that others may have their turn.
            heard = await line.next(OPENED_WITHIN_S)
            if heard is None:
                raise Ended("transient", "the account was not opened in time")
            if isinstance(heard, Opened):
                return told
            told += _told(heard)

    async def _catch_up(self, teller: Teller) -> None:
        """All that has happened since the last time all was told, and has arrived; only then it is live."""
        self.state = "reconciling"
        to_ms = teller.now_ms
        await teller.reconcile(entire=True)
        await self._pauses.proved()
        await self._speaker.settled()
        self.trouble, self.state = None, "live"
        if self._behind_ms is not None and self._rules.asked:
            self._speaker.status("recovered", from_ms=self._behind_ms, to_ms=to_ms)
        self._behind_ms = None
        self._speaker.status("live")

    def _tell_gap(self, teller: Teller) -> None:
        """Say at once that something may be missing, however long it takes until it can be asked for."""
        book = teller.book
        from_ms = book.from_ms if self._record.restored else book.since_ms
        if from_ms is None or self._behind_ms is not None:
            return
        self._behind_ms = teller.last_ms or from_ms
        self._speaker.status("gap", from_ms=self._behind_ms, to_ms=teller.now_ms)

    async def _flow(self, teller: Teller, line: Line, chores: Chores) -> None:
        """Tell what is heard, and do beside that what is due: an answer of REST delays no event."""
        tasks = {
            asyncio.create_task(self._hear(teller, line, chores), name="hear an account"),
            asyncio.create_task(chores.run(), name="keep an account"),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # Whatever is being told is told to its end: in the next life it counts as said.
            async with teller.telling:
                await _end(tasks)
        finally:
            await _end(tasks)
        for task in done:
            task.result()

    async def _hear(self, teller: Teller, line: Line, chores: Chores) -> None:
        while True:
            heard = await line.next(SILENT_S)
            if heard is None:
                continue
            all_heard = [heard, *line.rest()]
            told = [one for each in all_heard for one in _told(each)]
            if any(isinstance(each, Unreadable) for each in all_heard):
                chores.compare_soon()
            await teller.take(told)
            chores.owe()
            if any(isinstance(one, OrderTold | FillTold) for one in told):
                chores.traded()

    # --- between two lives ----------------------------------------------------------------------

    async def _rest(self, ended: Ended) -> None:
        flowed_s = 0.0 if self._opened_s is None else machine_s() - self._opened_s
        if self.state == "live":
            self.since_s = machine_s()
        self._opened_s, self.trouble = None, ended.trouble
        if ended.trouble == "clock":
            self._means.clocks.doubt(self._venue.exchange, self._record.market)
        wait_s = await self._pauses.after(ended, flowed_s)
        parked = ended.trouble in TRIPS
        self.state = "parked" if parked else "waiting"
        self._speaker.status(self.state if parked else "stale", ended.detail, ended.trouble)
        log = logger.bind(place=self._venue.name, trouble=ended.trouble, reason=ended.detail[:200])
        log.bind(wait_s=round(wait_s, 1)).warning("account parked" if parked else "account lost")
        await asyncio.sleep(wait_s)


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=END_S)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # one of them is raised; of the others it is known


def _told(heard: Heard) -> list[Told]:
    return [heard] if isinstance(heard, Told) else []
