"""Histories of Bitget, of both its account systems: newest first, read on before an id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from common.model.intervals import DAY_MS
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.model import Fill, Order
from simulator.exchanges.bitget.accounts import words
from simulator.exchanges.bitget.names import symbol_of
from simulator.exchanges.common import Refused, integer_in
from simulator.world import World

MOST_ROWS = 100
# No history goes back further; the same is true of orders that are over.
REACH_MS = 90 * DAY_MS
_T = TypeVar("_T", Order, Fill)

NO_ORDER = Refused("40768", "Order does not exist")


class Asked(NamedTuple):
    """A signed call whose sender is known; ``before`` names the parameter that reads on."""

    world: World
    market: Market
    account: Account
    query: Mapping[str, str]
    before: str
    span_ms: int

    def number(self, name: str) -> int | None:
        """A parameter that is a number."""
        return integer_in(self.query, name, _wrong(name))


def _wrong(name: str) -> Refused:
    return Refused("400172", f"Parameter verification failed {name}")


def orders(asked: Asked, *, live: bool) -> list[Order]:
    """Those that are open, or those that are over and not forgotten."""
    since_ms = asked.world.clock.now_ms() - REACH_MS
    return [
        order
        for order in asked.account.orders.values()
        if order.market == asked.market
        and order.open is live
        and (live or order.created_ms >= since_ms)
        and asked.query.get("symbol", symbol_of(order.listing)) == symbol_of(order.listing)
    ]


def find(asked: Asked, market: Market | None = None) -> Order | None:
    """The order that is named, if it is not forgotten; of whatever market where none is given."""
    name, client = asked.query.get("orderId"), asked.query.get("clientOid")
    since_ms = asked.world.clock.now_ms() - REACH_MS
    for order in asked.account.orders.values():
        if market in (None, order.market) and (
            words.order_id(order) == name if name else order.client_id == client
        ):
            return order if order.open or order.created_ms >= since_ms else None
    return None


def fills(asked: Asked, order: int | None) -> list[Fill]:
    """Those of one order, or of all."""
    return [
        fill
        for fill in asked.account.fills(asked.market)
        if order in (None, fill.order)
        and asked.query.get("symbol", symbol_of(fill.listing)) == symbol_of(fill.listing)
    ]


def page(
    asked: Asked, found: Sequence[_T], id_of: Callable[[_T], str], time_of: Callable[[_T], int]
) -> Sequence[_T]:
    """One page of what lies in the stretch that was asked for, newest first.

    Raises:
        Refused: a limit or a stretch that is too big.
    """
    limit = asked.number("limit")
    limit = MOST_ROWS if limit is None else limit
    if not 1 <= limit <= MOST_ROWS:
        raise _wrong("limit")
    start_ms, end_ms = asked.number("startTime"), asked.number("endTime")
    if start_ms is not None and end_ms is not None and not 0 <= end_ms - start_ms <= asked.span_ms:
        raise _wrong("startTime")
    before = asked.number(asked.before)
    rows = [
        one
        for one in sorted(found, key=id_of, reverse=True)
        if (before is None or int(id_of(one)) < before)
        and (start_ms is None or time_of(one) >= start_ms)
        and (end_ms is None or time_of(one) <= end_ms)
    ]
    return rows[:limit]
