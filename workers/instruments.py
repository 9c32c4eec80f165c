"""Where instrument lists come from: the exchange's REST, asked and understood, or a clear failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from common.exchanges.protocol import RestFailure
from common.exchanges.registry import EXCHANGES
from common.model.instruments import Instrument
from common.model.streams import Market
from common.recovery.rest import Rest, RestError

# The longest list there is, by pages; a list that never ends is a mistake of somebody's.
MOST_PAGES = 50


async def fetch_instruments(rest: Rest, exchange_name: str, market: Market) -> Sequence[Instrument]:
    """What a market lists now.

    Raises:
        RestError: there was no answer, or not one of this protocol.
    """
    exchange = EXCHANGES[exchange_name]
    requests = deque(exchange.instruments_requests(market))
    instruments: list[Instrument] = []
    for _ in range(MOST_PAGES):
        if not requests:
            return instruments
        request = requests.popleft()
        body = await rest.ask(exchange, request, urgent=False)
        try:
            page = exchange.parse_instruments(market, body)
        except msgspec.DecodeError as error:
            detail = f"{request.url} answered something else: {error}"
            raise RestError(RestFailure("transient", detail)) from error
        instruments += page.instruments
        if page.next_page is not None:
            requests.appendleft(page.next_page)
    raise RestError(RestFailure("transient", f"{exchange_name} lists {market} without an end"))
