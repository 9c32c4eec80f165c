"""Simulated accounts: opened as a backend opens them, traded by a seeded trader, judged at the end."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import aio_pika
from msgspec import Struct

from common.exchanges.registry import PRIVATE
from common.model.streams import Market
from common.publish.topology import USERS_STREAM_ACTION
from scripts.quick.account_judge import judge_account
from scripts.quick.account_verdict import AccountVerdict, Body, Told
from scripts.quick.exchanges import Exchanges

# A key for credentials that protects nothing: the accounts are the simulator's.
CREDENTIALS_KEY = base64.b64encode(hashlib.sha256(b"simulated").digest()).decode()
SENT_S = 15.0


class Opened(Struct, frozen=True):
    """One account as the fleet streams it: one market of one of the simulator's."""

    account_id: str
    name: str
    exchange: str
    market: Market


class Accounts:
    """The accounts of one run; where ``count`` is 0 there are none, and nothing happens."""

    def __init__(self, exchanges: Exchanges, rabbit_url: str, count: int) -> None:
        self._exchanges = exchanges
        self._rabbit_url = rabbit_url
        self._count = count
        self.opened: list[Opened] = []

    async def open(self) -> None:
        """Make them, and have them streamed."""
        if not self._count:
            return
        share = -(-self._count // sum(len(each.markets) for each in PRIVATE.values()))
        requests = []
        for exchange, private in PRIVATE.items():
            told = await self._exchanges.control("accounts", {"exchange": exchange, "count": share})
            for market in private.markets:
                for row in told["accounts"]:
                    one = Opened(f"{row['account']}-{market}", row["account"], exchange, market)
                    self.opened.append(one)
                    requests.append(_request(one, row))
        await self._send(requests)

    async def open_again(self, name: str, row: Any) -> None:
        """One of the exchanges' accounts has another key: all that is streamed of it gets it."""
        await self._send([_request(one, row) for one in self.opened if one.name == name])

    async def trade(self, orders_per_min: int) -> None:
        """From now on something happens to them: so many orders of all in a market minute."""
        if self.opened:
            await self._exchanges.control("trader", {"ordersPerMin": orders_per_min})

    async def settle(self) -> None:
        """Nothing more begins, and what is open ends."""
        if self.opened:
            await self._exchanges.control("trader", {"ordersPerMin": 0, "settle": True})

    async def truths(self) -> dict[str, Body]:
        """What is true of each, by the exchange's name of it."""
        truths: dict[str, Body] = {}
        for exchange in sorted({one.exchange for one in self.opened}):
            for truth in await self._exchanges.accounts(exchange):
                truths[truth["account"]] = truth
        return truths

    async def verdict(self, told: Mapping[str, Sequence[Told]]) -> AccountVerdict:
        """What was delivered, by account, against the truth; nothing has happened to anybody."""
        verdict, truths = AccountVerdict(), await self.truths()
        for one in self.opened:
            rules = PRIVATE[one.exchange].markets[one.market]
            judge_account(
                verdict,
                told.get(one.account_id, ()),
                truths[one.name],
                one.market,
                fees=rules.streams_fees,
                lists_all=rules.lists_all,
                dated=rules.dates_orders,
            )
        return verdict

    async def _send(self, requests: Collection[bytes]) -> None:
        connection = await aio_pika.connect(self._rabbit_url, timeout=SENT_S)
        async with connection:
            channel = await connection.channel()
            await channel.declare_queue(USERS_STREAM_ACTION, durable=True, timeout=SENT_S)
            for body in requests:
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(
                    message, routing_key=USERS_STREAM_ACTION, timeout=SENT_S
                )


def _request(one: Opened, row: Any) -> bytes:
    credentials = {name: row[name] for name in ("key", "secret", "kind")}
    if row.get("passphrase"):
        credentials["passphrase"] = row["passphrase"]
    payload = {
        "command": "account.open",
        "accountId": one.account_id,
        "exchange": one.exchange,
        "market": one.market,
        "subscriber": "demo",
        "credentials": credentials,
    }
    return json.dumps({"payload": payload}).encode()
