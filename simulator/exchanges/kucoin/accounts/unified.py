"""What is told of KuCoin's unified accounts: pushes in short names, rows of REST in long ones.

Trades have a channel of their own beside the orders', with what each cost; an order says what all of its
trades have. The wallet is one for all products.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from simulator.accounts.model import Balance, Fact, Fill, Order, Position, rounded
from simulator.accounts.positions import LEVERAGE, unrealized
from simulator.exchanges.kucoin.accounts.pushes import Event
from simulator.exchanges.kucoin.accounts.words import (
    NOTHING,
    Fields,
    client_id,
    nanos,
    order_id,
    order_of_fill,
    plain,
    settled_in,
    size,
    time_ns,
    trade_id,
)
from simulator.exchanges.kucoin.frames import text_of
from simulator.exchanges.kucoin.names import symbol_of
from simulator.listing import Listing

ORDERS, TRADES, BALANCES, POSITIONS = "orderAll", "execution", "balance", "positionAll"
CHANNELS = (ORDERS, TRADES, BALANCES, POSITIONS)


def product_in(listing: Listing) -> str:
    """The word for the product of a listing."""
    return "SPOT" if listing.market == "spot" else "FUTURES"


def unified_events(fact: Fact) -> list[Event]:
    """One fact: the order, its trade, then what they changed. A taker is never open."""
    told: list[Event] = []
    order = fact.order
    if order is not None and not (fact.kind == "placed" and order.price is None):
        told.append(_event(ORDERS, fact, _order(fact, order)))
    if fact.fill is not None and order is not None:
        told.append(_event(TRADES, fact, _trade(fact, fact.fill, order)))
    told += [_event(BALANCES, fact, _balance(fact, one)) for one in fact.balances]
    return [*told, *(_event(POSITIONS, fact, _position(fact, one)) for one in fact.positions)]


def _event(channel: str, fact: Fact, data: Fields) -> Event:
    message = {"T": f"{channel}.UNIFIED", "P": str(time_ns(fact, 9)), "d": data}
    return Event(channel, text_of(message))


# --- orders and trades ----------------------------------------------------------------------


def _state(order: Order) -> int:
    """2 live, 3 filled, 4 partially filled, 5 canceled, 6 canceled after a part of it was filled."""
    if order.open:
        return 4 if order.filled else 2
    if not order.left:
        return 3
    return 6 if order.filled else 5


def _unit(listing: Listing) -> str:
    return "BASECCY" if listing.market == "spot" else "UNIT"


def _fee_asset(listing: Listing) -> str:
    return listing.quote if listing.market == "spot" else settled_in(listing)


def _what(fact: Fact, order: Order) -> str:
    if fact.kind == "placed":
        return "OPEN"
    if fact.kind == "filled":
        return "MATCH" if order.open else "FILL"
    return "CANCEL"


def _order(fact: Fact, order: Order) -> Fields:
    listing, fill = order.listing, fact.fill
    data = {
        "tT": product_in(listing),
        "oi": order_id(order),
        "ci": client_id(order),
        "os": _state(order),
        "eT": _what(fact, order),
        "s": symbol_of(listing),
        "S": order.side,
        "oT": order.type,
        "lR": _role(fill) if fill else "",
        "oS": "LIQUIDATION" if order.liquidation else "USER",
        "p": plain(order.price or NOTHING),
        "q": size(listing, order.quantity),
        "qU": _unit(listing),
        "fS": size(listing, order.filled),
        "lS": size(listing, fill.quantity if fill else NOTHING),
        "ls": plain(fill.price if fill else NOTHING),
        "aP": plain(order.average_price),
        "fC": _fee_asset(listing),
        "ti": str(trade_id(fill)) if fill else "",
        "cS": size(listing, NOTHING if order.open else order.left),
        "rS": size(listing, order.left if order.open else NOTHING),
        "rO": order.reduce_only,
        "tIF": order.time_in_force,
        "pO": False,
        "O": str(nanos(order.created_ms)),
        "U": time_ns(fact),
    }
    if listing.market != "spot":
        data |= {"pS": order.position_side, "mM": "CROSS"}
    return data


def _role(fill: Fill) -> str:
    return "MAKER" if fill.maker else "TAKER"


def _trade(fact: Fact, fill: Fill, order: Order) -> Fields:
    listing = fill.listing
    data = {
        "E": time_ns(fact),
        "tT": product_in(listing),
        "S": fill.side,
        "f": plain(fill.fee),
        "p": plain(fill.price),
        "q": size(listing, fill.quantity),
        "s": symbol_of(listing),
        "fC": _fee_asset(listing),
        "lR": _role(fill),
        "oT": order.type,
        "oi": order_of_fill(fill),
        "ti": str(trade_id(fill)),
    }
    return data if listing.market == "spot" else data | {"pS": fill.position_side}


def order_row(order: Order, fills: Iterable[Fill]) -> Fields:
    """An order of REST."""
    listing = order.listing
    row = {
        "orderId": order_id(order),
        "symbol": symbol_of(listing),
        "orderType": order.type,
        "side": order.side,
        "size": size(listing, order.quantity),
        "price": plain(order.price or NOTHING),
        "timeInForce": order.time_in_force,
        "orderTime": nanos(order.created_ms),
        "stp": "",
        "cancelAfter": None,
        "postOnly": False,
        "reduceOnly": order.reduce_only,
        "triggerDirection": "",
        "triggerPrice": "",
        "triggerPriceType": "",
        "filledSize": size(listing, order.filled),
        "avgPrice": plain(order.average_price),
        "fee": plain(sum((fill.fee for fill in fills), NOTHING)),
        "feeCurrency": _fee_asset(listing),
        "tax": "0",
        "updatedTime": nanos(order.updated_ms),
        "triggerOrderId": "",
        "cancelReason": "",
        "cancelSize": size(listing, NOTHING if order.open else order.left),
        "clientOid": client_id(order),
        "sizeUnit": _unit(listing),
        "status": _state(order),
        "tradeType": product_in(listing),
    }
    return row if listing.market == "spot" else row | {"positionSide": order.position_side}


def trade_row(fill: Fill, order: Order) -> Fields:
    """A trade of REST."""
    row = {
        "symbol": symbol_of(fill.listing),
        "orderId": order_of_fill(fill),
        "orderType": order.type,
        "side": fill.side,
        "fillType": "LIQUIDATION" if fill.liquidation else "NORMAL",
        "tradeId": str(trade_id(fill)),
        "size": size(fill.listing, fill.quantity),
        "value": plain(fill.value),
        "price": plain(fill.price),
        "executionTime": nanos(fill.time_ms),
        "fee": plain(fill.fee),
        "feeCurrency": _fee_asset(fill.listing),
        "liquidityRole": _role(fill),
        "tax": "0",
    }
    return row if fill.listing.market == "spot" else row | {"positionSide": fill.position_side}


# --- the wallet and positions ---------------------------------------------------------------


def _balance(fact: Fact, balance: Balance) -> Fields:
    return {
        "c": balance.asset,
        "e": plain(balance.total),
        "b": plain(balance.total),
        "a": plain(balance.free),
        "h": plain(balance.locked),
        "l": "0",
        "U": str(time_ns(fact)),
    }


def balance_row(balance: Balance) -> Fields:
    """A currency of REST."""
    return {
        "currency": balance.asset,
        "equity": plain(balance.total),
        "hold": plain(balance.locked),
        "balance": plain(balance.total),
        "available": plain(balance.free),
        "liability": "0",
    }


def _position(fact: Fact, position: Position) -> Fields:
    mark = position.entry_price if fact.fill is None else fact.fill.price
    return {
        "s": symbol_of(position.listing),
        "q": size(position.listing, position.size),
        "eP": plain(position.entry_price),
        "mP": plain(mark),
        "pV": plain(rounded(position.cost)),
        "l": str(LEVERAGE),
        "mM": "CROSS",
        "pS": position.side,
        "iM": plain(position.margin),
        "mmr": "0.005",
        "rPL": plain(position.realized),
        "uPL": plain(unrealized(position, mark)),
        "O": nanos(position.updated_ms),
        "U": time_ns(fact),
    }


def position_row(position: Position, mark: Decimal) -> Fields:
    """A position of REST."""
    return {
        "symbol": symbol_of(position.listing),
        "marginMode": "CROSS",
        "size": size(position.listing, position.size),
        "entryPrice": plain(position.entry_price),
        "positionValue": plain(rounded(position.cost)),
        "markPrice": plain(mark),
        "leverage": str(LEVERAGE),
        "unrealizedPnL": plain(unrealized(position, mark)),
        "realizedPnL": plain(position.realized),
        "initialMargin": plain(position.margin),
        "mmr": "0.005",
        "positionSide": position.side,
        "creationTime": nanos(position.updated_ms),
        "updateTime": nanos(position.updated_ms),
    }
