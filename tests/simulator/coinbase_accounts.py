"""A bare client of Coinbase's accounts: makes tokens as the documents say, with nothing of ours."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.simulator.owners import AccountOwner
from tests.simulator.wire import Wire

REST = "api.coinbase.com"
PATH = "/api/v3/brokerage"
USER = "/advanced-trade-ws-user.coinbase.com"
MARKET = "/advanced-trade-ws.coinbase.com"
HEARTBEATS = {"type": "subscribe", "channel": "heartbeats"}


class Owner(AccountOwner):
    """Who owns an account."""

    of, symbols = "coinbase", {"spot": "BTC-USDT"}

    async def place(self, quantity: str, price: str | None = None, **more: Any) -> Any:
        return await super().place("spot", quantity, price, **more)

    def token(self, uri: str = "", head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token for a request or (without ``uri``) a subscription; what is None is left out."""
        now_s = self.now_ms() // 1000
        alg = {"es256": "ES256", "ed25519": "EdDSA"}[self.row["kind"]]
        header = {"alg": alg, "typ": "JWT", "kid": self.key, "nonce": secrets.token_hex(8)}
        body = {"sub": self.key, "iss": "cdp", "nbf": now_s, "exp": now_s + 120}
        body |= ({"uri": uri} if uri else {}) | claims
        body = {name: value for name, value in body.items() if value is not None}
        text = b".".join(
            _base64(json.dumps(part).encode()) for part in (header | (head or {}), body)
        )
        return b".".join((text, _base64(self.sign(text)))).decode()

    def sign(self, text: bytes) -> bytes:
        if self.row["kind"] == "ed25519":
            seed = base64.b64decode(self.secret)[:32]
            return Ed25519PrivateKey.from_private_bytes(seed).sign(text)
        key: Any = load_pem_private_key(self.secret.encode(), None)
        r, s = decode_dss_signature(key.sign(text, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    async def ask(
        self, path: str, *params: tuple[str, Any], token: str | None = None
    ) -> tuple[int, Any]:
        """A request with a token: status and answer, as text where it is no JSON."""
        token = token or self.token(f"GET {REST}{PATH}{path}")
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.exchange.url}/{REST}{PATH}{path}"
        query = [(name, str(value)) for name, value in params]
        async with (
            aiohttp.ClientSession() as http,
            http.get(url, params=query, headers=headers) as answer,
        ):
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith("{") else text

    async def told(self, path: str, *params: tuple[str, Any]) -> Any:
        status, body = await self.ask(path, *params)
        assert status == 200, body
        return body

    async def subscribe(self, wire: Wire, *, token: str | None = None, **more: Any) -> Any:
        """To the orders: the list of all subscriptions, or an error."""
        token = self.token() if token is None else token
        await wire.say({"type": "subscribe", "channel": "user", "jwt": token} | more)
        return await answered(wire)


opened, an_owner = Owner.opened, Owner.one


async def answered(wire: Wire) -> Any:
    """The next list of subscriptions, or the next error."""
    answer = await wire.until(
        lambda message: message.get("channel") == "subscriptions" or message.get("type") == "error"
    )
    return answer["events"][0]["subscriptions"] if "events" in answer else answer


async def order_told(wire: Wire, kind: str = "update") -> Any:
    """The orders of the next event of the channel."""
    message = await wire.until(
        lambda message: message.get("channel") == "user" and message["events"][0]["type"] == kind
    )
    return message["events"][0]["orders"]


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
