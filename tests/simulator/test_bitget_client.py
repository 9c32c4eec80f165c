"""Our own client against the simulated accounts of Bitget: what is heard and what REST tells are the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

import aiohttp
import pytest
from yarl import URL

from common.exchanges.bitget import BITGET
from common.exchanges.bitget.describe import LISTINGS
from common.exchanges.bitget.private import BITGET_PRIVATE
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
    Said,
)
from common.exchanges.protocol import RestFailure, RestRequest, Unreadable
from common.model.instruments import Catalog
from common.model.secret import Secret
from common.model.streams import MARKETS, Market
from tests.simulator.bitget_accounts import REST, SYMBOLS, TYPES, Owner, an_owner
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator

_T = TypeVar("_T")
MODES = ("unified", "classic")
SIZES = {
    "spot": ("0.5", "60000.00"),
    "linear": ("0.5", "60000.00"),
    "inverse": ("10", "60000.0"),
}


class Desk:
    """Carries out our inquiries, as the fleet's REST does, without any of it."""

    def __init__(self, exchange: RunningSimulator, owner: Owner) -> None:
        self.exchange = exchange
        self.credentials = Credentials(
            Secret(owner.key), Secret(owner.secret), Secret(owner.passphrase)
        )

    async def ask(self, inquiry: Inquiry[_T]) -> _T:
        try:
            request = next(inquiry)
            while True:
                try:
                    body = await self._send(request)
                except InquiryFailed as failed:
                    request = inquiry.throw(failed)
                else:
                    request = inquiry.send(body)
        except StopIteration as stop:
            return stop.value

    async def _send(self, request: RestRequest) -> bytes:
        now_ms = self.exchange.clock.now_ms()
        signed = BITGET_PRIVATE.sign(request, self.credentials, now_ms)
        url = URL(self.exchange.url + "/" + signed.url.removeprefix("https://"), encoded=True)
        async with (
            aiohttp.ClientSession() as http,
            http.request(signed.method, url, headers=dict(signed.headers)) as answer,
        ):
            body = await answer.read()
            trouble = BITGET_PRIVATE.trouble(answer.status, dict(answer.headers), body)
            if trouble is not None:
                raise InquiryFailed(RestFailure("transient", body.decode()), trouble)
            return body


async def catalog_of(exchange: RunningSimulator, market: Market) -> Catalog:
    product = "" if market == "spot" else f"?productType={TYPES[market]}"
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{exchange.url}/{REST}{LISTINGS[market]}{product}") as reply,
    ):
        page = BITGET.parse_instruments(market, await reply.read())
    return {one.symbol: one for one in page.instruments}


async def joined(
    desk: Desk, wire: Wire, market: Market, url: str, catalog: Catalog
) -> Conversation:
    """A conversation that is open."""
    conversation = BITGET_PRIVATE.converse(market, url)
    for text in conversation.join("mine", desk.credentials, desk.exchange.clock.now_ms()):
        await wire.say(text)
    await hear(wire, conversation, catalog, Opened)
    return conversation


async def hear(
    wire: Wire, conversation: Conversation, catalog: Catalog, wanted: type, count: int = 1
) -> list[Any]:
    """What is said, until so many of a kind were."""
    heard: list[Said] = []
    async with asyncio.timeout(10):
        while sum(isinstance(said.what, wanted) for said in heard) < count:
            turn = conversation.receive((await wire.raw()).data.encode(), catalog, 0)
            for text in turn.send:
                await wire.say(text)
            heard += turn.said
    return [said.what for said in heard if said.account == "mine"]


def of(kind: type[_T], told: Sequence[Any]) -> list[_T]:
    return [one for one in told if isinstance(one, kind)]


def path_of(url: str) -> str:
    return "/" + url.removeprefix("wss://")


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("mode", MODES)
async def test_an_order_is_heard_and_read_as_it_was(market: Market, mode: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode)
        desk, catalog = Desk(exchange, owner), await catalog_of(exchange, market)
        url = await desk.ask(BITGET_PRIVATE.open(market, desk.credentials))
        now_ms = exchange.clock.now_ms()
        async with dial(exchange, path_of(url)) as wire:
            conversation = await joined(desk, wire, market, url, catalog)
            placed = await owner.place(market, *SIZES[market])
            await owner.do("fill", market, order=placed["order"], maker=True)
            last = BalancesTold if market == "spot" else PositionsTold
            heard = await hear(wire, conversation, catalog, OrderTold, 2)
            heard += await hear(wire, conversation, catalog, last)
        truth = await owner.truth()
        orders, fills = of(OrderTold, heard), of(FillTold, heard)
        assert [one.status for one in orders] == ["NEW", "FILLED"]
        assert {one.order_id for one in orders} == {truth["orders"][0]["orderId"]}
        assert {(fill.trade_id, fill.side, fill.maker) for fill in fills} == {
            (truth["fills"][0]["tradeId"], "BUY", True)
        }
        fill, true = fills[0], truth["fills"][0]
        assert (Decimal(str(fill.fee)), fill.fee_asset) == (Decimal(true["fee"]), true["feeAsset"])
        size = true["value" if market == "inverse" else "quantity"]
        assert Decimal(str(fill.quantity)) == Decimal(size)

        now = await desk.ask(BITGET_PRIVATE.snapshot(market, desk.credentials, catalog))
        assert of(OrderTold, now) == []
        assert [len(one.positions) for one in of(PositionsTold, now)] == [1] * (market != "spot")
        known = Known(now_ms - 60_000, exchange.clock.now_ms() + 1, [SYMBOLS[market]])
        since = await desk.ask(BITGET_PRIVATE.since(market, desk.credentials, catalog, known))
        for told in (since, await desk.ask(BITGET_PRIVATE.order(
            market, desk.credentials, catalog, SYMBOLS[market], placed["orderId"]
        ))):  # fmt: skip
            [read], [order] = of(FillTold, told), of(OrderTold, told)
            assert order.status == "FILLED"
            assert (read.trade_id, read.price, read.quantity) == (
                fill.trade_id, fill.price, fill.quantity,
            )  # fmt: skip
            assert order.filled == orders[-1].filled


@pytest.mark.parametrize("mode", MODES)
async def test_long_and_short_are_kept_apart_whichever_way_an_order_trades(mode: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode, hedged=True)
        desk, catalog = Desk(exchange, owner), await catalog_of(exchange, "linear")
        url = await desk.ask(BITGET_PRIVATE.open("linear", desk.credentials))
        async with dial(exchange, path_of(url)) as wire:
            conversation = await joined(desk, wire, "linear", url, catalog)
            ways = (("BUY", "LONG"), ("SELL", "SHORT"), ("SELL", "LONG"), ("BUY", "SHORT"))
            for side, position in ways:
                order = await owner.place(
                    "linear", *SIZES["linear"], side=side, positionSide=position
                )
                await owner.do("fill", "linear", order=order["order"])
                heard = await hear(wire, conversation, catalog, OrderTold, 2)
                heard += await hear(wire, conversation, catalog, PositionsTold)
                told = {(one.side, one.position_side) for one in of(OrderTold, heard)}
                told |= {(one.side, one.position_side) for one in of(FillTold, heard)}
                assert told == {(side, position)}
        now = await desk.ask(BITGET_PRIVATE.snapshot("linear", desk.credentials, catalog))
        assert [one.positions for one in of(PositionsTold, now)] == [()]


@pytest.mark.parametrize("mode", MODES)
async def test_a_liquidation_is_told_as_one(mode: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode)
        desk, catalog = Desk(exchange, owner), await catalog_of(exchange, "linear")
        order = await owner.place("linear", *SIZES["linear"])
        await owner.do("fill", "linear", order=order["order"])
        url = await desk.ask(BITGET_PRIVATE.open("linear", desk.credentials))
        async with dial(exchange, path_of(url)) as wire:
            conversation = await joined(desk, wire, "linear", url, catalog)
            await owner.do("liquidate", "linear", symbol="BTCUSDT", price="50000")
            heard = await hear(wire, conversation, catalog, OrderTold, 2)
        assert {one.liquidation for one in of(OrderTold, heard)} == {True}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type", "truncated"])
async def test_a_spoiled_push_is_told_as_unreadable_and_the_next_one_is_read(
    mode: str, spoil: str
) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode)
        desk = Desk(exchange, owner)
        url = await desk.ask(BITGET_PRIVATE.open("spot", desk.credentials))
        async with dial(exchange, path_of(url)) as wire:
            conversation = await joined(desk, wire, "spot", url, {})
            await hear(wire, conversation, {}, BalancesTold)
            await exchange.control("fault", kind="garble", spoil=spoil, insert=True)
            await owner.place("spot", *SIZES["spot"])
            heard = [
                conversation.receive((await wire.raw()).data.encode(), {}, 0) for _ in range(2)
            ]
        kinds = [type(said.what) for turn in heard for said in turn.said]
        assert kinds == [Unreadable, OrderTold]


@pytest.mark.parametrize("fault", ["expireAccess", "revokeKey"])
async def test_a_lost_login_is_noticed_by_a_probe(fault: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        desk = Desk(exchange, owner)
        url = await desk.ask(BITGET_PRIVATE.open("spot", desk.credentials))
        async with dial(exchange, path_of(url)) as wire:
            conversation = await joined(desk, wire, "spot", url, {})
            await owner.fault(fault)
            for text in conversation.probe():
                await wire.say(text)
            [denied, *_] = of(Denied, await hear(wire, conversation, {}, Denied))
            assert denied.trouble == "expired"
        if fault == "revokeKey":
            with pytest.raises(InquiryFailed) as failed:
                await desk.ask(BITGET_PRIVATE.snapshot("spot", desk.credentials, {}))
            assert failed.value.trouble == "key"
