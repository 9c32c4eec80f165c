"""What Bybit pushes of an account: which topics tell a fact, and their rows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from simulator.accounts.model import ZERO, Fact, Order, Position
from simulator.exchanges.bybit.accounts.ledger import Ledger
from simulator.exchanges.bybit.accounts.rows import (
    Row,
    closing,
    coin_row,
    entry,
    execution_row,
    order_row,
    position_row,
)

# All-in-one topics; ``order.linear`` and the like are the same for one market. The wallet is one.
KINDS = ("order", "execution", "position", "wallet")


class Event(NamedTuple):
    """Rows of one topic."""

    kind: str
    rows: list[Row]

    def text(self, fact: Fact, now_ms: int) -> str:
        """The push."""
        push = {
            "topic": self.kind,
            "id": f"{fact.time_ms}_{fact.number}_{self.kind}",
            "creationTime": now_ms,
            "data": self.rows,
        }
        return msgspec.json.encode(push).decode()


def events(fact: Fact, ledger: Ledger, now_ms: int) -> Sequence[Event]:
    """All that tells a fact, given how the account stood after it."""
    told = [] if fact.order is None else _of_order(fact, fact.order, ledger)
    if fact.order is not None and fact.order.market != "spot":
        position = ledger.position(fact.order.listing, fact.order.position_side)
        row = position_row(position, ledger, _mark(fact, position), now_ms)
        row |= {"category": fact.market, "entryPrice": entry(position)}
        told.append(Event("position", [row]))
    if fact.balances:
        coins = [coin_row(balance, ledger.held(balance.asset)) for balance in fact.balances]
        told.append(Event("wallet", [{"accountType": "UNIFIED", "coin": coins}]))
    return told


def _of_order(fact: Fact, order: Order, ledger: Ledger) -> list[Event]:
    """How the order stands, and its trade. Neither topic waits for the other: they take turns."""
    told = [Event("order", [{"category": fact.market, **order_row(order, ledger)}])]
    if fact.fill is not None:
        row = {"category": fact.market, **execution_row(fact.fill, order)}
        position = fact.positions[0] if fact.positions else None
        told.append(Event("execution", [row | closing(fact.fill, position)]))
    return told[::-1] if fact.number % 2 else told


def _mark(fact: Fact, position: Position) -> Decimal:
    return position.entry_price or ZERO if fact.fill is None else fact.fill.price
