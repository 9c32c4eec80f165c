"""Accounts on paper, all the way: the simulator's paper service → user worker → RabbitMQ, on real engines."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from scripts.quick.account_judge import AccountVerdict, Told, judge_account
from simulator.exchanges.paper import VARIANTS
from tests.simulator.paper_accounts import Owner, an_owner
from tests.support.older_backend import listening
from tests.support.waiting import until
from tests.workers.accounts import Accounts, accounts
from workers.users import KEEP_S

pytestmark = pytest.mark.engines

# Only balances that change are told: these do.
FUNDS = {
    "spot": {"USDT": "1000000"},
    "linear": {"USDT": "1000000"},
    "inverse": {"BTC": "50"},
}
# Positions are not told, and the service's own average weighs the prices by contracts.
UNTOLD = {"inverse": ("positions_wrong", "averages_wrong")}


async def traded(owner: Owner, symbol: str = "BTCUSDT") -> list[str]:
    """An order filled in two parts, one canceled after a part of it, one expired, one open; their ids."""
    inverse = owner.market == "inverse"
    size, part = ("100", "40") if inverse else ("1", "0.4")
    one = await owner.place(size, "60000", symbol=symbol)
    await owner.do("fill", order=one["order"], quantity=part, price="59000")
    await owner.do("fill", order=one["order"])
    two = await owner.place(size, "59000", symbol=symbol)
    await owner.do("fill", order=two["order"], quantity=part)
    await owner.do("cancel", order=two["order"])
    three = await owner.place(size, "58500", symbol=symbol)
    await owner.do("expire", order=three["order"])
    four = await owner.place(size, "57000", symbol=symbol)
    return [str(each["orderId"]) for each in (one, two, three, four)]


async def judged(it: Accounts, owner: Owner) -> list[str]:
    """What was told otherwise than it is, or never."""
    verdict = AccountVerdict()
    told = [
        Told(one.message_id, one.body)
        for one in it.heard.messages
        if one.body["accountId"] == owner.name
    ]
    truth = await owner.truth()
    # It is told under the name of the exchange whose prices it is traded at.
    places = {f"paper{word[0].upper()}{word[1:]}": name for (name, _), word in VARIANTS.items()}
    truth = {**truth, "exchange": places[truth["exchange"]]}
    judge_account(verdict, told, truth, owner.market)
    untold = UNTOLD.get(owner.market, ("positions_wrong",))
    return [reason for reason in verdict.reasons if not reason.startswith(untold)]


async def all_told(it: Accounts, owner: Owner, orders: list[str]) -> None:
    await it.ended(owner.name, orders[:3])
    await until(lambda: orders[3] in it.paths(owner.name))


async def test_orders_fills_and_balances_arrive_by_either_spelling(
    redis_url: str, rabbit_url: str
) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        it.env["PAPER_WS"] = it.exchange.url
        await it.worker("user-0")
        ours, theirs = [await an_owner(it.exchange, funds=FUNDS["spot"]) for _ in range(2)]
        await it.open(ours.row, "binance", "spot", paper=True)
        api = theirs.keys | {"provider": "paperBinance"}
        await it.ask(event="open stream", uuid=theirs.name, data={"userId": "7", "api": api})
        for owner in (ours, theirs):
            await it.live(owner.name)
            orders = await traded(owner)
            await all_told(it, owner, orders)
            paths = it.paths(owner.name)
            assert [status for status, _ in paths[orders[0]]] == [
                "NEW",
                "PARTIALLY_FILLED",
                "FILLED",
            ]
            assert paths[orders[1]][-1] == ("CANCELED", "0.4")
            assert [status for status, _ in paths[orders[2]]] == ["NEW", "EXPIRED"]
            assert it.fills(owner.name) == [
                f"{orders[0]}-0.4",
                f"{orders[0]}-1",
                f"{orders[1]}-0.4",
            ]
            assert await judged(it, owner) == []
            kinds = Counter(one.type for one in it.events(owner.name))
            assert kinds["balance.position.v1"] >= 5
        assert it.heard.repeated() == []


async def test_what_is_told_is_the_truth_on_every_market(redis_url: str, rabbit_url: str) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        it.env["PAPER_WS"] = it.exchange.ws_url
        await it.worker("user-0")

        async def one(exchange: str, market: str, variant: str) -> list[str]:
            place = f"paper{variant[0].upper()}{variant[1:]}"
            owner = await an_owner(it.exchange, place, market, funds=FUNDS[market])
            await it.open(owner.row, exchange, market, paper=True)
            listed = await it.exchange.truth("symbols", exchange=exchange, market=market)
            named = (row["symbol"] for row in listed if row["symbol"][:3] in ("BTC", "XBT"))
            symbol = min(named, key=len)
            await it.live(owner.name, limit_s=60.0)
            orders = await traded(owner, symbol)
            await all_told(it, owner, orders)
            assert {
                body["symbol"]
                for body in (message.body for message in it.events(owner.name))
                if "symbol" in body
            } == {symbol}
            return await judged(it, owner)

        told = await asyncio.gather(
            *(one(exchange, market, variant) for (exchange, market), variant in VARIANTS.items())
        )
        assert [reason for reasons in told for reason in reasons] == []


async def test_a_new_owner_goes_on_where_the_last_one_was_and_says_what_nobody_heard(
    redis_url: str, rabbit_url: str
) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        it.env["PAPER_WS"] = it.exchange.url
        worker = await it.worker("user-0")
        owner = await an_owner(it.exchange)
        await it.open(owner.row, "binance", "spot", paper=True)
        await it.live(owner.name)
        order = await owner.place("1", "60000")
        await owner.do("fill", order=order["order"], quantity="0.4")
        unheard = await owner.place("1", "50000")
        await until(lambda: unheard["orderId"] in it.paths(owner.name))
        await asyncio.sleep(2 * KEEP_S)
        await worker.kill()
        await owner.do("fill", order=order["order"], quantity="0.2", price="59000")
        await owner.do("cancel", order=unheard["order"])
        await it.worker("user-1")
        await it.live(owner.name, times=2)
        await owner.do("fill", order=order["order"], price="58000")
        await it.ended(owner.name, [order["orderId"]])
        assert it.paths(owner.name)[order["orderId"]] == [
            ("NEW", "0"),
            ("PARTIALLY_FILLED", "0.4"),
            ("FILLED", "1.0"),
        ]
        fills = [one.body for one in it.events(owner.name) if one.type == "fill.v1"]
        assert [(fill["tradeId"], fill["quantity"]) for fill in fills] == [
            (f"{order['orderId']}-0.4", "0.4"),
            (f"{order['orderId']}-1", "0.6"),
        ]
        # Two trades in one, at what both were worth: (0.2 × 59000 + 0.4 × 58000) / 0.6.
        assert fills[1]["price"] == "58333.3333333"
        # Nothing tells what became of the other one, and nothing is concluded.
        assert it.paths(owner.name)[unheard["orderId"]] == [("NEW", "0")]
        gaps = [m.body for m in it.fleet.messages if m.body.get("state") == "gap"]
        assert [gap["symbol"] for gap in gaps] == [owner.name]
        assert gaps[0]["fromMs"] < gaps[0]["toMs"]
        assert "recovered" not in it.states(owner.name)


async def test_a_cut_connection_is_dialled_again(redis_url: str, rabbit_url: str) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        it.env["PAPER_WS"] = it.exchange.url
        await it.worker("user-0")
        owner = await an_owner(it.exchange, funds=FUNDS["spot"])
        await it.open(owner.row, "binance", "spot", paper=True)
        await it.live(owner.name)
        await it.exchange.control("fault", kind="cut", where={"exchange": "paper"})
        await it.live(owner.name, times=2)
        assert it.states(owner.name) == ["live", "stale", "gap", "live"]
        orders = await traded(owner)
        await all_told(it, owner, orders)
        assert await judged(it, owner) == []


async def test_a_key_of_nobody_is_parked_and_said_so(redis_url: str, rabbit_url: str) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        it.env["PAPER_WS"] = it.exchange.url
        await it.worker("user-0")
        owner = await an_owner(it.exchange)
        await it.open(owner.row | {"secret": "another"}, "binance", "spot", paper=True)
        await until(lambda: "parked" in it.states(owner.name), 30.0)
        (said,) = [m for m in it.fleet.messages if m.body.get("state") == "parked"]
        assert said.body["code"] == "key"


async def test_an_account_that_leaves_paper_with_the_same_key_leaves_the_service(
    redis_url: str, rabbit_url: str
) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        it.env["PAPER_WS"] = it.exchange.url
        await it.worker("user-0")
        owner = await an_owner(it.exchange)
        await it.open(owner.row, "binance", "spot", paper=True)
        await it.live(owner.name)
        await it.open(owner.row, "binance", "spot")
        # The exchange knows no such key.
        await until(lambda: "parked" in it.states(owner.name), 30.0)
        assert await it.exchange.sockets(0) == []


async def test_older_backends_hear_of_futures_on_paper_in_the_words_of_all_others(
    redis_url: str, rabbit_url: str
) -> None:
    async with (
        listening(redis_url) as backend,
        accounts(redis_url, rabbit_url, COMPAT_REDIS="1") as it,
    ):
        it.env["PAPER_WS"] = it.exchange.url
        await it.worker("user-0")
        owner = await an_owner(it.exchange, "paperBinanceUsdm", "linear")
        api = owner.keys | {"provider": "paperBinanceUsdm"}
        await it.ask(event="open stream", uuid=owner.name, data={"userId": "7", "api": api})
        await until(lambda: backend.on(f"userStreamInfo{owner.name}"), 30.0)
        order = await owner.place("1", "60000", clientId="bot-7")
        await owner.do("fill", order=order["order"])

        def reports() -> list[Any]:
            bodies = backend.bodies(owner.name)
            return [body for body in bodies if body["eventType"] == "executionReport"]

        await until(lambda: len(reports()) == 2)
        assert [report["orderStatus"] for report in reports()] == ["NEW", "FILLED"]
        assert {report["newClientOrderId"] for report in reports()} == {"bot-7"}
