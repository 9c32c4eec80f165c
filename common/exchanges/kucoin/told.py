"""KuCoin's account events, of classic accounts: what a push on a private topic says. Pure.

Spot sizes are in the base asset, all sizes of futures are contracts. Orders say what happened to them
(``type``), with the trade in the same frame; fees are in REST only. Both futures markets come on one
socket: each account is told of its own market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from common.exchanges.kucoin.units import Nanoseconds, digits
from common.exchanges.kucoin.words import (
    LIQUIDATIONS,
    SIDES,
    asset_of,
    given,
    is_ours,
    millis,
    settles_here,
    size_of,
    status_of,
)
from common.exchanges.private import (
    BalancesTold,
    DeltaTold,
    FillTold,
    Heard,
    OrderTold,
    Position,
    PositionsTold,
)
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.sizes import Amount, Size, of_contracts
from common.exchanges.wire import STRANGE, MaybeNumber, Millis, MillisText, Signed, unreadable
from common.model.account import Balance, PositionSide
from common.model.decimals import absolute, negated, total
from common.model.instruments import Catalog
from common.model.streams import Market

_ROLES: Mapping[str, bool] = {"makerFee": True, "takerFee": False, "maker": True, "taker": False}
_MARGINS: Mapping[str, Literal["cross", "isolated"]] = {"CROSS": "cross", "ISOLATED": "isolated"}
# Accounts that spot trades from (the others: main, margin, isolated), and what trading does to them.
_TRADE_ACCOUNTS = frozenset({"trade", "trade_hf"})
_TRADING = frozenset({"hold", "setted"})


# --- orders -------------------------------------------------------------------------------------


class _Order(Struct, rename="camel"):
    symbol: str
    order_id: str
    type: str
    ts: Nanoseconds
    side: Literal["buy", "sell"] | UnsetType = UNSET
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


def _order(market: Market, row: _Order, catalog: Catalog) -> Sequence[Heard]:
    if not is_ours(market, row.symbol, catalog):
        return ()
    if row.type != "match" or not given(row.match_size):
        return (_state(market, row, catalog),)
    fill = _fill(market, row, catalog)
    # The end has a frame of its own, which comes next.
    if row.remain_size and not given(row.remain_size):
        return (fill,)
    return fill, _state(market, row, catalog)


def _state(market: Market, row: _Order, catalog: Catalog) -> OrderTold:
    # ``size`` follows the order when it is made smaller; before the book there is only the original.
    asked = size_of(market, row.symbol, row.size or row.origin_size, row.price, catalog)
    # What it was filled at is not told: only what follows without a price.
    done = size_of(market, row.symbol, row.filled_size, "", catalog)
    nothing = bool(row.filled_size) and not given(row.filled_size)
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
        filled="0" if nothing else done.base,
        filled_contracts=done.contracts,
        filled_quote="0" if nothing else done.quote,
        position_side=row.position_side,
        liquidation=row.trade_type in LIQUIDATIONS,
        created_ms=millis(row.order_time),
    )


def _fill(market: Market, row: _Order, catalog: Catalog) -> FillTold:
    """A trade of an order.

    Raises:
        msgspec.ValidationError: it lacks what makes it one.
    """
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
        liquidation=row.trade_type in LIQUIDATIONS,
    )


# --- balances -----------------------------------------------------------------------------------


class _Balance(Struct, rename="camel"):
    currency: str
    total: Signed
    available: Signed
    hold: Signed
    available_change: Signed
    hold_change: Signed
    relation_event: str
    time: MillisText


def _balance(row: _Balance) -> Sequence[Heard]:
    """One account of several, and why it changed: ``trade.hold``, ``trade_hf.transfer`` and so on."""
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


class _Wallet(Struct, rename="camel"):
    currency: str
    wallet_balance: Signed
    available_balance: Signed
    timestamp: MillisText


def _wallet(market: Market, row: _Wallet) -> Sequence[Heard]:
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


def _position(market: Market, row: PositionRow, catalog: Catalog) -> Sequence[Heard]:
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
    if row.position_side != "BOTH":
        amount = absolute(amount)
    size = Size("0", contracts="0")
    if amount.strip("-0."):
        size = of_contracts(amount, price, row.symbol, catalog)
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
        return _MARGINS.get(row.margin_mode, UNSET)
    if row.cross_mode is UNSET:
        return UNSET
    return "cross" if row.cross_mode else "isolated"


def _digits(number: Decimal | UnsetType) -> Amount:
    return UNSET if number is UNSET else digits(number)


class _Change(Struct, rename="camel"):
    change_reason: str = "markPriceChange"
    current_qty: Decimal | None = None


# --- the topics ---------------------------------------------------------------------------------

_orders = msgspec.json.Decoder(_Order)
_balances = msgspec.json.Decoder(_Balance)
_wallets = msgspec.json.Decoder(_Wallet)
_positions = msgspec.json.Decoder(PositionRow)
_changes = msgspec.json.Decoder(_Change)


def _order_push(market: Market, _subject: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    return _order(market, _orders.decode(data), catalog)


def _balance_push(_market: Market, _subject: str, data: Raw, _catalog: Catalog) -> Sequence[Heard]:
    return _balance(_balances.decode(data))


def _wallet_push(market: Market, subject: str, data: Raw, _catalog: Catalog) -> Sequence[Heard]:
    if subject != "walletBalance.change":
        # Parts of the same change, from before that subject had all of it.
        return (Notice("other", f"{subject:.80}"),)
    return _wallet(market, _wallets.decode(data))


def _position_push(market: Market, subject: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    if subject != "position.change":
        return (Notice("other", f"{subject:.80}"),)
    change = _changes.decode(data)
    if change.current_qty is None and change.change_reason == "markPriceChange":
        # The account did nothing. Such a push does not say which side of a symbol it is about.
        return (Notice("other", "the mark price of a position"),)
    return _position(market, _positions.decode(data), catalog)


_Reader = Callable[[Market, str, Raw, Catalog], Sequence[Heard]]
_OF_FUTURES: Mapping[str, _Reader] = {
    "/contractMarket/tradeOrders": _order_push,
    "/contractAccount/wallet": _wallet_push,
    "/contract/positionAll": _position_push,
    "/contract/position": _position_push,
}
_READERS: Mapping[Market, Mapping[str, _Reader]] = {
    "spot": {
        "/spotMarket/tradeOrdersV2": _order_push,
        # The same without ``received``.
        "/spotMarket/tradeOrders": _order_push,
        "/account/balance": _balance_push,
    },
    "linear": _OF_FUTURES,
    "inverse": _OF_FUTURES,
}
# What an account subscribes to.
TOPICS: Mapping[Market, Sequence[str]] = {
    "spot": ("/spotMarket/tradeOrdersV2", "/account/balance"),
    "linear": ("/contractMarket/tradeOrders", "/contractAccount/wallet", "/contract/positionAll"),
    "inverse": ("/contractMarket/tradeOrders", "/contractAccount/wallet", "/contract/positionAll"),
}


def told(market: Market, topic: str, subject: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    """What a push says; nothing where it is about the other futures market. Never raises."""
    read = _READERS[market].get(topic.partition(":")[0])
    if read is None:
        return (Unreadable("unknown_type", f"{topic:.80}"),)
    try:
        return read(market, subject, data, catalog)
    except STRANGE as error:
        return (unreadable(error),)
