"""What is known of one account, told on: from its socket as it comes, by REST where it was not heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeVar

from loguru import logger

from common.exchanges.listings import Unlisted
from common.exchanges.private import Credentials, InquiryFailed, Known, Trouble
from common.exchanges.protocol import Reason, RestRequest
from common.exchanges.told import FillTold, OrderTold, Told
from common.fleet.account_record import AccountRecord
from common.model.account import AccountEvent, Balance, ExecutionReport, Fill
from common.model.instruments import Catalog
from common.model.streams import Origin
from common.recovery.book import Book
from common.recovery.inquiring import Asker
from common.recovery.order import Order
from common.recovery.unheard import MOST_SYMBOLS
from workers.means import Means
from workers.speaker import Speaker

_T = TypeVar("_T")

# How a question is refused because of the order that it is about, and nothing else.
OF_THE_ORDER: frozenset[Reason] = frozenset({"unsupported", "config"})
OF_NO_ACCOUNT: frozenset[Trouble] = frozenset({"transient", "config"})
# Fills that a state has told are soon known by REST: asked for after so long, then ever more seldom.
OWED_FIRST_S, OWED_TRIES = 1.0, 6


class Teller:
    """One account's book and its way out, in one life.

    Nothing is folded while it could not go out, so that nothing has to be taken back. What is heard and what
    is asked for may come at once; each of them is folded and sent as a whole, under ``telling``: who ends
    one of them holds that, so that nothing is folded and left unsaid.

    Args:
        record, credentials: which account, and with what it is asked for.
        book: what is known of it.
        means: what it is streamed with.
        speaker: how it speaks.

    Attributes:
        telling: held while something is folded and sent.
        last_ms: the exchange's time of the last word on it.
    """

    def __init__(
        self,
        record: AccountRecord,
        credentials: Credentials,
        book: Book,
        means: Means,
        speaker: Speaker,
    ) -> None:
        self._record = record
        self._credentials = credentials
        self._means = means
        self._speaker = speaker
        self._venue = means.venue(record)
        self._rules = self._venue.private.markets[record.market]
        self._tries: dict[tuple[str, str], int] = {}
        self.book = book
        self.telling = asyncio.Lock()
        self.last_ms = 0
        if self._rules.asked and book.from_ms is None:
            # Kept before anything is asked: it may take longer than the look back until it can be.
            book.begin(self.now_ms - means.open_for_ms(record))
        if record.restored:
            book.was_lost()
        if changes := book.changes():
            speaker.changed(changes)

    @property
    def now_ms(self) -> int:
        """The exchange's time."""
        return self._means.clocks.now_ms(self._venue.exchange, self._record.market)

    async def ask(self, inquiry: Generator[RestRequest, bytes, _T], *, urgent: bool = True) -> _T:
        """What an inquiry of this account found out.

        Raises:
            InquiryFailed: it was refused, not answered, or not in a way that can be read.
        """
        venue = self._venue
        asker = Asker(venue.exchange, venue.private, self._record.market, self._credentials, urgent)
        return await self._means.inquirer.ask(asker, inquiry)

    async def _find_out(
        self,
        inquiry: Callable[[Catalog], Generator[RestRequest, bytes, _T]],
        *,
        urgent: bool = True,
    ) -> _T:
        """The same of an inquiry that needs instruments: of those that it does not know it learns first.

        Raises:
            InquiryFailed: see ``ask``.
        """
        listings, place = self._means.listings, (self._record.exchange, self._record.market)
        while True:
            try:
                return await self.ask(inquiry(listings.strict(*place)), urgent=urgent)
            except Unlisted as unlisted:
                await listings.learn(*place, unlisted.symbol)

    def _catalog(self) -> Catalog:
        return self._means.listings.known(self._record.exchange, self._record.market)

    # --- what goes out --------------------------------------------------------------------------

    async def take(
        self,
        told: Sequence[Told],
        at_ms: int = 0,
        *,
        entire: bool = False,
        origin: Origin = "live",
    ) -> None:
        """Fold what was told, and send what follows.

        ``at_ms``, ``entire``: see ``Holdings.take``.
        """
        if not told:
            return
        late = self.book.orders.late
        async with self.telling:
            await self._speaker.ready()
            if origin == "live":
                self.last_ms = max(self.last_ms, *(one.time_ms for one in told))
            await self._publish(self.book.take(told, at_ms, entire=entire), origin, at_ms)
        if self.book.orders.late > late:
            fills = self.book.orders.late - late
            self._means.counts["account_fills_late"] += fills
            logger.bind(place=self._venue.name, fills=fills, late=self.book.orders.late).error(
                "fills came after an end that was concluded: they are not told"
            )

    async def _conclude(self, order: Order, at_ms: int) -> None:
        """See ``Orders.conclude``."""
        async with self.telling:
            await self._speaker.ready()
            if not order.is_over:  # its end may have been heard meanwhile
                await self._publish(self.book.conclude(order, at_ms), "reconcile")

    async def _publish(
        self, events: Sequence[AccountEvent], origin: Origin, at_ms: int = 0
    ) -> None:
        self._speaker.concluded()
        for event in events:
            is_order = isinstance(event, ExecutionReport | Fill)
            await self._speaker.publish(event, "snapshot" if at_ms and not is_order else origin)
        self._speaker.changed(self.book.changes())

    # --- what happened unheard ------------------------------------------------------------------

    async def reconcile(self, *, entire: bool) -> None:
        """Tell all that has happened since the last time all was told. ``entire``: nobody has listened.

        Where nothing can be asked, what was not heard stays so: the gap was said.

        Raises:
            InquiryFailed: not all of it is known; the next time begins where this one did.
        """
        now_ms = self.now_ms
        self.book.forget(now_ms)
        held: Mapping[str, Balance] | None = None
        unlisted = frozenset[str]()
        if self._rules.asked:
            held, unlisted = await self._compare(now_ms, entire=entire)
            self._means.counts["account_comparisons"] += 1
        async with self.telling:
            self.book.told_until(now_ms, held, unlisted)
            self.last_ms = max(self.last_ms, now_ms)
            self._speaker.changed(self.book.changes())

    async def _compare(
        self, asked_ms: int, *, entire: bool
    ) -> tuple[Mapping[str, Balance], frozenset[str]]:
        """What was held when the histories began to be asked: they tell all that led to it.

        But for assets that were in no symbol then.
        """
        private, market, book = self._venue.private, self._record.market, self.book
        before = book.orders.open
        told = await self._find_out(
            lambda catalog: private.snapshot(market, self._credentials, catalog), urgent=entire
        )
        listed = [one for one in told if isinstance(one, OrderTold | FillTold)]
        rest = [one for one in told if not isinstance(one, OrderTold | FillTold)]
        await self.take(rest, asked_ms, entire=entire)
        # What is listed only after that has been asked for in no symbol yet.
        catalog = self._catalog()
        symbols = self._asked_of(book.symbols(listed, catalog, entire=entire))
        held = dict(book.holdings.amounts())
        unlisted = frozenset() if self._rules.lists_all else book.unlisted(held, catalog)
        # To the very now, and as late as the snapshot says: what moved what it shows will not be seen to have
        # moved anything the next time, however the exchange's clock stands to what is known of it.
        until_ms = max([self.now_ms, *(one.time_ms + 1 for one in told)])
        known = Known(book.orders.again_ms, until_ms, symbols)
        happened = await self._find_out(
            lambda catalog: private.since(market, self._credentials, catalog, known), urgent=entire
        )
        news = [one for one in happened if isinstance(one, FillTold) and not book.orders.knows(one)]
        await self.take([*happened, *listed], origin="reconcile")
        if entire:
            async with self.telling:
                await self._speaker.ready()
                traded = happened if book.since_ms is None else news
                await self._publish(book.close_unnamed(rest, traded, asked_ms), "snapshot")
        for order in book.vanished(listed, before):
            await self._resolve(order, asked_ms)
        await self.settle_owed()
        return held, unlisted

    def _asked_of(self, symbols: Sequence[str]) -> Sequence[str]:
        left_out = len(symbols) - MOST_SYMBOLS
        if left_out > 0 and not self._rules.lists_all:
            logger.bind(place=self._venue.name, left_out=left_out).warning(
                "more symbols may have been traded unheard than can be asked for"
            )
        return symbols[:MOST_SYMBOLS]

    async def _resolve(self, order: Order, asked_ms: int) -> None:
        """What became of an order that is not listed any more."""
        is_known = await self._fetch(order)
        if is_known is None or order.is_over or (is_known and order.about.status != "UNKNOWN"):
            return
        is_gone = not is_known and self._may_be_forgotten(asked_ms)
        if self.book.orders.missed(order, asked_ms) or is_gone:
            await self._conclude(order, asked_ms)
            return
        async with self.telling:
            self._speaker.changed(self.book.changes())

    async def _fetch(self, order: Order) -> bool | None:
        """Tell what the exchange knows of an order by its id; whether it knows it, None: it does not say.

        Raises:
            InquiryFailed: not because of this order.
        """
        about, market, ask = order.about, self._record.market, self._venue.private.order
        try:
            told = await self._find_out(
                lambda catalog: ask(
                    market, self._credentials, catalog, about.symbol, about.order_id
                )
            )
        except InquiryFailed as failed:
            if failed.failure.reason not in OF_THE_ORDER or failed.trouble not in OF_NO_ACCOUNT:
                raise
            logger.bind(place=self._venue.name, reason=failed.failure.detail[:200]).warning(
                "an order may not be asked for"
            )
            return None
        await self.take(told, origin="reconcile")
        return bool(told)

    def _may_be_forgotten(self, now_ms: int) -> bool:
        """Whether what ended when all had just been told is not known any more."""
        from_ms = self.book.from_ms
        return from_ms is not None and now_ms - from_ms > self._rules.remembers_s * 1000

    async def settle_owed(self) -> None:
        """Ask for the fills that states have told of and that have not come.

        Raises:
            InquiryFailed: they are asked for the next time.
        """
        for order in self.book.orders.owed:
            key = _key(order)
            self._tries[key] = self._tries.get(key, 0) + 1
            await self._fetch(order)
            if order.owed_ms and order.end is not None and self._tries[key] >= OWED_TRIES:
                logger.bind(place=self._venue.name, tries=self._tries[key]).warning(
                    "fills of an order cannot be had, its end is inferred"
                )
                await self._conclude(order, self.now_ms)
            if not order.owed_ms:
                self._tries.pop(key, None)

    @property
    def owed_in_s(self) -> float | None:
        """How soon to ask for fills that are missing; None while none are."""
        owed = self.book.orders.owed
        if not owed:
            return None
        least = min(self._tries.get(_key(order), 0) for order in owed)
        return float(OWED_FIRST_S * 2.0 ** min(least, OWED_TRIES))


def _key(order: Order) -> tuple[str, str]:
    return order.about.symbol, order.about.order_id
