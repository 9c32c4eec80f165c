"""Coinbase's rows, as REST has them, and what they share with the ``user`` channel's. Pure.

The same order has other names here than on the socket, and more of it is told: what was asked for, and
in which asset. Fills of an order that was placed by its worth are counted in the quote asset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field, structs

from common.exchanges.coinbase.parse import time_ms
from common.exchanges.sizes import Amount, Size, of_base
from common.exchanges.told import BalancesTold, FillTold, OrderTold
from common.exchanges.wire import MaybeNumber, MaybeSigned, Number, Signed
from common.model.account import TERMINAL, Balance, OrderStatus, Side
from common.model.decimals import EXACT, absolute, negated, quotient, total

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Every documented status; what is not here is told as UNKNOWN.
STATUSES: Mapping[str, OrderStatus] = {
    "PENDING": "NEW",
    "QUEUED": "NEW",
    "OPEN": "NEW",
    # It is open under its old terms until the change is accepted.
    "EDIT_QUEUED": "NEW",
    "CANCEL_QUEUED": "PENDING_CANCEL",
    "FILLED": "FILLED",
    "CANCELLED": "CANCELED",
    "EXPIRED": "EXPIRED",
    "FAILED": "REJECTED",
    # The exchange's own word for not knowing.
    "UNKNOWN_ORDER_STATUS": "UNKNOWN",
}
_TIMES_IN_FORCE: Mapping[str, str] = {
    "GOOD_UNTIL_CANCELLED": "GTC",
    "GOOD_UNTIL_DATE_TIME": "GTD",
    "IMMEDIATE_OR_CANCEL": "IOC",
    "FILL_OR_KILL": "FOK",
    "UNKNOWN_TIME_IN_FORCE": "",
}
# A reason that says nothing.
_NO_REASONS = ("", "REJECT_REASON_UNSPECIFIED")
_MAKERS: Mapping[str, bool] = {"MAKER": True, "TAKER": False}
# Accounts (one for each asset) that orders do not trade with.
_OTHER_ACCOUNTS = frozenset({"VAULT", "PERP_FUTURES"})
# Entries that take a trade back or set it right; they are no trades.
_NO_TRADES = frozenset({"REVERSAL", "CORRECTION"})
# Decimals of a quantity that is known by its worth: more than the exchange itself writes.
_DECIMALS = 18
# One part in so many of an order's quantity may be lost by rounding.
_ROUNDED = 1_000_000


# --- what the socket and REST share -------------------------------------------------------------


def is_spot(symbol: str, product_type: str = "") -> bool:
    """Whether it is of this market; where that is not told, a symbol of spot has two parts."""
    return product_type == "SPOT" if product_type else symbol.count("-") == 1


def status_of(raw: str, filled: str) -> OrderStatus:
    """In our words: what is filled of an order is not part of the exchange's.

    An order that has traded was not rejected: what failed is the rest of it.
    """
    status = STATUSES.get(raw, "UNKNOWN")
    if not given(filled):
        return status
    return {"NEW": "PARTIALLY_FILLED", "REJECTED": "CANCELED"}.get(status, status)  # type: ignore[return-value]


def order_type_of(raw: str) -> str | UnsetType:
    """``Stop Limit`` on the socket, ``STOP_LIMIT`` in REST."""
    name = raw.upper().replace(" ", "_")
    return UNSET if name in ("", "UNKNOWN_ORDER_TYPE") else name


def time_in_force_of(raw: str) -> str | UnsetType:
    """In our words; one that is not documented as it is."""
    return _TIMES_IN_FORCE.get(raw, raw) or UNSET


def reason_of(status: OrderStatus, *words: str) -> str | UnsetType:
    """Why an order ended that was not filled: the first of the exchange's words that says anything."""
    if status == "FILLED":
        return UNSET
    return next((word for word in words if word not in _NO_REASONS), UNSET)


def given(number: Amount) -> Amount:
    """A number where zero or nothing means that there is none."""
    return number if number is not UNSET and number.strip("0.") else UNSET


def worth(filled: str, value: str, average_price: str) -> Amount:
    """What is filled in the quote asset."""
    if value:
        return value
    return of_base(filled, average_price).quote if given(filled) else "0"


def maybe_ms(text: str | None) -> int | UnsetType:
    """A time where the year 1 means that there is none.

    Raises:
        msgspec.ValidationError: it is no time.
    """
    return UNSET if not text or text.startswith("0001-") else time_ms(text)


def _readable(convert: Callable[_P, _T]) -> Callable[_P, _T]:
    """A number that no exchange writes makes a body that cannot be read."""

    @wraps(convert)
    def strict(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return convert(*args, **kwargs)
        except ArithmeticError as error:
            raise msgspec.ValidationError(f"a number: {type(error).__name__}") from error

    return strict


# --- orders -------------------------------------------------------------------------------------


class _Terms(Struct):
    base_size: MaybeNumber = ""
    limit_price: MaybeNumber = ""
    stop_price: MaybeNumber = ""
    stop_trigger_price: MaybeNumber = ""


class _Edit(Struct):
    accepted: str | None = field(name="replace_accept_timestamp", default=None)


class OrderRow(Struct):
    """An order as REST lists it."""

    symbol: str = field(name="product_id")
    order_id: str
    status: str
    side: Side
    order_type: str
    filled: Number = field(name="filled_size")
    average_price: MaybeNumber = field(name="average_filled_price")
    created: str = field(name="created_time")
    # By the kind of order, like ``limit_limit_gtc``.
    configuration: dict[str, _Terms | None] | None = field(name="order_configuration", default=None)
    client_id: str = field(name="client_order_id", default="")
    product_type: str = ""
    time_in_force: str = ""
    filled_value: MaybeNumber = ""
    last_fill: str | None = field(name="last_fill_time", default=None)
    edits: list[_Edit] | None = field(name="edit_history", default=None)
    reject_reason: str = ""
    reject_message: str = ""
    cancel_message: str = ""
    liquidation: bool | UnsetType = field(name="is_liquidation", default=UNSET)


@_readable
def order_told(row: OrderRow) -> OrderTold:
    """How an order stands."""
    status = status_of(row.status, row.filled)
    terms = next((each for each in (row.configuration or {}).values() if each), _Terms())
    return OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=status,
        raw_status=row.status,
        time_ms=_changed_ms(row),
        side=row.side,
        order_type=order_type_of(row.order_type),
        time_in_force=time_in_force_of(row.time_in_force),
        client_order_id=row.client_id or UNSET,
        price=given(terms.limit_price),
        stop_price=given(terms.stop_price or terms.stop_trigger_price),
        # An order by its worth has no quantity.
        quantity=given(terms.base_size),
        filled=row.filled,
        filled_quote=worth(row.filled, row.filled_value, row.average_price),
        average_price=given(row.average_price),
        liquidation=row.liquidation,
        reason=reason_of(status, row.reject_reason, row.reject_message, row.cancel_message),
        created_ms=maybe_ms(row.created),
    )


def _changed_ms(row: OrderRow) -> int:
    """When it was created, filled or edited last.

    When it was canceled or has expired is not told: this is as near as whoever asks later comes, too.
    """
    edits = (edit.accepted for edit in row.edits or ())
    times = [maybe_ms(text) for text in (row.created, row.last_fill, *edits)]
    return max((each for each in times if each is not UNSET), default=0)


# --- fills --------------------------------------------------------------------------------------


class FillRow(Struct):
    """A fill as REST lists it."""

    symbol: str = field(name="product_id")
    order_id: str
    trade_id: str
    side: Side
    price: Number
    size: Number
    time: str = field(name="trade_time")
    size_in_quote: bool
    fee: MaybeSigned = field(name="commission", default="")
    liquidity: str = field(name="liquidity_indicator", default="")
    trade_type: str = "FILL"

    @property
    def is_ours(self) -> bool:
        """Whether it is a trade of this market."""
        return is_spot(self.symbol) and self.trade_type not in _NO_TRADES


@_readable
def fill_told(row: FillRow) -> FillTold:
    """One trade; in the base asset only to ``_DECIMALS`` where it is counted in the quote asset."""
    size = of_base(row.size, row.price)
    if row.size_in_quote:
        size = Size(quotient(row.size, row.price, _DECIMALS), row.size)
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=row.trade_id,
        side=row.side,
        price=row.price,
        time_ms=time_ms(row.time),
        quantity=size.base,
        quote_quantity=size.quote,
        fee=row.fee or UNSET,
        # Fees are taken in the asset that prices are in.
        fee_asset=row.symbol.rpartition("-")[2] if row.fee else UNSET,
        maker=_MAKERS.get(row.liquidity, UNSET),
    )


@_readable
def fills_told(order: OrderTold, rows: Sequence[FillRow]) -> list[FillTold]:
    """All fills of an order, so that they add up to what it says is filled.

    What is counted in the quote asset was rounded by the exchange, and is again on its way back: the
    newest of these takes up what that makes together, once the order has ended. Before that a newer one
    may come, and one that was told cannot be told otherwise: these are left out then, and so they are
    while more is missing, for the list is not whole yet.
    """
    told = [fill_told(row) for row in rows]
    by_worth = [index for index, row in enumerate(rows) if row.size_in_quote]
    if not by_worth or order.filled is UNSET:
        return told
    counted = [fill.quantity for fill in told if fill.quantity is not UNSET]
    missing = total([order.filled, *map(negated, counted)])
    rounded = EXACT.create_decimal(absolute(missing)) * _ROUNDED
    is_early = bool(rounded) and order.status not in TERMINAL
    if is_early or rounded > EXACT.create_decimal(order.filled):
        return [fill for fill, row in zip(told, rows, strict=True) if not row.size_in_quote]
    newest = max(by_worth, key=lambda index: (told[index].time_ms, told[index].trade_id))
    told[newest] = structs.replace(told[newest], quantity=total([counted[newest], missing]))
    return told


# --- balances -----------------------------------------------------------------------------------


class _Money(Struct):
    value: Signed


class AccountRow(Struct):
    """What there is of one asset."""

    asset: str = field(name="currency")
    available: _Money = field(name="available_balance")
    hold: _Money
    type: str = ""
    updated: str | None = field(name="updated_at", default=None)


@_readable
def balances_told(rows: Sequence[AccountRow]) -> BalancesTold:
    """All of them. Assets of several accounts are added up."""
    ours = [row for row in rows if row.type.removeprefix("ACCOUNT_TYPE_") not in _OTHER_ACCOUNTS]
    by_asset: dict[str, list[AccountRow]] = {}
    for row in ours:
        by_asset.setdefault(row.asset, []).append(row)
    balances = tuple(
        Balance(
            asset,
            total(row.available.value for row in each),
            total(row.hold.value for row in each),
        )
        for asset, each in by_asset.items()
    )
    times = [maybe_ms(row.updated) for row in ours]
    newest_ms = max((each for each in times if each is not UNSET), default=0)
    return BalancesTold(balances=balances, time_ms=newest_ms, whole=True)
