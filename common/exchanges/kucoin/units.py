"""KuCoin's numbers and units: JSON numbers digit for digit, contracts as what they stand for. Pure."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from msgspec import UNSET, Struct, UnsetType

from common.model.decimals import plain, product
from common.model.instruments import Catalog
from common.model.streams import Market

_INTEGER = re.compile(r"\d{1,18}", re.ASCII)


class Volumes(Struct, frozen=True):
    """One volume in the units that are known."""

    base: str | UnsetType = UNSET
    quote: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET


def volumes_of(market: Market, symbol: str, contracts: str, catalog: Catalog) -> Volumes:
    """What a count of contracts says: base on linear, quote on inverse.

    The other of the two depends on the price of every single trade, and is not told.
    """
    known = _times_size(symbol, Decimal(contracts), catalog)
    if market == "linear":
        return Volumes(base=known, contracts=contracts)
    return Volumes(quote=known, contracts=contracts)


def size_of(
    market: Market, symbol: str, contracts: Decimal | None, catalog: Catalog
) -> str | UnsetType:
    """A size in base; on inverse it stays in contracts, each a fixed sum of quote."""
    if contracts is None or market == "inverse":
        return told(contracts)
    return _times_size(symbol, contracts, catalog)


def _times_size(symbol: str, contracts: Decimal, catalog: Catalog) -> str | UnsetType:
    count = digits(contracts)
    instrument = catalog.get(symbol)
    if instrument is None or instrument.contract_size is None:
        return UNSET
    return product(count, instrument.contract_size)


def told(number: Decimal | None) -> str | UnsetType:
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


def integer(text: str | int | None) -> int | None:
    """What comes as a number or as text (ids, codes); None for anything else."""
    if isinstance(text, str):
        return int(text) if _INTEGER.fullmatch(text) else None
    return text
