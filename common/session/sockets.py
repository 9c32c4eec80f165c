"""The private sockets of one process: who joins is put on one that has room, or on a new one.

Accounts of one address share sockets as far as the exchange lets them. Each socket lives once; what
follows its end is decided by each of its accounts, which then join anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from loguru import logger

from common.exchanges.listings import Listings
from common.exchanges.private import Credentials, Transport
from common.exchanges.protocol import Exchange, Unreadable
from common.model.streams import Market
from common.session.line import Line
from common.session.private import PrivateConnection
from common.session.venue import Venue
from common.session.ways import Ways

STOP_S = 10.0


class Sockets:
    """All private sockets of this process.

    Args:
        ways: how places are reached, by what is spoken there.
        listings: the instruments of all markets.
        now_ms: gives an exchange's time.
    """

    def __init__(
        self,
        ways: Mapping[Transport, Ways],
        listings: Listings,
        now_ms: Callable[[Exchange, Market], int],
    ) -> None:
        self._ways = ways
        self._listings = listings
        self._now_ms = now_ms
        self._open: defaultdict[tuple[str, str], list[PrivateConnection]] = defaultdict(list)
        self._tasks: dict[PrivateConnection, asyncio.Task[None]] = {}
        self._homes: dict[Line, PrivateConnection] = {}
        # Counters since the start: dials, ends by cause, frames that could not be read by kind.
        self.counts: Counter[str] = Counter()

    def join(self, venue: Venue, url: str, name: str, credentials: Credentials) -> Line:
        """Have an account streamed from that address; what comes of it is said on its line."""
        line = Line(name)
        key = (venue.name, url)
        connection = next((one for one in self._open[key] if one.has_room), None)
        if connection is None:
            connection = self._begin(venue, url, key)
        connection.join(line, credentials)
        self._homes[line] = connection
        return line

    def leave(self, line: Line) -> None:
        """Nobody listens any more."""
        connection = self._homes.pop(line, None)
        if connection is not None:
            connection.leave(line)

    def accounts(self, venue: Venue) -> int:
        """How many accounts of a place there are on all sockets."""
        sockets = [some for (name, _), some in self._open.items() if name == venue.name]
        return sum(one.accounts for some in sockets for one in some)

    @property
    def size(self) -> int:
        """How many sockets there are, those that are being dialled included."""
        return len(self._tasks)

    async def close(self) -> None:
        """End all of them."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=STOP_S)

    # --- one socket ---------------------------------------------------------------------------

    def _begin(self, venue: Venue, url: str, key: tuple[str, str]) -> PrivateConnection:
        exchange, market, private = venue.exchange, venue.market, venue.private
        way = self._ways[private.transport](venue, url)
        connection = PrivateConnection(
            private.markets[market],
            private.converse(market, url),
            private.ping,
            way.address,
            way.dial,
            lambda: self._listings.strict(exchange.name, market),
            lambda symbol: self._listings.learn(exchange.name, market, symbol),
            lambda: self._now_ms(exchange, market),
            way.turn,
            lambda problem: self._unreadable(venue, problem),
        )
        self._open[key].append(connection)
        self.counts["dials"] += 1
        name = f"socket {venue.name} accounts"
        task = asyncio.create_task(self._live(connection, venue, key), name=name)
        self._tasks[connection] = task
        return connection

    async def _live(
        self, connection: PrivateConnection, venue: Venue, key: tuple[str, str]
    ) -> None:
        try:
            outcome = await connection.run()
        finally:
            self._open[key].remove(connection)
            if not self._open[key]:
                del self._open[key]
            del self._tasks[connection]
            for line in [line for line, home in self._homes.items() if home is connection]:
                del self._homes[line]
        self.counts[f"ended_{outcome.cause}"] += 1
        if outcome.cause != "asked":
            log = logger.bind(place=venue.name, cause=outcome.cause, reason=outcome.reason)
            log.bind(detail=outcome.detail).warning("private connection ended")

    def _unreadable(self, venue: Venue, problem: Unreadable) -> None:
        self.counts[f"unreadable_{problem.kind}"] += 1
        # The detail may name fields, never values: what a private frame holds is nobody's business.
        logger.bind(place=venue.name, kind=problem.kind).error("private frame not understood")
