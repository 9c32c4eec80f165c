"""Into how many shards each channel of each market is divided: agreed upon, and only ever raised.

A count that fell and rose with every listing would move streams to and fro; one that is a little
too high costs a connection. Raising is a maximum in Redis, so whoever asks last reads the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from redis.asyncio import Redis

from common.exchanges.place import Place
from common.fleet.client import Argument, Lua, answered, text
from common.fleet.keys import Keys

# KEYS: counts   ARGV: (place, count)...
_AGREE = """
local agreed = {}
for i = 1, #ARGV, 2 do
  local count = math.max(tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0), tonumber(ARGV[i + 1]))
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', count))
  agreed[#agreed + 1] = count
end
return agreed
"""


class Buckets:
    """The agreed counts."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._agree = Lua(redis, _AGREE)

    async def agree(self, place: Place, needed: int) -> int:
        """The count all workers use from now on: ``needed``, or more if it once was more.

        Raises:
            RedisAway: nothing is known.
        """
        return (await self.agree_all({place: needed}))[place]

    async def agree_all(self, needed: Mapping[Place, int]) -> Mapping[Place, int]:
        """The same for many places, in one call.

        Raises:
            RedisAway: nothing is known.
        """
        if not needed:
            return {}
        arguments: list[Argument] = []
        for place, count in needed.items():
            arguments += (place.key, count)
        counts = await self._agree([self._keys.buckets], arguments)
        return dict(zip(needed, map(int, counts), strict=True))

    async def agreed(self) -> Mapping[str, int]:
        """All counts by ``Place.key``, without raising any.

        Raises:
            RedisAway: nothing is known.
        """
        async with answered():
            counts = await self._redis.hgetall(self._keys.buckets)
        return {text(place): int(count) for place, count in counts.items()}
