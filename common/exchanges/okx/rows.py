"""OKX's rows of orders and their fills, alike on the socket and in REST: what they say in our words. Pure.

Every value is a text; what does not apply is empty. Spot counts the base asset, derivatives count
contracts. Fees below zero were paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.okx.describe import INSTRUMENT_TYPES
from common.exchanges.sizes import Amount, Size, of_base, of_contracts
from common.exchanges.told import FillTold, OrderTold
from common.exchanges.wire import (
    MaybeMillisText,
    MaybeNumber,
    MaybeSigned,
    MillisText,
    Number,
    integer,
)
from common.model.account import OrderStatus, PositionSide, Side
from common.model.decimals import negated
from common.model.instruments import Catalog
from common.model.streams import Market

# Every documented state of an order; what is not here is told as UNKNOWN.
STATUSES: Mapping[str, OrderStatus] = {
    "live": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "canceled": "CANCELED",
    "mmp_canceled": "CANCELED",  # by the protection of market makers
}
# An order's type says how long it is in force as well. Those of options are not here.
ORDER_TYPES: Mapping[str, tuple[str, str | UnsetType]] = {
    "market": ("MARKET", UNSET),
    "limit": ("LIMIT", "GTC"),
    "post_only": ("LIMIT", "POST_ONLY"),
    "fok": ("LIMIT", "FOK"),
    "ioc": ("LIMIT", "IOC"),
    "optimal_limit_ioc": ("MARKET", "IOC"),
    "rpi": ("LIMIT", "RPI"),
    "elp": ("LIMIT", "RPI"),  # what rpi was called up to 2026-10-31
}
# Orders that the exchange made itself to end a position.
_LIQUIDATIONS = frozenset({"adl", "full_liquidation", "partial_liquidation"})

SideWord = Literal["buy", "sell"]
PositionWord = Literal["", "net", "long", "short"]

SIDES: Mapping[SideWord, Side] = {"buy": "BUY", "sell": "SELL"}
POSITION_SIDES: Mapping[PositionWord, PositionSide] = {
    "net": "BOTH",
    "long": "LONG",
    "short": "SHORT",
}
_FLAGS: Mapping[str, bool] = {"true": True, "false": False}
_MAKERS: Mapping[str, bool] = {"M": True, "T": False}


def status_of(raw: str) -> OrderStatus:
    """In our words."""
    return STATUSES.get(raw, "UNKNOWN")


def is_ours(market: Market, kind: str, symbol: str, catalog: Catalog) -> bool:
    """Whether a row is this market's: both kinds of contracts come as the same types.

    The catalog knows; of what it does not (yet, or any more) the name tells: ``BTC-USD-SWAP`` is
    quoted in the dollar itself, and inverse, ``BTC-USDT-SWAP`` and ``BTC-USD_UM-SWAP`` are not.
    """
    if kind not in INSTRUMENT_TYPES[market]:
        return False
    if market == "spot" or symbol in catalog:
        return True
    return (market == "inverse") == ("-USD-" in symbol)


def size_of(market: Market, symbol: str, amount: str, price: str, catalog: Catalog) -> Size:
    """What OKX's quantities are: the base asset on spot, else contracts."""
    if market == "spot":
        return of_base(amount, price)
    return of_contracts(amount, price, symbol, catalog)


def position_side_of(market: Market, raw: PositionWord) -> PositionSide | UnsetType:
    """In our words; on spot there is none, whatever is told."""
    return UNSET if market == "spot" else POSITION_SIDES.get(raw, UNSET)


def maker_of(raw: str) -> bool | UnsetType:
    """Not told of the exchange's own orders."""
    return _MAKERS.get(raw, UNSET)


def seq_of(trade_id: str) -> int:
    """Trades of an instrument are numbered as they happen; those of liquidations below zero."""
    return abs(integer(trade_id) or 0)


def cost_of(fee: str) -> Amount:
    """A fee as a cost: OKX writes what was paid below zero."""
    return negated(fee) if fee else UNSET


def given(number: str) -> Amount:
    """A number where nothing and zero mean that there is none."""
    return number if number.strip("-0.") else UNSET


# --- orders -------------------------------------------------------------------------------------


class OrderRow(Struct):
    """An order. What it says of a fill is about this frame; in REST it is the last one again."""

    kind: str = field(name="instType")
    symbol: str = field(name="instId")
    order_id: str = field(name="ordId")
    side: SideWord
    order_type: str = field(name="ordType")
    state: str
    size: Number = field(name="sz")
    filled: Number = field(name="accFillSz")
    updated_ms: MillisText = field(name="uTime")
    created_ms: MaybeMillisText = field(name="cTime", default="")
    client_id: str = field(name="clOrdId", default="")
    price: MaybeNumber = field(name="px", default="")
    average_price: MaybeNumber = field(name="avgPx", default="")
    position_side: PositionWord = field(name="posSide", default="")
    reduce_only: str = field(name="reduceOnly", default="")
    size_unit: str = field(name="tgtCcy", default="")
    category: str = ""
    cancel_source: str = field(name="cancelSource", default="")
    trade_id: str = field(name="tradeId", default="")
    fill_price: MaybeNumber = field(name="fillPx", default="")
    fill_size: MaybeNumber = field(name="fillSz", default="")
    fill_ms: MaybeMillisText = field(name="fillTime", default="")
    fill_fee: MaybeSigned = field(name="fillFee", default="")
    fill_fee_asset: str = field(name="fillFeeCcy", default="")
    fill_gain: MaybeSigned = field(name="fillPnl", default="")
    liquidity: str = field(name="execType", default="")


def order_told(market: Market, row: OrderRow, catalog: Catalog) -> OrderTold:
    """How the order stands.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    order_type, time_in_force = ORDER_TYPES.get(row.order_type, (row.order_type.upper(), UNSET))
    asked = size_of(market, row.symbol, row.size, row.price, catalog)
    done = size_of(market, row.symbol, row.filled, row.average_price, catalog)
    nothing = given(row.filled) is UNSET
    return OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=status_of(row.state),
        raw_status=row.state,
        time_ms=int(row.updated_ms),
        side=SIDES[row.side],
        order_type=order_type,
        time_in_force=time_in_force,
        client_order_id=row.client_id or UNSET,
        price=given(row.price),
        quantity=UNSET if _is_by_worth(market, row) else asked.base,
        contracts=asked.contracts,
        filled="0" if nothing else done.base,
        filled_contracts=done.contracts,
        filled_quote="0" if nothing else done.quote,
        average_price=given(row.average_price),
        reduce_only=_FLAGS.get(row.reduce_only, UNSET),
        position_side=position_side_of(market, row.position_side),
        liquidation=_is_liquidation(row),
        reason=row.cancel_source or UNSET,
        created_ms=int(row.created_ms) if row.created_ms else UNSET,
    )


def _is_liquidation(row: OrderRow) -> bool | UnsetType:
    return row.category in _LIQUIDATIONS if row.category else UNSET


def _is_by_worth(market: Market, row: OrderRow) -> bool:
    """Whether the size is so much of the quote asset; a market order to buy is, if nobody says."""
    if market != "spot" or row.order_type != "market":
        return False
    return row.size_unit == "quote_ccy" or (not row.size_unit and row.side == "buy")


def fill_told(market: Market, row: OrderRow, catalog: Catalog) -> FillTold | None:
    """The trade that a frame tells of beside the order; None if it tells of none.

    The exchange's own orders may have no number, or 0, for each of their trades: these are known
    by the history alone, which numbers them.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    if row.trade_id in ("", "0") or UNSET in (given(row.fill_size), given(row.fill_price)):
        return None
    part = size_of(market, row.symbol, row.fill_size, row.fill_price, catalog)
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=row.trade_id,
        side=SIDES[row.side],
        price=row.fill_price,
        time_ms=int(row.fill_ms or row.updated_ms),
        seq=seq_of(row.trade_id),
        quantity=part.base,
        contracts=part.contracts,
        quote_quantity=part.quote,
        client_order_id=row.client_id or UNSET,
        fee=cost_of(row.fill_fee),
        fee_asset=row.fill_fee_asset or UNSET,
        maker=maker_of(row.liquidity),
        position_side=position_side_of(market, row.position_side),
        realized_pnl=gain_of(market, row.fill_gain),
        liquidation=_is_liquidation(row),
    )


def gain_of(market: Market, gain: str) -> Amount:
    """What closing a part of a position has gained; spot has no positions."""
    return gain if gain and market != "spot" else UNSET
