"""What is kept of each account in Redis, in pieces, by who owns it: see ``common.recovery.book``.

A write is refused unless its epoch is the newest that has been seen: who lost the account can not undo
what its next owner has kept. What nobody has written to for ``KEPT_S`` is gone.
"""

from __future__ import annotations

from collections.abc import Mapping

from redis.asyncio import Redis

from common.fleet.client import Argument, Lua, text
from common.fleet.keys import Keys
from common.model.streams import Market

KEPT_S = 30 * 86_400
_EPOCH = "epoch"

# KEYS: ledger   ARGV: epoch, ms to live
# Answers false if a newer owner has been here, else all that is kept.
_TAKE = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[1]) then
  return false
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('HGETALL', KEYS[1])
"""

# KEYS: ledger   ARGV: epoch, ms to live, number of pieces to set, (name, piece)..., names to forget...
# Answers 0: a newer owner has been here; 1: written; 2: written, though nothing was kept any more.
_WRITE = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
local last = 3 + 2 * ARGV[3]
for i = 4, last, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
for i = last + 1, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return epoch and 1 or 2
"""


def ledger_name(exchange: str, market: Market, account_id: str, *, paper: bool) -> str:
    """What an account's ledger is called: an id that is used for another account has another one."""
    return f"{exchange}:{market}:{'paper:' if paper else ''}{account_id}"


class Superseded(Exception):  # noqa: N818 - it says what has happened
    """A newer owner has the account."""


class Ledgers:
    """The ledgers of all accounts."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._keys = keys
        self._take = Lua(redis, _TAKE)
        self._write = Lua(redis, _WRITE)

    async def take(self, ledger: str, epoch: int) -> Mapping[str, bytes]:
        """All that is kept of an account, by ``ledger_name``; whoever had it before can not write any more.

        Raises:
            RedisAway: it may have been taken or not; taking again is safe.
            Superseded: a newer owner has taken it.
        """
        answer = await self._take([self._keys.ledger(ledger)], [epoch, KEPT_S * 1000])
        if answer is None:
            raise Superseded(f"epoch {epoch} is not the newest")
        pairs = zip(answer[::2], answer[1::2], strict=True)
        return {text(name): bytes(body) for name, body in pairs if text(name) != _EPOCH}

    async def write(self, ledger: str, epoch: int, pieces: Mapping[str, bytes | None]) -> bool:
        """Keep pieces (None: forget them); False if Redis had lost all that was kept before.

        Raises:
            RedisAway: they may have been written or not; writing again is safe.
            Superseded: a newer owner has the account; nothing was written.
        """
        kept = {name: body for name, body in pieces.items() if body is not None}
        gone = [name for name, body in pieces.items() if body is None]
        arguments: list[Argument] = [epoch, KEPT_S * 1000, len(kept)]
        for name, body in kept.items():
            arguments += (name, body)
        answer = int(await self._write([self._keys.ledger(ledger)], [*arguments, *gone]))
        if not answer:
            raise Superseded(f"epoch {epoch} is not the newest")
        return answer == 1
