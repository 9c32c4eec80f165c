"""One shard while this worker owns it: its session, its feed, and what they say about themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from loguru import logger

from common.clocks import MarketClock
from common.exchanges.place import Place
from common.fleet.leases import Lease
from common.model.instruments import Catalog
from common.model.streams import Shard, Stream
from common.recovery.reading import CandleReader
from common.session.address import Address
from common.session.runner import Session
from common.session.transport import Dial
from workers.feed import Feed
from workers.outlets import Outlet
from workers.reading import Reading, Sink

# A session ends within this time of being told to: it closes its sockets with limits of its own.
STOP_S = 10.0


class OwnedShard:
    """A shard that runs here.

    Args:
        shard: which.
        lease: by what right.
        outlet: where its events go.
        address, dial: how the exchange is reached.
        reader: candles by REST.
        clock: market time.
        catalog: gives the market's instruments as they are known now.
    """

    def __init__(
        self,
        shard: Shard,
        lease: Lease,
        outlet: Outlet,
        *,
        address: Address,
        dial: Dial,
        reader: CandleReader,
        clock: MarketClock,
        catalog: Callable[[], Catalog],
    ) -> None:
        self.shard = shard
        self.lease = lease
        place = Place(shard.exchange, shard.market, shard.channel)
        self.feed = Feed(shard, lease.epoch, place, outlet, clock)
        sink = Sink(
            self.feed.tick,
            self.feed.candle_lanes,
            self.feed.fetched,
            self.feed.lost,
            self.feed.compared,
        )
        rules = place.protocol.markets[place.market].rest
        self._reading = Reading(rules, sink, reader, clock)
        self.session = Session(shard.key, place, address, dial, catalog, self.feed)
        self._streams: frozenset[Stream] = frozenset()
        self._task: asyncio.Task[None] | None = None

    def want(self, streams: Iterable[Stream]) -> None:
        """Make this the wanted set of streams; nothing is redialled for it."""
        wanted = frozenset(streams)
        if wanted != self._streams:
            self._streams = wanted
            self.session.want(self.feed.want(sorted(wanted)))

    def start(self) -> None:
        """Begin to stream."""
        self._task = asyncio.create_task(self._run(), name=f"shard {self.shard.key}")

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.session.run())
            if self.shard.channel == "candle":
                group.create_task(self._reading.run())

    def holds(self, lease: Lease) -> None:
        """The lease was renewed, perhaps under a new epoch."""
        self.lease = lease
        self.feed.epoch = lease.epoch

    def crash(self) -> BaseException | None:
        """What ended the session by itself, which is a defect; None while it runs."""
        task = self._task
        if task is None or not task.done() or task.cancelled():
            return None
        return task.exception() or RuntimeError("the session returned")

    async def stop(self) -> None:
        """Close the connection; nothing of this shard is published afterwards."""
        if self._task is None:
            return
        self._task.cancel()
        _, pending = await asyncio.wait({self._task}, timeout=STOP_S)
        if pending:
            logger.bind(shard=self.shard.key).error("session did not end in time")
        self._task = None
