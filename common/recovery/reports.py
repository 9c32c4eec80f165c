"""What goes out of an order when something was told of it: its reports and fills, in order. Pure."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType

from common.exchanges.told import FillTold, OrderTold
from common.model.account import ExecutionReport, Fill, OrderStatus
from common.model.decimals import number, quotient, same, shortest
from common.model.streams import Market
from common.recovery.order import DESCRIBES, Order

# What a fill says of its order.
OF_ITS_ORDER = ("client_order_id", "position_side", "liquidation")


class Account(Struct, frozen=True):
    """Whose orders they are.

    ``fills_apart``: what is filled in all is told on another channel than the fills are
    (``PrivateRules``).
    """

    exchange: str
    market: Market
    account_id: str
    fills_apart: bool = False


class Reports:
    """The events of one account's orders.

    Args:
        account: whose.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def say(self, order: Order, *, inferred: bool = False) -> list[ExecutionReport | Fill]:
        """What can be said of an order now that was not said yet; it is said with that.

        ``inferred``: fills that are missing cannot be had, and what is known has to do.
        """
        if order.is_over:
            order.waiting.clear()
            order.owed_ms = 0
            return []
        fills = sorted(order.waiting.values(), key=lambda one: (one.time_ms, one.seq, one.trade_id))
        if not (order.described or inferred):
            order.owed_ms = order.owed_ms or order.last_ms
            return []
        if number(order.reached) < number(order.target) or self._is_ahead(order):
            order.owed_ms = order.owed_ms or order.last_ms
            # Of an order that has ended, what its fills are asked for with tells of it better.
            return [] if order.end is not None else self._say_new(order)
        order.owed_ms = 0
        out = self._say_new(order)
        for fill in fills:
            out += self._say_fill(order, fill)
        return out + self._say_state(order, inferred=inferred)

    def _is_ahead(self, order: Order) -> bool:
        """Whether fills have come before the state that they led to: it says whether they are all.

        Else one that was not heard would be told behind a later one, with a total that never was.
        """
        about = order.about
        if not (self._account.fills_apart and order.waiting and order.end is None):
            return False
        tells = about.filled is not UNSET or about.filled_contracts is not UNSET
        # Of an order by its worth not every state can say it.
        by_size = about.quantity is not UNSET or about.contracts is not UNSET
        return tells and by_size and number(order.reached) > number(order.target)

    def _say_new(self, order: Order) -> list[ExecutionReport | Fill]:
        """The first word on every order, but for one that never was."""
        end = order.end
        if order.said is not None or (end is not None and end.status == "REJECTED"):
            return []
        created = order.about.created_ms
        first_ms = order.first_ms if created is UNSET else created
        return [self._report(order, "NEW", first_ms)]

    def _say_fill(self, order: Order, fill: FillTold) -> list[ExecutionReport | Fill]:
        order.count(fill)
        out: list[ExecutionReport | Fill] = [self._fill(fill, order.about)]
        if not order.is_over:
            status: OrderStatus = "FILLED" if order.is_whole else "PARTIALLY_FILLED"
            out.append(self._report(order, status, fill.time_ms))
        return out

    def _say_state(self, order: Order, *, inferred: bool) -> list[ExecutionReport | Fill]:
        if order.is_over:
            return []
        end = order.end
        if end is not None:
            status = "FILLED" if order.is_whole else end.status
            return [self._report(order, status, end.time_ms, inferred=inferred)]
        about = order.about
        changed = about.status != order.said and about.status in ("PENDING_CANCEL", "UNKNOWN")
        if changed:
            return [self._report(order, about.status, about.time_ms)]
        if order.said is not None and order.is_amended:
            return [self._report(order, order.said, about.time_ms, amended=True)]
        if order.said is not None:
            price, asked = order.terms
            order.said_terms = order.said_terms[0] or price, order.said_terms[1] or asked
        return []

    def _report(
        self,
        order: Order,
        status: OrderStatus,
        at_ms: int,
        *,
        inferred: bool = False,
        amended: bool = False,
    ) -> ExecutionReport:
        about, first = order.about, order.said is None
        order.said, order.said_terms = status, order.terms
        told = order.end or about
        # Who tells of it later tells of another state: what is its alone is not said of this one. What a
        # new order is called differs between those who tell of it.
        stands = _stands(told, status, order)
        raw = told.raw_status if stands and not (first and status == "NEW") else ""
        return ExecutionReport(
            exchange=self._account.exchange,
            market=self._account.market,
            account_id=self._account.account_id,
            event_ms=at_ms,
            symbol=about.symbol,
            order_id=about.order_id,
            status=status,
            raw_status=raw or UNSET,
            cumulative_quantity=_known(order.base),
            cumulative_contracts=order.filled if _is_counted(order) else UNSET,
            cumulative_quote=_known(order.quote),
            average_price=self._average(order),
            reason=told.reason if stands else UNSET,
            order_ms=told.time_ms if stands else UNSET,
            inferred=inferred,
            message_id=self._order_id(order, status, amended=amended),
            **{name: getattr(about, name) for name in DESCRIBES},
        )

    def _average(self, order: Order) -> str | UnsetType:
        """What was paid so far: as the exchange says it, where it speaks of as much as is said here.

        Else as the fills say it, if they do: an average of less would be none.
        """
        if not number(order.filled):
            return UNSET
        about = order.about
        told = about.filled_contracts if about.filled_contracts is not UNSET else about.filled
        if about.average_price is not UNSET and told is not UNSET and same(told, order.filled):
            return about.average_price
        inverse, counted = self._account.market == "inverse", _is_counted(order)
        if inverse and counted:
            # What the base asset is was rounded.
            return _quotient(order.filled, order.coins)
        if order.quote is None or order.base is None:
            return UNSET
        # Of trades that count contracts, whatever their order says, coins are another thing.
        by_price = inverse and same(order.base, order.filled)
        return _quotient(order.quote, order.coins if by_price else order.base)

    def _fill(self, fill: FillTold, about: OrderTold) -> Fill:
        """What a trade leaves out of its order is taken over from that."""
        account = self._account
        names = (name for name in FillTold.__struct_fields__ if name not in ("time_ms", "seq"))
        known = {name: getattr(about, name) for name in OF_ITS_ORDER}
        fill = msgspec.structs.replace(
            fill, **{name: known[name] for name in known if getattr(fill, name) is UNSET}
        )
        return Fill(
            exchange=account.exchange,
            market=account.market,
            account_id=account.account_id,
            event_ms=fill.time_ms,
            message_id=f"fill:{self._prefix}:{fill.symbol}:{fill.order_id}:{fill.trade_id}",
            **{name: getattr(fill, name) for name in names},
        )

    def _order_id(self, order: Order, status: OrderStatus, *, amended: bool) -> str:
        """Of what it says: how far the order has come, and where only its terms are new, these.

        Not of price and size otherwise: one who tells of the order may know less of it than another.
        """
        about = order.about
        name = f"order:{self._prefix}:{about.symbol}:{about.order_id}"
        terms = f":{'@'.join(order.terms)}" if amended else ""
        return f"{name}:{status}:{shortest(order.filled)}{terms}"

    @property
    def _prefix(self) -> str:
        account = self._account
        return f"{account.exchange}:{account.market}:{account.account_id}"


def _stands(told: OrderTold, status: OrderStatus, order: Order) -> bool:
    """Whether this is told of the order where a report says it stands: with this status and total."""
    if told.status != status:
        return False
    filled = told.filled if told.filled_contracts is UNSET else told.filled_contracts
    if filled is UNSET:
        # There is one new state and one end, but any number of those between.
        return status != "PARTIALLY_FILLED" and (status != "NEW" or not number(order.filled))
    return same(filled, order.filled) or status not in ("NEW", "PARTIALLY_FILLED")


def _is_counted(order: Order) -> bool:
    about = order.about
    return about.contracts is not UNSET or about.filled_contracts is not UNSET


def _quotient(amount: str, divisor: str | None) -> str | UnsetType:
    if divisor is None or not number(divisor):
        return UNSET
    return shortest(quotient(amount, divisor, 12))


def _known(amount: str | None) -> str | UnsetType:
    return UNSET if amount is None else amount
