"""One account while this worker owns it: open → reconcile → live, again and again, or parked.

However it comes to be behind (a lost socket, a dead owner, a frame that was not understood), it is made
whole by the same step: what REST knows since the last time all was told (``workers.teller``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import Literal

import msgspec
from loguru import logger
from msgspec import Struct

from common.clocks import machine_s
from common.exchanges.patience import MOST_S
from common.exchanges.private import Credentials, Heard, InquiryFailed, Opened, Trouble
from common.exchanges.protocol import Unreadable
from common.exchanges.told import FillTold, OrderTold, Told
from common.fleet.accounts import AccountRecord
from common.fleet.breaker import TRIPS
from common.fleet.client import RedisAway
from common.fleet.ledgers import Superseded
from common.fleet.vault import CannotOpen
from common.recovery.book import Book
from common.recovery.reports import Account
from common.session.line import Line, LineEnded
from common.session.outcome import Outcome
from workers.ending import Ended, Pauses, ended_by
from workers.means import Means
from workers.speaker import Speaker, Undelivered
from workers.teller import Teller

State = Literal["opening", "reconciling", "live", "waiting", "parked"]

# After what an order did, where the socket does not tell balances.
BALANCES_S = 2.0
# What is asked for by a frame that was not understood.
SOON_S = 5.0
# What could not be asked, and ends nothing.
AGAIN_S = 30.0
# Longer than anybody waits for a turn.
OPENED_WITHIN_S = 2 * MOST_S

UNDELIVERED = Outcome("asked", "transient", "no queue takes its events")


class Agenda(Struct):
    """When what is to be done next, in machine seconds; None: not at all."""

    reconcile_s: float
    keep_s: float | None = None
    owed_s: float | None = None
    balances_s: float | None = None

    def next_s(self) -> float:
        """When the first of it is due."""
        times = (self.reconcile_s, self.keep_s, self.owed_s, self.balances_s)
        return min(each for each in times if each is not None)


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
        self.state: State = "opening"
        self.since_s = machine_s()
        self.trouble: Trouble | None = None

    def undelivered(self) -> None:
        """No queue took an event: this life ends, and the next one begins where that was not told yet."""
        if self._line is not None:
            self._line.end(UNDELIVERED)

    @property
    def reconciles(self) -> int:
        """How often it was compared with REST."""
        return 0 if self._teller is None else self._teller.compared

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
            await self._hear(teller, line, url, credentials)
        finally:
            self._means.sockets.leave(line)

    def _credentials(self) -> Credentials:
        """Opened here, and nowhere else."""
        try:
            return self._means.vault.open(self._record.account_id, self._record.sealed)
        except CannotOpen as cannot:
            raise Ended("config", f"credentials: {cannot}") from None

    async def _load(self) -> Book:
        record = self._record
        account = Account(record.exchange, record.market, record.account_id)
        # What was confirmed in the life before is known in this one.
        await self._speaker.keep()
        pieces = await self._means.ledgers.take(record.ledger, self._speaker.epoch)
        try:
            return Book(account, pieces)
        except msgspec.DecodeError as error:
            logger.bind(reason=str(error)[:200]).error("an account's ledger is not readable")
            return Book(account)

    async def _wait_for_catalog(self) -> None:
        """Sizes are counted in contracts whose size the instrument list tells."""
        while not self._means.catalog(self._record.exchange, self._record.market):  # noqa: ASYNC110
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
        """All that has happened since the last time all was told; only then it is live."""
        self.state = "reconciling"
        from_ms, to_ms = teller.book.since_ms, teller.now_ms
        behind_ms = None if from_ms is None else teller.last_ms or from_ms
        if behind_ms is not None:
            self._speaker.status("gap", from_ms=behind_ms, to_ms=to_ms)
        await teller.reconcile(entire=True)
        await self._pauses.proved()
        self.trouble, self.state = None, "live"
        if behind_ms is not None and self._rules.asked:
            self._speaker.status("recovered", from_ms=behind_ms, to_ms=to_ms)
        self._speaker.status("live")

    async def _hear(self, teller: Teller, line: Line, url: str, credentials: Credentials) -> None:
        now_s = machine_s()
        agenda = Agenda(now_s + self._beat_s(), _keep_s(self._rules.keep_s, now_s))
        _plan_owed(agenda, teller)
        while True:
            heard = await line.next(max(0.0, agenda.next_s() - machine_s()))
            if heard is None:
                await self._do_due(agenda, teller, url, credentials)
                continue
            all_heard = [heard, *line.rest()]
            told = [one for each in all_heard for one in _told(each)]
            if any(isinstance(each, Unreadable) for each in all_heard):
                # Something happened, and it is not known what: REST knows.
                agenda.reconcile_s = min(agenda.reconcile_s, machine_s() + SOON_S)
            await teller.take(told)
            _plan_owed(agenda, teller)
            ordered = any(isinstance(one, OrderTold | FillTold) for one in told)
            if ordered and not self._rules.streams_balances and agenda.balances_s is None:
                agenda.balances_s = machine_s() + BALANCES_S

    def _beat_s(self) -> float:
        return self._means.reconcile_s * random.uniform(0.75, 1.25)

    async def _do_due(
        self, agenda: Agenda, teller: Teller, url: str, credentials: Credentials
    ) -> None:
        now_s, keep = machine_s(), self._venue.private.keep
        if agenda.keep_s is not None and keep is not None and now_s >= agenda.keep_s:
            inquiry = keep(self._record.market, credentials, url)
            again_s = await self._patiently(teller.ask(inquiry))
            agenda.keep_s = (
                _keep_s(self._rules.keep_s, now_s) if again_s is None else now_s + again_s
            )
        if agenda.owed_s is not None and now_s >= agenda.owed_s:
            again_s = await self._patiently(teller.settle_owed())
            agenda.owed_s = None if again_s is None else machine_s() + again_s
            _plan_owed(agenda, teller)
        if now_s >= min(agenda.reconcile_s, agenda.balances_s or agenda.reconcile_s):
            again_s = await self._patiently(teller.reconcile(entire=False))
            agenda.balances_s = None
            agenda.reconcile_s = machine_s() + (self._beat_s() if again_s is None else again_s)

    async def _patiently(self, asking: Awaitable[None]) -> float | None:
        """What passes by itself ends nothing: when to ask again; None if it was answered."""
        try:
            await asking
        except InquiryFailed as failed:
            if failed.trouble not in ("transient", "rate"):
                raise
            logger.bind(place=self._venue.name, reason=failed.failure.detail).info(
                "an account could not be asked for, tried again"
            )
            return max(AGAIN_S, failed.failure.retry_after_s or 0.0) * random.uniform(1, 1.5)
        return None

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


def _plan_owed(agenda: Agenda, teller: Teller) -> None:
    in_s = teller.owed_in_s
    if in_s is not None and agenda.owed_s is None:
        agenda.owed_s = machine_s() + in_s


def _keep_s(every_s: float | None, now_s: float) -> float | None:
    return None if every_s is None else now_s + every_s * random.uniform(0.8, 1.0)


def _told(heard: Heard) -> list[Told]:
    return [heard] if isinstance(heard, Told) else []
