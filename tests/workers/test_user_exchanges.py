"""Accounts of every exchange and market that the simulator serves, all the way, against its truth."""

from __future__ import annotations

import asyncio

import pytest

from common.exchanges.registry import PRIVATE
from scripts.quick.account_judge import AccountVerdict, Told, judge_account
from tests.support.trader import Trader, symbol_of
from tests.workers.accounts import Accounts, accounts

pytestmark = pytest.mark.engines

# Those whose accounts the simulator serves.
SERVED = ("binance", "bitget", "bybit", "okx", "coinbase", "kucoin")
# Where accounts are of several kinds.
MODES = {"bitget": ("unified", "classic"), "kucoin": ("", "unified")}
# Where access may end and the socket stays; with the others it lasts as long as its socket.
APART = ("binance", "bitget")


async def disagreement(
    it: Accounts, trader: Trader, limit_s: float = 40.0, *, killed: bool = False
) -> list[str]:
    """Wait until what was told is the truth; what differs still."""
    try:
        async with asyncio.timeout(limit_s):
            while (verdict := await look(it, trader, killed=killed)).reasons:
                await it.news(1.0)
    except TimeoutError:
        return (await look(it, trader, killed=killed)).reasons
    return verdict.reasons


async def look(it: Accounts, trader: Trader, *, killed: bool) -> AccountVerdict:
    """``killed``: what its last owner had told and not kept may have come again."""
    verdict = AccountVerdict()
    told = [
        Told(one.message_id, one.body)
        for one in it.heard.messages
        if one.body["accountId"] == trader.name
    ]
    rules = PRIVATE[trader.row["exchange"]].markets[trader.market]
    truth = await trader.truth()
    judge_account(
        verdict, told, truth, trader.market,
        fees=rules.streams_fees, dated=rules.dates_orders, explains=lambda _before, _again: killed,
    )  # fmt: skip
    return verdict


async def opened(it: Accounts, exchange: str) -> list[Trader]:
    """An account of each kind on each market, and who trades there."""
    traders = []
    for market in PRIVATE[exchange].markets:
        symbol = await symbol_of(it.exchange, exchange, market)
        for mode in MODES.get(exchange, ("",)):
            told = await it.exchange.control("accounts", exchange=exchange, mode=mode)
            trader = Trader(it.exchange, told["accounts"][0], market, symbol)
            await it.open(trader.row, exchange, market)
            traders.append(trader)
    return traders


async def all_live(it: Accounts, traders: list[Trader], times: int = 1) -> None:
    await asyncio.gather(*(it.live(trader.name, times=times, limit_s=60.0) for trader in traders))


async def all_trade(it: Accounts, traders: list[Trader], *, killed: bool = False) -> list[str]:
    """Something happens to each of them; what of it was told otherwise, or never."""
    await asyncio.gather(*(trader.trade() for trader in traders))
    told = await asyncio.gather(*(disagreement(it, trader, killed=killed) for trader in traders))
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
        assert await all_trade(it, traders, killed=True) == []


@pytest.mark.timeout(300)
async def test_an_access_that_ends_without_a_word_is_noticed_before_anything_is_compared(
    redis_url: str, rabbit_url: str
) -> None:
    async with accounts(redis_url, rabbit_url, ACCOUNT_RECONCILE_S="86400") as it:
        await it.worker("user-0")
        traders = [one for exchange in APART for one in await opened(it, exchange)]
        await all_live(it, traders)
        for exchange in APART:
            await it.exchange.control("account/fault", kind="expireAccess", exchange=exchange)
        await asyncio.gather(*(trader.trade() for trader in traders))
        await asyncio.gather(*(it.live(one.name, times=2, limit_s=90.0) for one in traders))
        told = await asyncio.gather(*(disagreement(it, trader) for trader in traders))
        assert [reason for reasons in told for reason in reasons] == []


@pytest.mark.parametrize("exchange", SERVED)
async def test_one_frame_of_a_fill_that_was_not_heard_makes_nothing_up(
    redis_url: str, rabbit_url: str, exchange: str
) -> None:
    """Neither a total that never was nor a fill before its time, whichever frame it is."""
    async with accounts(redis_url, rabbit_url, ACCOUNT_RECONCILE_S="10") as it:
        await it.worker("user-0")
        traders = await opened(it, exchange)
        await all_live(it, traders)
        for missed in (1, 2):
            told = await asyncio.gather(*(missing(it, trader, missed) for trader in traders))
            assert [reason for reasons in told for reason in reasons] == []


async def missing(it: Accounts, trader: Trader, events: int) -> list[str]:
    """Of an order that is filled in three parts so many frames of the second are not heard."""
    order = await trader.place("60000")
    await trader.do("fill", order=order, quantity=trader.part)
    fault = {"exchange": trader.row["exchange"], "account": trader.name}
    await it.exchange.control("account/fault", kind="missEvents", events=events, **fault)
    await trader.do("fill", order=order, quantity=trader.part)
    await trader.do("fill", order=order)
    return await disagreement(it, trader)


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


@pytest.mark.parametrize("exchange", [name for name in SERVED if "linear" in PRIVATE[name].markets])
async def test_a_contract_that_was_listed_a_moment_ago_is_told_with_its_size(
    redis_url: str, rabbit_url: str, exchange: str
) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        await it.worker("user-0")
        [row] = (await it.exchange.control("accounts", exchange=exchange))["accounts"]
        await it.open(row, exchange, "linear")
        await it.live(row["account"])
        new = {"exchange": exchange, "market": "linear", "base": "NEW", "quote": "USDT"}
        symbol = (await it.exchange.control("symbol", action="list", **new))["symbol"]
        assert await all_trade(it, [Trader(it.exchange, row, "linear", symbol)]) == []


async def test_what_was_bought_and_sold_again_unheard_is_found_by_the_ledger(
    redis_url: str, rabbit_url: str
) -> None:
    """In a symbol that the account had never traded: its balances are as they were."""
    async with accounts(redis_url, rabbit_url, ACCOUNT_RECONCILE_S="10") as it:
        await it.worker("user-0")
        [row] = (await it.exchange.control("accounts", exchange="kucoin"))["accounts"]
        await it.open(row, "kucoin", "spot")
        await it.live(row["account"])
        fault = {"exchange": "kucoin", "account": row["account"]}
        await it.exchange.control("account/fault", kind="missEvents", events=100, **fault)
        trader = Trader(it.exchange, row, "spot", "SOL-USDT")
        for side in ("BUY", "SELL"):
            placed = await trader.do("place", symbol=trader.symbol, side=side, quantity="2")
            await trader.do("fill", order=placed["order"], price="100")
        assert await disagreement(it, trader) == []
