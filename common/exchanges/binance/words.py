"""What Binance's words and letters for orders and positions are in ours, on all markets. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.sizes import Amount, Size, of_base, of_contracts
from common.exchanges.wire import Millis, Number, Signed
from common.model.account import OrderStatus, Side
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


class OrderLetters(Struct, kw_only=True):
    """An order in an event and, where something was just filled, its last trade."""

    symbol: str = field(name="s")
    client_id: str = field(name="c")
    side: Side = field(name="S")
    order_type: str = field(name="o")
    time_in_force: str = field(name="f")
    quantity: Number = field(name="q")
    price: Number = field(name="p")
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


def status_of(raw: str) -> OrderStatus:
    """In our words."""
    return STATUSES.get(raw, "UNKNOWN")


def size_of(market: Market, symbol: str, amount: str, price: str, catalog: Catalog) -> Size:
    """What Binance's quantities are: contracts on inverse, else the base asset."""
    if market == "inverse":
        return of_contracts(amount, price, symbol, catalog)
    return of_base(amount, price)


def done_of(market: Market, symbol: str, filled: str, average: str, catalog: Catalog) -> Size:
    """What was filled so far: nothing is nothing, whatever a contract is."""
    size = size_of(market, symbol, filled, average, catalog)
    return size if given(filled) else Size("0", "0", size.contracts)


def margin_of(raw: str) -> Literal["cross", "isolated"] | UnsetType:
    """In our words; an unknown one is left out."""
    return _MARGINS.get(raw.lower(), UNSET)


def is_liquidation(client_order_id: str) -> bool:
    """Whether the exchange made this order to end a position."""
    return client_order_id.startswith(_LIQUIDATIONS)


def given(number: Amount) -> Amount:
    """A number where zero means that there is none."""
    return number if number is not UNSET and number.strip("-0.") else UNSET


def not_below_zero(number: Amount) -> Amount:
    """Below zero: not known (very old orders)."""
    return UNSET if number is UNSET or number.startswith("-") else number


def reason_of(text: str) -> str | UnsetType:
    """Why an order ended, where that is said."""
    return UNSET if text in _NO_REASONS else text
