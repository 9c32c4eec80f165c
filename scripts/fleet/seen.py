"""One look at the fleet through Redis: who there is, what is wanted, and the plan made of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from common.fleet.account_record import AccountRecord
from common.fleet.accounts import Accounts
from common.fleet.buckets import Buckets
from common.fleet.client import connect
from common.fleet.desired import Desired, Want
from common.fleet.directory import Directory
from common.fleet.keys import Keys
from common.fleet.members import Member, Members
from common.fleet.plan import Plan, Planner
from common.fleet.sharding import Catalogs
from common.model.instruments import Instrument
from common.model.streams import Market
from config.settings import Settings


class Seen(Struct, frozen=True):
    """What was there. The plan is the workers' own, as long as they have the same settings."""

    members: Sequence[Member]
    wants: Sequence[Want]
    plan: Plan
    catalogs: Catalogs
    accounts: Sequence[AccountRecord] = ()


@asynccontextmanager
async def desired(settings: Settings) -> AsyncIterator[Desired]:
    """What is wanted, to read and to change."""
    redis = connect(settings.redis_url.reveal())
    try:
        yield Desired(redis, Keys(settings.redis_prefix))
    finally:
        await redis.aclose()


async def look(settings: Settings) -> Seen:
    """Read it all; asks no exchange and changes nothing.

    Raises:
        RedisAway: it cannot be read.
    """
    redis, keys = connect(settings.redis_url.reveal()), Keys(settings.redis_prefix)
    try:
        wanted, directory = Desired(redis, keys), Directory(redis, keys, _fetch_nothing)
        planner = Planner(
            settings.streams,
            wanted,
            directory,
            Buckets(redis, keys),
            enabled=settings.exchanges,
            raises=False,
        )
        return Seen(
            await Members(redis, keys, settings.lease_ttl_s).all(),
            await wanted.all(),
            await planner.plan(),
            await directory.catalogs(planner.markets),
            [
                account
                for account in (await Accounts(redis, keys).all()).values()
                if account.exchange in settings.exchanges
            ],
        )
    finally:
        await redis.aclose()


async def _fetch_nothing(exchange: str, market: Market) -> Sequence[Instrument]:
    raise RuntimeError("only the lists that workers have fetched are read")
