"""Bybit's signed REST: which call is what, how lists are paged, what the exchange forgets.

Lists go from the newest to the oldest, page by page after a cursor; there is one after the last page
too. Histories are asked for a week at most, and need no symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from common.clocks import machine_s
from common.model.intervals import DAY_MS
from common.model.streams import MARKETS, Market
from simulator.accounts.account import Account
from simulator.accounts.model import Order, Position, PositionSide
from simulator.exchanges.bybit.accounts import rows
from simulator.exchanges.bybit.accounts.ledger import Ledger
from simulator.exchanges.bybit.accounts.signing import signer
from simulator.exchanges.bybit.names import NAME, UID_LIMIT, UID_POOL, market_of, symbol_of
from simulator.exchanges.bybit.query import PARAMS, listed_in, number_in
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.listing import Listing
from simulator.world import World

_T = TypeVar("_T")

# The kind of account that everything is for; others are asked to upgrade.
UNIFIED = "unified"
_UPGRADES: Mapping[str, int] = {UNIFIED: 5, "classic": 1}
_SPAN_MS = 7 * DAY_MS
# What ended without a trade is in the history for a day, and what ended at all a moment later.
_FORGOTTEN_MS = DAY_MS
_LAG_S = 0.3
# So many of the latest that ended are told in real time.
_RECENT = 500
_CURSOR = "page_args%3D"


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


Answer = Callable[[Asked], object]


def carry_out(world: World, call: HttpCall, answer: Answer, headers: dict[str, str]) -> object:
    """A signed call, counted by account and path; ``headers`` say how many are left.

    Raises:
        Refused: it is not allowed, too much, or wrong.
    """
    account = signer(world, call)
    limit = world.weight_limits.get(UID_POOL, UID_LIMIT)
    window = world.meters.window(f"{UID_POOL}:{call.path}", account.name, 1.0)
    now_s = machine_s()
    over = window.exceeds(limit, now_s)
    headers |= {
        "X-Bapi-Limit": str(limit),
        "X-Bapi-Limit-Status": str(max(limit - window.used(now_s), 0)),
        "X-Bapi-Limit-Reset-Timestamp": str(world.time_of(NAME) + (1000 if over else 0)),
    }
    if over:
        raise Refused(10006, "Too many visits. Exceeded the API Rate Limit.")
    if account.mode != UNIFIED and answer is not _info:
        raise Refused(10028, "The API can only be accessed by unified account users.")
    return answer(Asked(world, account, call))


# --- the account ----------------------------------------------------------------------------


def _info(asked: Asked) -> object:
    return {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": str(asked.account.log[0].time_ms if asked.account.log else asked.now_ms),
        "unifiedMarginStatus": _UPGRADES[asked.account.mode],
        "dcpStatus": "OFF",
        "timeWindow": 0,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def _wallet(asked: Asked) -> object:
    """The coins that there are."""
    if asked.query.get("accountType") != "UNIFIED":
        raise Refused(PARAMS, "accountType only support UNIFIED.")
    wanted, ledger = asked.query.get("coin"), asked.ledger
    coins = [
        rows.coin_row(balance, ledger.held(balance.asset))
        for balance in asked.account.wallets.of(MARKETS[0])
        if (balance.asset in wanted.split(",") if wanted else balance.total)
    ]
    return {"list": [{"accountType": "UNIFIED", "coin": coins}]}


# --- positions ------------------------------------------------------------------------------


def _positions(asked: Asked) -> object:
    """Those that there are; of one symbol those that are not, too."""
    market = asked.market
    if market == "spot":
        raise Refused(PARAMS, "Illegal category")
    if market == "linear" and not asked.query.keys() & {"symbol", "settleCoin"}:
        raise Refused(
            PARAMS, "Missing some parameters that must be filled in, symbol or settleCoin"
        )
    if "symbol" in asked.query:
        listing = listed_in(asked.world, market, asked.query).listing
        sides: Sequence[PositionSide] = ("LONG", "SHORT") if asked.account.hedged else ("BOTH",)
        found = [asked.account.position(listing, side) for side in sides]
    else:
        found = [
            position
            for position in asked.account.positions.values()
            if position.size
            and position.listing.market == market
            and asked.query.get("settleCoin", position.listing.settle) == position.listing.settle
        ]
    first = _cursor(asked) or 0
    after = first + _limit(asked, 20, 200)
    return {
        "category": market,
        "list": [_position_row(asked, position) for position in found[first:after]],
        "nextPageCursor": f"{_CURSOR}{after}" if after < len(found) else "",
    }


def _position_row(asked: Asked, position: Position) -> rows.Row:
    world, listing = asked.world, position.listing
    listed = world.catalog.get(listing.key)
    units = listing.price if listed is None else world.market.last_price(listed, asked.now_ms)
    mark = Decimal(units).scaleb(-listing.price_decimals)
    row = rows.position_row(position, asked.ledger, mark, asked.now_ms)
    return row | {"avgPrice": rows.entry(position)}


# --- orders and trades ----------------------------------------------------------------------


def _open_orders(asked: Asked) -> object:
    """What is open; by an id, or where it is asked for, the latest that ended too."""
    market = asked.market
    if market == "linear" and not asked.query.keys() & {"symbol", "baseCoin", "settleCoin"}:
        raise Refused(
            PARAMS,
            "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin",
        )
    orders = [order for order in asked.account.orders.values() if order.market == market]
    ended = [order for order in orders if not order.open]
    ended = sorted(ended, key=lambda order: order.updated_ms)[-_RECENT:]
    by_id = asked.query.keys() & {"orderId", "orderLinkId"}
    found = [order for order in orders if order.open]
    if by_id or asked.query.get("openOnly", "0") != "0":
        found = [*found, *ended] if by_id else ended
    return _orders(asked, _chosen(asked, found))


def _history(asked: Asked) -> object:
    """What has ended, by when it was made."""
    market, now_ms, clock = asked.market, asked.now_ms, asked.world.clock
    by_id = asked.query.keys() & {"orderId", "orderLinkId"}
    start_ms, end_ms = _stretch(asked)
    found = [
        order
        for order in asked.account.orders.values()
        if order.market == market
        and not order.open
        and (order.filled or now_ms - order.updated_ms <= _FORGOTTEN_MS)
        and clock.machine_delay_s(asked.world.clock.now_ms() - order.updated_ms) >= _LAG_S
        and (by_id or start_ms <= order.created_ms <= end_ms)
    ]
    return _orders(asked, _chosen(asked, found))


def _orders(asked: Asked, found: Iterable[Order]) -> object:
    page, cursor = _page(asked, found, lambda order: order.number, 20, 50)
    ledger = asked.ledger
    told = [rows.order_row(order, ledger) for order in page]
    return {"category": asked.market, "list": told, "nextPageCursor": cursor}


def _chosen(asked: Asked, orders: Iterable[Order]) -> list[Order]:
    """Those that the parameters name; an id goes before all else."""
    query = asked.query
    if query.get("orderId"):
        return [one for one in orders if rows.order_id(one.market, one.number) == query["orderId"]]
    if query.get("orderLinkId"):
        return [one for one in orders if rows.client_id(one) == query["orderLinkId"]]
    return [one for one in orders if _named(query, one.listing)]


def _named(query: Mapping[str, str], listing: Listing) -> bool:
    named = {
        "symbol": symbol_of(listing),
        "baseCoin": listing.base,
        "settleCoin": listing.settle,
    }
    given = {name: query[name] for name in named if query.get(name)}
    if listing.market == "spot":
        given.pop("settleCoin", None)
    return all(named[name] == text for name, text in given.items())


def _trades(asked: Asked) -> object:
    """Trades, by when they were; of one order all of them."""
    market, account = asked.market, asked.account
    by_id = asked.query.keys() & {"orderId", "orderLinkId"}
    chosen = {
        order.number
        for order in _chosen(
            asked, [one for one in account.orders.values() if one.market == market]
        )
    }
    start_ms, end_ms = _stretch(asked)
    found = [
        (fact.fill, fact.order)
        for fact in account.log
        if fact.fill is not None
        and fact.order is not None
        and fact.market == market
        and fact.fill.order in chosen
        and (by_id or start_ms <= fact.fill.time_ms <= end_ms)
    ]
    page, cursor = _page(asked, found, lambda pair: pair[0].trade, 50, 100)
    told = [rows.execution_row(fill, order) for fill, order in page]
    return {"category": market, "list": told, "nextPageCursor": cursor}


# --- pages and stretches --------------------------------------------------------------------


def _limit(asked: Asked, usual: int, most: int) -> int:
    limit = number_in(asked.query, "limit")
    return min(max(usual if limit is None else limit, 1), most)


def _cursor(asked: Asked) -> int | None:
    text = asked.query.get("cursor", "").removeprefix(_CURSOR)
    if text and not (text.isascii() and text.isdecimal()):
        raise Refused(PARAMS, "Request parameter error: cursor is invalid")
    return int(text) if text else None


def _page(
    asked: Asked, found: Iterable[_T], number_of: Callable[[_T], int], usual: int, most: int
) -> tuple[list[_T], str]:
    """The newest before the cursor, and the cursor of what comes after them."""
    before = _cursor(asked)
    left = [one for one in found if before is None or number_of(one) < before]
    page = sorted(left, key=number_of, reverse=True)[: _limit(asked, usual, most)]
    return page, f"{_CURSOR}{number_of(page[-1])}" if page else ""


def _stretch(asked: Asked) -> tuple[int, int]:
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


ROUTES: Mapping[str, Answer] = {
    "/v5/account/info": _info,
    "/v5/account/wallet-balance": _wallet,
    "/v5/position/list": _positions,
    "/v5/order/realtime": _open_orders,
    "/v5/order/history": _history,
    "/v5/execution/list": _trades,
}
