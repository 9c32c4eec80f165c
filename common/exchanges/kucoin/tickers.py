"""KuCoin's tickers: each is told in two parts, the best prices (source 0) and the day (source 1). Pure.

Prices and volumes come as JSON numbers or as text, and are read digit for digit.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Struct, field

from common.exchanges.kucoin.units import Nanoseconds, digits, size_of, told
from common.exchanges.protocol import TickerPart
from common.exchanges.wire import Millis
from common.model.instruments import Catalog
from common.model.streams import Market


class _SpotBest(Struct, gc=False):
    time: Millis
    price: Decimal | None = None
    best_bid: Decimal | None = field(name="bestBid", default=None)
    best_bid_size: Decimal | None = field(name="bestBidSize", default=None)
    best_ask: Decimal | None = field(name="bestAsk", default=None)
    best_ask_size: Decimal | None = field(name="bestAskSize", default=None)


class _SpotDay(Struct, gc=False):
    symbol: str
    datetime: Millis
    last: Decimal | None = field(name="lastTradedPrice", default=None)
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = field(name="vol", default=None)
    value: Decimal | None = field(name="volValue", default=None)


class _SpotDayData(Struct, gc=False):
    data: _SpotDay


class _FuturesBest(Struct, gc=False):
    ts: Nanoseconds
    best_bid: Decimal | None = field(name="bestBidPrice", default=None)
    best_bid_size: Decimal | None = field(name="bestBidSize", default=None)
    best_ask: Decimal | None = field(name="bestAskPrice", default=None)
    best_ask_size: Decimal | None = field(name="bestAskSize", default=None)


class _FuturesDay(Struct, gc=False):
    """The volume is in base on linear and in quote on inverse; the turnover the other way round."""

    ts: Nanoseconds
    volume: Decimal
    turnover: Decimal
    last: Decimal | None = field(name="lastPrice", default=None)
    open: Decimal | None = field(name="price24HoursBefore", default=None)
    high: Decimal | None = field(name="highPrice", default=None)
    low: Decimal | None = field(name="lowPrice", default=None)


_spot_best = msgspec.json.Decoder(_SpotBest)
_spot_day = msgspec.json.Decoder(_SpotDayData)
_futures_best = msgspec.json.Decoder(_FuturesBest)
_futures_day = msgspec.json.Decoder(_FuturesDay)


def best_of_spot(market: Market, name: str, data: msgspec.Raw, catalog: Catalog) -> TickerPart:
    """The best prices of a symbol, and the last one."""
    best = _spot_best.decode(data)
    return TickerPart(
        symbol=name,
        event_ms=best.time,
        source=0,
        last=told(best.price),
        bid=told(best.best_bid),
        bid_size=told(best.best_bid_size),
        ask=told(best.best_ask),
        ask_size=told(best.best_ask_size),
    )


def day_of_spot(market: Market, name: str, data: msgspec.Raw, catalog: Catalog) -> TickerPart:
    """The rolling day of a symbol."""
    day = _spot_day.decode(data).data
    return TickerPart(
        symbol=day.symbol,
        event_ms=day.datetime,
        source=1,
        last=told(day.last),
        open=told(day.open),
        high=told(day.high),
        low=told(day.low),
        volume=told(day.volume),
        quote_volume=told(day.value),
    )


def best_of_futures(market: Market, name: str, data: msgspec.Raw, catalog: Catalog) -> TickerPart:
    """The best prices of a contract."""
    best = _futures_best.decode(data)
    return TickerPart(
        symbol=name,
        event_ms=best.ts // 1_000_000,
        source=0,
        bid=told(best.best_bid),
        bid_size=size_of(market, name, best.best_bid_size, catalog),
        ask=told(best.best_ask),
        ask_size=size_of(market, name, best.best_ask_size, catalog),
    )


def day_of_futures(market: Market, name: str, data: msgspec.Raw, catalog: Catalog) -> TickerPart:
    """The rolling day of a contract."""
    day = _futures_day.decode(data)
    base, quote = day.volume, day.turnover
    if market == "inverse":
        base, quote = quote, base
    return TickerPart(
        symbol=name,
        event_ms=day.ts // 1_000_000,
        source=1,
        last=told(day.last),
        open=told(day.open),
        high=told(day.high),
        low=told(day.low),
        volume=digits(base),
        quote_volume=digits(quote),
    )
