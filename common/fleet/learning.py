"""Instrument lists that are renewed out of turn, for an instrument that is traded and not listed yet."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import partial

from loguru import logger

from common.clocks import machine_s
from common.exchanges.listings import Strict
from common.fleet.client import RedisAway, jittered
from common.fleet.directory import MAX_AGE_S, Directory, MarketPlace
from common.model.instruments import Catalog
from common.model.streams import Market

# For so long whoever reads is stopped, at most. A socket that is not read meanwhile may be given up: what
# it has told is then asked for.
LEARN_S = 60.0
AGAIN_S = 0.5
# What was in no list is looked for again after so long, as often as lists are renewed by themselves; what
# could not be looked for, sooner.
UNLISTED_S = MAX_AGE_S
UNKNOWN_S = 30.0


class Learning:
    """``Listings`` of one process.

    Args:
        directory: the lists.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        # What is not listed, and until when that is believed: as many as accounts trade in that time.
        self._unlisted: defaultdict[MarketPlace, dict[str, float]] = defaultdict(dict)
        self._locks: defaultdict[MarketPlace, asyncio.Lock] = defaultdict(asyncio.Lock)

    def known(self, exchange: str, market: Market) -> Catalog:
        """See ``Listings``."""
        return self._directory.known(exchange, market) or {}

    def strict(self, exchange: str, market: Market) -> Catalog:
        """See ``Listings``."""
        is_unlisted = partial(self._is_unlisted, (exchange, market))
        return Strict(self.known(exchange, market), is_unlisted)

    async def _is_renewed(self, place: MarketPlace, before: int) -> bool:
        """Whether there is a newer list than that; fetched by us, if nobody else does."""
        if self._directory.version(*place) == before:
            try:
                await self._directory.refresh(*place, beyond=before)
                await self._directory.catalog(*place)
            except RedisAway as away:
                logger.bind(error=str(away)).debug("an instrument list is not renewed yet")
        return self._directory.version(*place) != before

    def _is_unlisted(self, place: MarketPlace, symbol: str) -> bool:
        return self._unlisted[place].get(symbol, 0.0) > machine_s()

    async def learn(self, exchange: str, market: Market, symbol: str) -> None:
        """See ``Listings``. Those who ask at the same time are served by one fetch."""
        place = (exchange, market)
        asked_of, believed_s = self._directory.version(*place), UNLISTED_S
        try:
            async with asyncio.timeout(LEARN_S), self._locks[place]:
                while not await self._is_renewed(place, asked_of):  # noqa: ASYNC110 - asked, not told
                    await asyncio.sleep(jittered(AGAIN_S))
        except TimeoutError:
            log = logger.bind(exchange=exchange, market=market)
            log.warning("an instrument list could not be renewed out of turn")
            believed_s = UNKNOWN_S
        unlisted = self._unlisted[place]
        for outdated in [one for one in unlisted if not self._is_unlisted(place, one)]:
            del unlisted[outdated]
        if symbol not in self.known(*place):
            unlisted[symbol] = machine_s() + believed_s
