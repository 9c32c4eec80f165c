"""A bare client of KuCoin's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from common.model.streams import Market
from tests.simulator.owners import AccountOwner, hmac_base64
from tests.simulator.wire import Wire, dial

HOSTS: dict[Market, str] = {
    "spot": "api.kucoin.com",
    "linear": "api-futures.kucoin.com",
    "inverse": "api-futures.kucoin.com",
}
SYMBOLS: dict[Market, str] = {"spot": "BTC-USDT", "linear": "XBTUSDTM", "inverse": "XBTUSDM"}


class Owner(AccountOwner):
    """Who owns an account."""

    of, symbols = "kucoin", SYMBOLS

    def headers(self, signed: str, now_ms: int | None = None) -> dict[str, str]:
        stamp = str(self.now_ms() if now_ms is None else now_ms)
        return {
            "KC-API-KEY": self.key,
            "KC-API-SIGN": hmac_base64(self.secret, stamp + signed),
            "KC-API-TIMESTAMP": stamp,
            "KC-API-PASSPHRASE": hmac_base64(self.secret, self.passphrase),
            "KC-API-KEY-VERSION": "3",
        }

    async def ask(
        self, market: Market, path: str, *, method: str = "GET", now_ms: int | None = None,
        headers: dict[str, str] | None = None, **params: Any,
    ) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
        """A signed request: status, answer, headers. ``headers`` take the place of the right ones."""
        target = f"{path}?{urlencode(params)}" if params else path
        sent = self.headers(method + target, now_ms) | (headers or {})
        given = {name: text or None for name, text in sent.items()}
        return await self.fetch(HOSTS[market] + target, given, method=method)

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


opened, an_owner = Owner.opened, Owner.one


async def subscribe(wire: Wire, topic: str, kind: str = "subscribe", **more: Any) -> Any:
    """A request about a private topic, and its answer."""
    request = {"id": "7", "type": kind, "topic": topic, "privateChannel": True, "response": True}
    await wire.say(request | more)
    return await wire.until(lambda one: one.get("type") in ("ack", "error") and one["id"] == "7")


async def pushed(wire: Wire, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
    """The next push of an account that is wanted."""
    return await wire.until(lambda one: one.get("type") == "message" and wanted(one))
