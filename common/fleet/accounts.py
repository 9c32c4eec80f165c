"""Which accounts are to be streamed, for whom, and with what: kept in Redis, credentials sealed.

An account stays open while anybody wants it, or until it is closed by name. Who wants it has an
identity, and may have a lease that it renews; nothing is counted, so that asking twice, a restart or a
message that comes again changes nothing. Times are the wall's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec
from loguru import logger
from redis.asyncio import Redis

from common.clocks import wall_ms
from common.fleet import account_calls
from common.fleet.account_record import AccountRecord, as_opened, better_known
from common.fleet.client import Argument, Lua, answered, text
from common.fleet.keys import Keys
from common.model.account import LONGEST_ID_BYTES, id_fits

MOST_ACCOUNTS = 100_000
# Who wants an account that was put back, where nobody knows who had wanted it.
UNKNOWN = "unknown"
LONGEST_NAME = 200
_AT_ONCE = 500
_TRIES = 10


class TooManyAccounts(Exception):  # noqa: N818 - it says what there is
    """The limit of accounts is reached; one has to be closed before another is opened."""


# What becomes different in a record; nothing where it stays as it is.
Change = Callable[[AccountRecord], Mapping[str, str | int]]

_decoder = msgspec.json.Decoder(AccountRecord)
_encode = msgspec.json.Encoder().encode


class Accounts:
    """The accounts of the fleet."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._keys = keys
        self._redis = redis
        self._open = Lua(redis, account_calls.OPEN)
        self._close = Lua(redis, account_calls.CLOSE)
        self._replace = Lua(redis, account_calls.REPLACE)
        self._read = Lua(redis, account_calls.READ)
        self._restore = Lua(redis, account_calls.RESTORE)
        self._version = ""
        self._life = ""
        self._known: dict[str, AccountRecord] = {}
        # Who wanted them when that was looked up last.
        self._wants: dict[str, Mapping[str, int]] = {}

    async def open(self, record: AccountRecord, who: str, lease_s: float | None = None) -> bool:
        """Somebody wants an account, for good or for a while; whether that changed anything.

        Opened again with the credentials that it has, it stays as it is.

        Raises:
            RedisAway: it may be open or not; opening again is safe.
            TooManyAccounts: there are as many as there may be.
            ValueError: a name is empty, too long, or holds a space.
        """
        for name in (record.account_id, who):
            if not name or len(name) > LONGEST_NAME or " " in name:
                raise ValueError(
                    f"{name!r:.60} is no name: 1 to {LONGEST_NAME} characters, no space"
                )
        if not id_fits(record.account_id):
            raise ValueError(f"an account's name has at most {LONGEST_ID_BYTES} characters")
        record = as_opened(record, await self.one(record.account_id), wall_ms())
        until_ms = 0 if lease_s is None else wall_ms() + round(lease_s * 1000)
        body = _encode(record)
        arguments: list[Argument] = [record.account_id, body, who, str(until_ms), MOST_ACCOUNTS]
        answer = int(await self._open(self._names(record.account_id), arguments))
        if answer < 0:
            raise TooManyAccounts(f"{MOST_ACCOUNTS} accounts are open")
        # Whoever has accepted it knows it at once: Redis may lose it before anybody has read it.
        self._known[record.account_id] = record
        self._wants[record.account_id] = {
            **self._wants.get(record.account_id, {}), who: until_ms,
        }  # fmt: skip
        return bool(answer)

    async def close(self, account_id: str, who: str | None = None) -> bool:
        """Somebody, or nobody at all, wants it any more; whether it is closed by that.

        Raises:
            RedisAway: it may be closed or not; closing again is safe.
        """
        arguments = [account_id] if who is None else [account_id, who]
        closed = bool(await self._close(self._names(account_id), arguments))
        if closed:
            self._known.pop(account_id, None)
        return closed

    async def restart(self, account_id: str) -> bool:
        """Let it begin anew; False if there is none.

        Raises:
            RedisAway: it may begin anew or not.
        """
        return await self._change(account_id, lambda kept: {"restarts": kept.restarts + 1})

    async def seal_anew(self, account_id: str, before: str, sealed: str) -> bool:
        """Keep the same credentials under another key; False if they were replaced meanwhile.

        Raises:
            RedisAway: it may have been kept or not.
        """
        return await self._change(
            account_id, lambda kept: {"sealed": sealed} if kept.sealed == before else {}
        )

    async def wanted_by(self, account_id: str) -> Mapping[str, int]:
        """Who wants an account, until when (ms UTC; 0: for good).

        Raises:
            RedisAway: nothing is known.
        """
        return (await self.wants([account_id]))[account_id]

    async def wants(self, account_ids: Iterable[str]) -> Mapping[str, Mapping[str, int]]:
        """Who wants each of these accounts, as ``wanted_by`` says it, in few calls.

        Raises:
            RedisAway: nothing is known.
        """
        names = list(account_ids)
        wants = {}
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            async with answered(), self._redis.pipeline(transaction=False) as pipeline:
                for name in some:
                    pipeline.hgetall(self._keys.account_wanted(name))
                answers = await pipeline.execute()
            for name, found in zip(some, answers, strict=True):
                wants[name] = {text(who): int(until) for who, until in found.items()}
        return wants

    async def one(self, account_id: str) -> AccountRecord | None:
        """An account as it is kept; None if there is none.

        Raises:
            RedisAway: nothing is known.
        """
        body = await self._body(account_id)
        return None if body is None else _record(body)

    async def _body(self, account_id: str) -> bytes | None:
        async with answered():
            body: Any = await self._redis.hget(self._keys.accounts, account_id)
        return None if body is None else bytes(body)

    async def all(self) -> Mapping[str, AccountRecord]:
        """Every account that is wanted, by its id: one small call while nothing changes.

        What Redis has lost is put back, for those who wanted it when that was last looked up.

        Raises:
            RedisAway: what was read last may still be used.
        """
        keys = self._keys
        names = [keys.accounts, keys.accounts_version, keys.accounts_life]
        life, version, *changed = await self._read(names, [self._version])
        if self._is_lost(text(life), text(version)):
            await self._put_back()
            life, version, *changed = await self._read(names, [""])
        self._life, self._version = text(life), text(version)
        if changed:
            pairs = changed[0]
            self._known = dict(_records(dict(zip(pairs[::2], pairs[1::2], strict=True))))
            await self._learn_wants(self._known.keys() - self._wants.keys())
        return self._known

    def _is_lost(self, life: str, version: str) -> bool:
        """Whether Redis has lost what we know: it has begun anew, or gone back."""
        if not (self._known and self._life):
            return False
        return life != self._life or int(version) < int(self._version)

    async def _put_back(self) -> None:
        restored = 0
        for account_id, known in list(self._known.items()):
            record = msgspec.structs.replace(known, restored=True)
            arguments: list[Argument] = [account_id, _encode(record)]
            for who, until_ms in (self._wants.get(account_id) or {UNKNOWN: 0}).items():
                arguments += (who, str(until_ms))
            done = int(await self._restore(self._names(account_id), arguments))
            restored += done
            if not done:
                await self._change(account_id, partial(better_known, record))
        logger.bind(known=len(self._known), restored=restored).warning(
            "redis has lost accounts, they are put back"
        )

    async def prune(self) -> int:
        """End the wants whose lease has run out, and look who wants what; how many accounts that closed.

        Raises:
            RedisAway: what was not ended is ended the next time.
        """
        now_ms = wall_ms()
        async with answered():
            over = await self._redis.zrangebyscore(self._keys.accounts_ends, 1, now_ms, 0, 1000)
        closed = 0
        for member in map(text, over):
            account_id, _, who = member.partition(" ")
            # It may have been renewed in that moment.
            arguments = [account_id, who, str(now_ms)]
            closed += int(await self._close(self._names(account_id), arguments))
        await self._learn_wants(self._known)
        return closed

    async def _learn_wants(self, account_ids: Iterable[str]) -> None:
        """Remember who wants these. Of one that nobody wants, Redis has lost that, or the account is gone."""
        wants = await self.wants(account_ids)
        known = {name: who for name, who in self._wants.items() if name in self._known}
        self._wants = {**known, **{name: who for name, who in wants.items() if who}}

    async def _change(self, account_id: str, change: Change) -> bool:
        """Whether it was changed; somebody else's change in that moment is built upon."""
        names = [self._keys.accounts, self._keys.accounts_version]
        for _ in range(_TRIES):
            body = await self._body(account_id)
            kept = None if body is None else _record(body)
            if body is None or kept is None:
                return False
            after = msgspec.structs.replace(kept, **change(kept))
            if after == kept:
                return False
            if await self._replace(names, [account_id, body, _encode(after)]):
                return True
        return False

    def _names(self, account_id: str) -> list[str]:
        keys = self._keys
        wanted = keys.account_wanted(account_id)
        return [keys.accounts, keys.accounts_version, keys.accounts_ends, wanted]


def _records(pairs: Mapping[bytes, bytes]) -> Mapping[str, AccountRecord]:
    found = {text(name): _record(body) for name, body in pairs.items()}
    return {name: record for name, record in found.items() if record is not None}


def _record(body: bytes | str) -> AccountRecord | None:
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        logger.bind(reason=str(error)[:200]).error("an account in redis is not readable")
        return None
