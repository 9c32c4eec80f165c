"""The REST of the unified account system (v3): lists by category, read on by a cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from common.model.intervals import DAY_MS
from common.model.streams import MARKETS
from simulator.accounts.account import Account
from simulator.accounts.model import Fill, Order
from simulator.exchanges.bitget.accounts import paging, unified_rows, words
from simulator.exchanges.bitget.accounts.holdings import mark_of, open_positions
from simulator.exchanges.bitget.accounts.paging import NO_ORDER, Asked
from simulator.exchanges.bitget.accounts.signing import UNIFIED, caller
from simulator.exchanges.bitget.names import INST_TYPES
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

_SPAN_MS = 30 * DAY_MS


def call_unified(world: World, call: HttpCall) -> tuple[Account, Callable[[], object]] | None:
    """Whose call it is, and what answers it; None if it is none of these.

    Raises:
        Refused: it is nobody's who may, or of no category.
    """
    answer = _CALLS.get(call.path)
    if answer is None:
        return None
    account = caller(world, call, UNIFIED)
    category = call.query.get("category", "")
    market = INST_TYPES.get(category.upper())
    if market is None and (category or call.path in _OF_A_CATEGORY):
        raise Refused("400172", "Parameter verification failed")
    asked = Asked(world, market or "spot", account, call.query, "cursor", _SPAN_MS)
    return account, lambda: answer(asked)


# --- answers ------------------------------------------------------------------------------------


def _settings(asked: Asked) -> object:
    return {
        "accountMode": "hybrid",
        "assetMode": "single",
        "holdMode": words.mode_of(asked.account, "linear"),
        "stpMode": "none",
    }


def _assets(asked: Asked) -> object:
    return unified_rows.assets(asked.account.wallets.of("spot"))


def _positions(asked: Asked) -> object:
    """Null where there is none, and never a cursor."""
    rows = [
        unified_rows.position_row(asked.account, position, mark_of(asked.world, position))
        for position in open_positions(asked.account, asked.market)
    ]
    return {"list": rows or None}


def _order_id(order: Order) -> str:
    return words.order_id(order)


def _orders(*, live: bool) -> Callable[[Asked], object]:
    def answer(asked: Asked) -> object:
        found = paging.orders(asked, live=live)
        page = paging.page(asked, found, _order_id, lambda order: order.created_ms)
        rows = [unified_rows.order_row(asked.account, order) for order in page]
        return {"list": rows, "cursor": rows[-1]["orderId"] if rows else None}

    return answer


def _fills(asked: Asked) -> object:
    """Of all markets where no category is named; null where there is none."""
    markets = (asked.market,) if asked.query.get("category") else MARKETS
    order = None
    if asked.query.get("orderId"):
        found_order = paging.find(asked)
        if found_order is None or found_order.market not in markets:
            return {"list": None, "cursor": None}
        markets, order = (found_order.market,), found_order.number
    found = [
        fill for market in markets for fill in paging.fills(asked._replace(market=market), order)
    ]
    page = paging.page(asked, found, _trade_id, lambda fill: fill.time_ms)
    rows = [unified_rows.fill_row(asked.account, fill) for fill in page]
    return {"list": rows or None, "cursor": rows[-1]["execId"] if rows else None}


def _trade_id(fill: Fill) -> str:
    return words.id_of(fill.listing.market, fill.trade)


def _order_info(asked: Asked) -> object:
    if not (asked.query.get("orderId") or asked.query.get("clientOid")):
        raise Refused("400172", "Parameter verification failed")
    order = paging.find(asked)
    if order is None:
        raise NO_ORDER
    return unified_rows.order_row(asked.account, order)


_CALLS: Mapping[str, Callable[[Asked], object]] = {
    "/api/v3/account/settings": _settings,
    "/api/v3/account/assets": _assets,
    "/api/v3/position/current-position": _positions,
    "/api/v3/trade/unfilled-orders": _orders(live=True),
    "/api/v3/trade/history-orders": _orders(live=False),
    "/api/v3/trade/fills": _fills,
    "/api/v3/trade/order-info": _order_info,
}
_OF_A_CATEGORY = frozenset(
    {
        "/api/v3/position/current-position",
        "/api/v3/trade/unfilled-orders",
        "/api/v3/trade/history-orders",
    }
)
