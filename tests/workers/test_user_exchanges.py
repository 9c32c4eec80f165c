"""Accounts of every exchange and market that the simulator serves, all the way, against its truth."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.exchanges.registry import PRIVATE
from common.model.streams import Market
from scripts.quick.account_judge import AccountVerdict, Told, judge_account
from tests.workers.accounts import Accounts, accounts

pytestmark = pytest.mark.engines

# Those whose accounts the simulator serves.
SERVED = ("binance", "bitget", "bybit", "okx", "coinbase", "kucoin")
# Where accounts are of several kinds.
MODES = {"bitget": ("unified", "classic"), "kucoin": ("", "unified")}


class Trader:
    """Does things to one account, by control."""

    def __init__(self, it: Accounts, row: dict[str, Any], market: Market, symbol: str) -> None:
        self.it, self.row, self.name = it, row, row["account"]
        self.market, self.symbol = market, symbol

    async def do(self, action: str, **more: Any) -> Any:
        return await self.it.exchange.control(
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
        part = "40" if self.market == "inverse" else "0.4"
        whole = await self.place("60000")
        await self.do("fill", order=whole, quantity=part, maker=True)
        await self.do("fill", order=whole)
        half = await self.place("59000")
        await self.do("fill", order=half, quantity=part)
        await self.do("cancel", order=half)
        await self.do("expire", order=await self.place("58500"))
        await self.do("cancel", order=await self.place("58000"))
        await self.place("57000", side="SELL")

    async def truth(self) -> Any:
        reply = await self.it.exchange.truth("accounts", account=self.name)
        return reply["accounts"][0]


async def symbol_of(it: Accounts, exchange: str, market: Market) -> str:
    """What the exchange calls bitcoin there."""
    listed = await it.exchange.truth("symbols", exchange=exchange, market=market)
    return min((row["symbol"] for row in listed if row["symbol"][:3] in ("BTC", "XBT")), key=len)


async def disagreement(it: Accounts, trader: Trader, limit_s: float = 40.0) -> list[str]:
    """Wait until what was told is the truth; what differs still."""
    try:
        async with asyncio.timeout(limit_s):
            while (verdict := await look(it, trader)).reasons:
                await it.news(1.0)
    except TimeoutError:
        return (await look(it, trader)).reasons
    return verdict.reasons


async def look(it: Accounts, trader: Trader) -> AccountVerdict:
    verdict = AccountVerdict()
    told = [
        Told(one.message_id, one.body)
        for one in it.heard.messages
        if one.body["accountId"] == trader.name
    ]
    rules = PRIVATE[trader.row["exchange"]].markets[trader.market]
    truth = await trader.truth()
    judge_account(verdict, told, truth, trader.market, fees=rules.streams_fees)
    return verdict


async def opened(it: Accounts, exchange: str) -> list[Trader]:
    """An account of each kind on each market, and who trades there."""
    traders = []
    for market in PRIVATE[exchange].markets:
        symbol = await symbol_of(it, exchange, market)
        for mode in MODES.get(exchange, ("",)):
            told = await it.exchange.control("accounts", exchange=exchange, mode=mode)
            trader = Trader(it, told["accounts"][0], market, symbol)
            await it.open(trader.row, exchange, market)
            traders.append(trader)
    return traders


async def all_live(it: Accounts, traders: list[Trader], times: int = 1) -> None:
    await asyncio.gather(*(it.live(trader.name, times=times, limit_s=60.0) for trader in traders))


async def all_trade(it: Accounts, traders: list[Trader]) -> list[str]:
    """Something happens to each of them; what of it was told otherwise, or never."""
    await asyncio.gather(*(trader.trade() for trader in traders))
    told = await asyncio.gather(*(disagreement(it, trader) for trader in traders))
    return [reason for reasons in told for reason in reasons]


@pytest.mark.parametrize("exchange", SERVED)
async def test_what_is_told_is_the_truth_whatever_was_not_heard(
    redis_url: str, rabbit_url: str, exchange: str
) -> None:
    async with accounts(redis_url, rabbit_url, ACCOUNT_RECONCILE_S="10") as it:
        worker = await it.worker("user-0")
        traders = await opened(it, exchange)
        await all_live(it, traders)
        assert await all_trade(it, traders) == []
        # Some is not heard, and told by REST on the slow beat at the latest.
        await it.exchange.control("account/fault", kind="missEvents", events=5, exchange=exchange)
        assert await all_trade(it, traders) == []
        await worker.kill()
        await asyncio.gather(*(trader.trade() for trader in traders))
        await it.worker("user-1")
        await all_live(it, traders, times=2)
        assert await all_trade(it, traders) == []


@pytest.mark.parametrize("exchange", ["binance", "coinbase"])
async def test_a_clock_that_is_set_is_not_taken_for_a_wrong_key(
    redis_url: str, rabbit_url: str, exchange: str
) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        await it.worker("user-0")
        [row] = (await it.exchange.control("accounts", exchange=exchange))["accounts"]
        await it.open(row, exchange, "spot")
        await it.live(row["account"])
        await it.exchange.control("account/fault", kind="skewClock", exchange=exchange, ms=-60_000)
        await it.exchange.control("fault", kind="cut", where={"exchange": exchange})
        await it.live(row["account"], times=2)
        assert "parked" not in it.states(row["account"])
