"""What the accounts of one worker are streamed with."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping

from msgspec import Struct, field

from common.clocks import wall_ms
from common.exchanges.listings import Listings
from common.exchanges.private import Private
from common.exchanges.registry import EXCHANGES, PRIVATE
from common.fleet.account_record import AccountRecord
from common.fleet.accounts import Accounts
from common.fleet.breaker import Breaker
from common.fleet.ledgers import Ledgers
from common.fleet.vault import Vault
from common.recovery.inquiring import Clocks, Inquirer
from common.session.sockets import Sockets
from common.session.venue import Venue
from workers.mirror import Mirror

# Exchanges tell further back more slowly, and not everything.
LONGEST_LOOK_BACK_MS = 86_400_000

# Enough to keep every exchange's budget busy, and few enough that all of them fit its queue.
OPENED_AT_ONCE = 16


class Means(Struct, frozen=True):
    """Shared by all accounts here.

    Attributes:
        listings: the instruments of all markets.
        reconcile_s: how often a live account is compared with REST (machine seconds).
        speed: the exchanges' seconds in one of ours; 1 but for tests.
        mirror: tells older backends; None: there are none.
        gates: who may be opened now, by place.
        counts: what all of them have done: events sent, comparisons with REST, fills that came too late.
        paper: what is traded on paper, by the exchange whose prices are followed; empty: nothing is.
    """

    accounts: Accounts
    vault: Vault
    breaker: Breaker
    ledgers: Ledgers
    inquirer: Inquirer
    clocks: Clocks
    sockets: Sockets
    listings: Listings
    reconcile_s: float
    speed: float = 1.0
    mirror: Mirror | None = None
    paper: Mapping[str, Private] = {}
    counts: Counter[str] = field(default_factory=Counter)
    gates: defaultdict[str, asyncio.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(OPENED_AT_ONCE))
    )

    def gate(self, record: AccountRecord) -> asyncio.Semaphore:
        """Where accounts of a place are opened and compared for the first time, so many at once, in turn.

        More than that would get in each other's way: each needs several answers, one after another.
        """
        return self.gates[f"{record.exchange}:{record.market}"]

    def open_for_ms(self, record: AccountRecord) -> int:
        """For how long an account has been open, by the exchange's time, as far as it is looked back.

        So far back it is asked of what nothing is kept: at first, and when Redis has lost its data.
        """
        opened_ms = record.opened_ms
        return min(int(max(0, wall_ms() - opened_ms) * self.speed), LONGEST_LOOK_BACK_MS)

    def serves(self, record: AccountRecord) -> bool:
        """Whether it is somewhere that accounts are streamed from."""
        private = self._sides(record).get(record.exchange)
        return private is not None and record.market in private.markets

    def venue(self, record: AccountRecord) -> Venue:
        """Where an account is.

        Raises:
            KeyError: nowhere that accounts are streamed from.
        """
        private = self._sides(record)[record.exchange]
        return Venue(EXCHANGES[record.exchange], private, record.market)

    def _sides(self, record: AccountRecord) -> Mapping[str, Private]:
        return self.paper if record.paper else PRIVATE
