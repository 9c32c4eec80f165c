"""A bare client of Bybit's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from common.model.streams import Market
from tests.simulator.wire import Wire
from tests.support.simulator import RunningSimulator

HOST = "api.bybit.com"
SOCKET = "/stream.bybit.com/v5/private"
SYMBOLS: dict[Market, str] = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"}
TOPICS = ("order", "execution", "position", "wallet")


def signature_of(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Owner:
    """Who owns an account."""

    def __init__(self, exchange: RunningSimulator, row: dict[str, Any]) -> None:
        self.exchange = exchange
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
            "account/fault", kind=kind, exchange="bybit", account=self.name, **more
        )

    async def truth(self) -> Any:
        return (await self.exchange.truth("accounts", account=self.name))["accounts"][0]

    # --- what its owner asks ----------------------------------------------------------------

    def now_ms(self) -> int:
        return self.exchange.clock.now_ms()

    async def ask(
        self, path: str, *, key: str | None = None, sign: str | None = None,
        stamp: int | None = None, window: str = "5000", body: bytes = b"", **params: Any,
    ) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
        """A signed request: status, answer and headers."""
        key = self.key if key is None else key
        moment = str(self.now_ms() if stamp is None else stamp)
        query = urlencode(params)
        text = f"{moment}{key}{window}{query}"
        headers = {
            "X-BAPI-API-KEY": key,
            "X-BAPI-TIMESTAMP": moment,
            "X-BAPI-RECV-WINDOW": window,
            "X-BAPI-SIGN": signature_of(self.secret, text) if sign is None else sign,
        }
        url = URL(f"{self.exchange.url}/{HOST}{path}?{query}", encoded=True)
        async with (
            aiohttp.ClientSession() as http,
            http.get(url, headers=headers, data=body or None) as answer,
        ):
            told = await answer.json() if await answer.read() else {}
            return answer.status, told, dict(answer.headers)

    async def result(self, path: str, **params: Any) -> Any:
        status, body, _ = await self.ask(path, **params)
        assert (status, body["retCode"]) == (200, 0), body
        return body["result"]

    async def rows(self, path: str, **params: Any) -> Any:
        return (await self.result(path, **params))["list"]

    async def refused(self, path: str = "/v5/account/info", **more: Any) -> tuple[int, str]:
        status, body, _ = await self.ask(path, **more)
        assert status == 200, body
        return body["retCode"], body["retMsg"]

    # --- the socket -------------------------------------------------------------------------

    async def log_in(self, wire: Wire, **wrong: Any) -> Any:
        expires = wrong.get("expires", self.now_ms() + 10_000)
        sign = wrong.get("sign", signature_of(self.secret, f"GET/realtime{expires}"))
        return await request(wire, "auth", wrong.get("key", self.key), expires, sign)

    async def listen(self, wire: Wire, *topics: str) -> None:
        assert (await self.log_in(wire))["success"] is True
        assert (await request(wire, "subscribe", *(topics or TOPICS)))["success"] is True


async def opened(exchange: RunningSimulator, count: int = 1, **more: Any) -> list[Owner]:
    reply = await exchange.control("accounts", exchange="bybit", count=count, **more)
    return [Owner(exchange, row) for row in reply["accounts"]]


async def an_owner(exchange: RunningSimulator, **more: Any) -> Owner:
    return (await opened(exchange, **more))[0]


async def request(wire: Wire, op: str, *args: Any) -> Any:
    """A request and its answer."""
    await wire.say({"req_id": "r", "op": op, "args": list(args)})
    return await wire.until(lambda message: message.get("req_id") == "r" and "topic" not in message)


async def pushed(wire: Wire, topic: str) -> Any:
    """The one row of the next push of a topic."""
    [row] = (await wire.until(lambda message: message.get("topic") == topic))["data"]
    return row
