"""The last values of every stream, to be read by anyone: its ticker, its last closed candles.

A convenience beside RabbitMQ, never a source of truth: written in batches, the newest wins, gone
when nothing new has come for the time to live. Losing it loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw
from redis.asyncio import Redis

from common.fleet.client import Argument, Lua, RedisAway, answered, keep_flushed, text
from common.fleet.keys import Keys
from common.model.events import Candle, Ticker
from common.model.streams import Market

FLUSH_S = 1.0
# Symbols of one call: a few hundred kilobytes at most.
BATCH = 250

# KEYS: symbols   ARGV: ttl in ms, then for every key: how many values, and (field, stamp, body)...
# A value is "<stamp> <body>"; an older one never replaces a newer one, whoever writes it.
_KEEP = """
local at, kept = 2, 0
for _, key in ipairs(KEYS) do
  local count = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, count do
    local field, stamp, body = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local value = redis.call('HGET', key, field)
    if not value or tonumber(string.match(value, '^(%d+) ')) <= tonumber(stamp) then
      redis.call('HSET', key, field, stamp .. ' ' .. body)
      kept = kept + 1
    end
    at = at + 3
  end
  redis.call('PEXPIRE', key, ARGV[1])
end
return kept
"""

_encoder = msgspec.json.Encoder()
_Place = tuple[str, Market, str]


class LastValues:
    """What one worker keeps there.

    Args:
        redis: the fleet's.
        keys: its names.
        ttl_s: how long a symbol's values stay after the last of them was written.
    """

    def __init__(self, redis: Redis, keys: Keys, ttl_s: float) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl_ms = round(ttl_s * 1000)
        self._keep = Lua(redis, _KEEP)
        # Bounded by the streams of this worker: the newest value of each that is not written yet.
        self._pending: dict[_Place, dict[str, Candle | Ticker]] = {}

    def note(self, event: Candle | Ticker) -> None:
        """A value was published; open candles are not kept. Returns at once."""
        field = "ticker"
        if isinstance(event, Candle):
            if not event.closed:
                return
            field = f"candle:{event.interval}"
        values = self._pending.setdefault((event.exchange, event.market, event.symbol), {})
        # A correction of an older candle comes after newer ones.
        if field not in values or _stamp(values[field]) <= _stamp(event):
            values[field] = event

    async def run(self) -> None:
        """Write what is new, for ever. While Redis is away the newest values wait."""
        await keep_flushed(self.flush, FLUSH_S, "last values")

    async def flush(self) -> None:
        """Write what is new.

        Raises:
            RedisAway: what was not written waits for the next time.
        """
        while self._pending:
            places = list(self._pending)[:BATCH]
            batch = {place: self._pending.pop(place) for place in places}
            try:
                await self._write(batch)
            except RedisAway:
                for place, values in batch.items():
                    self._pending[place] = values | self._pending.get(place, {})
                raise

    async def _write(self, batch: Mapping[_Place, Mapping[str, Candle | Ticker]]) -> None:
        arguments: list[Argument] = [self._ttl_ms]
        for values in batch.values():
            arguments.append(len(values))
            for field, event in values.items():
                arguments += (field, _stamp(event), _encoder.encode(event))
        await self._keep([self._keys.last(*place) for place in batch], arguments)


def _stamp(event: Candle | Ticker) -> int:
    return event.start_ms if isinstance(event, Candle) else event.event_ms


async def read_last(
    redis: Redis, keys: Keys, exchange: str, market: Market, symbol: str
) -> Mapping[str, Raw]:
    """The last values of a symbol: ``ticker`` and ``candle:<interval>``, each as it was published.

    Raises:
        RedisAway: nothing is known.
    """
    async with answered():
        values = await redis.hgetall(keys.last(exchange, market, symbol))
    bodies = {text(field): text(value).partition(" ")[2] for field, value in values.items()}
    return {field: Raw(body.encode()) for field, body in bodies.items()}
