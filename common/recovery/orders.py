"""The orders of one account, folded: what frames and rows tell becomes one true path of each. Pure.

Whatever the order in which it is told, and however often: NEW, then a report for every fill with what is
filled in all, then exactly one end. What an order's state says is filled, its fills have to add up to;
until they do nothing of it goes out, and whoever owns this fetches them (``owed``). So a fill is never
lost between two channels, a total never falls, and nothing follows an end.

An order is kept as long as something may still be told of it, so that a late or repeated frame, or a
new owner's look back, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from common.exchanges.private import FillTold, OrderTold, Totals
from common.model.account import TERMINAL, ExecutionReport, Fill, OrderStatus
from common.model.decimals import EXACT, plain, quotient, same
from common.model.streams import Market
from common.recovery.totals import NOTHING, fill_between

# Orders that have ended are forgotten the oldest first beyond so many.
MOST_ENDED = 1_000

# What describes an order, and is taken over from whoever tells it.
_DESCRIBES = (
    "side",
    "order_type",
    "time_in_force",
    "client_order_id",
    "original_client_order_id",
    "price",
    "stop_price",
    "quantity",
    "contracts",
    "reduce_only",
    "position_side",
    "created_ms",
)


class Account(Struct, frozen=True):
    """Whose orders they are."""

    exchange: str
    market: Market
    account_id: str


class Order(Struct):
    """What is known of one order, and how much of that was said.

    Attributes:
        about: the newest description; its status and totals are not looked at.
        described: whether it is one: of an order that only fills have told of, price and size are not
            known, and nothing goes out until they are.
        said: the status that was said last; None before the first.
        said_terms: price and quantity that were said last.
        filled: of the fills that were said: in contracts where it is counted so, else in the base asset.
        base, quote: the same in the base and the quote asset, as far as all fills tell it.
        trades: the ids of the fills that were said.
        waiting: fills that were told and not said.
        target: the most that a state has said is filled.
        totals: those that fills were made of, where none are told.
        end: the end that was told and not said.
        owed_ms: since when fills are missing, by the exchange's time; 0 while none are.
    """

    about: OrderTold
    described: bool = False
    said: OrderStatus | None = None
    said_terms: tuple[str, str] = ("", "")
    filled: str = "0"
    base: str | None = "0"
    quote: str | None = "0"
    trades: set[str] = set()
    waiting: dict[str, FillTold] = {}
    target: str = "0"
    totals: Totals = NOTHING
    end: OrderTold | None = None
    owed_ms: int = 0
    last_ms: int = 0

    @property
    def is_over(self) -> bool:
        """Whether its end was said."""
        return self.said in TERMINAL


class Orders:
    """All orders of an account that something may still be told of.

    Args:
        account: whose.
        orders: what an owner before has left.
    """

    def __init__(self, account: Account, orders: Iterable[Order] = ()) -> None:
        self._account = account
        self._orders = {_key(order.about): order for order in orders}
        self._changed: set[tuple[str, str]] = set()

    def changes(self) -> dict[tuple[str, str], Order | None]:
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
        latest = sorted(known, key=_when, reverse=True)
        return list(dict.fromkeys(order.about.symbol for order in latest))

    @property
    def owed(self) -> Sequence[Order]:
        """Those of which fills are missing: they have to be fetched."""
        return [order for order in self._orders.values() if order.owed_ms]

    def take(self, told: Sequence[OrderTold | FillTold]) -> list[ExecutionReport | Fill]:
        """What was told together (a frame, or an answer): what goes out, in order."""
        touched: dict[tuple[str, str], Order] = {}
        for one in told:
            order = self._orders.get(_key(one))
            if order is None:
                order = Order(_about(one), trades=set(), waiting={})
                self._orders[_key(one)] = order
            touched[_key(one)] = order
            self._changed.add(_key(one))
            if isinstance(one, OrderTold):
                _note_state(order, one)
            else:
                _note_fill(order, one)
        out: list[ExecutionReport | Fill] = []
        for order in sorted(touched.values(), key=_when):
            out += self._say(order)
        self._forget()
        return out

    def conclude(self, order: Order, at_ms: int) -> list[ExecutionReport | Fill]:
        """Fills that are missing cannot be had: what is known goes out, and says that it is inferred.

        An order that is not open any more and that the exchange has forgotten ended somehow: it is
        told as canceled.
        """
        self._changed.add(_key(order.about))
        order.target = order.filled
        for fill in order.waiting.values():
            order.target = _plus(order.target, _measure(fill))
        if order.end is None:
            order.end = msgspec.structs.replace(
                order.about, status="CANCELED", raw_status="", time_ms=at_ms
            )
        return self._say(order, inferred=True)

    # --- saying -------------------------------------------------------------------------------

    def _say(self, order: Order, *, inferred: bool = False) -> list[ExecutionReport | Fill]:
        if order.is_over:
            order.waiting.clear()
            order.owed_ms = 0
            return []
        fills = sorted(order.waiting.values(), key=lambda one: (one.time_ms, one.seq, one.trade_id))
        reached = order.filled
        for fill in fills:
            reached = _plus(reached, _measure(fill))
        if not (order.described or inferred):
            order.owed_ms = order.owed_ms or order.last_ms
            return []
        if _number(reached) < _number(order.target):
            order.owed_ms = order.owed_ms or order.last_ms
            return self._say_new(order)
        order.owed_ms = 0
        out = self._say_new(order)
        for fill in fills:
            out += self._say_fill(order, fill)
        return out + self._say_state(order, inferred=inferred)

    def _say_new(self, order: Order) -> list[ExecutionReport | Fill]:
        """The first word on every order, but for one that never was."""
        end = order.end
        if order.said is not None or (end is not None and end.status == "REJECTED"):
            return []
        created = order.about.created_ms
        first_ms = order.last_ms if created is UNSET else created
        return [self._report(order, "NEW", first_ms)]

    def _say_fill(self, order: Order, fill: FillTold) -> list[ExecutionReport | Fill]:
        del order.waiting[fill.trade_id]
        order.trades.add(fill.trade_id)
        order.filled = _plus(order.filled, _measure(fill))
        order.base = _sum(order.base, fill.quantity)
        order.quote = _sum(order.quote, fill.quote_quantity)
        out: list[ExecutionReport | Fill] = [self._fill(fill)]
        if not order.is_over:
            status: OrderStatus = "FILLED" if _is_whole(order) else "PARTIALLY_FILLED"
            out.append(self._report(order, status, fill.time_ms))
        return out

    def _say_state(self, order: Order, *, inferred: bool) -> list[ExecutionReport | Fill]:
        if order.is_over:
            return []
        end = order.end
        if end is not None:
            status = "FILLED" if _is_whole(order) else end.status
            return [self._report(order, status, end.time_ms, inferred=inferred)]
        about = order.about
        changed = about.status != order.said and about.status in ("PENDING_CANCEL", "UNKNOWN")
        if changed:
            return [self._report(order, about.status, about.time_ms)]
        if order.said is not None and _is_amended(order.said_terms, _terms(order)):
            return [self._report(order, order.said, about.time_ms, amended=True)]
        if order.said is not None:
            price, asked = _terms(order)
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
        order.said, order.said_terms = status, _terms(order)
        counted = about.contracts is not UNSET or about.filled_contracts is not UNSET
        told = order.end or about
        return ExecutionReport(
            exchange=self._account.exchange,
            market=self._account.market,
            account_id=self._account.account_id,
            event_ms=at_ms,
            symbol=about.symbol,
            order_id=about.order_id,
            status=status,
            raw_status="" if first and status == "NEW" else told.raw_status,
            cumulative_quantity=_known(order.base),
            cumulative_contracts=order.filled if counted else UNSET,
            cumulative_quote=_known(order.quote),
            average_price=self._average(order),
            liquidation=about.liquidation,
            reason=told.reason,
            order_ms=about.time_ms,
            inferred=inferred,
            message_id=self._order_id(order, status, amended=amended),
            **{name: getattr(about, name) for name in _DESCRIBES},
        )

    def _average(self, order: Order) -> str | UnsetType:
        """What was paid so far: as the exchange says it, where it speaks of as much as is said here."""
        if not _number(order.filled):
            return UNSET
        about = order.about
        told = about.filled_contracts if about.filled_contracts is not UNSET else about.filled
        if about.average_price is not UNSET and told is not UNSET and same(told, order.filled):
            return about.average_price
        # On inverse markets the base is rounded itself.
        rounded = self._account.market == "inverse"
        if rounded or order.quote is None or order.base is None or not _number(order.base):
            return about.average_price
        return _plain(quotient(order.quote, order.base, 12))

    def _fill(self, fill: FillTold) -> Fill:
        account = self._account
        names = (name for name in FillTold.__struct_fields__ if name not in ("time_ms", "seq"))
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
        terms = f":{'@'.join(_terms(order))}" if amended else ""
        return f"{name}:{status}:{_plain(order.filled)}{terms}"

    @property
    def _prefix(self) -> str:
        account = self._account
        return f"{account.exchange}:{account.market}:{account.account_id}"

    def forget(self, before_ms: int) -> None:
        """Orders that ended before then are not told of any more, by the exchange's time."""
        self._drop(key for key, one in self._ended() if one.last_ms < before_ms)

    def _forget(self) -> None:
        if len(self._orders) > MOST_ENDED:
            ended = [key for key, _ in self._ended()]
            self._drop(ended[: max(0, len(ended) - MOST_ENDED)])

    def _ended(self) -> list[tuple[tuple[str, str], Order]]:
        return [(key, order) for key, order in self._orders.items() if order.is_over]

    def _drop(self, keys: Iterable[tuple[str, str]]) -> None:
        for key in keys:
            del self._orders[key]
            self._changed.add(key)


# --- noting -------------------------------------------------------------------------------------


def _key(told: OrderTold | FillTold) -> tuple[str, str]:
    return told.symbol, told.order_id


def _when(order: Order) -> tuple[int, str]:
    return order.last_ms, order.about.order_id


def _about(told: OrderTold | FillTold) -> OrderTold:
    if isinstance(told, OrderTold):
        return told
    return OrderTold(
        symbol=told.symbol,
        order_id=told.order_id,
        status="NEW",
        raw_status="",
        time_ms=told.time_ms,
        side=told.side,
        client_order_id=told.client_order_id,
        position_side=told.position_side,
        liquidation=told.liquidation,
    )


def _note_state(order: Order, told: OrderTold) -> None:
    order.described = True
    order.last_ms = max(order.last_ms, told.time_ms)
    filled = told.filled_contracts if told.filled_contracts is not UNSET else told.filled
    if filled is not UNSET and _number(filled) > _number(order.target):
        order.target = filled
    made = fill_between(order.totals, told)
    if made is not None and told.totals is not UNSET:
        order.totals = told.totals
        _note_fill(order, made)
    if told.status in TERMINAL and order.end is None and not order.is_over:
        order.end = told
    if (told.time_ms, told.seq) < (order.about.time_ms, order.about.seq):
        told, older = order.about, told
    else:
        older = order.about
    kept = {
        name: getattr(older, name)
        for name in (*_DESCRIBES, "average_price", "filled_contracts")
        if getattr(told, name) is UNSET
    }
    order.about = msgspec.structs.replace(told, **kept)


def _note_fill(order: Order, told: FillTold) -> None:
    order.last_ms = max(order.last_ms, told.time_ms)
    if told.trade_id not in order.trades:
        order.waiting.setdefault(told.trade_id, told)


def _measure(fill: FillTold) -> str:
    """What is added up: contracts where there are any, else the base asset."""
    for amount in (fill.contracts, fill.quantity):
        if amount is not UNSET:
            return amount
    return "0"


def _is_whole(order: Order) -> bool:
    """Whether nothing is left of it to be filled."""
    about, filled = order.about, _number(order.filled)
    asked = about.contracts if about.contracts is not UNSET else about.quantity
    if asked is not UNSET and filled and filled >= _number(asked):
        return True
    end = order.end
    return end is not None and end.status == "FILLED" and filled >= _number(order.target)


def _terms(order: Order) -> tuple[str, str]:
    about = order.about
    asked = about.contracts if about.contracts is not UNSET else about.quantity
    return _plain(about.price), _plain(asked)


def _is_amended(before: tuple[str, str], after: tuple[str, str]) -> bool:
    """Whether what was said is another now; what was only not known yet was not amended."""
    return any(one and other and one != other for one, other in zip(before, after, strict=True))


def _number(amount: str) -> Decimal:
    return EXACT.create_decimal(amount)


def _plain(amount: str | UnsetType) -> str:
    """The same number always written the same."""
    if amount is UNSET:
        return ""
    number = plain(_number(amount))
    return number.rstrip("0").rstrip(".") if "." in number else number


def _plus(one: str, other: str) -> str:
    return plain(EXACT.add(_number(one), _number(other)))


def _sum(known: str | None, amount: str | UnsetType) -> str | None:
    """None where a part is not known."""
    return None if known is None or amount is UNSET else _plus(known, amount)


def _known(amount: str | None) -> str | UnsetType:
    return UNSET if amount is None else amount
