"""The orders of one account, folded: what frames and rows tell becomes one true path of each. Pure.

Whatever the order in which it is told, and however often: NEW, then a report for every fill with what is
filled in all, then exactly one end. What an order's state says is filled, its fills have to add up to;
until they do nothing of it goes out, and whoever owns this fetches what is missing (``owed``). So a fill is never
lost between two channels, a total never falls, and nothing follows an end.

An order is kept as long as something may still be told of it, so that a late or repeated frame, or a
new owner's look back, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec
from msgspec import UNSET

from common.exchanges.told import FillTold, OrderTold
from common.model.account import ExecutionReport, Fill, PositionSide
from common.recovery.order import Order, OrderKey, begun, key_of
from common.recovery.reports import Account, Reports
from common.recovery.unheard import Past

# REST may lag behind the socket: what happened so shortly before an inquiry is asked for once more.
OVERLAP_MS = 60_000
# Orders that have ended are forgotten beyond so many, the oldest first, but for those that may be told
# again; beyond so many more, these too.
MOST_ENDED, MOST_KEPT = 1_000, 10_000
# An order that is not found is looked for again: REST may not have listed it yet, or not yet its end.
APART_MS = 60_000
# How many more orders there are when that is looked at again.
LOOK_EVERY = 100
_WHEN = attrgetter("when")


class Orders:
    """All orders of an account that something may still be told of.

    Args:
        account: whose.
        orders, past: what an owner before has left.

    Attributes:
        past: where those were that are forgotten.
        again_ms: what happened since then may be told again, by the exchange's time.
        late: fills that were told after an end that was concluded. Nothing follows an end.
    """

    def __init__(
        self, account: Account, orders: Iterable[Order] = (), past: Past | None = None
    ) -> None:
        self._reports = Reports(account)
        self._orders = {order.key: order for order in orders}
        self._changed: set[OrderKey] = set()
        self._most = MOST_ENDED
        self.past = past or Past()
        self.again_ms = 0
        self.late = 0

    def changes(self) -> dict[OrderKey, Order | None]:
        """What a new owner has to know that has changed since this was asked; None: forgotten.

        By symbol and order id. The orders go on changing: whoever keeps them writes them down now.
        """
        changed, self._changed = self._changed, set()
        return {key: self._orders.get(key) for key in changed}

    def touch(self) -> None:
        """All of them are to be kept again."""
        self._changed.update(self._orders)

    @property
    def open(self) -> Sequence[Order]:
        """Those whose end was not said."""
        return [order for order in self._orders.values() if not order.is_over]

    def symbols(self, since_ms: int = 0) -> Sequence[str]:
        """Of all orders that something was told of since then, the one of the latest first."""
        known = (order for order in self._orders.values() if order.last_ms >= since_ms)
        latest = sorted(known, key=_WHEN, reverse=True)
        return list(dict.fromkeys(order.about.symbol for order in latest))

    def knows(self, fill: FillTold) -> bool:
        """Whether a trade was said."""
        order = self._orders.get(key_of(fill))
        return order is not None and fill.trade_id in order.trades

    def position_side(self, fill: FillTold) -> PositionSide:
        """Which side of a position it is a trade of: as it says, or its order; else there is one side."""
        order = self._orders.get(key_of(fill))
        for told in (fill, None if order is None else order.about):
            if told is not None and told.position_side is not UNSET:
                return told.position_side
        return "BOTH"

    @property
    def owed(self) -> Sequence[Order]:
        """Those of which fills are missing: they have to be fetched."""
        return [order for order in self._orders.values() if order.owed_ms]

    def take(self, told: Sequence[OrderTold | FillTold]) -> list[ExecutionReport | Fill]:
        """What was told together (a frame, or an answer): what goes out, in order."""
        touched: dict[OrderKey, Order] = {}
        for one in told:
            key = key_of(one)
            order = self._orders.get(key)
            if order is None:
                order = self._orders[key] = begun(one)
            touched[key] = order
            self._changed.add(key)
            order.note(one)
        out: list[ExecutionReport | Fill] = []
        for order in sorted(touched.values(), key=_WHEN):
            if order.inferred:
                self.late += len(order.waiting)
                order.trades.update(order.waiting)
            out += self._reports.say(order)
        self._forget()
        return out

    def found(self, order: Order) -> None:
        """It is where it should be."""
        if order.missed_ms:
            order.missed_ms = 0
            self._changed.add(order.key)

    def missed(self, order: Order, at_ms: int) -> bool:
        """It is not found; whether it was not before either, so long ago that it has ended."""
        if not order.missed_ms:
            order.missed_ms = at_ms
            self._changed.add(order.key)
        return at_ms - order.missed_ms >= APART_MS

    def conclude(self, order: Order, at_ms: int) -> list[ExecutionReport | Fill]:
        """Fills that are missing cannot be had: what is known goes out, and says that it is inferred.

        An order that is not open any more and that the exchange has forgotten, or knows by a status that
        nobody documents, ended somehow: it is told as canceled.
        """
        self._changed.add(order.key)
        order.target, order.inferred = order.reached, True
        if order.end is None:
            about = order.about
            raw = about.raw_status if about.status == "UNKNOWN" else ""
            order.end = msgspec.structs.replace(
                about, status="CANCELED", raw_status=raw, time_ms=at_ms
            )
        return self._reports.say(order, inferred=True)

    def forget(self, before_ms: int) -> None:
        """Orders that ended before then are not told of any more, by the exchange's time."""
        self._drop(order for order in self._ended() if order.last_ms < before_ms)

    def _forget(self) -> None:
        if len(self._orders) <= self._most:
            return
        ended = sorted(self._ended(), key=_WHEN)
        told = sum(order.last_ms < self.again_ms for order in ended)
        drops = max(min(len(ended) - MOST_ENDED, told), len(ended) - MOST_KEPT, 0)
        self._drop(ended[:drops])
        self._most = max(MOST_ENDED, len(self._orders)) + LOOK_EVERY

    def _ended(self) -> list[Order]:
        return [order for order in self._orders.values() if order.is_over]

    def _drop(self, orders: Iterable[Order]) -> None:
        for order in orders:
            del self._orders[order.key]
            self.past.add(order.about.symbol, order.last_ms)
            self._changed.add(order.key)
