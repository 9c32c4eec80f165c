"""KuCoin's account events, of unified accounts: what a push on a private channel says. Pure.

Orders and their trades have channels of their own; fees are with the trades. All products come on one
socket and are told apart by their symbols: those of spot have a dash. The wallet is one for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from common.exchanges.kucoin.units import Nanos, time_of
from common.exchanges.kucoin.words import (
    MARGINS,
    asset_of,
    done_of,
    given,
    held,
    is_ours,
    size_of,
    state_of,
)
from common.exchanges.private import Heard
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.sizes import Size
from common.exchanges.told import BalancesTold, FillTold, OrderTold, Position, PositionsTold
from common.exchanges.wire import STRANGE, MaybeNumber, Number, Signed, unreadable
from common.model.account import Balance, PositionSide, Side
from common.model.instruments import Catalog
from common.model.streams import Market

Role = Literal["TAKER", "MAKER", ""]
# Products that share their symbols with spot.
_MARGIN = frozenset({"MARGIN", "CROSS", "ISOLATED"})
# What an order's sizes count: the base asset, contracts, or (a market order by its worth) the quote.
Unit = Literal["BASECCY", "UNIT", "QUOTECCY", ""]


def is_here(market: Market, product: str, symbol: str, catalog: Catalog) -> bool:
    """Whether an order or a trade is of this market."""
    if market == "spot":
        return "-" in symbol and product not in _MARGIN
    return "-" not in symbol and is_ours(market, symbol, catalog)


# --- orders -------------------------------------------------------------------------------------


class OrderRow(Struct, kw_only=True):
    """An order, as it is pushed; REST has the same under names in full."""

    symbol: str = field(name="s")
    order_id: str = field(name="oi")
    side: Side = field(name="S")
    order_type: str = field(name="oT")
    status: int | str = field(name="os")
    updated_time: Nanos = field(name="U")
    filled_size: MaybeNumber = field(name="fS")
    size: MaybeNumber = field(name="q", default="")
    size_unit: Unit = field(name="qU", default="")
    price: MaybeNumber = field(name="p", default="")
    avg_price: MaybeNumber = field(name="aP", default="")
    trigger_price: MaybeNumber = field(name="tP", default="")
    client_oid: str | None = field(name="ci", default=None)
    time_in_force: str = field(name="tIF", default="")
    reduce_only: bool | UnsetType = field(name="rO", default=UNSET)
    position_side: PositionSide | Literal[""] = field(name="pS", default="")
    order_time: Nanos | None = field(name="O", default=None)
    trade_type: str = field(name="tT", default="")


def order_of(market: Market, row: OrderRow, catalog: Catalog) -> OrderTold:
    """In our words.

    Raises:
        ArithmeticError: a number that no exchange writes.
        msgspec.ValidationError: a time that is none.
    """
    state = str(row.status)
    time_ms, seq = time_of(row.updated_time)
    if row.size_unit == "QUOTECCY":
        # What was got for it only its trades say: see ``worth``.
        asked, done = Size(), Size(quote=row.filled_size or UNSET)
        if row.filled_size and not given(row.filled_size):
            done = Size("0", "0")
    else:
        asked = size_of(market, row.symbol, row.size, row.price, catalog)
        done = done_of(market, row.symbol, row.filled_size, row.avg_price, catalog)
    return OrderTold(
        symbol=row.symbol,
        order_id=row.order_id,
        status=state_of(state, row.filled_size),
        raw_status=state,
        time_ms=time_ms,
        seq=seq,
        side=row.side,
        order_type=row.order_type,
        time_in_force=row.time_in_force or UNSET,
        client_order_id=row.client_oid or UNSET,
        price=given(row.price),
        stop_price=given(row.trigger_price),
        quantity=asked.base,
        contracts=asked.contracts,
        filled=done.base,
        filled_contracts=done.contracts,
        filled_quote=done.quote,
        average_price=given(row.avg_price),
        reduce_only=row.reduce_only,
        position_side=row.position_side or UNSET,
        created_ms=time_of(row.order_time)[0] if row.order_time else UNSET,
    )


# --- trades -------------------------------------------------------------------------------------


class TradeRow(Struct, kw_only=True):
    """One trade, as it is pushed; REST has the same under names in full."""

    symbol: str = field(name="s")
    order_id: str = field(name="oi")
    trade_id: str | int = field(name="ti")
    side: Side = field(name="S")
    price: Number = field(name="p")
    size: Number = field(name="q")
    execution_time: Nanos = field(name="E")
    liquidity_role: Role = field(name="lR", default="")
    fee: Signed | UnsetType = field(name="f", default=UNSET)
    fee_currency: str = field(name="fC", default="")
    client_oid: str | None = field(name="ci", default=None)
    position_side: PositionSide | Literal[""] = field(name="pS", default="")
    trade_type: str = field(name="tT", default="")


def fill_of(market: Market, row: TradeRow, catalog: Catalog) -> FillTold:
    """In our words; raises as ``order_of``."""
    time_ms, seq = time_of(row.execution_time)
    size = size_of(market, row.symbol, row.size, row.price, catalog)
    return FillTold(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=str(row.trade_id),
        side=row.side,
        price=row.price,
        quantity=size.base,
        contracts=size.contracts,
        quote_quantity=size.quote,
        time_ms=time_ms,
        seq=seq,
        client_order_id=row.client_oid or UNSET,
        fee=row.fee,
        fee_asset=asset_of(row.fee_currency) if row.fee_currency else UNSET,
        maker=row.liquidity_role == "MAKER" if row.liquidity_role else UNSET,
        position_side=row.position_side or UNSET,
    )


# --- balances and positions ---------------------------------------------------------------------


class _Balance(Struct):
    currency: str = field(name="c")
    free: Signed = field(name="a")
    held: Signed = field(name="h")
    total: Signed = field(name="b")
    updated: Nanos = field(name="U")


class PositionRow(Struct, kw_only=True):
    """A position, as it is pushed; REST has the same under names in full."""

    symbol: str = field(name="s")
    size: Signed = field(name="q")
    entry_price: MaybeNumber = field(name="eP")
    update_time: Nanos = field(name="U")
    margin_mode: str = field(name="mM", default="")
    mark_price: MaybeNumber = field(name="mP", default="")
    liquidation_price: MaybeNumber = field(name="lP", default="")
    leverage: MaybeNumber = field(name="l", default="")
    unrealized_pnl: Signed | UnsetType = field(name="uPL", default=UNSET)
    realized_pnl: Signed | UnsetType = field(name="rPL", default=UNSET)
    initial_margin: Signed | UnsetType = field(name="iM", default=UNSET)
    position_side: PositionSide | Literal[""] = field(name="pS", default="")


def position_of(row: PositionRow, catalog: Catalog) -> Position:
    """In our words; the sign is the side's where there are two. Raises as ``order_of``."""
    side = row.position_side or "BOTH"
    size = held(side, row.size, row.entry_price, row.symbol, catalog)
    return Position(
        symbol=row.symbol,
        position_side=side,
        quantity=size.base,
        contracts=size.contracts,
        entry_price=given(row.entry_price),
        mark_price=given(row.mark_price),
        liquidation_price=given(row.liquidation_price),
        unrealized_pnl=row.unrealized_pnl,
        realized_pnl=row.realized_pnl,
        leverage=given(row.leverage),
        margin_type=MARGINS.get(row.margin_mode, UNSET),
        margin=row.initial_margin,
    )


# --- the channels -------------------------------------------------------------------------------

_orders = msgspec.json.Decoder(OrderRow)
_trades = msgspec.json.Decoder(TradeRow)
_balances = msgspec.json.Decoder(_Balance)
_positions = msgspec.json.Decoder(PositionRow)


def _order(market: Market, product: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    row = _orders.decode(data)
    if not is_here(market, row.trade_type or product, row.symbol, catalog):
        return ()
    return (order_of(market, row, catalog),)


def _trade(market: Market, product: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    row = _trades.decode(data)
    if not is_here(market, row.trade_type or product, row.symbol, catalog):
        return ()
    return (fill_of(market, row, catalog),)


def _balance(_market: Market, product: str, data: Raw, _catalog: Catalog) -> Sequence[Heard]:
    if product != "UNIFIED":
        return (Notice("other", f"a balance of another account: {product:.40}"),)
    row = _balances.decode(data)
    balance = Balance(asset_of(row.currency), row.free, row.held, row.total)
    return (BalancesTold(balances=(balance,), time_ms=time_of(row.updated)[0]),)


def _position(market: Market, product: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    row = _positions.decode(data)
    if not is_here(market, product, row.symbol, catalog):
        return ()
    positions = (position_of(row, catalog),)
    return (PositionsTold(positions=positions, time_ms=time_of(row.update_time)[0]),)


_Reader = Callable[[Market, str, Raw, Catalog], Sequence[Heard]]
_READERS: Mapping[str, _Reader] = {
    "order": _order,
    "orderAll": _order,
    "execution": _trade,
    "balance": _balance,
    "position": _position,
    "positionAll": _position,
}
_ALL = {"tradeType": "UNIFIED"}
_OF_ORDERS: Sequence[Mapping[str, str]] = (
    {"channel": "orderAll", **_ALL},
    {"channel": "execution", **_ALL},
    {"channel": "balance", "accountType": "UNIFIED"},
)
_POSITIONS: Mapping[str, str] = {"channel": "positionAll", **_ALL}
# What an account subscribes to.
CHANNELS: Mapping[Market, Sequence[Mapping[str, str]]] = {
    "spot": _OF_ORDERS,
    "linear": (*_OF_ORDERS, _POSITIONS),
    "inverse": (*_OF_ORDERS, _POSITIONS),
}


def told(market: Market, topic: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    """What a push (``orderAll.UNIFIED``) says; nothing where it is of another market. Never raises."""
    channel, _, product = topic.rpartition(".")
    read = _READERS.get(channel)
    if read is None:
        return (Unreadable("unknown_type", f"{topic:.80}"),)
    try:
        return read(market, product, data, catalog)
    except STRANGE as error:
        return (unreadable(error),)
