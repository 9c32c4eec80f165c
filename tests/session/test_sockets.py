"""The private sockets of one process: which accounts share one, and how many there are of a place."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock

from common.exchanges.private import Credentials
from common.exchanges.registry import EXCHANGES, PRIVATE
from common.model.secret import Secret
from common.model.streams import Market
from common.session.sockets import Sockets
from common.session.venue import Venue
from common.session.ways import Way
from tests.support.virtual_time import virtual_time

KEY = Credentials(Secret("k" * 8), Secret("s" * 8))


def venue(market: Market) -> Venue:
    return Venue(EXCHANGES["binance"], PRIVATE["binance"], market)


def sockets() -> Sockets:
    """Nothing ever answers a dial."""

    def way(_: Venue, url: str) -> Way:
        async def dial(_: str) -> Any:
            await asyncio.Event().wait()

        return Way(AsyncMock(return_value=url), dial, AsyncMock(return_value=None))

    listings: Any = None
    return Sockets({"websocket": way}, listings, lambda _exchange, _market: 0)


@virtual_time
async def test_accounts_of_a_place_are_counted_whether_they_share_a_socket_or_not() -> None:
    they = sockets()
    spot = [they.join(venue("spot"), "wss://spot", f"s{n}", KEY) for n in range(3)]
    linear = [they.join(venue("linear"), f"wss://key{n}", f"l{n}", KEY) for n in range(3)]
    await asyncio.sleep(0.1)
    assert they.size == 1 + 3
    assert they.accounts(venue("spot")) == they.accounts(venue("linear")) == 3
    assert they.accounts(venue("inverse")) == 0
    they.leave(spot[0])
    they.leave(linear[0])
    assert they.accounts(venue("spot")) == they.accounts(venue("linear")) == 2
    await they.close()
    assert they.size == they.accounts(venue("spot")) == 0
