"""A bare client of KuCoin's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from common.model.streams import Market
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator

HOSTS: dict[Market, str] = {
    "spot": "api.kucoin.com",
    "linear": "api-futures.kucoin.com",
    "inverse": "api-futures.kucoin.com",
}
SYMBOLS: dict[Market, str] = {"spot": "BTC-USDT", "linear": "XBTUSDTM", "inverse": "XBTUSDM"}


async def opened(exchange: RunningSimulator, count: int = 1, **more: Any) -> list[Owner]:
    reply = await exchange.control("accounts", exchange="kucoin", count=count, **more)
    return [Owner(exchange, row) for row in reply["accounts"]]


async def an_owner(exchange: RunningSimulator, **more: Any) -> Owner:
    return (await opened(exchange, **more))[0]


def mac(secret: str, text: str) -> str:
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class Owner:
    """Who owns an account."""

    def __init__(self, exchange: RunningSimulator, row: dict[str, Any]) -> None:
        self.exchange, self.row = exchange, row
        self.name, self.key, self.secret = row["account"], row["key"], row["secret"]

    # --- what happens to the account --------------------------------------------------------

    async def do(self, action: str, market: Market = "spot", **more: Any) -> Any:
        return await self.exchange.control(
            "account", action=action, account=self.name, market=market, **more
        )

    async def place(
        self, market: Market = "spot", quantity: str = "1", price: str | None = None,
        side: str = "BUY", **more: Any,
    ) -> Any:  # fmt: skip
        limit = {} if price is None else {"price": price}
        return await self.do(
            "place", market, symbol=SYMBOLS[market], side=side, quantity=quantity, **limit, **more
        )

    async def fault(self, kind: str, **more: Any) -> Any:
        return await self.exchange.control(
            "account/fault", kind=kind, exchange="kucoin", account=self.name, **more
        )

    async def truth(self) -> Any:
        return (await self.exchange.truth("accounts", account=self.name))["accounts"][0]

    # --- what its owner asks ----------------------------------------------------------------

    def headers(self, signed: str, now_ms: int | None = None) -> dict[str, str]:
        stamp = str(self.exchange.clock.now_ms() if now_ms is None else now_ms)
        return {
            "KC-API-KEY": self.key,
            "KC-API-SIGN": mac(self.secret, stamp + signed),
            "KC-API-TIMESTAMP": stamp,
            "KC-API-PASSPHRASE": mac(self.secret, self.row["passphrase"]),
            "KC-API-KEY-VERSION": "3",
        }

    async def ask(
        self, market: Market, path: str, *, method: str = "GET", now_ms: int | None = None,
        headers: dict[str, str] | None = None, **params: Any,
    ) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
        """A signed request: status, answer, headers. ``headers`` take the place of the right ones."""
        target = f"{path}?{urlencode(params)}" if params else path
        sent = self.headers(method + target, now_ms) | (headers or {})
        url = URL(f"{self.exchange.url}/{HOSTS[market]}{target}", encoded=True)
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, headers={n: v for n, v in sent.items() if v}) as answer,
        ):
            return answer.status, await answer.json(), dict(answer.headers)

    async def data(self, market: Market, path: str, **params: Any) -> Any:
        """What a request that is good is answered."""
        status, body, _ = await self.ask(market, path, **params)
        assert (status, body["code"]) == (200, "200000"), body
        return body["data"]

    async def refusal(self, market: Market, path: str, **params: Any) -> tuple[int, str]:
        status, body, _ = await self.ask(market, path, **params)
        return status, body["code"]

    async def address(self, market: Market) -> str:
        """Where its socket is dialed."""
        data = await self.data(market, "/api/v1/bullet-private", method="POST")
        [server] = data["instanceServers"]
        path: str = server["endpoint"].removeprefix(self.exchange.ws_url)
        return f"{path}?token={data['token']}&connectId=c"

    @asynccontextmanager
    async def socket(self, market: Market, *topics: str) -> AsyncIterator[Wire]:
        """A socket of its own that is subscribed to these."""
        async with dial(self.exchange, await self.address(market)) as wire:
            assert await wire.message() == {"id": "c", "type": "welcome"}
            for topic in topics:
                assert (await subscribe(wire, topic))["type"] == "ack"
            yield wire


async def subscribe(wire: Wire, topic: str, kind: str = "subscribe", **more: Any) -> Any:
    """A request about a private topic, and its answer."""
    request = {"id": "7", "type": kind, "topic": topic, "privateChannel": True, "response": True}
    await wire.say(request | more)
    return await wire.until(lambda one: one.get("type") in ("ack", "error") and one["id"] == "7")


async def pushed(wire: Wire, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
    """The next push of an account that is wanted."""
    return await wire.until(lambda one: one.get("type") == "message" and wanted(one))
