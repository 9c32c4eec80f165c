"""What the accounts of one worker are streamed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from common.exchanges.private import Private
from common.exchanges.registry import EXCHANGES, PRIVATE
from common.fleet.accounts import AccountRecord
from common.fleet.breaker import Breaker
from common.fleet.ledgers import Ledgers
from common.fleet.vault import Vault
from common.model.instruments import Catalog
from common.model.streams import Market
from common.recovery.inquiring import Clocks, Inquirer
from common.session.sockets import Sockets
from common.session.venue import Venue
from workers.mirror import Mirror


class Means(Struct, frozen=True):
    """Shared by all accounts here.

    Attributes:
        catalog: gives a market's instruments as they are known now.
        reconcile_s: how often a live account is compared with REST (machine seconds).
        look_back_ms: how far back an account is asked of which nothing is kept (exchange's time).
        mirror: tells older backends; None: there are none.
        paper: what is traded on paper, by the exchange whose prices are followed; empty: nothing is.
    """

    vault: Vault
    breaker: Breaker
    ledgers: Ledgers
    inquirer: Inquirer
    clocks: Clocks
    sockets: Sockets
    catalog: Callable[[str, Market], Catalog]
    reconcile_s: float
    look_back_ms: int
    mirror: Mirror | None = None
    paper: Mapping[str, Private] = {}

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
