"""Our own client against OKX's simulated accounts: what is heard and what REST tells are the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

import aiohttp
import pytest
from yarl import URL

from common.exchanges.okx import OKX
from common.exchanges.okx.private import OKX_PRIVATE
from common.exchanges.private import (
    Alive,
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
    Trouble,
)
from common.exchanges.protocol import RestFailure, RestRequest, Unreadable
from common.model.instruments import Catalog
from common.model.secret import Secret
from common.model.streams import MARKETS, Market
from tests.simulator.okx_accounts import PRIVATE, SYMBOLS, Owner, an_owner
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator

_T = TypeVar("_T")
SIZES = {"spot": "0.5", "linear": "0.5", "inverse": "10"}
PRICE = "60000"


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
        signed = OKX_PRIVATE.sign(request, self.credentials, self.exchange.clock.now_ms())
        url = URL(self.exchange.url + "/" + signed.url.removeprefix("https://"), encoded=True)
        async with (
            aiohttp.ClientSession() as http,
            http.request(signed.method, url, headers=dict(signed.headers)) as answer,
        ):
            body = await answer.read()
            trouble = OKX_PRIVATE.trouble(answer.status, dict(answer.headers), body)
            if trouble is not None:
                raise InquiryFailed(RestFailure("transient", body.decode()), trouble)
            return body


async def catalog_of(exchange: RunningSimulator, market: Market) -> Catalog:
    found = {}
    for request in OKX.instruments_requests(market):
        url = f"{exchange.url}/{request.url.removeprefix('https://')}"
        async with aiohttp.ClientSession() as http, http.get(url, params=request.params) as answer:
            page = OKX.parse_instruments(market, await answer.read())
        found |= {one.symbol: one for one in page.instruments}
    return found


class Listener:
    """Our conversation on a socket."""

    def __init__(self, wire: Wire, market: Market, catalog: Catalog) -> None:
        self.wire, self.catalog = wire, catalog
        self.conversation: Conversation = OKX_PRIVATE.converse(market, "")

    async def join(self, desk: Desk) -> None:
        now_ms = desk.exchange.clock.now_ms()
        for text in self.conversation.join("mine", desk.credentials, now_ms):
            await self.wire.say(text)

    async def hear(self, wanted: type, count: int = 1) -> list[Any]:
        """What is said, until so many of a kind were; what has to be answered is."""
        heard: list[Any] = []
        async with asyncio.timeout(10):
            while sum(isinstance(what, wanted) for what in heard) < count:
                frame = (await self.wire.raw()).data.encode()
                turn = self.conversation.receive(frame, self.catalog, 0)
                heard += [said.what for said in turn.said]
                for text in turn.send:
                    await self.wire.say(text)
        return heard


def of(kind: type[_T], told: Sequence[Any]) -> list[_T]:
    return [one for one in told if isinstance(one, kind)]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("mode", ["2", "3"])
async def test_an_order_is_heard_and_read_as_it_was(market: Market, mode: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode=mode)
        desk, catalog = Desk(exchange, owner), await catalog_of(exchange, market)
        began_ms = exchange.clock.now_ms()
        url = await desk.ask(OKX_PRIVATE.open(market, desk.credentials))
        async with dial(exchange, "/" + url.removeprefix("wss://")) as wire:
            listener = Listener(wire, market, catalog)
            await listener.join(desk)
            await listener.hear(Opened)
            placed = await owner.place(market, SIZES[market], PRICE)
            await owner.do("fill", market, order=placed["order"], maker=True)
            heard = await listener.hear(OrderTold, 2)
            heard += await listener.hear(PositionsTold if market != "spot" else BalancesTold)
        truth = await owner.truth()
        orders, fills = of(OrderTold, heard), of(FillTold, heard)
        assert [one.status for one in orders] == ["NEW", "FILLED"]
        assert {one.order_id for one in orders} == {truth["orders"][0]["orderId"]}
        [fill], [true] = fills, truth["fills"]
        assert (fill.trade_id, fill.side, fill.maker) == (true["tradeId"], "BUY", True)
        assert (float(fill.fee or 0), fill.fee_asset) == (float(true["fee"]), true["feeAsset"])
        size = fill.contracts if market == "inverse" else fill.quantity
        assert float(str(size)) == float(true["quantity"])

        now = await desk.ask(OKX_PRIVATE.snapshot(market, desk.credentials, catalog))
        assert of(OrderTold, now) == []
        assert [len(one.positions) for one in of(PositionsTold, now)] == [1] * (market != "spot")
        known = Known(began_ms, exchange.clock.now_ms() + 1)
        since = await desk.ask(OKX_PRIVATE.since(market, desk.credentials, catalog, known))
        one = await desk.ask(
            OKX_PRIVATE.order(market, desk.credentials, catalog, SYMBOLS[market], placed["orderId"])
        )
        for told in (since, one):
            [read], [order] = of(FillTold, told), of(OrderTold, told)
            assert (order.status, order.filled) == ("FILLED", orders[-1].filled)
            assert (read.trade_id, read.price, read.quantity, read.realized_pnl) == (
                fill.trade_id, fill.price, fill.quantity, fill.realized_pnl,
            )  # fmt: skip


@pytest.mark.parametrize("hedged", [False, True])
async def test_the_trade_of_a_liquidation_is_read_by_its_order(hedged: bool) -> None:
    side = {"positionSide": "LONG"} if hedged else {}
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange, hedged=hedged)
        desk, catalog = Desk(exchange, owner), await catalog_of(exchange, "linear")
        order = await owner.place("linear", "0.5", PRICE, **side)
        await owner.do("fill", "linear", order=order["order"])
        listener = Listener(wire, "linear", catalog)
        await listener.join(desk)
        await listener.hear(Opened)
        await owner.do("liquidate", "linear", symbol=SYMBOLS["linear"], price="57000", **side)
        heard = await listener.hear(OrderTold, 2)
        assert of(FillTold, heard) == []
        done = of(OrderTold, heard)[-1]
        assert (done.status, done.liquidation, done.filled) == ("FILLED", True, "0.500")
        told = await desk.ask(
            OKX_PRIVATE.order(
                "linear", desk.credentials, catalog, done.symbol, done.order_id
            )
        )  # fmt: skip
        [fill], true = of(FillTold, told), (await owner.truth())["fills"][-1]
        assert (fill.trade_id, fill.liquidation) == (true["tradeId"], True)
        assert (fill.realized_pnl, float(true["realized"])) == ("-1500", -1500)


@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type", "truncated"])
async def test_a_spoiled_event_is_told_as_unreadable_and_the_next_one_is_read(spoil: str) -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        listener = Listener(wire, "spot", {})
        await listener.join(Desk(exchange, owner))
        await listener.hear(BalancesTold)
        await exchange.control("fault", kind="garble", spoil=spoil, insert=True)
        await owner.place(quantity="0.5", price=PRICE)
        heard = await listener.hear(OrderTold)
        assert [type(what) for what in heard if not isinstance(what, Opened)][-2:] == [
            Unreadable, OrderTold,
        ]  # fmt: skip


async def test_a_probe_is_answered_and_what_is_ended_is_denied() -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        listener = Listener(wire, "spot", {})
        await listener.join(Desk(exchange, owner))
        await listener.hear(Opened)
        for _ in range(2):
            for text in listener.conversation.probe():
                await wire.say(text)
            await listener.hear(Alive)
        await owner.fault("expireAccess", told=True)
        denied = (await listener.hear(Denied))[-1]
        assert denied.trouble == "rate"


@pytest.mark.parametrize(
    ("kind", "trouble"),
    [("revokeKey", "key"), ("takePermission", "permission"), ("takeAddress", "address")],
)
async def test_what_a_key_lacks_is_told_apart_by_rest(kind: str, trouble: Trouble) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        desk = Desk(exchange, owner)
        await owner.fault(kind)
        with pytest.raises(InquiryFailed) as failed:
            await desk.ask(OKX_PRIVATE.snapshot("spot", desk.credentials, {}))
        assert failed.value.trouble == trouble
        async with dial(exchange, PRIVATE) as wire:
            listener = Listener(wire, "spot", {})
            await listener.join(desk)
            # A login that fails says no more than that.
            assert (await listener.hear(Denied))[-1].trouble == "key"
