"""How Bitget's private REST is asked: answers, pages, and the stretches that one request may span. Pure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from common.exchanges.private import InquiryFailed, Known, unmoved
from common.exchanges.protocol import RestRequest
from common.exchanges.told import FillTold, OrderTold, Told
from common.exchanges.wire import Millis, MillisText, decoded

Asking = Generator[RestRequest, bytes, Sequence[Told]]
_T = TypeVar("_T")
_Row = TypeVar("_Row")
_Said = TypeVar("_Said")

DAY_MS = 86_400_000
# The most rows of one answer.
ROWS = 100
# One request may span a week at least (a month or more in places), and no history goes back further
# than 90 days: what is older the exchange does not tell.
SPAN_MS, REACH_MS = 7 * DAY_MS, 90 * DAY_MS
# An order that the exchange does not know (any more), in the words of its several systems.
_FORGOTTEN = frozenset({"25204", "31007", "40109", "40768", "40819", "43001", "45057"})
# A symbol that it does not know (any more): a parameter that does not exist, a symbol that was removed.
_DELISTED = frozenset({"40034", "40309"})


class Answer(Struct, Generic[_T]):
    """Every answer; its time is a number or a text."""

    data: _T
    time: Millis | MillisText = field(name="requestTime")

    @property
    def time_ms(self) -> int:
        """When the exchange answered."""
        return int(self.time)


class Dated(Protocol):
    """A row of a history."""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is told apart by."""

    @property
    def at_ms(self) -> int:
        """When it came to be: what a stretch is counted by."""


_Dated = TypeVar("_Dated", bound=Dated)
# A page's rows, and what is asked for to get the next; None: there is no other.
Page = tuple[Sequence[_Row], str | None]


def every_row(
    request: RestRequest, parameter: str, read: Callable[[bytes], Page[_Dated]]
) -> Generator[RestRequest, bytes, list[_Dated]]:
    """The rows of all pages; ``parameter`` is what asks for the one after.

    By the documents a stretch of time may count for more than that, and the same page come again: then
    the stretch is made to end where the page did.

    Raises:
        InquiryFailed: a full page leads no further.
    """
    found: dict[tuple[str, ...], _Dated] = {}
    while True:
        page, then = read((yield request))
        known = len(found)
        found |= {row.key: row for row in page}
        if len(page) < ROWS or not then:
            return list(found.values())
        if len(found) > known:
            params = {**request.params, parameter: then}
        else:
            params = _ending_earlier(request, min(row.at_ms for row in page))
            params.pop(parameter, None)
        request = msgspec.structs.replace(request, params=params)


def _ending_earlier(request: RestRequest, oldest_ms: int) -> dict[str, str]:
    """A moment later than its oldest row: others may be of the same, and the end may not count."""
    params, end_ms = dict(request.params), oldest_ms + 1
    if "endTime" in params and end_ms >= int(params["endTime"]):
        raise unmoved(urlsplit(request.url).path)
    return {**params, "endTime": str(end_ms)}


def row_told(read: Callable[[_Row], _Said], rows: Iterable[_Row]) -> list[_Said]:
    """What rows say.

    Raises:
        msgspec.ValidationError: one of them holds a number that no exchange writes.
    """
    try:
        return [read(row) for row in rows]
    except ArithmeticError as error:
        raise msgspec.ValidationError(f"a number: {type(error).__name__}") from error


def answer(decoder: msgspec.json.Decoder[Answer[_T]], body: bytes) -> _T:
    """What an answer holds.

    Raises:
        msgspec.DecodeError: it cannot be read.
    """
    return decoded(decoder, body).data


def stretches(known: Known) -> list[tuple[int, int]]:
    """From then to now in pieces that one request may span.

    They share their ends, for it is not said to which of two a row at the end belongs.
    """
    since_ms = max(known.since_ms, known.until_ms - REACH_MS)
    starts = range(since_ms, known.until_ms, SPAN_MS)
    return [(start, min(start + SPAN_MS, known.until_ms)) for start in starts]


def in_order(told: Iterable[OrderTold | FillTold]) -> list[Told]:
    """As it happened, fills before the state they led to; what two stretches told is told once."""
    once = {_name(one): one for one in told}
    return sorted(once.values(), key=lambda one: (one.time_ms, isinstance(one, OrderTold)))


def _name(told: OrderTold | FillTold) -> tuple[str, ...]:
    trade = (told.trade_id,) if isinstance(told, FillTold) else ()
    return (told.symbol, told.order_id, *trade)


def is_forgotten(failed: InquiryFailed) -> bool:
    """Whether it failed because there is no such order."""
    return failed.says(_FORGOTTEN)


def is_delisted(failed: InquiryFailed) -> bool:
    """Whether what failed named a symbol that is not listed (any more)."""
    return failed.says(_DELISTED)
