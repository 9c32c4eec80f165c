"""KuCoin's orders by their worth: what is filled of them in the base asset, as their trades tell it. Pure.

Such an order says exactly what was spent of the quote asset. What was got for it only its trades say, and
these have a channel of their own that may be the slower one: the order's average price is rounded, on a
cheap coin to less than its half. So its end is told when all that was spent has been told in trades.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import UNSET, Struct, structs

from common.exchanges.private import Heard
from common.exchanges.told import FillTold, OrderTold
from common.exchanges.wire import STRANGE, unreadable
from common.model.account import TERMINAL
from common.model.decimals import negated, number, total

# One part in so many of what was spent may be lost by rounding; where more than one in so many is
# missing, trades are.
_ROUNDED, _MISSING = 1_000_000, 1000
# Less than any trade: with it an order is filled by more than its trades that are known.
_MORE = "0.0000000000000001"
# Orders whose trades are remembered.
MOST_ORDERS = 1000


def is_by_worth(order: OrderTold) -> bool:
    """Whether only its trades say what is filled of it in the base asset."""
    return order.filled is UNSET and order.filled_quote is not UNSET


class _Trades(Struct):
    """What was heard of one order."""

    base: str = "0"
    worth: str = "0"
    ids: set[str] = set()
    order: OrderTold | None = None

    def add(self, fill: FillTold) -> bool:
        """Whether it is a new one."""
        if fill.trade_id in self.ids or fill.quantity is UNSET or fill.quote_quantity is UNSET:
            return False
        self.ids.add(fill.trade_id)
        self.base = total((self.base, fill.quantity))
        self.worth = total((self.worth, fill.quote_quantity))
        return True

    def lacks(self, order: OrderTold, one_in: int) -> bool:
        """Whether more than that part of what was spent is in no trade."""
        spent = "0" if order.filled_quote is UNSET else order.filled_quote
        missing = total((spent, negated(self.worth)))
        return number(missing) * one_in > number(spent)

    def stands(self, order: OrderTold, *, ends: bool) -> OrderTold:
        """How the order stands, with these trades. ``ends``: also where some of them are missing."""
        if not self.lacks(order, _ROUNDED):
            return structs.replace(order, filled=self.base)
        ended = order.status in TERMINAL and not ends
        status = "PARTIALLY_FILLED" if ended else order.status
        return structs.replace(order, status=status, filled=total((self.base, _MORE)))


def _trades(fills: Iterable[FillTold]) -> _Trades:
    trades = _Trades()
    for fill in fills:
        trades.add(fill)
    return trades


def is_whole(order: OrderTold, fills: Iterable[FillTold]) -> bool:
    """Whether these are all the fills of an order by its worth."""
    return not _trades(fills).lacks(order, _ROUNDED)


def settled(order: OrderTold, fills: Iterable[FillTold]) -> OrderTold:
    """How an order by its worth stands that was asked for with its fills.

    Where trades are missing it has not ended yet. Where so little is missing that it may be rounding, it
    has: who waits for the rest gives up some time.
    """
    trades = _trades(fills)
    return trades.stands(order, ends=not trades.lacks(order, _MISSING))


class ByWorth:
    """Puts together what a socket says of orders by their worth, and of their trades."""

    def __init__(self) -> None:
        self._trades: dict[str, _Trades] = {}

    def take(self, heard: Sequence[Heard]) -> Sequence[Heard]:
        """The same, with what is filled; the end of an order after its last trade. Never raises."""
        told: list[Heard] = []
        try:
            for one in heard:
                told += self._take(one)
        except STRANGE as error:
            told.append(unreadable(error))
        return told

    def _take(self, one: Heard) -> Sequence[Heard]:
        if isinstance(one, FillTold):
            trades = self._of(one.order_id)
            if not trades.add(one) or trades.order is None:
                return (one,)
            return one, self._stands(trades, trades.order)
        if isinstance(one, OrderTold) and is_by_worth(one):
            return (self._stands(self._of(one.order_id), one),)
        return (one,)

    def _stands(self, trades: _Trades, order: OrderTold) -> OrderTold:
        if order.status in TERMINAL:
            trades.order = order
        if order.status in TERMINAL and not trades.lacks(order, _ROUNDED):
            self._trades.pop(order.order_id, None)
        return trades.stands(order, ends=False)

    def _of(self, order_id: str) -> _Trades:
        while len(self._trades) >= MOST_ORDERS and order_id not in self._trades:
            # What it lacks now is asked for.
            del self._trades[next(iter(self._trades))]
        return self._trades.setdefault(order_id, _Trades())
