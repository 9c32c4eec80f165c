"""How KuCoin spells what is said of accounts: ids, contracts, assets, times."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from common.model.streams import Market
from simulator.accounts.model import Fact, Fill, Order
from simulator.exchanges.kucoin.names import asset, number
from simulator.listing import Listing

Fields = dict[str, Any]
NOTHING = Decimal(0)

# The futures are one product, whose two markets count on their own here: the first digit tells them.
_FUTURES_IDS: dict[Market, int] = {"linear": 4 * 10**17, "inverse": 5 * 10**17}


def plain(amount: Decimal) -> str:
    """A number without zeros at its end."""
    return f"{amount.normalize():f}" if amount else "0"


def digits(amount: Decimal) -> msgspec.Raw:
    """The same as a JSON number."""
    return number(plain(amount))


def order_id(order: Order) -> str:
    """Spot: 24 hex digits. Futures: 18 decimal ones."""
    return _order_id(order.market, order.number)


def order_of_fill(fill: Fill) -> str:
    """The id of the order that was filled."""
    return _order_id(fill.listing.market, fill.order)


def _order_id(market: Market, order: int) -> str:
    return f"{order:024x}" if market == "spot" else str(_FUTURES_IDS[market] + order)


def client_id(order: Order) -> str:
    """The client's; the exchange's own orders have none."""
    return "" if order.liquidation else order.client_id


def trade_id(fill: Fill) -> int:
    """A number; on the socket, and on futures everywhere, it is a text of it."""
    market = fill.listing.market
    return fill.trade if market == "spot" else _FUTURES_IDS[market] // 10**5 + fill.trade


def contracts(listing: Listing, size: Decimal) -> int:
    """How many contracts a size of futures is."""
    if listing.contract_size is not None:
        return int(size)
    return int(size.scaleb(listing.lot_decimals))


def size(listing: Listing, amount: Decimal) -> str:
    """A size: of the base asset on spot, contracts on futures."""
    return plain(amount) if listing.market == "spot" else str(contracts(listing, amount))


def settled_in(listing: Listing) -> str:
    """The coin a contract settles in, as the futures call it."""
    return asset(listing.settle)


def time_ns(fact: Fact, nth: int = 0) -> int:
    """When a fact was, in nanoseconds: those of one millisecond one after another."""
    return fact.time_ms * 1_000_000 + (fact.number * 10 + nth) % 1_000_000


def nanos(time_ms: int) -> int:
    """A time of REST in nanoseconds."""
    return time_ms * 1_000_000
