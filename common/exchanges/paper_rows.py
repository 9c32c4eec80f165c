"""What the paper service says of orders and balances, in our words. Pure.

Orders come with their totals, fills do not come at all: they are made of what the totals have grown by
(``OrderTold.totals``). Numbers with decimals are texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from common.exchanges.sizes import contract_of
from common.exchanges.told import BalancesTold, OrderTold, Totals
from common.model.account import Balance, OrderStatus, PositionSide, Side
from common.model.decimals import EXACT, plain, product
from common.model.instruments import Catalog, Instrument
from common.model.streams import Market

STATUSES: Mapping[str, OrderStatus] = {
    "NEW": "NEW",
    "PARTIALLY_FILLED": "PARTIALLY_FILLED",
    "FILLED": "FILLED",
    "CANCELED": "CANCELED",
    "EXPIRED": "EXPIRED",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A number as it was written, or a whole one.
_Number = str | int
_Time = Annotated[datetime, Meta(tz=True)]


class Order(Struct, rename="camel"):
    """An order and what has been filled of it."""

    order_id: str = field(name="_id")
    symbol: str
    exchange: str
    status: str
    side: Side
    type: str
    amount: _Number
    filled_amount: _Number
    created_at: _Time
    updated_at: _Time
    external_id: str = ""
    price: _Number | None = None
    avg_filled_price: _Number | None = None
    filled_quote_amount: _Number | None = None
    fee: _Number | None = None
    fee_paid: _Number | None = None
    fee_side: Literal["base", "quote"] | None = None
    fee_asset: str | None = None
    reduce_only: bool | None = None
    position_side: PositionSide | None = None


class _Balance(Struct):
    asset: str
    free: _Number
    locked: _Number


class Balances(Struct):
    """What an account has of the assets that have changed."""

    balance: list[_Balance]


# --- orders -------------------------------------------------------------------------------------


def order_told(row: Order, market: Market, symbol: str, catalog: Catalog) -> OrderTold:
    """How an order stands.

    Raises:
        ArithmeticError: a number that is none.
    """
    filled, asked = _plain(row.filled_amount), _plain(row.amount)
    average = _plain(row.avg_filled_price)
    by_contracts = market == "inverse"
    return OrderTold(
        symbol=symbol,
        order_id=row.order_id,
        status=STATUSES.get(row.status, "UNKNOWN"),
        raw_status=row.status,
        time_ms=_ms(row.updated_at),
        side=row.side,
        order_type=row.type,
        client_order_id=row.external_id or UNSET,
        # A market order's is what it was filled at.
        price=UNSET if row.type == "MARKET" or row.price is None else _plain(row.price),
        quantity=UNSET if by_contracts else asked,
        contracts=asked if by_contracts else UNSET,
        filled=UNSET if by_contracts else filled,
        filled_contracts=filled if by_contracts else UNSET,
        average_price=average if _is_given(average) else UNSET,
        reduce_only=UNSET if row.reduce_only is None else row.reduce_only,
        position_side=UNSET if row.position_side is None else row.position_side,
        created_ms=_ms(row.created_at),
        totals=_totals(row, market, catalog.get(symbol), filled, average),
    )


def _totals(
    row: Order, market: Market, instrument: Instrument | None, filled: str, average: str
) -> Totals:
    """What all fills come to. On inverse sizes are contracts, and their worth is no amount of an asset."""
    worth = _plain(row.filled_quote_amount)
    if not _is_given(worth):
        worth = product(filled, average if _is_given(average) else _plain(row.price))
    by_contracts = market == "inverse"
    return Totals(
        size=filled,
        worth=worth,
        fee=_plain(row.fee if row.fee_paid is None else row.fee_paid),
        fee_asset=_fee_asset(row, market, instrument),
        by_contracts=by_contracts,
        contract=contract_of(instrument) if by_contracts and instrument else None,
    )


def _fee_asset(row: Order, market: Market, instrument: Instrument | None) -> str | UnsetType:
    """What is not told is the service's rule: contracts pay in what they settle in, spot in what is got."""
    if row.fee_asset:
        return row.fee_asset
    if instrument is None:
        return UNSET
    got = "base" if row.side == "BUY" else "quote"
    rule = {"spot": got, "linear": "quote", "inverse": "base"}[market]
    return instrument.base if (row.fee_side or rule) == "base" else instrument.quote


def balances_told(told: Balances, now_ms: int) -> BalancesTold:
    """Those that have changed. They have no time of their own."""
    rows = (Balance(row.asset, _plain(row.free), _plain(row.locked)) for row in told.balance)
    return BalancesTold(balances=tuple(rows), time_ms=now_ms)


def _plain(number: _Number | None) -> str:
    """As digits, without an exponent; none is 0."""
    return plain(EXACT.create_decimal(number or 0))


def _is_given(number: str) -> bool:
    return bool(number.strip("-0."))


def _ms(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)
