"""KuCoin's numbers and units: JSON numbers digit for digit, contracts as what they stand for. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

from msgspec import UNSET, Meta, ValidationError

from common.exchanges.bars import Amount, Volumes, worth
from common.model.decimals import plain
from common.model.instruments import Catalog
from common.model.streams import Market

# Of some times; others are in milliseconds.
Nanoseconds = Annotated[int, Meta(ge=0)]
# The same as a number or as text, of unified accounts.
Nanos = int | str
_NANOS_PER_MS = 1_000_000


def volumes_of(market: Market, symbol: str, contracts: str, catalog: Catalog) -> Volumes:
    """What a count of contracts says: base on linear, quote on inverse.

    The other of the two depends on the price of every single trade, and is not told.
    """
    if market == "linear":
        return Volumes(base=worth(contracts, symbol, catalog, "base"), contracts=contracts)
    return Volumes(quote=worth(contracts, symbol, catalog, "quote"), contracts=contracts)


def size_of(market: Market, symbol: str, contracts: Decimal | None, catalog: Catalog) -> Amount:
    """A size in base; on inverse it stays in contracts, each a fixed sum of quote."""
    if contracts is None or market == "inverse":
        return told(contracts)
    return worth(digits(contracts), symbol, catalog, "base")


def told(number: Decimal | None) -> Amount:
    """A number that may be missing, as plain digits."""
    return UNSET if number is None else digits(number)


def digits(number: Decimal) -> str:
    """A number as plain digits, none added and none lost.

    Raises:
        ArithmeticError: it is no number of an exchange.
    """
    if not number.is_finite() or abs(number.adjusted()) > 60:
        raise InvalidOperation
    return plain(number)


def time_of(nanos: Nanos) -> tuple[int, int]:
    """A time in ms, and what is left of it in ns.

    Raises:
        msgspec.ValidationError: it is none.
    """
    text = str(nanos)
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValidationError(f"a time: {text:.40}")
    return divmod(int(text), _NANOS_PER_MS)
