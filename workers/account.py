"""One account while this worker owns it: open → reconcile → live, again and again, or parked.

However it comes to be behind (a lost socket, a dead owner, a frame that was not understood), it is made
whole by the same step: what REST knows since the last time all was told. Nothing is folded while it could
not be published, so that nothing has to be taken back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Generator, Sequence
from typing import Literal, TypeVar

import msgspec
from loguru import logger
from msgspec import Struct

from common.clocks import machine_s
from common.exchanges.private import (
    Credentials,
    Denied,
    FillTold,
    Heard,
    InquiryFailed,
    Known,
    Opened,
    OrderTold,
    Told,
    Trouble,
)
from common.exchanges.protocol import Reason, RestRequest, Unreadable
from common.fleet.accounts import AccountRecord
from common.fleet.breaker import TRIPS
from common.fleet.client import RedisAway
from common.fleet.ledgers import Superseded
from common.fleet.vault import CannotOpen
from common.model.account import AccountEvent, ExecutionReport, Fill
from common.model.streams import Origin
from common.recovery.book import Book
from common.recovery.inquiring import Asker
from common.recovery.orders import Account, Order
from common.session.line import Line, LineEnded
from common.session.outcome import Outcome, after
from workers.means import Means
from workers.speaker import Speaker

_T = TypeVar("_T")

State = Literal["opening", "reconciling", "live", "waiting", "parked"]

# REST may lag behind the socket: what happened so shortly before an inquiry is asked for once more.
OVERLAP_MS = 60_000
# An open order that neither the list nor its id knows: young ones may not be listed yet.
YOUNG_MS = 60_000
# Fills that a state has told are soon known by REST: asked for after so long, then ever more seldom.
OWED_FIRST_S, OWED_TRIES = 1.0, 6
# After what an order did, where the socket does not tell balances.
BALANCES_S = 2.0
# A reconcile that failed, or is asked for by a frame that was not understood.
SOON_S = 5.0

_REASONS: dict[Trouble, Reason] = {"rate": "rate", "config": "config"}


class Ended(Exception):  # noqa: N818 - it says what has happened
    """A life of the account is over."""

    def __init__(
        self, trouble: Trouble, detail: str, wait_s: float | None = None, *, known: bool = False
    ) -> None:
        super().__init__(detail)
        self.trouble: Trouble = trouble
        self.detail = detail
        self.wait_s = wait_s
        # Whether the breaker knows of it already.
        self.known = known


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
    """

    def __init__(self, record: AccountRecord, means: Means, speaker: Speaker) -> None:
        self._record = record
        self._means = means
        self._speaker = speaker
        self._venue = means.venue(record)
        self._rules = self._venue.private.markets[record.market]
        self._account = Account(record.exchange, record.market, record.account_id)
        self._credentials: Credentials | None = None
        self._book: Book | None = None
        self._tries: dict[tuple[str, str], int] = {}
        self._opened_s: float | None = None
        self._failures = 0
        self._refused = False
        self._last_ms = 0
        self.state: State = "opening"
        # Since when it has not been live, in machine seconds.
        self.since_s = machine_s()
        self.trouble: Trouble | None = None
        self.reconciles = 0

    async def run(self) -> None:
        """Stay open until cancelled, or until a newer owner has it."""
        while True:
            self.state, self._opened_s = "opening", None
            try:
                await self._live()
            except Superseded:
                return
            except (Ended, LineEnded, InquiryFailed, RedisAway) as error:
                await self._rest(_ended(error))

    # --- one life -----------------------------------------------------------------------------

    async def _live(self) -> None:
        await self._look_at_breaker()
        self._open_credentials()
        if self._book is None:
            self._book = await self._load()
            self._speaker.everything = self._book.everything
        private, market = self._venue.private, self._record.market
        await self._wait_for_catalog()
        url = await self._ask(private.open(market, self._opened()))
        line = self._means.sockets.join(self._venue, url, self._record.account_id, self._opened())
        try:
            told = await self._until_opened(line)
            self._opened_s = machine_s()
            await self._catch_up()
            await self._take(told)
            await self._hear(line, url)
        finally:
            self._means.sockets.leave(line)

    async def _look_at_breaker(self) -> None:
        tripped = await self._means.breaker.look(self._record.fingerprint)
        if tripped is None:
            return
        self._refused = True
        if tripped.wait_s:
            raise Ended(tripped.trouble, tripped.detail, tripped.wait_s, known=True)

    def _open_credentials(self) -> None:
        try:
            record = self._record
            self._credentials = self._means.vault.open(record.account_id, record.sealed)
        except CannotOpen as cannot:
            raise Ended("config", f"credentials: {cannot}") from None

    def _opened(self) -> Credentials:
        assert self._credentials is not None
        return self._credentials

    async def _load(self) -> Book:
        pieces = await self._means.ledgers.take(self._record.account_id, self._speaker.epoch)
        try:
            return Book(self._account, pieces)
        except msgspec.DecodeError as error:
            logger.bind(reason=str(error)[:200]).error("an account's ledger is not readable")
            return Book(self._account)

    async def _wait_for_catalog(self) -> None:
        """Sizes are counted in contracts whose size the instrument list tells."""
        while not self._means.catalog(self._record.exchange, self._record.market):  # noqa: ASYNC110
            await asyncio.sleep(1.0)

    async def _until_opened(self, line: Line) -> list[Told]:
        """What was told before it was said to be open."""
        told: list[Told] = []
        while True:
            heard = await line.next(2 * self._rules.answer_s)
            if heard is None:
                raise Ended("transient", "the account was not opened in time")
            if isinstance(heard, Opened):
                return told
            told += _told(heard)

    async def _hear(self, line: Line, url: str) -> None:
        now_s = machine_s()
        agenda = Agenda(now_s + self._beat_s(), _keep_s(self._rules.keep_s, now_s))
        self._plan_owed(agenda)
        while True:
            heard = await line.next(max(0.0, agenda.next_s() - machine_s()))
            if heard is None:
                await self._do_due(agenda, url)
                continue
            all_heard = [heard, *line.rest()]
            told = [one for each in all_heard for one in _told(each)]
            if any(isinstance(each, Unreadable) for each in all_heard):
                # Something happened, and it is not known what: REST knows.
                agenda.reconcile_s = min(agenda.reconcile_s, machine_s() + SOON_S)
            await self._take(told)
            self._plan_owed(agenda)
            ordered = any(isinstance(one, OrderTold | FillTold) for one in told)
            if ordered and not self._rules.streams_balances and agenda.balances_s is None:
                agenda.balances_s = machine_s() + BALANCES_S

    def _beat_s(self) -> float:
        return self._means.reconcile_s * random.uniform(0.75, 1.25)

    def _plan_owed(self, agenda: Agenda) -> None:
        owed = self._known.orders.owed
        if owed and agenda.owed_s is None:
            least = min(self._tries.get(_key(order), 0) for order in owed)
            agenda.owed_s = machine_s() + OWED_FIRST_S * 2.0 ** min(least, OWED_TRIES)

    async def _do_due(self, agenda: Agenda, url: str) -> None:
        now_s = machine_s()
        if agenda.keep_s is not None and now_s >= agenda.keep_s:
            agenda.keep_s = _keep_s(self._rules.keep_s, now_s)
            keep = self._venue.private.keep
            if keep is not None:
                await self._ask(keep(self._record.market, self._opened(), url))
        if agenda.owed_s is not None and now_s >= agenda.owed_s:
            agenda.owed_s = None
            await self._settle_owed()
            self._plan_owed(agenda)
        if now_s >= agenda.reconcile_s or (
            agenda.balances_s is not None and now_s >= agenda.balances_s
        ):
            agenda.balances_s = None
            agenda.reconcile_s = machine_s() + await self._reconcile_again()

    async def _reconcile_again(self) -> float:
        """On the slow beat; when the next is due. What passes by itself ends nothing."""
        try:
            await self._reconcile(entire=False)
        except InquiryFailed as failed:
            if failed.trouble not in ("transient", "rate"):
                raise
            logger.bind(place=self._venue.name, reason=failed.failure.detail).info(
                "an account could not be compared, tried again"
            )
            return max(SOON_S * 6, failed.failure.retry_after_s or 0.0) * random.uniform(1, 1.5)
        return self._beat_s()

    # --- what happened unheard ------------------------------------------------------------------

    @property
    def _known(self) -> Book:
        assert self._book is not None
        return self._book

    async def _catch_up(self) -> None:
        """All that has happened since the last time all was told; only then it is live."""
        self.state = "reconciling"
        from_ms, to_ms = self._known.since_ms, self._now_ms()
        if from_ms is not None:
            self._speaker.status("gap", from_ms=self._last_ms or from_ms, to_ms=to_ms)
        await self._reconcile(entire=True)
        if self._refused:
            await self._means.breaker.close(self._record.fingerprint)
            self._refused = False
        self.trouble = None
        self.state = "live"
        if from_ms is not None and self._rules.asked:
            self._speaker.status("recovered", from_ms=self._last_ms or from_ms, to_ms=to_ms)
        self._speaker.status("live")

    async def _reconcile(self, *, entire: bool) -> None:
        """Where nothing can be asked, what was not heard stays so: the gap was said."""
        now_ms = self._now_ms()
        if self._rules.asked:
            await self._compare(now_ms, entire=entire)
            self.reconciles += 1
        self._known.told_until(now_ms)
        self._last_ms = now_ms
        self._speaker.changed(self._known.changes())

    async def _compare(self, asked_ms: int, *, entire: bool) -> None:
        private, market, book = self._venue.private, self._record.market, self._known
        catalog = self._means.catalog(self._record.exchange, market)
        before = book.orders.open
        inquiry = private.snapshot(market, self._opened(), catalog)
        told = await self._ask(inquiry, urgent=entire)
        listed = [one for one in told if isinstance(one, OrderTold | FillTold)]
        rest = [one for one in told if not isinstance(one, OrderTold | FillTold)]
        await self._take(rest, asked_ms, entire=entire)
        since_ms = asked_ms - self._means.look_back_ms if book.since_ms is None else book.since_ms
        symbols = book.symbols(listed, catalog, all_known=entire)
        known = Known(since_ms - OVERLAP_MS, asked_ms, symbols)
        history = private.since(market, self._opened(), catalog, known)
        happened = await self._ask(history, urgent=entire)
        await self._take([*happened, *listed], origin="reconcile")
        for order in book.vanished(listed, before):
            await self._resolve(order, asked_ms)
        await self._settle_owed()

    async def _resolve(self, order: Order, asked_ms: int) -> None:
        """What became of an order that is not listed any more, or of which fills are missing."""
        about, market = order.about, self._record.market
        catalog = self._means.catalog(self._record.exchange, market)
        inquiry = self._venue.private.order(
            market, self._opened(), catalog, about.symbol, about.order_id
        )
        told = await self._ask(inquiry)
        if told:
            await self._take(told, origin="reconcile")
        elif asked_ms - order.last_ms > YOUNG_MS and not order.is_over:
            await self._publish(self._known.conclude(order, asked_ms), "reconcile")

    async def _settle_owed(self) -> None:
        for order in self._known.orders.owed:
            key = _key(order)
            self._tries[key] = self._tries.get(key, 0) + 1
            await self._resolve(order, self._now_ms())
            if order.owed_ms and order.end is not None and self._tries[key] >= OWED_TRIES:
                logger.bind(place=self._venue.name, tries=self._tries[key]).warning(
                    "fills of an order cannot be had, its end is inferred"
                )
                await self._publish(self._known.conclude(order, self._now_ms()), "reconcile")
            if not order.owed_ms:
                self._tries.pop(key, None)

    def _now_ms(self) -> int:
        return self._means.clocks.now_ms(self._venue.exchange, self._record.market)

    async def _ask(self, inquiry: Generator[RestRequest, bytes, _T], *, urgent: bool = True) -> _T:
        venue = self._venue
        asker = Asker(venue.exchange, venue.private, self._record.market, self._opened(), urgent)
        return await self._means.inquirer.ask(asker, inquiry)

    # --- what goes out --------------------------------------------------------------------------

    async def _take(
        self,
        told: Sequence[Told],
        at_ms: int = 0,
        *,
        entire: bool = False,
        origin: Origin = "live",
    ) -> None:
        if not told:
            return
        await self._speaker.ready()
        if origin == "live":
            self._last_ms = max(self._last_ms, *(one.time_ms for one in told))
        await self._publish(self._known.take(told, at_ms, entire=entire), origin, at_ms)

    async def _publish(
        self, events: Sequence[AccountEvent], origin: Origin, at_ms: int = 0
    ) -> None:
        for event in events:
            is_order = isinstance(event, ExecutionReport | Fill)
            await self._speaker.publish(event, "snapshot" if at_ms and not is_order else origin)
        self._speaker.changed(self._known.changes())

    # --- between two lives ----------------------------------------------------------------------

    async def _rest(self, ended: Ended) -> None:
        flowed_s = 0.0 if self._opened_s is None else machine_s() - self._opened_s
        if self.state == "live":
            self.since_s = machine_s()
        self._opened_s = None
        self.trouble = ended.trouble
        wait_s = await self._wait_s(ended, flowed_s)
        parked = ended.trouble in TRIPS
        self.state = "parked" if parked else "waiting"
        self._speaker.status("parked" if parked else "stale", ended.detail, ended.trouble)
        log = logger.bind(place=self._venue.name, trouble=ended.trouble, reason=ended.detail[:200])
        log.bind(wait_s=round(wait_s, 1)).warning("account parked" if parked else "account lost")
        await asyncio.sleep(wait_s)

    async def _wait_s(self, ended: Ended, flowed_s: float) -> float:
        if ended.trouble in TRIPS:
            if not ended.known:
                fingerprint = self._record.fingerprint
                tripped = await self._trip(fingerprint, ended)
                return tripped * random.uniform(1.0, 1.05)
            return (ended.wait_s or SOON_S) * random.uniform(1.0, 1.05)
        if ended.trouble == "clock":
            self._means.clocks.doubt(self._venue.exchange, self._record.market)
        reason = _REASONS.get(ended.trouble, "transient")
        outcome = Outcome("refused", reason, ended.detail, flowed_s, ended.wait_s)
        decision = after(outcome, self._failures, random.random())
        self._failures = decision.failures
        return decision.delay_s

    async def _trip(self, fingerprint: str, ended: Ended) -> float:
        try:
            tripped = await self._means.breaker.trip(fingerprint, ended.trouble, ended.detail)
        except RedisAway:
            return SOON_S * 12
        return tripped.wait_s


def _key(order: Order) -> tuple[str, str]:
    return order.about.symbol, order.about.order_id


def _keep_s(every_s: float | None, now_s: float) -> float | None:
    return None if every_s is None else now_s + every_s * random.uniform(0.8, 1.0)


def _told(heard: Heard) -> list[Told]:
    return [heard] if isinstance(heard, Told) else []


def _ended(error: Exception) -> Ended:
    match error:
        case Ended():
            return error
        case InquiryFailed():
            return Ended(error.trouble, error.failure.detail, error.failure.retry_after_s)
        case LineEnded():
            return _line_ended(error.why)
        case _:
            return Ended("transient", f"{type(error).__name__}: {error}")


def _line_ended(why: Outcome | Denied) -> Ended:
    if isinstance(why, Denied):
        return Ended(why.trouble, why.detail)
    if why.reason == "auth":
        return Ended("key", why.detail)
    trouble: Trouble = "rate" if why.reason == "rate" else "transient"
    return Ended(trouble, f"{why.cause}: {why.detail}", why.retry_after_s)
