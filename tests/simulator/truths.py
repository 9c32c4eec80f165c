"""What a simulated exchange lists, as we read it, and what its candles truly are."""

from __future__ import annotations

from typing import Any

import aiohttp

from common.exchanges.protocol import Exchange
from common.model.events import Candle
from common.model.instruments import Catalog
from common.model.streams import Market
from tests.support.simulator import RunningSimulator


async def catalog_of(simulated: RunningSimulator, exchange: Exchange, market: Market) -> Catalog:
    found = {}
    requests = list(exchange.instruments_requests(market))
    async with aiohttp.ClientSession() as http:
        for request in requests:
            url = f"{simulated.url}/{request.url.removeprefix('https://')}"
            async with http.get(url, params=request.params) as answer:
                assert answer.status == 200
                page = exchange.parse_instruments(market, await answer.read())
            found |= {one.symbol: one for one in page.instruments}
            requests += [] if page.next_page is None else [page.next_page]
    return found


async def true_candle(simulated: RunningSimulator, exchange: str, candle: Candle) -> dict[str, Any]:
    """What a candle of ours has to say, as the market made it."""
    [truth] = await simulated.truth(
        "candles", exchange=exchange, market=candle.market, symbol=candle.symbol,
        interval=candle.interval, from_=candle.start_ms, to=candle.start_ms + 1,
    )  # fmt: skip
    return truth
