"""KuCoin's signed REST: which call is what, and of which pool it takes how much.

What is about accounts of one mode is refused to those of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from common.model.intervals import DAY_MS
from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fill, Order
from simulator.exchanges.common import Refused, integer_in
from simulator.exchanges.kucoin.accounts import rows, unified_calls
from simulator.exchanges.kucoin.accounts.asking import (
    Asked,
    by_last_id,
    by_number,
    fills,
    listing_in,
    number_in,
    orders,
    refused,
    within,
)
from simulator.exchanges.kucoin.accounts.pushes import position_fields
from simulator.exchanges.kucoin.accounts.words import Fields, client_id, order_id
from simulator.exchanges.kucoin.names import Product, asset, mark_of, symbol_of

# The fills of futures that are not told at once are told after so long (machine time).
_LATE_S = 2.0
_MOST_RECENT = 1000
# So far back the ledger of spot reaches.
_LEDGER_SPAN_MS = 3 * DAY_MS
_NO_FUTURES_ORDER = Refused("100001", "error.getOrder.orderNotExist")
_NO_SPOT_ORDER = refused("The order does not exist.")


class Pool(NamedTuple):
    """Weight that an account may use within some seconds."""

    name: str
    weight: int
    seconds: float = 30.0


SPOT, FUTURES = Pool("kucoin-spot", 4000), Pool("kucoin-futures", 2000)
MANAGEMENT, UNIFIED = Pool("kucoin-management", 2000), Pool("kucoin-unified", 200, 3.0)

Answer = Callable[[Asked], object]


class Route(NamedTuple):
    """One call; ``mode``: of the accounts that it is about, empty for all."""

    pool: Pool
    weight: int
    answer: Answer
    mode: str = "classic"


def route_of(product: Product, method: str, path: str) -> Route | None:
    """The call about an account; None if this is none. What follows a last ``/`` may be an id."""
    if method != "GET":
        return None
    found = _ROUTES[product].get(path)
    return found or _ROUTES[product].get(f"{path.rpartition('/')[0]}/*")


# --- spot -----------------------------------------------------------------------------------


def _balances(asked: Asked) -> object:
    kind, currency = asked.query.get("type", "trade"), asked.query.get("currency")
    found = asked.account.wallets.of("spot") if kind == "trade" else []
    return [
        rows.spot_balance(one, number)
        for number, one in enumerate(found, 1)
        if currency in (None, one.asset)
    ]


def _spot_row(asked: Asked) -> Callable[[Order], Fields]:
    traded: dict[int, list[Fill]] = {}
    for fill in asked.account.fills("spot"):
        traded.setdefault(fill.order, []).append(fill)
    return lambda order: rows.spot_order(order, traded.get(order.number, ()))


def _active_symbols(asked: Asked) -> object:
    return {"symbols": sorted({symbol_of(one.listing) for one in orders(asked) if one.open})}


def _active(asked: Asked) -> list[Order]:
    return [one for one in orders(asked, listing_in(asked, needed=True)) if one.open]


def _spot_active(asked: Asked) -> object:
    return [_spot_row(asked)(one) for one in reversed(_active(asked))]


def _spot_active_page(asked: Asked) -> object:
    return by_number(asked, _active(asked), _spot_row(asked), "pageNum", most=100)


def _spot_done(asked: Asked) -> object:
    found = [one for one in orders(asked, listing_in(asked, needed=True)) if not one.open]
    found = within(asked, found, lambda order: order.updated_ms)
    return by_last_id(asked, found, lambda order: order.number, _spot_row(asked))


def _spot_fills(asked: Asked) -> object:
    found = fills(asked, listing_in(asked, needed=True))
    # With the id of an order nothing else counts.
    if not asked.query.get("orderId"):
        found = within(asked, found, lambda fill: fill.time_ms)
    return by_last_id(asked, found, lambda fill: fill.trade, _fill_row(asked, rows.spot_fill))


def _ledger(asked: Asked) -> object:
    """Of a trade both sides, newest first: what comes before ``lastId``. Deposits are told apart."""
    wanted = asked.query.get("bizType")
    last = integer_in(asked.query, "lastId", refused("lastId is invalid"))
    facts = [one for one in asked.account.log if one.market == "spot" and (one.fill or one.delta)]
    entries = [
        entry
        for fact in reversed(within(asked, facts, lambda fact: fact.time_ms, _LEDGER_SPAN_MS))
        for entry in rows.ledger_entries(fact)
        if wanted in (None, entry["bizType"]) and (not last or int(entry["id"]) < last)
    ]
    return entries[: number_in(asked, "limit", 100, 200)]


def _spot_order(asked: Asked) -> object:
    return _spot_row(asked)(_one(asked, order_id, _NO_SPOT_ORDER))


def _spot_client_order(asked: Asked) -> object:
    return _spot_row(asked)(_one(asked, client_id, _NO_SPOT_ORDER))


def _one(asked: Asked, id_of: Callable[[Order], str], unknown: Refused) -> Order:
    wanted = asked.call.path.rpartition("/")[2]
    listing = listing_in(asked, needed=asked.product == "spot")
    for order in orders(asked, listing):
        if id_of(order) == wanted:
            return order
    raise unknown


def _fill_row(asked: Asked, row: Callable[[Fill, Order], Fields]) -> Callable[[Fill], Fields]:
    return lambda fill: row(fill, asked.account.orders[fill.listing.market, fill.order])


# --- futures --------------------------------------------------------------------------------


def _overview(asked: Asked) -> object:
    currency = asked.query.get("currency", "XBT")
    for market in ("linear", "inverse"):
        for balance in asked.account.wallets.of(market):
            if asset(balance.asset) == currency and _settles(asked, balance.asset, market):
                return rows.overview(asked.account, balance)
    return rows.overview(asked.account, Balance(currency))


def _settles(asked: Asked, coin: str, market: str) -> bool:
    return any(
        one.listing.settle == coin for one in asked.world.catalog if one.listing.market == market
    )


def _positions(asked: Asked) -> object:
    currency = asked.query.get("currency")
    return [
        position_fields(one, mark_of(asked.world, one.listing), asked.now_ms)
        for one in asked.account.positions.values()
        if one.size and currency in (None, asset(one.listing.settle))
    ]


def _futures_orders(asked: Asked) -> object:
    status = asked.query.get("status", "done")
    if status not in ("active", "done"):
        raise refused("status is invalid")
    found = orders(asked, listing_in(asked, needed=False))
    found = [one for one in found if one.open == (status == "active")]
    if status == "done" or {"startAt", "endAt"} & set(asked.query):
        found = within(asked, found, lambda order: order.created_ms)
    return by_number(asked, found, rows.futures_order)


def _futures_order(asked: Asked) -> object:
    return rows.futures_order(_one(asked, order_id, _NO_FUTURES_ORDER))


def _futures_client_order(asked: Asked) -> object:
    wanted = asked.query.get("clientOid")
    if not wanted:
        raise refused("clientOid can not be empty")
    for order in orders(asked):
        if client_id(order) == wanted:
            return rows.futures_order(order)
    raise _NO_FUTURES_ORDER


def _recent_orders(asked: Asked) -> object:
    since_ms = asked.now_ms - DAY_MS
    found = [
        one
        for one in orders(asked, listing_in(asked, needed=False))
        if not one.open and one.updated_ms >= since_ms
    ]
    return [rows.futures_order(one) for one in found[::-1][:_MOST_RECENT]]


def _futures_fills(asked: Asked) -> object:
    """Not what was traded just now."""
    clock = asked.world.clock
    found = [
        one
        for one in fills(asked, listing_in(asked, needed=False))
        if clock.machine_delay_s(asked.now_ms - one.time_ms) >= _LATE_S
    ]
    if not asked.query.get("orderId"):
        found = within(asked, found, lambda fill: fill.time_ms)
    return by_number(asked, found, _fill_row(asked, rows.futures_fill))


def _recent_fills(asked: Asked) -> object:
    since_ms, row = asked.now_ms - DAY_MS, _fill_row(asked, rows.futures_fill)
    found = [
        one for one in fills(asked, listing_in(asked, needed=False)) if one.time_ms >= since_ms
    ]
    return [row(one) for one in found[::-1][:_MOST_RECENT]]


def _no_page(asked: Asked) -> object:
    nothing: list[Order] = []
    return by_number(asked, nothing, rows.futures_order)


# --- what there is --------------------------------------------------------------------------


def _mode(asked: Asked) -> object:
    return {
        "selfAccountMode": asked.account.mode.upper(),
        "unifiedSubAccount": [],
        "classicSubAccount": [],
    }


def _key_info(asked: Asked) -> object:
    account: Account = asked.account
    return {
        "remark": account.name,
        "apiKey": account.key.key,
        "apiVersion": 3,
        "permission": "General,Spot,Futures" if "trade" in account.key.permissions else "General",
        "ipWhitelist": ",".join(sorted(account.key.addresses or ())),
        "isMaster": True,
        "uid": int(account.user[:7], 16),
        "createdAt": 1_700_000_000_000,
    }


_ROUTES: Mapping[Product, Mapping[str, Route]] = {
    "spot": {
        # Clients ask for it at either.
        "/api/ua/v1/account/mode": Route(UNIFIED, 30, _mode, ""),
        "/api/ua/v2/account/mode": Route(UNIFIED, 30, _mode, ""),
        **{path: Route(UNIFIED, *call, "unified") for path, call in unified_calls.CALLS.items()},
        "/api/v1/user/api-key": Route(MANAGEMENT, 3, _key_info, ""),
        "/api/v1/accounts": Route(MANAGEMENT, 5, _balances),
        "/api/v1/hf/orders/active/symbols": Route(SPOT, 2, _active_symbols),
        "/api/v1/hf/orders/active": Route(SPOT, 2, _spot_active),
        "/api/v1/hf/orders/active/page": Route(SPOT, 2, _spot_active_page),
        "/api/v1/hf/orders/done": Route(SPOT, 2, _spot_done),
        "/api/v1/hf/orders/client-order/*": Route(SPOT, 2, _spot_client_order),
        "/api/v1/hf/orders/*": Route(SPOT, 2, _spot_order),
        "/api/v1/hf/fills": Route(SPOT, 2, _spot_fills),
        "/api/v1/hf/accounts/ledgers": Route(SPOT, 2, _ledger),
    },
    "futures": {
        "/api/v1/account-overview": Route(FUTURES, 5, _overview),
        "/api/v1/positions": Route(FUTURES, 2, _positions),
        "/api/v1/orders": Route(FUTURES, 2, _futures_orders),
        "/api/v1/orders/byClientOid": Route(FUTURES, 5, _futures_client_order),
        "/api/v1/orders/*": Route(FUTURES, 5, _futures_order),
        "/api/v1/stopOrders": Route(FUTURES, 6, _no_page),
        "/api/v1/recentDoneOrders": Route(FUTURES, 5, _recent_orders),
        "/api/v1/fills": Route(FUTURES, 5, _futures_fills),
        "/api/v1/recentFills": Route(FUTURES, 5, _recent_fills),
    },
}
