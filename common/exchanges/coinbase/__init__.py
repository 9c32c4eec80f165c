"""Coinbase Advanced Trade: spot."""

from common.exchanges.coinbase import describe, parse, rest
from common.exchanges.protocol import Exchange

COINBASE = Exchange(
    name=describe.NAME,
    markets=describe.MARKETS,
    budgets=describe.BUDGETS,
    topics=parse.topics,
    family=parse.family,
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
    used=rest.used,
)
