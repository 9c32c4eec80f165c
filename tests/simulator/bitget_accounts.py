"""A bare client of Bitget's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from common.model.streams import Market
from tests.simulator.wire import Wire
from tests.support.simulator import RunningSimulator

REST = "api.bitget.com"
SOCKETS = {"unified": "/ws.bitget.com/v3/ws/private", "classic": "/ws.bitget.com/v2/ws/private"}
TYPES: dict[Market, str] = {
    "spot": "SPOT",
    "linear": "USDT-FUTURES",
    "inverse": "COIN-FUTURES",
}
SYMBOLS: dict[Market, str] = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"}


async def an_owner(exchange: RunningSimulator, mode: str = "unified", **more: Any) -> Owner:
    reply = await exchange.control("accounts", exchange="bitget", mode=mode, **more)
    return Owner(exchange, reply["accounts"][0])


class Owner:
    """Who owns an account."""

    def __init__(self, exchange: RunningSimulator, row: dict[str, Any]) -> None:
        self.exchange, self.row = exchange, row
        self.name, self.mode = row["account"], row["mode"]
        self.key, self.secret, self.passphrase = row["key"], row["secret"], row["passphrase"]

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
            "account/fault", kind=kind, exchange="bitget", account=self.name, **more
        )

    async def truth(self) -> Any:
        return (await self.exchange.truth("accounts", account=self.name))["accounts"][0]

    # --- what its owner asks ----------------------------------------------------------------

    def sign(self, text: str) -> str:
        mac = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).digest()
        return base64.b64encode(mac).decode()

    def now_ms(self) -> int:
        return self.exchange.clock.now_ms()

    async def ask(
        self, path: str, *, headers: dict[str, str | None] | None = None, signed: str | None = None,
        **params: Any,
    ) -> tuple[int, Any]:  # fmt: skip
        """A signed request: status and answer. ``headers`` take the place of the right ones."""
        query = urlencode(params)
        target = path + "?" * bool(query) + query
        time = str((headers or {}).get("ACCESS-TIMESTAMP") or self.now_ms())
        right: dict[str, str | None] = {
            "ACCESS-KEY": self.key,
            "ACCESS-SIGN": self.sign(signed or f"{time}GET{target}"),
            "ACCESS-TIMESTAMP": time,
            "ACCESS-PASSPHRASE": self.passphrase,
        }
        sent = {name: text for name, text in (right | (headers or {})).items() if text is not None}
        url = URL(f"{self.exchange.url}/{REST}{target}", encoded=True)
        async with aiohttp.ClientSession() as http, http.get(url, headers=sent) as answer:
            return answer.status, await answer.json()

    async def data(self, path: str, **params: Any) -> Any:
        status, body = await self.ask(path, **params)
        assert (status, body["code"]) == (200, "00000"), body
        return body["data"]

    # --- sockets ----------------------------------------------------------------------------

    async def log_in(self, wire: Wire, **wrong: Any) -> Any:
        """The answer to a login, with what is wrong in it on purpose."""
        time = str(wrong.get("timestamp", self.now_ms() // 1000))
        argument = {
            "apiKey": self.key, "passphrase": self.passphrase, "timestamp": time,
            "sign": self.sign(f"{time}GET/user/verify"),
        }  # fmt: skip
        await wire.say({"op": "login", "args": [argument | wrong]})
        return await wire.until(lambda message: message.get("event") in ("login", "error"))

    async def subscribe(self, wire: Wire, *args: dict[str, str]) -> None:
        """Log in and subscribe; every argument is answered by itself."""
        assert (await self.log_in(wire))["code"] == 0
        await wire.say({"op": "subscribe", "args": list(args)})
        for arg in args:
            await wire.until(
                lambda m, arg=arg: m.get("event") == "subscribe" and m["arg"] == arg
            )  # fmt: skip


def topic(name: str) -> dict[str, str]:
    return {"instType": "UTA", "topic": name}


def channel(market: Market, name: str) -> dict[str, str]:
    which = "coin" if name == "account" else "instId"
    return {"instType": TYPES[market], "channel": name, which: "default"}


async def rows(wire: Wire, arg: dict[str, str]) -> Any:
    """The rows of the next push under an argument."""
    return (await wire.until(lambda m: "action" in m and m["arg"] == arg))["data"]
