"""Who owns a shard: leases with epochs, each step one Lua call.

- A lease is taken and its epoch minted in the same call. The epoch of a shard only ever rises:
  one above the last, and never below Redis' clock in ms, so that it goes on rising even when
  Redis has lost its data. It is the fencing token; epochs of different shards compare by age.
- A lease belongs to one life of one worker: the owner is the worker's id and a token drawn at
  start, so that two processes under one name never share a shard.
- Owner and epoch both have to match for a renewal. A lease that ran out while nobody took it is
  taken again in the same call, under a *new* epoch, because a stranger may have seen the shard
  free. If it changed hands in between, it is lost, free or not.
- A lease in Redis with a *lower* epoch than one that a worker holds can only come from data that
  Redis lost (an old snapshot, a failed replica). The higher epoch wins and is minted anew.
- TTL = 3 x renew: one renewal may fail and the next is still in time.

When Redis is away nobody can take a lease either; the caller streams on, ``fenced`` tells until
when its lease is certain, and the first renewal that gets through tells what is lost.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from redis.asyncio import Redis

from common.clocks import machine_s
from common.fleet.client import CLOCK_LUA, Argument, Lua, answered, text
from common.fleet.keys import Keys

RENEWALS_PER_TTL = 3
# Redis counts by another clock than we do, and in whole milliseconds.
CLOCK_DRIFT = 0.01

# KEYS: epochs, lease...   ARGV: owner, ttl in ms, shard...
_CLAIM = (
    CLOCK_LUA
    + """
local epochs = {}
for i = 2, #KEYS do
  local shard, lease = ARGV[i + 1], redis.call('GET', KEYS[i])
  local epoch = 0
  -- Ours already: the answer to an earlier claim was lost, and with it that epoch.
  if not lease or string.match(lease, '^%d+ (.*)$') == ARGV[1] then
    epoch = above(redis.call('HGET', KEYS[1], shard) or 0)
    redis.call('HSET', KEYS[1], shard, digits(epoch))
    redis.call('SET', KEYS[i], digits(epoch) .. ' ' .. ARGV[1], 'PX', ARGV[2])
  end
  epochs[i - 1] = epoch
end
return epochs
"""
)

# KEYS: epochs, lease...   ARGV: owner, ttl in ms, (shard, epoch)...
# Answers (epoch, holder) for each: our epoch, a new one, or 0 and who has it.
_RENEW = (
    CLOCK_LUA
    + """
local answers = {}
for i = 2, #KEYS do
  local shard, mine = ARGV[2 * i - 1], tonumber(ARGV[2 * i])
  local lease = redis.call('GET', KEYS[i])
  local epoch, holder = 0, ''
  if lease then
    epoch, holder = string.match(lease, '^(%d+) (.*)$')
    epoch = tonumber(epoch)
  end
  local last = tonumber(redis.call('HGET', KEYS[1], shard) or 0)
  local untouched = not lease and last <= mine
  if lease and holder == ARGV[1] and epoch == mine then
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
  elseif untouched or (lease and epoch < mine) then
    epoch = above(math.max(last, mine))
    redis.call('HSET', KEYS[1], shard, digits(epoch))
    redis.call('SET', KEYS[i], digits(epoch) .. ' ' .. ARGV[1], 'PX', ARGV[2])
    holder = ARGV[1]
  else
    epoch = 0
  end
  answers[#answers + 1] = epoch
  answers[#answers + 1] = holder
end
return answers
"""
)

# KEYS: lease...   ARGV: what each has to be
_RELEASE = """
local released = 0
for i = 1, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[i] then
    released = released + redis.call('DEL', KEYS[i])
  end
end
return released
"""


class Lease(Struct, frozen=True):
    """A shard is ours under ``epoch``, for certain until ``until_s`` (machine time)."""

    shard: str
    epoch: int
    until_s: float

    def fenced(self, now_s: float) -> bool:
        """Whether nobody else can own the shard yet. After that only a renewal tells."""
        return now_s < self.until_s


class Lost(Struct, frozen=True):
    """A lease that is ours no more. ``holder`` is the worker that has the shard, if one has."""

    lease: Lease
    holder: str | None


class Renewal(Struct, frozen=True):
    """What became of the leases: renewed, had again under a new epoch, or lost."""

    kept: tuple[Lease, ...] = ()
    retaken: tuple[Lease, ...] = ()
    lost: tuple[Lost, ...] = ()


class Holder(Struct, frozen=True):
    """Who owns a shard, by Redis. ``mine``: it is the asking life of the asking worker."""

    worker_id: str
    epoch: int
    mine: bool


class Leases:
    """The leases of one worker's life."""

    def __init__(self, redis: Redis, keys: Keys, worker_id: str, ttl_s: float) -> None:
        if not worker_id:
            raise ValueError("a worker needs an id")
        self._redis = redis
        self._keys = keys
        self._owner = f"{worker_id}/{secrets.token_hex(4)}"
        self._ttl_s = ttl_s
        self._claim = Lua(redis, _CLAIM)
        self._renew = Lua(redis, _RENEW)
        self._release = Lua(redis, _RELEASE)

    @property
    def ttl_s(self) -> float:
        """How long a lease lives without renewal."""
        return self._ttl_s

    @property
    def renew_s(self) -> float:
        """How often to renew."""
        return self._ttl_s / RENEWALS_PER_TTL

    async def claim(self, shard: str) -> Lease | None:
        """Take a free shard; None if another has it.

        Raises:
            RedisAway: it may have been taken or not; claiming again finds out.
        """
        return next(iter(await self.claim_all((shard,))), None)

    async def claim_all(self, shards: Sequence[str]) -> list[Lease]:
        """Take what is free of ``shards``, in one call. Do not ask for what is held already.

        Raises:
            RedisAway: they may have been taken or not; claiming again finds out.
        """
        if not shards:
            return []
        until_s = self._until_s()
        keys = [self._keys.epochs, *map(self._keys.lease, shards)]
        epochs = await self._claim(keys, [self._owner, self._ttl_ms, *shards])
        pairs = zip(shards, epochs, strict=True)
        return [Lease(shard, epoch, until_s) for shard, epoch in pairs if epoch]

    async def renew(self, leases: Sequence[Lease]) -> Renewal:
        """Prolong all of them, in one call.

        Raises:
            RedisAway: nothing is known; the leases stand as long as they are fenced.
        """
        if not leases:
            return Renewal()
        until_s = self._until_s()
        keys = [self._keys.epochs, *(self._keys.lease(lease.shard) for lease in leases)]
        arguments: list[Argument] = [self._owner, self._ttl_ms]
        for lease in leases:
            arguments += (lease.shard, lease.epoch)
        answers = await self._renew(keys, arguments)
        return _renewal(leases, answers[::2], answers[1::2], until_s)

    async def release(self, leases: Sequence[Lease]) -> int:
        """Give back, in one call; how many were still ours. What is another's stays untouched.

        Raises:
            RedisAway: what was not given back runs out by itself.
        """
        if not leases:
            return 0
        keys = [self._keys.lease(lease.shard) for lease in leases]
        return int(await self._release(keys, [f"{le.epoch} {self._owner}" for le in leases]))

    async def release_mine(self, shards: Iterable[str]) -> int:
        """Give back what Redis says is ours of these, known or not; how many there were.

        A claim that is cancelled on its way may have been granted, and nobody here has its lease.

        Raises:
            RedisAway: what was not given back runs out by itself.
        """
        holders = await self.holders(shards)
        mine = [Lease(shard, h.epoch, 0.0) for shard, h in holders.items() if h.mine]
        return await self.release(mine)

    async def holders(self, shards: Iterable[str]) -> Mapping[str, Holder]:
        """Who owns which of these; the free ones are missing.

        Raises:
            RedisAway: nothing is known.
        """
        names = list(shards)
        if not names:
            return {}
        async with answered():
            values = await self._redis.mget([self._keys.lease(name) for name in names])
        pairs = zip(names, values, strict=True)
        return {name: self._holder(value) for name, value in pairs if value is not None}

    def _holder(self, value: bytes | str) -> Holder:
        epoch, _, owner = text(value).partition(" ")
        return Holder(_worker_id(owner), int(epoch), mine=owner == self._owner)

    @property
    def _ttl_ms(self) -> int:
        return round(self._ttl_s * 1000)

    def _until_s(self) -> float:
        """Counted from before the call, and short of the TTL: Redis' lease ends no earlier."""
        return machine_s() + self._ttl_s * (1 - CLOCK_DRIFT)


def _renewal(
    leases: Sequence[Lease], epochs: Sequence[int], holders: Sequence[bytes], until_s: float
) -> Renewal:
    kept, retaken, lost = [], [], []
    for lease, epoch, holder in zip(leases, epochs, holders, strict=True):
        if not epoch:
            lost.append(Lost(lease, _worker_id(text(holder)) or None))
        elif epoch == lease.epoch:
            kept.append(Lease(lease.shard, epoch, until_s))
        else:
            retaken.append(Lease(lease.shard, epoch, until_s))
    return Renewal(tuple(kept), tuple(retaken), tuple(lost))


def _worker_id(owner: str) -> str:
    return owner.rpartition("/")[0]
