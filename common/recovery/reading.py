"""Closed candles by REST: paged, built where the exchange lacks the interval.

One reader per process. What streams are waiting for goes first; comparing what was published
already takes what is left of the address' budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

import msgspec

from common.clocks import MarketClock
from common.exchanges.place import Place
from common.exchanges.protocol import RestFailure, RestRules
from common.model.events import Candle
from common.model.instruments import Catalog
from common.model.intervals import end_of, source_of, start_of
from common.model.streams import Market, Stream
from common.recovery.building import fold
from common.recovery.rest import Rest, RestError
from common.recovery.steps import Hole, closed


class IncompleteError(RestError):
    """An answer without bars that there are."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(RestFailure("transient", f"{stream.key} is not all there yet"))


class CandleReader:
    """Reads candles for all streams of one process.

    Args:
        rest: the client.
        catalog: the instruments of a market as they are known now.
        clock: market time: tells which bars have ended.
    """

    def __init__(
        self, rest: Rest, catalog: Callable[[str, Market], Catalog], clock: MarketClock
    ) -> None:
        self._rest = rest
        self._catalog = catalog
        self._clock = clock

    async def read(
        self, stream: Stream, stretch: Hole, *, urgent: bool, whole: bool = True
    ) -> list[Candle]:
        """The closed candles of the stretch, oldest first; those without trades may be left out.

        ``stretch`` begins and ends with intervals of the stream. ``whole``: where the exchange tells
        every bar, an answer without the last one is none yet.

        Raises:
            RestError: they could not be had (all of them), or are not all there yet.
        """
        place = Place(stream.exchange, stream.market, stream.channel)
        rules = place.protocol.markets[stream.market].rest
        interval = source_of(stream.interval or "", rules.intervals)
        if interval is None:
            detail = f"REST has nothing to build {stream.key} of"
            raise RestError(RestFailure("unsupported", detail))
        source = msgspec.structs.replace(stream, interval=interval)
        bars: dict[int, Candle] = {}
        for page in _pages(rules, interval, stretch):
            for candle in await self._page(place, source, page, urgent=urgent):
                if candle.closed and page.from_ms <= candle.start_ms < page.to_ms:
                    bars[candle.start_ms] = candle
        if whole and rules.tells_flat and _last_is_missing(bars, interval, stretch):
            raise IncompleteError(stream)
        ordered = [bars[start_ms] for start_ms in sorted(bars)]
        if interval == stream.interval:
            return ordered
        return _built(stream.interval or "", ordered, stretch.to_ms)

    async def _page(
        self, place: Place, source: Stream, page: Hole, *, urgent: bool
    ) -> list[Candle]:
        exchange, market = place.protocol, place.market
        request = exchange.candles_request(source, page.from_ms, page.to_ms)
        body = await self._rest.ask(exchange, request, urgent=urgent)
        catalog = self._catalog(exchange.name, market)
        try:
            return list(exchange.parse_candles(source, body, catalog, self._clock.now_ms()))
        except Exception as error:  # whatever it is, it costs this answer and no stream
            detail = f"{request.url} answered something else: {type(error).__name__} {error}"
            raise RestError(RestFailure("transient", detail)) from error


def _pages(rules: RestRules, interval: str, stretch: Hole) -> Iterator[Hole]:
    """The stretch in pieces of one request each."""
    from_ms = stretch.from_ms
    while from_ms < stretch.to_ms:
        to_ms = from_ms
        for _ in range(rules.candles_per_request):
            next_ms = end_of(interval, to_ms)
            too_long = rules.candles_span_ms and next_ms - from_ms > rules.candles_span_ms
            if next_ms > stretch.to_ms or (too_long and to_ms > from_ms):
                break
            to_ms = next_ms
        if to_ms == from_ms:
            to_ms = stretch.to_ms
        yield Hole(from_ms, to_ms)
        from_ms = to_ms


def _last_is_missing(bars: dict[int, Candle], interval: str, stretch: Hole) -> bool:
    return start_of(interval, stretch.to_ms - 1) not in bars


def _built(interval: str, bars: list[Candle], to_ms: int) -> list[Candle]:
    """Whole candles of a longer interval; bars that are left out had no trades."""
    groups = groupby(bars, key=lambda bar: start_of(interval, bar.start_ms))
    candles = [fold(interval, list(group)) for _, group in groups]
    return [closed(candle) for candle in candles if candle.end_ms <= to_ms]
