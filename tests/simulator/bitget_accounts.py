"""A bare client of Bitget's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from common.model.streams import Market
from tests.simulator.owners import AccountOwner, hmac_base64
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
    return await Owner.one(exchange, mode=mode, **more)


class Owner(AccountOwner):
    """Who owns an account."""

    of, symbols = "bitget", SYMBOLS

    def sign(self, text: str) -> str:
        return hmac_base64(self.secret, text)

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
        status, body, _ = await self.fetch(REST + target, right | (headers or {}))
        return status, body

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
