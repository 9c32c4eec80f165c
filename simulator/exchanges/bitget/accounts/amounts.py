"""Sizes and worths as Bitget says them: in the base coin everywhere, on COIN-FUTURES too.

The truth counts contracts there. A fill is what its contracts are worth at its price; what of an order
is not filled, at what it will trade at; a position, at the price it was entered at.
"""

from __future__ import annotations

from decimal import Decimal

from simulator.accounts.account import Account
from simulator.accounts.model import ZERO, Fact, Fill, Order, Position, hovers_at, rounded, value_of


def plain(number: Decimal) -> str:
    """Without zeros at its end."""
    return f"{number.normalize():f}" if number else "0"


def asked(order: Order) -> Decimal:
    """What an order is for: the same from its beginning to its end, as what is left trades at one price."""
    listing = order.listing
    if listing.contract_size is None:
        return order.quantity
    price = order.price or hovers_at(listing)
    return rounded(order.value + value_of(listing, price, order.left))


def done(order: Order) -> Decimal:
    """What of it is filled."""
    return order.filled if order.listing.contract_size is None else rounded(order.value)


def done_worth(order: Order) -> Decimal:
    """What that was worth in the quote coin."""
    size = order.listing.contract_size
    return rounded(order.value) if size is None else order.filled * size


def by_worth(order: Order) -> bool:
    """A market buy on spot is for so much of the quote coin."""
    return (order.market, order.side, order.type) == ("spot", "BUY", "MARKET")


def asked_worth(order: Order) -> Decimal:
    """That much: at the price the listing hovers about, for what it will cost nobody knows."""
    return rounded(order.quantity * hovers_at(order.listing))


def traded(fill: Fill) -> Decimal:
    """The size of a fill."""
    return fill.quantity if fill.listing.contract_size is None else fill.value


def traded_worth(fill: Fill) -> Decimal:
    """What it was worth in the quote coin."""
    size = fill.listing.contract_size
    return fill.value if size is None else fill.quantity * size


def held(position: Position) -> Decimal:
    """The size of a position, without its sign."""
    if position.listing.contract_size is None:
        return abs(position.size)
    return rounded(position.cost)


def fees_until(account: Account, order: Order, fact: Fact | None = None) -> Decimal:
    """What an order has cost so far, or until that fact."""
    log = account.log if fact is None else account.log[: fact.number]
    fills = (one.fill for one in log if one.fill is not None and one.market == order.market)
    return sum((fill.fee for fill in fills if fill.order == order.number), ZERO)


def fee_coin(order: Order) -> str:
    """What its fees are paid in."""
    listing = order.listing
    if listing.market != "spot":
        return listing.settle
    return listing.base if order.side == "BUY" else listing.quote
