"""What is held, as it stands: whether there is any of it, and whether that is another than before. Pure."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from common.exchanges.told import Position
from common.model.account import Balance
from common.model.decimals import same

# What a position has to differ in for a snapshot to say it: the rest moves with every price.
STANDS = ("quantity", "contracts", "entry_price", "leverage", "margin_type")
AMOUNTS = ("free", "locked", "total")


def _is_zero(amount: str | UnsetType) -> bool:
    return amount is UNSET or not amount.strip("-0.")


def is_none(balance: Balance) -> bool:
    """Whether there is nothing of an asset."""
    return all(_is_zero(getattr(balance, name)) for name in AMOUNTS)


def is_open(position: Position) -> bool:
    """Whether there is a position."""
    return not (_is_zero(position.quantity) and _is_zero(position.contracts))


def differs(kept: Struct, told: Struct, names: tuple[str, ...]) -> bool:
    """Whether one of these is told, and is not what it was."""
    pairs = ((getattr(kept, name), getattr(told, name)) for name in names)
    return any(after is not UNSET and not _agree(before, after) for before, after in pairs)


def _agree(one: str | UnsetType, other: str) -> bool:
    """Whether they are the same, as numbers where they are numbers."""
    if one is UNSET or one == other:
        return one == other
    return _is_number(one) and _is_number(other) and same(one, other)


def _is_number(text: str) -> bool:
    return not text.strip("-0123456789.")
