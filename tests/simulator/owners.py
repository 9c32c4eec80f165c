"""What an account's owner can have done to it, whatever the exchange; asking is each exchange's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import aiohttp
from yarl import URL

from common.model.streams import Market
from tests.support.simulator import RunningSimulator


class AccountOwner:
    """Who owns an account. Signs with what the exchange's documents say, with nothing of ours.

    Attributes:
        of: the exchange.
        symbols: what is traded where nothing else is said.
        market: where it is traded where nothing else is said.
    """

    of: ClassVar[str]
    symbols: ClassVar[Mapping[Market, str]]
    market: Market = "spot"

    def __init__(self, simulated: RunningSimulator, row: dict[str, Any]) -> None:
        self.exchange, self.row = simulated, row
        self.name, self.key = row["account"], row["key"]
        self.secret, self.passphrase = row["secret"], row["passphrase"]

    @classmethod
    async def opened(cls, simulated: RunningSimulator, count: int = 1, **more: Any) -> list[Self]:
        wanted = {"exchange": cls.of, "count": count} | more
        reply = await simulated.control("accounts", **wanted)
        return [cls(simulated, row) for row in reply["accounts"]]

    @classmethod
    async def one(cls, simulated: RunningSimulator, **more: Any) -> Self:
        [owner] = await cls.opened(simulated, **more)
        return owner

    async def do(self, action: str, market: Market | None = None, **more: Any) -> Any:
        return await self.exchange.control(
            "account", action=action, account=self.name, market=market or self.market, **more
        )

    async def place(
        self, market: Market | None = None, quantity: str = "1", price: str | None = None,
        side: str = "BUY", **more: Any,
    ) -> Any:  # fmt: skip
        terms = {"symbol": self.symbols[market or self.market]}
        terms |= ({} if price is None else {"price": price}) | more
        return await self.do("place", market, side=side, quantity=quantity, **terms)

    async def fault(self, kind: str, **more: Any) -> Any:
        return await self.exchange.control(
            "account/fault", kind=kind, exchange=self.row["exchange"], account=self.name, **more
        )

    async def truth(self) -> Any:
        return (await self.exchange.truth("accounts", account=self.name))["accounts"][0]

    def now_ms(self) -> int:
        return self.exchange.clock.now_ms()

    async def fetch(
        self, target: str, headers: Mapping[str, str | None], *, method: str = "GET",
        body: bytes = b"",
    ) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
        """A request to a host and path as it is: status, answer, headers.

        A header that is None is left out.
        """
        url = URL(f"{self.exchange.url}/{target}", encoded=True)
        sent = {name: text for name, text in headers.items() if text is not None}
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, headers=sent, data=body or None) as answer,
        ):
            told = await answer.json() if await answer.read() else {}
            return answer.status, told, dict(answer.headers)


def hmac_hex(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def hmac_base64(secret: str, text: str) -> str:
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
