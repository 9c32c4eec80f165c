"""Sizes of orders and fills in our words: the base asset on every market, contracts beside it. Pure."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from common.model.decimals import product, quotient
from common.model.instruments import Catalog, Instrument

Amount = str | UnsetType


class Size(Struct, frozen=True, gc=False):
    """One size: in the base asset, what it is worth in the quote asset, and in contracts."""

    base: Amount = UNSET
    quote: Amount = UNSET
    contracts: Amount = UNSET


class Contract(Struct, frozen=True, gc=False):
    """What one contract is: so much of the base asset (linear), or of the quote asset (inverse)."""

    size: str
    in_base: bool

    def of(self, contracts: str, price: str) -> Size:
        """What so many are at a price; an empty or zero price says nothing.

        Raises:
            ArithmeticError: a number that no exchange writes.
        """
        amount = product(contracts, self.size)
        priced = bool(price.strip("-0."))
        if self.in_base:
            return Size(amount, product(amount, price) if priced else UNSET, contracts)
        return Size(quotient(amount, price) if priced else UNSET, amount, contracts)


def contract_of(instrument: Instrument) -> Contract | None:
    """What a contract of it is; None where it has none, or one of something else."""
    unit = instrument.contract_unit
    if instrument.contract_size is None or unit not in (instrument.base, instrument.quote):
        return None
    return Contract(instrument.contract_size, unit == instrument.base)


def of_contracts(contracts: str, price: str, symbol: str, catalog: Catalog) -> Size:
    """What so many contracts are at a price (see ``Contract.of``).

    While the instrument is not known, only the count is.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    instrument = catalog.get(symbol)
    contract = None if instrument is None else contract_of(instrument)
    return Size(contracts=contracts) if contract is None else contract.of(contracts, price)


def of_base(quantity: str, price: str) -> Size:
    """What so much of the base asset is at a price; an empty or zero price says nothing.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    return Size(quantity, product(quantity, price) if price.strip("-0.") else UNSET)
