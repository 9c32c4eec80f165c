"""KuCoin's signed REST of unified accounts: lists of a product, all of them on the host of spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from simulator.accounts.model import Fill, Order
from simulator.exchanges.kucoin.accounts import unified
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
from simulator.exchanges.kucoin.accounts.words import Fields, client_id, order_id, trade_id
from simulator.exchanges.kucoin.names import Product, mark_of, product_of

_MOST = 200
_PRODUCTS: Mapping[str, Product] = {"SPOT": "spot", "FUTURES": "futures"}
_NO_ORDER = refused("The order does not exist.")

Answer = Callable[[Asked], object]


def _of_product(answer: Callable[[Asked, str], Fields]) -> Answer:
    """A list of the product that is asked for."""

    def carry_out(asked: Asked) -> object:
        name = asked.query.get("tradeType", "")
        product = _PRODUCTS.get(name)
        if product is None:
            raise refused("tradeType is invalid")
        return {"tradeType": name} | answer(replace(asked, product=product), name)

    return carry_out


def _row(asked: Asked) -> Callable[[Order], Fields]:
    traded: dict[tuple[str, int], list[Fill]] = {}
    for fact in asked.account.log:
        if fact.fill is not None and product_of(fact.market) == asked.product:
            traded.setdefault((fact.market, fact.fill.order), []).append(fact.fill)
    return lambda order: unified.order_row(order, traded.get((order.market, order.number), ()))


def _open(asked: Asked, _name: str) -> Fields:
    found = [one for one in orders(asked, listing_in(asked, needed=False)) if one.open]
    return by_number(asked, found, _row(asked), "pageNumber", most=_MOST)


def _history(asked: Asked, _name: str) -> Fields:
    found = [one for one in orders(asked, listing_in(asked, needed=False)) if not one.open]
    found = within(asked, found, lambda order: order.created_ms)
    return by_last_id(asked, found, _number, _row(asked), "pageSize", 50, _MOST)


def _number(order: Order) -> int:
    return int(order_id(order), 16 if order.market == "spot" else 10)


def _trades(asked: Asked, _name: str) -> Fields:
    found = fills(asked, listing_in(asked, needed=False))
    found = within(asked, found, lambda fill: fill.time_ms)

    def row(fill: Fill) -> Fields:
        return unified.trade_row(fill, asked.account.orders[fill.listing.market, fill.order])

    return by_last_id(asked, found, trade_id, row, "pageSize", 50, _MOST)


def _detail(asked: Asked, _name: str) -> Fields:
    number, name = asked.query.get("orderId"), asked.query.get("clientOid")
    if not number and not name:
        raise refused("orderId or clientOid is needed")
    for order in orders(asked, listing_in(asked, needed=True)):
        if order_id(order) == number or (not number and client_id(order) == name):
            return _row(asked)(order)
    raise _NO_ORDER


def _balances(asked: Asked) -> object:
    found = [unified.balance_row(one) for one in asked.account.wallets.of("spot")]
    return {
        "accountType": "UNIFIED",
        "ts": asked.now_ms,
        "accounts": [{"currencies": found}],
    }


def _positions(asked: Asked) -> object:
    page, rows = number_in(asked, "pageNumber", 1, 1_000_000), number_in(asked, "pageSize", 50, 200)
    found = [one for one in asked.account.positions.values() if one.size]
    return [
        unified.position_row(one, mark_of(asked.world, one.listing))
        for one in found[(page - 1) * rows : page * rows]
    ]


# Paths, each with its weight.
CALLS: Mapping[str, tuple[int, Answer]] = {
    "/api/ua/v2/unified/account/balance": (5, _balances),
    "/api/ua/v2/unified/position/open-list": (3, _positions),
    "/api/ua/v2/unified/order/open-list": (4, _of_product(_open)),
    "/api/ua/v2/unified/order/history": (4, _of_product(_history)),
    "/api/ua/v2/unified/order/detail": (4, _of_product(_detail)),
    "/api/ua/v2/unified/order/execution": (4, _of_product(_trades)),
}
