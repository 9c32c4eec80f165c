"""What Binance pushes of an account: spot, USD-M and COIN-M events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fact, Fill, Kind, Order, Position
from simulator.accounts.positions import unrealized
from simulator.exchanges.binance.names import SYMBOL_TYPE, pair_of, symbol_of
from simulator.listing import Listing

Fields = dict[str, Any]

# What happened, as ``x`` says it.
_EXECUTIONS: dict[Kind, str] = {
    "placed": "NEW",
    "filled": "TRADE",
    "canceled": "CANCELED",
    "rejected": "REJECTED",
    "expired": "EXPIRED",
}
_REASONS: dict[Kind, str] = {"deposit": "DEPOSIT", "withdrawal": "WITHDRAW"}
NOTHING = Decimal(0)


def amount(number: Decimal) -> str:
    """As spot prints everything: eight decimals."""
    return f"{number:.8f}"


def price(listing: Listing, number: Decimal | None) -> str:
    """A price: eight decimals on spot, its own on futures; none at all is zero."""
    if listing.market == "spot":
        return amount(number or NOTHING)
    return f"{number:.{listing.price_decimals}f}" if number else "0"


def size(listing: Listing, number: Decimal) -> str:
    """A size: eight decimals on spot, its own on futures (contracts on COIN-M)."""
    return amount(number) if listing.market == "spot" else f"{number:.{listing.lot_decimals}f}"


def plain(number: Decimal) -> str:
    """Without zeros at its end."""
    return f"{number.normalize():f}" if number else "0"


def client_id(order: Order) -> str:
    """Its client order id; of the exchange's own orders one that says so."""
    return f"autoclose-{order.client_id}" if order.liquidation else order.client_id


# --- spot -----------------------------------------------------------------------------------


def spot_events(fact: Fact, now_ms: int) -> list[Fields]:
    """One fact: what happened to the order, then what it changed of the balances."""
    events = []
    if fact.order is not None:
        events.append(_execution(fact, fact.order, fact.fill, now_ms))
    if fact.delta:
        events.append(
            {
                "e": "balanceUpdate",
                "E": now_ms,
                "a": fact.balances[0].asset,
                "d": amount(fact.delta),
                "T": fact.time_ms,
            }
        )
    if fact.balances:
        rows = [_balance(balance) for balance in fact.balances]
        events.append(
            {"e": "outboundAccountPosition", "E": now_ms, "u": fact.time_ms, "B": rows}
        )  # fmt: skip
    return events


def _execution(fact: Fact, order: Order, fill: Fill | None, now_ms: int) -> Fields:
    # A cancel is a request of its own: its id takes the place of the order's, which goes to C.
    canceled = fact.kind == "canceled"
    event: Fields = {
        "e": "executionReport",
        "E": now_ms,
        "s": symbol_of(order.listing),
        "c": f"cancel{order.number}" if canceled else order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": amount(order.quantity),
        "p": amount(order.price or NOTHING),
        "P": amount(NOTHING),
        "F": amount(NOTHING),
        "g": -1,
        "C": order.client_id if canceled else "",
        "x": _EXECUTIONS[fact.kind],
        "X": order.status,
        "r": order.reason if order.status == "REJECTED" else "NONE",
        "i": order.number,
        "l": amount(fill.quantity if fill else NOTHING),
        "z": amount(order.filled),
        "L": amount(fill.price if fill else NOTHING),
        "n": amount(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": fact.time_ms,
        "t": fill.trade if fill else -1,
        "I": fact.number,
        "w": order.open,
        "m": bool(fill and fill.maker),
        "M": False,
        "O": order.created_ms,
        "Z": amount(order.value),
        "Y": amount(fill.value if fill else NOTHING),
        "Q": amount(NOTHING),
        "W": order.created_ms,
        "V": "NONE",
    }
    if order.status == "EXPIRED":
        event["eR"] = order.reason or "TIME_IN_FORCE"
    return event


def _balance(balance: Balance) -> Fields:
    return {"a": balance.asset, "f": amount(balance.free), "l": amount(balance.locked)}


# --- futures --------------------------------------------------------------------------------


def futures_events(account: Account, fact: Fact, now_ms: int) -> list[Fields]:
    """One fact: what it changed of wallet and positions, then what happened to the order.

    An order that is only placed or over changes no wallet: what it holds is not told. On USD-M a fill is
    told in short before all else.
    """
    head: Fields = {"E": now_ms, "T": fact.time_ms}
    if fact.market == "inverse":
        head["i"] = alias(account)
    events: list[Fields] = []
    if fact.fill is not None and fact.order is not None and fact.market == "linear":
        events.append({"e": "TRADE_LITE", **head, **_short(fact.order, fact.fill)})
    if fact.fill is not None or fact.delta:
        events.append({"e": "ACCOUNT_UPDATE", **head, "a": _changes(account, fact)})
    if fact.order is not None:
        order = _order(fact, fact.order, fact.fill)
        events.append({"e": "ORDER_TRADE_UPDATE", **head, "o": order})
    return events


def _short(order: Order, fill: Fill) -> Fields:
    listing = order.listing
    return {
        "s": symbol_of(listing),
        "q": size(listing, order.quantity),
        "p": price(listing, order.price),
        "m": fill.maker,
        "c": client_id(order),
        "S": order.side,
        "L": price(listing, fill.price),
        "l": size(listing, fill.quantity),
        "t": fill.trade,
        "i": order.number,
    }


def alias(account: Account) -> str:
    """What COIN-M calls an account."""
    return account.key.key[:4]


def _changes(account: Account, fact: Fact) -> Fields:
    # COIN-M tells every position, whichever has changed.
    positions = fact.positions
    if fact.market == "inverse" and positions:
        held = account.positions.values()
        positions = tuple(one for one in held if one.listing.market == "inverse")
    return {
        "m": _REASONS.get(fact.kind, "ORDER"),
        "B": [
            {
                "a": one.asset,
                "wb": amount(one.total),
                "cw": amount(one.total),
                "bc": plain(fact.delta),
            }
            for one in fact.balances
        ],
        "P": [_position(one, fact) for one in positions],
    }


def _position(position: Position, fact: Fact) -> Fields:
    listing = position.listing
    mark = fact.fill.price if fact.fill and fact.fill.listing is listing else position.entry_price
    return {
        "s": symbol_of(listing),
        "pa": size(listing, position.size),
        "ep": plain(position.entry_price),
        "bep": plain(position.entry_price),
        "cr": amount(position.realized),
        "up": amount(unrealized(position, mark) if mark else NOTHING),
        "mt": "cross",
        "iw": "0",
        "ps": position.side,
        **({"ma": listing.settle} if listing.market == "linear" else {}),
    }


def _order(fact: Fact, order: Order, fill: Fill | None) -> Fields:
    listing = order.listing
    event: Fields = {
        "s": symbol_of(listing),
        "c": client_id(order),
        "S": order.side,
        "o": "LIQUIDATION" if order.liquidation else order.type,
        "f": order.time_in_force,
        "q": size(listing, order.quantity),
        "p": price(listing, order.price),
        "ap": plain(order.average_price),
        "sp": "0",
        "x": _EXECUTIONS[fact.kind],
        "X": order.status,
        "i": order.number,
        "l": size(listing, fill.quantity if fill else NOTHING),
        "z": size(listing, order.filled),
        "L": price(listing, fill.price if fill else None),
        "T": fact.time_ms,
        "t": fill.trade if fill else 0,
        "b": "0",
        "a": "0",
        "m": bool(fill and fill.maker),
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": "LIQUIDATION" if order.liquidation else order.type,
        "ps": order.position_side,
        "cp": False,
        "rp": amount(fill.realized) if fill else "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "NONE",
        "pm": "NONE",
        "gtd": 0,
        "st": SYMBOL_TYPE[listing.market],
    }
    # Where nothing was traded there are no keys of a commission at all.
    if fill is not None:
        event |= {"n": amount(fill.fee), "N": fill.fee_asset}
    if listing.market == "inverse":
        event |= {"ma": listing.settle, "ps": order.position_side, "pair": pair_of(listing)}
    else:
        event["er"] = "0"
    return event
