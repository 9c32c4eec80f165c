"""Which workers there are: a record each, which ends when its worker no longer writes it.

The index beside the records says which keys to read (KEYS walks the whole database) and is
pruned by every write, by Redis' own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from loguru import logger
from msgspec import Raw, Struct
from redis.asyncio import Redis

from common.fleet.client import CLOCK_LUA, Lua, answered, text
from common.fleet.keys import Keys
from common.model.streams import Role

State = Literal["starting", "running", "draining"]

# KEYS: index, record   ARGV: worker id, ttl in ms, record
_WRITE = (
    CLOCK_LUA
    + """
local now = now_ms()
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
redis.call('ZADD', KEYS[1], digits(now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', digits(now))
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], digits(tonumber(last[2])))
return 1
"""
)

# KEYS: index, record   ARGV: worker id
_REMOVE = """
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2])
"""


class Member(Struct, frozen=True, rename="camel"):
    """A worker as its peers see it. ``record`` is what it reports beyond that, as JSON.

    ``egress``: the address that exchanges see it come from.
    """

    worker_id: str
    role: Role
    host: str
    pid: int
    started_ms: int
    updated_ms: int
    state: State
    egress: str = ""
    record: Raw = Raw(b"null")


def takers(members: Iterable[Member]) -> Mapping[str, Role]:
    """The workers that take shards, with their roles: what placement divides among."""
    return {member.worker_id: member.role for member in members if member.state != "draining"}


class Members:
    """The records of all workers."""

    def __init__(self, redis: Redis, keys: Keys, ttl_s: float) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl_ms = round(ttl_s * 1000)
        self._write = Lua(redis, _WRITE)
        self._remove = Lua(redis, _REMOVE)
        self._unreadable: frozenset[str] = frozenset()

    async def write(self, member: Member) -> None:
        """Say that this worker lives, for one more TTL.

        Raises:
            RedisAway: nobody heard it.
        """
        keys = [self._keys.members, self._keys.member(member.worker_id)]
        body = msgspec.json.encode(member)
        await self._write(keys, [member.worker_id, self._ttl_ms, body])

    async def remove(self, worker_id: str) -> None:
        """Say that it is gone, without waiting for the TTL.

        Raises:
            RedisAway: nobody heard it; the TTL says so later.
        """
        await self._remove([self._keys.members, self._keys.member(worker_id)], [worker_id])

    async def all(self) -> list[Member]:
        """Those that live, by id.

        Raises:
            RedisAway: nothing is known.
        """
        async with answered():
            ids = [text(name) for name in await self._redis.zrange(self._keys.members, 0, -1)]
            if not ids:
                return []
            bodies = await self._redis.mget([self._keys.member(name) for name in ids])
        members, unreadable = [], {}
        for worker_id, body in zip(ids, bodies, strict=True):
            if body is None:  # it has run out, and its line in the index soon will
                continue
            try:
                members.append(msgspec.json.decode(body, type=Member))
            except msgspec.DecodeError as error:
                unreadable[worker_id] = str(error)
        self._tell(unreadable)
        return sorted(members, key=lambda member: member.worker_id)

    def _tell(self, unreadable: Mapping[str, str]) -> None:
        """Once per worker, not once per reading."""
        for worker_id, error in unreadable.items():
            if worker_id not in self._unreadable:
                logger.bind(worker=worker_id, error=error).error("worker record unreadable")
        self._unreadable = frozenset(unreadable)
