"""The instrument lists, fetched once for the whole fleet and shared through Redis.

- Reading costs one small GET a tick; the list itself is read when its version is another.
- A list that is missing or older than ``max_age_s`` is fetched by the one worker that takes a
  short lock. Fetching has tasks of its own (``keep_fresh``): a slow exchange delays no tick.
- The lock of a fetch stands as long as somebody renews it: a worker that dies while it fetches
  holds nobody up for long.
- What Redis has lost is put back by whoever knows it: a worker that has just started knows none.
- When a fetch fails, the list there is stays in use, the failure is told (log and ``problems``),
  and the lock is left standing for a jittered, growing while: it is the backoff of the fleet.
  It stands no shorter than an exchange said to wait (``FetchFailed``): asking would prolong a ban.
- An empty list is a failure too. No exchange lists nothing, and believing it would end every
  stream of the market.

"No list yet" (None) is not "nothing listed" anywhere in here.
"""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec
from loguru import logger
from msgspec import Struct
from redis.asyncio import Redis

from common.clocks import wall_ms
from common.fleet import directory_calls
from common.fleet.client import Argument, Lua, RedisAway, answered, jittered
from common.fleet.keys import Keys
from common.model.instruments import Catalog, Instrument
from common.model.streams import Market

# Speaks to the exchange: all instruments of a market, or an exception that says why not.
Fetch = Callable[[str, Market], Awaitable[Sequence[Instrument]]]
MarketPlace = tuple[str, Market]

MAX_AGE_S = 300.0
# A fetch that takes longer has failed.
FETCH_S = 30.0
# The lock of a fetch, and how often it is renewed.
LOCK_S = 6.0
RENEW_S = 2.0
FIRST_WAIT_S = 1.0
LAST_WAIT_S = 60.0
# How often each market's list is looked at. A missing one is looked at more often.
LOOK_S = 15.0
LOOK_MISSING_S = 1.0


class FetchFailed(Exception):  # noqa: N818 - what happened, as Fetch's callers read it
    """A fetch that failed, and for how long at least nobody should try again."""

    def __init__(self, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class _Known(Struct, frozen=True):
    """The list as last read."""

    version: int
    fetched_ms: int
    catalog: Catalog


class Directory:
    """The instrument lists of all markets, as one worker reads and refreshes them."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        fetch: Fetch,
        *,
        max_age_s: float = MAX_AGE_S,
        fetch_s: float = FETCH_S,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._fetch = fetch
        self._max_age_s = max_age_s
        self._fetch_s = fetch_s
        self._store = Lua(redis, directory_calls.STORE)
        self._put_back = Lua(redis, directory_calls.PUT_BACK)
        self._hold_off = Lua(redis, directory_calls.HOLD_OFF)
        self._known: dict[MarketPlace, _Known] = {}
        self._problems: dict[MarketPlace, str] = {}
        self._failures: dict[MarketPlace, int] = {}

    @property
    def problems(self) -> Mapping[MarketPlace, str]:
        """Markets whose list could not be had or renewed by this worker, and why."""
        return dict(self._problems)

    def known(self, exchange: str, market: Market) -> Catalog | None:
        """The list as last read, without asking: what parsing is given."""
        known = self._known.get((exchange, market))
        return known.catalog if known else None

    def version(self, exchange: str, market: Market) -> int:
        """Which list was read last; 0: none yet."""
        known = self._known.get((exchange, market))
        return known.version if known else 0

    async def catalog(self, exchange: str, market: Market) -> Catalog | None:
        """The list in use; None as long as nobody could fetch one.

        Raises:
            RedisAway: ``known`` is the best there is.
        """
        return (await self.catalogs([(exchange, market)]))[exchange, market]

    async def catalogs(self, places: Iterable[MarketPlace]) -> Mapping[MarketPlace, Catalog | None]:
        """The lists of several markets, for the price of one call while nothing changes.

        Raises:
            RedisAway: ``known`` is the best there is.
        """
        wanted = list(dict.fromkeys(places))
        if not wanted:
            return {}
        async with answered():
            lines = await self._redis.mget([self._keys.instruments_version(*p) for p in wanted])
        for place, line in zip(wanted, lines, strict=True):
            known = self._known.get(place)
            if line is None:  # none yet, or lost
                await self._restore(place)
            elif known is None or known.version != _version(line):
                await self._read(place, line)
        return {place: self.known(*place) for place in wanted}

    async def refresh(self, exchange: str, market: Market, *, beyond: int | None = None) -> bool:
        """Fetch the list if it is missing or old and nobody else does; whether it was replaced.

        ``beyond``: that version is old, whenever it was fetched.

        Raises:
            RedisAway: nothing was fetched, or it could not be stored.
        """
        place = (exchange, market)
        lock, token = self._keys.instruments_lock(*place), secrets.token_hex(8)
        async with answered():
            line = await self._redis.get(self._keys.instruments_version(*place))
            if line is not None and _version(line) != beyond and not self._is_old(line):
                self._mended(place)
                return False
            if not await self._redis.set(lock, token, nx=True, px=_ms(LOCK_S)):
                return False
        try:
            instruments = await self._fetched(place, lock, token)
        except FetchFailed as failed:
            self._failed(place, str(failed))
            await self._wait(place, token, failed.retry_after_s)
            return False
        except Exception as error:  # noqa: BLE001 - whatever an exchange or the way to it does
            self._failed(place, f"{type(error).__name__}: {error}")
            await self._wait(place, token)
            return False
        return await self._share(place, token, instruments)

    async def _renew(self, lock: str, token: str) -> None:
        """Keep the lock for as long as its fetch takes."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self._hold_off([lock], [token, _ms(LOCK_S)])
            except RedisAway as away:
                logger.bind(error=str(away)).debug("lock of an instrument list not renewed")

    async def keep_fresh(self, places: Iterable[MarketPlace]) -> None:
        """Refresh these lists whenever it is time. Runs until cancelled, a task for each."""
        async with asyncio.TaskGroup() as tasks:
            for place in dict.fromkeys(places):
                tasks.create_task(self._keep_one_fresh(place))

    async def _keep_one_fresh(self, place: MarketPlace) -> None:
        while True:
            try:
                await self.refresh(*place)
                found = await self.catalog(*place) is not None
            except RedisAway as error:
                self._failed(place, str(error))
                found = False
            look_s = LOOK_S if found else LOOK_MISSING_S
            await asyncio.sleep(jittered(min(look_s, self._max_age_s)))

    async def _fetched(self, place: MarketPlace, lock: str, token: str) -> Sequence[Instrument]:
        renewing = asyncio.create_task(self._renew(lock, token), name=f"hold {lock}")
        try:
            async with asyncio.timeout(self._fetch_s):
                instruments = await self._fetch(*place)
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
        if not instruments:
            raise ValueError("the exchange lists nothing")
        return instruments

    async def _wait(self, place: MarketPlace, token: str, at_least_s: float = 0.0) -> None:
        """Leave the lock standing: nobody of the fleet asks meanwhile."""
        wait_s = jittered(min(FIRST_WAIT_S * 2 ** min(self._failures[place], 10), LAST_WAIT_S))
        lock = self._keys.instruments_lock(*place)
        await self._hold_off([lock], [token, _ms(max(wait_s, at_least_s))])

    async def _share(
        self, place: MarketPlace, token: str, instruments: Sequence[Instrument]
    ) -> bool:
        names = (
            self._keys.instruments,
            self._keys.instruments_version,
            self._keys.instruments_lock,
        )
        now_ms = wall_ms()
        arguments: list[Argument] = [token, _packed(instruments), now_ms]
        version = await self._store([name(*place) for name in names], arguments)
        if not version:  # the lock ran out first, and with it our say
            return False
        self._keep(place, version, now_ms, instruments)
        self._mended(place)
        return True

    async def _restore(self, place: MarketPlace) -> None:
        """What was lost is there again, as old as it was; until then what is known stays in use."""
        known = self._known.get(place)
        if known is None:
            return
        names = (self._keys.instruments(*place), self._keys.instruments_version(*place))
        body = _packed(list(known.catalog.values()))
        version = await self._put_back(names, [body, known.fetched_ms])
        if version:
            self._known[place] = _Known(version, known.fetched_ms, known.catalog)
            exchange, market = place
            logger.bind(exchange=exchange, market=market).warning(
                "redis has lost an instrument list, it is put back"
            )

    async def _read(self, place: MarketPlace, line: bytes | str) -> None:
        async with answered():
            body = await self._redis.get(self._keys.instruments(*place))
        if not isinstance(body, bytes):  # gone since its version was read
            return
        try:
            instruments = _decoder.decode(zlib.decompress(body))
        except (msgspec.DecodeError, zlib.error) as error:
            self._failed(place, f"list in redis unreadable: {error}")
            return
        self._keep(place, _version(line), _fetched_ms(line), instruments)

    def _keep(
        self, place: MarketPlace, version: int, fetched_ms: int, instruments: Iterable[Instrument]
    ) -> None:
        """A list that says the same stays the same object: nothing has to be planned anew."""
        catalog: Catalog = {instrument.symbol: instrument for instrument in instruments}
        known = self._known.get(place)
        if known is not None and known.catalog == catalog:
            catalog = known.catalog
        self._known[place] = _Known(version, fetched_ms, catalog)

    def _is_old(self, line: bytes | str) -> bool:
        return wall_ms() - _fetched_ms(line) > self._max_age_s * 1000

    def _failed(self, place: MarketPlace, detail: str) -> None:
        """Told when it begins and when it becomes something else, not at every attempt."""
        self._failures[place] = self._failures.get(place, -1) + 1
        if self._problems.get(place) != detail:
            self._problems[place] = detail
            exchange, market = place
            logger.bind(
                exchange=exchange,
                market=market,
                error=detail,
                in_use=place in self._known,
            ).warning("instrument list not renewed")

    def _mended(self, place: MarketPlace) -> None:
        self._failures.pop(place, None)
        if self._problems.pop(place, None) is not None:
            exchange, market = place
            logger.bind(exchange=exchange, market=market).info("instrument list renewed")


_decoder = msgspec.json.Decoder(list[Instrument])


def _packed(instruments: Sequence[Instrument]) -> bytes:
    return zlib.compress(msgspec.json.encode(instruments), level=1)


def _version(line: bytes | str) -> int:
    return int(line.split()[0])


def _fetched_ms(line: bytes | str) -> int:
    return int(line.split()[1])


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
