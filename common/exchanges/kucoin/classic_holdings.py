"""Balances and positions of KuCoin's classic accounts, in our words. Pure.

Spot trades from one account of several; futures have a wallet for each currency, and positions in
contracts. Both futures markets come together: each account is told of its own market.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from common.exchanges.kucoin.units import digits
from common.exchanges.kucoin.words import (
    MARGINS,
    asset_of,
    given,
    held,
    is_ours,
    settles_here,
)
from common.exchanges.private import Heard
from common.exchanges.protocol import Notice
from common.exchanges.sizes import Amount
from common.exchanges.told import BalancesTold, DeltaTold, Position, PositionsTold
from common.exchanges.wire import Millis, MillisText, Signed
from common.model.account import Balance, PositionSide
from common.model.decimals import negated, total
from common.model.instruments import Catalog
from common.model.streams import Market

# Accounts that spot trades from (the others: main, margin, isolated), and what trading does to them.
_TRADE_ACCOUNTS = frozenset({"trade", "trade_hf"})
_TRADING = frozenset({"hold", "setted"})


# --- balances -----------------------------------------------------------------------------------


class BalancePush(Struct, rename="camel"):
    """One account's balance of a currency, and why it changed."""

    currency: str
    total: Signed
    available: Signed
    hold: Signed
    available_change: Signed
    hold_change: Signed
    relation_event: str
    time: MillisText


def balance_told(row: BalancePush) -> Sequence[Heard]:
    """Of one account of several; the reason is ``trade.hold``, ``trade_hf.transfer`` and so on."""
    account, _, event = row.relation_event.partition(".")
    if account not in _TRADE_ACCOUNTS:
        return (Notice("other", f"a balance of another account: {row.relation_event:.80}"),)
    time_ms = int(row.time)
    balance = Balance(row.currency, row.available, row.hold, row.total)
    now = BalancesTold(balances=(balance,), time_ms=time_ms)
    delta = total((row.available_change, row.hold_change))
    if event in _TRADING or not given(delta):
        return (now,)
    return DeltaTold(asset=row.currency, delta=delta, time_ms=time_ms), now


class WalletPush(Struct, rename="camel"):
    """A futures wallet."""

    currency: str
    wallet_balance: Signed
    available_balance: Signed
    timestamp: MillisText


def wallet_told(market: Market, row: WalletPush) -> Sequence[Heard]:
    """Nothing where the other futures market settles in it."""
    if not settles_here(market, row.currency):
        return ()
    balance = wallet_of(row.currency, row.wallet_balance, row.available_balance)
    return (BalancesTold(balances=(balance,), time_ms=int(row.timestamp)),)


def wallet_of(currency: str, all_of_it: str, free: str) -> Balance:
    """A futures wallet: margins and holds are what is not free.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    locked = total((all_of_it, negated(free)))
    return Balance(asset_of(currency), free, UNSET if locked.startswith("-") else locked, all_of_it)


# --- positions ----------------------------------------------------------------------------------


class PositionRow(Struct, rename="camel"):
    """A position, as it is pushed and as REST lists it; numbers are JSON's."""

    symbol: str
    current_qty: Decimal
    current_timestamp: Millis
    avg_entry_price: Decimal
    position_side: PositionSide = "BOTH"
    margin_mode: str = ""
    cross_mode: bool | UnsetType = UNSET
    mark_price: Decimal | UnsetType = UNSET
    liquidation_price: Decimal | UnsetType = UNSET
    unrealised_pnl: Decimal | UnsetType = UNSET
    realised_pnl: Decimal | UnsetType = UNSET
    leverage: Decimal | UnsetType = UNSET
    pos_margin: Decimal | UnsetType = UNSET


def position_told(market: Market, row: PositionRow, catalog: Catalog) -> Sequence[Heard]:
    """Nothing where it is of the other futures market."""
    if not is_ours(market, row.symbol, catalog):
        return ()
    position = position_of(row, catalog)
    return (PositionsTold(positions=(position,), time_ms=row.current_timestamp),)


def position_of(row: PositionRow, catalog: Catalog) -> Position:
    """In our words; the sign is the side's where there are two.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    amount, price = digits(row.current_qty), digits(row.avg_entry_price)
    size = held(row.position_side, amount, price, row.symbol, catalog)
    return Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=size.base,
        contracts=size.contracts,
        entry_price=given(price),
        mark_price=_digits(row.mark_price),
        liquidation_price=given(_digits(row.liquidation_price) or None),
        unrealized_pnl=_digits(row.unrealised_pnl),
        realized_pnl=_digits(row.realised_pnl),
        leverage=_digits(row.leverage),
        margin_type=_margin(row),
        margin=_digits(row.pos_margin),
    )


def _margin(row: PositionRow) -> Literal["cross", "isolated"] | UnsetType:
    if row.margin_mode:
        return MARGINS.get(row.margin_mode, UNSET)
    if row.cross_mode is UNSET:
        return UNSET
    return "cross" if row.cross_mode else "isolated"


def _digits(number: Decimal | UnsetType) -> Amount:
    return UNSET if number is UNSET else digits(number)
