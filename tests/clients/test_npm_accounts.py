"""npm packages hear and read of a simulated account what the truth says, on every market of its exchange.

They hand on rows in the exchange's words or their own; ``npm_packages`` says what those are. Where one is
known to say something else than the truth is there, too, and has to be seen.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.model.streams import Market
from simulator.accounts.model import Side
from tests.clients.conftest import node
from tests.clients.npm_judge import Found, Judge, Rows, rules_of, true_rows
from tests.clients.npm_packages import CLIENTS, Client
from tests.clients.test_binance import PROGRAMS
from tests.support.simulator import RunningSimulator, simulator
from tests.support.waiting import until

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]


class Owner:
    """Who trades with an account."""

    def __init__(self, exchange: RunningSimulator, account: str) -> None:
        self._exchange, self._account = exchange, account

    async def truth(self) -> Any:
        return (await self._exchange.truth("accounts", account=self._account))["accounts"][0]

    async def trade(self, market: Market, symbol: str, side: Side, times: int) -> None:
        """An order filled in two parts at two prices, and some that end otherwise after a part or none.

        One of the other side is open in the end.
        """
        whole, part = ("100", "40") if market == "inverse" else ("1", "0.4")
        quantity, part = (str(Decimal(size) * times) for size in (whole, part))
        other: Side = "SELL" if side == "BUY" else "BUY"

        async def do(action: str, **more: Any) -> Any:
            return await self._exchange.control(
                "account", action=action, account=self._account, market=market, **more
            )

        async def place(price: str, side: Side = side) -> Any:
            terms = {"symbol": symbol, "side": side, "quantity": quantity, "price": price}
            return (await do("place", **terms))["order"]

        order = await place("60000")
        await do("fill", order=order, quantity=part, maker=True)
        await do("fill", order=order, price="59000" if side == "BUY" else "61000")
        for end in ("cancel", "expire"):
            order = await place("59000")
            await do("fill", order=order, quantity=part)
            await do(end, order=order)
        for end in ("cancel", "expire", "reject"):
            await do(end, order=await place("58000"))
        better = "57500" if other == "SELL" else "56500"
        await do("fill", order=await place("57000", other), quantity=part, price=better)


@asynccontextmanager
async def listening(
    client: Client, exchange: RunningSimulator, row: Mapping[str, Any], home: Path
) -> AsyncIterator[Judge]:
    """It, once it has subscribed to all there is."""
    process = await asyncio.create_subprocess_exec(
        str(node()), str(PROGRAMS / client.program), exchange.url, row["key"], row["secret"],
        row["passphrase"] or "",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**20,
        env={**os.environ, "CLIENTS_HOME": str(home), "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip
    judge = Judge(client, process)
    reader = asyncio.create_task(judge.read())
    try:
        await subscribed(judge, exchange)
        yield judge
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reader


async def subscribed(judge: Judge, exchange: RunningSimulator, gone: Collection[str] = ()) -> None:
    """Wait until it is, on other sockets than those that are gone."""
    sockets = exchange.server.world.connections

    def done() -> bool:
        topics = sum(len(one.topics) for name, one in sockets.items() if name not in gone)
        return topics == judge.client.topics

    await until(lambda: judge.errors or done(), 60.0)


@pytest.mark.parametrize(
    "client", CLIENTS, ids=lambda client: f"{client.program}-{client.key_kind}"
)
async def test_an_npm_package_says_the_truth_of_an_account(clients: Path, client: Client) -> None:
    """Also after all of its sockets were cut: it dials, logs in and subscribes anew by itself."""
    async with simulator() as exchange:
        [row] = (
            await exchange.control(
                "accounts", exchange=client.exchange, mode=client.mode, kind=client.key_kind
            )
        )["accounts"]
        owner = Owner(exchange, row["account"])
        before = await owner.truth()
        async with listening(client, exchange, row, clients) as judge:
            await heard(judge, owner, before, "BUY", 1)
            gone = tuple(exchange.server.world.connections)
            await exchange.control("fault", kind="cut", where={"exchange": client.exchange})
            await subscribed(judge, exchange, gone)
            found = await heard(judge, owner, before, "SELL", 2)
    known = {(rule, market) for rule in rules_of(client) for market in rule.markets}
    assert {(one.rule, one.place) for one in found} == known, "a difference is gone"


async def heard(
    judge: Judge, owner: Owner, before: Mapping[str, Any], side: Side, times: int
) -> list[Found]:
    """Trade, on the second time more and the other way; what it says otherwise, none of it unknown."""
    for market, symbol in judge.client.symbols.items():
        await owner.trade(market, symbol, side, times)
    found = await settled(judge, true_rows(judge.client, await owner.truth(), before))
    assert all(one.rule for one in found), "\n".join(one.words for one in found if not one.rule)
    return found


async def settled(judge: Judge, truth: Rows) -> list[Found]:
    """What it says otherwise once all is told, or after long."""
    found: list[Found] = []
    try:
        async with asyncio.timeout(60.0):
            while True:
                judge.news.clear()
                assert not judge.errors, judge.errors
                found = list(judge.differences(truth))
                if all(one.rule for one in found):
                    return found
                await judge.news.wait()
    except TimeoutError:
        return found
