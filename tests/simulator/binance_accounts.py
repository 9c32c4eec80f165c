"""A bare client of Binance's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from common.model.streams import Market
from tests.simulator.owners import AccountOwner, hmac_hex
from tests.simulator.wire import Wire

HOSTS: dict[Market, str] = {
    "spot": "api.binance.com",
    "linear": "fapi.binance.com",
    "inverse": "dapi.binance.com",
}
SYMBOLS: dict[Market, str] = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD_PERP"}
API = "/ws-api.binance.com/ws-api/v3"


class Owner(AccountOwner):
    """Who owns an account."""

    of, symbols = "binance", SYMBOLS

    def sign(self, text: str) -> str:
        if self.row["kind"] == "ed25519":
            key: Any = load_pem_private_key(self.secret.encode(), None)
            return base64.b64encode(key.sign(text.encode())).decode()
        return hmac_hex(self.secret, text)

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
        """A request with the key and no signature."""
        headers = {"X-MBX-APIKEY": self.key if key is None else key}
        status, body, _ = await self.fetch(HOSTS[market] + target, headers, method=method)
        return status, body

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


opened, an_owner = Owner.opened, Owner.one


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
