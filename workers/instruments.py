"""Where instrument lists come from: the exchange's REST, asked and understood, or a clear failure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from common.exchanges.protocol import RestFailure
from common.exchanges.registry import EXCHANGES
from common.model.instruments import Instrument
from common.model.streams import Market
from common.recovery.rest import Rest, RestError


async def fetch_instruments(rest: Rest, exchange_name: str, market: Market) -> Sequence[Instrument]:
    """What a market lists now.

    Raises:
        RestError: there was no answer, or not one of this protocol.
    """
    exchange = EXCHANGES[exchange_name]
    request = exchange.instruments_request(market)
    body = await rest.ask(exchange, request)
    try:
        return exchange.parse_instruments(market, body)
    except msgspec.DecodeError as error:
        detail = f"{request.url} answered something else: {error}"
        raise RestError(RestFailure("transient", detail)) from error
