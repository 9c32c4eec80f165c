"""What should be streamed beyond the settings: who wants it, and until when.

A want is durable: it outlives whoever asked, every worker, and (as long as one worker that read
it lives) even Redis' data. Workers poll, which costs one small call while nothing changes; no
notice can be missed because there is none. Times are the wall's, not the market's: a want ends
when a person thinks it does, however fast the market clock runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from loguru import logger
from msgspec import Struct
from redis.asyncio import Redis

from common.clocks import wall_ms
from common.fleet.client import CLOCK_LUA, Argument, Lua, text
from common.fleet.keys import Keys
from common.model.streams import Pattern, parse_pattern

# A backend that asks for every symbol and interval of a large exchange one by one stays below it.
MAX_WANTS = 100_000
LONGEST_NAME = 200

_CHANGED_LUA = (
    CLOCK_LUA
    + """
local function changed(key)
  redis.call('SET', key, digits(above(redis.call('GET', key) or 0)))
end
local function ended(want, now)
  local until_ms = tonumber(string.match(want, '^%d+') or 0)
  return until_ms > 0 and until_ms <= now
end
"""
)

# KEYS: wants, version   ARGV: field, until in ms (0: for good), now in ms, most wants
_ADD = (
    _CHANGED_LUA
    + """
local old = redis.call('HGET', KEYS[1], ARGV[1])
local is_new = not old or ended(old, tonumber(ARGV[3]))
if not old and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return -1
end
local since = not is_new and string.match(old, '%d+$') or ARGV[3]
local want = ARGV[2] .. ' ' .. since
if want ~= old then
  redis.call('HSET', KEYS[1], ARGV[1], want)
  changed(KEYS[2])
end
return is_new and 1 or 0
"""
)

# KEYS: wants, version   ARGV: field
_REMOVE = (
    _CHANGED_LUA
    + """
local removed = redis.call('HDEL', KEYS[1], ARGV[1])
if removed > 0 then
  changed(KEYS[2])
end
return removed
"""
)

# KEYS: wants, version   ARGV: version known   Answers the version and, if it is another, all wants.
_READ = """
local version = redis.call('GET', KEYS[2]) or '0'
if version == ARGV[1] then
  return {version}
end
return {version, redis.call('HGETALL', KEYS[1])}
"""

# KEYS: wants, version   ARGV: now in ms, field...
_PRUNE = (
    _CHANGED_LUA
    + """
local pruned = 0
for i = 2, #ARGV do
  local want = redis.call('HGET', KEYS[1], ARGV[i])
  if want and ended(want, tonumber(ARGV[1])) then
    pruned = pruned + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
if pruned > 0 then
  changed(KEYS[2])
end
return pruned
"""
)

# KEYS: wants, version   ARGV: (field, want)...   Never overwrites what is there.
_RESTORE = (
    _CHANGED_LUA
    + """
local restored = 0
for i = 1, #ARGV, 2 do
  restored = restored + redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
end
changed(KEYS[2])
return restored
"""
)


class TooManyWants(Exception):  # noqa: N818 - it says what there is
    """The limit of wants is reached; one has to end before another is taken."""


class Want(Struct, frozen=True, order=True):
    """One pattern wanted by one party. ``until_ms`` None: until it is removed."""

    pattern: Pattern
    wanted_by: str
    since_ms: int
    until_ms: int | None = None

    def ended(self, now_ms: int) -> bool:
        """Whether its time is over."""
        return self.until_ms is not None and self.until_ms <= now_ms


class Desired:
    """The wants of all parties, as one worker reads and changes them."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        now_ms: Callable[[], int] = wall_ms,
        most: int = MAX_WANTS,
    ) -> None:
        self._keys = [keys.desired, keys.desired_version]
        self._now_ms = now_ms
        self._most = most
        self._add = Lua(redis, _ADD)
        self._remove = Lua(redis, _REMOVE)
        self._read = Lua(redis, _READ)
        self._prune = Lua(redis, _PRUNE)
        self._restore = Lua(redis, _RESTORE)
        self._version = 0
        self._wants: Mapping[str, Want] = {}

    @property
    def version(self) -> int:
        """Of what was read last. It only ever rises."""
        return self._version

    async def add(self, pattern: Pattern, wanted_by: str, until_ms: int | None = None) -> bool:
        """Want it; whether this party did not want it before. Its end is replaced otherwise.

        Raises:
            TooManyWants: the limit is reached; nothing was changed.
            RedisAway: it may have been noted or not; adding again is safe.
            ValueError: the pattern has a blank in it, or the name is empty or too long.
        """
        field = _field(pattern, wanted_by)
        answer = await self._add(self._keys, [field, until_ms or 0, self._now_ms(), self._most])
        if answer < 0:
            raise TooManyWants(f"{self._most} streams and patterns are wanted already")
        return bool(answer)

    async def remove(self, pattern: Pattern, wanted_by: str) -> bool:
        """Want it no more; whether this party did. What others want stays.

        Raises:
            RedisAway: it may have been removed or not; removing again is safe.
        """
        return bool(await self._remove(self._keys, [_field(pattern, wanted_by)]))

    async def all(self) -> list[Want]:
        """What is wanted now, in order.

        Raises:
            RedisAway: nothing is known.
        """
        answer = await self._read(self._keys, [str(self._version)])
        version = int(answer[0])
        if version < self._version:
            # A version only rises: Redis has lost data. What we know of it is put back.
            await self._put_back()
            answer = await self._read(self._keys, ["0"])
            version = int(answer[0])
        if len(answer) > 1:
            self._version, self._wants = version, _read_wants(answer[1])
        now_ms = self._now_ms()
        ended = [field for field, want in self._wants.items() if want.ended(now_ms)]
        if ended:
            await self._prune(self._keys, [now_ms, *ended])
        return sorted(want for want in self._wants.values() if not want.ended(now_ms))

    async def _put_back(self) -> None:
        now_ms = self._now_ms()
        arguments: list[Argument] = []
        for field, want in self._wants.items():
            if not want.ended(now_ms):
                arguments += (field, f"{want.until_ms or 0} {want.since_ms}")
        restored = await self._restore(self._keys, arguments)
        logger.bind(known=len(self._wants), restored=restored).warning(
            "redis lost what is wanted; put back"
        )


def check_want(pattern: Pattern, wanted_by: str) -> None:
    """See that a party's want can be kept.

    Raises:
        ValueError: it cannot; says why.
    """
    if re.search(r"\s", pattern.key):
        raise ValueError(f"pattern {pattern.key!r} has a blank in it")
    if not 0 < len(wanted_by) <= LONGEST_NAME:
        raise ValueError(f"wanted_by has {len(wanted_by)} characters, not 1 to {LONGEST_NAME}")


def _field(pattern: Pattern, wanted_by: str) -> str:
    """The pattern first, so that a listing in redis-cli reads well; it ends at the first blank."""
    check_want(pattern, wanted_by)
    return f"{pattern.key} {wanted_by}"


def _read_wants(flat: Sequence[bytes]) -> Mapping[str, Want]:
    """Unreadable ones (another version's, or somebody's by hand) are told and left alone."""
    wants = {}
    for name, value in zip(map(text, flat[::2]), map(text, flat[1::2]), strict=True):
        try:
            wants[name] = _read_want(name, value)
        except ValueError as error:
            logger.bind(field=name, value=value, error=str(error)).error("want unreadable")
    return wants


def _read_want(name: str, value: str) -> Want:
    pattern, _, wanted_by = name.partition(" ")
    until, _, since = value.partition(" ")
    return Want(parse_pattern(pattern), wanted_by, int(since), int(until) or None)
