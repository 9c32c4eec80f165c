"""What is told of an account when it is compared with what its exchange answers by REST."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from loguru import logger

from common.exchanges.listings import Strict
from common.exchanges.private import (
    Credentials,
    InquiryFailed,
    Known,
    Private,
    PrivateRules,
    Trouble,
)
from common.exchanges.protocol import Reason, RestFailure, RestRequest
from common.exchanges.registry import EXCHANGES
from common.exchanges.told import BalancesTold, PositionsTold, Told
from common.fleet.account_record import AccountRecord
from common.model.account import AccountEvent, Balance, ExecutionReport, Fill, PositionUpdate
from common.model.instruments import Catalog
from common.model.secret import Secret
from common.model.streams import Market, Origin
from common.recovery.book import KEPT_MS, SINCE, Book, Pieces
from common.recovery.orders import APART_MS, OVERLAP_MS
from common.recovery.unheard import MOST_SYMBOLS
from common.session.venue import Venue
from tests.fleet.test_sharding import instrument
from tests.recovery.test_book import listed as an_instrument
from tests.recovery.test_orders import ME, T0, fill, state
from workers.teller import Teller

_T = TypeVar("_T")
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
LOOK_BACK_MS = 5 * MINUTE
CREDENTIALS = Credentials(Secret("key"), Secret("secret"))


class Exchange:
    """What an exchange knows of one account, and what it was asked.

    Attributes:
        now_ms: its time.
        listed, happened: what is open, and what its histories tell.
        orders: what it answers to an order's id; nothing: it does not know it.
        instruments: what it lists.
        needs: an instrument that its histories cannot be read without.
        refuses, takes_ms: what it refuses, and how long it takes, by what is asked.
        asked: ``snapshot``, ``since`` and the ids of orders, one after another.
        known: what the histories were asked with.
        meanwhile: what happens when they are asked.
    """

    def __init__(self, now_ms: int = T0, **rules: Any) -> None:
        self.now_ms = now_ms
        self.needs = ""
        self.instruments: Catalog = {}
        self.listed: list[Told] = []
        self.happened: list[Told] = []
        self.orders: dict[str, list[Told]] = {}
        self.refuses: dict[str, InquiryFailed] = {}
        self.takes_ms: dict[str, int] = {}
        self.asked: list[str] = []
        self.known: list[Known] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.rules = PrivateRules(hosts={}, **rules)

    @property
    def private(self) -> Private:
        def nothing(*_: Any) -> Any:
            raise AssertionError("a teller has no use for it")

        return Private(
            markets={ME.market: self.rules},
            sign=nothing,
            open=nothing,
            converse=nothing,
            trouble=nothing,
            snapshot=lambda *_: self._answer("snapshot", self.listed),
            since=self._since,
            order=lambda _m, _c, _l, _symbol, name: self._answer(name, self.orders.get(name, [])),
        )

    def _since(
        self, _market: Any, _credentials: Any, catalog: Catalog, known: Known
    ) -> Generator[RestRequest, bytes, Sequence[Told]]:
        self.known.append(known)
        self.meanwhile()
        told = yield from self._answer("since", self.happened)
        if self.needs:
            catalog.get(self.needs)
        return told

    def _answer(
        self, what: str, told: Sequence[Told]
    ) -> Generator[RestRequest, bytes, Sequence[Told]]:
        yield RestRequest(url=what)
        self.asked.append(what)
        self.now_ms += self.takes_ms.get(what, 0)
        if what in self.refuses:
            raise self.refuses[what]
        return tuple(told)


class Means:
    """What a teller needs of its means; asks the exchange, and is its clock."""

    def open_for_ms(self, _: AccountRecord) -> int:
        return LOOK_BACK_MS

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.clocks = self.inquirer = self.listings = self
        self.instruments = Strict(exchange.instruments)
        self.learned: list[str] = []
        self.counts: Counter[str] = Counter()

    def now_ms(self, *_: object) -> int:
        return self.exchange.now_ms

    def venue(self, _record: AccountRecord) -> Venue:
        return Venue(EXCHANGES[ME.exchange], self.exchange.private, ME.market)

    def known(self, *_: object) -> Strict:
        return self.instruments

    strict = known

    async def learn(self, _exchange: str, market: Market, symbol: str) -> None:
        self.learned.append(symbol)
        self.instruments = Strict({symbol: instrument(symbol, market)})

    async def ask(self, _asker: object, inquiry: Generator[RestRequest, bytes, _T]) -> _T:
        next(inquiry)
        try:
            inquiry.send(b"")
        except StopIteration as found:
            value: _T = found.value
            return value
        raise AssertionError("one request is all it takes")


class Speaker:
    """What was said, and what is kept of it."""

    def __init__(self) -> None:
        self.said: list[AccountEvent] = []
        self.kept: dict[str, bytes] = {}

    async def ready(self) -> None:
        return

    async def publish(self, event: AccountEvent, _origin: Origin) -> None:
        self.said.append(event)

    def concluded(self) -> None:
        """What follows is published at once here."""

    def changed(self, pieces: Pieces) -> None:
        for name, body in pieces.items():
            if body is None:
                self.kept.pop(name, None)
            else:
                self.kept[name] = body

    @property
    def path(self) -> list[str]:
        """The statuses that were said; ``fill`` for a trade."""
        return [
            "fill" if isinstance(one, Fill) else one.status
            for one in self.said
            if isinstance(one, Fill | ExecutionReport)
        ]


@contextmanager
def logged() -> Iterator[list[str]]:
    """What is logged meanwhile, without what it is about."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["message"]), level="INFO")
    try:
        yield lines
    finally:
        logger.remove(sink)


def refusal(trouble: Trouble, reason: Reason = "transient") -> InquiryFailed:
    return InquiryFailed(RestFailure(reason, "refused"), trouble)


def a_teller(exchange: Exchange, speaker: Speaker, *, restored: bool = False) -> Teller:
    """As the next owner begins: with what is kept."""
    means: Any = Means(exchange)
    record = AccountRecord(ME.account_id, ME.exchange, ME.market, "", "", restored=restored)
    anyone: Any = speaker
    return Teller(record, CREDENTIALS, Book(ME, speaker.kept), means, anyone)


async def test_what_needs_an_instrument_that_is_not_listed_is_asked_again_when_it_is() -> None:
    exchange, speaker = Exchange(), Speaker()
    exchange.needs = "NEW-USDT-SWAP"
    teller = a_teller(exchange, speaker)
    await teller.reconcile(entire=True)
    assert teller._means.learned == ["NEW-USDT-SWAP"]  # type: ignore[attr-defined]
    assert exchange.asked == ["snapshot", "since", "since"]


# --- since when ---------------------------------------------------------------------------------


async def test_of_an_account_that_nothing_is_kept_of_what_happened_lately_is_asked_for() -> None:
    exchange = Exchange()
    await a_teller(exchange, Speaker()).reconcile(entire=True)
    assert exchange.known[0].since_ms == T0 - LOOK_BACK_MS - OVERLAP_MS


async def test_the_first_comparison_looks_back_from_the_beginning_however_long_it_takes() -> None:
    """Where many have to wait for the exchange's limits, that may be longer than the look back."""
    exchange, speaker = Exchange(), Speaker()
    exchange.refuses = {"since": refusal("rate")}
    first = a_teller(exchange, speaker)
    with pytest.raises(InquiryFailed):
        await first.reconcile(entire=True)
    exchange.now_ms += HOUR
    second = a_teller(exchange, speaker)
    with pytest.raises(InquiryFailed):
        await second.reconcile(entire=True)
    exchange.now_ms += HOUR
    exchange.refuses = {}
    await second.reconcile(entire=True)
    assert {known.since_ms for known in exchange.known} == {T0 - LOOK_BACK_MS - OVERLAP_MS}


async def test_an_account_that_cannot_be_opened_at_first_looks_back_from_then_on() -> None:
    exchange, speaker = Exchange(), Speaker()
    a_teller(exchange, speaker)
    exchange.now_ms += HOUR
    await a_teller(exchange, speaker).reconcile(entire=True)
    assert exchange.known[0].since_ms == T0 - LOOK_BACK_MS - OVERLAP_MS


@pytest.mark.parametrize("restored", [False, True])
async def test_of_an_account_that_redis_had_lost_all_that_it_holds_may_have_moved(
    restored: bool,
) -> None:
    """Though something of it was kept again, by an owner that died before he had kept the rest."""
    exchange, speaker = Exchange(lists_all=False), Speaker()
    exchange.instruments = {"ETHUSDT": an_instrument("ETHUSDT", "ETH", "USDT")}
    holds = tuple(Balance(asset, "5", "0", "5") for asset in ("ETH", "USDT"))
    exchange.listed = [BalancesTold(balances=holds, time_ms=T0, whole=True)]
    speaker.kept = {SINCE: str(T0).encode()}
    await a_teller(exchange, speaker, restored=restored).reconcile(entire=True)
    assert list(exchange.known[0].symbols) == (["ETHUSDT"] if restored else [])


async def test_what_was_listed_while_its_histories_were_asked_is_asked_for_the_next_time() -> None:
    exchange, speaker = Exchange(lists_all=False), Speaker()
    exchange.listed = [BalancesTold(balances=(), time_ms=T0, whole=True)]
    teller = a_teller(exchange, speaker)
    await teller.reconcile(entire=True)
    holds = (Balance("NEW", "5", "0", "5"),)
    exchange.listed = [BalancesTold(balances=holds, time_ms=T0 + MINUTE, whole=True)]
    instruments = {"NEWUSDT": an_instrument("NEWUSDT", "NEW", "USDT")}
    means: Any = teller._means
    exchange.meanwhile = lambda: setattr(means, "instruments", Strict(instruments))
    for asked in ([], ["NEWUSDT"]):
        exchange.now_ms += MINUTE
        await teller.reconcile(entire=False)
        assert list(exchange.known[-1].symbols) == asked


async def test_what_was_told_is_asked_for_once_more_only_where_rest_may_have_lagged() -> None:
    exchange, speaker = Exchange(), Speaker()
    teller = a_teller(exchange, speaker)
    await teller.reconcile(entire=True)
    exchange.now_ms += HOUR
    await teller.reconcile(entire=False)
    assert exchange.known[1].since_ms == T0 - OVERLAP_MS
    exchange.now_ms += HOUR
    await a_teller(exchange, speaker).reconcile(entire=True)
    assert exchange.known[2].since_ms == T0 + HOUR - OVERLAP_MS


async def test_histories_are_asked_for_as_late_as_the_snapshot_says_whatever_its_clock_says() -> (
    None
):
    """Behind by a little, it would leave out the very trade that the snapshot shows."""
    exchange, speaker = Exchange(), Speaker()
    exchange.listed = [BalancesTold(balances=(), time_ms=T0 + MINUTE, whole=True)]
    await a_teller(exchange, speaker).reconcile(entire=True)
    assert exchange.known[0].until_ms == T0 + MINUTE + 1


async def test_what_a_snapshot_may_have_seen_already_is_asked_for_and_asked_for_again() -> None:
    """It may wait long for the exchange's limits. What moved a balance before it was made is looked for
    now, and what came after it the next time: nothing is between.
    """
    exchange, speaker = Exchange(), Speaker()
    exchange.takes_ms = {"snapshot": MINUTE, "since": MINUTE}
    teller = a_teller(exchange, speaker)
    await teller.reconcile(entire=True)
    assert exchange.known[0].until_ms == T0 + MINUTE
    assert teller.book.since_ms == T0


async def test_where_more_may_have_been_traded_than_can_be_asked_for_it_is_said() -> None:
    exchange, speaker = Exchange(lists_all=False), Speaker()
    exchange.listed = [state("NEW", symbol=f"A{n:03}USDT") for n in range(MOST_SYMBOLS + 2)]
    with logged() as lines:
        await a_teller(exchange, speaker).reconcile(entire=True)
    assert exchange.known[0].symbols == [f"A{n:03}USDT" for n in range(MOST_SYMBOLS)]
    assert lines == ["more symbols may have been traded unheard than can be asked for"]


async def test_who_lists_all_is_not_asked_by_symbols() -> None:
    exchange, speaker = Exchange(lists_all=True), Speaker()
    exchange.listed = [state("NEW", symbol=f"A{n:03}USDT") for n in range(MOST_SYMBOLS + 2)]
    with logged() as lines:
        await a_teller(exchange, speaker).reconcile(entire=True)
    assert lines == []


async def test_a_position_that_was_closed_while_nothing_was_known_is_told_once() -> None:
    """Redis has lost what its dead owner knew of it, and the first comparison fails half way."""
    exchange, speaker = Exchange(), Speaker()
    exchange.listed = [PositionsTold(positions=(), time_ms=0, whole=True)]
    exchange.happened = [fill(1, "1.0", -5), state("FILLED", "1.0", -5)]
    exchange.refuses = {"since": refusal("rate")}
    with pytest.raises(InquiryFailed):
        await a_teller(exchange, speaker).reconcile(entire=True)
    exchange.refuses = {}
    for _ in range(2):
        await a_teller(exchange, speaker).reconcile(entire=True)
    closes = [one for one in speaker.said if isinstance(one, PositionUpdate)]
    assert [(one.symbol, one.quantity, one.event_ms) for one in closes] == [("ETHUSDT", "0", T0)]


async def test_a_position_that_a_dead_owner_has_told_of_is_closed_when_its_trades_are_news() -> (
    None
):
    exchange, speaker = Exchange(), Speaker()
    exchange.listed = [PositionsTold(positions=(), time_ms=0, whole=True)]
    await a_teller(exchange, speaker).reconcile(entire=True)
    exchange.happened = [fill(1, "1.0", -5), state("FILLED", "1.0", -5)]
    for _ in range(2):
        await a_teller(exchange, speaker).reconcile(entire=True)
    closes = [one for one in speaker.said if isinstance(one, PositionUpdate)]
    assert [(one.symbol, one.quantity) for one in closes] == [("ETHUSDT", "0")]


# --- what became of an order --------------------------------------------------------------------


async def resting(exchange: Exchange, speaker: Speaker) -> Teller:
    """An order that has been open for hours, and was listed at the last comparison."""
    exchange.listed = [state("NEW")]
    teller = a_teller(exchange, speaker)
    await teller.reconcile(entire=True)
    exchange.now_ms += HOUR
    await teller.reconcile(entire=False)
    exchange.listed = []
    exchange.now_ms += MINUTE
    return teller


async def test_an_order_that_is_not_found_once_has_not_ended() -> None:
    """It was filled as the list was made: its frames wait in line, and the histories lag."""
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    await teller.reconcile(entire=False)
    assert speaker.path == ["NEW"]
    await teller.take([fill(1, "1.0", HOUR), state("FILLED", "1.0", HOUR)])
    assert speaker.path == ["NEW", "fill", "FILLED"]


async def test_an_order_that_is_not_found_twice_has_ended() -> None:
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    await teller.reconcile(entire=False)
    exchange.now_ms += APART_MS
    await teller.reconcile(entire=False)
    assert speaker.path == ["NEW", "CANCELED"]
    (end,) = (one for one in speaker.said if isinstance(one, ExecutionReport) and one.inferred)
    assert end.event_ms == exchange.now_ms


async def test_twice_is_not_in_one_breath() -> None:
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    await teller.reconcile(entire=False)
    exchange.now_ms += APART_MS - 1
    await teller.reconcile(entire=False)
    assert speaker.path == ["NEW"]


@pytest.mark.parametrize("found", ["listed", "answered", "heard"])
async def test_an_order_that_is_found_in_between_is_looked_for_anew(found: str) -> None:
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    await teller.reconcile(entire=False)
    exchange.now_ms += APART_MS
    if found == "heard":
        await teller.take([state("NEW", at=2 * HOUR)])
    else:
        exchange.listed = [state("NEW")] * (found == "listed")
        exchange.orders = {"1": [state("NEW")]} if found == "answered" else {}
        await teller.reconcile(entire=False)
        exchange.listed, exchange.orders = [], {}
        exchange.now_ms += APART_MS
    await teller.reconcile(entire=False)
    assert speaker.path == ["NEW"]


async def test_a_new_owner_knows_that_it_was_not_found_before() -> None:
    exchange, speaker = Exchange(), Speaker()
    await (await resting(exchange, speaker)).reconcile(entire=False)
    exchange.now_ms += APART_MS
    await a_teller(exchange, speaker).reconcile(entire=True)
    assert speaker.path == ["NEW", "CANCELED"]


async def test_what_the_exchange_cannot_know_any_more_is_not_looked_for_twice() -> None:
    exchange, speaker = Exchange(remembers_s=7200.0), Speaker()
    teller = await resting(exchange, speaker)
    exchange.now_ms += 2 * HOUR
    await teller.reconcile(entire=True)
    assert speaker.path == ["NEW", "CANCELED"]


async def test_fills_behind_an_end_that_was_concluded_are_logged_once_and_not_told() -> None:
    """Nothing follows an end; but it was wrong, and somebody has to know."""
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    for _ in range(2):
        await teller.reconcile(entire=False)
        exchange.now_ms += APART_MS
    said = list(speaker.said)
    with logged() as lines:
        for _ in range(2):
            await teller.take([fill(1, "0.4", 3 * HOUR), fill(2, "0.6", 3 * HOUR)])
            await teller.take([state("FILLED", "1.0", 3 * HOUR)])
    assert speaker.said == said
    assert [line for line in lines if "concluded" in line] == [
        "fills came after an end that was concluded: they are not told"
    ]
    assert teller.book.orders.late == 2


async def test_fills_that_come_again_after_an_end_that_was_told_are_nothing_to_say() -> None:
    exchange, speaker = Exchange(), Speaker()
    teller = a_teller(exchange, speaker)
    for _ in range(2):
        await teller.take([fill(1, "1.0", 1), state("FILLED", "1.0", 1)])
    assert teller.book.orders.late == 0


# --- a status that nobody documents -------------------------------------------------------------


async def test_an_end_by_a_word_that_nobody_documents_is_concluded_and_not_asked_for_again() -> (
    None
):
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    exchange.orders = {"1": [state("UNKNOWN", at=HOUR, raw_status="half_baked")]}
    await teller.reconcile(entire=False)
    assert speaker.path == ["NEW", "UNKNOWN"], "it may be open still, in some way"
    exchange.now_ms += APART_MS
    await teller.reconcile(entire=False)
    assert speaker.path == ["NEW", "UNKNOWN", "CANCELED"]
    end = speaker.said[-1]
    assert isinstance(end, ExecutionReport)
    assert (end.inferred, end.raw_status) == (True, "half_baked")
    exchange.asked.clear()
    exchange.now_ms += APART_MS
    await teller.reconcile(entire=False)
    assert exchange.asked == ["snapshot", "since"]
    assert speaker.path == ["NEW", "UNKNOWN", "CANCELED"]


async def test_a_word_that_nobody_documents_is_not_forgotten_however_long_ago_all_was_told() -> (
    None
):
    exchange, speaker = Exchange(remembers_s=7200.0), Speaker()
    teller = await resting(exchange, speaker)
    exchange.orders = {"1": [state("UNKNOWN", at=HOUR, raw_status="half_baked")]}
    exchange.now_ms += 2 * HOUR
    await teller.reconcile(entire=True)
    assert speaker.path == ["NEW", "UNKNOWN"]


async def test_a_word_that_changes_is_not_the_last() -> None:
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    for number, word in enumerate(["half_baked", "baked"], start=1):
        exchange.orders = {"1": [state("UNKNOWN", at=number * HOUR, raw_status=word)]}
        await teller.reconcile(entire=False)
        exchange.now_ms += APART_MS
    assert "CANCELED" not in speaker.path
    await teller.reconcile(entire=False)
    assert speaker.path[-1] == "CANCELED"


async def test_a_word_that_nobody_documents_of_an_order_that_is_listed_ends_nothing() -> None:
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    unknown = state("UNKNOWN", at=HOUR, raw_status="half_baked")
    exchange.orders = {"1": [unknown]}
    for listed in (False, True, False):
        exchange.listed = [unknown] * listed
        await teller.reconcile(entire=False)
        exchange.now_ms += APART_MS
    assert speaker.path == ["NEW", "UNKNOWN"]


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "reason"), [("transient", "unsupported"), ("config", "config")]
)
async def test_an_order_that_may_not_be_asked_for_does_not_keep_the_others(
    trouble: Trouble, reason: Reason
) -> None:
    exchange, speaker = Exchange(), Speaker()
    names = ("1", "2")
    exchange.listed = [state("NEW", order_id=name) for name in names]
    teller = a_teller(exchange, speaker)
    await teller.reconcile(entire=True)
    exchange.now_ms += HOUR
    exchange.listed = []
    exchange.refuses = {"1": refusal(trouble, reason)}
    exchange.orders = {"2": [state("CANCELED", at=HOUR, order_id="2")]}
    await teller.reconcile(entire=True)
    assert speaker.path == ["NEW", "NEW", "CANCELED"]
    assert teller.book.since_ms == exchange.now_ms
    assert [order.about.order_id for order in teller.book.orders.open] == ["1"], "it may be open"


@pytest.mark.parametrize("trouble", ["key", "rate", "transient"])
async def test_what_is_refused_of_all_of_the_account_ends_the_comparison(trouble: Trouble) -> None:
    exchange, speaker = Exchange(), Speaker()
    teller = await resting(exchange, speaker)
    since_ms = teller.book.since_ms
    exchange.refuses = {"1": refusal(trouble)}
    with pytest.raises(InquiryFailed):
        await teller.reconcile(entire=False)
    assert teller.book.since_ms == since_ms


async def test_orders_that_ended_long_ago_are_forgotten_though_nothing_can_be_compared() -> None:
    """One of them may be what the comparison fails by."""
    exchange, speaker = Exchange(), Speaker()
    teller = a_teller(exchange, speaker)
    await teller.take([state("EXPIRED", symbol="GONEUSDT")])
    exchange.refuses = {"since": refusal("transient", "unsupported")}
    for hours, known in ((1, ["GONEUSDT"]), (KEPT_MS // HOUR + 1, [])):
        exchange.now_ms = T0 + hours * HOUR
        with pytest.raises(InquiryFailed):
            await teller.reconcile(entire=True)
        assert list(teller.book.orders.symbols()) == known
