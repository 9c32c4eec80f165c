"""What is told of an account when it is compared with what its exchange answers by REST."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from common.exchanges.private import (
    Credentials,
    InquiryFailed,
    Known,
    Private,
    PrivateRules,
    Told,
    Trouble,
)
from common.exchanges.protocol import Reason, RestFailure, RestRequest
from common.exchanges.registry import EXCHANGES
from common.fleet.accounts import AccountRecord
from common.model.account import AccountEvent, ExecutionReport, Fill
from common.model.secret import Secret
from common.model.streams import Origin
from common.recovery.book import Book, Pieces
from common.recovery.orders import OVERLAP_MS
from common.session.venue import Venue
from tests.recovery.test_orders import ME, T0
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
        refuses: what it refuses, by what is asked.
        asked: ``snapshot``, ``since`` and the ids of orders, one after another.
        known: what the histories were asked with.
    """

    def __init__(self, now_ms: int = T0, **rules: Any) -> None:
        self.now_ms = now_ms
        self.listed: list[Told] = []
        self.happened: list[Told] = []
        self.orders: dict[str, list[Told]] = {}
        self.refuses: dict[str, InquiryFailed] = {}
        self.asked: list[str] = []
        self.known: list[Known] = []
        self.rules = PrivateRules(hosts={}, **rules)

    @property
    def private(self) -> Private:
        def nothing(*_: Any) -> Any:
            raise NotImplementedError

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
        self, _market: Any, _credentials: Any, _catalog: Any, known: Known
    ) -> Generator[RestRequest, bytes, Sequence[Told]]:
        self.known.append(known)
        return self._answer("since", self.happened)

    def _answer(
        self, what: str, told: Sequence[Told]
    ) -> Generator[RestRequest, bytes, Sequence[Told]]:
        yield RestRequest(url=what)
        self.asked.append(what)
        if what in self.refuses:
            raise self.refuses[what]
        return tuple(told)


class Means:
    """What a teller needs of its means; asks the exchange, and is its clock."""

    def open_for_ms(self, _: AccountRecord) -> int:
        return LOOK_BACK_MS

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.clocks = self.inquirer = self

    def now_ms(self, *_: object) -> int:
        return self.exchange.now_ms

    def venue(self, _record: AccountRecord) -> Venue:
        return Venue(EXCHANGES[ME.exchange], self.exchange.private, ME.market)

    def catalog(self, *_: object) -> Mapping[str, Any]:
        return {}

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


def refusal(trouble: Trouble, reason: Reason = "transient") -> InquiryFailed:
    return InquiryFailed(RestFailure(reason, "refused"), trouble)


def a_teller(exchange: Exchange, speaker: Speaker) -> Teller:
    """As the next owner begins: with what is kept."""
    means: Any = Means(exchange)
    record: Any = SimpleNamespace(exchange=ME.exchange, market=ME.market, account_id=ME.account_id)
    anyone: Any = speaker
    return Teller(record, CREDENTIALS, Book(ME, speaker.kept), means, anyone)


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
