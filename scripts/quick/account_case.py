"""One market of one account, as it is judged: what was told, what was true, in which sizes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from scripts.quick.account_verdict import AccountVerdict, Body

# Exchanges tell averages to eight decimals, we those that we work out to twelve digits.
UNIT, RELATIVE = Decimal("1e-8"), Decimal("2e-11")


class Case:
    """What the judges of orders, fills and holdings share.

    Attributes:
        bodies: each message once, in the order they came first.
        orders, fills: the true ones of this market.
        sized: the field that has a size here; ``total`` the one that has an order's.
        by_value: on inverse, where contracts are not counted: what they are worth in the base asset is
            their size.
    """

    def __init__(
        self, verdict: AccountVerdict, bodies: Sequence[Body], truth: Body, market: str
    ) -> None:
        self.verdict, self.bodies, self.truth, self.market = verdict, bodies, truth, market
        self.orders = [order for order in truth["orders"] if order["market"] == market]
        self.fills = [fill for fill in truth["fills"] if fill["market"] == market]
        counted = any({"contracts", "cumulativeContracts"} & body.keys() for body in bodies)
        by_contracts = market == "inverse" and counted
        self.sized = "contracts" if by_contracts else "quantity"
        self.total = "cumulativeContracts" if by_contracts else "totalTradeQuantity"
        self.by_value = market == "inverse" and not counted

    def of(self, kind: str) -> list[Body]:
        """The messages of this ``eventType``."""
        return [body for body in self.bodies if body["eventType"] == kind]

    def size(self, fill: Body) -> Decimal:
        """A true fill's size, as sizes are told here."""
        return Decimal(fill["value" if self.by_value else "quantity"])

    def blame(self, name: str, reason: str) -> None:
        """Something is wrong."""
        place = f"{self.truth.get('exchange', '?')} {self.market}"
        self.verdict.blame(name, place, f"{self.truth['account']} {self.market}: {reason}")


def differences(
    body: Body, truth: Body, pairs: Sequence[tuple[str, str]], amounts: frozenset[str] = frozenset()
) -> list[str]:
    """The fields (here, there) that are told and are not what they are; ``amounts`` as numbers."""
    found = []
    for here, there in pairs:
        if here not in body or there not in truth:
            continue
        told, true = body[here], truth[there]
        number = here in amounts and true is not None
        if Decimal(told) != Decimal(true) if number else told != true:
            found.append(f"{here} {told}, and is {true}")
    return found
