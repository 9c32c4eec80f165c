"""Our own client of one account, against a simulated exchange: asks by REST and listens on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, get_args

import aiohttp
import pytest
from msgspec import UNSET
from yarl import URL

from common.exchanges.private import (
    Credentials,
    Denied,
    Inquiry,
    InquiryFailed,
    Known,
    Opened,
    Private,
)
from common.exchanges.protocol import RestFailure, RestRequest
from common.exchanges.told import FillTold, OrderTold, PositionsTold, Told
from common.model.instruments import Catalog
from common.model.secret import Secret
from common.model.streams import Market
from tests.simulator.owners import AccountOwner
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator

_T = TypeVar("_T")
ACCOUNT = "mine"
# What is said of an account, and must not be said of the whole connection.
_OF_ACCOUNTS = (*get_args(Told), Opened, Denied)
# A number within a millisecond is the socket's own; some worths are multiplied from what is rounded.
_OF_A_TRADE = set(FillTold.__struct_fields__) - {"seq", "quote_quantity"}
# What an order trades, and its limit.
SIZES: Mapping[Market, tuple[str, str]] = {
    "spot": ("0.5", "60000.00"),
    "linear": ("0.5", "60000.00"),
    "inverse": ("10", "60000.0"),
}


class Desk:
    """Carries out our inquiries, as the fleet's REST does, without any of it."""

    def __init__(
        self, simulated: RunningSimulator, private: Private, credentials: Credentials
    ) -> None:
        self.simulated, self.private, self.credentials = simulated, private, credentials

    def now_ms(self) -> int:
        return self.simulated.clock.now_ms()

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
        signed = self.private.sign(request, self.credentials, self.now_ms())
        url = URL(self.simulated.url + "/" + signed.url.removeprefix("https://"), encoded=True)
        # Most signatures have made what is asked for a part of the address.
        params = dict(signed.params) or None
        async with (
            aiohttp.ClientSession() as http,
            http.request(signed.method, url, params=params, headers=dict(signed.headers)) as answer,
        ):
            body = await answer.read()
            trouble = self.private.trouble(answer.status, dict(answer.headers), body)
            if trouble is not None:
                raise InquiryFailed(RestFailure("transient", body.decode()), trouble)
            return body

    async def address(self, market: Market) -> str:
        """Where to dial for the account."""
        return await self.ask(self.private.open(market, self.credentials))

    async def snapshot(self, market: Market, catalog: Catalog) -> Sequence[Told]:
        return await self.ask(self.private.snapshot(market, self.credentials, catalog))

    async def order(self, market: Market, catalog: Catalog, order: OrderTold) -> Sequence[Told]:
        """An order as it is told by itself."""
        return await self.ask(
            self.private.order(
                market, self.credentials, catalog, order.symbol, order.order_id
            )
        )  # fmt: skip

    async def filled_and_held(self, market: Market, catalog: Catalog) -> Sequence[Told]:
        """The snapshot of an account with nothing open but, on futures, one position."""
        now = await self.snapshot(market, catalog)
        assert of(OrderTold, now) == []
        assert [len(one.positions) for one in of(PositionsTold, now)] == [1] * (market != "spot")
        return now

    async def reads(
        self, market: Market, catalog: Catalog, heard: Sequence[Any], since_ms: int,
        untold: Collection[str] = (),
    ) -> list[OrderTold]:  # fmt: skip
        """The order that was heard of, told twice: among all since then, and by itself.

        Both times it ends as it was heard, and so does its only trade; ``untold`` is of a trade and
        may be left out by either side.
        """
        end, trades = of(OrderTold, heard)[-1], of(FillTold, heard)
        assert trades
        known = Known(since_ms, self.now_ms() + 1, [end.symbol])
        since = await self.ask(self.private.since(market, self.credentials, catalog, known))
        read = []
        for told in (since, await self.order(market, catalog, end)):
            [order], [fill] = of(OrderTold, told), of(FillTold, told)
            assert (order.status, order.filled) == ("FILLED", end.filled)
            for trade in trades:
                assert _differ(trade, fill, untold) == {}
            read.append(order)
        return read

    @asynccontextmanager
    async def listening(
        self, market: Market, catalog: Catalog | None = None
    ) -> AsyncIterator[Listener]:
        """On a socket of its own, where the account is streamed by now."""
        address = await self.address(market)
        # Some exchanges are asked for it: they name the simulator itself.
        place = address.removeprefix("wss://").removeprefix(f"{self.simulated.ws_url}/")
        async with dial(self.simulated, "/" + place) as wire:
            listener = Listener(self, wire, market, catalog, address)
            await listener.join()
            await listener.hear(Opened)
            yield listener


def _differ(one: FillTold, other: FillTold, untold: Collection[str]) -> dict[str, tuple[Any, Any]]:
    both = {name: (getattr(one, name), getattr(other, name)) for name in _OF_A_TRADE}
    found = {
        name: pair
        for name, pair in both.items()
        if pair[0] != pair[1] and not (name in untold and UNSET in pair)
    }
    if one.quote_quantity and other.quote_quantity:
        worth, same = float(one.quote_quantity), float(other.quote_quantity)
        if worth != pytest.approx(same, rel=1e-6):
            found["quote_quantity"] = worth, same
    return found


def desk_of(owner: AccountOwner, private: Private) -> Desk:
    row = owner.row
    passphrase = Secret(row["passphrase"]) if row["passphrase"] else None
    credentials = Credentials(
        Secret(row["key"]), Secret(row["secret"]), passphrase, kind=row["kind"]
    )  # fmt: skip
    return Desk(owner.exchange, private, credentials)


class Listener:
    """Our conversation on a socket."""

    def __init__(
        self, desk: Desk, wire: Wire, market: Market, catalog: Catalog | None = None,
        address: str = "",
    ) -> None:  # fmt: skip
        self.desk, self.wire, self.catalog = desk, wire, catalog or {}
        self.conversation = desk.private.converse(market, address)

    async def join(self) -> None:
        await self._say(
            self.conversation.join(ACCOUNT, self.desk.credentials, self.desk.now_ms())
        )  # fmt: skip

    async def probe(self) -> None:
        await self._say(self.conversation.probe())

    async def hear(self, wanted: type, count: int = 1) -> list[Any]:
        """What is said, until so many of a kind were."""
        heard: list[Any] = []
        async with asyncio.timeout(10):
            while len(of(wanted, heard)) < count:
                heard += await self.frame()
        return heard

    async def frame(self) -> list[Any]:
        """What the next frame says; what has to be answered is."""
        turn = self.conversation.receive((await self.wire.raw()).data.encode(), self.catalog, 0)
        await self._say(turn.send)
        for said in turn.said:
            assert said.account == ACCOUNT or not isinstance(said.what, _OF_ACCOUNTS), said
        return [said.what for said in turn.said]

    async def _say(self, texts: Sequence[str]) -> None:
        for text in texts:
            await self.wire.say(text)


def of(kind: type[_T], told: Sequence[Any]) -> list[_T]:
    return [one for one in told if isinstance(one, kind)]
