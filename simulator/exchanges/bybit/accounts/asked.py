"""A signed call of Bybit's whose sender is known, and the pages and stretches that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from common.model.intervals import DAY_MS
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.exchanges.bybit.accounts.ledger import Ledger
from simulator.exchanges.bybit.names import NAME, market_of
from simulator.exchanges.bybit.query import PARAMS, number_in
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

_T = TypeVar("_T")
CURSOR = "page_args%3D"
_SPAN_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class Asked:
    """A signed call whose sender is known."""

    world: World
    account: Account
    call: HttpCall

    @property
    def query(self) -> Mapping[str, str]:
        """Its parameters."""
        return self.call.query

    @property
    def market(self) -> Market:
        """Its category.

        Raises:
            Refused: there is none.
        """
        market = market_of(self.call)
        if market is None:
            raise Refused(PARAMS, "Illegal category")
        return market

    @property
    def ledger(self) -> Ledger:
        """The account as it stands."""
        return Ledger(self.account).upto(len(self.account.log))

    @property
    def now_ms(self) -> int:
        """What the exchange takes for the time."""
        return self.world.time_of(NAME)


def limit_of(asked: Asked, usual: int, most: int) -> int:
    """How many rows are wanted: at most so many."""
    limit = number_in(asked.query, "limit")
    return min(max(usual if limit is None else limit, 1), most)


def cursor_of(asked: Asked) -> int | None:
    """Where the page before has ended, if there was one."""
    text = asked.query.get("cursor", "").removeprefix(CURSOR)
    if text and not (text.isascii() and text.isdecimal()):
        raise Refused(PARAMS, "Request parameter error: cursor is invalid")
    return int(text) if text else None


def page_of(
    asked: Asked, found: Iterable[_T], number_of: Callable[[_T], int], usual: int, most: int
) -> tuple[list[_T], str]:
    """The newest before the cursor, and the cursor of what comes after them."""
    before = cursor_of(asked)
    left = [one for one in found if before is None or number_of(one) < before]
    page = sorted(left, key=number_of, reverse=True)[: limit_of(asked, usual, most)]
    return page, f"{CURSOR}{number_of(page[-1])}" if page else ""


def stretch_of(asked: Asked) -> tuple[int, int]:
    """From when until when, both inclusive: a week from the start, to the end, or until now."""
    start_ms, end_ms = number_in(asked.query, "startTime"), number_in(asked.query, "endTime")
    if start_ms is None:
        end_ms = asked.now_ms if end_ms is None else end_ms
        return end_ms - _SPAN_MS, end_ms
    if end_ms is None:
        return start_ms, start_ms + _SPAN_MS
    if not 0 <= end_ms - start_ms <= _SPAN_MS:
        raise Refused(PARAMS, "The time range between startTime and endTime cannot exceed 7 days.")
    return start_ms, end_ms
