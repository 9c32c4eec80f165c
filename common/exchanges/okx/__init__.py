"""OKX (v5): spot, linear and inverse contracts, perpetual and dated."""

from common.exchanges.okx import describe, parse, rest
from common.exchanges.protocol import Exchange

OKX = Exchange(
    name=describe.NAME,
    markets=describe.MARKETS,
    budgets=describe.BUDGETS,
    topics=parse.topics,
    subscribe=parse.subscribe,
    unsubscribe=parse.unsubscribe,
    parse=parse.parse,
    instruments_requests=rest.instruments_requests,
    parse_instruments=rest.parse_instruments,
    candles_request=rest.candles_request,
    parse_candles=rest.parse_candles,
    time_request=rest.time_request,
    parse_time=rest.parse_time,
    rest_failure=rest.rest_failure,
    ping=parse.ping,
)
