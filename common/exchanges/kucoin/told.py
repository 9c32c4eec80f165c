"""KuCoin's account events, of classic accounts: what a push on a private topic says. Pure.

Both futures markets come on one socket: each account is told of its own market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct

from common.exchanges.kucoin.classic_holdings import (
    BalancePush,
    PositionRow,
    WalletPush,
    balance_told,
    position_told,
    wallet_told,
)
from common.exchanges.kucoin.classic_orders import OrderPush, order_told
from common.exchanges.private import Heard
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.wire import STRANGE, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market


class _Change(Struct, rename="camel"):
    change_reason: str = "markPriceChange"
    current_qty: Decimal | None = None


_orders = msgspec.json.Decoder(OrderPush)
_balances = msgspec.json.Decoder(BalancePush)
_wallets = msgspec.json.Decoder(WalletPush)
_positions = msgspec.json.Decoder(PositionRow)
_changes = msgspec.json.Decoder(_Change)


def _order_push(market: Market, _subject: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    return order_told(market, _orders.decode(data), catalog)


def _balance_push(_market: Market, _subject: str, data: Raw, _catalog: Catalog) -> Sequence[Heard]:
    return balance_told(_balances.decode(data))


def _wallet_push(market: Market, subject: str, data: Raw, _catalog: Catalog) -> Sequence[Heard]:
    if subject != "walletBalance.change":
        # Parts of the same change, from before that subject had all of it.
        return (Notice("other", f"{subject:.80}"),)
    return wallet_told(market, _wallets.decode(data))


def _position_push(market: Market, subject: str, data: Raw, catalog: Catalog) -> Sequence[Heard]:
    if subject != "position.change":
        return (Notice("other", f"{subject:.80}"),)
    change = _changes.decode(data)
    if change.current_qty is None and change.change_reason == "markPriceChange":
        # The account did nothing. Such a push does not say which side of a symbol it is about.
        return (Notice("other", "the mark price of a position"),)
    return position_told(market, _positions.decode(data), catalog)


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
