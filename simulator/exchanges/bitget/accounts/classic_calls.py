"""The REST of the classic account system (v2): spot by paths of its own, futures by product type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.model.intervals import DAY_MS
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.model import Fill, Order
from simulator.exchanges.bitget.accounts import classic_rows, paging, words
from simulator.exchanges.bitget.accounts.holdings import mark_of, open_positions
from simulator.exchanges.bitget.accounts.paging import NO_ORDER, Asked
from simulator.exchanges.bitget.accounts.signing import CLASSIC, caller
from simulator.exchanges.bitget.names import INST_TYPES, symbol_of
from simulator.exchanges.common import Refused, needed_in
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

_SPAN_MS = 90 * DAY_MS
_NO_SPOT_ORDER = Refused("43001", "The order does not exist")


def call_classic(world: World, call: HttpCall) -> tuple[Account, Callable[[], object]] | None:
    """Whose call it is, and what answers it; None if it is none of these.

    Raises:
        Refused: it is nobody's who may, or of no product.
    """
    answer = _CALLS.get(call.path)
    if answer is None:
        return None
    account = caller(world, call, CLASSIC)
    market: Market | None = "spot"
    if call.path.startswith("/api/v2/mix/"):
        market = INST_TYPES.get(_needed(call.query, "productType").upper())
    if market is None or (market == "spot" and "/mix/" in call.path):
        raise Refused("40020", "Parameter productType error")
    asked = Asked(world, market, account, call.query, "idLessThan", _SPAN_MS)
    return account, lambda: answer(asked)


def _needed(query: Mapping[str, str], name: str) -> str:
    return needed_in(query, name, Refused("40019", f"Parameter {name} cannot be empty"))


# --- orders -------------------------------------------------------------------------------------


def _page(asked: Asked, *, live: bool) -> Sequence[Order]:
    found = paging.orders(asked, live=live)
    # Futures list the orders of one status where it is asked for.
    wanted = asked.query.get("status") if live else None
    found = [one for one in found if wanted in (None, words.status_of(one, ""))]
    return paging.page(asked, found, words.order_id, lambda order: order.created_ms)


def _spot_orders(*, live: bool) -> Callable[[Asked], object]:
    def answer(asked: Asked) -> object:
        page = _page(asked, live=live)
        return [classic_rows.order_row(asked.account, one, listed=live) for one in page]

    return answer


def _orders(*, live: bool) -> Callable[[Asked], object]:
    """Null where there is none."""

    def answer(asked: Asked) -> object:
        rows = [classic_rows.order_row(asked.account, one) for one in _page(asked, live=live)]
        return _listed("entrustedList", rows, "orderId")

    return answer


def _listed(name: str, rows: Sequence[dict[str, Any]], id_: str) -> object:
    return {name: rows or None, "endId": rows[-1][id_] if rows else None}


def _find(asked: Asked) -> Order | None:
    if not (asked.query.get("orderId") or asked.query.get("clientOid")):
        raise Refused("40019", "Parameter orderId cannot be empty")
    return paging.find(asked, asked.market)


def _spot_order(asked: Asked) -> object:
    order = _find(asked)
    if order is None:
        raise _NO_SPOT_ORDER
    return [classic_rows.order_row(asked.account, order)]


def _order(asked: Asked) -> object:
    symbol, order = _needed(asked.query, "symbol"), _find(asked)
    if order is None or symbol_of(order.listing) != symbol:
        raise NO_ORDER
    return classic_rows.order_detail(asked.account, order)


# --- fills --------------------------------------------------------------------------------------


def _fill_page(asked: Asked) -> list[dict[str, Any]]:
    number = None
    if asked.query.get("orderId"):
        order = _find(asked)
        if order is None:
            return []
        number = order.number
    found = paging.fills(asked, number)
    page = paging.page(asked, found, _trade_id, lambda fill: fill.time_ms)
    return [classic_rows.fill_row(asked.account, fill) for fill in page]


def _trade_id(fill: Fill) -> str:
    return words.id_of(fill.listing.market, fill.trade)


def _spot_fills(asked: Asked) -> object:
    _needed(asked.query, "symbol")
    return _fill_page(asked)


def _fills(asked: Asked) -> object:
    return _listed("fillList", _fill_page(asked), "tradeId")


# --- balances and positions ---------------------------------------------------------------------


def _spot_info(asked: Asked) -> object:
    return {"userId": asked.account.name, "authorities": sorted(asked.account.key.permissions)}


def _spot_assets(asked: Asked) -> object:
    return [classic_rows.coin(one) for one in asked.account.wallets.of("spot") if one.total]


def _accounts(asked: Asked) -> object:
    return [classic_rows.margin(one) for one in asked.account.wallets.of(asked.market)]


def _positions(asked: Asked) -> object:
    return [
        classic_rows.position(asked.account, one, mark_of(asked.world, one))
        for one in open_positions(asked.account, asked.market)
        if asked.query.get("marginCoin", one.listing.settle).upper() == one.listing.settle
    ]


_CALLS: Mapping[str, Callable[[Asked], object]] = {
    "/api/v2/spot/account/info": _spot_info,
    "/api/v2/spot/account/assets": _spot_assets,
    "/api/v2/spot/trade/unfilled-orders": _spot_orders(live=True),
    "/api/v2/spot/trade/history-orders": _spot_orders(live=False),
    "/api/v2/spot/trade/fills": _spot_fills,
    "/api/v2/spot/trade/orderInfo": _spot_order,
    "/api/v2/mix/account/accounts": _accounts,
    "/api/v2/mix/position/all-position": _positions,
    "/api/v2/mix/order/orders-pending": _orders(live=True),
    "/api/v2/mix/order/orders-history": _orders(live=False),
    "/api/v2/mix/order/fills": _fills,
    "/api/v2/mix/order/detail": _order,
}
