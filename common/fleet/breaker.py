"""The breaker: credentials that an exchange refuses are left alone, longer each time.

A key that was revoked, tried again every minute, is refused for days and may have the address banned. It
is kept by the fingerprint of the credentials, for each market: new ones are tried at once, and a key that
may not do one thing may do another. Only a genuine event of the account closes it.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from common.clocks import wall_ms
from common.exchanges.private import Trouble
from common.fleet.client import answered
from common.fleet.keys import Keys

FIRST_S = 1800.0
LONGEST_S = 86_400.0
# Troubles that only the account's owner can end.
TRIPS: frozenset[Trouble] = frozenset({"key", "permission", "address", "mode", "config"})


class Tripped(Struct, frozen=True):
    """Refused credentials. ``until_ms``: by the wall, when they may be tried again."""

    trouble: Trouble
    detail: str
    times: int
    until_ms: int

    @property
    def wait_s(self) -> float:
        """For how long they are still left alone."""
        return max(0.0, (self.until_ms - wall_ms()) / 1000)


_decoder = msgspec.json.Decoder(Tripped)


def pause_s(times: int) -> float:
    """After so many refusals in a row: half an hour, doubled up to a day."""
    return min(FIRST_S * 2.0 ** min(times - 1, 10), LONGEST_S)


class Breaker:
    """What is known of refused credentials, by all workers."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def look(self, fingerprint: str) -> Tripped | None:
        """Whether these credentials were refused, and since when nothing has come of them.

        Raises:
            RedisAway: nothing is known.
        """
        async with answered():
            body = await self._redis.get(self._keys.breaker(fingerprint))
        try:
            return None if body is None else _decoder.decode(body)
        except msgspec.DecodeError:
            return None  # written by nobody of ours

    async def trip(self, fingerprint: str, trouble: Trouble, detail: str) -> Tripped:
        """They were refused (again). Refused more than once before they are tried again is refused once.

        Raises:
            RedisAway: the others do not know; who was refused does.
        """
        before = await self.look(fingerprint)
        if before is not None and before.wait_s:
            return before
        times = 1 if before is None else before.times + 1
        tripped = Tripped(trouble, detail[:200], times, wall_ms() + round(pause_s(times) * 1000))
        # Twice the pause: refused again right after it, the next one is longer still.
        kept_s = round(2 * pause_s(times) + FIRST_S)
        async with answered():
            await self._redis.set(
                self._keys.breaker(fingerprint), msgspec.json.encode(tripped), ex=kept_s
            )
        return tripped

    async def close(self, fingerprint: str) -> None:
        """Something came of them.

        Raises:
            RedisAway: it stays open, until something comes the next time.
        """
        async with answered():
            await self._redis.delete(self._keys.breaker(fingerprint))
