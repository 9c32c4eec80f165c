"""Integers as the decimal strings that exchanges print."""

from __future__ import annotations


def decimal_text(number: int, decimals: int) -> str:
    """``number / 10**decimals``, exactly, with that many decimals: ``(6411767, 2) → 64117.67``."""
    sign, number = ("-", -number) if number < 0 else ("", number)
    if decimals == 0:
        return f"{sign}{number}"
    whole, rest = divmod(number, 10**decimals)
    return f"{sign}{whole}.{rest:0{decimals}d}"


def ratio(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` towards zero; 0 for nothing by nothing."""
    if denominator == 0:
        return 0
    sign = -1 if numerator < 0 else 1
    return sign * (abs(numerator) // denominator)
