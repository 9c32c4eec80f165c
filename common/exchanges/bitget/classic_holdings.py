"""Bitget's classic account system (v2): rows of balances and positions, pushed and asked for. Pure."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, field

from common.exchanges.bitget.words import (
    given,
    held,
    known,
    margin_of,
    position_side_of,
)
from common.exchanges.told import Position
from common.exchanges.wire import MaybeNumber, MaybeSigned, Number
from common.model.account import Balance
from common.model.decimals import total

_Perhaps = MaybeNumber | None


class CoinRow(Struct):
    """A coin of the spot account, on the channel and in REST."""

    coin: str
    available: Number
    frozen: Number
    locked: Number


class MarginRow(Struct):
    """A coin of the futures account: held by orders is ``frozen`` on the channel, else ``locked``."""

    coin: str = field(name="marginCoin")
    available: Number
    frozen: Number | None = None
    locked: Number | None = None


def coin_row(row: CoinRow) -> Balance:
    """Orders hold what is frozen; what is locked is in other products' hands."""
    return Balance(row.coin, row.available, total((row.frozen, row.locked)))


def margin_row(row: MarginRow) -> Balance:
    """What there is in all is not told without what open positions have gained."""
    return Balance(row.coin, row.available, known(row.frozen or row.locked))


class PositionRow(Struct):
    """A position: ``instId`` on the channel, ``symbol`` in REST."""

    side: str = field(name="holdSide")
    quantity: Number = field(name="total")
    mode: str = field(name="posMode")
    inst_id: str = field(name="instId", default="")
    symbol: str = ""
    entry: _Perhaps = field(name="openPriceAvg", default=None)
    break_even: _Perhaps = field(name="breakEvenPrice", default=None)
    mark: _Perhaps = field(name="markPrice", default=None)
    liquidation: MaybeSigned | None = field(name="liquidationPrice", default=None)
    unrealized: MaybeSigned | None = field(name="unrealizedPL", default=None)
    realized: MaybeSigned | None = field(name="achievedProfits", default=None)
    leverage: int | str = ""
    margin_mode: str = field(name="marginMode", default="")
    margin: MaybeSigned | None = field(name="marginSize", default=None)


def position_row(row: PositionRow) -> Position:
    """As it is now."""
    position_side = position_side_of(row.mode, row.side)
    symbol = row.inst_id or row.symbol
    if not symbol or position_side is UNSET:
        raise msgspec.ValidationError("a position without a symbol or a side")
    return Position(
        symbol=symbol,
        position_side=position_side,
        quantity=held(row.mode, row.side, row.quantity),
        entry_price=given(row.entry),
        break_even_price=given(row.break_even),
        mark_price=given(row.mark),
        liquidation_price=given(row.liquidation),
        unrealized_pnl=known(row.unrealized),
        realized_pnl=known(row.realized),
        leverage=str(row.leverage) or UNSET,
        margin_type=margin_of(row.margin_mode),
        margin=known(row.margin),
    )
