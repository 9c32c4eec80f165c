"""A bare client of the paper service, with nothing of ours: what is heard, as the library reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio

from common.model.streams import MARKETS, Market
from tests.simulator.owners import AccountOwner
from tests.support.simulator import RunningSimulator
from tests.support.waiting import until

SUBSCRIBED = {"type": "info", "info": "subscribed"}


class Owner(AccountOwner):
    """Who owns an account; it trades in one market."""

    of = "paperBinance"
    symbols = dict.fromkeys(MARKETS, "BTCUSDT")

    @property
    def keys(self) -> dict[str, str]:
        return {"key": self.key, "secret": self.secret}

    async def place(self, quantity: str, price: str | None = None, **more: Any) -> Any:
        return await super().place(self.market, quantity, price, **more)


async def an_owner(
    exchange: RunningSimulator, place: str = Owner.of, market: Market = "spot", **more: Any
) -> Owner:
    owner = await Owner.one(exchange, exchange=place, **more)
    owner.market = market
    return owner


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
