"""Decimal strings as numbers, exactly: what an exchange writes is added and multiplied, never rounded."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

# Sums and products of what an exchange writes are exact in this; what would not be is no number of
# an exchange, and raises ``ArithmeticError``.
EXACT = Context(prec=60, Emax=60, Emin=-60, traps=[InvalidOperation, Overflow, Inexact])

ROUNDED = Context(prec=60, Emax=60, Emin=-60, traps=[InvalidOperation, Overflow])


def plain(number: Decimal) -> str:
    """As digits, without an exponent."""
    return f"{number:f}"


def number(text: str) -> Decimal:
    """As something that can be compared.

    Raises:
        ArithmeticError: it is no number, or has more digits than any exchange writes.
    """
    return EXACT.create_decimal(text)


def shortest(text: str) -> str:
    """The same number always written the same: without an exponent or zeros at its end.

    Raises:
        ArithmeticError: as ``number``.
    """
    written = plain(number(text))
    return written.rstrip("0").rstrip(".") if "." in written else written


def product(*factors: str) -> str:
    """Their exact product.

    Raises:
        ArithmeticError: one of them is no number, or has more digits than any exchange writes.
    """
    result = Decimal(1)
    for factor in factors:
        result = EXACT.multiply(result, EXACT.create_decimal(factor))
    return plain(result)


def quotient(number: str, divisor: str, decimals: int = 8) -> str:
    """Their quotient, rounded half to even: the one thing here that is not exact.

    Raises:
        ArithmeticError: one of them is no number, or the divisor is zero.
    """
    if not (divisor_ := EXACT.create_decimal(divisor)):
        raise InvalidOperation(f"{number} / 0")
    exact = ROUNDED.divide(EXACT.create_decimal(number), divisor_)
    return plain(exact.quantize(Decimal(1).scaleb(-decimals), context=ROUNDED))


def digits(number: str) -> str:
    """As JSON writes a number: none of the digits lost, no exponent.

    Raises:
        ArithmeticError: it is no number, or has more digits than any exchange writes.
    """
    exact = EXACT.create_decimal(number)
    if not exact.is_finite():
        raise InvalidOperation(f"{number} is no number")
    return plain(exact)


def absolute(number: str) -> str:
    """Without its sign."""
    return number.removeprefix("-")


def negated(number: str) -> str:
    """With the other sign; zero has none."""
    if not number.strip("-0."):
        return absolute(number)
    return number[1:] if number.startswith("-") else f"-{number}"


def total(terms: Iterable[str]) -> str:
    """Their exact sum, with as many decimals as the longest of them.

    Raises:
        ArithmeticError: one of them is no number, or has more digits than any exchange writes.
    """
    result = Decimal(0)
    for term in terms:
        result = EXACT.add(result, EXACT.create_decimal(term))
    return plain(result)


def same(one: str, other: str) -> bool:
    """Whether they are the same number, however it is written."""
    return one == other or EXACT.create_decimal(one) == EXACT.create_decimal(other)
