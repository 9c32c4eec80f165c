"""A bare client of the paper service, with nothing of ours: what is heard, as the library reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio

from tests.support.simulator import RunningSimulator
from tests.support.waiting import until

SUBSCRIBED = {"type": "info", "info": "subscribed"}


class Owner:
    """Who owns an account."""

    def __init__(self, exchange: RunningSimulator, row: dict[str, Any], market: str) -> None:
        self.exchange, self.row, self.market = exchange, row, market
        self.name = row["account"]
        self.keys = {"key": row["key"], "secret": row["secret"]}

    async def do(self, action: str, **more: Any) -> Any:
        return await self.exchange.control(
            "account", action=action, account=self.name, market=self.market, **more
        )

    async def place(self, quantity: str, price: str | None = None, **more: Any) -> Any:
        limit = {} if price is None else {"price": price}
        terms = {"symbol": "BTCUSDT", "side": "BUY"} | limit | more
        return await self.do("place", quantity=quantity, **terms)

    async def truth(self) -> Any:
        return (await self.exchange.truth("accounts", account=self.name))["accounts"][0]


async def an_owner(
    exchange: RunningSimulator, place: str = "paperBinance", market: str = "spot", **more: Any
) -> Owner:
    told = await exchange.control("accounts", exchange=place, **more)
    return Owner(exchange, told["accounts"][0], market)


class Client:
    """What one connection has heard."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self.heard: list[tuple[str, Any]] = []
        self.gone = False
        self.client.on("*", lambda event, data: self.heard.append((event, data)))
        self.client.on("disconnect", self._gone)

    def _gone(self, *_: object) -> None:
        self.gone = True

    async def subscribe(self, keys: Any) -> None:
        await self.client.emit("subscribeOrder", keys)
        await self.client.emit("subscribeOutboundAccountInfo", keys)
        await self.until(lambda it: len(it.heard) >= 2)

    async def until(self, predicate: Callable[[Client], object]) -> None:
        await until(lambda: predicate(self))

    def orders(self) -> list[Any]:
        return [m["data"] for event, m in self.heard if event == "order" and m["type"] == "update"]

    def balances(self) -> list[Any]:
        named = (m for event, m in self.heard if event == "outboundAccountInfo")
        return [m["data"]["balance"] for m in named if m["type"] == "update"]


@asynccontextmanager
async def client(exchange: RunningSimulator) -> AsyncIterator[Client]:
    it = Client()
    await it.client.connect(exchange.url, transports=["websocket"])
    try:
        yield it
    finally:
        await it.client.disconnect()
