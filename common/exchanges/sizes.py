"""Sizes of orders and fills in our words: the base asset on every market, contracts beside it. Pure."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from common.model.decimals import product, quotient
from common.model.instruments import Catalog

Amount = str | UnsetType


class Size(Struct, frozen=True, gc=False):
    """One size: in the base asset, what it is worth in the quote asset, and in contracts."""

    base: Amount = UNSET
    quote: Amount = UNSET
    contracts: Amount = UNSET


def of_contracts(contracts: str, price: str, symbol: str, catalog: Catalog) -> Size:
    """What so many contracts are at a price; an empty or zero price says nothing.

    A linear contract is so much of the base asset, an inverse one so much of the quote asset. While
    the instrument is not known, only the count is.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    instrument = catalog.get(symbol)
    if instrument is None or instrument.contract_size is None:
        return Size(contracts=contracts)
    amount = product(contracts, instrument.contract_size)
    priced = bool(price.strip("-0."))
    if instrument.contract_unit == instrument.base:
        return Size(amount, product(amount, price) if priced else UNSET, contracts)
    if instrument.contract_unit != instrument.quote:
        return Size(contracts=contracts)
    return Size(quotient(amount, price) if priced else UNSET, amount, contracts)


def of_base(quantity: str, price: str) -> Size:
    """What so much of the base asset is at a price; an empty or zero price says nothing.

    Raises:
        ArithmeticError: a number that no exchange writes.
    """
    return Size(quantity, product(quantity, price) if price.strip("-0.") else UNSET)
