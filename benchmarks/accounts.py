"""How soon many accounts are live under an exchange's own limits, and what each of them costs.

    python -m benchmarks.accounts [--exchange binance --market spot] [--accounts 1000] [--json]

The accounts are wanted before the worker starts. The time is taken from then until the last of them is
live: joined, and compared with REST. Beside it stands what the limits alone ask for: the exchange's budgets,
as they are spent by opening and comparing one account, divided by what they give in a second. Real time, the
simulator with the exchange's true limits; nothing is traded, so that memory is that of the accounts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.bench import Bench, say, until
from common.clocks import MarketClock, wall_ms
from common.exchanges.budget import Cost
from common.exchanges.private import Credentials
from common.exchanges.registry import EXCHANGES, PRIVATE
from common.fleet.account_record import AccountRecord
from common.fleet.accounts import Accounts
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.vault import Vault
from common.model.secret import Secret
from scripts.children import GUARD, INTERRUPTS, Child
from scripts.engines.fetch import ensure
from scripts.quick.accounts import CREDENTIALS_KEY
from scripts.quick.stack import Stack

# What comparing an account that has no order takes of the budgets, where that is more than dialling.
COMPARED: Mapping[tuple[str, str], Cost] = {
    ("binance", "spot"): {"spot": 100},
    ("binance", "linear"): {"futures": 81},
    ("binance", "inverse"): {"futures": 63},
}
TOLD_EVERY_S = 10.0
AT_ONCE = 500
WITHIN_S = 3600.0


def main(arguments: list[str] | None = None) -> int:
    """Measure; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accounts",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--exchange", choices=sorted(PRIVATE), default="binance")
    parser.add_argument("--market", default="spot", metavar="MARKET")
    parser.add_argument("--accounts", type=int, default=1000, metavar="N")
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")
    asked = parser.parse_args(arguments)
    if asked.market not in PRIVATE[asked.exchange].markets:
        parser.error(f"{asked.exchange} has no accounts on {asked.market}")
    INTERRUPTS.listen()
    ensure()
    try:
        with Stack(say) as stack:
            told = asyncio.run(Opening(stack, asked.exchange, asked.market).measure(asked.accounts))
    finally:
        GUARD.close()
    sys.stdout.write((json.dumps(told) if asked.json else json.dumps(told, indent=2)) + "\n")
    return 0


class Opening:
    """One run."""

    def __init__(self, stack: Stack, exchange: str, market: Any) -> None:
        self._exchange, self._market = exchange, market
        settings = {
            "STREAMS": "",
            "EXCHANGES": exchange,
            "CREDENTIALS_KEY": CREDENTIALS_KEY,
            # Nothing but the opening is measured.
            "ACCOUNT_RECONCILE_S": "86400",
        }
        self._bench = Bench(stack, MarketClock(1.0, wall_ms()), settings)
        self._live: dict[str, float] = {}
        self._states: Counter[str] = Counter()
        self._news = asyncio.Event()

    async def measure(self, count: int) -> dict[str, Any]:
        """The figures."""
        await self._want(count)
        connection = await aio_pika.connect(self._bench.rabbit_url)
        async with connection:
            await self._listen(connection)
            worker = self._bench.worker("bench-0", kind="user")
            empty_mb = await self._started(worker)
            began_s = time.monotonic()
            while len(self._live) < count:
                await self._more(count, began_s)
            took_s = max(self._live.values()) - began_s
            full_mb = _rss_mb(worker.pid)
        least_s = _least_s(self._exchange, self._market, count)
        return {
            "exchange": self._exchange,
            "market": self._market,
            "accounts": count,
            "allLiveS": round(took_s, 1),
            "leastByLimitsS": round(least_s, 1),
            "ratio": round(took_s / least_s, 2) if least_s else None,
            "kilobytesPerAccount": round((full_mb - empty_mb) * 1000 / count, 1),
            "workerMb": round(full_mb, 1),
            "states": dict(self._states),
        }

    async def _want(self, count: int) -> None:
        """Put them where the fleet keeps them, as the command line does."""
        redis = connect(self._bench.redis_url)
        accounts, vault = Accounts(redis, Keys()), Vault([Secret(CREDENTIALS_KEY)])
        try:
            for first in range(0, count, AT_ONCE):
                body = {"exchange": self._exchange, "count": min(AT_ONCE, count - first)}
                for row in self._bench.control("accounts", body)["accounts"]:
                    await accounts.open(self._record(row, vault), "benchmark")
        finally:
            await redis.aclose()
        say(f"{count} accounts are wanted")

    def _record(self, row: Any, vault: Vault) -> AccountRecord:
        phrase = row.get("passphrase")
        credentials = Credentials(
            Secret(row["key"]),
            Secret(row["secret"]),
            Secret(phrase) if phrase else None,
            row["kind"],
        )
        name = row["account"]
        sealed, fingerprint = vault.seal(name, credentials), vault.fingerprint(credentials)
        return AccountRecord(name, self._exchange, self._market, sealed, fingerprint)

    async def _listen(self, connection: Any) -> None:
        channel = await connection.channel()
        fleet = await channel.declare_exchange("fleet", "topic", durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(fleet, "stream.#.account.#")

        async def take(message: AbstractIncomingMessage) -> None:
            body = json.loads(message.body)
            self._states[body["state"]] += 1
            if body["state"] == "live":
                self._live.setdefault(body["symbol"], time.monotonic())
            self._news.set()

        await queue.consume(take, no_ack=True)

    async def _started(self, worker: Child) -> float:
        """Its memory when it has begun to work, and before the first account is live."""
        await asyncio.to_thread(until, lambda: "worker starts" in worker.tail(), 60.0, "it starts")
        return _rss_mb(worker.pid)

    async def _more(self, count: int, began_s: float) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(TOLD_EVERY_S):
                await self._news.wait()
        except TimeoutError:
            lasted_s = time.monotonic() - began_s
            say(f"{lasted_s:5.0f} s  {len(self._live)} of {count} live  {dict(self._states)}")
            if lasted_s > WITHIN_S:
                raise


def _least_s(exchange: str, market: Any, count: int) -> float:
    """What the budgets alone ask for: beyond the burst, so many units come back in a second."""
    rules, budgets = PRIVATE[exchange].markets[market], EXCHANGES[exchange].budgets
    costs: Counter[str] = Counter()
    for name, units in rules.dial_cost.items():
        costs[name] += units * -(-count // rules.accounts_per_connection)
    for cost in (rules.join_cost, COMPARED.get((exchange, market), {})):
        for name, units in cost.items():
            costs[name] += units * count
    waits = [(units - budgets[name].burst) / budgets[name].per_s for name, units in costs.items()]
    return max(0.0, *waits)


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
