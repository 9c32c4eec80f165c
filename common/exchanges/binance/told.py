"""Binance's account events, of all three markets: what a frame's event says. Pure.

Spot orders come as ``executionReport``, futures' as ``ORDER_TRADE_UPDATE``: state and fill in one
event. Spot quantities are in the base asset, USD-M's too; COIN-M counts contracts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from common.exchanges.private import (
    BalancesTold,
    DeltaTold,
    Denied,
    FillTold,
    Heard,
    OrderTold,
    Position,
    PositionsTold,
)
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.sizes import Amount, Size, of_base, of_contracts
from common.exchanges.wire import STRANGE, Millis, Number, Signed, unreadable
from common.model.account import Balance, OrderStatus, PositionSide, Side
from common.model.instruments import Catalog
from common.model.streams import Market

# Every documented status; what is not here is told as UNKNOWN.
STATUSES: Mapping[str, OrderStatus] = {
    "NEW": "NEW",
    "PENDING_NEW": "NEW",  # a leg of an order list that waits for the other
    "PARTIALLY_FILLED": "PARTIALLY_FILLED",
    "FILLED": "FILLED",
    "CANCELED": "CANCELED",
    "PENDING_CANCEL": "PENDING_CANCEL",
    "REJECTED": "REJECTED",
    "EXPIRED": "EXPIRED",
    "EXPIRED_IN_MATCH": "EXPIRED",
    # The exchange's own liquidation orders, on futures.
    "NEW_INSURANCE": "NEW",
    "NEW_ADL": "NEW",
}
# Orders that the exchange made itself begin like this: liquidation and auto-deleveraging. (Settlement
# orders have prefixes of their own and are neither.)
_LIQUIDATIONS = ("autoclose-", "adl_autoclose")
# A reason that says nothing.
_NO_REASONS = ("", "NONE", "0")
_MARGINS: Mapping[str, Literal["cross", "isolated"]] = {
    "cross": "cross",
    "crossed": "cross",
    "isolated": "isolated",
}


def status_of(raw: str) -> OrderStatus:
    """In our words."""
    return STATUSES.get(raw, "UNKNOWN")


def size_of(market: Market, symbol: str, amount: str, price: str, catalog: Catalog) -> Size:
    """What Binance's quantities are: contracts on inverse, else the base asset."""
    if market == "inverse":
        return of_contracts(amount, price, symbol, catalog)
    return of_base(amount, price)


def margin_of(raw: str) -> Literal["cross", "isolated"] | UnsetType:
    """In our words; an unknown one is left out."""
    return _MARGINS.get(raw.lower(), UNSET)


def is_liquidation(client_order_id: str) -> bool:
    """Whether the exchange made this order to end a position."""
    return client_order_id.startswith(_LIQUIDATIONS)


# --- spot ---------------------------------------------------------------------------------------


class _Execution(Struct, tag_field="e", tag="executionReport"):
    symbol: str = field(name="s")
    client_id: str = field(name="c")
    side: Side = field(name="S")
    order_type: str = field(name="o")
    time_in_force: str = field(name="f")
    quantity: Number = field(name="q")
    price: Number = field(name="p")
    execution: str = field(name="x")
    status: str = field(name="X")
    order_id: int | str = field(name="i")
    last_quantity: Number = field(name="l")
    filled: Number = field(name="z")
    last_price: Number = field(name="L")
    time_ms: Millis = field(name="T")
    trade_id: int = field(name="t")
    maker: bool = field(name="m")
    fee: Signed | None = field(name="n", default=None)
    fee_asset: str | None = field(name="N", default=None)
    stop_price: Number = field(name="P", default="0")
    original_client_id: str = field(name="C", default="")
    reason: str = field(name="r", default="NONE")
    created_ms: Millis | UnsetType = field(name="O", default=UNSET)
    filled_quote: Signed | UnsetType = field(name="Z", default=UNSET)
    last_quote: Number | UnsetType = field(name="Y", default=UNSET)
    execution_id: int = field(name="I", default=0)


def _execution(event: _Execution) -> Sequence[Heard]:
    own_id = event.original_client_id or event.client_id
    order = OrderTold(
        symbol=event.symbol,
        order_id=str(event.order_id),
        status=status_of(event.status),
        raw_status=event.status,
        time_ms=event.time_ms,
        seq=event.execution_id,
        side=event.side,
        order_type=event.order_type,
        time_in_force=event.time_in_force,
        client_order_id=own_id,
        original_client_order_id=event.original_client_id or UNSET,
        price=_given(event.price),
        stop_price=_given(event.stop_price),
        # A market order by its worth has no quantity before it is filled.
        quantity=_given(event.quantity),
        filled=event.filled,
        # Below zero: not known (very old orders).
        filled_quote=_known(event.filled_quote),
        reason=_reason(event.reason),
        created_ms=event.created_ms,
    )
    if event.trade_id < 0 or not _given(event.last_quantity):
        return (order,)
    fill = FillTold(
        symbol=event.symbol,
        order_id=order.order_id,
        trade_id=str(event.trade_id),
        side=event.side,
        price=event.last_price,
        quantity=event.last_quantity,
        time_ms=event.time_ms,
        seq=event.execution_id,
        quote_quantity=event.last_quote,
        client_order_id=own_id,
        fee=UNSET if event.fee is None else event.fee,
        fee_asset=event.fee_asset or UNSET,
        maker=event.maker,
    )
    return fill, order


class _SpotBalance(Struct):
    asset: str = field(name="a")
    free: Number = field(name="f")
    locked: Number = field(name="l")


class _AccountPosition(Struct, tag_field="e", tag="outboundAccountPosition"):
    updated_ms: Millis = field(name="u")
    balances: list[_SpotBalance] = field(name="B")


def _account_position(event: _AccountPosition) -> Sequence[Heard]:
    balances = tuple(Balance(row.asset, row.free, row.locked) for row in event.balances)
    return (BalancesTold(balances=balances, time_ms=event.updated_ms),)


class _Delta(Struct, tag_field="e", tag="balanceUpdate"):
    event_ms: Millis = field(name="E")
    asset: str = field(name="a")
    delta: Signed = field(name="d")
    cleared_ms: Millis = field(name="T")


def _delta(event: _Delta) -> Sequence[Heard]:
    return (
        DeltaTold(
            asset=event.asset,
            delta=event.delta,
            time_ms=event.event_ms,
            cleared_ms=event.cleared_ms,
        ),
    )


# --- futures ------------------------------------------------------------------------------------


class _FuturesOrder(Struct):
    symbol: str = field(name="s")
    client_id: str = field(name="c")
    side: Side = field(name="S")
    order_type: str = field(name="o")
    time_in_force: str = field(name="f")
    quantity: Number = field(name="q")
    price: Number = field(name="p")
    average_price: Number = field(name="ap")
    status: str = field(name="X")
    order_id: int | str = field(name="i")
    last_quantity: Number = field(name="l")
    filled: Number = field(name="z")
    last_price: Number = field(name="L")
    time_ms: Millis = field(name="T")
    trade_id: int = field(name="t")
    maker: bool = field(name="m")
    reduce_only: bool = field(name="R", default=False)
    position_side: PositionSide = field(name="ps", default="BOTH")
    stop_price: Number = field(name="sp", default="0")
    fee: Signed | None = field(name="n", default=None)
    fee_asset: str | None = field(name="N", default=None)
    realized_pnl: Signed | UnsetType = field(name="rp", default=UNSET)
    expiry_reason: str | int = field(name="er", default="0")


class _OrderUpdate(Struct, tag_field="e", tag="ORDER_TRADE_UPDATE"):
    order: _FuturesOrder = field(name="o")


def _order_update(market: Market, event: _OrderUpdate, catalog: Catalog) -> Sequence[Heard]:
    row = event.order
    asked = size_of(market, row.symbol, row.quantity, row.price, catalog)
    done = size_of(market, row.symbol, row.filled, row.average_price, catalog)
    nothing = not _given(row.filled)
    liquidation = is_liquidation(row.client_id)
    order = OrderTold(
        symbol=row.symbol,
        order_id=str(row.order_id),
        status=status_of(row.status),
        raw_status=row.status,
        time_ms=row.time_ms,
        side=row.side,
        order_type=row.order_type,
        time_in_force=row.time_in_force,
        client_order_id=row.client_id,
        price=_given(row.price),
        stop_price=_given(row.stop_price),
        quantity=asked.base,
        contracts=asked.contracts,
        filled="0" if nothing else done.base,
        filled_contracts=done.contracts,
        filled_quote="0" if nothing else done.quote,
        average_price=_given(row.average_price),
        reduce_only=row.reduce_only,
        position_side=row.position_side,
        liquidation=liquidation,
        reason=_reason(str(row.expiry_reason)),
    )
    if not row.trade_id or not _given(row.last_quantity):
        return (order,)
    part = size_of(market, row.symbol, row.last_quantity, row.last_price, catalog)
    fill = FillTold(
        symbol=row.symbol,
        order_id=order.order_id,
        trade_id=str(row.trade_id),
        side=row.side,
        price=row.last_price,
        quantity=part.base,
        contracts=part.contracts,
        quote_quantity=part.quote,
        time_ms=row.time_ms,
        client_order_id=row.client_id,
        fee=UNSET if row.fee is None else row.fee,
        fee_asset=row.fee_asset or UNSET,
        maker=row.maker,
        position_side=row.position_side,
        realized_pnl=row.realized_pnl,
        liquidation=liquidation,
    )
    return fill, order


class _Wallet(Struct):
    asset: str = field(name="a")
    total: Signed = field(name="wb")


class _OpenPosition(Struct):
    symbol: str = field(name="s")
    amount: Signed = field(name="pa")
    entry_price: Number = field(name="ep")
    unrealized_pnl: Signed = field(name="up")
    margin_type: str = field(name="mt")
    margin: Signed = field(name="iw")
    position_side: PositionSide = field(name="ps")
    break_even_price: Number | UnsetType = field(name="bep", default=UNSET)


class _Changes(Struct):
    wallets: list[_Wallet] = field(name="B", default_factory=list)
    positions: list[_OpenPosition] = field(name="P", default_factory=list)


class _AccountUpdate(Struct, tag_field="e", tag="ACCOUNT_UPDATE"):
    time_ms: Millis = field(name="T")
    changes: _Changes = field(name="a")


def _account_update(market: Market, event: _AccountUpdate, catalog: Catalog) -> Sequence[Heard]:
    """Only what has changed. What orders hold of a wallet is not told: neither free nor locked."""
    changes, told = event.changes, list[Heard]()
    if changes.wallets:
        balances = tuple(Balance(row.asset, total=row.total) for row in changes.wallets)
        told.append(BalancesTold(balances=balances, time_ms=event.time_ms))
    if changes.positions:
        rows = tuple(_position(market, row, catalog) for row in changes.positions)
        told.append(PositionsTold(positions=rows, time_ms=event.time_ms))
    return told


def _position(market: Market, row: _OpenPosition, catalog: Catalog) -> Position:
    quantity, contracts = signed_size(market, row.symbol, row.amount, row.entry_price, catalog)
    return Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=quantity,
        contracts=contracts,
        entry_price=_given(row.entry_price),
        break_even_price=row.break_even_price,
        unrealized_pnl=row.unrealized_pnl,
        margin_type=margin_of(row.margin_type),
        margin=row.margin,
    )


def signed_size(
    market: Market, symbol: str, amount: str, price: str, catalog: Catalog
) -> tuple[Amount, Amount]:
    """A position's size in the base asset, and in contracts where it is counted so; with its sign."""
    if not amount.strip("-0."):
        return "0", "0" if market == "inverse" else UNSET
    size = size_of(market, symbol, amount, price, catalog)
    return size.base, size.contracts


# --- the rest -----------------------------------------------------------------------------------


class _Expired(Struct, tag_field="e", tag="listenKeyExpired"):
    """The listen key has run out; the socket stays open, silent."""


class _Terminated(Struct, tag_field="e", tag="eventStreamTerminated"):
    """The subscription has ended: logged out, or unsubscribed."""


_Event = (
    _Execution | _AccountPosition | _Delta | _OrderUpdate | _AccountUpdate | _Expired | _Terminated
)
_decoder: msgspec.json.Decoder[_Event] = msgspec.json.Decoder(_Event)
_KNOWN = frozenset(kind.__struct_config__.tag for kind in get_args(_Event))
# Events that say nothing that we pass on: what they announce comes by another, or is not of orders.
_IGNORED = frozenset(
    {
        "ACCOUNT_CONFIG_UPDATE",
        "ALGO_UPDATE",  # the real order has events of its own once it is triggered
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "GRID_UPDATE",
        "MARGIN_CALL",
        "STRATEGY_UPDATE",
        "TRADE_LITE",  # the same fill as ORDER_TRADE_UPDATE's, without its fee
        "externalLockUpdate",
        "listStatus",
    }
)


class _Type(Struct):
    name: str = field(name="e")


_type = msgspec.json.Decoder(_Type)


def told(market: Market, event: bytes | Raw, catalog: Catalog) -> Sequence[Heard]:
    """What an event says; never raises."""
    try:
        return _read(market, _decoder.decode(event), catalog)
    except STRANGE as error:
        problem = unreadable(error)
    try:
        name = _type.decode(event).name
    except STRANGE:
        return (problem,)
    if name in _IGNORED:
        return (Notice("other", name),)
    if name not in _KNOWN:
        return (Unreadable("unknown_type", name),)
    return (problem,)


def _read(market: Market, event: _Event, catalog: Catalog) -> Sequence[Heard]:
    match event:
        case _Execution():
            return _execution(event)
        case _AccountPosition():
            return _account_position(event)
        case _Delta():
            return _delta(event)
        case _OrderUpdate():
            return _order_update(market, event, catalog)
        case _AccountUpdate():
            return _account_update(market, event, catalog)
        case _Expired():
            return (Denied("expired", "the listen key has expired"),)
        case _Terminated():
            return (Denied("expired", "the exchange has ended the subscription"),)


def _given(number: str) -> Amount:
    """A number where zero means that there is none."""
    return number if number.strip("-0.") else UNSET


def _known(number: str | UnsetType) -> Amount:
    return UNSET if number is UNSET or number.startswith("-") else number


def _reason(text: str) -> str | UnsetType:
    return UNSET if text in _NO_REASONS else text
