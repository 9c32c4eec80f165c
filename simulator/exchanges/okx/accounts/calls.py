"""OKX's signed REST: who asks, within which limit, and how lists are paged.

Lists are newest first. ``after`` is the id that rows are older than, ``before`` the one that they are
newer than; ``begin`` and ``end`` are times, of an order when it was made. Orders that have ended are known
for seven days or three months, those that were cancelled without a trade for two hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from common.clocks import machine_s
from common.model.intervals import DAY_MS, HOUR_MS
from simulator.accounts.account import Account
from simulator.accounts.model import Fill, Order
from simulator.exchanges.common import Refused, integer_in, needed_in
from simulator.exchanges.okx.accounts.rows import Row, Rows, bill_id, client_id, order_id, uid
from simulator.exchanges.okx.accounts.signing import signer
from simulator.exchanges.okx.names import NAME, WINDOW_S, find, symbol_of, type_of
from simulator.exchanges.protocol import HttpCall
from simulator.listing import Listing
from simulator.world import World

_T = TypeVar("_T", Order, Fill)

_MOST_ROWS = 100
_UNFILLED_MS = 2 * HOUR_MS
_QUICK_ORDERS_MS, _QUICK_FILLS_MS, _LONG_MS = 7 * DAY_MS, 3 * DAY_MS, 90 * DAY_MS


class _Asked(NamedTuple):
    """A signed call whose sender is known."""

    world: World
    rows: Rows
    account: Account
    query: Mapping[str, str]

    def needed(self, name: str) -> str:
        """A parameter that has to be there."""
        return needed_in(
            self.query, name, Refused("50014", f"Parameter {name} can not be empty.")
        )  # fmt: skip

    def number(self, name: str) -> int | None:
        """A parameter that is a number."""
        return integer_in(self.query, name, Refused("51000", f"Parameter {name} error"))

    def age_ms(self, time_ms: int) -> int:
        """How long ago something was."""
        return self.world.clock.now_ms() - time_ms

    def is_meant(self, listing: Listing) -> bool:
        """Whether something of this listing is asked for."""
        symbol, family = symbol_of(listing), self.query.get("instFamily")
        return (
            self.query.get("instType", type_of(listing)) == type_of(listing)
            and symbol in (self.query.get("instId") or symbol).split(",")
            and (family is None or symbol.startswith(f"{family}-"))
        )


def answer(world: World, rows: Rows, path: str, call: HttpCall) -> object | None:
    """What is answered to a call about an account; None if this is none.

    Raises:
        Refused: by its signature, by the limit of its account, or for what it asks.
    """
    found = _CALLS.get(path)
    if found is None or call.method != "GET":
        return None
    limit, carry_out = found
    asked = _Asked(world, rows, signer(world, call), call.query)
    who = asked.account.name
    if path == "/trade/order":
        who = f"{who}:{call.query.get('instId')}"
    if world.meters.window(f"{NAME}:{path}", who, WINDOW_S).exceeds(limit, machine_s()):
        raise Refused("50011", "Too Many Requests", 429)
    return carry_out(asked)


# --- orders and fills -----------------------------------------------------------------------


def _open_orders(asked: _Asked) -> list[Row]:
    orders = (one for one in asked.account.orders.values() if one.open)
    return _order_page(asked, orders)


def _recent_orders(asked: _Asked) -> list[Row]:
    asked.needed("instType")
    ended = (one for one in asked.account.orders.values() if not one.open)
    return _order_page(asked, (one for one in ended if _is_known(asked, one, _QUICK_ORDERS_MS)))


def _old_orders(asked: _Asked) -> list[Row]:
    """What was traded only."""
    asked.needed("instType")
    ended = (one for one in asked.account.orders.values() if not one.open and one.filled)
    return _order_page(asked, (one for one in ended if _is_known(asked, one, _LONG_MS)))


def _one_order(asked: _Asked) -> list[Row]:
    symbol, number = asked.needed("instId"), asked.query.get("ordId")
    if find(asked.world, symbol) is None:
        raise Refused(
            "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.", 200
        )
    name = number or asked.needed("clOrdId")
    for order in reversed(asked.account.orders.values()):
        is_it = name == (order_id(order) if number else client_id(order))
        if is_it and asked.is_meant(order.listing) and _is_known(asked, order, _LONG_MS):
            return [asked.rows.order(asked.account, order)]
    raise Refused("51603", "Order does not exist", 200)


def _is_known(asked: _Asked, order: Order, any_ms: int) -> bool:
    """Whether the exchange has not forgotten an order."""
    return order.open or asked.age_ms(order.updated_ms) <= (
        any_ms if order.filled else _UNFILLED_MS
    )


def _order_page(asked: _Asked, orders: Iterable[Order]) -> list[Row]:
    wanted = asked.query.get("ordType"), asked.query.get("state")
    page = _page(asked, orders, order_id, lambda order: order.created_ms)
    rows = [asked.rows.order(asked.account, order) for order in page]
    return [
        row
        for row in rows
        if (wanted[0] or row["ordType"]) == row["ordType"]
        and (wanted[1] or row["state"]) == row["state"]
    ]


def _recent_fills(asked: _Asked) -> list[Row]:
    return _fill_page(asked, _QUICK_FILLS_MS)


def _old_fills(asked: _Asked) -> list[Row]:
    asked.needed("instType")
    return _fill_page(asked, _LONG_MS)


def _fill_page(asked: _Asked, known_ms: int) -> list[Row]:
    account, order = asked.account, asked.query.get("ordId")
    fills = (fact.fill for fact in account.log if fact.fill is not None)
    found = (
        fill
        for fill in fills
        if asked.age_ms(fill.time_ms) <= known_ms
        and order in (None, "", order_id(account.orders[fill.listing.market, fill.order]))
    )
    page = _page(asked, found, bill_id, lambda fill: fill.time_ms)
    return [asked.rows.fill(account, fill) for fill in page]


def _page(
    asked: _Asked, found: Iterable[_T], id_of: Callable[[_T], str], time_of: Callable[[_T], int]
) -> list[_T]:
    after, before = asked.number("after"), asked.number("before")
    begin_ms, end_ms = asked.number("begin"), asked.number("end")
    limit = asked.number("limit")
    inside = [
        one
        for one in found
        if asked.is_meant(one.listing)
        and (after is None or int(id_of(one)) < after)
        and (before is None or int(id_of(one)) > before)
        and (begin_ms is None or time_of(one) >= begin_ms)
        and (end_ms is None or time_of(one) <= end_ms)
    ]
    inside.sort(key=lambda one: int(id_of(one)), reverse=True)
    return inside[: _MOST_ROWS if limit is None else min(limit, _MOST_ROWS)]


def _no_orders(asked: _Asked) -> list[Row]:
    """Orders that wait for a price: there are none."""
    asked.needed("ordType")
    return []


# --- balances and positions -----------------------------------------------------------------


def _balance(asked: _Asked) -> list[Row]:
    """What there is some of."""
    wanted = asked.query.get("ccy")
    found = [
        balance
        for _, balance in asked.account.wallets
        if (balance.total or balance.locked) and (not wanted or balance.asset in wanted.split(","))
    ]
    return [asked.rows.account(asked.account, found)]


def _positions(asked: _Asked) -> list[Row]:
    """Those that are open."""
    return [
        asked.rows.position(asked.account, position)
        for position in asked.account.positions.values()
        if position.size and asked.is_meant(position.listing)
    ]


def _config(asked: _Asked) -> list[Row]:
    account = asked.account
    named = {"read": "read_only", "trade": "trade"}
    return [
        {
            "uid": uid(account),
            "mainUid": uid(account),
            "acctLv": account.mode,
            "posMode": "long_short_mode" if account.hedged else "net_mode",
            "autoLoan": False,
            "level": "Lv1",
            "label": account.name,
            "perm": ",".join(named[one] for one in sorted(account.key.permissions)),
            "ip": ",".join(sorted(account.key.addresses or ())),
        }
    ]


# What each answers, and how often an account may ask within the window.
_CALLS: Mapping[str, tuple[int, Callable[[_Asked], list[Row]]]] = {
    "/account/balance": (10, _balance),
    "/account/positions": (10, _positions),
    "/account/config": (5, _config),
    "/trade/orders-pending": (60, _open_orders),
    "/trade/orders-algo-pending": (20, _no_orders),
    "/trade/orders-history": (40, _recent_orders),
    "/trade/orders-history-archive": (20, _old_orders),
    "/trade/order": (60, _one_order),
    "/trade/fills": (60, _recent_fills),
    "/trade/fills-history": (10, _old_fills),
}
