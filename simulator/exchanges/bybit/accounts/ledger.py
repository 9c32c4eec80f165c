"""What holds the money of a Bybit account, and how its positions stood, after each fact. Pure.

A unified wallet tells apart what spot orders lock, and the margins of orders and of positions.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.model import ZERO, Fact, Order, Position, PositionSide
from simulator.listing import Listing


class Held(NamedTuple):
    """So much of a coin is not free: locked by spot orders, margin of orders, of positions."""

    locked: Decimal = ZERO
    order_margin: Decimal = ZERO
    position_margin: Decimal = ZERO

    def plus(self, other: Held) -> Held:
        """Both together."""
        return Held(*(mine + more for mine, more in zip(self, other, strict=True)))


class Ledger:
    """One account as of a fact of its log; it only goes forward."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._taken = 0
        self._held: defaultdict[str, Held] = defaultdict(Held)
        self._orders: dict[tuple[Market, int], Decimal] = {}
        self._positions: dict[tuple[str, PositionSide], Position] = {}
        self._trades: dict[tuple[str, PositionSide], int] = {}
        self._fees: dict[tuple[Market, int], tuple[str, Decimal]] = {}

    def upto(self, number: int) -> Ledger:
        """Go on until the fact of this number has happened."""
        for fact in self._account.log[self._taken : number]:
            self._take(fact)
        self._taken = max(self._taken, number)
        return self

    def held(self, asset: str) -> Held:
        """What is not free of a coin."""
        return self._held[asset]

    def position(self, listing: Listing, side: PositionSide) -> Position:
        """The position in a listing; one of size 0 if there was none."""
        found = self._positions.get((listing.key, side))
        return found or Position(listing=listing, side=side)

    def last_trade(self, position: Position) -> int:
        """The number of the trade that made a position what it is; -1 where there was none."""
        return self._trades.get((position.listing.key, position.side), -1)

    def fee(self, order: Order) -> tuple[str, Decimal]:
        """What an order's trades have cost, and in which asset."""
        return self._fees.get((order.market, order.number), ("", ZERO))

    def _take(self, fact: Fact) -> None:
        if fact.order is not None:
            self._hold(fact.order)
        if fact.order is not None and fact.fill is not None:
            _, fee = self.fee(fact.order)
            self._fees[fact.market, fact.order.number] = fact.fill.fee_asset, fee + fact.fill.fee
        for position in fact.positions:
            settle, before = position.listing.settle, self.position(position.listing, position.side)
            more = Held(position_margin=position.margin - before.margin)
            self._held[settle] = self._held[settle].plus(more)
            key = position.listing.key, position.side
            self._positions[key] = position
            self._trades[key] = -1 if fact.fill is None else fact.fill.trade

    def _hold(self, order: Order) -> None:
        key = order.market, order.number
        more = order.held - self._orders.pop(key, ZERO)
        if order.held:
            self._orders[key] = order.held
        asset, spot = _paid_with(order), order.market == "spot"
        held = Held(locked=more) if spot else Held(order_margin=more)
        self._held[asset] = self._held[asset].plus(held)


def _paid_with(order: Order) -> str:
    listing = order.listing
    if order.market != "spot":
        return listing.settle
    return listing.quote if order.side == "BUY" else listing.base
