"""The private sockets of one process: who joins is put on one that has room, or on a new one.

Accounts of one address share sockets as far as the exchange lets them. Each socket lives once; what
follows its end is decided by each of its accounts, which then join anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable

from loguru import logger
from msgspec import Struct

from common.exchanges.private import Credentials, Private
from common.exchanges.protocol import Exchange, Unreadable
from common.exchanges.spending import Spending
from common.model.instruments import Catalog
from common.model.streams import Market
from common.session.address import Addresses
from common.session.line import Line
from common.session.outcome import Outcome
from common.session.private import PrivateConnection
from common.session.transport import Dial

STOP_S = 10.0


class Venue(Struct, frozen=True):
    """Where accounts are alike: one market of one exchange, with its private side."""

    exchange: Exchange
    private: Private
    market: Market

    @property
    def name(self) -> str:
        """``binance:spot``."""
        return f"{self.exchange.name}:{self.market}"


class Sockets:
    """All private sockets of this process.

    Args:
        addresses, dial: the way to the exchanges.
        spending: the budgets of the address.
        catalog: gives a market's instruments as they are known now.
        now_ms: gives an exchange's time.
    """

    def __init__(
        self,
        addresses: Addresses,
        dial: Dial,
        spending: Spending,
        catalog: Callable[[str, Market], Catalog],
        now_ms: Callable[[Exchange, Market], int],
    ) -> None:
        self._addresses = addresses
        self._dial = dial
        self._spending = spending
        self._catalog = catalog
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
        rules = private.markets[market]
        what = f"{venue.name} accounts"

        async def turn() -> Outcome | None:
            pause = await self._spending.spend(exchange, rules.join_cost, f"join {what}")
            if pause is None:
                return None
            return Outcome("refused", "rate", pause.detail, 0.0, pause.wait_s)

        connection = PrivateConnection(
            rules,
            private.converse(market, url),
            private.ping,
            self._addresses.at(exchange, url, rules.dial_cost, what),
            self._addresses.dialling(exchange, self._dial),
            lambda: self._catalog(exchange.name, market),
            lambda: self._now_ms(exchange, market),
            turn,
            lambda problem: self._unreadable(venue, problem),
        )
        self._open[key].append(connection)
        self.counts["dials"] += 1
        task = asyncio.create_task(self._live(connection, venue, key), name=f"socket {what}")
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
