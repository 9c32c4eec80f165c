"""Bitget: spot, USDT-FUTURES (linear), COIN-FUTURES (inverse), by its v2 (Classic) public API."""

from common.exchanges.bitget import describe, parse, rest
from common.exchanges.protocol import Exchange

BITGET = Exchange(
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
