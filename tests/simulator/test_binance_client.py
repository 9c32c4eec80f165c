"""Our own client against the simulated accounts: what is heard and what REST tells are the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

import aiohttp
import pytest
from yarl import URL

from common.exchanges.binance import BINANCE
from common.exchanges.binance.private import BINANCE_PRIVATE
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
from tests.simulator.binance_accounts import SYMBOLS, Owner, an_owner
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator

_T = TypeVar("_T")
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
            Secret(owner.key), Secret(owner.secret), kind=owner.row["kind"]
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
        signed = BINANCE_PRIVATE.sign(request, self.credentials, now_ms)
        url = URL(self.exchange.url + "/" + signed.url.removeprefix("https://"), encoded=True)
        async with (
            aiohttp.ClientSession() as http,
            http.request(signed.method, url, headers=dict(signed.headers)) as answer,
        ):
            body = await answer.read()
            trouble = BINANCE_PRIVATE.trouble(answer.status, dict(answer.headers), body)
            if trouble is not None:
                raise InquiryFailed(RestFailure("transient", body.decode()), trouble)
            return body


async def catalog_of(exchange: RunningSimulator, market: Market) -> Catalog:
    async def answer(path: str) -> bytes:
        async with aiohttp.ClientSession() as http, http.get(exchange.url + path) as reply:
            return await reply.read()

    path = {
        "spot": "/api.binance.com/api/v3/exchangeInfo",
        "linear": "/fapi.binance.com/fapi/v1/exchangeInfo",
        "inverse": "/dapi.binance.com/dapi/v1/exchangeInfo",
    }[market]
    page = BINANCE.parse_instruments(market, await answer(path))
    return {one.symbol: one for one in page.instruments}


async def hear(
    wire: Wire, conversation: Conversation, catalog: Catalog, wanted: type, count: int = 1
) -> list[Any]:
    """What is said, until so many of a kind were."""
    heard: list[Said] = []
    async with asyncio.timeout(10):
        while sum(isinstance(said.what, wanted) for said in heard) < count:
            turn = conversation.receive((await wire.raw()).data.encode(), catalog, 0)
            heard += turn.said
    return [said.what for said in heard if said.account == "mine"]


def of(kind: type[_T], told: Sequence[Any]) -> list[_T]:
    return [one for one in told if isinstance(one, kind)]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
async def test_an_order_is_heard_and_read_as_it_was(market: Market, kind: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, kind=kind)
        desk, catalog = Desk(exchange, owner), await catalog_of(exchange, market)
        url = await desk.ask(BINANCE_PRIVATE.open(market, desk.credentials))
        async with dial(exchange, "/" + url.removeprefix("wss://")) as wire:
            conversation = BINANCE_PRIVATE.converse(market)
            now_ms = exchange.clock.now_ms()
            for text in conversation.join("mine", desk.credentials, now_ms):
                await wire.say(text)
            await hear(wire, conversation, catalog, Opened)
            placed = await owner.place(market, *SIZES[market])
            await owner.do("fill", market, order=placed["order"], maker=True)
            heard = await hear(wire, conversation, catalog, OrderTold, 2)
        truth = await owner.truth()
        orders, fills = of(OrderTold, heard), of(FillTold, heard)
        assert [one.status for one in orders] == ["NEW", "FILLED"]
        assert {one.order_id for one in orders} == {truth["orders"][0]["orderId"]}
        [fill], [true] = fills, truth["fills"]
        assert (fill.trade_id, fill.side, fill.maker) == (true["tradeId"], "BUY", True)
        assert (float(fill.fee or 0), fill.fee_asset) == (float(true["fee"]), true["feeAsset"])
        assert of(BalancesTold, heard)
        assert bool(of(PositionsTold, heard)) == (market != "spot")

        now = await desk.ask(BINANCE_PRIVATE.snapshot(market, desk.credentials, catalog))
        assert of(OrderTold, now) == []
        assert [len(one.positions) for one in of(PositionsTold, now)] == [1] * (market != "spot")
        known = Known(now_ms - 60_000, exchange.clock.now_ms() + 1, [SYMBOLS[market]])
        since = await desk.ask(BINANCE_PRIVATE.since(market, desk.credentials, catalog, known))
        for told in (since, await desk.ask(BINANCE_PRIVATE.order(
            market, desk.credentials, catalog, SYMBOLS[market], placed["orderId"]
        ))):  # fmt: skip
            [read], [order] = of(FillTold, told), of(OrderTold, told)
            assert order.status == "FILLED"
            assert (read.trade_id, read.price, read.quantity) == (
                fill.trade_id, fill.price, fill.quantity,
            )  # fmt: skip
            assert order.filled == orders[-1].filled


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type", "truncated"])
async def test_a_spoiled_event_is_told_as_unreadable_and_the_next_one_is_read(
    market: Market, spoil: str
) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        desk = Desk(exchange, owner)
        url = await desk.ask(BINANCE_PRIVATE.open(market, desk.credentials))
        async with dial(exchange, "/" + url.removeprefix("wss://")) as wire:
            conversation = BINANCE_PRIVATE.converse(market)
            for text in conversation.join("mine", desk.credentials, exchange.clock.now_ms()):
                await wire.say(text)
            await hear(wire, conversation, {}, Opened)
            await exchange.control("fault", kind="garble", spoil=spoil, insert=True)
            await owner.place(market, *SIZES[market])
            heard = [
                conversation.receive((await wire.raw()).data.encode(), {}, 0) for _ in range(2)
            ]
        kinds = [type(said.what) for turn in heard for said in turn.said]
        assert kinds == [Unreadable, OrderTold]


async def test_a_deleted_key_and_a_lost_subscription_are_noticed_by_a_probe() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        desk = Desk(exchange, owner)
        async with dial(exchange, "/ws-api.binance.com/ws-api/v3") as wire:
            for fault in ("expireAccess", "revokeKey"):
                conversation = BINANCE_PRIVATE.converse("spot")
                for text in conversation.join("mine", desk.credentials, exchange.clock.now_ms()):
                    await wire.say(text)
                await hear(wire, conversation, {}, Opened)
                await owner.fault(fault)
                for text in conversation.probe():
                    await wire.say(text)
                [denied] = of(Denied, await hear(wire, conversation, {}, Denied))
                assert denied.trouble == "expired"
        with pytest.raises(InquiryFailed) as failed:
            await desk.ask(BINANCE_PRIVATE.snapshot("spot", desk.credentials, {}))
        assert failed.value.trouble == "key"
