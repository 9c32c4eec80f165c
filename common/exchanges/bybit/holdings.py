"""What Bybit says of what an account has, row by row: coins and positions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Struct, field

from common.exchanges.bybit.rows import POSITION_SIDES, Index, given, size_of
from common.exchanges.sizes import Amount
from common.exchanges.told import Position
from common.exchanges.wire import MaybeNumber, MaybeSigned, Millis, Number, Signed
from common.model.account import Balance
from common.model.decimals import negated, total
from common.model.streams import Market

_MARGINS: Mapping[str, Literal["cross", "isolated"]] = {
    "ISOLATED_MARGIN": "isolated",
    "REGULAR_MARGIN": "cross",
}
# The wallet that all markets trade with; others (``FUND``) only keep.
_WALLET = "UNIFIED"


# --- balances -----------------------------------------------------------------------------------


class Coin(Struct):
    """One asset of a wallet."""

    asset: str = field(name="coin")
    total: Signed = field(name="walletBalance")
    locked: MaybeNumber = ""
    order_margin: MaybeNumber | None = field(name="totalOrderIM", default=None)
    position_margin: MaybeNumber | None = field(name="totalPositionIM", default=None)


class Wallet(Struct):
    """One of an account's wallets."""

    coins: list[Coin] = field(name="coin")
    kind: str = field(name="accountType", default=_WALLET)


def balances(market: Market, wallets: list[Wallet]) -> tuple[Balance, ...]:
    """What there is, in the wallet that is traded with."""
    return tuple(
        Balance(coin.asset, _free(market, coin), coin.locked or UNSET, coin.total)
        for wallet in wallets
        if wallet.kind == _WALLET
        for coin in wallet.coins
    )


def _free(market: Market, coin: Coin) -> Amount:
    """What is not held by orders, nor on contracts as margin; left out where that is not told.

    Below zero the margin is covered by other coins: how much of this one can be used is not told.
    """
    margins = () if market == "spot" else (coin.order_margin, coin.position_margin)
    held = [coin.locked, *margins]
    if not all(held):
        return UNSET
    free = total([coin.total, *(negated(part or "0") for part in held)])
    return UNSET if free.startswith("-") else free


# --- positions ----------------------------------------------------------------------------------


class PositionRow(Struct):
    """A position; the socket calls its price another name than REST."""

    symbol: str
    side: Literal["Buy", "Sell", "", "None"]
    quantity: Number = field(name="size")
    position: Index = field(name="positionIdx")
    updated_ms: Millis = field(name="updatedTime")
    entry_price: MaybeNumber | None = field(name="entryPrice", default=None)
    average_price: MaybeNumber | None = field(name="avgPrice", default=None)
    value: MaybeNumber | None = field(name="positionValue", default=None)
    break_even_price: MaybeNumber | None = field(name="breakEvenPrice", default=None)
    mark_price: MaybeNumber | None = field(name="markPrice", default=None)
    liquidation_price: MaybeNumber | None = field(name="liqPrice", default=None)
    unrealized_pnl: MaybeSigned | None = field(name="unrealisedPnl", default=None)
    realized_pnl: MaybeSigned | None = field(name="curRealisedPnl", default=None)
    leverage: MaybeNumber | None = None
    margin: MaybeSigned | None = field(name="positionBalance", default=None)


def position(market: Market, row: PositionRow, margin_mode: str = "") -> Position:
    """A position; ``margin_mode`` is the account's, where it has been asked for."""
    size = size_of(market, row.quantity, row.value)
    side = POSITION_SIDES[row.position]
    short = side == "BOTH" and row.side == "Sell"
    return Position(
        symbol=row.symbol,
        position_side=side,
        quantity=_signed(size.base, short=short),
        contracts=_signed(size.contracts, short=short),
        entry_price=given(row.entry_price or row.average_price),
        break_even_price=given(row.break_even_price),
        mark_price=given(row.mark_price),
        liquidation_price=given(row.liquidation_price),
        unrealized_pnl=row.unrealized_pnl or UNSET,
        realized_pnl=row.realized_pnl or UNSET,
        leverage=row.leverage or UNSET,
        margin_type=_MARGINS.get(margin_mode, UNSET),
        margin=given(row.margin),
    )


def _signed(number: Amount, *, short: bool) -> Amount:
    return negated(number) if short and number is not UNSET else number
