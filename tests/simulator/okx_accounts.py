"""A bare client of OKX's accounts: signs as the documents say, with nothing of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from common.model.streams import Market
from tests.simulator.owners import AccountOwner, hmac_base64
from tests.simulator.wire import Wire

PRIVATE = "/ws.okx.com/ws/v5/private"
REST = "openapi.okx.com"
SYMBOLS: dict[Market, str] = {
    "spot": "BTC-USDT",
    "linear": "BTC-USDT-SWAP",
    "inverse": "BTC-USD-SWAP",
}
TYPES: dict[Market, str] = {"spot": "SPOT", "linear": "SWAP", "inverse": "SWAP"}


def iso(now_ms: int) -> str:
    text = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class Owner(AccountOwner):
    """Who owns an account."""

    of, symbols = "okx", SYMBOLS

    async def ask(
        self, path: str, *, wrong: dict[str, str | None] | None = None,
        stamp_ms: int | None = None, **params: Any,
    ) -> tuple[int, Any]:  # fmt: skip
        """A signed request: status and answer. ``wrong``: headers as they are sent instead."""
        target = f"/api/v5{path}" + (f"?{urlencode(params)}" if params else "")
        stamp = iso(self.now_ms() if stamp_ms is None else stamp_ms)
        headers: dict[str, str | None] = {
            "OK-ACCESS-KEY": self.key,
            "OK-ACCESS-SIGN": hmac_base64(self.secret, f"{stamp}GET{target}"),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": self.passphrase,
        }
        status, body, _ = await self.fetch(REST + target, headers | (wrong or {}))
        return status, body

    async def rows(self, path: str, **params: Any) -> Any:
        status, body = await self.ask(path, **params)
        assert (status, body["code"]) == (200, "0"), body
        return body["data"]

    # --- the socket -------------------------------------------------------------------------

    async def log_in(self, wire: Wire, **wrong: str | int) -> Any:
        """A login and its answer."""
        stamp = wrong.get("timestamp", str(self.now_ms() // 1000))
        args = {
            "apiKey": self.key,
            "passphrase": self.passphrase,
            "timestamp": stamp,
            "sign": hmac_base64(self.secret, f"{stamp}GET/users/self/verify"),
        }
        await wire.say({"op": "login", "args": [args | wrong]})
        return await wire.until(lambda message: message.get("event") in ("login", "error"))

    async def listen(self, wire: Wire, *args: dict[str, str]) -> dict[str, Any]:
        """Log in and subscribe; what each channel but orders has told at once."""
        answer = await self.log_in(wire)
        assert (answer["event"], answer["code"]) == ("login", "0")
        told = {}
        for arg in args:
            assert (await subscribe(wire, arg))["event"] == "subscribe"
            assert (await wire.message())["event"].startswith("channel-conn-count")
            if arg["channel"] != "orders":
                told[arg["channel"]] = await push(wire, arg["channel"])
        return told


an_owner = Owner.one


async def subscribe(wire: Wire, arg: dict[str, str], op: str = "subscribe") -> Any:
    """A subscription and its answer."""
    await wire.say({"id": "7", "op": op, "args": [arg]})
    return await wire.until(lambda message: message.get("id") == "7")


async def push(wire: Wire, channel: str) -> Any:
    """The next push of a channel."""
    return await wire.until(
        lambda message: "data" in message and message["arg"]["channel"] == channel
    )


def on_change(channel: str, **more: str) -> dict[str, str]:
    """A subscription that tells what changes only."""
    return {"channel": channel, **more, "extraParams": json.dumps({"updateInterval": "0"})}
