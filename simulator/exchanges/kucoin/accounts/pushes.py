"""What KuCoin pushes of a classic account: orders with their trades, balances, positions.

Fees are in REST only. Sizes of futures are contracts. An order that is a taker's only is never open.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fact, Fill, Order, Position, rounded
from simulator.accounts.positions import LEVERAGE, unrealized
from simulator.exchanges.kucoin.accounts.words import (
    NOTHING,
    Fields,
    client_id,
    contracts,
    digits,
    order_id,
    plain,
    settled_in,
    size,
    time_ns,
    trade_id,
)
from simulator.exchanges.kucoin.frames import text_of
from simulator.exchanges.kucoin.names import asset, symbol_of

SPOT_ORDERS, SPOT_BALANCES = "/spotMarket/tradeOrdersV2", "/account/balance"
ORDERS, WALLET = "/contractMarket/tradeOrders", "/contractAccount/wallet"
POSITIONS, POSITION = "/contract/positionAll", "/contract/position"


class Event(NamedTuple):
    """A push, and the topic by which an account hears all of its kind."""

    heard_by: str
    text: str


def user_id(account: Account) -> str:
    """The number of the user, as it looks."""
    return account.user[::-1]


def events(account: Account, fact: Fact) -> list[Event]:
    """One fact: what happened to the order, then what it changed of balances and positions."""
    spot = fact.market == "spot"
    told = [] if fact.order is None else _order_events(account, fact, fact.order)
    for balance in fact.balances:
        told.append((_spot_balance if spot else _wallet)(account, fact, balance))
    for position in fact.positions:
        told.append(_position(account, fact, position))
    return told


def _event(
    account: Account, heard_by: str, subject: str, data: Fields, *, topic: str = "", **more: Any
) -> Event:
    message = {
        "topic": topic or heard_by,
        "type": "message",
        "subject": subject,
        **more,
        "userId": user_id(account),
        "channelType": "private",
        "data": data,
    }
    return Event(heard_by, text_of(message))


# --- orders ---------------------------------------------------------------------------------


def _order_events(account: Account, fact: Fact, order: Order) -> list[Event]:
    spot = order.market == "spot"
    words = [*_words(fact, order, spot)]
    symbol = symbol_of(order.listing)
    if spot:
        return [
            _event(account, SPOT_ORDERS, "orderChange", _spot_order(fact, order, word, nth))
            for nth, word in enumerate(words)
        ]
    return [
        _event(
            account, ORDERS, "symbolOrderChange", _futures_order(fact, order, word, nth),
            topic=f"{ORDERS}:{symbol}",
        )
        for nth, word in enumerate(words)
    ]  # fmt: skip


def _words(fact: Fact, order: Order, spot: bool) -> Sequence[str]:
    """What happened, as ``type`` says it, in the order in which it is said."""
    if fact.kind == "placed":
        received = ("received",) if spot else ()
        return received if order.price is None else (*received, "open")
    if fact.kind == "filled":
        return ("match", "filled") if order.status == "FILLED" else ("match",)
    return ("canceled",)


_STATUSES = {"received": "new", "open": "open"}


def _order(fact: Fact, order: Order, word: str, nth: int) -> Fields:
    """What the orders of both products have."""
    listing = order.listing
    data: Fields = {
        "symbol": symbol_of(listing),
        "orderType": order.type.lower(),
        "side": order.side.lower(),
        "orderId": order_id(order),
        "type": word,
        "status": _status(fact, word),
        "ts": time_ns(fact, nth),
    }
    # Before the book nothing is known but what was asked for.
    if word != "received":
        left = order.left if order.open else NOTHING
        canceled = order.left if word == "canceled" else NOTHING
        data |= {
            "size": size(listing, order.quantity),
            "filledSize": size(listing, order.filled),
            "remainSize": size(listing, left),
            "canceledSize": size(listing, canceled),
        }
    if client_id(order):
        data["clientOid"] = client_id(order)
    if word == "match" and fact.fill is not None:
        data |= _match(fact.fill)
    return data


def _status(fact: Fact, word: str) -> str:
    """How it stands: matched is what takes, while what is taken from the book is open."""
    if word == "match":
        return "open" if fact.fill is not None and fact.fill.maker else "match"
    return _STATUSES.get(word, "done")


def _match(fill: Fill) -> Fields:
    return {
        "matchPrice": plain(fill.price),
        "matchSize": size(fill.listing, fill.quantity),
        "tradeId": str(trade_id(fill)),
        "liquidity": "maker" if fill.maker else "taker",
        "feeType": "makerFee" if fill.maker else "takerFee",
    }


def _spot_order(fact: Fact, order: Order, word: str, nth: int) -> Fields:
    price = {} if order.price is None else {"price": plain(order.price)}
    return _order(fact, order, word, nth) | {
        "originSize": plain(order.quantity),
        "orderTime": order.created_ms,
        **price,
    }


def _futures_order(fact: Fact, order: Order, word: str, nth: int) -> Fields:
    return _order(fact, order, word, nth) | {
        "price": plain(order.price or NOTHING),
        # A text, and in nanoseconds.
        "orderTime": str(order.created_ms * 1_000_000),
        "positionSide": order.position_side,
        "marginMode": "CROSS",
        "tradeType": "liquid" if order.liquidation else "trade",
    }


# --- balances -------------------------------------------------------------------------------


def _spot_balance(account: Account, fact: Fact, balance: Balance) -> Event:
    """How it stands, by how much it changed, and why."""
    before = _before(account, fact, balance)
    context: Fields = {}
    if fact.order is not None:
        context = {"symbol": symbol_of(fact.order.listing), "orderId": order_id(fact.order)}
    if fact.fill is not None:
        context["tradeId"] = str(trade_id(fact.fill))
    number = f"{fact.time_ms:013d}{fact.number % 100:02d}"
    data = {
        "accountId": str(int(account.user[:9], 16)),
        "currency": balance.asset,
        "total": plain(balance.total),
        "available": plain(balance.free),
        "hold": plain(balance.locked),
        "availableChange": plain(balance.free - before.free),
        "holdChange": plain(balance.locked - before.locked),
        "relationContext": context,
        "relationEvent": _reason(fact),
        "relationEventId": number,
        "time": str(fact.time_ms),
    }
    return _event(account, SPOT_BALANCES, "account.balance", data, id=number)


def _reason(fact: Fact) -> str:
    if fact.order is None:
        return "trade.transfer"
    return "trade.setted" if fact.fill is not None else "trade.hold"


def _before(account: Account, fact: Fact, balance: Balance) -> Balance:
    """How the balance stood until this fact."""
    for index in range(fact.number - 2, -1, -1):
        earlier = account.log[index]
        for one in earlier.balances if earlier.market == fact.market else ():
            if one.asset == balance.asset:
                return one
    return Balance(balance.asset)


def _wallet(account: Account, fact: Fact, balance: Balance) -> Event:
    """A wallet of the futures, in which everything is margin of the whole account."""
    held, margin, gain = margins(account, balance.asset)
    data = {
        "crossPosMargin": plain(margin),
        "isolatedOrderMargin": "0",
        "holdBalance": "0",
        "equity": plain(balance.total + gain),
        "version": str(fact.number),
        "availableBalance": plain(balance.free),
        "isolatedPosMargin": "0",
        "walletBalance": plain(balance.total),
        "isolatedFundingFeeMargin": "0",
        "crossUnPnl": plain(gain),
        "totalCrossMargin": plain(balance.total),
        "currency": asset(balance.asset),
        "isolatedUnPnl": "0",
        "crossOrderMargin": plain(held),
        "timestamp": str(fact.time_ms),
    }
    return _event(
        account, WALLET, "walletBalance.change", data, id=f"{time_ns(fact):024x}"
    )  # fmt: skip


def margins(account: Account, coin: str) -> tuple[Decimal, Decimal, Decimal]:
    """Of what settles in a coin: held by orders, by positions, and what those would gain."""
    held = sum(
        (one.held for one in account.orders.values()
         if one.market != "spot" and one.listing.settle == coin),
        NOTHING,
    )  # fmt: skip
    open_ = [one for one in account.positions.values() if one.listing.settle == coin]
    margin = sum((one.margin for one in open_), NOTHING)
    # The mark price is taken to be the price of entry: nothing is gained on paper.
    return held, margin, NOTHING


# --- positions ------------------------------------------------------------------------------


def _position(account: Account, fact: Fact, position: Position) -> Event:
    reason = "liquidation" if fact.order and fact.order.liquidation else "positionChange"
    mark = position.entry_price if fact.fill is None else fact.fill.price
    data = position_fields(position, mark, fact.time_ms) | {"changeReason": reason}
    topic = f"{POSITION}:{symbol_of(position.listing)}"
    return _event(account, POSITIONS, "position.change", data, topic=topic)


def position_fields(position: Position, mark: Decimal, now_ms: int) -> Fields:
    """A position, as it is pushed and listed: all numbers are JSON's."""
    listing, inverse = position.listing, position.listing.contract_size is not None
    size_ = abs(position.size)
    worth = position.cost
    if mark and size_:
        worth = rounded(size_ * (listing.contract_size or 1) / mark if inverse else size_ * mark)
    gain = unrealized(position, mark) if mark else NOTHING
    return {
        "symbol": symbol_of(listing),
        "crossMode": True,
        "openingTimestamp": position.updated_ms,
        "currentTimestamp": now_ms,
        "currentQty": contracts(listing, position.size),
        "currentCost": digits(rounded(position.cost)),
        "isOpen": bool(position.size),
        "markPrice": digits(mark),
        "markValue": digits(worth),
        "posMargin": digits(position.margin),
        "maintMarginReq": digits(Decimal("0.005")),
        "avgEntryPrice": digits(position.entry_price),
        "liquidationPrice": digits(NOTHING),
        "bankruptPrice": digits(NOTHING),
        "settleCurrency": settled_in(listing),
        "isInverse": inverse,
        "realisedPnl": digits(position.realized),
        "unrealisedPnl": digits(gain),
        "leverage": LEVERAGE,
        "realLeverage": LEVERAGE,
        "marginMode": "CROSS",
        "positionSide": position.side,
    }
