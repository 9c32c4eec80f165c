"""KuCoin's words for what happens to an account, and ours for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import UNSET, UnsetType

from common.exchanges.kucoin.describe import ASSETS, STABLE_COINS
from common.exchanges.sizes import Amount, Size, of_base, of_contracts
from common.model.account import OrderStatus, PositionSide, Side
from common.model.decimals import absolute
from common.model.instruments import Catalog
from common.model.streams import Market

# What happened to an order, every documented word; what is not here is told as UNKNOWN. One that is
# canceled is so however much of it was filled.
STATUSES: Mapping[str, OrderStatus] = {
    "received": "NEW",  # not in the book yet
    "open": "NEW",
    "update": "NEW",  # made smaller, not ended
    "match": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "canceled": "CANCELED",
}
# How an order of a unified account stands, every documented number.
STATES: Mapping[str, OrderStatus] = {
    "0": "NEW",  # waits for its trigger
    "1": "NEW",  # triggered
    "2": "NEW",
    "3": "FILLED",
    "4": "PARTIALLY_FILLED",
    "5": "CANCELED",
    "6": "CANCELED",  # after a part of it was filled
}
# How an order of a classic account stands in REST: words of ours for its flags.
ENDS: Mapping[str, OrderStatus] = {
    "open": "NEW",
    "filled": "FILLED",
    "canceled": "CANCELED",
    "done": "UNKNOWN",  # ended, never canceled, and nothing of it filled: that was not filled
}
RawSide = Literal["buy", "sell"]
SIDES: Mapping[RawSide, Side] = {"buy": "BUY", "sell": "SELL"}
MARGINS: Mapping[str, Literal["cross", "isolated"]] = {"CROSS": "cross", "ISOLATED": "isolated"}
# What made the exchange trade: taken over, or auto-deleveraged. (A settlement is neither.)
_LIQUIDATIONS = frozenset({"liquid", "adl"})
# The month and year at the end of a contract that expires.
_DELIVERY = re.compile(r"(?<=M)[FGHJKMNQUVXZ]\d\d$")
# Later than any time in milliseconds: it is in nanoseconds.
_LATEST_MS = 10**14


def status_of(raw: str, filled: str) -> OrderStatus:
    """In our words; an order that still works is partially filled once some of it is."""
    status = STATUSES.get(raw, "UNKNOWN")
    return "PARTIALLY_FILLED" if status == "NEW" and filled.strip("0.") else status


def state_of(raw: str, filled: str) -> OrderStatus:
    """The same of a unified account."""
    status = STATES.get(raw, "UNKNOWN")
    return "PARTIALLY_FILLED" if status == "NEW" and filled.strip("0.") else status


def standing_of(active: bool, canceled: bool, size: str, filled: str) -> tuple[OrderStatus, str]:
    """How an order of REST stands, in our words and the row's.

    What is filled to its size is filled, also where a cancel came too late. So is by the documents what
    ended without a cancel, whatever its size: one by its worth has none.
    """
    if active:
        return "PARTIALLY_FILLED" if given(filled) else ENDS["open"], "open"
    if given(size) and Decimal(filled) >= Decimal(size):
        word = "filled"
    elif canceled:
        word = "canceled"
    else:
        word = "filled" if given(filled) else "done"
    return ENDS[word], word


def is_ours(market: Market, symbol: str, catalog: Catalog) -> bool:
    """Whether a symbol is of this market; one that is not listed (yet) is told by its name."""
    if market == "spot" or symbol in catalog:
        return True
    linear = _DELIVERY.sub("", symbol).endswith(tuple(f"{coin}M" for coin in STABLE_COINS))
    return linear is (market == "linear")


def settles_here(market: Market, currency: str) -> bool:
    """Whether a wallet's currency is one that this futures market settles in."""
    return (currency in STABLE_COINS) is (market == "linear")


def asset_of(currency: str) -> str:
    """In everybody's words."""
    return ASSETS.get(currency, currency)


def size_of(market: Market, symbol: str, amount: str, price: str, catalog: Catalog) -> Size:
    """What KuCoin's sizes are: the base asset on spot, else contracts; an empty one says nothing."""
    if not amount:
        return Size()
    if market == "spot":
        return of_base(amount, price)
    return of_contracts(amount, price, symbol, catalog)


def done_of(market: Market, symbol: str, filled: str, average: str, catalog: Catalog) -> Size:
    """What was filled so far: nothing is nothing, whatever a contract is."""
    size = size_of(market, symbol, filled, average, catalog)
    return size if not filled or given(filled) else Size("0", "0", size.contracts)


def held(side: PositionSide, amount: str, price: str, symbol: str, catalog: Catalog) -> Size:
    """What a position comes to; the sign is the side's where there are two.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    if not given(amount):
        return Size("0", contracts="0")
    return of_contracts(amount if side == "BOTH" else absolute(amount), price, symbol, catalog)


def maker_of(liquidity: str) -> bool | UnsetType:
    """Whether the maker's side was ours, where it is said."""
    return {"maker": True, "taker": False}.get(liquidity, UNSET)


def is_liquidation(trade_type: str) -> bool | UnsetType:
    """Whether the exchange made the order to end a position, where it says what made it."""
    return trade_type in _LIQUIDATIONS if trade_type else UNSET


def given(number: str | None) -> Amount:
    """A number where zero, like none, means that there is none."""
    return number if number and number.strip("-0.") else UNSET


def millis(time: int | str | None) -> int | UnsetType:
    """A time that comes in ms or in ns, as a number or as text."""
    if isinstance(time, str):
        time = int(time) if time.isascii() and time.isdecimal() and len(time) < 20 else None
    if not time or time < 0:
        return UNSET
    return time if time < _LATEST_MS else time // 1_000_000
