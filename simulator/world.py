"""Everything the parts of one simulator share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from common.clocks import MarketClock
from common.model.intervals import DAY_MS
from common.model.streams import Market as Streamed
from simulator.accounts.book import Accounts
from simulator.faults import ConnectionFault, Faults, FrameFaults
from simulator.feeds import Hub
from simulator.limits import Meters
from simulator.listing import Catalog, Listed, listings_at
from simulator.market import Market

if TYPE_CHECKING:
    from simulator.exchanges.protocol import HttpCall
    from simulator.replay import Replay

# The market opened two whole days before the day of the start: enough for any test, and cheap.
HISTORY_DAYS = 2


class Named(Protocol):
    """An exchange, or a service beside them."""

    name: str


class OfMarket(Protocol):
    """A dialect."""

    @property
    def market(self) -> Streamed | None:
        """None where it serves several."""


class Connection(Protocol):
    """A client's connection while it is open, as control sees it.

    Attributes:
        received, sent: messages so far.
        opened_s: since when, in machine time.
    """

    id: str
    call: HttpCall
    faults: FrameFaults
    opened_s: float
    received: int
    sent: int

    @property
    def exchange(self) -> Named:
        """Whose it is."""

    @property
    def dialect(self) -> OfMarket:
        """In what words it speaks."""

    @property
    def topics(self) -> Collection[str]:
        """What it is told of."""

    def hit(self, fault: ConnectionFault) -> None:
        """Let a fault happen here."""

    def end(self, code: int | None, reason: str) -> None:
        """End it; None: without a word."""


@dataclass(slots=True)
class World:
    """One simulator's state.

    Attributes:
        overrides: socket rules changed by control, by host (``*`` for all) and name.
        weight_limits: weight per minute changed by control, by pool.
        replay: recorded frames that take the place of the market, where there are.
        counts: what clients did since the start, by exchange: ``sockets`` opened, topics
            ``subscribed`` and ``unsubscribed``.
        accounts: who trades, and what they own.
        skews: how many ms an exchange's clock is ahead of the market's, by exchange.
    """

    clock: MarketClock
    market: Market
    catalog: Catalog
    hub: Hub
    faults: Faults = field(default_factory=Faults)
    meters: Meters = field(default_factory=Meters)
    connections: dict[str, Connection] = field(default_factory=dict)
    overrides: dict[str, dict[str, float]] = field(default_factory=dict)
    weight_limits: dict[str, int] = field(default_factory=dict)
    replay: Replay | None = None
    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    accounts: Accounts = field(default_factory=Accounts)
    skews: dict[str, int] = field(default_factory=dict)

    def time_of(self, exchange: str) -> int:
        """What an exchange takes for the time, in milliseconds UTC."""
        return self.clock.now_ms() + self.skews.get(exchange, 0)


def create_world(clock: MarketClock, seed: int) -> World:
    """A market that opened two days ago, at the clock's own time."""
    now_ms = clock.now_ms()
    begins_ms = (now_ms // DAY_MS - HISTORY_DAYS) * DAY_MS
    catalog = Catalog(Listed(listing, begins_ms) for listing in listings_at(now_ms))
    return World(clock=clock, market=Market(seed), catalog=catalog, hub=Hub(clock))
