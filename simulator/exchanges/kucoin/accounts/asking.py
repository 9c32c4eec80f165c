"""How KuCoin's histories are asked: stretches of time, pages by last id and by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from common.model.intervals import DAY_MS
from simulator.accounts.account import Account
from simulator.accounts.model import Fact, Fill, Order
from simulator.exchanges.common import Refused, integer_in
from simulator.exchanges.kucoin.accounts.words import Fields, order_of_fill
from simulator.exchanges.kucoin.names import Product, find, product_of, symbol_of
from simulator.exchanges.protocol import HttpCall
from simulator.listing import Listing
from simulator.world import World

_T = TypeVar("_T", Order, Fill, Fact)

# The longest stretch of one request, and what one side of it is completed to.
SPAN_MS, _HALF_OPEN_MS = 7 * DAY_MS, DAY_MS
# Of futures everything, of spot's orders by how they ended.
_FUTURES_MS = 90 * DAY_MS
_SPOT_FILLED_MS, _SPOT_CANCELED_MS = 7 * DAY_MS, 2 * DAY_MS


@dataclass(frozen=True, slots=True)
class Asked:
    """A signed call whose sender is known."""

    world: World
    product: Product
    account: Account
    call: HttpCall

    @property
    def query(self) -> Mapping[str, str]:
        """What is asked for."""
        return self.call.query

    @property
    def now_ms(self) -> int:
        """The market's time."""
        return self.world.clock.now_ms()


def refused(message: str) -> Refused:
    """One code stands for whatever is wrong with a parameter."""
    return Refused("400100", message)


def number_in(asked: Asked, name: str, usual: int, most: int) -> int:
    """A parameter from 1 to ``most``."""
    wrong = refused(f"{name} is invalid")
    value = integer_in(asked.query, name, wrong)
    value = usual if value is None else value
    if not 1 <= value <= most:
        raise wrong
    return value


def listing_in(asked: Asked, *, needed: bool) -> Listing | None:
    """What ``symbol`` names.

    Raises:
        Refused: nothing, or nothing that there is.
    """
    symbol = asked.query.get("symbol", "")
    if not symbol and not needed:
        return None
    if not symbol:
        raise refused("symbol can not be empty")
    found = find(asked.world, asked.product, symbol)
    if found is None:
        raise refused("Unsupported trading pair.")
    return found.listing


# --- what there is --------------------------------------------------------------------------


def orders(asked: Asked, listing: Listing | None = None) -> list[Order]:
    """What the exchange still knows, oldest first."""
    found = [
        order
        for order in asked.account.orders.values()
        if product_of(order.market) == asked.product
        and _fits(asked, listing, order)
        and _is_remembered(order, asked.now_ms)
    ]
    return sorted(found, key=lambda order: order.created_ms)


def fills(asked: Asked, listing: Listing | None = None) -> list[Fill]:
    """The same of trades."""
    since_ms = asked.now_ms - _FUTURES_MS
    wanted = asked.query.get("orderId")
    return [
        fact.fill
        for fact in asked.account.log
        if fact.fill is not None
        and product_of(fact.market) == asked.product
        and fact.time_ms >= since_ms
        and _fits(asked, listing, fact.fill)
        and (not wanted or wanted == order_of_fill(fact.fill))
    ]


def _fits(asked: Asked, listing: Listing | None, one: Order | Fill) -> bool:
    side = asked.query.get("side")
    return (listing is None or symbol_of(listing) == symbol_of(one.listing)) and (
        not side or side == one.side.lower()
    )


def _is_remembered(order: Order, now_ms: int) -> bool:
    if order.open:
        return True
    if order.market != "spot":
        kept_ms = _FUTURES_MS
    else:
        kept_ms = _SPOT_CANCELED_MS if order.left else _SPOT_FILLED_MS
    return now_ms - order.updated_ms <= kept_ms


# --- stretches and pages --------------------------------------------------------------------


def within(
    asked: Asked, found: Sequence[_T], time_of: Callable[[_T], int], most_ms: int = SPAN_MS
) -> list[_T]:
    """What lies in the stretch that is asked for, ends included; ``most_ms`` at most.

    A single bound is completed to a day; of what is too long the later part counts.
    """
    wrong = refused("startAt or endAt is invalid")
    start_ms = integer_in(asked.query, "startAt", wrong)
    end_ms = integer_in(asked.query, "endAt", wrong)
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise wrong
    if end_ms is None:
        end_ms = asked.now_ms if start_ms is None else start_ms + _HALF_OPEN_MS
        start_ms = end_ms - most_ms if start_ms is None else start_ms
    elif start_ms is None:
        start_ms = end_ms - _HALF_OPEN_MS
    start_ms = max(start_ms, end_ms - most_ms)
    return [one for one in found if start_ms <= time_of(one) <= end_ms]


def by_last_id(
    asked: Asked, found: Sequence[_T], id_of: Callable[[_T], int], row: Callable[[_T], Fields],
    size: str = "limit", usual: int = 20, most: int = 100,
) -> Fields:  # fmt: skip
    """A page, newest first: what comes before ``lastId``, and the id that the next one begins with."""
    limit = number_in(asked, size, usual, most)
    last = integer_in(asked.query, "lastId", refused("lastId is invalid"))
    newest = sorted(found, key=id_of, reverse=True)
    page = [one for one in newest if not last or id_of(one) < last][:limit]
    return {"lastId": id_of(page[-1]) if page else 0, "items": [row(one) for one in page]}


def by_number(
    asked: Asked, found: Sequence[_T], row: Callable[[_T], Fields], number: str = "currentPage",
    size: str = "pageSize", most: int = 1000,
) -> Fields:  # fmt: skip
    """A numbered page, newest first."""
    limit = number_in(asked, size, 50, most)
    page = number_in(asked, number, 1, 1_000_000)
    newest = found[::-1]
    return {
        "currentPage": page,
        "pageSize": limit,
        "totalNum": len(newest),
        "totalPage": -(-len(newest) // limit),
        "items": [row(one) for one in newest[(page - 1) * limit : page * limit]],
    }
