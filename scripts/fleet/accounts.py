"""``accounts``: opened, closed, shown and begun anew by hand, and their credentials sealed anew.

Works on Redis directly, as the workers' own handler does it; no worker has to run.
"""

from __future__ import annotations

import base64
import os
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from msgspec import Struct

from common.clocks import wall_ms
from common.exchanges.registry import PRIVATE
from common.fleet.account_record import AccountRecord
from common.fleet.accounts import Accounts
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.leases import Leases
from common.fleet.vault import KEY_BYTES, CannotOpen, Vault
from common.publish.account_answers import AccountAnswer
from common.publish.account_requests import Close, Command, Refused, Restart, kind_of, read
from config.settings import Settings, load_or_exit
from scripts.fleet.command import NoAnswer, WrongQuestion, as_json, of_fleet
from scripts.fleet.credentials import Given, read_given
from scripts.fleet.text import table
from scripts.fleet.times import iso
from workers.account_commands import AccountCommands

COLUMNS = ("account", "exchange", "market", "wanted by", "until", "credentials", "owner")
_NO_KEY = "CREDENTIALS_KEY is not set: `python -m scripts.fleet accounts key` makes one"
# What a record says of what it was begun with, for people.
_TOLD: Mapping[str, str] = {
    "opened": "is open",
    "replaced": "is open, with other credentials or at another place than before",
    "unchanged": "was open already, and stays as it is",
    "restarted": "begins anew",
    "closed": "is closed",
    "still_wanted": "stays open: it is wanted by others",
    "not_open": "was not open",
}


class Line(Struct, frozen=True, rename="camel"):
    """One account. Times are ms UTC; 0: for good. ``owner``: the worker that has it, if one has."""

    account_id: str
    exchange: str
    market: str
    paper: bool
    wanted_by: dict[str, int]
    fingerprint: str
    sealed_with: str
    restarts: int
    owner: str | None = None
    epoch: int | None = None

    @property
    def place(self) -> str:
        """Its market, and whether it is on paper."""
        return f"{self.market} (paper)" if self.paper else self.market

    def rows(self) -> list[tuple[str, ...]]:
        """A row for each who wants it."""
        rest = (f"{self.fingerprint} ({self.sealed_with})", self.owner or "nobody")
        wants = sorted(self.wanted_by.items()) or [("nobody", 0)]
        return [
            (self.account_id, self.exchange, self.place, who, _until(until_ms), *rest)
            for who, until_ms in wants
        ]


class Fleet(Struct, frozen=True):
    """What of the fleet accounts are about."""

    accounts: Accounts
    leases: Leases
    vault: Vault | None


@asynccontextmanager
async def fleet(settings: Settings) -> AsyncIterator[Fleet]:
    """Read and change it, until left."""
    redis, keys = connect(settings.redis_url.reveal()), Keys(settings.redis_prefix)
    try:
        yield Fleet(
            Accounts(redis, keys),
            Leases(redis, keys, "cli", settings.lease_ttl_s),
            Vault(settings.credentials_key) if settings.credentials_key else None,
        )
    finally:
        await redis.aclose()


def shard_key(record: AccountRecord) -> str:
    """What an account's lease is called."""
    return f"{record.exchange}:{record.market}:account:{record.account_id}"


# --- open, close, restart -----------------------------------------------------------------------


def _open(asked: Namespace) -> str:
    """Raises NoAnswer: it is not open for this subscriber. Secrets are asked for before anything runs."""
    if load_or_exit().credentials_key is None:
        raise NoAnswer(_NO_KEY)
    private = PRIVATE.get(asked.exchange)
    rules = None if private is None else private.markets.get(asked.market)
    asks_phrase = rules is not None and rules.passphrase and not asked.paper
    given = read_given(asked.secrets_file, passphrase=asks_phrase)
    try:
        command = read(_message(asked, given))
    except Refused as error:
        raise WrongQuestion(str(error)) from None
    return of_fleet(partial(_follow, command=command))(asked)


def _message(asked: Namespace, given: Given) -> bytes:
    """The same command that a backend would send: what is refused there is refused here."""
    passphrase = given.passphrase
    payload = {
        "command": "account.open",
        "accountId": asked.id,
        "exchange": asked.exchange,
        "market": asked.market,
        "subscriber": asked.subscriber,
        "leaseS": asked.lease_s,
        "paper": asked.paper,
        "credentials": {
            "key": given.key.reveal(),
            "secret": given.secret.reveal(),
            "passphrase": None if passphrase is None else passphrase.reveal(),
            "kind": asked.kind or kind_of(given.secret),
            "environment": asked.environment,
            "region": asked.region,
            "subaccount": asked.subaccount,
        },
    }
    return msgspec.json.encode({"payload": payload})


async def _close(asked: Namespace, settings: Settings) -> str:
    return await _follow(asked, settings, command=Close(asked.id, asked.subscriber))


async def _restart(asked: Namespace, settings: Settings) -> str:
    return await _follow(asked, settings, command=Restart(asked.id))


async def _follow(asked: Namespace, settings: Settings, command: Command) -> str:
    async with fleet(settings) as it:
        paper = settings.paper_ws is not None
        commands = AccountCommands(it.accounts, it.vault, settings.exchanges, paper=paper)
        answer = await commands.follow(command)
    return _told(asked, answer)


def _told(asked: Namespace, answer: AccountAnswer) -> str:
    told = as_json(answer) if asked.json else ""
    if not answer.followed:
        problems = "".join(f"\n  {problem}" for problem in answer.problems)
        raise NoAnswer(f"{asked.id} is {answer.state} ({answer.code}):{problems}", told)
    return told or f"{asked.id} {_TOLD[answer.code]}\n"


# --- list, show ---------------------------------------------------------------------------------


async def _list(asked: Namespace, settings: Settings) -> str:
    lines = await _lines(settings)
    if asked.json:
        return as_json(lines)
    if not lines:
        return "no account is wanted\n"
    return table(COLUMNS, [row for line in lines for row in line.rows()])


async def _show(asked: Namespace, settings: Settings) -> str:
    """Raises RedisAway, or NoAnswer: there is no such account."""
    lines = [line for line in await _lines(settings, asked.id) if line.account_id == asked.id]
    if not lines:
        raise NoAnswer(f"{asked.id} is not open: nobody wants it")
    (line,) = lines
    if asked.json:
        return as_json(line)
    wanted = [f"{who} ({_until(ms)})" for who, ms in sorted(line.wanted_by.items())]
    owner = "nobody" if line.owner is None else f"{line.owner}, epoch {line.epoch}"
    rows = [
        ("account", line.account_id),
        ("at", f"{line.exchange} {line.place}"),
        ("wanted by", ", ".join(wanted) or "nobody"),
        ("credentials", f"{line.fingerprint}, sealed with {line.sealed_with}"),
        ("restarts", str(line.restarts)),
        ("owner", owner),
    ]
    return "".join(f"{name + ':':<13}{value}\n" for name, value in rows)


async def _lines(settings: Settings, only: str | None = None) -> list[Line]:
    async with fleet(settings) as it:
        records = await it.accounts.all()
        some = [records[name] for name in sorted(records) if only in (None, name)]
        wants = await it.accounts.wants(record.account_id for record in some)
        holders = await it.leases.holders(map(shard_key, some))
    lines = []
    for record in some:
        holder = holders.get(shard_key(record))
        lines.append(
            Line(
                record.account_id,
                record.exchange,
                record.market,
                record.paper,
                dict(wants[record.account_id]),
                record.fingerprint,
                _sealed_with(it.vault, record),
                record.restarts,
                None if holder is None else holder.worker_id,
                None if holder is None else holder.epoch,
            )
        )
    return lines


def _sealed_with(vault: Vault | None, record: AccountRecord) -> str:
    """Which of our keys opens it, without opening it for anybody."""
    if vault is None:
        return "a key that is not set here"
    if vault.is_current(record.sealed):
        return "the first key"
    return "an older key" if vault.has_key_of(record.sealed) else "a key that is not set here"


def _until(until_ms: int) -> str:
    if not until_ms:
        return "until closed"
    over = " (over)" if until_ms < wall_ms() else ""
    return f"until {iso(until_ms)}{over}"


# --- keys ---------------------------------------------------------------------------------------


def _key(asked: Namespace) -> str:
    """A new key; nothing is asked or kept."""
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    return as_json({"key": key}) if asked.json else f"{key}\n"


async def _rotate(asked: Namespace, settings: Settings) -> str:
    """Raises RedisAway (doing it again is safe), or NoAnswer: not all of them could be sealed anew."""
    anew: list[str] = []
    current: list[str] = []
    shut: list[str] = []
    async with fleet(settings) as it:
        if it.vault is None:
            raise NoAnswer(_NO_KEY)
        for name, record in sorted((await it.accounts.all()).items()):
            if it.vault.is_current(record.sealed):
                current.append(name)
                continue
            try:
                sealed = it.vault.seal(name, it.vault.open(name, record.sealed))
            except CannotOpen:
                shut.append(name)
                continue
            # Somebody who replaced it meanwhile has sealed it with a key of theirs.
            done = await it.accounts.seal_anew(name, record.sealed, sealed)
            (anew if done else shut).append(name)
    document = {"sealedAnew": anew, "current": len(current), "notSealed": shut}
    told = as_json(document) if asked.json else ""
    if shut:
        names = ", ".join(shut[:20])
        raise NoAnswer(
            f"{len(shut)} could not be sealed anew: no key that is set opens them, or they were "
            f"replaced meanwhile (then run it again): {names}",
            told,
        )
    counts = f"{len(anew)} sealed anew, {len(current)} had been already"
    return told or f"{counts}; the first key alone opens all of them\n"


ANSWERS: Mapping[str, Callable[[Namespace], str]] = {
    "open": _open,
    "close": of_fleet(_close),
    "restart": of_fleet(_restart),
    "list": of_fleet(_list),
    "show": of_fleet(_show),
    "rotate": of_fleet(_rotate),
    "key": _key,
}
