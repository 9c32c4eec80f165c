"""The ways to where accounts are: an exchange's door, within its budgets, or a service beside us."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from common.exchanges.spending import Spending
from common.session.address import Address, Addresses
from common.session.outcome import Outcome
from common.session.private import Turn
from common.session.transport import Dial
from common.session.venue import Venue


class Way(NamedTuple):
    """How one connection comes about, and what each account on it waits for."""

    address: Address
    dial: Dial
    turn: Turn


# The way to an address of a venue's.
Ways = Callable[[Venue, str], Way]


def to_exchanges(addresses: Addresses, dial: Dial, spending: Spending) -> Ways:
    """By the gateway where there is one; what a connection and an account cost is spent first."""

    def find(venue: Venue, url: str) -> Way:
        exchange, what = venue.exchange, f"{venue.name} accounts"
        rules = venue.private.markets[venue.market]

        async def turn() -> Outcome | None:
            pause = await spending.spend(exchange, rules.join_cost, f"join {what}")
            if pause is None:
                return None
            return Outcome("refused", "rate", pause.detail, 0.0, pause.wait_s)

        address = addresses.at(exchange, url, rules.dial_cost, what)
        return Way(address, addresses.dialling(exchange, dial), turn)

    return find


def beside_us(dial: Dial) -> Ways:
    """As it is: there is nothing to spend, and no exchange whose refusals concern others."""

    async def turn() -> None:
        return None

    def find(_: Venue, url: str) -> Way:
        async def address() -> str:
            return url

        return Way(address, dial, turn)

    return find
