"""Rows of KuCoin's signed REST on spot: an order, a fill, a balance in an answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET, Struct, UnsetType

from common.exchanges.kucoin.words import SIDES, RawSide, given, maker_of, standing_of
from common.exchanges.sizes import of_base
from common.exchanges.told import BalancesTold, FillTold, OrderTold
from common.exchanges.wire import MaybeNumber, Millis, Number, Signed
from common.model.account import Balance

# Other kinds are margin's, which is an account of its own.
_SPOT_TRADE = "TRADE"


class SpotOrder(Struct, rename="camel"):
    """An order of spot. ``funds``, where there is no size, is what it may cost."""

    id: str
    symbol: str
    type: str
    side: RawSide
    deal_size: Number
    cancel_exist: bool
    created_at: Millis
    active: bool
    trade_type: str = _SPOT_TRADE
    price: MaybeNumber | None = None
    size: MaybeNumber | None = None
    deal_funds: Number | UnsetType = UNSET
    client_oid: str | None = None
    time_in_force: str | None = None
    stop_price: MaybeNumber | None = None
    last_updated_at: Millis | UnsetType = UNSET


def spot_order(row: SpotOrder) -> OrderTold:
    """In our words."""
    status, word = standing_of(row.active, row.cancel_exist, row.size or "", row.deal_size)
    return OrderTold(
        symbol=row.symbol,
        order_id=row.id,
        status=status,
        raw_status=word,
        time_ms=row.created_at if row.last_updated_at is UNSET else row.last_updated_at,
        side=SIDES[row.side],
        order_type=row.type.upper(),
        time_in_force=row.time_in_force or UNSET,
        client_order_id=row.client_oid or UNSET,
        price=given(row.price),
        stop_price=given(row.stop_price),
        quantity=given(row.size),
        filled=row.deal_size,
        filled_quote=row.deal_funds,
        created_ms=row.created_at,
    )


class SpotFill(Struct, rename="camel"):
    """A fill of spot; its id is a number here and a text on the socket."""

    symbol: str
    trade_id: int | str
    order_id: str
    side: RawSide
    price: Number
    size: Number
    created_at: Millis
    trade_type: str = _SPOT_TRADE
    fee: Signed | UnsetType = UNSET
    fee_currency: str | None = None
    liquidity: str = ""


def spot_fill(row: SpotFill) -> FillTold:
    """In our words. What it was worth the socket does not tell: it follows from its price on both."""
    size = of_base(row.size, row.price)
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=str(row.trade_id),
        side=SIDES[row.side],
        price=row.price,
        time_ms=row.created_at,
        quantity=size.base,
        quote_quantity=size.quote,
        fee=row.fee,
        fee_asset=row.fee_currency or UNSET,
        maker=maker_of(row.liquidity),
    )


def is_spot(row: SpotOrder | SpotFill) -> bool:
    """Whether a row is of spot, not of margin."""
    return row.trade_type == _SPOT_TRADE


class SpotBalance(Struct):
    """One currency of one of the accounts; ``trade`` is the one that spot trades from."""

    currency: str
    type: str
    balance: Signed
    available: Signed
    holds: Signed


def spot_balances(rows: Iterable[SpotBalance]) -> BalancesTold:
    """All of what can be traded."""
    balances = tuple(
        Balance(row.currency, row.available, row.holds, row.balance)
        for row in rows
        if row.type == "trade"
    )
    return BalancesTold(balances=balances, time_ms=0, whole=True)
