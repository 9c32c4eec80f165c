"""What the judges of accounts count, by place, and what they say of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct, field

Body = Mapping[str, Any]

TERMINAL = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})
# What is counted and is nothing wrong.
NO_FAULTS = frozenset({
    "accounts", "orders", "fills", "orders_by_symbol", "orders_unheard", "repeated", "told_less",
    "reasons", "accounts_by_place",
})  # fmt: skip
MOST_REASONS = 5_000


class Told(NamedTuple):
    """One message of an account: when it came, by the wall, and what its owner's epoch was."""

    message_id: str
    body: Body
    arrived_ms: int = 0
    epoch: int = 0


class AccountVerdict(Struct, rename="camel"):
    """The counts over all accounts; what each means: ``scripts.quick.account_judge``.

    The last few are a chaos run's alone (``scripts.chaos.account_words``). ``accounts_by_place`` has the
    counts of what is wrong by exchange and market.
    """

    accounts: int = 0
    orders: int = 0
    fills: int = 0
    fills_missing: int = 0
    fills_wrong: int = 0
    orders_missing: int = 0
    orders_by_symbol: int = 0
    orders_unheard: int = 0
    orders_not_terminal: int = 0
    orders_wrong: int = 0
    paths_wrong: int = 0
    ends_wrong: int = 0
    terminal_twice: int = 0
    cumulative_fell: int = 0
    averages_wrong: int = 0
    balances_wrong: int = 0
    positions_wrong: int = 0
    misaddressed: int = 0
    repeated: int = 0
    told_otherwise: int = 0
    told_less: int = 0
    repeated_unexplained: int = 0
    accounts_unsaid: int = 0
    not_parked: int = 0
    parked_for_nothing: int = 0
    asked_while_parked: int = 0
    accounts_by_place: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    reasons: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is lost, doubled or wrong."""
        return not any(
            getattr(self, name) for name in self.__struct_fields__ if name not in NO_FAULTS
        )

    def blame(self, name: str, place: str, reason: str) -> None:
        """Count something that is wrong at a place, and say what."""
        setattr(self, name, getattr(self, name) + 1)
        told = self.__struct_encode_fields__[self.__struct_fields__.index(name)]
        self.accounts_by_place[told][place] += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(f"{name}: {reason}")
