"""Fills of orders whose fills are never told: what the totals have grown by, as one trade each. Pure.

Several trades between two words on an order are one fill here. Its id is the order's and the total that it
reached, so that the same word makes the same fill, whoever hears it.
"""

from __future__ import annotations

from decimal import Context, InvalidOperation, Overflow

from msgspec import UNSET

from common.exchanges.sizes import Size, of_base
from common.exchanges.told import FillTold, OrderTold, Totals
from common.model.decimals import EXACT, negated, plain, total

NOTHING = Totals(size="0", worth="0")
# Digits of a price that comes of two sums: who sums in binary numbers has rounded the rest.
_PRICE = Context(prec=12, Emax=60, Emin=-60, traps=[InvalidOperation, Overflow])


def fill_between(before: Totals, told: OrderTold) -> FillTold | None:
    """What has been filled since the totals were ``before``; None if nothing was.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    now, side = told.totals, told.side
    if now is UNSET or side is UNSET:
        return None
    size = total((now.size, negated(before.size)))
    if EXACT.create_decimal(size) <= 0:
        return None
    price = _price(size, total((now.worth, negated(before.worth))), told)
    amounts = _amounts(size, price, now)
    fee = total((now.fee, negated(before.fee)))
    paid = now.fee_asset is not UNSET and bool(fee.strip("-0."))
    return FillTold(
        symbol=told.symbol,
        order_id=told.order_id,
        trade_id=f"{told.order_id}-{now.size}",
        side=side,
        price=price,
        time_ms=told.time_ms,
        seq=told.seq,
        quantity=amounts.base,
        contracts=amounts.contracts,
        quote_quantity=amounts.quote,
        client_order_id=told.client_order_id,
        fee=fee if paid else UNSET,
        fee_asset=now.fee_asset if paid else UNSET,
        position_side=told.position_side,
    )


def _price(size: str, worth: str, told: OrderTold) -> str:
    """What was paid; where it is not told what that was worth, on average or at the limit."""
    create = EXACT.create_decimal
    price = _PRICE.divide(create(worth), create(size))
    if price > 0:
        text = plain(price)
        return text.rstrip("0").rstrip(".") if "." in text else text
    known = (one for one in (told.average_price, told.price) if one is not UNSET)
    return next(known, "0")


def _amounts(size: str, price: str, now: Totals) -> Size:
    if not now.by_contracts:
        return of_base(size, price)
    return Size(contracts=size) if now.contract is None else now.contract.of(size, price)
