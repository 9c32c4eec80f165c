"""KuCoin, the classic generation: spot, futures settled in a stable coin, futures in the coin."""

from common.exchanges.kucoin import describe, parse, rest
from common.exchanges.protocol import Exchange

KUCOIN = Exchange(
    name=describe.NAME,
    markets=describe.MARKETS,
    budgets=describe.BUDGETS,
    topics=parse.topics,
    family=parse.family,
    subscribe=parse.subscribe,
    unsubscribe=parse.unsubscribe,
    ping=parse.ping,
    parse=parse.parse,
    address_request=rest.address_request,
    parse_address=rest.parse_address,
    instruments_requests=rest.instruments_requests,
    parse_instruments=rest.parse_instruments,
    candles_request=rest.candles_request,
    parse_candles=rest.parse_candles,
    time_request=rest.time_request,
    parse_time=rest.parse_time,
    rest_failure=rest.rest_failure,
    used=rest.used,
)
