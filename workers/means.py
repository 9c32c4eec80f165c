"""What the accounts of one worker are streamed with."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from common.exchanges.registry import EXCHANGES, PRIVATE
from common.fleet.accounts import AccountRecord
from common.fleet.breaker import Breaker
from common.fleet.ledgers import Ledgers
from common.fleet.vault import Vault
from common.model.instruments import Catalog
from common.model.streams import Market
from common.recovery.inquiring import Clocks, Inquirer
from common.session.sockets import Sockets, Venue
from workers.mirror import Mirror


class Means(Struct, frozen=True):
    """Shared by all accounts here.

    Attributes:
        catalog: gives a market's instruments as they are known now.
        reconcile_s: how often a live account is compared with REST (machine seconds).
        look_back_ms: how far back an account is asked of which nothing is kept (exchange's time).
        mirror: tells older backends; None: there are none.
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

    def venue(self, record: AccountRecord) -> Venue:
        """Where an account is.

        Raises:
            KeyError: nowhere that accounts are streamed from.
        """
        return Venue(EXCHANGES[record.exchange], PRIVATE[record.exchange], record.market)
