"""User workers on real engines and the simulator, and a backend that opens accounts and listens."""

from __future__ import annotations

import base64
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aio_pika

from common.publish.messages import ACCOUNT_EXCHANGE, FLEET_EXCHANGE
from tests.support.collector import Collector, Received, collecting
from tests.support.simulator import RunningSimulator, simulator
from tests.support.waiting import until
from tests.workers.processes import Process, running

TTL_S = 3.0
KEY = base64.b64encode(b"k" * 32).decode()
TERMINAL = {"FILLED", "CANCELED", "REJECTED", "EXPIRED"}


class Accounts:
    """What a backend has heard, and what it can ask."""

    def __init__(
        self,
        exchange: RunningSimulator,
        env: dict[str, str],
        heard: Collector,
        fleet: Collector,
        channel: Any,
        stack: AsyncExitStack,
    ) -> None:
        self.exchange, self.env, self.heard, self.fleet = exchange, env, heard, fleet
        self._channel, self._stack = channel, stack

    async def worker(self, name: str) -> Process:
        env = {**self.env, "WORKER_NAME": name}
        return await self._stack.enter_async_context(running("workers.user", env=env))

    async def ask(self, **payload: Any) -> None:
        """A command, without waiting for an answer."""
        body = json.dumps({"payload": payload}).encode()
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self._channel.default_exchange.publish(message, routing_key="usersStreamAction")

    async def open(self, row: Mapping[str, Any], exchange: str, market: str, **more: Any) -> None:
        """Have an account of the simulator streamed, by the name it has there."""
        credentials = {"key": row["key"], "secret": row["secret"], "kind": row["kind"]}
        if row.get("passphrase"):
            credentials["passphrase"] = row["passphrase"]
        await self.ask(
            command="account.open",
            accountId=row["account"],
            exchange=exchange,
            market=market,
            subscriber="test",
            credentials=credentials,
            **more,
        )

    async def news(self, limit_s: float) -> None:
        """Wait until something more is heard, at most so long."""
        heard = len(self.heard.messages)
        with contextlib.suppress(TimeoutError):
            await self.heard.until(lambda it: len(it.messages) > heard, limit_s)

    # --- what was heard -------------------------------------------------------------------------

    def events(self, account: str) -> list[Received]:
        """Everything of one account, each message once, in order."""
        once: dict[str, Received] = {}
        for message in self.heard.messages:
            if message.body.get("accountId") == account:
                once.setdefault(message.message_id, message)
        return list(once.values())

    def paths(self, account: str) -> dict[str, list[tuple[str, str]]]:
        """Status and total of every order's reports."""
        paths: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for message in self.events(account):
            if message.type == "order.v1":
                body = message.body
                paths[body["orderId"]].append(
                    (body["orderStatus"], body.get("totalTradeQuantity", ""))
                )
        return dict(paths)

    def fills(self, account: str) -> list[str]:
        """The ids of all fills."""
        return [one.body["tradeId"] for one in self.events(account) if one.type == "fill.v1"]

    def states(self, account: str) -> list[str]:
        """How the account stood, one after another."""
        return [
            message.body["state"]
            for message in self.fleet.messages
            if message.type == "stream.status.v1" and message.body["symbol"] == account
        ]

    async def live(self, account: str, times: int = 1, limit_s: float = 30.0) -> None:
        """Wait until it has been said to be live so often."""
        await until(lambda: self.states(account).count("live") >= times, limit_s)

    async def ended(self, account: str, orders: Sequence[str], limit_s: float = 30.0) -> None:
        """Wait until all of these orders have ended."""

        def all_over() -> bool:
            paths = self.paths(account)
            return all(paths.get(one, [("", "")])[-1][0] in TERMINAL for one in orders)

        await until(all_over, limit_s)


@asynccontextmanager
async def accounts(
    redis_url: str, rabbit_url: str, *, speed: float = 1.0, **settings: str
) -> AsyncIterator[Accounts]:
    """A simulator, a backend, and whatever workers are started."""
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(simulator(speed=speed))
        env = {
            "REDIS_URL": redis_url,
            "RABBIT_URL": rabbit_url,
            "EXCHANGE_GATEWAY": exchange.url,
            "MARKET_CLOCK": exchange.clock.setting,
            "LEASE_TTL_S": f"{TTL_S:g}",
            "CREDENTIALS_KEY": KEY,
            "STREAMS": "",
            **settings,
        }
        heard = await stack.enter_async_context(
            collecting(rabbit_url, amqp_exchange=ACCOUNT_EXCHANGE)
        )
        fleet = await stack.enter_async_context(
            collecting(rabbit_url, amqp_exchange=FLEET_EXCHANGE)
        )
        connection = await aio_pika.connect(rabbit_url)
        stack.push_async_callback(connection.close)
        channel = await connection.channel()
        await channel.declare_queue("usersStreamAction", durable=True)
        yield Accounts(exchange, env, heard, fleet, channel, stack)
