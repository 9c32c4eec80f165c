"""Who trades with one simulated account on one market, by control, and asks what is true of it."""

from __future__ import annotations

from typing import Any

from common.model.streams import Market
from tests.support.simulator import RunningSimulator


class Trader:
    """Does things to one account."""

    def __init__(
        self, exchange: RunningSimulator, row: dict[str, Any], market: Market, symbol: str
    ) -> None:
        self._exchange, self.row, self.name = exchange, row, row["account"]
        self.market, self.symbol = market, symbol
        # Contracts are of many dollars, coins of tens of thousands.
        self.part = "40" if market == "inverse" else "0.4"

    async def do(self, action: str, **more: Any) -> Any:
        return await self._exchange.control(
            "account", action=action, account=self.name, market=self.market, **more
        )

    async def place(self, price: str | None, side: str = "BUY") -> int:
        size = "100" if self.market == "inverse" else "1"
        limit = {} if price is None else {"price": price}
        order = await self.do("place", symbol=self.symbol, side=side, quantity=size, **limit)
        number: int = order["order"]
        return number

    async def trade(self) -> None:
        """An order filled in parts, one canceled after a part of it, one rejected, one expired, one open."""
        whole = await self.place("60000")
        await self.do("fill", order=whole, quantity=self.part, maker=True)
        await self.do("fill", order=whole)
        half = await self.place("59000")
        await self.do("fill", order=half, quantity=self.part)
        await self.do("cancel", order=half)
        await self.do("expire", order=await self.place("58500"))
        await self.do("cancel", order=await self.place("58000"))
        await self.place("57000", side="SELL")

    async def trade_at_two_prices(self) -> None:
        """Orders filled in parts, canceled and expired after a part or none, and one open after a part."""
        whole = await self.place("60000")
        await self.do("fill", order=whole, quantity=self.part, maker=True)
        await self.do("fill", order=whole, price="59000")
        for end, quantity in (
            ("cancel", self.part),
            ("expire", self.part),
            ("cancel", ""),
            ("expire", ""),
        ):
            order = await self.place("59000")
            if quantity:
                await self.do("fill", order=order, quantity=quantity)
            await self.do(end, order=order)
        await self.do("fill", order=await self.place("57000", side="SELL"), quantity=self.part)

    async def truth(self) -> Any:
        reply = await self._exchange.truth("accounts", account=self.name)
        return reply["accounts"][0]


async def symbol_of(exchange: RunningSimulator, name: str, market: Market) -> str:
    """What an exchange calls bitcoin there."""
    listed = await exchange.truth("symbols", exchange=name, market=market)
    return min((row["symbol"] for row in listed if row["symbol"][:3] in ("BTC", "XBT")), key=len)
