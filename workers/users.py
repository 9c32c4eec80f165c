"""The user worker: accounts, each a shard of its own, streamed for whoever wants them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from loguru import logger

from common.clocks import machine_s
from common.exchanges.private import Transport
from common.exchanges.registry import EXCHANGES, PRIVATE, on_paper
from common.exchanges.spending import Spending
from common.fleet.accounts import Accounts
from common.fleet.breaker import Breaker
from common.fleet.client import RedisAway, keep_flushed
from common.fleet.learning import Learning
from common.fleet.leases import Lease
from common.fleet.ledgers import Ledgers
from common.fleet.patience import Patient
from common.fleet.placement import Workers
from common.fleet.vault import Vault
from common.model.account import AccountEvent
from common.model.streams import Shard
from common.ops.records import AccountsRecord, WorkerRecord
from common.publish.commands import Commands
from common.publish.durable import Subject
from common.publish.messages import Outcome
from common.publish.queues import ACCOUNT_REQUESTS
from common.recovery.inquiring import Clocks, Inquirer
from common.session.events import dial_events
from common.session.sockets import Sockets
from common.session.transport import dial
from common.session.ways import Ways, beside_us, to_exchanges
from config.settings import Settings
from workers.account_commands import AccountCommands
from workers.means import Means
from workers.owned_account import OwnedAccount
from workers.records import worker_record
from workers.shards import Wanted
from workers.worker import Worker

# How often what is confirmed is kept.
KEEP_S = 0.5
# Turns are taken no further ahead, so that an overdue candle waits for few of a thousand accounts.
AHEAD_S = 5.0
# So many ledgers are written at once: the connections to Redis are few.
AT_ONCE = 4
# How often wants that have run out are looked for.
PRUNE_S = 30.0


class UserWorker(Worker[OwnedAccount]):
    """See ``Worker``. Without a key for credentials it follows commands, and opens nothing."""

    _horizon_s = AHEAD_S

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "user")
        keys = settings.credentials_key
        self._vault = Vault(keys) if keys else None
        self._accounts = Accounts(self._redis, self._keys)
        clocks = Clocks(self._rest, settings.market_clock)
        ways: Mapping[Transport, Ways] = {
            "websocket": to_exchanges(self._addresses, dial, self._spending),
            "socket.io": beside_us(dial_events),
        }
        listings = Learning(self._directory)
        self._sockets = Sockets(ways, listings, clocks.now_ms)
        self._means = (
            None
            if self._vault is None
            else self._make_means(settings, self._vault, clocks, listings)
        )
        handler = AccountCommands(
            self._accounts,
            self._vault,
            settings.exchanges,
            state_of=self._state_of,
            wake=self._wake.set,
            paper=settings.paper_ws is not None,
        )
        self._commands = Commands(
            settings.rabbit_url.reveal(),
            ACCOUNT_REQUESTS,
            handler,
            post=self._pipeline.post,
            topology=settings.topology,
            transient=(RedisAway,),
            name="account-commands",
        )
        self._shards = self._make_shards()
        # Also those that are given back and of which something is not confirmed.
        self._runners: dict[Shard, OwnedAccount] = {}
        # Where an account was opened last: its name alone is asked for.
        self._places: dict[str, Shard] = {}

    def _make_means(
        self, settings: Settings, vault: Vault, clocks: Clocks, listings: Learning
    ) -> Means:
        return Means(
            self._accounts,
            vault,
            Breaker(self._redis, self._keys),
            Ledgers(self._redis, self._keys),
            Inquirer(self._rest, clocks),
            clocks,
            self._sockets,
            listings,
            settings.account_reconcile_s,
            settings.market_clock.speed,
            self._mirror,
            on_paper(settings.paper_ws),
        )

    def _spender(self) -> Spending:
        """Accounts are opened by the thousand, and an early answer is worth nothing to them."""
        return Patient(self._budgets)

    def _outcome(self, subject: Subject, outcome: Outcome) -> None:
        if isinstance(subject, AccountEvent):
            shard = Shard(subject.exchange, subject.market, "account", subject.account_id)
            owned = self._runners.get(shard)
            if owned is not None:
                owned.answered(subject, outcome)

    def _beside(self) -> Sequence[Coroutine[Any, Any, None]]:
        markets = [
            (name, market)
            for name in PRIVATE
            if name in self._settings.exchanges
            for market in EXCHANGES[name].markets
        ]
        return (
            self._directory.keep_fresh(markets),
            keep_flushed(self.flush, KEEP_S, "accounts"),
            self._prune_for_ever(),
        )

    async def _plan(self, workers: Workers) -> Wanted:  # noqa: ARG002
        if self._means is None:
            return {}
        records = await self._accounts.all()
        return {
            Shard(record.exchange, record.market, "account", record.account_id): (record,)
            for record in records.values()
            if record.exchange in self._settings.exchanges and self._means.serves(record)
        }

    def _open(self, shard: Shard, lease: Lease) -> OwnedAccount:
        assert self._means is not None
        owned = OwnedAccount(shard, lease, self._pipeline, self._means)
        self._runners[shard] = owned
        self._places[str(shard.index)] = shard
        return owned

    # --- keeping --------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Keep what is confirmed, of all accounts.

        Raises:
            RedisAway: what was not kept is kept the next time.
        """
        waiting = [owned for owned in self._runners.values() if owned.speaker.has_to_keep]
        for at in range(0, len(waiting), AT_ONCE):
            some = waiting[at : at + AT_ONCE]
            kept = await asyncio.gather(*(owned.keep() for owned in some), return_exceptions=True)
            for failure in kept:
                if isinstance(failure, BaseException):
                    raise failure
        for shard, owned in list(self._runners.items()):
            if owned.is_over:
                del self._runners[shard]
                if self._places.get(str(shard.index)) == shard:
                    del self._places[str(shard.index)]

    async def _prune_for_ever(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_S * random.uniform(0.5, 1.0))
            try:
                closed = await self._accounts.prune()
            except RedisAway as away:
                logger.bind(error=str(away)).debug("wants not pruned")
                continue
            if closed:
                logger.bind(accounts=closed).info("accounts closed: nobody wants them any more")

    # --- what it says about itself --------------------------------------------------------------

    def _state_of(self, account_id: str) -> str | None:
        shard = self._places.get(account_id)
        owned = None if shard is None else self._shards.owned.get(shard)
        return None if owned is None or owned.life is None else owned.life.state

    def _record(self, returned: int) -> WorkerRecord:
        counts = {f"private_{name}": number for name, number in self._sockets.counts.items()}
        owned = list(self._shards.owned.values())
        return worker_record(
            self._who,
            self._state,
            self._redis_state,
            self._stats,
            returned,
            accounts=tuple(_accounts_records(owned)),
            counts={**counts, **({} if self._means is None else self._means.counts)},
        )


def _accounts_records(owned: Sequence[OwnedAccount]) -> list[AccountsRecord]:
    places: Mapping[str, list[OwnedAccount]] = defaultdict(list)
    for one in owned:
        places[f"{one.shard.exchange}:{one.shard.market}"].append(one)
    now_s = machine_s()
    return [
        AccountsRecord(
            place,
            len(there),
            Counter(one.state for one in there),
            Counter(one.life.trouble for one in there if one.life and one.life.trouble),
            round(max((one.behind_s(now_s) for one in there), default=0.0), 1),
        )
        for place, there in sorted(places.items())
    ]
