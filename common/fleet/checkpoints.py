"""Checkpoints in Redis: where each candle stream stands, and by what right that may be changed.

- A stream is *taken* before it is published: by a shard, under the epoch of its lease, in one Lua
  call that also tells where it stands. Whoever had it before is refused from then on.
- A stream that another shard holds under a living lease is *busy*: when a channel is divided anew,
  its old shard first lets go of it, all of it confirmed. A dead owner's lease runs out by itself.
- A stream's epoch only rises, whichever shard it belongs to, so that a consumer knows a stale owner.
- A write is refused unless stream, shard and epoch are still those of the taking (a lease that was
  retaken under a newer epoch may write on).

Redis may lose all of it. Owners that live put back what they hold at their next write; for the
others ``Taken.age_s`` says how long Redis has known anything at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from loguru import logger
from msgspec import Struct
from redis.asyncio import Redis

from common.fleet.client import CLOCK_LUA, Argument, Lua
from common.fleet.keys import Keys
from common.model.checkpoints import Checkpoint
from common.model.streams import Market, Stream

# Streams of one call: a few hundred kilobytes at most.
BATCH = 500
# In the place of the shard: nobody holds the stream, and all that was published of it is confirmed,
# or not all of it.
FREE, UNSURE = "-", "?"

# KEYS: checkpoints, lease of the taker, since   ARGV: prefix of leases, shard, epoch, stream...
# Answers: the age of what is kept here in ms (-1: the lease is not the taker's), then for each
# stream '=' and what is kept of it ('' for nothing), with '~' instead if whoever had it last did not
# let go of it whole; '!' if the epoch is too low, nothing if it is busy.
_TAKE = (
    CLOCK_LUA
    + """
local lease = redis.call('GET', KEYS[2])
if not lease or string.match(lease, '^%d+') ~= ARGV[3] then
  return {'-1'}
end
local now = now_ms()
redis.call('SETNX', KEYS[3], digits(now))
local age = now - redis.call('GET', KEYS[3])
local answers = {digits(math.max(0, age))} -- the clock may have gone back
for i = 4, #ARGV do
  local kept = redis.call('HGET', KEYS[1], ARGV[i]) or '0 - '
  local epoch, shard, body = string.match(kept, '^(%d+) (%S+) (.*)$')
  if not epoch then -- nobody of ours wrote it: one such value must not stop all the others
    epoch, shard, body = '0', '-', kept
  end
  local other = shard ~= ARGV[2]
  local holder = other and shard ~= '-' and redis.call('GET', ARGV[1] .. shard)
  if holder and string.match(holder, '^%d+') == epoch then
    answers[#answers + 1] = false
  elseif tonumber(epoch) > tonumber(ARGV[3]) or (other and epoch == ARGV[3]) then
    answers[#answers + 1] = '!'
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[3] .. ' ' .. ARGV[2] .. ' ' .. body)
    answers[#answers + 1] = (shard == '-' and '=' or '~') .. body
  end
end
return answers
"""
)

# KEYS: checkpoints   ARGV: (stream, epoch, shard, shard from now on, what to keep)...
# Answers for each: 0 refused, 1 written, 2 written though nothing was kept of it any more.
_WRITE = """
local answers = {}
for i = 1, #ARGV, 5 do
  local kept = redis.call('HGET', KEYS[1], ARGV[i])
  local answer = 2
  if kept then
    local epoch, shard = string.match(kept, '^(%d+) (%S+) ')
    local ours = shard == ARGV[i + 2] and tonumber(epoch) <= tonumber(ARGV[i + 1])
    answer = ours and 1 or 0
  end
  if answer > 0 then
    local value = ARGV[i + 1] .. ' ' .. ARGV[i + 3] .. ' ' .. ARGV[i + 4]
    redis.call('HSET', KEYS[1], ARGV[i], value)
  end
  answers[#answers + 1] = answer
end
return answers
"""


# KEYS: checkpoints   ARGV: (stream, what to keep)...   Only where nothing is kept.
_LAY = """
local laid = 0
for i = 1, #ARGV, 2 do
  laid = laid + redis.call('HSETNX', KEYS[1], ARGV[i], '0 - ' .. ARGV[i + 1])
end
return laid
"""


class Holder(Struct, frozen=True):
    """By what right a stream is published: its shard, under the epoch of its lease."""

    shard: str
    epoch: int


class Taken(Struct, frozen=True):
    """What came of taking streams.

    Attributes:
        checkpoints: the streams that are the taker's now; None where nothing is known of one.
        doubtful: those of them that nobody has let go of with all of it confirmed: more may have been
            published of them than their checkpoints say.
        age_s: how long Redis has kept checkpoints without losing them all.
        outdated: for some streams the epoch is too low: the lease has to be claimed anew.
    """

    checkpoints: Mapping[Stream, Checkpoint | None] = {}
    doubtful: frozenset[Stream] = frozenset()
    age_s: float = 0.0
    outdated: bool = False


class Move(Struct, frozen=True):
    """A stream has come to a checkpoint; with ``leaves`` its holder lets go of it there.

    ``whole``: nothing was published beyond the checkpoint. What was, may yet be confirmed: who takes
    the stream next is told.
    """

    stream: Stream
    holder: Holder
    checkpoint: Checkpoint
    leaves: bool = False
    whole: bool = True


class Written(Struct, frozen=True):
    """What became of moves: streams that are another's now, and those Redis had forgotten."""

    refused: tuple[Stream, ...] = ()
    forgotten: tuple[Stream, ...] = ()


class Checkpoints:
    """The checkpoints of all streams, as one worker takes and moves them."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._keys = keys
        self._take = Lua(redis, _TAKE)
        self._write = Lua(redis, _WRITE)
        self._lay = Lua(redis, _LAY)

    async def lay(self, begins: Mapping[Stream, Checkpoint]) -> int:
        """Let streams that nothing is known of begin there; how many there were.

        Raises:
            RedisAway: some may have been laid; laying again is safe.
        """
        laid = 0
        for place, batch in _by_place(begins, lambda stream: stream):
            arguments: list[Argument] = []
            for stream in batch:
                arguments += (_field(stream), msgspec.json.encode(begins[stream]))
            laid += int(await self._lay([self._keys.checkpoints(*place)], arguments))
        return laid

    async def take(self, holder: Holder, streams: Iterable[Stream]) -> Taken:
        """Make streams of one market the holder's; those that are busy are left out of the answer.

        So are all of them if the lease is not the holder's any more.

        Raises:
            RedisAway: they may have been taken or not; taking again is safe.
        """
        checkpoints: dict[Stream, Checkpoint | None] = {}
        doubtful: set[Stream] = set()
        age_s, outdated = 0.0, False
        for place, batch in _by_place(streams, lambda stream: stream):
            keys = [self._keys.checkpoints(*place), self._keys.lease(holder.shard)]
            arguments: list[Argument] = [self._keys.lease(""), holder.shard, holder.epoch]
            answers = await self._take(
                [*keys, self._keys.checkpoints_since], [*arguments, *map(_field, batch)]
            )
            age_s = int(answers[0]) / 1000
            if age_s < 0:
                break
            for stream, kept in zip(batch, answers[1:], strict=True):
                if kept == b"!":
                    outdated = True
                elif kept is not None:
                    checkpoints[stream] = _read(kept[1:])
                    if kept.startswith(b"~"):
                        doubtful.add(stream)
        return Taken(checkpoints, frozenset(doubtful), age_s, outdated)

    async def write(self, moves: Sequence[Move]) -> Written:
        """Move checkpoints.

        Raises:
            RedisAway: some may have been moved; moving again is safe.
        """
        refused: list[Stream] = []
        forgotten: list[Stream] = []
        for place, batch in _by_place(moves, lambda move: move.stream):
            arguments: list[Argument] = []
            for move in batch:
                holder, body = move.holder, msgspec.json.encode(move.checkpoint)
                free = FREE if move.whole else UNSURE
                after = free if move.leaves else holder.shard
                arguments += (_field(move.stream), holder.epoch, holder.shard, after, body)
            answers = await self._write([self._keys.checkpoints(*place)], arguments)
            for move, answer in zip(batch, answers, strict=True):
                if answer == 0:
                    refused.append(move.stream)
                elif answer == 2:
                    forgotten.append(move.stream)
        return Written(tuple(refused), tuple(forgotten))


_decoder = msgspec.json.Decoder(Checkpoint)
_Item = TypeVar("_Item")


def _by_place(
    items: Iterable[_Item], stream_of: Callable[[_Item], Stream]
) -> Iterator[tuple[tuple[str, Market], list[_Item]]]:
    """In batches of one market each."""
    places: defaultdict[tuple[str, Market], list[_Item]] = defaultdict(list)
    for item in items:
        stream = stream_of(item)
        places[stream.exchange, stream.market].append(item)
    for place, batch in places.items():
        for first in range(0, len(batch), BATCH):
            yield place, batch[first : first + BATCH]


def _field(stream: Stream) -> str:
    return f"{stream.symbol}:{stream.interval}"


def _read(body: bytes) -> Checkpoint | None:
    if not body:
        return None
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        logger.bind(error=str(error), kept=body[:100]).error("checkpoint unreadable, taken as none")
        return None
