"""KuCoin's order events of classic accounts, in our words. Pure.

Spot sizes are in the base asset, all sizes of futures are contracts. Orders say what happened to them
(``type``), with the trade in the same frame; fees are in REST only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from common.exchanges.kucoin.units import Nanoseconds
from common.exchanges.kucoin.words import (
    SIDES,
    RawSide,
    done_of,
    given,
    is_liquidation,
    is_ours,
    millis,
    size_of,
    status_of,
)
from common.exchanges.told import FillTold, OrderTold
from common.exchanges.wire import MaybeNumber
from common.model.account import PositionSide
from common.model.instruments import Catalog
from common.model.streams import Market

_ROLES: Mapping[str, bool] = {"makerFee": True, "takerFee": False, "maker": True, "taker": False}


class OrderPush(Struct, rename="camel"):
    """What happened to an order, of spot or futures."""

    symbol: str
    order_id: str
    type: str
    ts: Nanoseconds
    side: RawSide | UnsetType = UNSET
    order_type: str = ""
    order_time: int | str | None = None
    client_oid: str | None = None
    price: MaybeNumber = ""
    size: MaybeNumber = ""
    origin_size: MaybeNumber = ""
    filled_size: MaybeNumber = ""
    remain_size: MaybeNumber = ""
    match_price: MaybeNumber = ""
    match_size: MaybeNumber = ""
    trade_id: str | int = ""
    fee_type: str = ""
    liquidity: str = ""
    position_side: PositionSide | UnsetType = UNSET
    trade_type: str = ""


def order_told(market: Market, row: OrderPush, catalog: Catalog) -> Sequence[OrderTold | FillTold]:
    """The fill, where there is one, and the state that it led to; nothing of the other market.

    Raises:
        ArithmeticError: a number that no exchange writes.
        msgspec.ValidationError: a trade that lacks what makes it one.
    """
    if not is_ours(market, row.symbol, catalog):
        return ()
    if row.type != "match" or not given(row.match_size):
        return (_state(market, row, catalog),)
    fill = _fill(market, row, catalog)
    # The end has a frame of its own, which comes next.
    if row.remain_size and not given(row.remain_size):
        return (fill,)
    return fill, _state(market, row, catalog)


def _state(market: Market, row: OrderPush, catalog: Catalog) -> OrderTold:
    # ``size`` follows the order when it is made smaller; before the book there is only the original.
    asked = size_of(market, row.symbol, row.size or row.origin_size, row.price, catalog)
    # What it was filled at is not told: only what follows without a price.
    done = done_of(market, row.symbol, row.filled_size, "", catalog)
    return OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=status_of(row.type, row.filled_size),
        raw_status=row.type,
        time_ms=row.ts // 1_000_000,
        seq=row.ts % 1_000_000,
        side=UNSET if row.side is UNSET else SIDES[row.side],
        order_type=row.order_type.upper() or UNSET,
        client_order_id=row.client_oid or UNSET,
        price=given(row.price),
        # A market order by its worth has none.
        quantity=UNSET if asked.base is UNSET else given(asked.base),
        contracts=asked.contracts,
        filled=done.base,
        filled_contracts=done.contracts,
        filled_quote=done.quote,
        position_side=row.position_side,
        liquidation=is_liquidation(row.trade_type),
        created_ms=millis(row.order_time),
    )


def _fill(market: Market, row: OrderPush, catalog: Catalog) -> FillTold:
    if row.side is UNSET or not row.trade_id or not given(row.match_price):
        raise msgspec.ValidationError("a match without its trade")
    size = size_of(market, row.symbol, row.match_size, row.match_price, catalog)
    # Who trades with a hidden order is called a taker whatever it pays: the fee tells.
    maker = _ROLES.get(row.fee_type, _ROLES.get(row.liquidity))
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=str(row.trade_id),
        side=SIDES[row.side],
        price=row.match_price,
        quantity=size.base,
        contracts=size.contracts,
        quote_quantity=size.quote,
        time_ms=row.ts // 1_000_000,
        seq=row.ts % 1_000_000,
        client_order_id=row.client_oid or UNSET,
        maker=UNSET if maker is None else maker,
        position_side=row.position_side,
        liquidation=is_liquidation(row.trade_type),
    )
