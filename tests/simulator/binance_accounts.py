"""A bare client of Binance's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import aiohttp
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from yarl import URL

from common.model.streams import Market
from tests.simulator.wire import Wire
from tests.support.simulator import RunningSimulator

HOSTS: dict[Market, str] = {
    "spot": "api.binance.com",
    "linear": "fapi.binance.com",
    "inverse": "dapi.binance.com",
}
SYMBOLS: dict[Market, str] = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD_PERP"}
API = "/ws-api.binance.com/ws-api/v3"


async def opened(exchange: RunningSimulator, count: int = 1, **more: Any) -> list[Owner]:
    reply = await exchange.control("accounts", exchange="binance", count=count, **more)
    return [Owner(exchange, row) for row in reply["accounts"]]


async def an_owner(exchange: RunningSimulator, **more: Any) -> Owner:
    return (await opened(exchange, **more))[0]


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
            "account/fault", kind=kind, exchange="binance", account=self.name, **more
        )

    async def truth(self) -> Any:
        return (await self.exchange.truth("accounts", account=self.name))["accounts"][0]

    # --- what its owner asks ----------------------------------------------------------------

    def sign(self, text: str) -> str:
        if self.row["kind"] == "ed25519":
            key: Any = load_pem_private_key(self.secret.encode(), None)
            return base64.b64encode(key.sign(text.encode())).decode()
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def now_ms(self) -> int:
        return self.exchange.clock.now_ms()

    async def ask(
        self, market: Market, path: str, *, method: str = "GET", key: str | None = None,
        signature: str | None = None, stamp: dict[str, Any] | None = None, **params: Any,
    ) -> tuple[int, Any]:  # fmt: skip
        """A signed request: status and answer."""
        stamp = {"timestamp": self.now_ms()} if stamp is None else stamp
        query = urlencode(params | stamp)
        query += "&" * bool(query) + urlencode({"signature": signature or self.sign(query)})
        return await self.send(market, f"{path}?{query}", method=method, key=key)

    async def send(
        self, market: Market, target: str, *, method: str = "GET", key: str | None = None
    ) -> tuple[int, Any]:
        headers = {"X-MBX-APIKEY": self.key if key is None else key}
        url = URL(f"{self.exchange.url}/{HOSTS[market]}{target}", encoded=True)
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, headers=headers) as answer,
        ):
            return answer.status, await answer.json()

    async def rows(self, market: Market, path: str, **params: Any) -> Any:
        status, body = await self.ask(market, path, **params)
        assert status == 200, body
        return body

    async def listen_key(self, market: Market, method: str = "POST") -> tuple[int, Any]:
        prefix = {"linear": "/fapi", "inverse": "/dapi"}[market]
        return await self.send(market, f"{prefix}/v1/listenKey", method=method)

    # --- the WebSocket API ------------------------------------------------------------------

    async def subscribe(self, wire: Wire, id_: str = "s", **wrong: Any) -> Any:
        params = {"apiKey": self.key, "timestamp": self.now_ms()}
        params |= {name: value for name, value in wrong.items() if name != "signature"}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = wrong.get("signature", self.sign(text))
        return await call(wire, "userDataStream.subscribe.signature", id_, **params)


async def call(wire: Wire, method: str, id_: str = "r", **params: Any) -> Any:
    """A request on the WebSocket API and its answer."""
    await wire.say({"id": id_, "method": method, "params": params})
    return await wire.until(lambda message: "status" in message and message["id"] == id_)


async def event(wire: Wire, name: str) -> Any:
    """The next event of this name."""
    message = await wire.until(lambda message: _name(message) == name)
    return message.get("event", message)


def _name(message: Any) -> str | None:
    inner = message.get("event", message)
    return inner.get("e") if isinstance(inner, dict) else None
