"""Our own client against Bybit's simulated accounts: what it hears, reads and is refused for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

import aiohttp
import pytest
from yarl import URL

from common.exchanges.bybit.private import BYBIT_PRIVATE
from common.exchanges.private import (
    BalancesTold,
    Conversation,
    Credentials,
    Denied,
    FillTold,
    Inquiry,
    InquiryFailed,
    Known,
    Opened,
    OrderTold,
    PositionsTold,
)
from common.exchanges.protocol import RestFailure, RestRequest
from common.model.secret import Secret
from common.model.streams import MARKETS, Market
from tests.simulator.bybit_accounts import SOCKET, SYMBOLS, Owner, an_owner
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator

_T = TypeVar("_T")
SIZES: dict[Market, tuple[str, str]] = {
    "spot": ("0.5", "60000"),
    "linear": ("0.5", "60000"),
    "inverse": ("10", "60000.0"),
}


def credentials(owner: Owner) -> Credentials:
    return Credentials(Secret(owner.key), Secret(owner.secret), kind="hmac")


async def ask(exchange: RunningSimulator, owner: Owner, inquiry: Inquiry[_T]) -> _T:
    """Carry out an inquiry, as the fleet's REST does, without any of it."""
    try:
        request = next(inquiry)
        while True:
            try:
                body = await send(exchange, owner, request)
            except InquiryFailed as failed:
                request = inquiry.throw(failed)
            else:
                request = inquiry.send(body)
    except StopIteration as stop:
        return stop.value


async def send(exchange: RunningSimulator, owner: Owner, request: RestRequest) -> bytes:
    signed = BYBIT_PRIVATE.sign(request, credentials(owner), exchange.clock.now_ms())
    url = URL(exchange.url + "/" + signed.url.removeprefix("https://"), encoded=True)
    async with (
        aiohttp.ClientSession() as http,
        http.request(signed.method, url, headers=dict(signed.headers)) as answer,
    ):
        body = await answer.read()
        trouble = BYBIT_PRIVATE.trouble(answer.status, dict(answer.headers), body)
        if trouble is not None:
            raise InquiryFailed(RestFailure("transient", body.decode()), trouble)
        return body


async def hear(wire: Wire, conversation: Conversation, wanted: type, count: int = 1) -> list[Any]:
    """What is said, until so many of a kind were; answers are sent as they are wanted."""
    heard: list[Any] = []
    async with asyncio.timeout(10):
        while sum(isinstance(what, wanted) for what in heard) < count:
            turn = conversation.receive((await wire.raw()).data.encode(), {}, 0)
            heard += [said.what for said in turn.said]
            for text in turn.send:
                await wire.say(text)
    return heard


async def joined(wire: Wire, market: Market, owner: Owner) -> Conversation:
    conversation = BYBIT_PRIVATE.converse(market)
    for text in conversation.join("mine", credentials(owner), owner.now_ms()):
        await wire.say(text)
    return conversation


def of(kind: type[_T], told: Sequence[Any]) -> list[_T]:
    return [one for one in told if isinstance(one, kind)]


@pytest.mark.parametrize("market", MARKETS)
async def test_an_order_is_heard_and_read_as_it_was(market: Market) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        url = await ask(exchange, owner, BYBIT_PRIVATE.open(market, credentials(owner)))
        assert "/" + url.removeprefix("wss://") == SOCKET
        async with dial(exchange, SOCKET) as wire:
            conversation = await joined(wire, market, owner)
            await hear(wire, conversation, Opened)
            placed = await owner.place(market, *SIZES[market])
            await owner.do("fill", market, order=placed["order"], maker=True)
            # The wallet comes last.
            heard = await hear(wire, conversation, BalancesTold, 2)
        truth = await owner.truth()
        assert [one.status for one in of(OrderTold, heard)] == ["NEW", "FILLED"]
        assert {one.order_id for one in of(OrderTold, heard)} == {placed["orderId"]}
        [fill], [true] = of(FillTold, heard), truth["fills"]
        assert (fill.trade_id, fill.side, fill.maker) == (true["tradeId"], "BUY", True)
        size = fill.contracts if market == "inverse" else fill.quantity
        assert (Decimal(str(size)), Decimal(str(fill.fee))) == (
            Decimal(true["quantity"]), Decimal(true["fee"]),
        )  # fmt: skip
        assert len(of(PositionsTold, heard)) == (0 if market == "spot" else 2)

        now = await ask(exchange, owner, BYBIT_PRIVATE.snapshot(market, credentials(owner), {}))
        assert of(OrderTold, now) == []
        assert [len(one.positions) for one in of(PositionsTold, now)] == [1] * (market != "spot")
        [balances] = of(BalancesTold, now)
        last = {row.asset: row for told in of(BalancesTold, heard) for row in told.balances}
        assert last
        assert all(row in balances.balances for row in last.values())
        await asyncio.sleep(0.4)
        known = Known(owner.now_ms() - 60_000, owner.now_ms() + 1, [SYMBOLS[market]])
        for inquiry in (
            BYBIT_PRIVATE.since(market, credentials(owner), {}, known),
            BYBIT_PRIVATE.order(market, credentials(owner), {}, SYMBOLS[market], placed["orderId"]),
        ):
            told = await ask(exchange, owner, inquiry)
            [read], [order] = of(FillTold, told), of(OrderTold, told)
            assert (read.trade_id, read.price, read.quantity) == (
                fill.trade_id, fill.price, fill.quantity,
            )  # fmt: skip
            assert order == of(OrderTold, heard)[-1]


async def test_a_liquidation_is_known_as_one() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        order = await owner.place("linear", "0.5", "60000")
        await owner.do("fill", "linear", order=order["order"])
        conversation = await joined(wire, "linear", owner)
        await hear(wire, conversation, Opened)
        await owner.do("liquidate", "linear", symbol="BTCUSDT", price="57000")
        heard = await hear(wire, conversation, BalancesTold)
        assert [one.liquidation for one in of(OrderTold, heard)] == [True, True]
        [fill] = of(FillTold, heard)
        assert (fill.liquidation, fill.realized_pnl) == (True, "-1500")


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [("revokeKey", "key"), ("takePermission", "permission"), ("takeAddress", "address")],
)
async def test_what_a_refusal_means(fault: str, trouble: str) -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.fault(fault)
        conversation = await joined(wire, "spot", owner)
        [denied] = of(Denied, await hear(wire, conversation, Denied))
        assert denied.trouble == trouble
        with pytest.raises(InquiryFailed) as failed:
            await ask(exchange, owner, BYBIT_PRIVATE.open("spot", credentials(owner)))
        assert failed.value.trouble == trouble


async def test_a_clock_that_is_ahead_of_ours_and_an_account_that_is_retired() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        old = await an_owner(exchange, mode="classic")
        with pytest.raises(InquiryFailed) as failed:
            await ask(exchange, old, BYBIT_PRIVATE.open("spot", credentials(old)))
        assert failed.value.trouble == "mode"
        await exchange.control("account/fault", kind="skewClock", exchange="bybit", ms=60_000)
        conversation = await joined(wire, "spot", old)
        [denied] = of(Denied, await hear(wire, conversation, Denied))
        assert denied.trouble == "clock"
        with pytest.raises(InquiryFailed) as failed:
            await ask(exchange, old, BYBIT_PRIVATE.open("spot", credentials(old)))
        assert failed.value.trouble == "clock"
