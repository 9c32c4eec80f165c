"""A bare client of Bybit's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from common.model.streams import Market
from tests.simulator.owners import AccountOwner, hmac_hex
from tests.simulator.wire import Wire

HOST = "api.bybit.com"
SOCKET = "/stream.bybit.com/v5/private"
SYMBOLS: dict[Market, str] = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"}
TOPICS = ("order", "execution", "position", "wallet")


class Owner(AccountOwner):
    """Who owns an account."""

    of, symbols = "bybit", SYMBOLS

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
            "X-BAPI-SIGN": hmac_hex(self.secret, text) if sign is None else sign,
        }
        return await self.fetch(f"{HOST}{path}?{query}", headers, body=body)

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
        sign = wrong.get("sign", hmac_hex(self.secret, f"GET/realtime{expires}"))
        return await request(wire, "auth", wrong.get("key", self.key), expires, sign)

    async def listen(self, wire: Wire, *topics: str) -> None:
        assert (await self.log_in(wire))["success"] is True
        assert (await request(wire, "subscribe", *(topics or TOPICS)))["success"] is True


opened, an_owner = Owner.opened, Owner.one


async def request(wire: Wire, op: str, *args: Any) -> Any:
    """A request and its answer."""
    await wire.say({"req_id": "r", "op": op, "args": list(args)})
    return await wire.until(lambda message: message.get("req_id") == "r" and "topic" not in message)


async def pushed(wire: Wire, topic: str) -> Any:
    """The one row of the next push of a topic."""
    [row] = (await wire.until(lambda message: message.get("topic") == topic))["data"]
    return row
